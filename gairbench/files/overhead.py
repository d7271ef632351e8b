"""Overhead images: bands, unit, place, missing data, pixels. Nothing else opens them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from gairbench.bands import ALPHA, stack_bands
from gairbench.errors import DataError
from gairbench.files.badrows import ProblemKind, RowError, counted_as
from gairbench.files.guard import reading
from gairbench.files.images import is_turned, picture_names, read_picture, resize
from gairbench.files.missing_pixels import Valid, Values, fill_missing, resized_valid
from gairbench.files.rasters import REPLACE, driver_of, open_raster
from gairbench.georeference import Georeference, georeference
from gairbench.inputs import RGB, MissingPixels, Unit
from gairbench.sensors import band, canonical, is_known
from gairbench.units import band_problem, dtype_problem, possible, reading_problem, scale_problem

if TYPE_CHECKING:
    from rasterio.io import DatasetReader
    from rasterio.transform import Affine

LARGEST = 2**31
"""Numbers that are read at once at most; a file may state any size in a few bytes."""

_EXACT = {"GTiff", "JP2OpenJPEG", "PNG"}
"""Formats that GDAL reads exactly; Pillow reads the others, for its JPEG decoder is the usual one."""


class Window(NamedTuple):
    """A part of an image in pixels, from the north-western corner."""

    row: int
    column: int
    height: int
    width: int


class Pixels(Protocol):
    """Where values and the mask come from."""

    def values(self, window: Window) -> Values:
        """Return ``(band, height, width)``."""
        ...

    def mask(self, window: Window) -> Valid:
        """Return which pixels the file does not mark as missing, ``(height, width)``."""
        ...


@dataclass(frozen=True, slots=True)
class RasterPixels:
    """Pixels that GDAL reads.

    Args:
        path: The file, for messages.
        file: The open dataset, as it is or reprojected.
        indexes: Its bands, alpha left out.
        alphas: Its alpha bands.
    """

    path: Path
    file: DatasetReader
    indexes: tuple[int, ...]
    alphas: tuple[int, ...]

    def values(self, window: Window) -> Values:
        """Read the bands of a window, see :class:`Pixels`."""
        with reading(self.path, "image", REPLACE):
            values: Values = self.file.read(list(self.indexes), window=_rasterio(window))
        return values

    def mask(self, window: Window) -> Valid:
        """Read the mask of a window: alpha, mask band or file, or the nodata value in all bands."""
        with reading(self.path, "image", REPLACE):
            mask: Valid = self.file.dataset_mask(window=_rasterio(window)) != 0
            for index in self.alphas:
                mask &= self.file.read(index, window=_rasterio(window)) != 0
        return mask


@dataclass(frozen=True, slots=True)
class PicturePixels:
    """Pixels in memory.

    Args:
        bands: ``(band, height, width)``.
        visible: ``(height, width)``.
    """

    bands: Values
    visible: Valid

    def values(self, window: Window) -> Values:
        """Return the bands of a window, see :class:`Pixels`."""
        return self.bands[:, *_slices(window)]

    def mask(self, window: Window) -> Valid:
        """Return the mask of a window: what is not wholly transparent."""
        return self.visible[_slices(window)].copy()


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """An open overhead image.

    Args:
        path: Its file.
        bands: Names of its bands as models spell them, alpha left out.
        units: What the values of each band mean.
        dtype: Their data type.
        height: Rows of pixels.
        width: Columns of pixels.
        place: Where it lies; ``None`` if it does not state that.
        transform: From (column, row) to the coordinates of its place.
        nodata: What marks missing values in each band, where that is not a value of the unit.
        pixels: Where they come from.
    """

    path: Path
    bands: tuple[str, ...]
    units: tuple[Unit, ...]
    dtype: np.dtype[Any]
    height: int
    width: int
    place: Georeference | None
    transform: Affine | None
    nodata: tuple[float | None, ...]
    pixels: Pixels

    def read(self, window: Window | None = None) -> tuple[Values, Valid]:
        """Read pixels.

        Args:
            window: Inside the image; ``None``: all of it.

        Returns:
            Values ``(band, height, width)`` as stored, in the file's data type; and which of them hold data, of the
            same shape. A pixel holds none that an alpha band, a mask or the nodata value in all bands excludes, or that
            is not a finite number in any band. A nodata value that the unit does not have (-9999) excludes the bands
            that have it; one that it has (0) may be measured in one band.

        Raises:
            DataError: The file is broken or the window too large, or it holds values that the unit does not have.
        """
        window = window or Window(0, 0, self.height, self.width)
        if len(self.bands) * window.height * window.width > LARGEST:
            raise DataError(
                f"{self.path} is too large to be read at once ({window.width} x {window.height} pixels)",
                "cut it into chips, or make a map of it",
            )
        values, pixels = self.pixels.values(window), self.pixels.mask(window)
        if values.dtype.kind == "f":
            pixels &= np.isfinite(values).all(axis=0)
        valid = np.broadcast_to(pixels, values.shape).copy()
        for plane, holds, nodata in zip(values, valid, self.nodata, strict=True):
            if nodata is not None:
                holds &= plane != nodata
        if valid.any():
            self._check_range(values, valid)
        return values, valid

    def _check_range(self, values: Values, valid: Valid) -> None:
        for unit in dict.fromkeys(self.units):
            of_unit = [i for i, other in enumerate(self.units) if other is unit]
            chosen = values if len(of_unit) == len(values) else values[of_unit]
            holds = valid if len(of_unit) == len(values) else valid[of_unit]
            held = chosen if holds.all() else chosen[holds]
            problem = reading_problem(float(held.min()), float(held.max()), unit) if held.size else ""
            if problem:
                several = f" band {self.bands[of_unit[0]]}" if len(of_unit) < len(values) else ""
                raise RowError(
                    f"{self.path}{several} {problem}",
                    "correct the unit, or state in the file which value marks missing data (gdal_edit.py -a_nodata)",
                    ProblemKind.UNIT,
                )


class OverheadSample(NamedTuple):
    """An overhead image, read whole.

    Args:
        values: ``(band, height, width)`` in the file's data type, without missing pixels.
        bands: Names of its bands.
        place: Where it lies; ``None`` if it does not state that.
        missing: Share of its pixels that were missing and are filled.
        valid: Which values hold data, and are not filled, of the shape of ``values``; ``None``: all.
    """

    values: Values
    bands: tuple[str, ...]
    place: Georeference | None
    missing: float
    valid: Valid | None


def read_overhead(
    path: Path,
    unit: Unit | tuple[Unit, ...],
    declared: Sequence[str] | None,
    *,
    missing_pixels: MissingPixels = "fill",
    size: int | None = None,
) -> OverheadSample:
    """Read an overhead image whole.

    Args:
        path: GeoTIFF, JPEG 2000, PNG, or a picture of 8 bits; its content says which, not its name.
        unit: What its values mean, or those of each band; it rules data types and values out, and never changes any.
        declared: Names of its bands, in its order; ``None``: as :func:`gairbench.bands.stack_bands` finds them.
        missing_pixels: See :func:`gairbench.files.missing_pixels.fill_missing`.
        size: Edge in pixels to resize to, or ``None`` to leave it as it is.

    Raises:
        DataError: As for :func:`open_overhead`, :meth:`Overhead.read` and :func:`fill_missing`.
    """
    with open_overhead(path, unit, declared) as image:
        values, valid = image.read()
        values, missing = fill_missing(path, values, valid, missing_pixels)
    held = valid if missing else None
    if size is not None and values.shape[1:] != (size, size):
        values, held = resize(values, size), None if held is None else resized_valid(held, size)
    return OverheadSample(values, image.bands, image.place, missing, held)


@contextmanager
def open_overhead(path: Path, unit: Unit | tuple[Unit, ...], declared: Sequence[str] | None) -> Iterator[Overhead]:
    """Open an overhead image.

    Args:
        path: GeoTIFF, JPEG 2000, PNG, or a picture of 8 bits; its content says which, not its name.
        unit: What its values mean, or those of each band, alpha left out.
        declared: Names of its bands, in its order; ``None``: as :func:`gairbench.bands.stack_bands` finds them. An
            alpha band may be named or left out.

    Yields:
        The image.

    Raises:
        RowError: It is missing or broken, its bands are not known or not as declared, it is not north up, or its data
            type or scale tags contradict the unit.
    """
    with counted_as(ProblemKind.BROKEN):
        driver = driver_of(path)
    if driver in _EXACT and not (driver == "PNG" and is_turned(path)):
        with (
            counted_as(ProblemKind.BROKEN),
            open_raster(path, driver) as file,
            _unflagged(path, file, declared) as bands_only,
        ):
            yield _raster(path, bands_only, driver, unit, declared)
    else:
        yield _picture(path, driver, unit, declared)


def read_place(path: Path) -> Georeference | None:
    """Return where an overhead image lies by its header; ``None`` if it does not state that.

    Raises:
        RowError: It is missing or broken, or not north up.
    """
    with counted_as(ProblemKind.BROKEN):
        driver = driver_of(path)
    return _place(path, driver)


def check_bands(path: Path, declared: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of an image's bands by its header.

    Raises:
        RowError: It is missing or broken, or its bands are not known or not as declared.
    """
    with counted_as(ProblemKind.BROKEN):
        driver = driver_of(path)
    if driver in _EXACT:
        with counted_as(ProblemKind.BROKEN), open_raster(path, driver) as file:
            flagged = (False,) * file.count if _is_false_alpha(file, declared) else _flagged(file)
            return _channels(path, _stated(file, driver), flagged, declared)[0]
    with counted_as(ProblemKind.BROKEN):
        names = picture_names(path)
    return _channels(path, names, [name == ALPHA for name in names], declared)[0]


def _raster(
    path: Path,
    file: DatasetReader,
    driver: str,
    unit: Unit | tuple[Unit, ...],
    declared: Sequence[str] | None,
) -> Overhead:
    bands, indexes, alphas = _channels(path, _stated(file, driver), _flagged(file), declared)
    units = _units(path, bands, unit)
    with counted_as(ProblemKind.PLACE):
        place = georeference(path, file)
    with counted_as(ProblemKind.UNIT), reading(path, "image", REPLACE):
        for index, of_band in zip(indexes, units, strict=True):
            _check_values(path, file, index, of_band)
    nodata = tuple(
        None if value is None or np.isnan(value) or possible(value, of_band) else float(value)
        for value, of_band in zip((file.nodatavals[index - 1] for index in indexes), units, strict=True)
    )
    return Overhead(
        path=path,
        bands=bands,
        units=units,
        dtype=np.dtype(file.dtypes[indexes[0] - 1]),
        height=file.height,
        width=file.width,
        place=place,
        transform=file.transform if place is not None else None,
        nodata=nodata,
        pixels=RasterPixels(path, file, indexes, alphas),
    )


def _units(path: Path, bands: Sequence[str], unit: Unit | tuple[Unit, ...]) -> tuple[Unit, ...]:
    """Return the unit of every band.

    Raises:
        RowError: There is not one for each, or a band measures something else.
    """
    units = unit if isinstance(unit, tuple) else (unit,) * len(bands)
    if len(units) != len(bands):
        raise RowError(
            f"{path} has {len(bands)} bands, and {len(units)} units are declared",
            "declare one unit for all bands, or one for each",
            ProblemKind.UNIT,
        )
    for name, of_band in zip(bands, units, strict=True):
        if problem := band_problem(name, band(name).quantity, of_band):
            raise RowError(f"{path}: {problem}", "correct the unit", ProblemKind.UNIT)
    return units


def _picture(path: Path, driver: str, unit: Unit | tuple[Unit, ...], declared: Sequence[str] | None) -> Overhead:
    with counted_as(ProblemKind.BROKEN):
        picture = read_picture(path)
    flagged = tuple(name == ALPHA for name in picture.names)
    bands, indexes, alphas = _channels(path, picture.names, flagged, declared)
    units = _units(path, bands, unit)
    for of_band in dict.fromkeys(units):
        if problem := dtype_problem(picture.values.dtype.name, of_band):
            raise RowError(f"{path} {problem}", "declare the unit that the files are in", ProblemKind.UNIT)
    place = _place(path, driver)
    if place is not None and picture.turned:
        raise RowError(
            f"{path} has a place, and its EXIF data turn it", "turn the pixels themselves", ProblemKind.PLACE
        )
    values = picture.values
    visible = np.ones(values.shape[1:], dtype=bool)
    for index in alphas:
        visible &= values[index - 1] != 0
    return Overhead(
        path=path,
        bands=bands,
        units=units,
        dtype=values.dtype,
        height=values.shape[1],
        width=values.shape[2],
        place=place,
        transform=None if place is None else grid_of(place),
        nodata=(None,) * len(bands),
        pixels=PicturePixels(values[[index - 1 for index in indexes]], visible),
    )


def _place(path: Path, driver: str) -> Georeference | None:
    # Only a file beside a picture can state its CRS.
    if not driver or not (driver in _EXACT or path.with_name(f"{path.name}.aux.xml").exists()):
        return None
    with counted_as(ProblemKind.BROKEN), open_raster(path, driver) as file, counted_as(ProblemKind.PLACE):
        return georeference(path, file)


def _is_false_alpha(file: DatasetReader, declared: Sequence[str] | None) -> bool:
    """Return whether a TIFF flags a band as alpha that it, or its user, calls otherwise.

    GDAL flags the fourth band of 8-bit TIFFs unless an option says otherwise, near infrared or not.
    """
    flagged = [i for i, flag in enumerate(_flagged(file)) if flag]
    names: Sequence[str | None] = file.descriptions
    if declared is not None and len(declared) == file.count:
        names = declared
    elif declared is not None:
        return False
    called = [canonical(names[i] or "") for i in flagged]
    return file.driver == "GTiff" and any(
        name and not _is_alpha(name) and (declared is not None or is_known(name)) for name in called
    )


@contextmanager
def _unflagged(path: Path, file: DatasetReader, declared: Sequence[str] | None) -> Iterator[DatasetReader]:
    """Return a file, or a copy in memory whose bands are all bands, where one is falsely flagged as alpha."""
    if not _is_false_alpha(file, declared):
        yield file
        return
    from rasterio.io import MemoryFile

    if file.count * file.height * file.width > LARGEST:
        raise DataError(f"{path} flags a band as alpha", "correct it: gdal_edit.py -colorinterp_4 undefined")
    keep = ("driver", "dtype", "count", "height", "width", "crs", "transform", "nodata")
    profile = {name: file.profile[name] for name in keep} | {"photometric": "minisblack", "alpha": "no"}
    with MemoryFile() as memory:
        with reading(path, "image", REPLACE), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with memory.open(**profile) as copy:
                copy.write(file.read())
                copy.descriptions, copy.scales, copy.offsets = file.descriptions, file.scales, file.offsets
            opened = memory.open()
        with opened:
            yield opened


def grid_of(place: Georeference) -> Affine:
    """Return the transform from (column, row) to coordinates that a place implies."""
    from rasterio.transform import from_bounds

    return from_bounds(*place.bounds, *place.size)


def _stated(file: DatasetReader, driver: str) -> tuple[str | None, ...]:
    """Return what a file says about its bands: their descriptions, or the colours that its format fixes."""
    if not any(file.descriptions) and (driver == "PNG" or (driver == "JP2OpenJPEG" and file.dtypes[0] == "uint8")):
        colours = tuple(meaning.name for meaning in file.colorinterp)
        return tuple(colour if colour in {*RGB, ALPHA} else None for colour in colours)
    return tuple(file.descriptions)


def _flagged(file: DatasetReader) -> tuple[bool, ...]:
    return tuple(meaning.name == ALPHA for meaning in file.colorinterp)


def _channels(
    path: Path, stated: Sequence[str | None], flagged: Sequence[bool], declared: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[int, ...], tuple[int, ...]]:
    """Return the names and the numbers (from 1) of the bands, and the numbers of the alpha bands."""
    count = len(stated)
    names: Sequence[str] | None = declared
    alphas = {i for i in range(count) if flagged[i] or _is_alpha(stated[i])}
    if declared is not None and len(declared) == count:
        called = {i for i, name in enumerate(declared) if _is_alpha(name)}
        wrong = next((i for i in sorted(alphas - called)), None)
        if wrong is not None:
            raise _not_alpha(path, wrong, declared[wrong])
        alphas |= called
    if declared is not None:
        names = [name for name in declared if not _is_alpha(name)]
    kept = [i for i in range(count) if i not in alphas]
    with counted_as(ProblemKind.UNNAMED if declared is None else ProblemKind.BANDS):
        bands = stack_bands(path, len(kept), [stated[i] for i in kept], names)
    return bands, tuple(i + 1 for i in kept), tuple(i + 1 for i in sorted(alphas) if not flagged[i])


def _not_alpha(path: Path, index: int, name: str) -> RowError:
    return RowError(
        f"{path} marks its band {index + 1} as alpha (transparency), and it is called {name}",
        f"call it {ALPHA}, or correct the mark, for instance with gdal_edit.py -colorinterp_{index + 1} undefined",
        ProblemKind.BANDS,
    )


def _is_alpha(name: str | None) -> bool:
    return name is not None and name.strip().casefold() == ALPHA


def _check_values(path: Path, file: DatasetReader, index: int, unit: Unit) -> None:
    """Refuse a band whose header contradicts the unit."""
    if problem := dtype_problem(file.dtypes[index - 1], unit):
        raise DataError(f"{path} {problem}", "declare the unit that the files are in")
    if file.colorinterp[index - 1].name == "palette":
        raise DataError(f"{path} holds the indices of a palette", "convert it to RGB")
    bits = int(file.tags(index, ns="IMAGE_STRUCTURE").get("NBITS", 8))
    if bits < 8:
        raise DataError(f"{path} has {bits} bits per value", "convert it to 8 bits")
    scale, offset = file.scales[index - 1], file.offsets[index - 1]
    if problem := scale_problem(scale, offset, unit):
        raise DataError(
            f"{path} {problem}",
            "store the measurements themselves (gdal_translate -unscale -ot Float32) and declare their unit",
        )


def _rasterio(window: Window) -> Any:
    from rasterio.windows import Window as RasterioWindow

    return RasterioWindow(window.column, window.row, window.width, window.height)


def _slices(window: Window) -> tuple[slice, slice]:
    return slice(window.row, window.row + window.height), slice(window.column, window.column + window.width)
