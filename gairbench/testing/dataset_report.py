"""Read every sample of a dataset and tell everything that is wrong with it, not only the first thing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import SAMPLE_KEYS, DataSource, Sample, Split
from gairbench.errors import DataError, GairbenchError
from gairbench.spec import DataContext, DatasetSpec, ImageInput, Kind, LocationInput, TaskSpec, Unit, resolve

if TYPE_CHECKING:
    from torch import Tensor

RANGES = {Unit.UINT8: (0.0, 255.0), Unit.REFLECTANCE: (-0.2, 2.0), Unit.S2_DN: (-2000.0, 20000.0)}
"""Values that a unit allows: reflectance may leave 0-1 a little through atmospheric correction and bright targets."""

BATCH = 64


@dataclass(slots=True)
class DataReport:
    """What a check found.

    Args:
        name: The dataset.
        counts: Samples per split.
        ranges: Least and greatest value, of images by sample key, and of ``longitude`` and ``latitude`` in degrees.
        balance: Samples per class, by target and split; the samples that take no part are under an empty name.
        spans: Least, mean and greatest value of regression targets, by target and split.
        problems: Everything that is wrong, one line each.
        duplicates: Pairs of samples with equal images in different splits, as ``split/id``.
    """

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    balance: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)
    spans: dict[str, dict[str, tuple[float, float, float]]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and not self.duplicates

    def render(self) -> str:
        """Return the report as text: one headline, then one line per fact, each problem on its own."""
        counts = ", ".join(f"{split} {n}" for split, n in self.counts.items())
        ranges = ", ".join(f"{key} {low:g} to {high:g}" for key, (low, high) in self.ranges.items())
        lines = [f"{self.name}: {'ok' if self.ok else 'NOT OK'}; {counts}; values: {ranges}"]
        for target, splits in self.balance.items():
            for split, classes in splits.items():
                told = ", ".join(f"{name or '(no part)'} {n}" for name, n in classes.items())
                lines.append(f"  {target}, {split}: {told}")
        for target, spans in self.spans.items():
            for split, (low, mean, high) in spans.items():
                lines.append(f"  {target}, {split}: {low:g} to {high:g}, mean {mean:g}")
        lines += [f"  problem: {problem}" for problem in self.problems]
        lines += [f"  problem: {a} and {b} are equal but in different splits" for a, b in self.duplicates]
        return "\n".join(lines)


def check_dataset(spec: DatasetSpec, root: Path | None, tasks: Iterable[TaskSpec] = ()) -> DataReport:
    """Read all splits of a dataset.

    Args:
        spec: The dataset.
        root: The data root, or ``None``.
        tasks: Tasks whose targets are looked at too, those of other datasets left aside.

    Returns:
        The report; unreadable samples are all listed.

    Raises:
        DataError: The dataset cannot be opened at all.
    """
    if spec.folder and root is None:
        raise DataError(f"dataset {spec.name!r} needs files in folder {spec.folder!r}", "give --data-root")
    source: DataSource = resolve(spec.factory)(DataContext(root=root))
    report = DataReport(spec.name)
    splits: dict[str, Split] = {}
    for name in spec.splits:
        try:
            splits[name] = source.split(name)
        # A dataset may be a stranger's code, and one broken split must not hide what is wrong with the others.
        except Exception as error:
            _add(report.problems, _told(error))
    _check_samples(spec, splits, report)
    targets = {task.target: task for task in tasks if task.dataset.name == spec.name and task.target}
    for task in targets.values():
        _check_target(task, source, splits, report)
    return report


def _check_samples(spec: DatasetSpec, splits: Mapping[str, Split], report: DataReport) -> None:
    first: dict[bytes, tuple[str, str]] = {}
    owner: dict[str, str] = {}
    for name, split in splits.items():
        report.counts[name] = len(split)
        if not len(split):
            report.problems.append(f"split {name!r} is empty")
        for identifier, sample in _samples(split):
            where = f"{name}/{identifier}"
            taken = owner.setdefault(identifier, name)
            if taken != name:
                report.problems.append(f"sample {identifier!r} is in splits {taken} and {name}")
            if isinstance(sample, str):
                report.problems.append(f"{where}: {sample}")
                continue
            content = _check_sample(sample, spec, where, report)
            # Points alone may well coincide; equal pictures in two splits leak.
            if content is not None:
                other = first.setdefault(content, (name, where))
                if other[0] != name:
                    report.duplicates.append((other[1], where))


def _samples(split: Split) -> Iterator[tuple[str, Sample | str]]:
    """Yield every sample, or what is wrong with it; in batches where the split can, which may be far faster."""
    read_many = getattr(split, "__getitems__", None)
    for start in range(0, len(split), BATCH):
        indices = list(range(start, min(start + BATCH, len(split))))
        batch: Sequence[Sample | str]
        try:
            batch = [_one(split, i) for i in indices] if read_many is None else read_many(indices)
        except Exception:
            batch = [_one(split, i) for i in indices]
        yield from zip((split.ids[i] for i in indices), batch, strict=True)


def _one(split: Split, index: int) -> Sample | str:
    try:
        return split[index]
    except Exception as error:
        return _told(error)


def _check_sample(sample: Sample, spec: DatasetSpec, where: str, report: DataReport) -> bytes | None:
    """Check one sample, and return the hash of its images if it has sound ones."""
    content, sound = hashlib.sha256(), False
    for declared in spec.delivers:
        key = SAMPLE_KEYS[declared.modality]
        if key not in sample:
            report.problems.append(f"{where}: there is no {key!r}")
        elif isinstance(declared, LocationInput):
            _check_location(sample[key], declared, where, report)
        elif problem := _image_problem(sample[key], declared):
            report.problems.append(f"{where}: {key} {problem}")
        else:
            _widen(report, key, float(sample[key].min()), float(sample[key].max()))
            content.update(sample[key].contiguous().numpy().tobytes())
            sound = True
    return content.digest() if sound else None


def _check_location(value: Tensor, declared: LocationInput, where: str, report: DataReport) -> None:
    pair = value.tolist()
    lon, lat = pair if declared.order == "lonlat" else reversed(pair)
    if abs(lon) <= 180 and abs(lat) <= 90:
        _widen(report, "longitude", lon, lon)
        _widen(report, "latitude", lat, lat)
    else:
        report.problems.append(f"{where}: longitude {lon:g}, latitude {lat:g} is out of range")


def _image_problem(value: Tensor, declared: ImageInput) -> str:
    shape = tuple(value.shape)
    if len(shape) != 3 or shape[0] != len(declared.bands):
        return f"of shape {shape} does not hold the bands {', '.join(declared.bands)}"
    if declared.size is not None and shape[1:] != (declared.size, declared.size):
        return f"is {shape[1]}x{shape[2]} pixels, not {declared.size}x{declared.size}"
    low, high = float(value.min()), float(value.max())
    least, most = RANGES[declared.unit]
    # Said this way round, a value that is no number is out of range too.
    if not (least <= low and high <= most):
        return f"has values {low:g} to {high:g}, which are not {declared.unit}"
    return ""


def _check_target(task: TaskSpec, source: DataSource, splits: Mapping[str, Split], report: DataReport) -> None:
    name = task.target
    for split_name, split in splits.items():
        try:
            values = split.target(name)
            classes = source.classes(name)
        except KeyError:
            _add(report.problems, f"there is no target {name!r}")
            return
        except Exception as error:
            _add(report.problems, _told(error))
            return
        if len(values) != len(split):
            report.problems.append(f"target {name!r} has {len(values)} values for {len(split)} samples of {split_name}")
        elif task.kind is not Kind.REGRESSION:
            report.balance.setdefault(name, {})[split_name] = _count(values, classes, task.kind)
        elif np.isfinite(values).all():
            span = (float(values.min()), float(values.mean()), float(values.max()))
            report.spans.setdefault(name, {})[split_name] = span
        else:
            report.problems.append(f"target {name!r} has values in {split_name} that are no finite numbers")
    balance = report.balance.get(name, {})
    if "train" in balance:
        for split_name, counts in balance.items():
            unseen = [label for label in counts if label and not balance["train"].get(label)]
            if unseen:
                labels = ", ".join(map(repr, unseen))
                report.problems.append(f"target {name!r}: {labels} is in {split_name} but not in train")


def _count(values: NDArray[Any], classes: Sequence[str], kind: Kind) -> dict[str, int]:
    """Count samples per label, or pixels per class of masks; what takes no part has an empty name."""
    if kind is Kind.MULTILABEL:
        return {label: int(n) for label, n in zip(classes, values.sum(axis=0), strict=True) if n}
    ignored = {-1, 255} if kind is Kind.SEGMENTATION else {-1}
    counts: Counter[str] = Counter()
    for number, n in zip(*np.unique(values, return_counts=True), strict=True):
        named = classes[number] if 0 <= number < len(classes) else f"class {number}"
        counts["" if int(number) in ignored else named] += int(n)
    return dict(counts)


def _widen(report: DataReport, key: str, low: float, high: float) -> None:
    before = report.ranges.get(key, (low, high))
    report.ranges[key] = (min(low, before[0]), max(high, before[1]))


def _add(problems: list[str], problem: str) -> None:
    # What is wrong with all splits is told once.
    if problem not in problems:
        problems.append(problem)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, GairbenchError) else f"{type(error).__name__}: {error}"
