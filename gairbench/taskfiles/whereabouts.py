"""Where the samples of a task file lie: by columns, names of files, or the images themselves."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.coordinates import check_coordinates
from gairbench.found_once import FoundOnce
from gairbench.georeference import Box, Georeference
from gairbench.inputs import Modality
from gairbench.taskfiles.declaration import FileDataset
from gairbench.taskfiles.places import (
    boxes,
    centres,
    check_extent,
    check_points,
    far_from_country,
    may_hold_countries,
    read_place_of,
)
from gairbench.taskfiles.rows import SampleRows


class Whereabouts:
    """The places of all samples, found when they are first needed.

    Args:
        declared: The dataset.
        rows: Its rows and files.
    """

    def __init__(self, declared: FileDataset, rows: SampleRows) -> None:
        self.declared = declared
        self.rows = rows
        self._files = cache(rows.files)
        # By image: one that is broken leaves the places of the others.
        self._place = cache(self._read_place)

    @FoundOnce
    def lonlat(self) -> NDArray[np.float64] | None:
        """Longitude and latitude of all samples in degrees, ``(n, 2)``, or ``None``."""
        declared, table = self.declared.table, self.rows.table
        overhead = self.declared.overhead
        located = next((images for images in self.declared.images if images.location), None)
        if declared is not None and table is not None and declared.lon:
            lat = table.column(declared.lat)
            degrees = np.stack([table.column(declared.lon).numbers(), lat.numbers()], axis=1)
            where = lat.where
            lonlat = check_coordinates(degrees, where)
        else:
            images = located or overhead
            if images is None or not (located or self.declared.located_by_images):
                return None
            paths = [frames[0] for frames in self._files(images.name)]

            def where(row: int) -> str:
                return str(paths[row])

            if located is not None:
                lonlat = self._in_names(located.location, located.name)
            else:
                lonlat = centres(paths, self.stated[images.name])
        if self.declared.extent is not None:
            check_extent(lonlat, self.declared.extent, where)
        return lonlat

    def _in_names(self, pattern: str, name: str) -> NDArray[np.float64]:
        compiled = re.compile(pattern)
        found = []
        paths = [frames[0] for frames in self._files(name)]
        for path in paths:
            match = compiled.search(path.name)
            if match is None:
                raise DataError(
                    f"the name of {path} does not match the location pattern {pattern!r}", "correct the pattern or name"
                )
            try:
                found.append((float(match["lon"]), float(match["lat"])))
            except (TypeError, ValueError):
                raise DataError(
                    f"the location pattern finds lon {match['lon']!r} and lat {match['lat']!r} in the name of {path}",
                    "make both groups match a decimal number",
                ) from None
        return check_coordinates(np.array(found, dtype=np.float64), lambda row: str(paths[row]))

    @FoundOnce
    def stated(self) -> dict[str, list[Georeference | None]]:
        """Where the overhead images lie, by their own georeference; of series, the first frames."""
        return {
            images.name: [self._place(images.name, row) for row in range(len(self._files(images.name)))]
            for images in self.declared.images
            if images.array is None and images.modality is Modality.RS
        }

    def _read_place(self, name: str, row: int) -> Georeference | None:
        needed = self.declared.located_by_images or self.declared.localized
        images = self.declared.image(name)
        return read_place_of(
            self._files(name)[row][0], images.bands, needed=needed and images is self.declared.overhead
        )

    @FoundOnce
    def _boxes(self) -> Sequence[Box]:
        """The boxes of all overhead images, which a localized task needs."""
        lonlat, overhead = self.lonlat, self.declared.overhead
        if lonlat is None or overhead is None:
            return []
        paths = [frames[0] for frames in self._files(overhead.name)]
        return boxes(paths, self.stated[overhead.name], lonlat)

    def box(self, row: int) -> Box | None:
        """Return an overhead image's box as seen from its point, or ``None`` where it has none and no task needs one.

        Whether a task is localized changes no box: models that want boxes are given the same ones.

        Raises:
            DataError: The image is broken; or a task needs its box, and it states no place, or the point lies outside.
        """
        lonlat, overhead = self.lonlat, self.declared.overhead
        if lonlat is None or overhead is None:
            return None
        if self.declared.localized:
            return self._boxes[row]
        path = self._files(overhead.name)[row][0]
        place = self._place(overhead.name, row)
        return None if place is None else place.box_if_any(path, *lonlat[row].tolist())

    def check(self) -> None:
        """Refuse overhead images whose headers are not as declared, or whose places disagree with the coordinates.

        Raises:
            DataError: There is such an image.
        """
        lonlat = self.lonlat
        for name, places in self.stated.items():
            if lonlat is not None:
                check_points([frames[0] for frames in self._files(name)], places, lonlat)
        if self.declared.localized:
            _ = self._boxes

    def texts(self) -> list[str]:
        """Return where the overhead images lie; a sidecar may state it, which the images' bytes do not show."""
        return [
            f"{place.crs.to_wkt()} {place.bounds}"
            for places in self.stated.values()
            for place in places
            if place is not None
        ]

    @FoundOnce
    def country_findings(self) -> list[tuple[bool, str]]:
        """Points that are far from their country: whether longitude and latitude are swapped, and one sentence."""
        table, lonlat = self.rows.table, self.lonlat
        if table is None or lonlat is None:
            return []
        names = [name for name in table.single_names if may_hold_countries(name)]
        return list(far_from_country(map(table.column, names), lonlat))
