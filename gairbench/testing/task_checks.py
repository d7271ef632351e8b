"""What a task must fulfil: its declaration, and that its targets can be learned and scored."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from gairbench.data import sample_key
from gairbench.errors import DataError
from gairbench.inputs import ImageInput, Modality
from gairbench.isolation import named
from gairbench.kinds import DENSE, ONE_CLASS, WITH_CLASSES
from gairbench.read_only import read_only
from gairbench.sample_blocks import sample_blocks
from gairbench.selection import unknown
from gairbench.spec import Kind, MetricSpec, TaskSpec
from gairbench.targets import degenerate, known_span, present_classes, target_problem
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.inputs import spread_indices
from gairbench.testing.isolated import call_isolated
from gairbench.testing.opened import OpenedDataset, TaskCheck
from gairbench.testing.seen import read_many

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPLITS = ("train", "val", "test")

PAIRS = 200
"""Retrieval pairs compared with each other."""


def check_name_is_a_slug(spec: TaskSpec) -> None:
    """The name is safe in file names, tables and on the command line."""
    declarations.require_slug(spec.name, "task")


def check_version_counts_from_one(spec: TaskSpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_licence_and_citation_are_stated(spec: TaskSpec) -> None:
    """The task or its dataset says whose it is and on what terms."""
    require(bool(spec.licence or spec.dataset.licence), f"{spec.name}: no licence, nor has its dataset one")
    require(bool(spec.citation or spec.dataset.citation), f"{spec.name}: no citation, nor has its dataset one")


def check_family_is_stated(spec: TaskSpec) -> None:
    """The task can be chosen and tabulated with others of its family."""
    require(bool(spec.family.strip()), f"{spec.name}: no family")


def check_inputs_are_delivered(spec: TaskSpec) -> None:
    """The dataset delivers every modality that the task feeds, as often as its kind needs."""
    missing = {entry for entry in spec.inputs if not spec.dataset.inputs_of(entry)}
    require(not missing, f"{spec.name}: dataset {spec.dataset.name} delivers no {', '.join(missing)}")
    if spec.kind is Kind.RETRIEVAL:
        require(len(set(spec.inputs)) == len(spec.inputs) == 2, f"{spec.name}: retrieval needs (query, gallery)")
        require(not spec.target, f"{spec.name}: retrieval has no target, got {spec.target!r}")
    else:
        require(bool(spec.inputs), f"{spec.name}: no inputs")
        require(bool(spec.target), f"{spec.name}: no target")
    if spec.kind in DENSE:
        overhead = all(i.modality is Modality.RS for entry in spec.inputs for i in spec.dataset.inputs_of(entry))
        require(overhead, f"{spec.name}: {spec.kind} is of overhead images")
    if spec.kind is Kind.GEOLOCALIZATION:
        given = spec.localized or Modality.LOCATION in spec.inputs
        require(not given, f"{spec.name}: the place is an input, and the task asks for it")


def check_splits_are_declared(spec: TaskSpec) -> None:
    """The dataset has the splits that the task's kind is evaluated on."""
    needed = {"test"} if spec.kind is Kind.RETRIEVAL else set(SPLITS)
    missing = needed - set(spec.dataset.splits)
    require(not missing, f"{spec.name}: dataset {spec.dataset.name} declares no split {', '.join(sorted(missing))}")


def check_metrics_score_the_kind(spec: TaskSpec) -> None:
    """Every metric is installed and can score the task's kind."""
    known = declarations.installed().metrics
    for name in (spec.metric, *spec.extra_metrics):
        require(name in known, f"{spec.name}: {unknown('metric', name, known)}")
        require(spec.kind in known[name].kinds, f"{spec.name}: metric {name} does not score {spec.kind}")


def check_evaluators_serve_the_kind(spec: TaskSpec) -> None:
    """Every named evaluator is installed and can serve the task's kind; without names there is one for the kind."""
    known = declarations.installed().evaluators
    for name in spec.evaluators:
        require(name in known, f"{spec.name}: {unknown('evaluator', name, known)}")
        require(spec.kind in known[name].kinds, f"{spec.name}: evaluator {name} does not serve {spec.kind}")
    default = any(spec.kind in evaluator.default for evaluator in known.values())
    require(bool(spec.evaluators) or default, f"{spec.name}: no evaluator is run by default for {spec.kind}")


def check_rendered_inputs_make_it_synthetic(spec: TaskSpec) -> None:
    """A task that feeds rendered images is labelled synthetic."""
    inputs = [i for entry in spec.inputs for i in spec.dataset.inputs_of(entry)]
    fed = [i for i in inputs if isinstance(i, ImageInput)]
    rendered = [i.modality for i in fed if i.synthetic]
    require(spec.synthetic or not rendered, f"{spec.name}: {', '.join(rendered)} is rendered, but synthetic=False")


def check_only_diagnostics_are_swept(spec: TaskSpec) -> None:
    """A task that differs from others in one number is not ranked, and the number can be drawn."""
    if spec.sweep is None:
        return
    variable, value = spec.sweep
    require(spec.diagnostic, f"{spec.name}: it has a sweep and is not diagnostic")
    require(bool(variable.strip()), f"{spec.name}: the quantity of its sweep has no name")
    require(math.isfinite(value), f"{spec.name}: the value of its sweep is {value}")


def check_spec_is_a_value(spec: TaskSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_registering_imports_nothing_heavy(spec: TaskSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


@TaskCheck
def check_targets_are_aligned_and_typed(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """Targets have one entry per sample, of the type and range that the kind asks for."""
    for name in _target_splits(spec, data):
        values = _target(spec, data, name)
        where = f"target {spec.target!r} of split {name!r}"
        if problem := target_problem(spec.kind, values, data.source.classes(spec.target)):
            yield f"{where} {problem}"
        elif len(values) != len(data.splits[name]):
            yield f"{where} has {len(values)} values for {len(data.splits[name])} samples"
        elif spec.kind in DENSE and len(values):
            key = sample_key(spec.dataset.inputs_of(spec.inputs[0])[0].name)
            image = tuple(data.splits[name][0][key].shape[-2:])
            if values.shape[1:] != image:
                yield f"{where} has masks {values.shape[1:]} for images {image}"


@TaskCheck
def check_targets_stay_the_same(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """Two instances of the dataset agree on every target and on the names of its classes."""
    if spec.kind is Kind.RETRIEVAL:
        return
    if tuple(data.source.classes(spec.target)) != tuple(data.other.classes(spec.target)):
        yield f"two instances name the classes of target {spec.target!r} differently"
    for name in _target_splits(spec, data):
        here = _target(spec, data, name)
        there = data.read_target(data.other.split(name), spec.target, dense=spec.kind in DENSE)
        same = (here.dtype, here.shape) == (there.dtype, there.shape)
        # As bytes, because NaN is not equal to itself.
        if not (same and all(here[block].tobytes() == there[block].tobytes() for block in sample_blocks(here))):
            yield f"target {spec.target!r} of split {name!r} changes from one instance to the next"


@TaskCheck
def check_targets_can_be_learned(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """Train has more than one class, label or value, and test can be scored."""
    targets = _sound_targets(spec, data)
    if "train" in targets:
        problem, hint = degenerate(spec.kind, targets["train"], data.source.classes(spec.target), targets.get("test"))
        if problem:
            yield f"target {spec.target!r}: {problem}; {hint}"


@TaskCheck
def check_test_holds_no_class_that_train_lacks(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """Whatever validation and test ask for can be learned from train."""
    targets = _sound_targets(spec, data)
    if spec.kind not in WITH_CLASSES or "train" not in targets:
        return
    known = {*present_classes(spec.kind, targets["train"])}
    classes = data.source.classes(spec.target)
    for name, values in targets.items():
        present = present_classes(spec.kind, values)
        unseen = ", ".join(repr(classes[number]) for number in present if number not in known)
        if not present and len(values):
            yield f"target {spec.target!r}: split {name!r} has no labelled sample"
        if unseen:
            yield f"target {spec.target!r}: class {unseen} is in split {name!r} but not in train"


@TaskCheck
def check_metrics_prefer_the_truth(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """Every metric of predictions applies to these targets and rates a perfect prediction above a wrong one."""
    import numpy as np

    if spec.kind is Kind.RETRIEVAL:
        if "test" not in data.splits:
            return
        target = np.arange(len(data.splits["test"]))
        perfect, wrong = np.ones(len(target)), np.full(len(target), len(target))
    else:
        targets = _sound_targets(spec, data)
        if "test" not in targets:
            return
        target = _labelled(spec, targets["test"])
        perfect = _by_block(spec, data, target, lambda some: _predictable(spec, some))
        mean = known_span(perfect)[1] if spec.kind is Kind.DENSE_REGRESSION else 0.0
        classes = len(data.source.classes(spec.target))
        wrong = _by_block(spec, data, perfect, lambda some: _wrong(spec, some, classes, mean))
    if not len(target):
        return
    for name in (spec.metric, *spec.extra_metrics):
        metric = declarations.installed().metrics.get(name)
        # Scores are an evaluator's: the suite of metrics looks at those that need them.
        if metric is None or metric.needs != "prediction":
            continue
        best, worse = (_value(metric, target, given) for given in (perfect, wrong))
        if not (best > worse if metric.higher_is_better else best < worse):
            yield f"{name} of target {spec.target!r} is {best:g} for a perfect prediction and {worse:g} for a wrong one"


def _value(metric: MetricSpec, target: NDArray[Any], given: NDArray[Any]) -> float:
    from gairbench.metrics import load_metric

    who = named("metric", metric.name, metric.factory)
    return call_isolated(who, lambda: load_metric(metric)(read_only(target), read_only(given)))[0]


@TaskCheck
def check_retrieval_pairs_are_distinct(spec: TaskSpec, data: OpenedDataset) -> Iterator[str]:
    """A retrieval query has one right answer: at most one sample in a hundred has another one's query or gallery."""
    if spec.kind is not Kind.RETRIEVAL or "test" not in data.splits:
        return
    split = data.splits["test"]
    if len(split) < 2:
        yield f"there are {len(split)} pairs to retrieve from"
        return
    samples = read_many(split, spread_indices(len(split), PAIRS))
    for modality in spec.inputs:
        keys = [sample_key(i.name) for i in spec.dataset.inputs_of(modality)]
        distinct = {b"".join(sample[key].numpy().tobytes() for key in keys) for sample in samples}
        twice = len(samples) - len(distinct)
        if twice > len(samples) / 100:
            yield f"{twice} of {len(samples)} samples repeat another's {modality}"


DECLARATION: tuple[Callable[[TaskSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_licence_and_citation_are_stated,
    check_family_is_stated,
    check_inputs_are_delivered,
    check_splits_are_declared,
    check_metrics_score_the_kind,
    check_evaluators_serve_the_kind,
    check_rendered_inputs_make_it_synthetic,
    check_only_diagnostics_are_swept,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
)

BEHAVIOUR: tuple[TaskCheck, ...] = (
    check_targets_are_aligned_and_typed,
    check_targets_stay_the_same,
    check_targets_can_be_learned,
    check_test_holds_no_class_that_train_lacks,
    check_metrics_prefer_the_truth,
    check_retrieval_pairs_are_distinct,
)


def _target_splits(spec: TaskSpec, data: OpenedDataset) -> list[str]:
    return [] if spec.kind is Kind.RETRIEVAL else [name for name in SPLITS if name in data.splits]


def _target(spec: TaskSpec, data: OpenedDataset, split: str) -> NDArray[Any]:
    try:
        return data.target(split, spec.target, dense=spec.kind in DENSE)
    except KeyError:
        raise DataError(f"there is no target {spec.target!r}", "correct the task's target") from None


def _sound_targets(spec: TaskSpec, data: OpenedDataset) -> dict[str, NDArray[Any]]:
    """Return the targets by split that :func:`check_targets_are_aligned_and_typed` finds nothing wrong with."""
    sound = {}
    for name in _target_splits(spec, data):
        values = _target(spec, data, name)
        problem = target_problem(spec.kind, values, data.source.classes(spec.target))
        if not problem and len(values) == len(data.splits[name]):
            sound[name] = values
    return sound


def _labelled(spec: TaskSpec, target: NDArray[Any]) -> NDArray[Any]:
    return target[target >= 0] if spec.kind in ONE_CLASS else target


def _by_block(
    spec: TaskSpec, data: OpenedDataset, values: NDArray[Any], change: Callable[[NDArray[Any]], NDArray[Any]]
) -> NDArray[Any]:
    """Return what values are changed to; masks and maps, some at a time, into an array on the disk."""
    from gairbench.disk_array import disk_array

    if spec.kind not in DENSE:
        return change(values)
    changed = disk_array(data.folder, values.shape, values.dtype)
    for block in sample_blocks(values):
        changed[block] = change(values[block])
    return changed


def _predictable(spec: TaskSpec, target: NDArray[Any]) -> NDArray[Any]:
    """Return what a perfect evaluator would predict: it never predicts an ignored value."""
    import numpy as np

    from gairbench.metrics import IGNORED

    if spec.kind is Kind.DENSE_REGRESSION:
        return np.asarray(np.nan_to_num(target))
    return np.where(np.isin(target, IGNORED), 0, target) if spec.kind is Kind.SEGMENTATION else target


def _wrong(spec: TaskSpec, perfect: NDArray[Any], classes: int, mean: float) -> NDArray[Any]:
    """Return a prediction that is wrong: another class, the other labels, mirrored measurements, the antipodes.

    Args:
        spec: The task.
        perfect: A perfect prediction.
        classes: Their number.
        mean: What maps are mirrored at.
    """
    import numpy as np

    if spec.kind is Kind.MULTILABEL:
        return ~perfect
    if spec.kind is Kind.REGRESSION:
        return np.asarray(2 * perfect.mean() - perfect)
    if spec.kind is Kind.DENSE_REGRESSION:
        return np.asarray(2 * mean - perfect)
    if spec.kind is Kind.MULTI_REGRESSION:
        return np.asarray(2 * perfect.mean(axis=0) - perfect)
    if spec.kind is Kind.GEOLOCALIZATION:
        lon, lat = perfect.T
        return np.stack([np.where(lon > 0, lon - 180, lon + 180), -lat], axis=1)
    return np.asarray((perfect.astype(np.int64) + 1) % max(classes, 2))
