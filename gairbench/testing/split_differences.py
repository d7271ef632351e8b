"""Do the splits of a dataset differ in what they ask for, by more than chance and by enough to matter?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANCE = 0.001
"""Differences that chance makes more often than this are ignored."""

EFFECT = 0.2
"""Cramer's V or the Kolmogorov-Smirnov distance below which a difference is too small to report."""


def different_classes(counts: Mapping[str, Mapping[str, int]], samples: Mapping[str, int] | None = None) -> str:
    """Say in which class two splits differ most, if their shares of classes do (chi-squared test).

    Args:
        counts: Samples per class, by split; an empty name is of samples that take no part.
        samples: For labels of which a sample has several, all samples by split: each label is tested on its own.

    Returns:
        One sentence, or an empty text.
    """
    import numpy as np

    names = sorted({name for split in counts.values() for name in split} - {""})
    worst, sentence = EFFECT, ""
    for one, other in combinations(counts, 2):
        table = np.array([[counts[split].get(name, 0) for name in names] for split in (one, other)])
        totals = table.sum(axis=1) if samples is None else np.array([samples[one], samples[other]])
        if not totals.all():
            continue
        shares = table / totals[:, None]
        if samples is None:
            effect, most = _cramers_v(table), int(np.abs(shares[0] - shares[1]).argmax())
        else:
            effects = [_cramers_v(np.stack([column, totals - column], axis=1)) for column in table.T]
            most = int(np.argmax(effects))
            effect = effects[most]
        if effect > worst:
            worst = effect
            what = "labels" if samples else "classes"
            sentence = (
                f"the shares of {what} differ between {one} and {other}: {names[most]!r} is"
                f" {shares[0, most]:.0%} of {one} and {shares[1, most]:.0%} of {other} (Cramer's V {effect:.2f})"
            )
    return sentence


def different_values(values: Mapping[str, NDArray[Any]]) -> str:
    """Say how two splits differ, if the distributions of their measurements do (Kolmogorov-Smirnov test).

    Args:
        values: Measurements by split.

    Returns:
        One sentence, or an empty text.
    """
    import numpy as np
    from scipy.stats import ks_2samp

    worst, sentence = EFFECT, ""
    for one, other in combinations(values, 2):
        if not (len(values[one]) and len(values[other])):
            continue
        result = ks_2samp(values[one], values[other], method="asymp")
        if result.pvalue < CHANCE and result.statistic > worst:
            worst = float(result.statistic)
            sentence = (
                f"the values differ between {one} and {other}: medians {np.median(values[one]):g} and"
                f" {np.median(values[other]):g} (Kolmogorov-Smirnov distance {worst:.2f})"
            )
    return sentence


def _cramers_v(table: NDArray[Any]) -> float:
    """Return the effect size of a table of two splits, or 0 if chance may have made it."""
    import numpy as np
    from scipy.stats import chi2_contingency

    table = table[:, table.sum(axis=0) > 0]
    if table.shape[1] < 2:
        return 0.0
    statistic, chance, *_ = chi2_contingency(table, correction=False)
    return float(np.sqrt(statistic / table.sum())) if chance < CHANCE else 0.0
