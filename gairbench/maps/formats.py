"""The file formats of maps."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from gairbench.errors import UsageError


def map_format(path: Path) -> str:
    """Return the format that a path's suffix names, ``".tif"`` or ``".zarr"``, without importing what writes it.

    Raises:
        UsageError: It names none, or one whose package is not installed.
    """
    match path.suffix.lower():
        case ".tif" | ".tiff":
            return ".tif"
        case ".zarr":
            if find_spec("zarr") is None:
                raise UsageError(
                    "writing .zarr needs the package 'zarr'", "pip install 'gairbench[zarr]', or let --out end in .tif"
                )
            return ".zarr"
        case suffix:
            raise UsageError(f"--out {path} is of unknown format {suffix!r}", "let it end in .tif or .zarr")
