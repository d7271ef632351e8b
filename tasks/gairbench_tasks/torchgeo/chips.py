"""Cut a TorchGeo ``GeoDataset`` into chips, and say where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError, PluginError
from gairbench.georeference import Box, Georeference
from gairbench_tasks.torchgeo.building import blamed
from gairbench_tasks.torchgeo.declaration import Grid

Query = tuple[slice, slice, slice]
"""Eastings, northings and times, as ``GridGeoSampler`` yields them and a ``GeoDataset`` takes them."""


def grid(dataset: Any, chips: Grid) -> list[Query]:
    """Return the chips of a dataset, each once.

    Args:
        dataset: The ``GeoDataset``.
        chips: How it is cut.

    Raises:
        PluginError: It is not a ``GeoDataset``.
        DataError: It is smaller than a chip.
    """
    from torchgeo.datasets import GeoDataset
    from torchgeo.samplers import GridGeoSampler, Units

    name = type(dataset).__name__
    if not isinstance(dataset, GeoDataset):
        raise PluginError(f"{name} is not a GeoDataset and cannot be cut into chips", "leave 'chips' out")
    units = Units.PIXELS if chips.units == "pixels" else Units.CRS
    with blamed(f"cutting {name} into chips", "correct the size of chips, or the data"):
        sampler = GridGeoSampler(dataset, size=chips.size, stride=chips.stride, units=units)
        # Files of one place, as of several bands, give the same chip again.
        queries = {chip_id(query): query for query in sampler}
    if not queries:
        raise DataError(
            f"no file of {name} is as large as a chip of {chips.size:g} {chips.units}", "declare smaller chips"
        )
    return list(queries.values())


def chip_id(query: Query) -> str:
    """Return a chip's name: its bounds in the dataset's CRS, and the days where it has any."""
    x, y, t = query
    bounds = ",".join(f"{round(float(value), 6):.10g}" if abs(value) < 1e3 else f"{value:.3f}" for value in
                      (x.start, y.start, x.stop, y.stop))  # fmt: skip
    days = "" if _endless(t) else f"@{t.start:%Y%m%dT%H%M%S}-{t.stop:%Y%m%dT%H%M%S}"
    return f"{bounds}{days}"


def _endless(t: slice) -> bool:
    """Whether files state no time: TorchGeo then takes the widest interval that pandas knows."""
    return bool(t.start != t.start or t.stop.year - t.start.year > 100)


def places(dataset: Any, queries: list[Query], chips: Grid) -> tuple[NDArray[np.float64], list[Box]]:
    """Return longitude and latitude of the chips' middles ``(n, 2)``, and their boxes as seen from there.

    Args:
        dataset: The ``GeoDataset``.
        queries: Its chips.
        chips: How they were cut.

    Raises:
        DataError: A chip cannot be placed on the globe.
    """
    from rasterio.crs import CRS

    crs = CRS.from_wkt(dataset.crs.to_wkt())
    x_res, y_res = dataset.res
    points, boxes = [], []
    for query in queries:
        x, y, _ = query
        if chips.units == "pixels":
            size = (round(chips.size), round(chips.size))
        else:
            size = (round((x.stop - x.start) / x_res), round((y.stop - y.start) / y_res))
        place = Georeference(crs, (float(x.start), float(y.start), float(x.stop), float(y.stop)), size)
        name = Path(f"chip {chip_id(query)} of {type(dataset).__name__}")
        point = place.centre(name)
        points.append(point)
        boxes.append(place.box(name, *point))
    return np.array(points, dtype=np.float64).reshape(-1, 2), boxes
