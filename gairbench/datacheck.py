"""Read every sample of a dataset and tell everything that is wrong with it, not only the first thing."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.data import SAMPLE_KEYS, DataSource, Split
from gairbench.errors import DataError, GairbenchError
from gairbench.spec import DataContext, DatasetSpec, ImageInput, Input, LocationInput, Unit, resolve

if TYPE_CHECKING:
    from torch import Tensor

RANGES = {Unit.UINT8: (0.0, 255.0), Unit.REFLECTANCE: (-0.2, 2.0), Unit.S2_DN: (-2000.0, 20000.0)}
"""Values that a unit allows: reflectance may leave 0-1 a little through atmospheric correction and bright targets."""


@dataclass(slots=True)
class DataReport:
    """What a check found.

    Args:
        name: The dataset.
        counts: Samples per split.
        ranges: Least and greatest value by sample key.
        problems: Everything that is wrong, one line each.
        duplicates: Pairs of samples with equal inputs in different splits.
    """

    name: str
    counts: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    duplicates: list[tuple[str, str]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems and not self.duplicates

    def render(self) -> str:
        """Return the report as text."""
        counts = ", ".join(f"{split} {n}" for split, n in self.counts.items())
        ranges = ", ".join(f"{key} {low:g} to {high:g}" for key, (low, high) in self.ranges.items())
        lines = [f"{self.name}: {'ok' if self.ok else 'NOT OK'}; {counts}; values: {ranges}"]
        lines += [f"  {problem}" for problem in self.problems]
        lines += [f"  {a} and {b} are equal but in different splits" for a, b in self.duplicates]
        return "\n".join(lines)


def check_dataset(spec: DatasetSpec, root: Path | None) -> DataReport:
    """Read all splits of a dataset.

    Args:
        spec: The dataset.
        root: The data root, or ``None``.

    Returns:
        The report; unreadable samples are all listed.

    Raises:
        DataError: The dataset cannot be opened at all.
    """
    if spec.folder and root is None:
        raise DataError(f"dataset {spec.name!r} needs files in folder {spec.folder!r}", "give --data-root")
    source: DataSource = resolve(spec.factory)(DataContext(root=root))
    report = DataReport(spec.name)
    seen: dict[bytes, tuple[str, str]] = {}
    owners: dict[str, set[str]] = defaultdict(set)
    for name in spec.splits:
        try:
            split = source.split(name)
        except GairbenchError as error:
            report.problems.append(str(error))
            continue
        report.counts[name] = len(split)
        for identifier in split.ids:
            owners[identifier].add(name)
        for index in range(len(split)):
            _check_sample(split, index, name, spec.delivers, report, seen)
    report.problems += [f"sample {i!r} is in splits {', '.join(sorted(s))}" for i, s in owners.items() if len(s) > 1]
    return report


def _check_sample(
    split: Split,
    index: int,
    name: str,
    delivers: Sequence[Input],
    report: DataReport,
    seen: dict[bytes, tuple[str, str]],
) -> None:
    identifier = split.ids[index]
    try:
        sample = split[index]
    except GairbenchError as error:
        report.problems.append(f"{name}/{identifier}: {error}")
        return
    content = hashlib.sha256()
    for declared in delivers:
        key = SAMPLE_KEYS[declared.modality]
        problem = _check_value(sample, key, declared, report)
        if problem:
            report.problems.append(f"{name}/{identifier}: {problem}")
        elif isinstance(declared, ImageInput):
            content.update(sample[key].contiguous().numpy().tobytes())
    # Points alone may well coincide; equal pictures in two splits leak.
    if any(isinstance(declared, ImageInput) for declared in delivers):
        other = seen.setdefault(content.digest(), (name, identifier))
        if other[0] != name:
            report.duplicates.append((f"{other[0]}/{other[1]}", f"{name}/{identifier}"))


def _check_value(sample: Mapping[str, Tensor], key: str, declared: Input, report: DataReport) -> str:
    """Return what is wrong with one input of one sample, or an empty string."""
    if key not in sample:
        return f"has no {key!r}"
    value = sample[key]
    if isinstance(declared, LocationInput):
        lon, lat = value.tolist() if declared.order == "lonlat" else reversed(value.tolist())
        _widen(report, key, float(value.min()), float(value.max()))
        return "" if abs(lon) <= 180 and abs(lat) <= 90 else f"longitude {lon:g}, latitude {lat:g} is out of range"
    shape = tuple(value.shape)
    if len(shape) != 3 or shape[0] != len(declared.bands):
        return f"{key} of shape {shape} does not hold the bands {', '.join(declared.bands)}"
    if declared.size is not None and shape[1:] != (declared.size, declared.size):
        return f"{key} is {shape[1]}x{shape[2]} pixels, not {declared.size}x{declared.size}"
    low, high = float(value.min()), float(value.max())
    least, most = RANGES[declared.unit]
    if not least <= low <= high <= most:
        return f"{key} has values {low:g} to {high:g}, which are not {declared.unit}"
    _widen(report, key, low, high)
    return ""


def _widen(report: DataReport, key: str, low: float, high: float) -> None:
    before = report.ranges.get(key, (low, high))
    report.ranges[key] = (min(low, before[0]), max(high, before[1]))
