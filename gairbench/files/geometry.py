"""Geometries of a file as longitude and latitude: points as places, polygons as boxes and their centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.badrows import ProblemKind
from gairbench.files.cells import Cell, Unusable

PLACE = ("lon", "lat")
BBOX = ("lon_min", "lat_max", "lon_max", "lat_min")
"""Columns of a point, and of an overhead image's box in the order that models take it."""

CENTRE = ("centre_lon", "centre_lat")
"""Columns of the centre of a polygon, as Major TOM calls them: where an embedding of a patch lies."""

LONGITUDE_FIRST = "OGC:CRS84"
"""Longitude and latitude in WGS 84: what GeoJSON always holds, and GeoParquet where it says nothing else."""

SQUARE = 1e-6
"""How far a corner of a box may be from its rectangle, as a share of the rectangle's sides."""


class Places:
    """Turns the geometries of one file into columns of degrees.

    Args:
        path: The file, for messages.
        crs: Its coordinate reference system, as anything that rasterio takes; ``None``: not stated.
    """

    def __init__(self, path: Path, crs: Any) -> None:
        self.path = path
        self._stated = crs

    def cells(self, values: Sequence[Any], wanted: Sequence[str]) -> Mapping[str, list[Cell]]:
        """Return columns of degrees.

        Args:
            values: Geometries as WKB, as shapely has them, or ``None``.
            wanted: Some of :data:`PLACE`, :data:`BBOX` and :data:`CENTRE`.

        Raises:
            DataError: The coordinate reference system is not stated or unknown.
        """
        self._crs  # noqa: B018  (refused before the first row)
        columns: dict[str, list[Cell]] = {}
        shapes = [_shape(value) for value in values]
        for names, make in ((PLACE, self._points), (BBOX, self._boxes), (CENTRE, self._centres)):
            if chosen := [name for name in names if name in wanted]:
                rows = make(shapes)
                columns |= {name: [row[names.index(name)] for row in rows] for name in chosen}
        return columns

    def _points(self, shapes: Sequence[Any]) -> list[Sequence[Cell]]:
        return self._places_of(shapes, "Point", "is made of a geometry that is a {}, and a place is a point")

    def _centres(self, shapes: Sequence[Any]) -> list[Sequence[Cell]]:
        """Return the centroids of polygons; around the antimeridian, longitudes have no mean."""
        return self._places_of(shapes, "Polygon", "is made of a geometry that is a {}, not an area")

    def _places_of(self, shapes: Sequence[Any], kind: str, other: str) -> list[Sequence[Cell]]:
        import shapely

        rows: list[Sequence[Cell]] = []
        at: list[int] = []
        for shape in shapes:
            single = _single(shape)
            if isinstance(single, Unusable):
                rows.append((single, single))
            elif single is None:
                rows.append(("", ""))
            elif single.geom_type != kind:
                fault = Unusable(other.format(single.geom_type), ProblemKind.COORDINATES)
                rows.append((fault, fault))
            elif self._is_degrees and single.bounds[2] - single.bounds[0] > 180:
                fault = Unusable(
                    "is made of a polygon across the antimeridian; give its centre in columns", ProblemKind.COORDINATES
                )
                rows.append((fault, fault))
            else:
                at.append(len(rows))
                rows.append(())
        degrees = self._degrees(shapely.get_coordinates([_single(shapes[row]).centroid for row in at]))
        for row, found in zip(at, degrees, strict=True):
            rows[row] = _words(found, ProblemKind.COORDINATES)
        return rows

    def _boxes(self, shapes: Sequence[Any]) -> list[Sequence[Cell]]:
        import shapely

        rows: list[Sequence[Cell]] = []
        for shape in shapes:
            single = _single(shape)
            if isinstance(single, Unusable):
                rows.append([single] * 4)
            elif single is None:
                rows.append([""] * 4)
            elif single.geom_type != "Polygon":
                rows.append(
                    [Unusable(f"is made of a geometry that is a {single.geom_type}, not a box", ProblemKind.BOX)] * 4
                )
            else:
                corners = self._degrees(shapely.get_coordinates(single.exterior))
                rows.append(_box(corners, holes=len(single.interiors)))
        return rows

    def _degrees(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return ``(n, 2)`` longitude and latitude of points; NaN where there is none."""
        from rasterio.warp import transform

        if self._is_degrees or not len(points):
            return points
        try:
            x, y = transform(self._crs, "EPSG:4326", points[:, 0], points[:, 1])
        except Exception:
            if len(points) == 1:
                return np.full((1, 2), np.nan)
            # One point outside of what the projection covers must not take the others with it.
            return np.concatenate([self._degrees(points[row : row + 1]) for row in range(len(points))])
        degrees = np.stack([np.asarray(x), np.asarray(y)], axis=1)
        degrees[~np.isfinite(degrees).all(axis=1)] = np.nan
        return degrees

    @cached_property
    def _is_degrees(self) -> bool:
        return bool(self._crs.to_epsg() == 4326 or self._crs.to_authority() == ("OGC", "CRS84"))

    @cached_property
    def _crs(self) -> Any:
        from rasterio.crs import CRS
        from rasterio.warp import transform

        hint = "state it, for instance with geopandas' set_crs or QGIS, or add columns lon and lat in degrees"
        if self._stated is None:
            raise DataError(f"{self.path} does not say in which coordinate reference system its geometries are", hint)
        try:
            crs = CRS.from_user_input(self._stated)
            wkt = crs.to_wkt()
            known = (crs.is_geographic or crs.is_projected) and "undefined geographic" not in wkt[:80].lower()
            if known:
                # A system of another planet, or one that needs files which are not here, fails now.
                transform(crs, "EPSG:4326", [0.0], [0.0])
        except Exception as error:
            # Of a system that is known, points outside of what it covers may fail: their rows are reported.
            if "celestial" not in str(error) and type(error).__name__ == "CPLE_AppDefinedError":
                return crs
            from gairbench.georeference import proj_hint

            # The error's text holds the whole system.
            raise DataError(
                f"cannot place {self.path} on the globe: its coordinate reference system does not lead there",
                proj_hint() or hint,
            ) from error
        if not known:
            raise DataError(f"the coordinate reference system of {self.path} is unknown: {wkt[:60]}...", hint)
        return crs


def with_derived(own: Sequence[str], places: Places | None, geometry: Any) -> tuple[list[str], tuple[str, ...], str]:
    """Return the names of a file's columns together with those that its geometries add.

    Points add ``lon`` and ``lat``, polygons the four columns of a box and the two of their centre, unless there are
    columns of these names.

    Args:
        own: Names of its columns.
        places: Of a file with geometries.
        geometry: The first of them, ``None`` if all are missing.

    Returns:
        All names, those that were added, and why places are not among them, for messages; empty if they are.
    """
    if places is None:
        return list(own), (), ""
    single = _single(_shape(geometry))
    if single is None:
        return list(own), (), "all its geometries are missing"
    if isinstance(single, Unusable):
        return list(own), (), f"its first geometry {single.reason}"
    kind = str(single.geom_type)
    groups = {"Point": (PLACE,), "Polygon": (BBOX, CENTRE)}.get(kind, ())
    note = "" if kind == "Point" else f"its geometries are of type {kind}, and a place is a point"
    adds = tuple(name for group in groups if not {*group} & {*own} for name in group)
    return [*own, *adds], adds, note


def _shape(value: Any) -> Any:
    """Return a geometry as shapely has it; ``None`` if it is missing."""
    import shapely

    if isinstance(value, str | bytes):
        found = shapely.from_wkb(value, on_invalid="ignore")
        return Unusable("is made of a geometry that cannot be read") if found is None else found
    if isinstance(value, Mapping) and {"x", "y"} <= {*value}:
        return shapely.Point(value["x"], value["y"])
    return value


def _single(shape: Any) -> Any:
    """Return a geometry; of a collection of one its only part, and ``None`` for one that is empty."""
    if shape is None or isinstance(shape, Unusable):
        return shape
    if not hasattr(shape, "geom_type"):
        return Unusable("is made of a geometry in an encoding that is not WKB")
    if shape.is_empty:
        return None
    parts = getattr(shape, "geoms", None)
    return shape if parts is None or len(parts) != 1 else _single(parts[0])


def _words(numbers: NDArray[np.float64], kind: ProblemKind) -> Sequence[Cell]:
    if not np.isfinite(numbers).all():
        fault = Unusable("is made of a geometry outside of what its coordinate reference system covers", kind)
        return [fault] * len(numbers)
    # The shortest text that gives back the same number.
    return [repr(value) for value in numbers.tolist()]


def _box(corners: NDArray[np.float64], *, holes: int) -> Sequence[Cell]:
    west, south = corners.min(axis=0)
    east, north = corners.max(axis=0)
    if np.isfinite([west, south, east, north]).all():
        sides = np.array([east - west, north - south])
        near = np.abs(corners[:, None] - np.array([[west, south], [east, north]])[None]) <= SQUARE * sides
        # Each corner lies on a vertical and a horizontal side, and all four corners are there.
        at = {(bool(x), bool(y)) for x, y in zip(near[:, 1, 0], near[:, 1, 1], strict=True)}
        if holes or not near.any(axis=1).all() or len(at) < 4:
            fault = Unusable(
                "is made of a polygon that is not a rectangle in longitude and latitude; give the box in columns, or"
                " use the image's own georeference",
                ProblemKind.BOX,
            )
            return [fault] * 4
    return _words(np.array([west, north, east, south]), ProblemKind.BOX)
