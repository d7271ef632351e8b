"""Bands by name: which are the same, and what is known of them."""

from __future__ import annotations

import pytest

from gairbench import Band, Quantity, Sensor
from gairbench.sensors import (
    BUILTIN,
    add_sensor,
    band,
    bands_of,
    canonical,
    is_known,
    same_band,
    sensors,
    wavelength_problem,
)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("b02", "B2"),
        ("B8a", "B8A"),
        (" vv ", "VV"),
        ("Landsat-8:B04", "landsat-8:B4"),
        ("RED", "red"),
        ("soil moisture", "soil moisture"),
    ],
)
def test_names_are_found_however_they_are_spelled(written: str, name: str) -> None:
    assert canonical(written) == name


def test_a_general_name_means_the_bands_of_many_sensors_which_differ_from_each_other() -> None:
    reds = ["B4", "sentinel-2b:B4", "landsat-5:B3", "landsat-8:B4", "landsat-9:B4", "naip:red", "modis:B1"]
    assert all(same_band("red", name) and same_band(name, "red") for name in reds)
    alike = {(a, b) for a in reds for b in reds if a != b and same_band(a, b)}
    assert alike == {
        ("B4", "sentinel-2b:B4"),
        ("sentinel-2b:B4", "B4"),
        ("landsat-8:B4", "landsat-9:B4"),
        ("landsat-9:B4", "landsat-8:B4"),
    }


def test_the_same_number_of_two_sensors_is_not_the_same_band() -> None:
    # Landsat 5's B4 is near infrared.
    assert not same_band("B4", "landsat-5:B4")
    assert same_band("nir", "landsat-5:B4")


def test_every_optical_band_has_a_wavelength_in_micrometres_in_the_order_of_its_colour() -> None:
    for sensor in BUILTIN:
        for one in sensor.bands:
            if one.quantity is Quantity.REFLECTANCE:
                assert one.wavelength_um is not None
                assert 0.4 < one.wavelength_um < 2.5
                assert one.bandwidth_um is not None
                assert 0 < one.bandwidth_um < 0.4
        colours = [one for name in ("blue", "green", "red") for one in sensor.bands if name in one.aliases]
        waves = [one.wavelength_um or 0 for one in colours]
        assert waves == sorted(waves)


def test_published_numbers() -> None:
    # ESA, Sentinel-2 spectral responses; USGS band designations; Sentinel-1's 5.405 GHz is 5.55 cm.
    assert (band("B11").wavelength_um, band("B11").bandwidth_um) == (1.6137, 0.091)
    assert band("landsat-8:B5").wavelength_um == pytest.approx(0.865)
    assert band("landsat-8:B10").quantity is Quantity.TEMPERATURE
    assert band("VH").wavelength_um == pytest.approx(55_465.8)


def test_a_band_that_no_sensor_has_is_a_name_alone() -> None:
    assert band("ndvi") == Band("ndvi")
    assert not is_known("ndvi")


def test_bands_of_a_sensor_are_named_as_it_names_them() -> None:
    assert bands_of("naip") == ("naip:red", "naip:green", "naip:blue", "naip:nir")
    assert bands_of("landsat-7", ["b1", "B08"]) == ("landsat-7:B1", "landsat-7:B8")
    with pytest.raises(KeyError):
        bands_of("landsat-7", ["B11"])


@pytest.fixture
def cleared(monkeypatch: pytest.MonkeyPatch) -> None:
    from gairbench import sensors as module

    for name in ("_SENSORS", "_BANDS", "_SPELLED"):
        monkeypatch.setattr(module, name, dict(getattr(module, name)))


@pytest.mark.usefixtures("cleared")
def test_a_sensor_is_added_once() -> None:
    planet = Sensor("planet", (Band("planet:red", 0.665, 0.03, Quantity.REFLECTANCE, ("red",)),))
    add_sensor(planet)
    add_sensor(planet)
    assert sensors()["planet"] == planet
    assert same_band("red", "Planet:Red")
    with pytest.raises(ValueError, match="'planet' is declared already, otherwise"):
        add_sensor(Sensor("planet", ()))


@pytest.mark.usefixtures("cleared")
def test_bands_of_an_added_sensor_bear_its_name() -> None:
    with pytest.raises(ValueError, match="is not called 'planet:B4'"):
        add_sensor(Sensor("planet", (Band("B4"),)))
    with pytest.raises(ValueError, match="'planet:a' of sensor 'planet' is declared twice"):
        add_sensor(Sensor("planet", (Band("planet:a"), Band("planet:a"))))


@pytest.mark.usefixtures("cleared")
@pytest.mark.parametrize(
    ("band", "why"),
    [
        (Band("planet:a", 665.0, 31.0, Quantity.REFLECTANCE), "at 665 um: is that in nanometres"),
        (Band("planet:a", 2202.4), "measures something at 2202.4 um: is that in nanometres"),
        (Band("planet:a", 55_465_800.0, None, Quantity.BACKSCATTER), "is that in nanometres"),
        (Band("planet:a", 5.5, None, Quantity.BACKSCATTER), "measures backscatter at 5.5 um: is that in micrometres"),
        (Band("planet:a", 6.65e-7, None, Quantity.REFLECTANCE), "is that in micrometres"),
        (Band("planet:a", 0.665, 31.0, Quantity.REFLECTANCE), "is wider"),
    ],
)
def test_wavelengths_that_are_not_in_micrometres_are_refused(band: Band, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        add_sensor(Sensor("planet", (band,)))
    assert "planet" not in sensors()


def test_wavelengths_of_known_bands_are_plausible() -> None:
    radiometer = Band("radiometer:h", 210_000.0, None, Quantity.TEMPERATURE)
    assert [wavelength_problem(one) for sensor in BUILTIN for one in sensor.bands if wavelength_problem(one)] == []
    assert [wavelength_problem(one) for one in (Band("x:a"), Band("x:b", 0.5), radiometer)] == [""] * 3
