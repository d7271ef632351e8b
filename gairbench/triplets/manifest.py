"""Triplets listed in a table: overhead image, photo, the photo's position, and where the image lies."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.digests import digest
from gairbench.errors import DataError, UsageError
from gairbench.files.badrows import BadRow, ProblemKind, RowError, counted_as
from gairbench.files.formats import table_sha256
from gairbench.files.images import check_photo, read_photo
from gairbench.files.missing_pixels import Fills
from gairbench.files.overhead import open_overhead
from gairbench.files.rows import CHUNK, InputTable, Rows, open_rows
from gairbench.georeference import Box
from gairbench.inputs import RGB, ImageInput, Input, LocationInput, Modality, Unit
from gairbench.triplets.crops import check_place, in_degrees, read_crop
from gairbench.triplets.options import TripletOptions

if TYPE_CHECKING:
    from torch import Tensor

READING_VERSION = 2
"""Part of every fingerprint; raise it when the same files give other samples."""

REQUIRED = ("rs", "sv", "lon", "lat")
"""Columns that a manifest must have."""


@dataclass(frozen=True, slots=True)
class Triplet:
    """One usable row.

    Args:
        id: Its identifier.
        rs: Overhead image.
        sv: Photo.
        lonlat: The photo's longitude and latitude in degrees.
        box: The overhead image's box, where the manifest has it.
        line: Where the row stands in the manifest.
    """

    id: str
    rs: Path
    sv: Path
    lonlat: tuple[float, float]
    box: Box | None
    line: int


class ManifestTriplets:
    """Triplets of a manifest, tiles cut as they are read.

    Opening it checks every row: its cells, that both files are there and their headers sound, the photo inside the
    image, and duplicates. Pixels are only read with the samples; a file that is broken there is an error that names its
    row.

    Args:
        path: A table of any format that :mod:`gairbench.files.formats` knows.
        options: How to read it.

    Raises:
        UsageError: No unit, or a column name is given for nothing.
        DataError: The table is broken or lacks a column, no row is usable, or a row is not and ``on_error`` is
            ``"stop"``.
    """

    def __init__(self, path: Path, options: TripletOptions) -> None:
        if options.rs_unit is None:
            raise UsageError(f"the scale of the overhead images in {path} is not known", "give --rs-unit")
        self.path = path
        self.options = options
        self.unit: Unit = options.rs_unit
        self.bands: tuple[str, ...] | None = None
        self.filled = Fills()
        table = open_rows(
            path,
            options.columns,
            root=options.root,
            # All rows are looked at, so that one call reports all that is wrong.
            skip=True,
            follow_links=options.follow_links,
            required=REQUIRED,
        )
        self.report = table.report(table.count())
        self.triplets = self._check(table)
        if options.on_error == "stop":
            self.report.refuse()
        if not self.triplets or self.bands is None:
            raise DataError(
                f"{path} has no usable triplet: {self.report.summary()}; the first: {self.report.first()}",
                "fix its rows",
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
            manifest=table_sha256(self.path),
            read=[self.unit, self.bands, self.options.rs_size, self.options.sv_size, self.options.seed],
            reading=[READING_VERSION, self.options.missing_pixels],
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

    def _check(self, table: InputTable) -> list[Triplet]:
        found: list[Triplet] = []
        photos: dict[Path, int] = {}
        ids: dict[str, int] = {}
        word = self.report.row_word
        for rows in table.chunks(CHUNK):
            self.report.bad += rows.bad
            for row in range(len(rows)):
                triplet = self._triplet(rows, row)
                # One file can be spelled in many ways, and reached through links.
                photo = triplet.sv.resolve()
                try:
                    self._check_overhead(triplet)
                    with counted_as(ProblemKind.BROKEN):
                        check_photo(triplet.sv)
                    if photo in photos:
                        raise RowError(
                            f"photo {triplet.sv} is also in {word} {photos[photo]}",
                            "leave one of them out",
                            ProblemKind.DUPLICATE,
                        )
                    if triplet.id in ids:
                        raise RowError(
                            f"id {triplet.id!r} is also in {word} {ids[triplet.id]}",
                            "make ids unique",
                            ProblemKind.DUPLICATE,
                        )
                except RowError as error:
                    self.report.bad.append(_bad_row(triplet, error))
                    continue
                photos[photo], ids[triplet.id] = triplet.line, triplet.line
                found.append(triplet)
        return found

    def _triplet(self, rows: Rows, row: int) -> Triplet:
        assert rows.lonlat is not None  # noqa: S101  (its columns are required)
        lon, lat = rows.lonlat[row].tolist()
        return Triplet(rows.ids[row], rows.rs[row], rows.sv[row], (lon, lat), rows.box(row), int(rows.lines[row]))

    def _check_overhead(self, triplet: Triplet) -> None:
        path = triplet.rs
        with open_overhead(path, self.unit, self.options.rs_bands) as image:
            check_place(image, triplet.lonlat, triplet.box)
            with in_degrees(image, triplet.lonlat, triplet.box):
                bands = image.bands
        if self.bands is not None and bands != self.bands:
            raise RowError(
                f"{path} has bands {', '.join(bands)}, the others {', '.join(self.bands)}",
                "leave it out, or name the bands with --rs-bands",
                ProblemKind.BANDS,
            )
        self.bands = bands


def _bad_row(triplet: Triplet, error: RowError) -> BadRow:
    """Return what is wrong with a triplet, for the report."""
    return BadRow(triplet.line, triplet.id, error.kind, str(error))


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
        except RowError as error:
            # Training on without it would change every batch that follows.
            hint = f"{error.hint}, or pack shards, which leaves out and reports all such rows: gairbench data shard"
            raise RowError(f"{self.where(index)}: {error.what}", f"{hint} --on-error skip", error.kind) from error
        return {key: torch.from_numpy(np.ascontiguousarray(array)) for key, array in arrays.items()}

    def arrays(self, index: int) -> dict[str, NDArray[Any]]:
        """Return one sample as arrays: a tile cut around the photo's position, the photo, its position, the tile's box.

        Raises:
            RowError: A file is broken, or the scene has no data around the photo.
        """
        triplet, options = self._source.triplets[index], self._source.options
        # Where a tile is cut depends on the seed and the triplet alone, not on its row or the process that reads it.
        rng = np.random.default_rng([options.seed, zlib.crc32(triplet.id.encode())])
        with (
            counted_as(ProblemKind.BROKEN),
            open_overhead(triplet.rs, self._source.unit, options.rs_bands) as opened,
            in_degrees(opened, triplet.lonlat, triplet.box) as placed,
        ):
            image, box, missing = read_crop(placed, triplet.lonlat, options.rs_size, rng, options.missing_pixels)
        with counted_as(ProblemKind.BROKEN):
            photo = read_photo(triplet.sv, RGB, options.sv_size)
        self._source.filled.add(missing)
        return {
            "image": _signed(image),
            "street_view": photo,
            "lonlat": np.array(triplet.lonlat, dtype=np.float64),
            "bbox": np.array(box, dtype=np.float64),
        }

    def where(self, index: int) -> str:
        """Say where a sample stands in the manifest, for messages."""
        source = self._source
        return f"{source.path}, {source.report.row_word} {source.triplets[index].line}"

    def bad_row(self, index: int, error: RowError) -> BadRow:
        """Return what is wrong with a sample, for the report."""
        return _bad_row(self._source.triplets[index], error)

    def target(self, name: str) -> NDArray[Any]:
        """Raise ``KeyError``: triplets have no labels."""
        raise KeyError(name)


def _signed(values: NDArray[Any]) -> NDArray[Any]:
    """Widen unsigned 16-bit values, for which torch has few operations."""
    return values.astype(np.int32) if values.dtype == np.uint16 else values
