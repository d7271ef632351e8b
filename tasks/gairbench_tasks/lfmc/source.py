"""The arrays of the folder ``npy``, as they lie in Presto's repository (nasaharvest/presto, ``data/fuel_moisture``)."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench import DataContext
from gairbench.data import ArraySplit, hash_files
from gairbench.errors import DataError
from gairbench.files.arrays import open_array
from gairbench.files.coordinates import check_coordinates
from gairbench.splitting import group_split
from gairbench.taskfiles.dates import dates_in_array
from gairbench.taskfiles.declaration import DateArray
from gairbench_tasks.lfmc import BANDS, FILES, FOLDER, LAND_COVER, MONTHS

_MEASURED = len(BANDS) - len(LAND_COVER)

_DATES = DateArray(path="month.npy", year=2017, first_month=0)
"""The months are known and the year is not: this one stands for it."""

_SHARES = (0.8, 0.2, 0.0)
"""Of the sites that are not for testing, in train, val and test."""

_TYPES = {"site": "US", "is_test": "iub"}
_NUMBERS = "iuf"


class FuelMoistureSource:
    """Samples by site: those for testing as published, a fifth of the others for validation.

    Args:
        context: Its root is the data root.
    """

    def __init__(self, context: DataContext) -> None:
        self._folder = (context.root or Path()) / FOLDER / "npy"

    def fingerprint(self) -> str:
        """Return a hash of the arrays."""
        return hash_files(self._folder, [f"{name}.npy" for name in FILES])

    def classes(self, target: str) -> tuple[str, ...]:
        """Return no names: it is a measurement."""
        if target != "fuel_moisture":
            raise KeyError(target)
        return ()

    def split(self, name: str) -> ArraySplit:
        """Return a split.

        Raises:
            DataError: An array is missing or broken, of another shape, or holds what cannot be.
        """
        arrays = self._arrays
        rows = np.flatnonzero(self._splits == name)
        dates = dates_in_array(_DATES, self._path("month"), len(arrays["target"]), MONTHS)
        months = np.eye(len(LAND_COVER))[arrays["dynamic_world"][rows].astype(np.int64)]
        series = np.concatenate([arrays["s1_s2_era5_srtm"][rows][:, :, :_MEASURED], months], axis=2)
        lonlat = np.asarray(arrays["latlon"][rows][:, ::-1], dtype=np.float64)
        check_coordinates(lonlat, lambda row: f"{self._path('latlon')}, row {rows[row]}")
        inputs = {
            "series": series.astype(np.float32),
            "series_dates": dates[rows],
            "latest": series[:, -1].astype(np.float32),
            "latest_dates": dates[rows, -1],
            "lonlat": lonlat,
        }
        return ArraySplit(
            [f"{row:04d}" for row in rows],
            inputs,
            {"fuel_moisture": np.asarray(arrays["target"][rows], dtype=np.float64)},
            {"site": np.asarray(arrays["site"][rows]).astype(str)},
        )

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.npy"

    @cached_property
    def _splits(self) -> NDArray[np.str_]:
        """The split of every sample; no site is in two of them."""
        test = np.asarray(self._arrays["is_test"]).astype(bool)
        site = np.asarray(self._arrays["site"]).astype(str)
        names = np.full(len(test), "test", dtype="<U5")
        names[~test] = group_split(site[~test], _SHARES, seed=0)
        if shared := sorted({*site[test].tolist()} & {*site[~test].tolist()}):
            raise DataError(
                f"{self._path('is_test')}: site {shared[0]!r} is for testing and for training", "copy the data again"
            )
        return names

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays = {name: open_array(self._path(name)) for name in FILES}
        samples = len(arrays["target"])
        shapes = {
            "s1_s2_era5_srtm": (samples, MONTHS, _MEASURED + 1),
            "dynamic_world": (samples, MONTHS),
            "month": (samples, MONTHS),
            "latlon": (samples, 2),
        }
        for name, array in arrays.items():
            wanted = shapes.get(name, (samples,))
            if array.shape != wanted or array.dtype.kind not in _TYPES.get(name, _NUMBERS):
                raise DataError(
                    f"{self._path(name)} holds {array.dtype} of shape {array.shape}, wanted shape {wanted}",
                    "copy the data again",
                )
        classes = arrays["dynamic_world"]
        if ((classes < 0) | (classes >= len(LAND_COVER))).any():
            raise DataError(f"{self._path('dynamic_world')} holds numbers of no class", "copy the data again")
        return arrays
