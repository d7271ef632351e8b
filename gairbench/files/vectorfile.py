"""GeoJSON, GeoPackage and shapefile: tables whose rows have a geometry."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gairbench.errors import DataError
from gairbench.files.cells import Cell, cell
from gairbench.files.geometry import LONGITUDE_FIRST, Places, with_derived
from gairbench.files.guard import reading
from gairbench.names import plain_name

MAX_JSON = 1 << 30
"""Bytes of a GeoJSON file at most: it has to be read whole."""

DRIVERS = frozenset({"GPKG", "ESRI Shapefile"})
"""The only drivers of GDAL that may read a table; none of them reaches the network."""

GEOPACKAGE, SHAPEFILE = ".gpkg", ".shp"


def sidecars(path: Path) -> list[Path]:
    """Return the files beside a shapefile that hold a part of it."""
    parts = {".dbf", ".shx", ".prj", ".cpg"}
    return sorted(other for other in path.parent.iterdir() if other.stem == path.stem and other.suffix.lower() in parts)


class GeoJsonFile:
    """A GeoJSON file: features with properties.

    Args:
        path: The file.

    Raises:
        DataError: It is too large, or not GeoJSON.
    """

    row_word = "row"

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.stat().st_size > MAX_JSON:
            raise DataError(f"{path} is too large for GeoJSON, which has to be read whole", "save it as GeoParquet")
        hint = "check that it is a whole GeoJSON file: one FeatureCollection"
        with reading(path, "table", hint):
            top = json.loads(path.read_bytes().decode("utf-8-sig"))
        kind = top.get("type") if isinstance(top, dict) else None
        features = top.get("features") if kind == "FeatureCollection" else [top] if kind == "Feature" else None
        if not isinstance(features, list) or not all(
            isinstance(item, dict) and isinstance(item.get("properties") or {}, dict) for item in features
        ):
            raise DataError(f"{path} is JSON, but has no features of GeoJSON", "save the table as GeoJSON or CSV")
        self._features: list[dict[str, Any]] = features
        for item in features:
            item["properties"] = {plain_name(name): value for name, value in (item.get("properties") or {}).items()}
        own = [*dict.fromkeys(name for item in features for name in item["properties"])]
        if "id" not in own and any("id" in item for item in features):
            own.insert(0, "id")
        self._places = Places(path, self._crs(top))
        first = next((shape for item in features if (shape := _geometry(item)) is not None), None)
        self.names, self.derived, self.geometry_note = with_derived(own, self._places, first)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield each feature's number, from 1 on, and the cells of some columns.

        Raises:
            DataError: Places are wanted, and the coordinate reference system is not known.
        """
        wanted = [name for name in names if name in self.derived]
        places: Mapping[str, list[Cell]] = {}
        if wanted:
            places = self._places.cells([_geometry(item) for item in self._features], wanted)
        for row, item in enumerate(self._features):
            stored = {"id": item.get("id")} | item["properties"]
            yield row + 1, [places[name][row] if name in places else cell(stored.get(name)) for name in names]

    def _crs(self, top: Mapping[str, Any]) -> Any:
        if "crs" not in top:
            return LONGITUDE_FIRST
        # The standard has no such member any more; files of older programs have it, and mean it.
        said = top["crs"]
        name = said.get("properties", {}).get("name") if isinstance(said, dict) else None
        return name if isinstance(name, str) else None


def _geometry(feature: Mapping[str, Any]) -> Any:
    import shapely.geometry

    stated = feature.get("geometry")
    if stated is None:
        return None
    try:
        return shapely.geometry.shape(stated)
    except Exception:
        # What cannot be read is reported as such, not as missing.
        return b""


class LayerFile:
    """The only layer of a GeoPackage or shapefile.

    Args:
        path: The file.
        suffix: What the names of files of its format end with.

    Raises:
        DataError: It is broken, has several layers, or pyogrio is not installed.
    """

    row_word = "row"

    def __init__(self, path: Path, suffix: str) -> None:
        self.path = path
        self._pyogrio = _pyogrio(path)
        self._linked: tempfile.TemporaryDirectory[str] | None = None
        self._name = self._plain_name(suffix)
        with self._reading():
            found = [(str(name), kind) for name, kind in self._pyogrio.list_layers(self._name)]
        chosen = [(name, kind) for name, kind in found if kind is not None] or found
        if len(chosen) != 1:
            listed = ", ".join(name for name, _ in chosen) or "none"
            raise DataError(f"{path} has {len(chosen)} layers ({listed})", "save the one that is meant as its own file")
        self._layer, kind = chosen[0]
        with self._reading():
            about = self._pyogrio.read_info(self._name, layer=self._layer)
        if about["driver"] not in DRIVERS:
            raise DataError(f"{path} is a file of the format {about['driver']}", "save it as GeoPackage or GeoParquet")
        self._stored = {plain_name(str(name)): str(name) for name in about["fields"]}
        self._places = None if kind is None else Places(path, about["crs"])
        first = None if kind is None else next((shape for shape in self._geometries(64)), None)
        self.names, self.derived, self.geometry_note = with_derived([*self._stored], self._places, first)

    def rows(self, names: Sequence[str]) -> Iterator[tuple[int, list[Cell]]]:
        """Yield each feature's number, from 1 on, and the cells of some columns; no other column is read.

        Raises:
            DataError: The file is broken.
        """
        stored = {name: self._stored[name] for name in names if name not in self.derived}
        wanted = [name for name in names if name in self.derived]
        number = 0
        for batch, geometry in self._batches([*stored.values()], places=bool(wanted)):
            columns: dict[str, Sequence[Cell]] = {
                name: [cell(value) for value in batch.column(own).to_pylist()] for name, own in stored.items()
            }
            if wanted and self._places is not None:
                columns |= self._places.cells(batch.column(geometry).to_pylist(), wanted)
            for row in range(len(batch)):
                number += 1
                yield number, [columns[name][row] for name in names]

    def _plain_name(self, suffix: str) -> str:
        """Return a name of the file by which GDAL takes it for what it is.

        GDAL chooses some drivers by the end of a name, and pyogrio takes ``!`` and ``.zip`` for archives.
        """
        # Absolute: a relative name could look like a connection of one of GDAL's drivers.
        path = self.path.absolute()
        if path.suffix.lower() == suffix and not {*"!?"} & {*str(path)} and ".zip" not in str(path):
            return str(path)
        self._linked = tempfile.TemporaryDirectory(prefix="gairbench-")
        link = Path(self._linked.name) / f"table{suffix}"
        link.symlink_to(path)
        if suffix == SHAPEFILE:
            for sidecar in sidecars(path):
                link.with_suffix(sidecar.suffix.lower()).symlink_to(sidecar.absolute())
        return str(link)

    def _geometries(self, size: int) -> Iterator[Any]:
        for batch, geometry in self._batches([], places=True, size=size):
            for value in batch.column(geometry).to_pylist():
                if value is not None:
                    yield value

    def _batches(self, columns: Sequence[str], *, places: bool, size: int = 16_384) -> Iterator[tuple[Any, str]]:
        with (
            self._reading(),
            self._pyogrio.raw.open_arrow(
                self._name,
                layer=self._layer,
                columns=list(dict.fromkeys(columns)),
                read_geometry=places,
                # Without any column and geometry nothing says how many rows there are.
                return_fids=True,
                batch_size=size,
                use_pyarrow=True,
            ) as (about, batches),
        ):
            for batch in batches:
                yield batch, about["geometry_name"] or "wkb_geometry"

    @contextmanager
    def _reading(self) -> Iterator[None]:
        with reading(self.path, "table", "check that it is a whole file"):
            yield


def _pyogrio(path: Path) -> Any:
    try:
        import pyogrio
        import pyogrio.raw
    except ImportError as error:
        raise DataError(
            f"reading {path} needs the package pyogrio", "pip install 'gairbench[geo]', or save it as GeoParquet or CSV"
        ) from error
    return pyogrio
