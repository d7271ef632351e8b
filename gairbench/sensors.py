"""Bands by name: which sensor measures what at which wavelength. The only table of it; plugins add sensors by hook."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from gairbench.inputs import Band, Quantity, Sensor

_SPEED_OF_LIGHT = 299_792_458.0

SEPARATOR = ":"
"""Between a sensor and its band in a full name, as ``"landsat-8:B4"``."""


def _range(name: str, low: float, high: float, *aliases: str) -> Band:
    """Return an optical band by the wavelengths in micrometres at which it begins and ends."""
    return Band(
        name=name,
        wavelength_um=round((low + high) / 2, 6),
        bandwidth_um=round(high - low, 6),
        quantity=Quantity.REFLECTANCE,
        aliases=aliases,
    )


def _thermal(name: str, low: float, high: float) -> Band:
    band = _range(name, low, high)
    return Band(band.name, band.wavelength_um, band.bandwidth_um, Quantity.TEMPERATURE)


def _centre(name: str, wavelength: float, width: float, *aliases: str) -> Band:
    return Band(name, wavelength, width, Quantity.REFLECTANCE, aliases)


_S2A = {
    "B1": (0.4427, 0.021), "B2": (0.4924, 0.066), "B3": (0.5598, 0.036), "B4": (0.6646, 0.031),
    "B5": (0.7041, 0.015), "B6": (0.7405, 0.015), "B7": (0.7828, 0.020), "B8": (0.8328, 0.106),
    "B8A": (0.8647, 0.021), "B9": (0.9451, 0.020), "B10": (1.3735, 0.031), "B11": (1.6137, 0.091),
    "B12": (2.2024, 0.175),
}  # fmt: skip
"""Centre and width in micrometres: ESA, Sentinel-2 spectral response functions, Sentinel-2A."""

_S2B = {
    "B1": (0.4422, 0.021), "B2": (0.4921, 0.066), "B3": (0.5590, 0.036), "B4": (0.6649, 0.031),
    "B5": (0.7038, 0.016), "B6": (0.7391, 0.015), "B7": (0.7797, 0.020), "B8": (0.8329, 0.106),
    "B8A": (0.8640, 0.022), "B9": (0.9432, 0.021), "B10": (1.3769, 0.030), "B11": (1.6104, 0.094),
    "B12": (2.1857, 0.185),
}  # fmt: skip

_GENERIC = {"B2": "blue", "B3": "green", "B4": "red", "B8": "nir", "B11": "swir16", "B12": "swir22"}
"""What Sentinel-2's bands are called where only the colour is known (STAC common names)."""


def _sentinel2(prefix: str, table: Mapping[str, tuple[float, float]]) -> tuple[Band, ...]:
    return tuple(
        # The band of one satellite may stand where that of the mission is asked for, and for its colour.
        _centre(prefix + name, *numbers, *([name] if prefix else []), *([_GENERIC[name]] if name in _GENERIC else []))
        for name, numbers in table.items()
    )


def _landsat_oli(prefix: str, *, as_landsat8: bool) -> tuple[Band, ...]:
    bands = (
        _range("B1", 0.43, 0.45),
        _range("B2", 0.45, 0.51, "blue"),
        _range("B3", 0.53, 0.59, "green"),
        _range("B4", 0.64, 0.67, "red"),
        _range("B5", 0.85, 0.88, "nir"),
        _range("B6", 1.57, 1.65, "swir16"),
        _range("B7", 2.11, 2.29, "swir22"),
        _range("B8", 0.50, 0.68),
        _range("B9", 1.36, 1.38),
        _thermal("B10", 10.6, 11.19),
        _thermal("B11", 11.5, 12.51),
    )
    return tuple(
        Band(
            prefix + band.name,
            band.wavelength_um,
            band.bandwidth_um,
            band.quantity,
            # OLI-2 and TIRS-2 are copies of Landsat 8's instruments.
            ((f"landsat-8:{band.name}",) if as_landsat8 else ()) + band.aliases,
        )
        for band in bands
    )


def _landsat_tm(prefix: str, nir: tuple[float, float], swir22: tuple[float, float]) -> tuple[Band, ...]:
    return (
        _range(f"{prefix}B1", 0.45, 0.52, "blue"),
        _range(f"{prefix}B2", 0.52, 0.60, "green"),
        _range(f"{prefix}B3", 0.63, 0.69, "red"),
        _range(f"{prefix}B4", *nir, "nir"),
        _range(f"{prefix}B5", 1.55, 1.75, "swir16"),
        _thermal(f"{prefix}B6", 10.4, 12.5),
        _range(f"{prefix}B7", *swir22, "swir22"),
    )


def _sar(name: str, gigahertz: float) -> Band:
    wavelength = round(_SPEED_OF_LIGHT / (gigahertz * 1e9) * 1e6, 1)
    return Band(name, wavelength, None, Quantity.BACKSCATTER)


BUILTIN = (
    # Colours of which nothing else is known: cameras, pictures, rendered scenes. Wavelengths are nominal (DOFA's).
    Sensor(
        "rgb",
        (
            _centre("red", 0.665, 0.1),
            _centre("green", 0.56, 0.1),
            _centre("blue", 0.49, 0.1),
            _centre("nir", 0.842, 0.1),
            _centre("swir16", 1.61, 0.1),
            _centre("swir22", 2.2, 0.2),
        ),
        "Colours by their common names (STAC); nominal wavelengths",
    ),
    Sensor("sentinel-2", _sentinel2("", _S2A), "Sentinel-2 MSI; wavelengths of Sentinel-2A"),
    Sensor("sentinel-2a", _sentinel2("sentinel-2a:", _S2A), "Sentinel-2A MSI"),
    Sensor("sentinel-2b", _sentinel2("sentinel-2b:", _S2B), "Sentinel-2B MSI"),
    Sensor("sentinel-1", tuple(_sar(name, 5.405) for name in ("VV", "VH", "HH", "HV")), "Sentinel-1 C-band SAR"),
    Sensor("landsat-5", _landsat_tm("landsat-5:", (0.76, 0.90), (2.08, 2.35)), "Landsat 5 TM (USGS)"),
    Sensor(
        "landsat-7",
        (*_landsat_tm("landsat-7:", (0.77, 0.90), (2.09, 2.35)), _range("landsat-7:B8", 0.52, 0.90)),
        "Landsat 7 ETM+ (USGS)",
    ),
    Sensor("landsat-8", _landsat_oli("landsat-8:", as_landsat8=False), "Landsat 8 OLI and TIRS (USGS)"),
    Sensor("landsat-9", _landsat_oli("landsat-9:", as_landsat8=True), "Landsat 9 OLI-2 and TIRS-2 (USGS)"),
    Sensor(
        "naip",
        (
            _range("naip:red", 0.619, 0.651, "red"),
            _range("naip:green", 0.525, 0.585, "green"),
            _range("naip:blue", 0.435, 0.495, "blue"),
            _range("naip:nir", 0.808, 0.882, "nir"),
        ),
        "NAIP; wavelengths of the Leica ADS100, as cameras vary",
    ),
    Sensor(
        "modis",
        (
            _range("modis:B1", 0.620, 0.670, "red"),
            _range("modis:B2", 0.841, 0.876, "nir"),
            _range("modis:B3", 0.459, 0.479, "blue"),
            _range("modis:B4", 0.545, 0.565, "green"),
            _range("modis:B5", 1.230, 1.250),
            _range("modis:B6", 1.628, 1.652, "swir16"),
            _range("modis:B7", 2.105, 2.155, "swir22"),
        ),
        "MODIS, bands 1 to 7 (NASA)",
    ),
    Sensor(
        "terrain",
        (Band("elevation", quantity=Quantity.LENGTH), Band("slope")),
        "Elevation in metres, slope in whatever unit is declared",
    ),
)

_SENSORS: dict[str, Sensor] = {}
_BANDS: dict[str, Band] = {}
_SPELLED: dict[str, str] = {}


def sensors() -> Mapping[str, Sensor]:
    """Return the sensors that are known, by name."""
    return MappingProxyType(_SENSORS)


def add_sensor(sensor: Sensor) -> None:
    """Make the bands of a sensor known; those of an installed plugin are added when plugins are loaded.

    Args:
        sensor: Its bands are called ``"<sensor>:<band>"``, so that none is taken for another sensor's.

    Raises:
        ValueError: A band's name lacks the sensor, stands in it twice, or is taken by another declaration; or its
            wavelength cannot be in micrometres.
    """
    if _SENSORS.get(sensor.name) == sensor:
        return
    if sensor.name in _SENSORS:
        raise ValueError(f"sensor {sensor.name!r} is declared already, otherwise")
    for band in sensor.bands:
        if not band.name.startswith(f"{sensor.name}{SEPARATOR}"):
            raise ValueError(f"band {band.name!r} of sensor {sensor.name!r} is not called '{sensor.name}:{band.name}'")
        if problem := wavelength_problem(band):
            raise ValueError(problem)
    _add(sensor)


_WAVELENGTHS: Mapping[Quantity | None, tuple[float, float]] = {
    # Sunlight: from ultraviolet to mid-infrared.
    Quantity.REFLECTANCE: (0.1, 15.0),
    # Thermal infrared, and microwaves of radiometers.
    Quantity.TEMPERATURE: (1.0, 1e7),
    # From 300 GHz to 30 MHz.
    Quantity.BACKSCATTER: (1e3, 1e7),
}
"""Least and greatest wavelength in micrometres by what a band measures."""

_NANOMETRES = (100.0, 3e3)
"""Wavelengths of light in nanometres; of bands that do not say what they measure, none are so long."""


def wavelength_problem(band: Band) -> str:
    """Return why the wavelengths of a band cannot be in micrometres, or an empty text.

    Args:
        band: What is declared of it.

    Example:
        >>> wavelength_problem(Band("planet:red", 665.0, 31.0, Quantity.REFLECTANCE))
        "band 'planet:red' measures reflectance at 665 um: is that in nanometres? 1 um is 1,000 nm"
    """
    wavelength = band.wavelength_um
    if wavelength is None:
        return ""
    least, most = _WAVELENGTHS.get(band.quantity, (0.0, float("inf")))
    what = f"band {band.name!r} measures {band.quantity or 'something'} at {wavelength:g} um"
    if wavelength > most or (band.quantity is None and _NANOMETRES[0] <= wavelength <= _NANOMETRES[1]):
        return f"{what}: is that in nanometres? 1 um is 1,000 nm"
    if wavelength < least:
        return f"{what}: is that in micrometres?"
    if band.bandwidth_um is not None and band.bandwidth_um > wavelength:
        return f"band {band.name!r} is wider ({band.bandwidth_um:g} um) than its wavelength ({wavelength:g} um)"
    return ""


def _add(sensor: Sensor) -> None:
    names = [_plain(band.name) for band in sensor.bands]
    if twice := sorted({name for name in names if names.count(name) > 1 or name in _SPELLED}):
        raise ValueError(f"band {twice[0]!r} of sensor {sensor.name!r} is declared twice")
    _SENSORS[sensor.name] = sensor
    _BANDS.update((band.name, band) for band in sensor.bands)
    _SPELLED.update(zip(names, (band.name for band in sensor.bands), strict=True))


def _plain(name: str) -> str:
    name = name.strip().casefold()
    sensor, separator, band = name.rpartition(SEPARATOR)
    return sensor + separator + re.sub(r"^b0*(?=\d)", "b", band)


for _sensor in BUILTIN:
    _add(_sensor)


def canonical(name: str) -> str:
    """Return a band's name as models spell it (``"B02"`` and ``"b2"`` are ``"B2"``); another one as it stands."""
    return _SPELLED.get(_plain(name), name.strip())


def is_known(name: str) -> bool:
    """Return whether a band, spelled as models do, is one that means the same to every model."""
    return name in _BANDS


def band(name: str) -> Band:
    """Return what is known about a band; of one that no sensor has, its name alone.

    Example:
        >>> band("B8A").wavelength_um
        0.8647
        >>> band("landsat-8:B4").aliases
        ('red',)
    """
    return _BANDS.get(canonical(name)) or Band(canonical(name))


def same_band(one: str, other: str) -> bool:
    """Return whether one band may stand for another: the same, or one is what the other is called more generally.

    ``red`` may be Sentinel-2's ``B4`` or Landsat 8's, for nothing more was said of it; these two are different bands.
    """
    one, other = canonical(one), canonical(other)
    return one.casefold() == other.casefold() or one in band(other).aliases or other in band(one).aliases


def bands_of(sensor: str, names: Iterable[str] = ()) -> tuple[str, ...]:
    """Return full names of a sensor's bands.

    Args:
        sensor: Its name, as ``"landsat-8"``.
        names: As the sensor calls them, as ``"B4"``; none: all of its bands in order.

    Raises:
        KeyError: There is no such sensor, or it has no such band.

    Example:
        >>> bands_of("landsat-8", ["B4", "B3"])
        ('landsat-8:B4', 'landsat-8:B3')
    """
    known = {_plain(band.name.rpartition(SEPARATOR)[2]): band.name for band in _SENSORS[sensor].bands}
    return tuple(known[_plain(name)] for name in names) or tuple(known.values())
