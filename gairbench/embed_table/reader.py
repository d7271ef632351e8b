"""The input table of ``gairbench embed``: which of its columns mean what, and its rows as samples that are ready."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import Converter, make_converter
from gairbench.errors import DataError, GairbenchError, UsageError
from gairbench.files.badrows import BadRow, ProblemKind, RowError
from gairbench.files.geometry import BBOX
from gairbench.files.images import read_photo
from gairbench.files.missing_pixels import Fills
from gairbench.files.overhead import read_overhead
from gairbench.files.rows import InputTable, Rows
from gairbench.georeference import Box, Georeference
from gairbench.spec import RGB, VIEW_MODALITY, ImageInput, Input, LocationInput, MissingPixels, Modality, Unit, View

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(slots=True)
class Batch:
    """Samples as the encoders take them.

    Args:
        ids: Of the samples that could be read.
        lines: Where each stands in the table's file.
        lonlat: ``(n, 2)`` degrees, if the table has coordinates.
        inputs: The arguments of each view.
        bad: The rows that were left out.
        filled: Their overhead images of which missing pixels were filled.
    """

    ids: list[str]
    lines: list[int]
    lonlat: NDArray[np.float64] | None
    inputs: dict[View, list[Tensor]]
    bad: list[BadRow]
    filled: Fills = field(default_factory=Fills)


class SampleReader:
    """Reads the images of rows and converts them to what a model takes; it may be called from many threads.

    Args:
        table: Where the rows come from.
        wanted: What the model takes.
        views: What is computed.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Names of their bands in the files' order; ``None``: as each file says.
        missing_pixels: What becomes of missing pixels of overhead images.
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
        missing_pixels: MissingPixels = "fill",
        pinned: bool = False,
    ) -> None:
        self.table = table
        self.views = views
        self.wanted = wanted
        self.rs_unit = rs_unit
        self.rs_bands = rs_bands
        self.missing_pixels: MissingPixels = missing_pixels
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
        batch = Batch([rows.ids[i] for i in kept], rows.lines[kept].tolist(), lonlat, {}, bad, filled)
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

    def _sample(self, rows: Rows, i: int, filled: Fills) -> dict[str, Tensor]:
        import torch

        sample: dict[str, Tensor] = {}
        if Modality.RS in self.modalities:
            sample[Modality.RS], place, missing = self._overhead(rows.rs[i])
            filled.add(missing)
            if View.RS_QUERY in self.views and rows.lonlat is not None:
                lon, lat = rows.lonlat[i].tolist()
                box = self._box(rows, i, place, lon, lat)
                sample["bbox"] = torch.tensor(box, dtype=torch.float64)
                # Queries are longitude first, whatever the location encoder takes.
                sample["lonlat"] = torch.tensor((lon, lat), dtype=torch.float64)
        if Modality.SV in self.modalities:
            photo = torch.from_numpy(np.ascontiguousarray(read_photo(rows.sv[i])))
            sample[Modality.SV] = self._convert(Modality.SV, RGB, photo)
        if View.LOCATION in self.views and rows.lonlat is not None:
            sample[Modality.LOCATION] = self._convert(Modality.LOCATION, (), torch.from_numpy(rows.lonlat[i]))
        return sample

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

    def _overhead(self, path: Path) -> tuple[Tensor, Georeference | None, float]:
        import torch

        if self.rs_unit is None:
            raise UsageError("overhead images need --rs-unit", "say what their values mean")
        image = read_overhead(path, self.rs_unit, self.rs_bands, missing_pixels=self.missing_pixels)
        values = torch.from_numpy(np.ascontiguousarray(image.values))
        return self._convert(Modality.RS, image.bands, values), image.place, image.missing

    def _convert(self, modality: Modality, bands: tuple[str, ...], values: Tensor) -> Tensor:
        if (modality, bands) not in self._converters:
            delivered: Input = LocationInput()
            if modality is not Modality.LOCATION:
                unit = self.rs_unit if modality is Modality.RS and self.rs_unit is not None else Unit.UINT8
                delivered = ImageInput(modality=modality, bands=bands, unit=unit)
            self._converters[modality, bands] = make_converter(delivered, self.wanted[modality])
        return self._converters[modality, bands](values[None])[0]
