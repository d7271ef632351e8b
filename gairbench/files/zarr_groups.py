"""Which array of a Zarr group holds the values of pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gairbench.errors import DataError
from gairbench.files.guard import reading

ZARR_ARRAY = "embedding"
"""What the array is called where a group has several, as ``gairbench map`` calls it."""

_HINT = "write it anew"


def pixel_array(group: Path) -> str:
    """Return the name of a group's array ``(bands, rows, columns)``.

    Args:
        group: The folder.

    Raises:
        DataError: It is not a Zarr group, or it has no such array, or several of which none is called ``embedding``.
    """
    if not any((group / name).is_file() for name in (".zgroup", "zarr.json")):
        raise DataError(f"{group} is a folder, and not a Zarr group", f"name the files in it: '{group}/*.tif'")
    with reading(group, "Zarr group", _HINT):
        names = sorted(one.name for one in group.iterdir() if one.is_dir() and len(_shape(one)) == 3)
    if ZARR_ARRAY in names:
        return ZARR_ARRAY
    if len(names) != 1:
        found = f"several arrays of bands, rows and columns: {', '.join(names)}" if names else "no array of three axes"
        raise DataError(f"{group} has {found}", f"write the embeddings as the array {ZARR_ARRAY!r} of bands, y and x")
    return names[0]


def _shape(folder: Path) -> list[Any]:
    """Return the shape of an array by its description, of format 2 or 3; empty where there is none."""
    for name in (".zarray", "zarr.json"):
        if (folder / name).is_file():
            return list(json.loads((folder / name).read_text(encoding="utf-8")).get("shape", ()))
    return []
