"""Which band of an image file is which: by what the file or its user says, never by a guess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gairbench.errors import DataError
from gairbench.sensors import canonical, is_known, same_band

NAMELESS_STACKS = {12: ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")}
"""Stacks whose order is taken for granted by number of bands: Sentinel-2's surface reflectance product, without B10.

A stack of 13 bands is not one of them: some tools put B10 before B11, others append what they computed.
"""


ALPHA = "alpha"
"""Name of a band that says where the others hold data."""


def stack_bands(
    path: Path, count: int, descriptions: Sequence[str | None], declared: Sequence[str] | None
) -> tuple[str, ...]:
    """Name the bands of an image file.

    Args:
        path: The file, for messages.
        count: Number of its bands.
        descriptions: What the file says about each of them, as ``rasterio``'s ``descriptions``; free text.
        declared: What its user says, in the file's order; ``None``: nothing.

    Returns:
        One name per band, as :mod:`gairbench.sensors` spells them, or another that no built-in model asks for. From
        ``declared``, else from the descriptions, else, for a file of twelve bands without any description, Sentinel-2's
        by position.

    Raises:
        DataError: The declared names are not one per band or not those that the file states, a name is there twice, or
            neither the file nor its user names the bands.
    """
    described = tuple(canonical(text or "") for text in descriptions)
    if declared is not None:
        return _declared(path, count, described, tuple(canonical(name) for name in declared))
    if not any(described):
        if count in NAMELESS_STACKS:
            return NAMELESS_STACKS[count]
        raise DataError(f"{path} has {count} band{'s' * (count > 1)} without names", _hint(count))
    if not all(described) or not any(map(is_known, described)):
        named = ", ".join(name or "(unnamed)" for name in described)
        raise DataError(f"{path} calls its bands {named}, which does not say what each of them is", _hint(count))
    return _unique(path, described)


def _declared(path: Path, count: int, described: tuple[str, ...], declared: tuple[str, ...]) -> tuple[str, ...]:
    if len(declared) != count:
        raise DataError(
            f"{path} has {count} band{'s' * (count > 1)}, and {len(declared)} are declared ({', '.join(declared)})",
            "name all bands of the file, in its order",
        )
    for position, (stated, name) in enumerate(zip(described, declared, strict=True), 1):
        # Descriptions are free text: only those that are band names are a statement.
        meant = is_known(stated) or any(same_band(stated, other) for other in declared)
        if stated and meant and not same_band(stated, name):
            raise DataError(
                f"{path} says that its band {position} is {stated}, and it is declared as {name}",
                "name the bands in the file's order, or leave it to the file",
            )
    return _unique(path, declared)


def _unique(path: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{path}: more than one band is called {', '.join(twice)}", "name each band once")
    return names


def _hint(count: int) -> str:
    example = {1: "B8", 3: "red,green,blue", 4: "B2,B3,B4,B8"}.get(count, "B1,B2,B3,...")
    return f"name them all in the file's order with --bands (map) or --rs-bands, for instance {example}"
