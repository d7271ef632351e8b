"""What a task asks, of what, and how much of it there is: all that a reader of a table wants to know of a column."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import DataSource, Split
from gairbench.dataset_download import is_here, way_to_get
from gairbench.errors import DataMissingError, GairbenchError
from gairbench.evaluation.groupings import groups_of
from gairbench.evaluation.open_data import dataset_name
from gairbench.evaluation.sample_pool import places_of
from gairbench.evaluation.trivial import trivial_predictions
from gairbench.inputs import Input
from gairbench.isolation import Blamed, call_factory
from gairbench.kinds import DENSE, HEADLINE, ONE_CLASS, WITH_NAMES
from gairbench.metrics import load_metric, needed_by
from gairbench.plugins import Registry
from gairbench.predictions import Predictions
from gairbench.selection import unknown
from gairbench.spec import DataContext, Kind, MetricSpec, TaskSpec
from gairbench.split_choice import SplitChoice

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitFacts:
    """What a split holds of a task.

    Args:
        samples: How many take part.
        left_out: How many of the split do not, because they have no class.
        groups: How many groups of dependent samples they are; ``None``: each is independent.
        classes: Samples of each class, or with each label, by name; empty for other targets, and for masks.
        span: Least, mean and greatest of measurements; ``None`` for other targets.
    """

    samples: int
    left_out: int = 0
    groups: int | None = None
    classes: dict[str, int] = field(default_factory=dict)
    span: tuple[float, float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTask:
    """What the data of a task hold.

    Args:
        splits: By name.
        trivial: The headline metric of the trivial predictor, which looks at no input; ``None`` where masks or maps
            would have to be read, or nothing is there to learn from.
        places: Longitude and latitude of all samples ``(n, 2)``; ``None`` where they have none.
    """

    splits: dict[str, SplitFacts]
    trivial: float | None
    places: NDArray[np.float64] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCard:
    """All that is known of a task.

    Args:
        task: The task.
        metric: Its headline metric.
        evaluators: Names of the probes that it is run with, the headline first.
        origin: Which plugin has registered it.
        get: How its files are had; empty where they are here.
        problem: Why nothing could be measured of files that are here; empty if nothing is wrong.
        measured: What its data hold; ``None`` where they are not here, or broken.
    """

    task: TaskSpec
    metric: MetricSpec
    evaluators: tuple[str, ...]
    origin: str
    get: str
    problem: str
    measured: MeasuredTask | None

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What models are given."""
        dataset = self.task.dataset
        return tuple(dict.fromkeys(found for entry in self.task.inputs for found in dataset.inputs_of(entry)))


def task_card(task: TaskSpec, registry: Registry, data_root: Path | None) -> TaskCard:
    """Return the card of a task; its data are looked at where they are here, but for images, masks and maps.

    Args:
        task: The task.
        registry: Where its metric and its evaluators are registered.
        data_root: Folder of datasets that are not embedded.

    Raises:
        UsageError: The task names a metric that is not registered.
    """
    if task.metric not in registry.metrics:
        raise unknown("metric", task.metric, registry.metrics)
    metric = registry.metrics[task.metric]
    headline = HEADLINE[task.kind]
    default = [spec.name for spec in registry.evaluators.values() if task.kind in spec.default]
    measured, get, problem = None, "", ""
    try:
        if is_here(task.dataset, data_root):
            measured = _measured(task, metric, data_root)
        else:
            get = way_to_get(task.dataset, data_root) or f"put it into {task.dataset.folder}"
    except DataMissingError as error:
        get = str(error)
    # A dataset may be third-party code, and one that is broken must not keep the cards of others.
    except Exception as error:
        problem = str(error) if isinstance(error, GairbenchError) else f"{type(error).__name__}: {error}"
    return TaskCard(
        task=task,
        metric=metric,
        evaluators=task.evaluators or tuple(sorted(default, key=lambda name: name != headline)),
        origin=str(registry.task_origins[task.name]),
        get=get,
        problem=problem,
        measured=measured,
    )


def _measured(task: TaskSpec, metric: MetricSpec, root: Path | None) -> MeasuredTask:
    dataset, who = task.dataset, dataset_name(task.dataset)
    source: DataSource
    source, _ = call_factory(who, dataset.factory, DataContext(root=root, dataset=dataset))
    names = ("test",) if task.kind is Kind.RETRIEVAL else dataset.splits
    with Blamed(who):
        splits = {name: source.split(name) for name in names}
        has_names = task.kind in WITH_NAMES and bool(task.target)
        classes = tuple(source.classes(task.target)) if has_names else ()
        targets = {name: _target(task, split) for name, split in splits.items()}
        rows = {name: _taking_part(task, target, splits[name]) for name, target in targets.items()}
        _, groups = groups_of(task, SplitChoice(), splits, rows)
        placed = [places_of(dataset, split) for split in splits.values()]
    facts = {}
    for name, split in splits.items():
        target, taking = targets[name], rows[name]
        group = groups[name]
        facts[name] = SplitFacts(
            samples=len(taking),
            left_out=len(split) - len(taking),
            groups=None if group is None else len(np.unique(group)),
            classes={} if target is None else _counts(task.kind, target[taking], classes),
            span=None if target is None else _span(task.kind, target[taking]),
        )
    known = {name: target[rows[name]] for name, target in targets.items() if target is not None}
    found = [one for one in placed if one is not None]
    return MeasuredTask(
        splits=facts,
        trivial=_trivial(task, metric, known, classes),
        places=np.concatenate(found) if len(found) == len(placed) and found else None,
    )


def _target(task: TaskSpec, split: Split) -> Array | None:
    """Return a split's targets, unless they are masks or maps, or there are none."""
    if task.kind in DENSE:
        return None
    if task.kind is Kind.RETRIEVAL:
        return np.arange(len(split))
    if not task.target:
        return places_of(task.dataset, split)
    return np.asarray(split.target(task.target))


def _taking_part(task: TaskSpec, target: Array | None, split: Split) -> Array:
    if target is None or task.kind not in ONE_CLASS:
        return np.arange(len(split))
    return np.flatnonzero(target >= 0)


def _counts(kind: Kind, target: Array, classes: tuple[str, ...]) -> dict[str, int]:
    if kind in ONE_CLASS:
        numbers = np.bincount(target, minlength=len(classes)).tolist()
    elif kind is Kind.MULTILABEL:
        numbers = target.sum(axis=0).tolist()
    else:
        return {}
    return dict(zip(classes, numbers, strict=True))


def _span(kind: Kind, target: Array) -> tuple[float, float, float] | None:
    if kind is not Kind.REGRESSION or not len(target):
        return None
    return float(target.min()), float(target.mean()), float(target.max())


def _trivial(task: TaskSpec, metric: MetricSpec, known: Mapping[str, Array], classes: tuple[str, ...]) -> float | None:
    learned = {name: target for name, target in known.items() if name != "test"}
    if "test" not in known or not (learned or task.kind is Kind.RETRIEVAL):
        return None
    test = known["test"]
    blind = trivial_predictions(task.kind, learned, classes, Predictions(np.arange(len(test)), test, test))
    given = needed_by(metric, blind)
    value = math.nan if given is None else load_metric(metric)(test, given)
    return value if math.isfinite(value) else None
