"""A whole gairbench plugin: one location model, and one task with its own data.

Nothing heavy is imported before a factory is called, so that ``gairbench list`` stays instant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gairbench import Category, DatasetSpec, Kind, LocationInput, Modality, ModelSpec, Preset, TaskSpec, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from gairbench import DataContext, ModelContext
    from gairbench.data import ArraySplit

SPLITS = {"train": 1000, "val": 300, "test": 1000}


@hookimpl
def register_models() -> Iterator[ModelSpec]:
    """Yield the models of this plugin."""
    yield ModelSpec(
        name="example-sphere",
        version="1",
        factory="gairbench_example:Sphere",
        presets=(Preset(name="default", inputs=(LocationInput(order="lonlat"),)),),
        description="Polynomials of degree 3 on the sphere",
        licence="MIT",
        citation="after spherical harmonics, arXiv:2310.06743",
    )


@hookimpl
def register_tasks() -> Iterator[TaskSpec]:
    """Yield the tasks of this plugin."""
    data = DatasetSpec(
        name="example-daylight",
        version=1,
        factory="gairbench_example:Daylight",
        delivers=(LocationInput(order="lonlat"),),
        description="Points spread evenly over the globe, with the length of the longest day",
        licence="CC0-1.0",
        citation="the sunrise equation, https://en.wikipedia.org/wiki/Sunrise_equation",
    )
    yield TaskSpec(
        name="example-daylight-june",
        version=1,
        category=Category.LOCATION,
        family="astronomy",
        kind=Kind.REGRESSION,
        dataset=data,
        target="june",
        inputs=(Modality.LOCATION,),
        metric="r2",
        higher_is_better=True,
        synthetic=True,  # computed from a formula, not observed
        extra_metrics=("pearson_r",),
        description="Hours of daylight at the June solstice",
    )


class Sphere:
    """All products of x, y, z up to degree 3: they span the spherical harmonics of those degrees."""

    def __init__(self, context: ModelContext) -> None:
        """Take the context that every factory gets; there are no weights to load or to draw."""

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map degrees ``(batch, 2)``, float64, to features ``(batch, 20)``."""
        import torch

        lon, lat = lonlat.deg2rad().unbind(1)
        xyz = (lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin())
        powers = [(i, j, k) for i in range(4) for j in range(4 - i) for k in range(4 - i - j)]
        return torch.stack([xyz[0] ** i * xyz[1] ** j * xyz[2] ** k for i, j, k in powers], dim=1).float()


class Daylight:
    """Length of the day at the June solstice, without refraction: 0 h to 24 h, flat beyond the polar circles."""

    def __init__(self, context: DataContext) -> None:
        """Do nothing yet: data are made, or read below ``context.root``, when a split is asked for."""

    def fingerprint(self) -> str:
        """Name everything that decides the data; a dataset on disk would hash its files."""
        return f"daylight-1-{SPLITS}"

    def classes(self, target: str) -> tuple[str, ...]:
        """Return no names: its only target is a number."""
        return {"june": ()}[target]

    def split(self, name: str) -> ArraySplit:
        """Draw the points of a split and compute their targets."""
        import numpy as np

        from gairbench.data import ArraySplit

        n = SPLITS[name]
        rng = np.random.default_rng(list(SPLITS).index(name))
        lon, lat = rng.uniform(-180, 180, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
        hour_angle = np.arccos(np.clip(-np.tan(np.radians(lat)) * np.tan(np.radians(23.44)), -1, 1))
        ids = [f"{name}-{i}" for i in range(n)]
        return ArraySplit(ids, {"lonlat": np.stack([lon, lat], axis=1)}, {"june": 24 / np.pi * hour_angle})
