"""A picture of samples with their labels, and of where a dataset's samples are."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import rendered
from gairbench.data import DataSource, Sample, Split, sample_key
from gairbench.dense_targets import reads_dense
from gairbench.errors import UsageError
from gairbench.evaluation.open_data import dataset_name
from gairbench.evaluation.sample_pool import places_of
from gairbench.geography import on_land
from gairbench.inputs import RGB, ImageInput, Unit
from gairbench.inspection.pictures import middle, shown_bands, stretched
from gairbench.isolation import Blamed, call_factory
from gairbench.kinds import DENSE, ONE_CLASS
from gairbench.metrics import IGNORED
from gairbench.spec import DataContext, DatasetSpec, Kind, TaskSpec
from gairbench.storage import atomic_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PANEL = 2.6
"""Edge of one picture in inches."""

_TITLE = 0.5
"""Height of the title in inches."""

_LETTERS = 36
"""How long the lines beside it are."""


@dataclass(frozen=True, slots=True)
class _Target:
    name: str
    kind: Kind
    classes: tuple[str, ...]


def draw_dataset(
    path: Path, spec: DatasetSpec, tasks: Sequence[TaskSpec], root: Path | None, *, split: str, samples: int
) -> None:
    """Draw samples of a split, each with its images, its masks and maps, and its other labels in words.

    The samples are evenly spaced in the split. Images are shown in the colours of their rendering, else in red, green
    and blue, else in their first band; of a series the one in the middle. Where samples have places, the last picture
    is a map of all of them.

    Args:
        path: PNG to write.
        spec: The dataset.
        tasks: Tasks on it, whose targets are shown.
        root: Folder of datasets that are not embedded.
        split: Name of the split.
        samples: How many.

    Raises:
        UsageError: The dataset has no such split.
        DataError: It is broken.
        StorageError: The picture cannot be written.
    """
    from matplotlib.figure import Figure

    if split not in spec.splits:
        raise UsageError(f"dataset {spec.name!r} has no split {split!r}", f"there are: {', '.join(spec.splits)}")
    who = dataset_name(spec)
    source: DataSource
    source, _ = call_factory(who, spec.factory, DataContext(root=root, dataset=spec))
    with Blamed(who):
        shown = source.split(split)
        places = places_of(spec, shown)
        targets = [
            _Target(task.target, task.kind, tuple(source.classes(task.target)))
            for task in {task.target: task for task in tasks if task.target}.values()
        ]
        spaced = np.unique(np.linspace(0, len(shown) - 1, samples).round().astype(int))
        rows = [_panels(spec, shown, targets, row) for row in spaced.tolist()]
    columns = max(1, *(len(panels) for _, panels in rows))
    more = places is not None
    height = _TITLE + _PANEL * (len(rows) + more)
    figure = Figure(figsize=(_PANEL * (columns + 1), height))
    top = 1 - _TITLE / height
    grid = figure.add_gridspec(len(rows) + more, columns + 1, left=0.02, right=0.98, bottom=0.03, top=top)
    for number, (words, panels) in enumerate(rows):
        text = figure.add_subplot(grid[number, 0])
        text.axis("off")
        text.text(0, 1, words, va="top", fontsize=7)
        for column, panel in enumerate(panels, start=1):
            _draw(figure.add_subplot(grid[number, column]), panel)
    if places is not None:
        _draw_map(figure.add_subplot(grid[len(rows), :]), places, f"{len(places):,} places of {split}")
    figure.suptitle(f"{spec.name}, {split}", fontsize=9)
    with atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=110)


@dataclass(frozen=True, slots=True)
class _Panel:
    """A picture: one with colours, a map of measurements, or a mask of so many classes."""

    title: str
    values: NDArray[Any]
    classes: int = 0


def _panels(spec: DatasetSpec, split: Split, targets: Sequence[_Target], row: int) -> tuple[str, list[_Panel]]:
    """Return what is known of a sample in words, and its pictures."""
    sample = split[row]
    images = [one for one in dict.fromkeys(spec.delivers) if isinstance(one, ImageInput)]
    panels = [_Panel(str(one.name), _picture(one, sample)) for one in images]
    lines = [str(split.ids[row])]
    for target in targets:
        value = _value(split, target, row)
        if target.kind in DENSE:
            panels.append(_Panel(target.name, value, len(target.classes)))
        lines.append(f"{target.name}: {_words(target, value)}")
    return "\n".join(textwrap.fill(line, _LETTERS, subsequent_indent="  ") for line in lines), panels


def _value(split: Split, target: _Target, row: int) -> NDArray[Any]:
    if target.kind not in DENSE:
        return np.asarray(split.target(target.name)[row])
    value = np.asarray(split.target_at(target.name, row) if reads_dense(split) else split.target(target.name)[row])
    return np.ma.array(value, mask=np.isin(value, IGNORED)) if target.kind is Kind.SEGMENTATION else value


def _words(target: _Target, value: NDArray[Any]) -> str:
    if target.kind is Kind.SEGMENTATION:
        counts = np.bincount(np.ma.compressed(value).astype(int), minlength=len(target.classes))
        shares = counts / max(counts.sum(), 1)
        order = np.argsort(-shares, kind="stable")
        return ", ".join(f"{target.classes[n]} {shares[n]:.0%}" for n in order if shares[n] > 0) or "nothing known"
    if target.kind in {Kind.REGRESSION, Kind.DENSE_REGRESSION} and not np.isfinite(value).any():
        return "nothing known"
    if target.kind is Kind.DENSE_REGRESSION:
        return f"{np.nanmin(value):.4g} to {np.nanmax(value):.4g}"
    if target.kind in ONE_CLASS:
        return target.classes[int(value)] if value >= 0 else "no class"
    if target.kind is Kind.MULTILABEL:
        return ", ".join(name for name, holds in zip(target.classes, value, strict=True) if holds) or "none"
    if target.kind is Kind.MULTI_REGRESSION:
        return ", ".join(f"{name} {number:.4g}" for name, number in zip(target.classes, value, strict=True))
    return f"{float(value):.4g}"


def _picture(declared: ImageInput, sample: Sample) -> NDArray[np.uint8]:
    """Return an image ``(height, width, 3)``."""
    values = sample[sample_key(declared.name)]
    image = middle(values if values.ndim == 4 else values[None])
    rendering = declared.rendering
    bands = list(shown_bands(declared.bands, rendering.bands if rendering else RGB))
    if rendering and len(bands) == len(rendering.bands):
        return stretched([rendered(image[bands].float(), rendering)], (0.0, 255.0))[0]
    display = all(declared.units()[band] is Unit.UINT8 for band in bands)
    return stretched([image[bands]], (0.0, 255.0) if display else None)[0]


def _draw(axes: Axes, panel: _Panel) -> None:
    if panel.classes:
        # The same colour is the same class in all samples.
        palette = "tab20" if panel.classes <= 20 else "gist_ncar"
        axes.imshow(panel.values, cmap=palette, vmin=0, vmax=max(panel.classes - 1, 1), interpolation="nearest")
    else:
        axes.imshow(panel.values, cmap="gray", interpolation="nearest")
    axes.set_title(panel.title, fontsize=7)
    axes.axis("off")


def _draw_map(axes: Axes, lonlat: NDArray[np.float64], title: str) -> None:
    lon, lat = np.meshgrid(np.arange(-179.5, 180), np.arange(89.5, -90, -1))
    land = on_land(np.stack([lon, lat], axis=-1).reshape(-1, 2)).reshape(lon.shape)
    axes.imshow(land, cmap="Greys", vmin=0, vmax=4, extent=(-180, 180, -90, 90))
    axes.scatter(lonlat[:, 0], lonlat[:, 1], s=2, color="tab:red")
    axes.set_title(title, fontsize=7)
    axes.tick_params(labelsize=6)
