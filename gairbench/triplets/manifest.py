"""Triplets listed in a table: overhead image, photo, the photo's position, and where the image lies."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError, UsageError
from gairbench.files.images import read_image
from gairbench.files.tables import SampleTable, no_column, read_table
from gairbench.spec import RGB, ImageInput, Input, LocationInput, Modality, Unit
from gairbench.triplets.crops import Box, Scene, open_scene, read_crop
from gairbench.triplets.options import TripletOptions
from gairbench.triplets.report import Kind, Problem, TripletError, TripletReport, counted_as

if TYPE_CHECKING:
    from torch import Tensor

BOX_COLUMNS = ("lon_min", "lat_max", "lon_max", "lat_min")
COLUMNS = ("rs", "sv", "lon", "lat", "id", *BOX_COLUMNS)


@dataclass(frozen=True, slots=True)
class Triplet:
    """One usable row.

    Args:
        id: Its identifier.
        rs: Overhead image.
        sv: Photo.
        lonlat: The photo's longitude and latitude in degrees.
        box: The overhead image's box, where the manifest tells it.
        where: Where the row stands, for messages.
    """

    id: str
    rs: Path
    sv: Path
    lonlat: tuple[float, float]
    box: Box | None
    where: str


class _BadRowError(Exception):
    def __init__(self, kind: Kind, what: str) -> None:
        super().__init__(what)
        self.kind = kind


class ManifestTriplets:
    """Triplets of a manifest, tiles cut as they are read.

    Opening it checks every row: its cells, that both files are there and their headers sound, the photo inside the
    image, and duplicates. Pixels are only read with the samples; a file that is broken there is an error that names its
    row.

    Args:
        path: CSV or Parquet file.
        options: How to read it.

    Raises:
        UsageError: No unit, or a column name is given for nothing.
        DataError: The table is broken or lacks a column, no row is usable, or a row is not and ``on_error`` is
            ``"stop"``.
    """

    def __init__(self, path: Path, options: TripletOptions) -> None:
        if options.rs_unit is None:
            raise UsageError(f"the scale of the overhead images in {path} is not known", "give --rs-unit")
        strange = sorted(set(options.columns) - set(COLUMNS))
        if strange:
            raise UsageError(f"a manifest has no column {strange[0]!r}", f"name one of {', '.join(COLUMNS)}")
        self.path = path
        self.options = options
        self.unit: Unit = options.rs_unit
        self.bands: tuple[str, ...] | None = None
        table = read_table(path)
        self.report = TripletReport(rows=len(table))
        self.triplets = self._check(table)
        if self.report.total and options.on_error == "stop":
            first = self.report.problems[0]
            raise DataError(
                f"{path}: {self.report.summary()}; the first: {first.what}",
                "fix them, or leave them out with --on-error skip",
            )
        if not self.triplets or self.bands is None:
            first = self.report.problems[0]
            raise DataError(
                f"{path} has no usable triplet: {self.report.summary()}; the first: {first.what}", "fix its rows"
            )
        self.delivers: tuple[Input, ...] = (
            ImageInput(modality=Modality.RS, bands=self.bands, unit=self.unit, size=options.rs_size),
            ImageInput(modality=Modality.SV, bands=RGB, unit=Unit.UINT8, size=options.sv_size),
            LocationInput(),
        )

    def fingerprint(self) -> str:
        """Return a hash of the manifest, of how it is read, and of every file's name and size (not its content)."""
        files = sorted({file for triplet in self.triplets for file in (triplet.rs, triplet.sv)})
        return digest(
            manifest=file_sha256(self.path),
            read=[self.unit, self.bands, self.options.rs_size, self.options.sv_size, self.options.seed],
            files=[[file.name, file.stat().st_size] for file in files],
            ids=[triplet.id for triplet in self.triplets],
        )

    def split(self, name: str) -> ManifestSplit:
        """Return the split ``"pretrain"``.

        Raises:
            DataError: Another one was asked for.
        """
        if name != "pretrain":
            raise DataError(f"triplets have no split {name!r}", "ask for 'pretrain'")
        return ManifestSplit(self)

    def classes(self, target: str) -> tuple[str, ...]:
        """Return nothing: triplets have no labels, ``target`` or other."""
        del target
        return ()

    def _check(self, table: SampleTable) -> list[Triplet]:
        names = {ours: self.options.columns.get(ours, ours) for ours in COLUMNS}
        given = set(table.home) | set(table.doubled)
        boxed = [name for name in BOX_COLUMNS if names[name] in given]
        if boxed and len(boxed) < len(BOX_COLUMNS):
            absent = ", ".join(names[name] for name in BOX_COLUMNS if name not in boxed)
            raise DataError(f"{self.path} has some columns of a box but not {absent}", "give all four, or none")
        optional = ["id"] if names["id"] in given else []
        # A column that was named by hand is meant, also where it could be left out.
        wanted = dict.fromkeys(["rs", "sv", "lon", "lat", *boxed, *optional, *self.options.columns])
        lacking = [name for name in wanted if names[name] not in given]
        if lacking:
            unlike = no_column(str(self.path), names[lacking[0]], [*table.home])
            raise DataError(unlike.what, f"{unlike.hint}; say which one it is with --column {lacking[0]}=COLUMN")
        cells = {ours: table.column(names[ours]).values for ours in wanted}
        found: list[Triplet] = []
        seen: dict[Path, str] = {}
        ids: dict[str, str] = {}
        for row in range(len(table)):
            where = table.where(row)
            try:
                triplet = self._row({ours: str(values[row]).strip() for ours, values in cells.items()}, row, where)
                # One file can be spelled in many ways, and reached through links.
                photo = triplet.sv.resolve()
                if photo in seen:
                    raise _BadRowError(Kind.DUPLICATE, f"{where}: photo {triplet.sv} is also in {seen[photo]}")
                if triplet.id in ids:
                    raise _BadRowError(Kind.DUPLICATE, f"{where}: id {triplet.id!r} is also in {ids[triplet.id]}")
            except _BadRowError as error:
                self.report.problems.append(Problem(error.kind, str(error)))
                continue
            seen[photo], ids[triplet.id] = where, where
            found.append(triplet)
        return found

    def _row(self, cells: Mapping[str, str], row: int, where: str) -> Triplet:
        for name in ("rs", "sv", "lon", "lat"):
            if cells[name].casefold() in {"", "nan"}:
                raise _BadRowError(Kind.MISSING, f"{where}: {name} is empty")
        root = self.options.root or self.path.parent
        rs, sv = root / cells["rs"], root / cells["sv"]
        for file in (rs, sv):
            if not file.is_file():
                raise _BadRowError(Kind.MISSING, f"{where}: no file {file}")
        lonlat = _numbers([cells["lon"], cells["lat"]], Kind.COORDINATES, where)
        lon, lat = lonlat
        if abs(lon) > 180 or abs(lat) > 90:
            swapped = "; longitude and latitude look swapped" if abs(lon) <= 90 and abs(lat) <= 180 else ""
            raise _BadRowError(Kind.COORDINATES, f"{where}: longitude {lon:g}, latitude {lat:g}{swapped}")
        box: Box | None = None
        if "lon_min" in cells:
            west, north, east, south = _numbers([cells[name] for name in BOX_COLUMNS], Kind.BOX, where)
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise _BadRowError(
                    Kind.BOX,
                    f"{where}: lon_min {west:g}, lat_max {north:g}, lon_max {east:g}, lat_min {south:g} is no box"
                    " (lon_min < lon_max, lat_min < lat_max)",
                )
            box = (west, north, east, south)
        self._check_scene(rs, (lon, lat), box, where)
        _check_photo(sv, where)
        return Triplet(cells.get("id", str(row)), rs, sv, (lon, lat), box, where)

    def _check_scene(self, path: Path, lonlat: tuple[float, float], box: Box | None, where: str) -> None:
        try:
            with open_scene(path, self.unit, self.options.rs_bands, lonlat, box) as scene:
                bands, (west, north, east, south) = scene.bands, scene.box
                differs = box is not None and not _same_box(scene, box)
        except TripletError as error:
            raise _BadRowError(error.kind, f"{where}: {error}") from error
        if self.bands is not None and bands != self.bands:
            raise _BadRowError(
                Kind.BANDS, f"{where}: {path} has bands {', '.join(bands)}, the others {', '.join(self.bands)}"
            )
        if differs:
            raise _BadRowError(
                Kind.BOX,
                f"{where}: the box is not that of {path}, which lies in lon_min {west:g}, lat_max {north:g},"
                f" lon_max {east:g}, lat_min {south:g}",
            )
        if not (west <= lonlat[0] <= east and south <= lonlat[1] <= north):
            raise _BadRowError(
                Kind.OUTSIDE, f"{where}: photo at {lonlat[0]:g}, {lonlat[1]:g} (lon, lat) is outside {path}"
            )
        self.bands = bands


class ManifestSplit:
    """The rows of a manifest as samples.

    Args:
        source: The manifest.
    """

    def __init__(self, source: ManifestTriplets) -> None:
        self._source = source
        self.ids = [triplet.id for triplet in source.triplets]
        self.lonlat: NDArray[np.float64] = np.array([triplet.lonlat for triplet in source.triplets], dtype=np.float64)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        import torch

        try:
            arrays = self.arrays(index)
        except TripletError as error:
            # Training on without it would change every batch that follows.
            hint = f"{error.hint}, or pack shards, which leaves out and reports all such rows: gairbench data shard"
            raise TripletError(error.what, f"{hint} --on-error skip", error.kind) from error
        return {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}

    def arrays(self, index: int) -> dict[str, NDArray[Any]]:
        """Return one sample as arrays: a tile cut around the photo's position, the photo, its position, the tile's box.

        Raises:
            TripletError: A file is broken, or the scene has no data around the photo; the row is named.
        """
        triplet, options = self._source.triplets[index], self._source.options
        # Where a tile is cut depends on the seed and the triplet alone, not on its row or the process that reads it.
        rng = np.random.default_rng([options.seed, zlib.crc32(triplet.id.encode())])
        try:
            with open_scene(triplet.rs, self._source.unit, options.rs_bands, triplet.lonlat, triplet.box) as scene:
                image, box = read_crop(scene, triplet.lonlat, options.rs_size, rng)
            with counted_as(Kind.BROKEN):
                photo = read_image(triplet.sv, RGB, Unit.UINT8, options.sv_size)
        except TripletError as error:
            raise TripletError(f"{triplet.where}: {error.what}", error.hint, error.kind) from error
        return {
            "image": _signed(image),
            "street_view": photo,
            "lonlat": np.array(triplet.lonlat, dtype=np.float64),
            "bbox": np.array(box, dtype=np.float64),
        }

    def target(self, name: str) -> NDArray[Any]:
        """Raise ``KeyError``: triplets have no labels."""
        raise KeyError(name)


def _signed(values: NDArray[Any]) -> NDArray[Any]:
    """Widen unsigned 16-bit values, for which torch has few operations."""
    return values.astype(np.int32) if values.dtype == np.uint16 else values


def _numbers(words: list[str], kind: Kind, where: str) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise _BadRowError(kind, f"{where}: {', '.join(words)} are not all numbers") from None
    if not np.isfinite(numbers).all():
        raise _BadRowError(kind, f"{where}: {', '.join(words)} are not all finite")
    return numbers


def _same_box(scene: Scene, box: Box) -> bool:
    width, height = scene.pixel
    return all(abs(told - own) <= edge for told, own, edge in zip(box, scene.box, (width, height) * 2, strict=True))


def _check_photo(path: Path, where: str) -> None:
    """Read a photo's header."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                mode = image.mode
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _BadRowError(Kind.BROKEN, f"{where}: cannot read image {path}: {error}") from error
    if mode != "RGB":
        raise _BadRowError(Kind.BANDS, f"{where}: photo {path} is of colour mode {mode}, not RGB")
