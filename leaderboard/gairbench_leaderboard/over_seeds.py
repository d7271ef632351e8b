"""One number of the records of a cell that differ in their seed alone, and whether the seed matters to it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gairbench.backbone import TRAINED
from gairbench.bundles import MOST
from gairbench.intervals import interval
from gairbench.kinds import DENSE
from gairbench.results import MetricValue, Result
from gairbench_leaderboard.repeated_splits import (
    RepeatedSplits,
    difference_over_splits,
    mean_over_splits,
    repeated_splits_of,
)
from gairbench_leaderboard.uncertainty import Estimate, Runs, added_variances, difference, mean, runs_of

ENOUGH = 3
"""Seeds that a number with a random part should have."""

_NORMAL = 1.96
"""Standard errors in half of a 95 % interval, for records that hold no standard error."""

_DENSE = frozenset(map(str, DENSE))

Tested = Runs | RepeatedSplits
"""What can be compared with the same of another model."""


def tested(records: Sequence[Result]) -> Tested | None:
    """Return what a test needs of the headline metric of a cell's records; ``None`` where they do not hold it.

    Args:
        records: Of one model and task in one setting, with a number.
    """
    if not all(record.jackknife for record in records):
        return None
    if len({(record.samples, len(record.jackknife)) for record in records}) == 1:
        return runs_of(records)
    # Seeds of a split policy draw other test samples; in published splits other samples are other data.
    return None if records[0].split == "published" else repeated_splits_of(records)


def paired(left: Tested | None, right: Tested | None) -> Estimate | None:
    """Return the difference of two models on the same test samples; ``None`` where there is no paired test."""
    if isinstance(left, Runs) and isinstance(right, Runs):
        same = (left.samples, left.jackknife.shape[1]) == (right.samples, right.jackknife.shape[1])
        return difference(left, right) if same else None
    if isinstance(left, RepeatedSplits) and isinstance(right, RepeatedSplits):
        same = (left.seeds, left.samples) == (right.seeds, right.samples)
        return difference_over_splits(left, right) if same else None
    return None


def mean_value(records: Sequence[Result], metric: str) -> MetricValue:
    """Return the mean of a metric over seeds, with an interval for other test units and other seeds.

    Of other metrics than the headline a record holds the standard error for other test units, but not the values
    without each: the standard errors of the seeds are taken as one, as if all were wrong in the same way.

    Args:
        records: Of one model, task and probe in one setting, each with the metric; one of them is returned as it is.
        metric: Its name.
    """
    values = [record.metrics[metric] for record in records]
    first = values[0]
    if len(values) == 1:
        return first
    trivial = [value.trivial for value in values if value.trivial is not None]
    found = tested(records) if metric == records[0].metric else None
    if found is None:
        estimate = _plain(values, min(record.units for record in records))
    else:
        estimate = mean(found) if isinstance(found, Runs) else mean_over_splits(found)
    return MetricValue(
        value=estimate.value,
        low=estimate.low,
        high=estimate.high,
        higher_is_better=first.higher_is_better,
        version=first.version,
        unit=first.unit,
        trivial=sum(trivial) / len(trivial) if len(trivial) == len(values) else None,
        least=first.least,
        most=first.most,
    )


def _plain(values: Sequence[MetricValue], units: int) -> Estimate:
    value = float(np.mean([v.value for v in values]))
    of_units = float(np.mean([_error(v) ** 2 for v in values]))
    of_seeds = float(np.var([v.value for v in values], ddof=1)) / len(values)
    parts = [(of_units, max(min(units, MOST) - 1, 1)), (of_seeds, len(values) - 1)]
    if not 0 < sum(part for part, _ in parts) < math.inf:
        return Estimate(value, min(v.low for v in values), max(v.high for v in values), math.nan)
    variance, freedom = added_variances(parts)
    least = -math.inf if values[0].least is None else values[0].least
    most = math.inf if values[0].most is None else values[0].most
    ends = interval(value, math.sqrt(variance), freedom, units=max(units, 1), least=least, most=most)
    return Estimate(value, *ends, math.nan)


def _error(value: MetricValue) -> float:
    return (value.high - value.low) / (2 * _NORMAL) if value.error is None else value.error


def depends_on_seed(records: Sequence[Result]) -> bool:
    """Whether something about a cell's number is random.

    Numbers of several seeds say it themselves. Of one seed, random are weights that a run of ours has made or a factory
    draws, models that were trained on the task, labels and splits that are drawn, and the pixels that a probe of masks
    and maps learns from.

    Args:
        records: Of one model, task and probe in one setting, with a number.
    """
    if len(records) > 1:
        return len({tuple((name, value.value) for name, value in sorted(r.metrics.items())) for r in records}) > 1
    (record,) = records
    made = [record.checkpoint, *(part.get("checkpoint", "") for part in record.parts.values())]
    drawn_weights = bool(record.weights) and any(one.startswith(("init:", "pretrained:")) for one in made)
    trained = TRAINED in record.caveats
    return drawn_weights or trained or record.labels != "all" or record.split != "published" or record.kind in _DENSE
