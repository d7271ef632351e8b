"""Units: what each allows, and every pair either converts exactly both ways or is refused."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gairbench import Quantity, Unit
from gairbench.testing.inputs import SPAN
from gairbench.units import ALLOWED, NOMINAL, band_problem, convert, convertible, measured_in, scale_problem

QUANTITIES = (None, *Quantity)


@settings(deadline=None)
@given(
    st.sampled_from(list(Unit)),
    st.sampled_from(list(Unit)),
    st.sampled_from(QUANTITIES),
    st.lists(st.floats(0, 1), min_size=1, max_size=20),
)
def test_a_pair_of_units_converts_both_ways_or_is_refused_both_ways(
    one: Unit, other: Unit, quantity: Quantity | None, shares: list[float]
) -> None:
    assert convertible(one, other, quantity) == convertible(other, one, quantity)
    low, high = SPAN[one]
    values = low + torch.tensor(shares, dtype=torch.float32) * (high - low)
    if convertible(one, other, quantity):
        there = convert(values, one, other, quantity)
        back = convert(there, other, one, quantity)
        torch.testing.assert_close(back, values, rtol=1e-5, atol=1e-5 * (high - low))
        assert bool((there[values.argsort()].diff() >= 0).all())
        # What is possible in one unit is possible in the other.
        assert ALLOWED[other].least <= float(there.min())
        assert float(there.max()) <= ALLOWED[other].limit
    else:
        with pytest.raises(ValueError, match="cannot be converted"):
            convert(values, one, other, quantity)


def test_the_pairs_that_convert() -> None:
    pairs = {(str(a), str(b)) for a in Unit for b in Unit if a < b and any(convertible(a, b, q) for q in QUANTITIES)}
    assert pairs == {
        ("amplitude", "db"),
        ("amplitude", "power"),
        ("db", "power"),
        ("kelvin", "landsat_c2_dn"),
        ("landsat_c2_dn", "reflectance"),
        ("landsat_c2_dn", "s2_dn"),
        ("landsat_c2_dn", "s2_dn_offset"),
        ("reflectance", "s2_dn"),
        ("reflectance", "s2_dn_offset"),
        ("s2_dn", "s2_dn_offset"),
    }


@pytest.mark.parametrize(
    ("value", "one", "other", "quantity", "expected"),
    [
        # ESA: reflectance = (DN - 1000) / 10000 from processing baseline 04.00 on.
        (3_500.0, "s2_dn_offset", "reflectance", "reflectance", 0.25),
        (2_500.0, "s2_dn", "s2_dn_offset", None, 3_500.0),
        # USGS Collection 2 Level-2: 0.0000275 * DN - 0.2, and 0.00341802 * DN + 149.0 K.
        (18_639.0, "landsat_c2_dn", "reflectance", "reflectance", 0.3125725),
        (44_000.0, "landsat_c2_dn", "kelvin", "temperature", 299.39288),
        (0.01, "power", "db", "backscatter", -20.0),
        (0.1, "amplitude", "db", None, -20.0),
        (-10.0, "db", "amplitude", None, 0.31622777),
        (0.5, "amplitude", "power", None, 0.25),
    ],
)
def test_published_formulas(value: float, one: str, other: str, quantity: str | None, expected: float) -> None:
    found = convert(torch.tensor([value]), Unit(one), Unit(other), (quantity and Quantity(quantity)) or None)
    assert found.item() == pytest.approx(expected, rel=1e-6)


def test_a_landsat_number_says_what_it_measures_by_its_band() -> None:
    assert not convertible(Unit.LANDSAT_C2_DN, Unit.KELVIN, Quantity.REFLECTANCE)
    assert not convertible(Unit.LANDSAT_C2_DN, Unit.REFLECTANCE, Quantity.TEMPERATURE)


def test_backscatter_without_a_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="backscatter 0 in unit power has no decibels"):
        convert(torch.tensor([0.5, 0.0]), Unit.POWER, Unit.DB, None)
    with pytest.raises(ValueError, match="is not negative, and -1"):
        convert(torch.tensor([-1.0]), Unit.AMPLITUDE, Unit.POWER, None)


@pytest.mark.parametrize("unit", list(Unit))
def test_a_band_is_only_in_units_of_what_it_measures(unit: Unit) -> None:
    for quantity in Quantity:
        of = measured_in(unit)
        assert (band_problem("x", quantity, unit) == "") == (not of or quantity in of)
    assert band_problem("x", None, unit) == ""


def test_radar_cannot_be_declared_as_an_optical_number() -> None:
    assert "VV measures backscatter, which cannot be in unit s2_dn" in band_problem(
        "VV", Quantity.BACKSCATTER, Unit.S2_DN
    )


def test_every_unit_has_its_rows_in_all_tables() -> None:
    assert set(ALLOWED) == set(NOMINAL) == set(SPAN) == set(Unit)
    for unit in Unit:
        low, high = SPAN[unit]
        mean, deviation = NOMINAL[unit]
        assert ALLOWED[unit].least <= low < high <= ALLOWED[unit].most
        assert unit is Unit.RAW or low <= mean <= high
        assert deviation > 0


@pytest.mark.parametrize(
    ("scale", "offset", "unit", "fine"),
    [
        (0.0001, 0.0, "s2_dn", True),
        (0.0001, -0.1, "s2_dn", False),
        (0.0001, -0.1, "s2_dn_offset", True),
        (0.0000275, -0.2, "landsat_c2_dn", True),
        (0.00341802, 149.0, "landsat_c2_dn", True),
        (0.01, 0.0, "db", False),
        (0.01, 0.0, "raw", True),
        (1.0, 0.0, "kelvin", True),
    ],
)
def test_scale_tags_agree_with_the_unit_or_are_refused(scale: float, offset: float, unit: str, fine: bool) -> None:
    assert (scale_problem(scale, offset, Unit(unit)) == "") == fine
