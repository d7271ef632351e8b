"""How far a number can be trusted: standard errors by the jackknife over units, and 95 % intervals within bounds.

Units are what is independent among the test samples: groups, or single samples. The metric is computed without each of
them in turn (Quenouille 1949; Tukey 1958; Efron and Stein, Ann. Stat. 9, 1981), which is exact for sums and takes the
dependence of samples within a unit as it is. There are no random numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LEVEL = 0.95

INTERVALS_VERSION = 1
"""Part of every record's key: raise it when units, intervals or what records keep of them change."""


def jackknife_variance(without_each: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the variance of a number from its values without each unit; its degrees of freedom are one fewer.

    Args:
        without_each: ``(units,)``, two or more.

    Example:
        >>> round(jackknife_variance([2.0, 1.5, 2.5]), 6)  # the mean of 1, 2 and 3, which has a variance of 1 / 3
        0.333333
    """
    import numpy as np

    values = np.asarray(without_each, dtype=np.float64)
    return float(((values - values.mean()) ** 2).sum() * (len(values) - 1) / len(values))


def jackknife_freedom(without_each: Sequence[float] | NDArray[np.float64], *, grouped: bool) -> float:
    """Return the degrees of freedom of :func:`jackknife_variance`.

    One fewer than units, or fewer where some units matter much more than others, as groups of unequal size do: then
    those of Satterthwaite (Biometrics 2, 1946), with the fourth moment in place of the units' unknown variances.

    Args:
        without_each: ``(units,)``, two or more.
        grouped: The units are groups. Of single samples a fourth moment says no more than the value does.

    Example:
        >>> jackknife_freedom([2.0, 1.5, 2.5], grouped=False)
        2.0
    """
    import numpy as np

    values = np.asarray(without_each, dtype=np.float64)
    squares = (values - values.mean()) ** 2
    fourth = float((squares**2).sum())
    most = float(len(values) - 1)
    return min(most, max(3 * float(squares.sum()) ** 2 / fourth, 1.0)) if grouped and fourth > 0 else most


def interval(
    value: float,
    error: float,
    freedom: float,
    *,
    units: int,
    least: float = -math.inf,
    most: float = math.inf,
) -> tuple[float, float]:
    """Return the 95 % interval of a number, by Student's t on the scale that its bounds ask for.

    Between two bounds it is Wilson's interval (J. Am. Stat. Assoc. 22, 1927) with Student's t in place of the normal
    quantile and the number of independent samples that the standard error stands for, as for proportions of clustered
    samples (Korn and Graubard, Surv. Methodol. 24, 1998). Where all or nothing is right the standard error is 0, and
    the number of units stands for it. From -1 to 1 Student's t is taken of Fisher's z, beyond one bound alone of the
    logarithm of the distance to it, and without bounds of the number itself.

    Args:
        value: The number, from ``least`` to ``most``.
        error: Its standard error.
        freedom: Degrees of freedom of the standard error.
        units: How many independent units there are.
        least: The smallest value that there can be.
        most: The largest value that there can be.

    Returns:
        Lower and upper end.

    Example:
        >>> low, high = interval(1.0, 0.0, 6, units=7, least=0.0, most=1.0)  # seven of seven are right
        >>> round(low, 2), high
        (0.54, 1.0)
    """
    from scipy import stats

    t = float(stats.t.ppf((1 + LEVEL) / 2, freedom))
    value = min(max(value, least), most)
    if (least, most) == (-1.0, 1.0):
        low, high = _by_fisher(value, error, t)
    elif math.isfinite(least) and math.isfinite(most):
        share = (value - least) / (most - least)
        low, high = (least + end * (most - least) for end in _by_wilson(share, error / (most - least), t, units))
    elif math.isfinite(least):
        low, high = (least + end for end in _by_logarithm(value - least, error, t))
    elif math.isfinite(most):
        high, low = (most - end for end in _by_logarithm(most - value, error, t))
    else:
        low, high = value - t * error, value + t * error
    # Rounding must not leave the value out.
    return min(low, value), max(high, value)


def _by_wilson(share: float, error: float, t: float, units: int) -> tuple[float, float]:
    spread = share * (1 - share)
    n = spread / error**2 if spread > 0 and error > 0 else float(units)
    centre = (share + t**2 / (2 * n)) / (1 + t**2 / n)
    half = t / (1 + t**2 / n) * math.sqrt(spread / n + t**2 / (4 * n**2))
    # The ends of none and all are the bounds themselves, which rounding would miss.
    return 0.0 if share <= 0 else max(centre - half, 0.0), 1.0 if share >= 1 else min(centre + half, 1.0)


def _by_logarithm(distance: float, error: float, t: float) -> tuple[float, float]:
    """Return the ends of a distance from a bound; a distance of 0 has no scale, and no spread is known."""
    if not distance > 0:
        return 0.0, 0.0
    factor = math.exp(min(t * error / distance, 700.0))
    return distance / factor, distance * factor


def _by_fisher(value: float, error: float, t: float) -> tuple[float, float]:
    if not abs(value) < 1:
        return value, value
    half = t * error / (1 - value**2)
    return math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
