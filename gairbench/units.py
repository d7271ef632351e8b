"""What each unit of pixel values allows: data types, values, scale tags. The only table of it."""

from __future__ import annotations

from dataclasses import dataclass

from gairbench.spec import Unit

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
        one: Value of reflectance 1; ``None``: display values have none, whatever their range.
    """

    dtypes: tuple[str, ...]
    least: float
    most: float
    limit: float
    one: float | None


ALLOWED = {
    Unit.UINT8: Allowed(("uint8",), 0, 255, 255, None),
    Unit.REFLECTANCE: Allowed(_FLOATS, -0.5, 3, 1_000, 1.0),
    # The same range times 10,000. -9999, the usual mark of missing data, is outside.
    Unit.S2_DN: Allowed((*_WHOLE, *_FLOATS), -5_000, 30_000, 65_535, 10_000.0),
}


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
    one = ALLOWED[unit].one
    agrees = one is not None and offset == 0 and abs(scale * one - 1) <= 1e-6
    if (scale, offset) == (1, 0) or agrees:
        return ""
    return f"states scale {scale:g} and offset {offset:g}, so its stored values are not {unit}"
