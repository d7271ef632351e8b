"""A whole gairbench plugin: a location encoder and a task with its own data.

The model turns a point into sines and cosines of its position on the globe; the task asks for the length of the day at
the June solstice, which follows from the latitude by the sunrise equation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from gairbench import (
    Category,
    DataContext,
    DatasetSpec,
    Kind,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Preset,
    TaskSpec,
    hookimpl,
)

if TYPE_CHECKING:
    from torch import Tensor

    from gairbench.data import ArraySplit

# --- what is registered: specs only; torch and numpy are imported when they are needed --------------------------------

DAYLIGHT = DatasetSpec(
    name="example-daylight",
    version=1,
    factory="gairbench_example:Daylight",
    delivers=(LocationInput(),),
    description="Random points with the length of the day at the June solstice",
    licence="CC0-1.0",
    citation="Sunrise equation, https://en.wikipedia.org/wiki/Sunrise_equation",
)


@hookimpl
def register_models() -> Iterator[ModelSpec]:
    """Name the model and say what it takes: coordinates, longitude first."""
    yield ModelSpec(
        name="example-waves",
        version="1",
        factory="gairbench_example:Waves",
        presets=(Preset(name="default", inputs=(LocationInput(order="lonlat"),)),),
        description="Sines and cosines of longitude and latitude",
        licence="MIT",
        citation="gairbench's plugin guide",
    )


@hookimpl
def register_tasks() -> Iterator[TaskSpec]:
    """Name the task, its data, and how it is scored."""
    yield TaskSpec(
        name="example-daylight",
        version=1,
        category=Category.LOCATION,
        family="astronomy",
        kind=Kind.REGRESSION,
        dataset=DAYLIGHT,
        target="hours",
        inputs=(Modality.LOCATION,),
        metric="r2",
        synthetic=True,
        description="Length of the day at the June solstice",
    )


# --- the model and the data -------------------------------------------------------------------------------------------


class Waves:
    """Four frequencies of sine and cosine of longitude and latitude: 16 features."""

    def __init__(self, context: ModelContext) -> None:
        del context  # nothing is random and there is one preset

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map degrees ``(batch, 2)`` to ``(batch, 16)``."""
        import torch

        angles = torch.deg2rad(lonlat)[:, :, None] * torch.tensor([1.0, 2.0, 4.0, 8.0], device=lonlat.device)
        return torch.cat([angles.sin(), angles.cos()], dim=2).flatten(1)


class Daylight:
    """Points drawn uniformly on the globe between the polar circles, another draw for each split."""

    def __init__(self, context: DataContext) -> None:
        del context  # the data are computed

    def fingerprint(self) -> str:
        """Change this whenever the samples change."""
        return "daylight-1"

    def classes(self, target: str) -> tuple[str, ...]:
        """Regression has no classes."""
        return {"hours": ()}[target]

    def split(self, name: str) -> ArraySplit:
        """Return 500 points and the hours of daylight there."""
        import numpy as np

        from gairbench.data import ArraySplit

        rng = np.random.default_rng(["train", "val", "test"].index(name))
        lon, lat = rng.uniform(-180, 180, 500), rng.uniform(-65, 65, 500)
        tilt = np.radians(23.44)
        hours = 24 / np.pi * np.arccos(-np.tan(np.radians(lat)) * np.tan(tilt))
        ids = [f"{name}-{i}" for i in range(500)]
        return ArraySplit(ids, {"lonlat": np.stack([lon, lat], axis=1)}, {"hours": hours})
