"""Where the samples of a task file lie: by their images' own georeference, and whether that is plausible."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.overhead import check_bands, read_place
from gairbench.geography import NEAR_KM, countries_named, distance_to_country, exchanged
from gairbench.georeference import Box, Georeference
from gairbench.taskfiles.declaration import Extent

if TYPE_CHECKING:
    from gairbench.files.tables import Column

Points = NDArray[np.float64]

MOSTLY = 0.9
"""A column is of countries if so many of its values name one."""

COUNTRY_WORDS = ("country", "nation", "iso", "adm0", "admin0")
"""Parts of the names of columns that hold countries."""


def read_place_of(path: Path, bands: Sequence[str], *, needed: bool) -> Georeference | None:
    """Return where an overhead image lies, from its header; ``None`` if it states no place.

    Args:
        path: The image.
        bands: Its declared bands.
        needed: The place is used; otherwise it is only compared with given coordinates, and what cannot be compared, as
            a rotated image, is passed over.

    Raises:
        DataError: The image is broken, has other bands, or is rotated.
    """
    check_bands(path, bands)
    try:
        return read_place(path)
    except DataError:
        if needed:
            raise
        return None


def centres(paths: Sequence[Path], places: Sequence[Georeference | None]) -> Points:
    """Return the centres of images, ``(n, 2)`` longitude and latitude in degrees.

    Raises:
        DataError: An image states no place, or none on this globe.
    """
    return np.array([place.centre(path) for path, place in _placed(paths, places)], dtype=np.float64).reshape(-1, 2)


def boxes(paths: Sequence[Path], places: Sequence[Georeference | None], lonlat: Points) -> list[Box]:
    """Return the images' boxes as seen from points in them.

    Raises:
        DataError: An image states no place, or a point lies outside its image.
    """
    placed = _placed(paths, places)
    return [place.box(path, lon, lat) for (path, place), (lon, lat) in zip(placed, lonlat.tolist(), strict=True)]


def check_points(paths: Sequence[Path], places: Sequence[Georeference | None], lonlat: Points) -> None:
    """Refuse points that lie outside the images that they go with; images that state no place are passed over.

    Raises:
        DataError: One does; the first is named.
    """
    outside = [
        (path, point)
        for path, place, point in zip(paths, places, lonlat.tolist(), strict=True)
        if place is not None and not place.contains(path, *point)
    ]
    if outside:
        path, (lon, lat) = outside[0]
        more = f" ({len(outside)} of {len(paths)} such images)" if len(outside) > 1 else ""
        swapped = all(
            place is None or (abs(lon) <= 90 and place.contains(path, lat, lon))
            for path, place, (lon, lat) in zip(paths, places, lonlat.tolist(), strict=True)
        )
        raise DataError(
            f"point {lon:g}, {lat:g} (lon, lat) lies outside its image {path}{more}",
            "longitude and latitude are swapped; exchange them"
            if swapped
            else "correct the coordinates, or leave them out: the images state their place",
        )


def _placed(paths: Sequence[Path], places: Sequence[Georeference | None]) -> Iterator[tuple[Path, Georeference]]:
    missing = [path for path, place in zip(paths, places, strict=True) if place is None]
    if missing:
        more = f" ({len(missing)} of {len(paths)} images do not)" if len(missing) > 1 else ""
        raise DataError(
            f"{missing[0]} states no place{more}",
            "declare the columns lon and lat or images.location, or write the CRS and transform into the files",
        )
    return ((path, place) for path, place in zip(paths, places, strict=True) if place is not None)


def check_extent(lonlat: Points, extent: Extent, where: Callable[[int], str]) -> None:
    """Refuse points outside the area that they are declared to be of.

    Args:
        lonlat: ``(n, 2)`` longitude and latitude in degrees.
        extent: The area.
        where: ``where(row)`` says where a point stands.

    Raises:
        DataError: One is outside; if all are inside with longitude and latitude exchanged, that is said.
    """
    bad = np.flatnonzero(~_within(lonlat, extent))
    if not len(bad):
        return
    other = exchanged(lonlat)
    swapped = other is not None and bool(_within(other, extent).all())
    lon, lat = lonlat[bad[0]]
    more = f" ({len(bad)} such points)" if len(bad) > 1 else ""
    raise DataError(
        f"{where(int(bad[0]))}: longitude {lon:g}, latitude {lat:g} is outside the declared extent, lon"
        f" {extent.lon[0]:g} to {extent.lon[1]:g} and lat {extent.lat[0]:g} to {extent.lat[1]:g}{more}",
        "longitude and latitude are swapped; exchange them" if swapped else "correct the point or the extent",
    )


def _within(lonlat: Points, extent: Extent) -> NDArray[np.bool_]:
    lon, lat = lonlat.T
    (west, east), (south, north) = extent.lon, extent.lat
    # An area around the antimeridian is declared from 170 to -170.
    around = (west <= lon) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return np.asarray(around & (south <= lat) & (lat <= north))


def may_hold_countries(name: str) -> bool:
    """Whether a column is called as those are that hold countries."""
    return any(word in name.casefold() for word in COUNTRY_WORDS)


def far_from_country(columns: Iterable[Column], lonlat: Points) -> Iterator[tuple[bool, str]]:
    """Compare points with the countries that columns name.

    Args:
        columns: Columns of the table; those of which few values name a country are passed over.
        lonlat: ``(n, 2)`` longitude and latitude in degrees.

    Yields:
        Whether it is certain that longitude and latitude are exchanged, and one sentence, for each column of countries
        that points are far from.
    """
    for column in columns:
        countries = countries_named(column.found_texts()[0].tolist())
        if np.mean([bool(named) for named in countries]) < MOSTLY:
            continue
        distance = distance_to_country(lonlat, countries)
        far = np.flatnonzero(distance > NEAR_KM)
        if not len(far):
            continue
        other = exchanged(lonlat)
        if other is not None:
            distance_exchanged = distance_to_country(other, countries)
            certain = len(far) > len(lonlat) / 2 and float(np.mean(distance_exchanged <= NEAR_KM)) > MOSTLY
        else:
            certain = False
        row = int(far[0])
        yield (
            certain,
            f"{column.where(row)}: {column.values[row]!r} is {distance[row]:.0f} km from the point {lonlat[row, 0]:g},"
            f" {lonlat[row, 1]:g} (lon, lat); {len(far)} of {len(lonlat)} points are so far from their country"
            + (": longitude and latitude are swapped; exchange them" if certain else ""),
        )
