"""Summaries of values, and which of them are suspicious."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench import Normalization, Unit
from gairbench.inputs import Quantity
from gairbench.inspection.suspicions import (
    date_text,
    suspicious_dates,
    suspicious_delivered,
    suspicious_fed,
    suspicious_wavelengths,
)
from gairbench.inspection.values import BINS, summarize

NORMAL = np.random.default_rng(0).normal(size=10_000)
NORMAL = (NORMAL - NORMAL.mean()) / NORMAL.std()


def test_a_summary_is_of_all_values() -> None:
    found = summarize(np.arange(101).reshape(1, 101))
    assert (found.least, found.low, found.median, found.high, found.most) == (0, 2, 50, 98, 100)
    assert (found.count, found.finite, found.mean) == (101, 1, 50)
    assert len(found.histogram) == BINS
    assert sum(found.histogram) == 101
    assert not found.all_equal


def test_values_that_are_not_finite_are_left_out() -> None:
    found = summarize(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (found.count, found.finite, found.least, found.most) == (4, 0.5, 1, 3)
    nothing = summarize(np.array([np.nan]))
    assert nothing.finite == 0
    assert nothing.histogram == ()
    assert np.isnan(nothing.mean)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (NORMAL, ""),
        (NORMAL + 6, "mean of B4 is 6"),
        (NORMAL - 6, "mean of B4 is -6"),
        (NORMAL * 11, "deviation of B4 is 11"),
        (NORMAL / 1_000, "deviation of B4 is 0.001"),
        (np.full(9, 0.5), "all values of B4 are equal (0.5)"),
        (np.append(NORMAL, np.nan), "B4 holds values that are not finite"),
    ],
)
def test_normalized_values_far_from_a_standard_normal_are_suspicious(values: np.ndarray, said: str) -> None:
    found = suspicious_fed("s2", Normalization.ZSCORE, "s2_dn -> s2_dn", [("B4", summarize(values))])
    assert [said in one for one in found] == ([True] if said else [])


def test_values_that_are_not_normalized_are_not_compared_with_a_standard_normal() -> None:
    values = [("B4", summarize(NORMAL * 1_000 + 3_000))]
    assert suspicious_fed("s2", Normalization.NONE, "s2_dn -> s2_dn", values) == []
    # 0 to 1, whatever the data are.
    low = [("B4", summarize(np.array([0.1, 0.101]).repeat(50)))]
    assert suspicious_fed("s2", Normalization.TWO_SIGMA_8BIT, "s2_dn -> s2_dn", low) == []


def test_bands_of_one_mistake_are_one_sentence() -> None:
    bands = [("B3", summarize(NORMAL + 100)), ("B4", summarize(NORMAL + 200)), ("B8", summarize(NORMAL))]
    (said,) = suspicious_fed("s2", Normalization.ZSCORE, "reflectance -> s2_dn", bands)
    assert said.startswith("s2: after normalization the mean of B3, B4 is ")
    assert "check the units (reflectance -> s2_dn)" in said


def test_delivered_values_outside_their_unit_are_suspicious() -> None:
    numbers = summarize(np.array([200.0, 3_000.0]))
    assert suspicious_delivered("s2", [("B4", Unit.S2_DN, numbers), ("VV", Unit.RAW, numbers)]) == []
    (said,) = suspicious_delivered("s2", [("B3", Unit.REFLECTANCE, numbers), ("B4", Unit.REFLECTANCE, numbers)])
    assert said.startswith("s2: B3, B4 has values 200 to 3000, which are not in unit reflectance")


def test_wavelengths_must_be_known_of_light_and_where_they_are_given() -> None:
    light = ("odd", None, Quantity.REFLECTANCE, Unit.RAW)
    radar = ("VV", None, Quantity.BACKSCATTER, Unit.DB)
    digital = ("seven", None, None, Unit.S2_DN)
    known = ("B4", 0.665, Quantity.REFLECTANCE, Unit.S2_DN)
    (said,) = suspicious_wavelengths("s2", [light, radar, digital, known], given=False)
    assert "the wavelength of odd, seven is not known" in said
    assert suspicious_wavelengths("s1", [radar], given=False) == []
    assert suspicious_wavelengths("s1", [radar], given=True)


def test_dates_of_another_unit_are_suspicious() -> None:
    assert suspicious_dates("s2", [3_653.0, 19_000.0]) == []
    (said,) = suspicious_dates("s2", [19_000.0, 20_200_101.0])
    assert said.startswith("s2: 1 of 2 dates are not between 1980-01-01 and today, as day 20,200,101")
    assert suspicious_dates("s2", [3_000.0])
    assert date_text(18_262.0) == "2020-01-01"
