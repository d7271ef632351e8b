"""What datasets of measurements at places have in common."""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gairbench_tasks.suite.classes.in_splits import InSplits

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame


class LabelledPlaces(InSplits, ABC):
    """A dataset of what is known of places: ``lonlat`` ``(2,)`` in degrees, and each of ``targets``.

    Measurements are in single precision, and classes are whole numbers.

    The arguments and errors are those of :class:`gairbench_tasks.suite.classes.in_splits.InSplits`.
    """

    targets: tuple[str, ...]
    """Columns of the table that are to be predicted."""
    table: DataFrame
    """``lon``, ``lat``, the targets and whatever else is known, one row for each place."""
    ids: list[str]
    """Names of the places."""

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.table)

    def _read(self, index: int) -> dict[str, Tensor]:
        # One column after the other: a row of several types would make classes measurements.
        sample = {name: torch.tensor(self.table[name].iloc[index].item()) for name in self.targets}
        place = [float(self.table[name].iloc[index]) for name in ("lon", "lat")]
        return {"lonlat": torch.tensor(place, dtype=torch.float64), **sample}

    def plot(self, sample: dict[str, Tensor], suptitle: str | None = None) -> Figure:
        """Draw where a sample is among all others, which are coloured by the first of ``targets``.

        Args:
            sample: As :meth:`__getitem__` returns it.
            suptitle: Above it.
        """
        import matplotlib.pyplot as plt

        shown = self.targets[0]
        figure, axes = plt.subplots(figsize=(9, 4))
        drawn = axes.scatter(self.table["lon"], self.table["lat"], c=self.table[shown], s=4)
        figure.colorbar(drawn, ax=axes, label=shown)
        lon, lat = sample["lonlat"].tolist()
        axes.plot(lon, lat, marker="+", markersize=20, color="red")
        axes.set(title=f"{shown}: {float(sample[shown]):g}", xlabel="longitude", ylabel="latitude", aspect="equal")
        if suptitle is not None:
            figure.suptitle(suptitle)
        return figure


def names_of_rows(table: DataFrame) -> list[str]:
    """Return names of rows, by their place in the file: ``00042``."""
    return [f"{row:05}" for row in table.index]
