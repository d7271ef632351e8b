"""Options that several commands share, from text to values."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gairbench.errors import UsageError
from gairbench.selection import unknown
from gairbench.spec import Unit


def checkpoint_paths(values: Sequence[str]) -> dict[str, Path]:
    """Return ``MODEL=PATH`` pairs as a mapping.

    Raises:
        UsageError: One is not such a pair.
    """
    pairs: dict[str, Path] = {}
    for value in values:
        name, equals, path = value.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--checkpoint {value!r} is not MODEL=PATH", "write for instance gair=model.safetensors")
        pairs[name] = Path(path)
    return pairs


def manifest_options(
    rs_unit: str | None, rs_bands: str | None, root: Path | None, columns: Sequence[str], on_error: str
) -> dict[str, object]:
    """Return what the command line says about a manifest, as fields of ``TripletOptions``.

    Raises:
        UsageError: A value is none of those that there are.
    """
    options: dict[str, object] = {"on_error": on_error}
    if on_error not in {"stop", "skip"}:
        raise unknown("--on-error", on_error, ["stop", "skip"])
    if rs_unit is not None:
        if rs_unit not in {*Unit}:
            raise unknown("--rs-unit", rs_unit, [*Unit])
        options["rs_unit"] = Unit(rs_unit)
    if rs_bands is not None:
        options["rs_bands"] = tuple(band.strip() for band in rs_bands.split(","))
    if root is not None:
        options["root"] = root
    if columns:
        options["columns"] = parse_settings(columns, "--column")
    return options


def parse_settings(values: Sequence[str], option: str) -> dict[str, str]:
    """Return ``NAME=VALUE`` pairs as a mapping.

    Raises:
        UsageError: One has no ``=``, or a name comes twice.
    """
    settings: dict[str, str] = {}
    for value in values:
        name, equals, text = (part.strip() for part in value.partition("="))
        if not (name and equals):
            raise UsageError(f"{option} {value!r} is not NAME=VALUE", "write for instance --set epochs=10")
        if name in settings:
            raise UsageError(f"{option} {name} is given twice", "leave one out")
        settings[name] = text
    return settings
