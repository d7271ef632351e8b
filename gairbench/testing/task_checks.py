"""What a task must fulfil: its declaration, and that its targets can be learned and scored."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.data import SAMPLE_KEYS
from gairbench.spec import ImageInput, Kind, Modality, TaskSpec
from gairbench.testing import declarations
from gairbench.testing.dataset_checks import open_source, read_many, read_split
from gairbench.testing.declarations import require
from gairbench.testing.inputs import spread

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
    missing = set(spec.inputs) - spec.dataset.modalities
    require(not missing, f"{spec.name}: dataset {spec.dataset.name} delivers no {', '.join(missing)}")
    if spec.kind is Kind.RETRIEVAL:
        require(len(set(spec.inputs)) == len(spec.inputs) == 2, f"{spec.name}: retrieval needs (query, gallery)")
        require(not spec.target, f"{spec.name}: retrieval has no target, got {spec.target!r}")
    else:
        require(bool(spec.inputs), f"{spec.name}: no inputs")
        require(bool(spec.target), f"{spec.name}: no target")
    if spec.kind is Kind.SEGMENTATION:
        require(spec.inputs == (Modality.RS,), f"{spec.name}: segmentation is of overhead images")


def check_splits_are_declared(spec: TaskSpec) -> None:
    """The dataset has the splits that the task's kind is evaluated on."""
    needed = {"test"} if spec.kind is Kind.RETRIEVAL else set(SPLITS)
    missing = needed - set(spec.dataset.splits)
    require(not missing, f"{spec.name}: dataset {spec.dataset.name} declares no split {', '.join(sorted(missing))}")


def check_metrics_exist_and_point_the_same_way(spec: TaskSpec) -> None:
    """Every metric is known, and the declared direction is the headline metric's."""
    from gairbench.metrics import METRICS

    for name in (spec.metric, *spec.extra_metrics):
        require(name in METRICS, f"{spec.name}: no metric {name!r}; there are: {', '.join(METRICS)}")
    higher = METRICS[spec.metric].higher_is_better
    require(spec.higher_is_better is higher, f"{spec.name}: higher_is_better={spec.higher_is_better} for {spec.metric}")


def check_probes_serve_the_kind(spec: TaskSpec) -> None:
    """Every named probe exists and can serve the task's kind."""
    from gairbench.evaluators import PROBES, probes_for

    require(bool(spec.probes or probes_for(spec.kind)), f"{spec.name}: no probe for {spec.kind}")
    for name in spec.probes:
        require(name in PROBES, f"{spec.name}: no probe {name!r}; there are: {', '.join(PROBES)}")
        require(spec.kind in PROBES[name].kinds, f"{spec.name}: probe {name} does not serve {spec.kind}")


def check_rendered_inputs_make_it_synthetic(spec: TaskSpec) -> None:
    """A task that feeds rendered images is labelled synthetic."""
    fed = [i for i in spec.dataset.delivers if i.modality in spec.inputs and isinstance(i, ImageInput)]
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


def check_targets_are_aligned_and_typed(spec: TaskSpec, root: Path | None) -> None:
    """Targets have one entry per sample, of the type and range that the kind asks for."""
    import numpy as np

    for name in _target_splits(spec):
        target = _target(spec, root, name)
        where = f"{spec.name}, split {name!r}, target {spec.target!r}"
        require(isinstance(target, np.ndarray), f"{where}: {type(target).__name__} is no array")
        require(len(target) == len(read_split(spec.dataset, root, name)), f"{where}: {len(target)} entries")
        _TYPED[spec.kind](spec, root, target, where)


def check_test_holds_no_class_that_train_lacks(spec: TaskSpec, root: Path | None) -> None:
    """Whatever validation and test ask for can be learned from train."""
    if spec.kind is Kind.REGRESSION:
        return
    known = _present(spec, root, "train") if _target_splits(spec) else set()
    for name in _target_splits(spec):
        require(bool(_present(spec, root, name)), f"{spec.name}: split {name!r} has no labelled sample")
        unseen = _present(spec, root, name) - known
        require(not unseen, f"{spec.name}: class {sorted(unseen)} is in split {name!r} but not in train")


def check_metrics_prefer_the_truth(spec: TaskSpec, root: Path | None) -> None:
    """Every metric applies to these targets and rates a perfect prediction above a wrong one."""
    import numpy as np

    from gairbench.metrics import METRICS

    if spec.kind is Kind.RETRIEVAL:
        target = np.arange(len(read_split(spec.dataset, root, "test")))
        perfect, wrong = np.ones(len(target)), np.full(len(target), len(target))
    else:
        target = _labelled(spec, _target(spec, root, "test"))
        perfect = _predictable(spec, target)
        # Every sample gets the prediction of the one half a split away.
        wrong = np.roll(perfect, len(perfect) // 2, axis=0)
    for name in (spec.metric, *spec.extra_metrics):
        metric = METRICS[name]
        best, worse = metric(target, perfect), metric(target, wrong)
        better = best > worse if metric.higher_is_better else best < worse
        require(better, f"{spec.name}: {name} is {best:g} for a perfect prediction and {worse:g} for a wrong one")


def check_retrieval_pairs_are_distinct(spec: TaskSpec, root: Path | None) -> None:
    """A retrieval query has one right answer: at most one sample in a hundred has another one's query or gallery."""
    if spec.kind is not Kind.RETRIEVAL:
        return
    split = read_split(spec.dataset, root, "test")
    require(len(split) > 1, f"{spec.name}: {len(split)} pairs to retrieve from")
    samples = read_many(split, spread(len(split), PAIRS))
    for modality in spec.inputs:
        distinct = {sample[SAMPLE_KEYS[modality]].numpy().tobytes() for sample in samples}
        twice = len(samples) - len(distinct)
        require(
            twice <= len(samples) / 100, f"{spec.name}: {twice} of {len(samples)} samples repeat another's {modality}"
        )


DECLARATION: tuple[Callable[[TaskSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_licence_and_citation_are_stated,
    check_family_is_stated,
    check_inputs_are_delivered,
    check_splits_are_declared,
    check_metrics_exist_and_point_the_same_way,
    check_probes_serve_the_kind,
    check_rendered_inputs_make_it_synthetic,
    check_only_diagnostics_are_swept,
    check_spec_is_a_value,
    check_registering_imports_nothing_heavy,
)

BEHAVIOUR: tuple[Callable[[TaskSpec, Path | None], None], ...] = (
    check_targets_are_aligned_and_typed,
    check_test_holds_no_class_that_train_lacks,
    check_metrics_prefer_the_truth,
    check_retrieval_pairs_are_distinct,
)


def _target_splits(spec: TaskSpec) -> tuple[str, ...]:
    return () if spec.kind is Kind.RETRIEVAL else SPLITS


def _target(spec: TaskSpec, root: Path | None, split: str) -> NDArray[Any]:
    open_source(spec.dataset, root)
    return read_split(spec.dataset, root, split).target(spec.target)


def _classes(spec: TaskSpec, root: Path | None) -> int:
    names = open_source(spec.dataset, root).classes(spec.target)
    require(bool(names), f"{spec.name}: target {spec.target!r} has no class names")
    require(len(set(names)) == len(names), f"{spec.name}: a class name twice in {names}")
    return len(names)


def _typed_classes(spec: TaskSpec, root: Path | None, target: NDArray[Any], where: str) -> None:
    require(target.dtype == "int64" and target.ndim == 1, f"{where}: {target.dtype} {target.shape}, wanted int64 (n,)")
    classes = _classes(spec, root)
    least, most = int(target.min()), int(target.max())
    require(least >= -1 and most < classes, f"{where}: classes {least} ... {most} of {classes} names (-1: left out)")


def _typed_labels(spec: TaskSpec, root: Path | None, target: NDArray[Any], where: str) -> None:
    shape = (len(target), _classes(spec, root))
    require(target.dtype == bool, f"{where}: {target.dtype}, wanted bool")
    require(target.shape == shape, f"{where}: shape {target.shape}, wanted {shape}")


def _typed_numbers(spec: TaskSpec, root: Path | None, target: NDArray[Any], where: str) -> None:
    import numpy as np

    require(target.dtype == "float64" and target.ndim == 1, f"{where}: {target.dtype} {target.shape}, not float64 (n,)")
    require(bool(np.isfinite(target).all()), f"{where}: values that are not finite")
    require(float(np.ptp(target)) > 0, f"{where}: one value only")
    names = open_source(spec.dataset, root).classes(spec.target)
    require(not names, f"{where}: class names {names} of numbers")


def _typed_masks(spec: TaskSpec, root: Path | None, target: NDArray[Any], where: str) -> None:
    from gairbench.metrics import IGNORED

    require(target.dtype in ("uint8", "int64"), f"{where}: {target.dtype}, wanted uint8 or int64")
    image = tuple(read_split(spec.dataset, root, "test")[0][SAMPLE_KEYS[Modality.RS]].shape[1:])
    require(target.shape[1:] == image, f"{where}: masks {target.shape[1:]} for images {image}")
    unknown = set(_values(target)) - set(range(_classes(spec, root))) - set(IGNORED)
    require(not unknown, f"{where}: values {sorted(unknown)} are neither classes nor ignored")


_TYPED: dict[Kind, Callable[[TaskSpec, Path | None, NDArray[Any], str], None]] = {
    Kind.CLASSIFICATION: _typed_classes,
    Kind.MULTILABEL: _typed_labels,
    Kind.REGRESSION: _typed_numbers,
    Kind.SEGMENTATION: _typed_masks,
}


def _values(target: NDArray[Any]) -> list[int]:
    import numpy as np

    values: list[int] = np.unique(target).tolist()
    return values


def _present(spec: TaskSpec, root: Path | None, split: str) -> set[int]:
    """Return the classes that occur in a split."""
    from gairbench.metrics import IGNORED

    target = _target(spec, root, split)
    if spec.kind is Kind.MULTILABEL:
        return {label for label in range(target.shape[1]) if target[:, label].any()}
    return set(_values(target)) - set(IGNORED)


def _labelled(spec: TaskSpec, target: NDArray[Any]) -> NDArray[Any]:
    return target[target >= 0] if spec.kind is Kind.CLASSIFICATION else target


def _predictable(spec: TaskSpec, target: NDArray[Any]) -> NDArray[Any]:
    """Return what a perfect probe would predict: it never predicts an ignored value."""
    import numpy as np

    from gairbench.metrics import IGNORED

    return np.where(np.isin(target, IGNORED), 0, target) if spec.kind is Kind.SEGMENTATION else target
