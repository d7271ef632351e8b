"""The input table of ``gairbench embed``: which of its columns mean what, and its rows as samples that are ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.batch import Batch, concatenate
from gairbench.embed_table.views import PHOTO, modality_of, overhead_input
from gairbench.errors import DataError, GairbenchError, UsageError
from gairbench.feeding import Feed, feed_for
from gairbench.files.badrows import BadRow, ProblemKind, RowError
from gairbench.files.geometry import BBOX
from gairbench.files.images import read_photo
from gairbench.files.missing_pixels import Fills
from gairbench.files.overhead import OverheadSample, read_overhead
from gairbench.files.rows import InputTable, Rows
from gairbench.georeference import Box, Georeference
from gairbench.inputs import ImageInput, Input, LocationInput, MissingPixels, Modality, Rendering, Unit
from gairbench.representation import Representation
from gairbench.spec import Preset
from gairbench.valid_pixels import mask_tensor

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class ReadRows:
    """Rows as the encoders take them.

    Args:
        ids: Of the samples that could be read.
        lines: Where each stands in the table's file.
        lonlat: ``(n, 2)`` degrees, if the table has coordinates.
        inputs: What the model is fed with, by the names of its inputs that are fed together.
        bad: The rows that were left out.
        filled: Their overhead images of which missing pixels were filled.
    """

    ids: list[str]
    lines: list[int]
    lonlat: NDArray[np.float64] | None
    inputs: dict[tuple[str, ...], Batch]
    bad: list[BadRow]
    filled: Fills = field(default_factory=Fills)


class SampleReader:
    """Reads the images of rows and converts them to what a model takes; it may be called from many threads.

    Args:
        table: Where the rows come from.
        preset: What the model takes.
        views: What is computed.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Names of their bands in the files' order; ``None``: as each file says.
        rs_rendering: How their values become display values.
        missing_pixels: What becomes of missing pixels of overhead images.
        pinned: Put the batches where a CUDA device can fetch them beside other work.
    """

    def __init__(
        self,
        table: InputTable,
        preset: Preset,
        views: Sequence[Representation],
        rs_unit: Unit | None,
        rs_bands: Sequence[str] | None,
        *,
        rs_rendering: Rendering | None = None,
        missing_pixels: MissingPixels = "fill",
        pinned: bool = False,
    ) -> None:
        self.table = table
        self.preset = preset
        self.rs_unit = rs_unit
        self.rs_bands = rs_bands
        self.rs_rendering = rs_rendering
        self.missing_pixels: MissingPixels = missing_pixels
        self.pinned = pinned
        # Views of the same inputs share one conversion; a lookup at a point is given the most.
        self.asked = {view.of: view for view in sorted(views, key=lambda view: view.form == "query")}
        self.modalities = {modality_of(preset, view) for view in views}
        self.point = any(view.form == "query" for view in views)
        self._feeds: dict[tuple[tuple[str, ...], tuple[str, ...], bool], Feed] = {}

    def __call__(self, rows: Rows, start: int, stop: int) -> ReadRows:
        """Read and convert some rows.

        Raises:
            DataError: An image is missing, broken or not what it should be (unless such rows are left out).
            InputMismatchError: An image cannot become what the model takes, or they differ in size.
        """
        kept: list[int] = []
        bad: list[BadRow] = []
        samples: list[dict[tuple[str, ...], Batch]] = []
        filled = Fills()
        for i in range(start, stop):
            try:
                samples.append(self._sample(rows, i, filled))
                kept.append(i)
            except GairbenchError as error:
                if not self.table.skip:
                    where = f"{self.table.path}, {self.table.row_word} {rows.lines[i]}"
                    # Its own class may take more than the two texts.
                    kind = DataError if isinstance(error, DataError) else type(error)
                    raise kind(f"{where}: {error.what}", error.hint) from error
                kind_of_problem = error.kind if isinstance(error, RowError) else ProblemKind.BROKEN
                bad.append(BadRow(int(rows.lines[i]), rows.ids[i], kind_of_problem, str(error)))
        lonlat = None if rows.lonlat is None else rows.lonlat[kept]
        read = ReadRows([rows.ids[i] for i in kept], rows.lines[kept].tolist(), lonlat, {}, bad, filled)
        for of in self.asked if kept else ():
            try:
                batch = concatenate([sample[of] for sample in samples])
            except ValueError as error:
                raise DataError(
                    f"{self.table.path}: {'+'.join(of)}: {error}, and the encoder takes them as they are",
                    "make them alike, or choose a model with an input size",
                ) from error
            read.inputs[of] = batch.map(lambda tensor: tensor.pin_memory()) if self.pinned else batch
        return read

    def conversions(self) -> dict[str, list[dict[str, Any]]]:
        """Say what was done to each input so far; more than one way where files differ in bands."""
        said: dict[str, list[dict[str, Any]]] = {}
        for _, feed in sorted([*self._feeds.items()]):
            for name, what in feed.describe().items():
                if what not in said.setdefault(name, []):
                    said[name].append(what)
        return said

    def _sample(self, rows: Rows, i: int, filled: Fills) -> dict[tuple[str, ...], Batch]:
        import torch

        sample: dict[str, Tensor] = {}
        delivers: dict[Modality, Input] = {}
        if rows.lonlat is not None and bool(np.isfinite(rows.lonlat[i]).all()):
            sample["lonlat"] = torch.from_numpy(rows.lonlat[i])
            delivers[Modality.LOCATION] = LocationInput()
        if Modality.RS in self.modalities:
            image, unit = self._overhead(rows.rs[i])
            filled.add(image.missing)
            sample["image"] = torch.from_numpy(np.ascontiguousarray(image.values))
            sample["mask"] = mask_tensor(image.valid, image.values.shape)
            delivers[Modality.RS] = overhead_input(image.bands, unit, self.rs_rendering)
            if self.point and rows.lonlat is not None:
                box = self._box(rows, i, image.place, *rows.lonlat[i].tolist())
                sample["bbox"] = torch.tensor(box, dtype=torch.float64)
        if Modality.SV in self.modalities:
            sample["street_view"] = torch.from_numpy(np.ascontiguousarray(read_photo(rows.sv[i])))
            sample["sv_mask"] = mask_tensor(None, sample["street_view"].shape)
            delivers[Modality.SV] = PHOTO
        return {of: self._feed(of, delivers).batch([sample], [rows.ids[i]]) for of in self.asked}

    def _feed(self, of: tuple[str, ...], delivers: Mapping[Modality, Input]) -> Feed:
        modality = self.preset.input(of[0]).modality
        delivered = delivers.get(modality)
        bands = delivered.bands if isinstance(delivered, ImageInput) else ()
        key = (of, bands, Modality.LOCATION in delivers)
        if key not in self._feeds:
            available = [] if delivered is None else [delivered]
            self._feeds[key] = feed_for(self.preset, self.asked[of], available, [*delivers.values()])
        return self._feeds[key]

    def _box(self, rows: Rows, i: int, place: Georeference | None, lon: float, lat: float) -> Box:
        stated = rows.box(i)
        if place is not None:
            box = place.box(rows.rs[i], lon, lat)
            if stated is not None:
                place.check(rows.rs[i], stated)
            return box
        if stated is not None:
            west, north, east, south = stated
            if not (west <= lon <= east and south <= lat <= north):
                raise DataError(
                    f"point {lon:g}, {lat:g} (lon, lat) lies outside its box {west:g}, {north:g}, {east:g}, {south:g}",
                    "correct the point or the box",
                )
            return stated
        raise DataError(f"{rows.rs[i]} has no georeference", f"state its box in columns {', '.join(BBOX)}")

    def _overhead(self, path: Path) -> tuple[OverheadSample, Unit]:
        if self.rs_unit is None:
            raise UsageError("overhead images need --rs-unit", "say what their values mean")
        return read_overhead(path, self.rs_unit, self.rs_bands, missing_pixels=self.missing_pixels), self.rs_unit
