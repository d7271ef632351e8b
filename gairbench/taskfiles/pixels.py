"""The pixels of samples and when they were taken: from files, or from arrays."""

from __future__ import annotations

from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.arrays import open_array
from gairbench.files.images import read_photo, resize
from gairbench.files.missing_pixels import Valid, Values
from gairbench.files.overhead import open_overhead, read_overhead
from gairbench.inputs import Modality
from gairbench.taskfiles.dates import dates_in_array, dates_of
from gairbench.taskfiles.declaration import DateArray, FileDataset, ImageFiles
from gairbench.taskfiles.rows import SampleRows
from gairbench.units import dtype_problem, reading_problem

_ORDER = ("sample", "time", "band", "height", "width")
"""The order of axes in samples."""


class SamplePixels:
    """The images of samples, read when they are asked for.

    Args:
        declared: The dataset.
        rows: Its rows and files.
    """

    def __init__(self, declared: FileDataset, rows: SampleRows) -> None:
        self.declared = declared
        self.rows = rows
        self.missing: dict[Path, float] = {}
        """Share of missing pixels of each overhead image that was read."""
        self.files = cache(rows.files)
        self._dates = cache(self._read_dates)

    def image(self, images: ImageFiles, row: int) -> tuple[Values, Valid | None]:
        """Read the image, or the series, of a sample.

        Returns:
            ``(band, height, width)``, or ``(time, band, height, width)`` of a series; without height and width where
            the images are single pixels of an array; and which of these values hold data, of the same shape;
            ``None``: all.

        Raises:
            DataError: It is missing, broken, or not what is declared.
        """
        if images.array is not None:
            return self._of_array(images, row), None
        frames = [self._read(images, path) for path in self.files(images.name)[row]]
        if images.frames is None:
            return frames[0]
        shapes = {values.shape for values, _ in frames}
        if len(shapes) > 1:
            first = self.files(images.name)[row][0]
            raise DataError(f"the frames of the series of {first} differ in size", "declare the images' 'size'")
        series = np.stack([values for values, _ in frames])
        if all(valid is None for _, valid in frames):
            return series, None
        return series, np.stack(
            [np.ones_like(values, np.bool_) if valid is None else valid for values, valid in frames]
        )

    def _read(self, images: ImageFiles, path: Path) -> tuple[Values, Valid | None]:
        if images.modality is Modality.SV:
            return read_photo(path, images.bands, images.size), None
        image = read_overhead(path, images.unit, images.bands, missing_pixels=images.missing_pixels, size=images.size)
        self.missing[path] = image.missing
        return image.values, image.valid

    def shape(self, images: ImageFiles, row: int) -> tuple[int, int]:
        """Return the height and width of a sample's image as it is delivered.

        Raises:
            DataError: It is missing or broken.
        """
        if images.size is not None:
            return images.size, images.size
        if images.array is not None:
            height, width = self._of_array(images, row).shape[-2:]
            return height, width
        with open_overhead(self.files(images.name)[row][0], images.unit, images.bands) as image:
            return image.height, image.width

    def _of_array(self, images: ImageFiles, row: int) -> NDArray[Any]:
        array = self.arrays[images.name]
        place = int(self.rows.places[row])
        values: NDArray[Any] = np.ascontiguousarray(array[place])
        if not np.isfinite(values).all():
            raise DataError(
                f"{self._path(images)}, row {place + 1} holds values that are not finite",
                "leave that row out of the table ('keep'), or fill the values",
            )
        by_band = values.swapaxes(0, 1) if images.frames is not None else values
        units = images.unit if isinstance(images.unit, tuple) else (images.unit,) * len(images.bands)
        for name, unit, band in zip(images.bands, units, by_band, strict=True):
            if problem := reading_problem(float(band.min()), float(band.max()), unit):
                raise DataError(f"{self._path(images)}, row {place + 1}, band {name} {problem}", "correct the unit")
        if images.size is None or values.shape[-2:] == (images.size, images.size) or images.size == 1:
            return values
        if images.frames is None:
            return resize(values, images.size)
        return np.stack([resize(frame, images.size) for frame in values])

    @cached_property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The images in arrays, by name, mapped into memory, with their axes in the order of samples.

        Raises:
            DataError: An array is missing or broken, or not as declared.
        """
        return {images.name: self._open(images) for images in self.declared.images if images.array is not None}

    def _open(self, images: ImageFiles) -> NDArray[Any]:
        assert images.array is not None  # noqa: S101
        path, axes = self._path(images), images.array.axes
        array = open_array(path)
        if array.ndim != len(axes):
            raise DataError(
                f"{path} has shape {tuple(array.shape)}, and its axes are {', '.join(axes)}", "correct them"
            )
        lengths = dict(zip(axes, array.shape, strict=True))
        wanted = {"sample": self._rows_in_all(), "band": len(images.bands)}
        for axis, length in wanted.items():
            if lengths[axis] != length:
                what = f"{path} has {lengths[axis]} along axis {axis}"
                hint = "name its bands" if axis == "band" else "give one for each row of the table"
                raise DataError(f"{what}, wanted {length}", hint)
        frames = images.frames
        least, most = frames if isinstance(frames, tuple) else (frames, frames)
        if "time" in lengths and not (least or 1) <= lengths["time"] <= (most or 1):
            raise DataError(f"{path} has {lengths['time']} along axis time, declared {frames}", "correct 'frames'")
        units = images.unit if isinstance(images.unit, tuple) else (images.unit,)
        for unit in dict.fromkeys(units):
            if problem := dtype_problem(array.dtype.name, unit):
                raise DataError(f"{path} {problem}", "declare the unit that the values are in")
        return array.transpose([axes.index(axis) for axis in _ORDER if axis in axes])

    def _path(self, images: ImageFiles) -> Path:
        assert images.array is not None  # noqa: S101
        return self.rows.inside(images.array.path)

    def _rows_in_all(self) -> int:
        """Return how many rows the main table has, those that are left out included."""
        table = self.rows.table
        assert table is not None  # noqa: S101  (arrays need a table)
        return len(table.files[0].lines)

    def dates(self, images: ImageFiles, row: int) -> NDArray[np.float64] | None:
        """Return when a sample's images were taken: days since 1970-01-01 ``(time,)``, or ``()`` of a single image.

        Returns:
            NaN where a date is not known; ``None`` where nobody says.

        Raises:
            DataError: A date is broken, or they are not in the order of time.
        """
        if not images.dates and not (images.series and images.series.date):
            return None
        days = np.asarray(self._dates(images)[row], dtype=np.float64)
        known = days[np.isfinite(days)]
        if (np.diff(known) < 0).any():
            where = self.rows.table.where(row) if self.rows.table is not None else f"sample {row}"
            raise DataError(f"{where}: the dates of {images.name} are not in the order of time", "order the frames")
        return days if images.frames is not None else days.reshape(())

    def _read_dates(self, images: ImageFiles) -> NDArray[np.float64] | list[tuple[float, ...]]:
        """Return the dates of all samples."""
        table = self.rows.table
        if images.series is not None:
            return self.rows.dates(images.name)
        assert table is not None  # noqa: S101  (dates need a table)
        if not isinstance(images.dates, DateArray):
            return np.stack([dates_of(table.column(name)) for name in images.dates], axis=1)
        frames = self.arrays[images.name].shape[1] if images.array and images.frames else images.frames or 1
        assert isinstance(frames, int)  # noqa: S101  (only tables of frames have series of different lengths)
        path = self.rows.inside(images.dates.path)
        return dates_in_array(images.dates, path, self._rows_in_all(), frames)[self.rows.places]

    def note_of(self, rows: NDArray[np.int64]) -> list[float]:
        """Return the shares of missing pixels of some samples' overhead images, as far as they were read."""
        overhead = [i for i in self.declared.images if i.array is None and i.modality is Modality.RS]
        return [self.missing.get(path, 0.0) for i in overhead for row in rows for path in self.files(i.name)[row]]

    def warnings(self) -> list[str]:
        """Say how many of the images that were read lacked pixels."""
        filled = {path: share for path, share in self.missing.items() if share}
        if not filled:
            return []
        worst = max(filled, key=lambda path: filled[path])
        mean = sum(filled.values()) / len(self.missing)
        count = f"{len(filled)} of {len(self.missing)} images lack pixels, {mean:.1%} of all"
        return [f"{count}; most are missing from {worst} ({filled[worst]:.0%})"]
