"""What each unit of pixel values allows and how it converts. The only table of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gairbench.inputs import Quantity, Unit

if TYPE_CHECKING:
    from torch import Tensor

_FLOATS = ("float16", "float32", "float64")
_WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a unit allows.

    Args:
        dtypes: Data types that can hold it.
        least: Least value; atmospheric correction makes dark pixels a little negative.
        most: Greatest plausible value; snow, glint and clouds are brighter than reflectance 1.
        limit: Greatest value that is read at all: beyond it are other units and marks of missing data.
    """

    dtypes: tuple[str, ...]
    least: float
    most: float
    limit: float


_INFINITY = float("inf")

ALLOWED = {
    Unit.UINT8: Allowed(("uint8",), 0, 255, 255),
    Unit.REFLECTANCE: Allowed(_FLOATS, -0.5, 3, 1_000),
    # The same range times 10,000. -9999, the usual mark of missing data, is outside.
    Unit.S2_DN: Allowed((*_WHOLE, *_FLOATS), -5_000, 30_000, 65_535),
    Unit.S2_DN_OFFSET: Allowed((*_WHOLE, *_FLOATS), -4_000, 31_000, 65_535),
    Unit.LANDSAT_C2_DN: Allowed((*_WHOLE, *_FLOATS), 0, 65_535, 65_535),
    # Thermal noise and water are near -40 dB, corner reflectors and ships near +30.
    Unit.DB: Allowed(_FLOATS, -100, 60, 100),
    Unit.POWER: Allowed(_FLOATS, 0, 1e6, 1e10),
    Unit.AMPLITUDE: Allowed(_FLOATS, 0, 1e3, 1e5),
    Unit.KELVIN: Allowed((*_WHOLE, *_FLOATS), 100, 1_500, 10_000),
    # From the sea floor to the highest peak; -9999 and -32768 mark missing data.
    Unit.METRES: Allowed((*_WHOLE, *_FLOATS), -9_000, 9_000, 100_000),
    Unit.RAW: Allowed((*_WHOLE, *_FLOATS), -_INFINITY, _INFINITY, _INFINITY),
}


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale: a measurement is ``(value - zero) / one``.

    Args:
        one: Difference of values between measurement 0 and 1.
        zero: Value of measurement 0.
    """

    one: float
    zero: float = 0.0


SCALES: dict[Quantity, dict[Unit, Scale]] = {
    Quantity.REFLECTANCE: {
        Unit.REFLECTANCE: Scale(1.0),
        Unit.S2_DN: Scale(10_000.0),
        Unit.S2_DN_OFFSET: Scale(10_000.0, 1_000.0),
        # USGS, Landsat Collection 2 Level-2: 0.0000275 * DN - 0.2, and 0.00341802 * DN + 149.0 K.
        Unit.LANDSAT_C2_DN: Scale(1 / 0.0000275, 0.2 / 0.0000275),
    },
    Quantity.TEMPERATURE: {
        Unit.KELVIN: Scale(1.0),
        Unit.LANDSAT_C2_DN: Scale(1 / 0.00341802, -149.0 / 0.00341802),
    },
    Quantity.LENGTH: {Unit.METRES: Scale(1.0)},
}
"""The linear units of each quantity."""

SAR_UNITS = (Unit.DB, Unit.POWER, Unit.AMPLITUDE)

NOMINAL = {
    Unit.UINT8: (127.5, 64.0),
    Unit.REFLECTANCE: (0.2, 0.15),
    Unit.S2_DN: (2_000.0, 1_500.0),
    Unit.S2_DN_OFFSET: (3_000.0, 1_500.0),
    Unit.LANDSAT_C2_DN: (14_545.0, 5_455.0),
    Unit.DB: (-13.0, 6.0),
    Unit.POWER: (0.1, 0.1),
    Unit.AMPLITUDE: (0.3, 0.15),
    Unit.KELVIN: (290.0, 15.0),
    Unit.METRES: (500.0, 700.0),
    Unit.RAW: (0.0, 1.0),
}
"""A round mean and deviation of each unit over land, by which encoders without statistics of their own are fed."""


def measured_in(unit: Unit) -> frozenset[Quantity]:
    """Return the quantities that a unit can be of; none for display values and raw ones, which may be of any."""
    if unit in SAR_UNITS:
        return frozenset({Quantity.BACKSCATTER})
    return frozenset(quantity for quantity, units in SCALES.items() if unit in units)


def band_problem(band: str, quantity: Quantity | None, unit: Unit) -> str:
    """Return why a band cannot be in a unit, or an empty text.

    Args:
        band: Its name, for the message.
        quantity: What it measures, if that is known.
        unit: What its values are declared to mean.

    Example:
        >>> band_problem("VV", Quantity.BACKSCATTER, Unit.S2_DN)
        'band VV measures backscatter, which cannot be in unit s2_dn'
    """
    of = measured_in(unit)
    if quantity is None or not of or quantity in of:
        return ""
    return f"band {band} measures {quantity}, which cannot be in unit {unit}"


def convertible(delivered: Unit, wanted: Unit, quantity: Quantity | None) -> bool:
    """Return whether values of one unit become the other exactly, and back.

    Args:
        delivered: The unit of the values.
        wanted: The unit that they are to be in.
        quantity: What the band measures; ``None``: not known, so that the two units must agree on it.
    """
    return delivered == wanted or _common(delivered, wanted, quantity) is not None


def convert(values: Tensor, delivered: Unit, wanted: Unit, quantity: Quantity | None) -> Tensor:
    """Convert values from one unit to another.

    Args:
        values: Any shape, float32.
        delivered: Their unit.
        wanted: The unit to return.
        quantity: What the band measures, if that is known.

    Returns:
        The same shape, float32.

    Raises:
        ValueError: The units are not convertible, or a value has no equivalent: backscatter that is not positive has no
            decibels, and an amplitude is not negative.
    """
    if delivered == wanted:
        return values
    common = _common(delivered, wanted, quantity)
    if common is None:
        raise ValueError(f"{delivered} cannot be converted to {wanted}")
    if common is Quantity.BACKSCATTER:
        return _backscatter(values, delivered, wanted)
    have, want = SCALES[common][delivered], SCALES[common][wanted]
    if have.zero:
        values = values - have.zero
    values = values * (want.one / have.one)
    return values + want.zero if want.zero else values


def _common(delivered: Unit, wanted: Unit, quantity: Quantity | None) -> Quantity | None:
    both = measured_in(delivered) & measured_in(wanted)
    if quantity is not None:
        both &= {quantity}
    return next(iter(both)) if len(both) == 1 else None


def _backscatter(values: Tensor, delivered: Unit, wanted: Unit) -> Tensor:
    import torch

    if delivered is Unit.DB:
        # One power of ten for either unit: squares and square roots of tiny values would lose digits.
        return torch.pow(10.0, values / (10 if wanted is Unit.POWER else 20))
    least = float(values.min()) if values.numel() else 1.0
    if wanted is Unit.DB:
        if not least > 0:
            raise ValueError(f"backscatter {least:g} in unit {delivered} has no decibels")
        return torch.log10(values) * (10 if delivered is Unit.POWER else 20)
    if least < 0:
        raise ValueError(f"backscatter is not negative, and {least:g} in unit {delivered} is")
    return values.sqrt() if wanted is Unit.AMPLITUDE else values.square()


def dtype_problem(dtype: str, unit: Unit) -> str:
    """Return why a data type cannot hold a unit, or an empty text.

    Args:
        dtype: As numpy or GDAL calls it.
        unit: What the values mean.
    """
    if dtype.startswith("complex"):
        return "holds complex values, which are not measurements that an encoder takes"
    return "" if dtype in ALLOWED[unit].dtypes else f"holds {dtype} values, which cannot be {unit}"


def range_problem(least: float, most: float, unit: Unit) -> str:
    """Return why values are not plausible in a unit, or an empty text.

    Args:
        least: The least value.
        most: The greatest value.
        unit: What the values mean.
    """
    allowed = ALLOWED[unit]
    # Written so that values that are not numbers are out of range too.
    if allowed.least <= least and most <= allowed.most:
        return ""
    return f"has values {least:g} to {most:g}, which are not in unit {unit} ({allowed.least:g} to {allowed.most:g})"


def reading_problem(least: float, most: float, unit: Unit) -> str:
    """Return why values are not read as a unit at all, or an empty text; :func:`range_problem` is stricter.

    Args:
        least: The least value.
        most: The greatest value.
        unit: What the values are declared to mean.
    """
    allowed = ALLOWED[unit]
    if allowed.least <= least and most <= allowed.limit:
        return ""
    return f"has values {least:g} to {most:g}, which cannot be {unit}"


def possible(value: float, unit: Unit) -> bool:
    """Return whether a unit has a value."""
    return ALLOWED[unit].least <= value <= ALLOWED[unit].most


def scale_problem(scale: float, offset: float, unit: Unit) -> str:
    """Return why a file's scale and offset tags contradict a unit, or an empty text.

    The tags state that a measurement is ``scale * stored + offset``. The stored values are used as they are, so the
    tags have to say nothing, or what the unit says.

    Args:
        scale: Scale tag of a band, 1 if there is none.
        offset: Its offset tag, 0 if there is none.
        unit: What the stored values are declared to mean.
    """
    scales = [units[unit] for units in SCALES.values() if unit in units]
    agrees = any(abs(scale * s.one - 1) <= 1e-6 and abs(offset * s.one + s.zero) <= 1e-6 * s.one for s in scales)
    if (scale, offset) == (1, 0) or agrees or unit is Unit.RAW:
        return ""
    return f"states scale {scale:g} and offset {offset:g}, so its stored values are not {unit}"
