"""The input table of ``gairbench embed``: which of its columns mean what, and its rows as samples that are ready."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.bandnames import stack_bands
from gairbench.conversion import Converter, make_converter
from gairbench.errors import DataError, GairbenchError, UsageError
from gairbench.imagefiles import GEOTIFF, read_image
from gairbench.spec import RGB, VIEW_MODALITY, ImageInput, Input, LocationInput, Modality, Unit, View
from gairbench.tables import Column, check_coordinates, no_column, stream_table, table_columns
from gairbench.tilebox import Box, Georeference, georeference

if TYPE_CHECKING:
    from torch import Tensor

BBOX = ("lon_min", "lat_max", "lon_max", "lat_min")
"""Columns of an overhead image's box, in the order that models take it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The columns that a user names; ``None``: the column of the usual name, if there is one."""

    id: str | None = None
    lon: str | None = None
    lat: str | None = None
    rs: str | None = None
    sv: str | None = None
    bbox: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The columns that a table has; empty where it lacks them."""

    id: str = ""
    lonlat: tuple[str, ...] = ()
    rs: str = ""
    sv: str = ""
    bbox: tuple[str, ...] = ()

    def all(self) -> list[str]:
        """Return their names, each once."""
        return [*dict.fromkeys(filter(None, (self.id, *self.lonlat, self.rs, self.sv, *self.bbox)))]


def find_columns(path: Path, names: Names) -> Columns:
    """Find out which columns of a table mean what.

    Args:
        path: The table.
        names: What its user calls them.

    Raises:
        DataError: The table is missing or broken, lacks a column that was named, or has a part of the coordinates.
    """
    present = table_columns(path)

    def find(what: str, given: str | None) -> str:
        if given is not None and given not in present:
            raise no_column(str(path), given, present)
        return given or (what if what in present else "")

    def find_all(what: Sequence[str], given: Sequence[str | None]) -> tuple[str, ...]:
        found = [find(name, said) for name, said in zip(what, given, strict=True)]
        if any(found) and not all(found):
            have, lack = found[[bool(f) for f in found].index(True)], what[found.index("")]
            raise DataError(f"{path} has a column {have!r} and none for {lack!r}", "name or add the others too")
        return tuple(filter(None, found))

    return Columns(
        id=find("id", names.id),
        lonlat=find_all(("lon", "lat"), (names.lon, names.lat)),
        rs=find("rs", names.rs),
        sv=find("sv", names.sv),
        bbox=find_all(BBOX, names.bbox or (None,) * 4),
    )


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be embedded.

    Args:
        where: Line of a CSV file, row of a Parquet file.
        id: Its identifier.
        reason: What is wrong with it.
    """

    where: int
    id: str
    reason: str


@dataclass(slots=True)
class Rows:
    """Some rows of the table, checked but without their images.

    Args:
        lines: ``(n,)`` where each stands in the file.
        ids: Their identifiers.
        lonlat: ``(n, 2)`` degrees, if the table has coordinates.
        bbox: ``(n, 4)`` degrees, if the table has boxes.
        rs: Paths of the overhead images.
        sv: Paths of the photos.
        bad: The rows that were left out.
    """

    lines: NDArray[np.int64]
    ids: list[str]
    lonlat: NDArray[np.float64] | None = None
    bbox: NDArray[np.float64] | None = None
    rs: list[Path] = field(default_factory=list)
    sv: list[Path] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputTable:
    """The table.

    Args:
        path: CSV or Parquet.
        root: What the paths in it are relative to.
        columns: Its columns.
        skip: Leave bad rows out and say so, instead of stopping at the first.
    """

    path: Path
    root: Path
    columns: Columns
    skip: bool

    def chunks(self, size: int, start: int = 0) -> Iterator[Rows]:
        """Yield its rows, ``size`` at a time, from row ``start`` on.

        Raises:
            DataError: The file is broken, or a value is missing, no number or out of range (unless such are skipped).
        """
        names = self.columns.all()
        for columns in stream_table(self.path, names, size, start):
            found = dict(zip(names, columns, strict=True))
            yield _joined(self._good_rows(found, start)) if self.skip else self._rows(found, start)
            start += len(columns[0].lines)

    def count(self) -> int:
        """Return the number of rows, having checked all of them but their images (unless bad ones are skipped).

        Raises:
            DataError: As for :meth:`chunks`, or there are no rows.
        """
        size = 16_384
        if self.skip:
            n = sum(len(columns[0].lines) for columns in stream_table(self.path, self.columns.all(), size))
        else:
            n = sum(len(rows) for rows in self.chunks(size))
        if not n:
            raise DataError(f"table {self.path} has no rows", "fill it or name another")
        return n

    def _rows(self, found: Mapping[str, Column], start: int) -> Rows:
        """Check some rows together; ``start`` rows come before them."""
        wanted = self.columns
        first = next(iter(found.values()))
        rows = Rows(first.lines, [str(start + i + 1) for i in range(len(first.lines))])
        if wanted.id:
            rows.ids = found[wanted.id].words().tolist()
        if wanted.lonlat:
            rows.lonlat = np.stack([found[name].numbers() for name in wanted.lonlat], axis=1)
            check_coordinates(rows.lonlat, found[wanted.lonlat[1]].where)
        if wanted.bbox:
            rows.bbox = np.stack([found[name].numbers() for name in wanted.bbox], axis=1)
            _check_boxes(rows.bbox, found[wanted.bbox[0]].where)
        if wanted.rs:
            rows.rs = [self.root / word for word in found[wanted.rs].words()]
        if wanted.sv:
            rows.sv = [self.root / word for word in found[wanted.sv].words()]
        return rows

    def _good_rows(self, found: Mapping[str, Column], start: int) -> list[Rows]:
        """Check some rows, halving them where one is bad until it is alone."""
        try:
            return [self._rows(found, start)]
        except DataError as error:
            first = next(iter(found.values()))
            n = len(first.lines)
            if n == 1:
                name = str(found[self.columns.id].values[0]) if self.columns.id else str(start + 1)
                return [Rows(first.lines[:0], [], bad=[BadRow(int(first.lines[0]), name, str(error))])]
            halves = [
                {name: Column(c.name, c.values[part], c.path, c.lines[part]) for name, c in found.items()}
                for part in (slice(n // 2), slice(n // 2, n))
            ]
            return self._good_rows(halves[0], start) + self._good_rows(halves[1], start + n // 2)


def _joined(pieces: Sequence[Rows]) -> Rows:
    """Put pieces of one table together, in order."""
    lonlat = [rows.lonlat for rows in pieces if rows.lonlat is not None]
    bbox = [rows.bbox for rows in pieces if rows.bbox is not None]
    return Rows(
        np.concatenate([rows.lines for rows in pieces]),
        [name for rows in pieces for name in rows.ids],
        lonlat=np.concatenate(lonlat) if lonlat else None,
        bbox=np.concatenate(bbox) if bbox else None,
        rs=[path for rows in pieces for path in rows.rs],
        sv=[path for rows in pieces for path in rows.sv],
        bad=[row for rows in pieces for row in rows.bad],
    )


def _check_boxes(boxes: NDArray[np.float64], where: Callable[[int], str]) -> None:
    check_coordinates(boxes[:, :2], where)
    check_coordinates(boxes[:, 2:], where)
    bad = np.flatnonzero((boxes[:, 0] >= boxes[:, 2]) | (boxes[:, 3] >= boxes[:, 1]))
    if len(bad):
        row = int(bad[0])
        box = ", ".join(f"{value:g}" for value in boxes[row])
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        raise DataError(
            f"{where(row)}: box {box} has no area or is turned around{more}",
            "its columns are lon_min, lat_max, lon_max, lat_min",
        )


@dataclass(slots=True)
class Batch:
    """Samples as the encoders take them.

    Args:
        ids: Of the samples that could be read.
        lines: Where each stands in the table's file.
        lonlat: ``(n, 2)`` degrees, if the table has coordinates.
        inputs: The arguments of each view.
        bad: The rows that were left out.
    """

    ids: list[str]
    lines: list[int]
    lonlat: NDArray[np.float64] | None
    inputs: dict[View, list[Tensor]]
    bad: list[BadRow]


class SampleReader:
    """Reads the images of rows and converts them to what a model takes; it may be called from many threads.

    Args:
        table: Where the rows come from.
        wanted: What the model takes.
        views: What is computed.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Names of their bands in the files' order; ``None``: as each file says.
        pinned: Put the batches where a CUDA device can fetch them beside other work.
    """

    def __init__(
        self,
        table: InputTable,
        wanted: Mapping[Modality, Input],
        views: Sequence[View],
        rs_unit: Unit | None,
        rs_bands: Sequence[str] | None,
        *,
        pinned: bool = False,
    ) -> None:
        self.table = table
        self.views = views
        self.wanted = wanted
        self.rs_unit = rs_unit
        self.rs_bands = rs_bands
        self.pinned = pinned
        self.modalities = {VIEW_MODALITY[view] for view in views}
        if View.RS_QUERY in views:
            self.modalities.add(Modality.LOCATION)
        self._converters: dict[tuple[Modality, tuple[str, ...]], Converter] = {}

    def __call__(self, rows: Rows, start: int, stop: int) -> Batch:
        """Read and convert some rows.

        Raises:
            DataError: An image is missing, broken or not what it should be (unless such rows are left out).
            InputMismatchError: An image cannot become what the model takes, or they differ in size.
        """
        import torch

        kept: list[int] = []
        bad: list[BadRow] = []
        samples: list[dict[str, Tensor]] = []
        for i in range(start, stop):
            try:
                samples.append(self._sample(rows, i))
                kept.append(i)
            except GairbenchError as error:
                if not self.table.skip:
                    word = "row" if self.table.path.suffix.lower() == ".parquet" else "line"
                    where = f"{self.table.path}, {word} {rows.lines[i]}"
                    raise type(error)(f"{where}: {error.what}", error.mend) from error
                bad.append(BadRow(int(rows.lines[i]), rows.ids[i], str(error)))
        lonlat = None if rows.lonlat is None else rows.lonlat[kept]
        batch = Batch([rows.ids[i] for i in kept], rows.lines[kept].tolist(), lonlat, {}, bad)
        if not kept:
            return batch
        stacked: dict[str, Tensor] = {}
        for key in samples[0]:
            shapes = {tuple(sample[key].shape) for sample in samples}
            if len(shapes) > 1:
                raise DataError(
                    f"{self.table.path}: {key} images differ in size and the encoder asks for none",
                    "resize them, or choose a model with an input size",
                )
            values = torch.stack([sample[key] for sample in samples])
            stacked[key] = values.pin_memory() if self.pinned else values
        for view in self.views:
            batch.inputs[view] = [stacked[VIEW_MODALITY[view]]]
            if view is View.RS_QUERY:
                batch.inputs[view] += [stacked["lonlat"], stacked["bbox"]]
        return batch

    def conversions(self) -> dict[str, list[dict[str, Any]]]:
        """Say what was done to each modality so far; more than one way where files differ in bands."""
        said: dict[str, list[dict[str, Any]]] = {}
        for (modality, _), converter in sorted([*self._converters.items()]):
            said.setdefault(str(modality), []).append(converter.describe())
        return said

    def _sample(self, rows: Rows, i: int) -> dict[str, Tensor]:
        import torch

        sample: dict[str, Tensor] = {}
        if Modality.RS in self.modalities:
            image, place = self._overhead(rows.rs[i])
            sample[Modality.RS] = image
            if View.RS_QUERY in self.views and rows.lonlat is not None:
                lon, lat = rows.lonlat[i].tolist()
                box = self._box(rows, i, place, lon, lat)
                sample["bbox"] = torch.tensor(box, dtype=torch.float64)
                # Queries are longitude first, whatever the location encoder takes.
                sample["lonlat"] = torch.tensor((lon, lat), dtype=torch.float64)
        if Modality.SV in self.modalities:
            photo = torch.from_numpy(np.ascontiguousarray(read_image(rows.sv[i], RGB, Unit.UINT8, None)))
            sample[Modality.SV] = self._convert(Modality.SV, RGB, photo)
        if View.LOCATION in self.views and rows.lonlat is not None:
            sample[Modality.LOCATION] = self._convert(Modality.LOCATION, (), torch.from_numpy(rows.lonlat[i]))
        return sample

    def _box(self, rows: Rows, i: int, place: Georeference | None, lon: float, lat: float) -> Box:
        if place is not None:
            box = place.box(rows.rs[i], lon, lat)
            if rows.bbox is not None:
                west, north, east, south = rows.bbox[i].tolist()
                place.check(rows.rs[i], (west, north, east, south))
            return box
        if rows.bbox is not None:
            west, north, east, south = rows.bbox[i].tolist()
            if not (west <= lon <= east and south <= lat <= north):
                raise DataError(
                    f"point {lon:g}, {lat:g} (lon, lat) lies outside its box {west:g}, {north:g}, {east:g}, {south:g}",
                    "correct the point or the box",
                )
            return west, north, east, south
        raise DataError(f"{rows.rs[i]} has no georeference", f"add columns {', '.join(BBOX)}")

    def _overhead(self, path: Path) -> tuple[Tensor, Georeference | None]:
        import torch

        if self.rs_unit is None:
            raise UsageError("overhead images need --rs-unit", "say what their values mean")
        bands, spelled, place = describe_overhead(path, self.rs_bands, placed=View.RS_QUERY in self.views)
        # The reader compares names letter by letter; which band is which has been settled.
        values = read_image(path, spelled, self.rs_unit, None)
        return self._convert(Modality.RS, bands, torch.from_numpy(np.ascontiguousarray(values))), place

    def _convert(self, modality: Modality, bands: tuple[str, ...], values: Tensor) -> Tensor:
        if (modality, bands) not in self._converters:
            delivered: Input = LocationInput()
            if modality is not Modality.LOCATION:
                unit = self.rs_unit if modality is Modality.RS and self.rs_unit is not None else Unit.UINT8
                delivered = ImageInput(modality=modality, bands=bands, unit=unit)
            self._converters[modality, bands] = make_converter(delivered, self.wanted[modality])
        return self._converters[modality, bands](values[None])[0]


def describe_overhead(
    path: Path, declared: Sequence[str] | None, *, placed: bool
) -> tuple[tuple[str, ...], tuple[str, ...], Georeference | None]:
    """Say what bands an overhead image has and where it lies.

    Args:
        path: GeoTIFF or picture.
        declared: Names of its bands; ``None``: as the file says.
        placed: Read the georeference too.

    Returns:
        The bands' names, the same as the file spells them, and its place, ``None`` if it states none.

    Raises:
        DataError: It is missing or broken, nobody names its bands, or it is not north up.
    """
    if not path.is_file():
        raise DataError(f"no image {path}", "correct the column or --root")
    if path.suffix.lower() not in GEOTIFF:
        from PIL import Image

        try:
            with Image.open(path) as image:
                # The file format itself says which channel is red.
                stated = {"RGB": RGB, "RGBA": (*RGB, "alpha")}.get(image.mode, (None,) * len(image.getbands()))
        except (OSError, ValueError) as error:
            raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error
        bands = stack_bands(path, len(stated), stated, declared)
        return bands, bands, None
    import warnings

    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path) as file:
                bands = stack_bands(path, file.count, file.descriptions, declared)
                spelled = tuple(said or name for said, name in zip(file.descriptions, bands, strict=True))
                return bands, spelled, georeference(path, file) if placed else None
    except (RasterioError, OSError) as error:
        raise DataError(f"cannot read image {path}: {error}", "replace or remove the file") from error
