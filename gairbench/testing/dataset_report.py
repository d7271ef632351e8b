"""Check every sample of a dataset and report everything that is wrong with it, not only the first thing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gairbench.data import sample_key
from gairbench.errors import DataError, GairbenchError
from gairbench.inputs import Modality, Unit
from gairbench.isolation import Isolated, named
from gairbench.kinds import DENSE, WITH_CLASSES
from gairbench.spec import DatasetSpec, Kind, TaskSpec
from gairbench.targets import known_span, target_problem, value_counts
from gairbench.testing import dataset_checks, task_checks
from gairbench.testing.dataset_checks import LAND_AT_LEAST
from gairbench.testing.opened import OpenedDataset, message_of
from gairbench.testing.split_differences import different_classes, different_values

if TYPE_CHECKING:
    from numpy.typing import NDArray


DOUBTFUL = 0.3
"""If exchanging longitude and latitude puts so many more of the points on land, they may be swapped."""


@dataclass(slots=True)
class DataReport:
    """What a check found.

    Args:
        name: The dataset.
        counts: Samples per split.
        ranges: Least and greatest value, of images by sample key, and of ``longitude`` and ``latitude`` in degrees.
        balance: Samples per class, by target and split; the samples that take no part are under an empty name.
        spans: Least, mean and greatest value of regression targets, by target and split; of several measurements, by
            target and measurement.
        problems: Everything that is wrong, one line each.
        unlearnable: Targets from which nothing can be learned, though the data are sound, one line each.
        warnings: What may be meant so and may be a mistake, one line each.
    """

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    balance: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    spans: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    unlearnable: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the data; unlearnable targets and warnings do not count."""
        return not self.problems

    def render(self) -> str:
        """Return the report as text: one headline, then one line per fact, each problem on its own."""
        counts = ", ".join(f"{split} {n}" for split, n in self.counts.items())
        ranges = ", ".join(f"{key} {low:g} to {high:g}" for key, (low, high) in self.ranges.items())
        number = len(self.warnings)
        noted = f", {number} warning{'s' if number > 1 else ''}" if number else ""
        number = len(self.unlearnable)
        useless = f"data ok, but nothing can be learned from {number} target{'s' if number > 1 else ''}"
        state = "NOT OK" if not self.ok else useless if number else "ok"
        lines = [f"{self.name}: {state}{noted}; {counts}; values: {ranges}"]
        for target, splits in self.balance.items():
            for split, classes in splits.items():
                shares = ", ".join(f"{name or '(no part)'} {n}" for name, n in classes.items())
                lines.append(f"  {target}, {split}: {shares}")
        for target, spans in self.spans.items():
            for split, (low, mean, high) in spans.items():
                lines.append(f"  {target}, {split}: {low:g} to {high:g}, mean {mean:g}")
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [f"  not learnable: {problem}" for problem in self.unlearnable]
        lines += [f"  warning: {warning}" for warning in self.warnings]
        return "\n".join(lines)


def check_dataset(spec: DatasetSpec, root: Path | None, tasks: Iterable[TaskSpec] = ()) -> DataReport:
    """Run the conformance suite's checks of the data over all samples, and describe what there is.

    Args:
        spec: The dataset.
        root: The data root, or ``None``.
        tasks: Tasks whose targets are looked at too, those of other datasets left aside.

    Returns:
        The report; unreadable samples are all listed.

    Raises:
        DataError: The dataset cannot be opened at all.
        PluginError: It called ``sys.exit``.
    """
    with Isolated(named("dataset", spec.name, spec.factory)):
        return _check(spec, root, tasks)


def _check(spec: DatasetSpec, root: Path | None, tasks: Iterable[TaskSpec]) -> DataReport:
    data = OpenedDataset(spec, root, every=True)
    _open(data)
    report = DataReport(spec.name)
    problems = [problem for check in dataset_checks.BEHAVIOUR for problem in check.problems(data)]
    report.counts = {name: len(split) for name, split in data.splits.items()}
    report.ranges = data.seen.ranges
    # Tasks that differ in their inputs alone ask the same of the data.
    different = {
        (
            task.target,
            task.kind,
            task.metric,
            task.extra_metrics,
            task.inputs if task.kind is Kind.RETRIEVAL else (),
        ): task
        for task in tasks
        if task.dataset.name == spec.name
    }
    warnings = [*_of_bands(data), *_of_places(data), *_of_source(data)]
    for task in different.values():
        for check in task_checks.BEHAVIOUR:
            found = report.unlearnable if check is task_checks.check_targets_can_be_learned else problems
            found += check.problems(task, data)
        warnings += _describe_target(task, data, report)
    # What is wrong with all splits or for all tasks is reported once, and what a sample's own line says not again.
    of_samples = {problem.partition(": ")[2] for problem in data.seen.problems}
    report.problems = [problem for problem in dict.fromkeys(problems) if problem not in of_samples]
    report.warnings = list(dict.fromkeys(warnings))
    return report


def _open(data: OpenedDataset) -> None:
    try:
        _ = data.source
    except GairbenchError:
        raise
    # A dataset may be third-party code.
    except Exception as error:
        raise DataError(
            f"dataset {data.spec.name!r} cannot be opened: {message_of(error)}", "fix its factory"
        ) from error


def _of_source(data: OpenedDataset) -> list[str]:
    try:
        return list(getattr(data.source, "warnings", list)())
    # What is broken is a problem already; here it would hide all the others.
    except Exception:
        return []


def _of_bands(data: OpenedDataset) -> Iterator[str]:
    for declared, bands in data.seen.bands.items():
        key = sample_key(declared.name)
        flat = sorted(set(bands.constant[0]).intersection(*bands.constant[1:]))
        if flat:
            yield f"{_share(len(flat), bands.images)} images of {key} have one value in every band, such as {flat[0]}"
        if bands.zeros and declared.modality is Modality.RS:
            where, most = max(bands.zeros, key=lambda image: image[1])
            share = _share(len(bands.zeros), bands.images)
            yield (
                f"{share} images of {key} have many pixels that are 0 in every band, such"
                f" as {where} ({most:.0%}): if these are missing, mark them as nodata"
            )
        ranges = zip(declared.bands, declared.units(), bands.low, bands.high, bands.constant, strict=True)
        for band, unit, low, high, constant in ranges:
            only = [where for where in constant if where not in set(flat)]
            if unit is Unit.RAW and low == high == 0 and bands.images > 1:
                yield f"band {band!r} of {key} is 0 in all {bands.images} images"
            if only and low < high:
                share = _share(len(only), bands.images)
                yield f"band {band!r} of {key} has one value in {share} images, such as {only[0]}"


def _share(count: int, total: int) -> str:
    return f"{count} of {total}" + (f" ({count / total:.1%})" if count / total >= 0.001 else "")


def _of_places(data: OpenedDataset) -> Iterator[str]:
    import numpy as np

    from gairbench.geography import exchanged, on_land

    if not data.seen.lonlat or getattr(data.source, "extent", None):
        return
    lonlat = np.array(data.seen.lonlat)
    here, other = on_land(lonlat), exchanged(lonlat)
    there = here if other is None else on_land(other)
    wet = f"{_share(int((~here).sum()), len(here))} points lie in the sea"
    if dataset_checks.check_places_are_plausible.problems(data):
        return
    if here.mean() < 0.5 and there.mean() > here.mean() + DOUBTFUL:
        dry = f"only {int((~there).sum())} would with longitude and latitude exchanged"
        yield f"{wet}, and {dry}: swapped? Declare the 'extent' if they are right"
    elif here.mean() < LAND_AT_LEAST:
        yield f"{wet}; declare the 'extent' if that is right"


def _describe_target(task: TaskSpec, data: OpenedDataset, report: DataReport) -> Iterator[str]:
    """Add a target's classes or values to the report, and yield how its splits differ."""
    name = task.target
    if task.kind is Kind.RETRIEVAL:
        return
    values: dict[str, NDArray[Any]] = {}
    classes: Sequence[str] = ()
    for split in data.splits:
        try:
            values[split] = data.target(split, name, dense=task.kind in DENSE)
            classes = data.source.classes(name)
        # The checks have reported it.
        except Exception:
            return
        if target_problem(task.kind, values[split], classes) or not len(values[split]):
            return
    if task.kind is Kind.MULTI_REGRESSION:
        for number, one in enumerate(classes):
            columns = {split: target[:, number] for split, target in values.items()}
            yield from _describe_numbers(f"{name}: {one}", columns, report)
        return
    if task.kind is Kind.REGRESSION:
        yield from _describe_numbers(name, values, report)
        return
    for split, target in values.items():
        if task.kind is Kind.DENSE_REGRESSION:
            _add_span(name, split, target, report)
        elif task.kind in WITH_CLASSES:
            report.balance.setdefault(name, {})[split] = _count(target, classes, task.kind)
    difference = ""
    if task.kind in WITH_CLASSES:
        counts = {split: _count(target, classes, task.kind) for split, target in values.items()}
        sizes = {split: len(target) for split, target in values.items()} if task.kind is Kind.MULTILABEL else None
        # Neighbouring pixels of masks are not independent samples: a test of them would find everything different.
        difference = "" if task.kind is Kind.SEGMENTATION else different_classes(counts, sizes)
    if difference:
        yield f"target {name!r}: {difference}"


def _describe_numbers(name: str, values: dict[str, NDArray[Any]], report: DataReport) -> Iterator[str]:
    for split, numbers in values.items():
        _add_span(name, split, numbers, report)
    if difference := different_values(values):
        yield f"target {name!r}: {difference}"


def _add_span(name: str, split: str, values: NDArray[Any], report: DataReport) -> None:
    *span, known = known_span(values)
    if known:
        report.spans.setdefault(name, {})[split] = (span[0], span[1], span[2])


def _count(values: NDArray[Any], classes: Sequence[str], kind: Kind) -> dict[str, int]:
    """Count samples per label, or pixels per class of masks; what takes no part has an empty name."""
    if kind is Kind.MULTILABEL:
        return {label: int(n) for label, n in zip(classes, values.sum(axis=0), strict=True) if n}
    ignored = {-1, 255} if kind is Kind.SEGMENTATION else {-1}
    counts: Counter[str] = Counter()
    for number, n in value_counts(values).items():
        counts["" if number in ignored else classes[number]] += n
    return dict(counts)
