"""Which format a table is in: its content decides, whatever its name ends with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError
from gairbench.files.cells import Cell
from gairbench.files.guard import reading

FORMATS = "CSV, Parquet, GeoParquet, GeoJSON, GeoPackage or shapefile"

_SHAPEFILE = b"\x00\x00\x27\x0a"
_SQLITE = b"SQLite format 3\x00"
_GEOPACKAGES = {b"GPKG", b"GP10", b"GP11"}
"""SQLite's application ids of GeoPackages, at byte 68."""

_REFUSED = (
    ((b"PK\x03\x04",), "is a zip archive or an Excel workbook", "unpack it, or save the sheet as CSV"),
    ((b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"(\xb5/\xfd"), "is compressed", "unpack it"),
    ((b"ARROW1", b"FEA1"), "is an Arrow file", "save it as Parquet"),
    ((b"fgb\x03",), "is a FlatGeobuf file", "save it as GeoPackage or GeoParquet"),
    ((b"PARE",), "is an encrypted Parquet file", "decrypt it"),
    ((b"version https://git-lfs",), "is only a pointer of Git LFS", "fetch the file itself with git lfs pull"),
    ((b"\xff\xfe", b"\xfe\xff"), "is UTF-16 text", "save it as UTF-8; in Excel, as 'CSV UTF-8'"),
    ((b"\xd0\xcf\x11\xe0",), "is an old Excel workbook", "save the sheet as CSV"),
    ((b"II*\x00", b"MM\x00*", b"II+\x00", b"\x89PNG", b"\xff\xd8\xff"), "is an image, not a table", "name the table"),
    ((b"<",), "is XML or HTML, not a table", f"save it as {FORMATS}"),
)  # fmt: skip
"""First bytes, what has them, and what to do about it."""


class TableFile(Protocol):
    """A table of one format, read row by row."""

    path: Path
    row_word: str
    """What its rows are called in messages."""

    names: list[str]
    """Its columns; a name may be there twice."""

    derived: tuple[str, ...]
    """Those that its geometries add; a column of the same name in another table comes first."""

    geometry_note: str
    """Why its geometries give no places; empty if they do, or if there are none."""

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield where each row stands, and its cells of some columns."""
        ...


def open_table(path: Path) -> TableFile:
    """Open a table.

    Raises:
        DataError: It is missing, of a format that is not read, or broken.
    """
    if path.is_dir():
        raise DataError(f"table {path} is a folder", "name the file in it")
    if not path.is_file():
        raise DataError(f"no table {path}", "correct the path or --data-root")
    with reading(path, "table", "restore the file or fix its permissions"), path.open("rb") as file:
        start = file.read(1024)
    if start.startswith(b"PAR1"):
        from gairbench.files.parquetfile import ParquetFile

        return ParquetFile(path)
    if start.startswith(_SQLITE) and start[68:72] not in _GEOPACKAGES:
        raise DataError(f"{path} is an SQLite database, but not a GeoPackage", "save the table as GeoPackage or CSV")
    if start.startswith((_SQLITE, _SHAPEFILE)):
        from gairbench.files.vectorfile import GEOPACKAGE, SHAPEFILE, LayerFile

        return LayerFile(path, GEOPACKAGE if start.startswith(_SQLITE) else SHAPEFILE)
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for beginnings, what, hint in _REFUSED:
        if start.startswith(beginnings) or (beginnings == (b"<",) and text.startswith(b"<")):
            raise DataError(f"{path} {what}", hint)
    if text.startswith(b"{"):
        from gairbench.files.vectorfile import GeoJsonFile

        return GeoJsonFile(path)
    from gairbench.files.csvfile import CsvFile

    return CsvFile(path)


def table_sha256(path: Path) -> str:
    """Return the hash of a table's content; of a shapefile, of all files that hold a part of it.

    Raises:
        DataError: It cannot be read.
    """
    with reading(path, "table", "restore the file or fix its permissions"):
        with path.open("rb") as file:
            shapefile = file.read(4) == _SHAPEFILE
        if not shapefile:
            return file_sha256(path)
        from gairbench.files.vectorfile import sidecars

        return digest(shapefile=[[part.suffix.lower(), file_sha256(part)] for part in (path, *sidecars(path))])
