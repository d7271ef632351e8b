"""The ``images`` of a task file's dataset: one section, or several by name."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import cast

from gairbench.bands import ALPHA
from gairbench.data import SAMPLE_KEYS
from gairbench.files.folders import check_pattern
from gairbench.inputs import RGB, ImageInput, MissingPixels, Modality, Rendering, Unit
from gairbench.sensors import band, canonical
from gairbench.taskfiles.declaration import DateArray, FrameTable, ImageArray, ImageFiles, Table
from gairbench.taskfiles.paths import check_template, missing_rule, relative_path
from gairbench.units import band_problem
from gairbench.yamlfile import Section

AXES = ("sample", "time", "band", "height", "width")

KEYS = (
    "modality", "folder", "pattern", "file", "series", "array", "frames", "dates", "location", "bands", "unit", "size",
    "gsd_m", "rendering", "missing", "missing_pixels",
)  # fmt: skip

NOT_NAMES = {*SAMPLE_KEYS.values(), "location", "bbox", "dates", "mask", "folder", "every"}
"""Words that mean something else in samples, task files or models."""


def read_images(section: Section, table: Table | None) -> list[tuple[ImageFiles, ImageInput]]:
    """Read the images of a dataset.

    Args:
        section: One kind of image, or a mapping of names to such sections.
        table: The dataset's table, if any.

    Returns:
        Where the images of each name are, and what they hold.

    Raises:
        UsageError: They are wrong; line, key and hint are named.
    """
    named = {name: value for name, value in section.values.items() if isinstance(value, Section)}
    if len(named) < len(section.values) or not named:
        modality = Modality(section.choice("modality", [Modality.RS, Modality.SV]))
        return [_read(section, str(modality), modality, table)]
    if len(named) > 1 and table is None:
        raise section.error([*named][1], "several images need a table that names their files", "declare 'table'")
    found = []
    for name, item in named.items():
        _check_name(section, name)
        default = name if name in {Modality.RS, Modality.SV} else ...
        modality = Modality(item.choice("modality", [Modality.RS, Modality.SV], default))
        if name in {Modality.RS, Modality.SV} and modality != name:
            raise item.error("modality", f"{modality} does not fit the name {name!r}", "name the images otherwise")
        found.append(_read(item, name, modality, table))
    return found


def _check_name(section: Section, name: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+([-_.][a-z0-9]+)*", name):
        raise section.error(name, "is not a plain name", "use lower-case letters and digits, joined by '-', '_' or '.'")
    if name in NOT_NAMES or name.endswith(("_dates", "_mask")):
        raise section.error(name, "this name has another meaning", "name the images otherwise, for instance 's2'")


def _read(section: Section, name: str, modality: Modality, table: Table | None) -> tuple[ImageFiles, ImageInput]:
    section.only(*KEYS)
    sources = [key for key in ("file", "pattern", "array") if key in section]
    if len(sources) != 1:
        what = "exactly one of 'file', 'pattern' and 'array' is needed"
        raise section.error("file", what, "name images by table, by glob or by a NumPy array")
    source = sources[0]
    if source == "pattern" and table is not None:
        raise section.error("pattern", "cannot be matched to the rows of a table", "use 'file' with a column's name")
    if source != "pattern" and table is None:
        what = "the names" if source == "file" else "the labels"
        raise section.error(source, f"needs a table to take {what} from", "declare 'table', or use 'pattern'")
    array = _array(section, modality) if source == "array" else None
    files = tuple(section.texts("file")) if source == "file" else ()
    for template in files:
        check_template(section, "file", template)
    if source == "pattern" and (wrong := check_pattern(section.get("pattern", str))):
        raise section.error("pattern", wrong, "write for instance '*/*.tif' or '**/*.tif'")
    series = _series(section, files) if "series" in section else None
    frames = _frames(section, files, array, series)
    bands = _bands(section)
    unit = _unit(section, bands)
    if modality is Modality.SV and unit is not Unit.UINT8:
        raise section.error("unit", f"photos are not in {unit}", f"declare {Unit.UINT8}")
    size = _size(section, array)
    dates = _dates(section, frames, array, series)
    images = ImageFiles(
        name=name,
        modality=modality,
        folder=relative_path(section, "folder") if array is None else "",
        pattern=relative_path(section, "pattern") if source == "pattern" else "",
        files=files,
        series=series,
        array=array,
        frames=frames,
        dates=dates,
        location=_location(section),
        bands=bands,
        unit=unit,
        size=size,
        missing=missing_rule(section),
        missing_pixels=cast(MissingPixels, section.choice("missing_pixels", ["fill", "refuse"], "fill")),
    )
    delivered = ImageInput(
        modality=modality,
        name=name,
        bands=bands,
        unit=unit,
        size=size,
        gsd_m=_gsd(section),
        frames=frames,
        dated=bool(dates or (series and series.date)),
        masked=True,
        rendering=_rendering(section, bands) if "rendering" in section else None,
    )
    return images, delivered


def _array(section: Section, modality: Modality) -> ImageArray:
    for key in ("folder", "location", "missing", "missing_pixels", "series"):
        if key in section:
            raise section.error(key, "does not fit an array", "it is for images in files only")
    if modality is not Modality.RS:
        raise section.error("array", f"does not fit modality {modality}", "it is for overhead images (rs) only")
    item: Section = section.get("array", Section)
    item.only("path", "axes")
    axes = item.texts("axes")
    unknown = next((axis for axis in axes if axis not in AXES), None)
    if unknown is not None:
        raise item.error("axes", f"unknown axis {unknown!r}", f"use {', '.join(AXES)}")
    lacking = [axis for axis in ("sample", "band") if axis not in axes]
    if lacking or len(set(axes)) < len(axes) or ("height" in axes) != ("width" in axes):
        what = f"{', '.join(axes)}: "
        what += f"no {lacking[0]}" if lacking else "an axis twice" if len(set(axes)) < len(axes) else "half a grid"
        raise item.error("axes", what, "name every axis of the array once, for instance [sample, time, band]")
    return ImageArray(path=relative_path(item, "path"), axes=tuple(axes))


def _series(section: Section, files: Sequence[str]) -> FrameTable:
    if len(files) != 1:
        raise section.error("series", "needs one 'file', a template of its columns", "write for instance '{path}'")
    item: Section = section.get("series", Section)
    item.only("path", "on", "date")
    on = item.get("on", (str, Section))
    here = there = on
    if isinstance(on, Section):
        if len(on.values) != 1:
            raise item.error("on", f"{len(on.values)} pairs of columns", "write one, as {sample's column: its column}")
        (here,) = on.values
        there = on.get(here, str)
    return FrameTable(path=relative_path(item, "path"), on=(here, there), date=item.get("date", str, ""))


def _frames(
    section: Section, files: Sequence[str], array: ImageArray | None, series: FrameTable | None
) -> int | tuple[int, int] | None:
    """Return the number of frames: of the templates, or as declared."""
    if series is None and not (array and "time" in array.axes):
        if "frames" in section:
            raise section.error("frames", "is not known otherwise than by 'file', one template a frame", "remove it")
        return len(files) if len(files) > 1 else None
    frames = section.get("frames", (int, list))
    ends = frames if isinstance(frames, list) else [frames, frames]
    whole = all(isinstance(end, int) and not isinstance(end, bool) for end in ends)
    if len(ends) != 2 or not whole or not 1 <= ends[0] <= ends[1]:
        what = f"{frames} is not a number of frames"
        raise section.error("frames", what, "give one, or the least and the greatest as [2, 12]")
    return ends[0] if ends[0] == ends[1] else (ends[0], ends[1])


def _dates(
    section: Section, frames: int | tuple[int, int] | None, array: ImageArray | None, series: FrameTable | None
) -> tuple[str, ...] | DateArray:
    if "dates" not in section:
        return ()
    if series is not None:
        raise section.error("dates", "does not fit a series", "name the column of dates in 'series'")
    if isinstance(section.get("dates", (str, list, Section)), Section):
        return _date_array(section.get("dates", Section))
    columns = tuple(section.texts("dates"))
    wanted = frames if isinstance(frames, int) else 1
    if len(columns) != wanted or (array is not None and isinstance(frames, tuple)):
        what = f"{len(columns)} columns for {wanted} images"
        raise section.error("dates", what, "name one column for each frame")
    if "pattern" in section:
        raise section.error("dates", "needs a table with that column", "name images by table")
    return columns


def _date_array(section: Section) -> DateArray:
    section.only("path", "year", "first_month")
    year: int | None = section.get("year", int, None)
    if year is not None and not datetime.MINYEAR <= year <= datetime.MAXYEAR - 100:
        raise section.error("year", f"{year} is not a year", "give the year of the first frame")
    if "first_month" in section and year is None:
        raise section.error("first_month", "needs a year", "add 'year' if the array holds months")
    first: int = section.get("first_month", int, 1)
    if first not in {0, 1}:
        raise section.error("first_month", f"{first} is not the number of January", "give 0 or 1")
    return DateArray(path=relative_path(section, "path"), year=year, first_month=first)


def _location(section: Section) -> str:
    location: str = section.get("location", str, "")
    if location:
        try:
            groups = set(re.compile(location).groupindex)
        except re.error as error:
            raise section.error("location", f"is not a regular expression: {error}", "correct it") from error
        if not {"lon", "lat"} <= groups:
            raise section.error("location", "has no groups lon and lat", "write (?P<lon>...) and (?P<lat>...)")
    return location


def _size(section: Section, array: ImageArray | None) -> int | None:
    size: int | None = section.get("size", int, None)
    if size is not None and size < 1:
        raise section.error("size", f"{size} is not a size", "give pixels, 1 or more")
    if array is None or "height" in array.axes:
        return size
    if size is not None:
        raise section.error("size", "does not fit single pixels", "remove it")
    return 1


def _gsd(section: Section) -> float | None:
    gsd: float | None = section.get("gsd_m", float, None)
    if gsd is not None and not gsd > 0:
        raise section.error("gsd_m", f"{gsd:g} is not a distance", "give metres per pixel, above 0")
    return gsd


def _rendering(section: Section, bands: Sequence[str]) -> Rendering:
    item: Section = section.get("rendering", Section)
    item.only("bands", "low", "high", "gamma")
    shown = tuple(map(canonical, item.texts("bands")))
    lacking = [name for name in shown if name not in bands]
    if lacking:
        raise item.error("bands", f"{', '.join(lacking)}: not among {', '.join(bands)}", "name bands of the images")
    if len(shown) != len(RGB):
        raise item.error("bands", f"{len(shown)} bands", "name those that are shown as red, green and blue")
    low, high = item.get("low", float), item.get("high", float)
    if not low < high:
        raise item.error("high", f"{high:g} is not above low, {low:g}", "give the values shown as black and as white")
    gamma: float = item.get("gamma", float, 1.0)
    if not gamma > 0:
        raise item.error("gamma", f"{gamma:g} is not above 0", "leave it out, or give a number above 0")
    return Rendering(bands=shown, low=low, high=high, gamma=gamma)


def _bands(section: Section) -> tuple[str, ...]:
    # Alpha masks pixels and is not a band. Bands are named as models name them, however they are spelled.
    bands = tuple(canonical(band) for band in section.texts("bands", list(RGB)) if band.casefold() != ALPHA)
    if not bands or len(set(bands)) < len(bands):
        raise section.error("bands", f"{', '.join(bands) or 'nothing'}: a band twice, or none", "name each band once")
    return bands


def _unit(section: Section, bands: Sequence[str]) -> Unit | tuple[Unit, ...]:
    """Return the unit of all bands, or of each, after a look at what the bands measure."""
    if isinstance(section.get("unit", (str, list)), str):
        unit: Unit | tuple[Unit, ...] = Unit(section.choice("unit", list(Unit)))
    else:
        names = section.texts("unit")
        wrong = next((name for name in names if name not in {*Unit}), None)
        if wrong is not None:
            raise section.error("unit", f"{wrong!r} is not a unit", f"use {', '.join(Unit)}")
        if len(names) != len(bands):
            raise section.error("unit", f"{len(names)} units for {len(bands)} bands", "give one, or one for each")
        unit = tuple(map(Unit, names))
    for name, of_band in zip(bands, unit if isinstance(unit, tuple) else (unit,) * len(bands), strict=True):
        if problem := band_problem(name, band(name).quantity, of_band):
            raise section.error("unit", problem, "correct the unit or the band's name")
    return unit
