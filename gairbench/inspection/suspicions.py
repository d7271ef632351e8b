"""What numbers are suspicious, and how to say it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from gairbench.inputs import Normalization, Quantity, Unit
from gairbench.inspection.health import EmbeddingHealth
from gairbench.inspection.values import ValueSummary
from gairbench.units import measured_in, range_problem

MEAN = 5.0
"""Normalized values whose mean is farther from 0 were normalized with the statistics of something else."""

DEVIATION = (0.01, 10.0)
"""Least and greatest plausible standard deviation of normalized values."""

COSINE = 0.999
"""Mean cosine above which all embeddings point the same way."""

FIRST = date(1980, 1, 1)
"""Images of the Earth's surface in colour are not older."""

_EPOCH = date(1970, 1, 1)

Named = Sequence[tuple[str, ValueSummary]]


def suspicious_delivered(image: str, bands: Sequence[tuple[str, Unit, ValueSummary]]) -> list[str]:
    """Return what is wrong with the values that a dataset delivers.

    Args:
        image: The dataset's name of the image.
        bands: Name, declared unit and values of each band.
    """
    found = []
    for unit in dict.fromkeys(unit for _, unit, _ in bands):
        of = [(name, values) for name, other, values in bands if other is unit and values.finite]
        wrong = [(name, values) for name, values in of if range_problem(values.least, values.most, unit)]
        if wrong:
            least, most = min(v.least for _, v in wrong), max(v.most for _, v in wrong)
            found.append(f"{image}: {_names(wrong)} {range_problem(least, most, unit)}: is the declared unit right?")
    return found


def suspicious_fed(image: str, normalization: Normalization, unit: str, bands: Named) -> list[str]:
    """Return what is wrong with the values that an encoder is fed with.

    Args:
        image: The encoder's name of the image.
        normalization: How they were normalized.
        unit: The unit that the dataset declares, and what it is converted to.
        bands: The values of each band that comes from the data.
    """
    found = []
    if broken := [one for one in bands if one[1].finite < 1]:
        found.append(f"{image}: {_names(broken)} holds values that are not finite")
    bands = [one for one in bands if one[1].finite]
    if equal := [one for one in bands if one[1].all_equal]:
        found.append(f"{image}: all values of {_names(equal)} are equal ({_range(equal, lambda v: v.mean)})")
    if normalization is Normalization.NONE:
        return found
    rest = [one for one in bands if not one[1].all_equal]
    asks = f"check the units ({unit}) and the model's statistics"
    if far := [one for one in rest if abs(one[1].mean) > MEAN]:
        mean = _range(far, lambda v: v.mean)
        found.append(f"{image}: after normalization the mean of {_names(far)} is {mean} (usual: 0); {asks}")
    if normalization is Normalization.TWO_SIGMA_8BIT:
        return found
    least, most = DEVIATION
    for wrong in ([one for one in rest if one[1].std > most], [one for one in rest if one[1].std < least]):
        if wrong:
            std = _range(wrong, lambda v: v.std)
            found.append(f"{image}: after normalization the deviation of {_names(wrong)} is {std} (usual: 1); {asks}")
    return found


def suspicious_wavelengths(
    image: str, bands: Sequence[tuple[str, float | None, Quantity | None, Unit]], *, given: bool
) -> list[str]:
    """Return which wavelengths should be known and are not.

    Args:
        image: The encoder's name of the image.
        bands: Name, wavelength, quantity and unit of each band.
        given: The encoder takes wavelengths.
    """
    unknown = [
        name
        for name, wavelength, quantity, unit in bands
        if wavelength is None and (given or Quantity.REFLECTANCE in {quantity, *measured_in(unit)})
    ]
    if not unknown:
        return []
    return [
        f"{image}: the wavelength of {', '.join(unknown)} is not known: name the bands as gairbench.sensors does, or"
        " register the sensor"
    ]


def suspicious_dates(image: str, days: Sequence[float]) -> list[str]:
    """Return which dates cannot be right.

    Args:
        image: The dataset's name of the image.
        days: Since 1970-01-01; finite.
    """
    today = time.time() / 86_400
    wrong = [day for day in days if not (FIRST - _EPOCH).days <= day <= today + 1]
    if not wrong:
        return []
    return [
        f"{image}: {len(wrong)} of {len(days)} dates are not between {FIRST} and today, as {date_text(wrong[0])}: are"
        " they days since 1970-01-01?"
    ]


def date_text(day: float) -> str:
    """Return a day as a date; one that no calendar has as a number."""
    try:
        return str((datetime.combine(_EPOCH, datetime.min.time(), UTC) + timedelta(days=day)).date())
    except OverflowError:
        return f"day {day:,.0f}"


def suspicious_embedding(name: str, samples: int, different: int, health: EmbeddingHealth) -> list[str]:
    """Return what is wrong with embeddings.

    Args:
        name: What they are of.
        samples: How many there are.
        different: How many different samples they are of.
        health: What is seen in them.
    """
    found = []
    if health.finite < 1:
        found.append(f"{name}: {round((1 - health.finite) * samples)} of {samples} embeddings are not finite")
    known = round(health.finite * samples)
    if known < 2 or different < 2:
        return found
    if health.distinct == 1:
        found.append(f"{name}: the embedding is constant: {different} different samples have one and the same")
        return found
    if health.finite == 1 and health.distinct < different:
        found.append(f"{name}: {different} different samples have {health.distinct} different embeddings")
    if health.constant > 0.5:
        found.append(f"{name}: {health.constant:.0%} of the dimensions are the same in all embeddings")
    if health.mean_cosine > COSINE:
        found.append(f"{name}: all embeddings point nearly the same way: their mean cosine is {health.mean_cosine:.5f}")
    return found


def _names(bands: Named) -> str:
    return ", ".join(name for name, _ in bands)


def _range(bands: Named, number: Callable[[ValueSummary], float]) -> str:
    numbers = [number(values) for _, values in bands]
    least, most = f"{min(numbers):.4g}", f"{max(numbers):.4g}"
    return least if least == most else f"{least} to {most}"
