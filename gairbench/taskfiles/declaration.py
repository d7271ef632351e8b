"""What a task file says about its data, as values: cheap to make, to compare and to hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gairbench.cell_groupings import cells_grouping
from gairbench.digests import digest
from gairbench.inputs import MissingPixels, Modality, Unit
from gairbench.spec import Kind

FOLDER_LABEL = "folder"
"""Name of the label that is an image's folder."""

PLACEHOLDER = re.compile(r"{([^{}]+)}")
"""A column's name in the template of an image's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameTable:
    """The table of the frames of series, one row a frame.

    Args:
        path: Below the data root.
        on: The samples' column, and the column here that holds its values.
        date: Column of dates; empty: the frames are in the order of the rows, without dates.
    """

    path: str
    on: tuple[str, str]
    date: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageArray:
    """Images in a NumPy array, one for each row of the table.

    Args:
        path: Below the data root.
        axes: What its axes are, in order: ``sample``, ``band``, and perhaps ``time``, ``height`` and ``width``.
    """

    path: str
    axes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DateArray:
    """Dates in a NumPy array ``(sample,)`` or ``(sample, time)``.

    Args:
        path: Below the data root.
        year: Of the first frame, where the array holds months; ``None``: it holds dates, or days since 1970-01-01.
        first_month: The number of January.
    """

    path: str
    year: int | None = None
    first_month: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Where the images of one name are and what they hold.

    Args:
        name: What they are called.
        modality: ``rs`` or ``sv``.
        folder: Below the data root.
        pattern: Glob of the images in the folder; empty if a table names them.
        files: Templates of the paths of a sample's images in the folder, from the table's columns, as
            ``("{uuid}.jpeg",)``: one for each frame, or one from the columns of ``series``.
        series: The table of frames.
        array: The array that holds them, instead of a folder.
        frames: Frames of a series, see :class:`gairbench.inputs.ImageInput`.
        dates: Columns that say when each was taken, or an array of it; empty: nobody says.
        location: Regular expression with groups ``lon`` and ``lat`` that finds the coordinates in a file's name.
        bands: Names of the bands, in the files' order.
        unit: Scale of the files' values: one, or one for each band.
        size: Edge in pixels to resize to on reading.
        missing_pixels: What becomes of missing pixels of overhead images.
        missing: ``"refuse"``: a row whose image is missing is an error; ``"drop"``: it is left out, which is logged.
    """

    name: str
    modality: Modality
    folder: str = ""
    pattern: str = ""
    files: tuple[str, ...] = ()
    series: FrameTable | None = None
    array: ImageArray | None = None
    frames: int | tuple[int, int] | None = None
    dates: tuple[str, ...] | DateArray = ()
    location: str = ""
    bands: tuple[str, ...]
    unit: Unit | tuple[Unit, ...]
    size: int | None = None
    missing: Literal["refuse", "drop"] = "refuse"
    missing_pixels: MissingPixels = "fill"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskFiles:
    """Where the masks of images are and what their pixels mean.

    Args:
        folder: Below the data root.
        file: Template of a mask's path in the folder, from the table's columns, or without a table from ``stem`` (the
            image's name without its ending) and ``folder`` (its folder).
        classes: Pixel values with the names of their classes; empty for measurements.
        ignore: Pixel values that take part in nothing.
        resize: Masks of another size than the images are resized by the nearest pixel.
    """

    folder: str
    file: str
    classes: tuple[tuple[int, str], ...] = ()
    ignore: tuple[float, ...] = ()
    resize: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A further table, joined on a column that both have.

    Args:
        path: Below the data root.
        on: The column, or its name in the tables so far and in this one; its values are unique in this one.
        missing: ``"refuse"``: a row without a partner is an error; ``"drop"``: it is left out, which is logged.
    """

    path: str
    on: str | tuple[str, str]
    missing: Literal["refuse", "drop"] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of samples.

    Args:
        path: Below the data root, of any format of :func:`gairbench.files.formats.open_table`; empty for arrays.
        arrays: Columns made of NumPy arrays ``(sample,)`` or ``(sample, n)``: name, path below the data root, and which
            of the ``n``.
        id: Column of unique sample identifiers; empty: the row number.
        lon: Column of longitudes in degrees; empty if there are none.
        lat: Column of latitudes in degrees.
        joins: Further tables.
        keep: Columns with the only values to keep, as ``(("country", ("Kenya",)),)``.
    """

    path: str
    arrays: tuple[tuple[str, str, int | None], ...] = ()
    id: str = ""
    lon: str = ""
    lat: str = ""
    joins: tuple[Join, ...] = ()
    keep: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitRule:
    """How samples are divided.

    Args:
        by: ``random``, ``blocks`` (spatial cells) or ``group`` (whole groups) draw the splits; ``column``, ``folder``
            (the first folder of an image's path) and ``files`` (lists of identifiers) have them given; ``test_only``:
            there is no other split than test.
        column: Column of the groups, or of the given splits.
        degrees: Edge of a spatial cell.
        shares: Shares of train, val and test, where they are drawn.
        seed: Seed of what is drawn.
        stratify: Label or column whose values are divided alike by a random split.
        given: For train, val and test: the values of the column, the names of the folders, or the paths of the lists
            below the data root.
        val_share: Share of the given train that becomes val, drawn at random; 0 if val is given too.
    """

    by: Literal["random", "blocks", "group", "column", "folder", "files", "test_only"]
    column: str = ""
    degrees: float = 0.0
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    seed: int = 0
    stratify: str = ""
    given: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())
    val_share: float = 0.0

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that there are."""
        return ("test",) if self.by == "test_only" else ("train", "val", "test")

    @property
    def grouping(self) -> str:
        """The grouping that it draws: cells or a column; empty: samples, or what others drew."""
        if self.by == "blocks":
            return cells_grouping(self.degrees)
        return self.column if self.by == "group" else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A label of the samples, or masks of their images.

    Args:
        kind: What the task asks for; never retrieval, which has no target.
        column: Its column, or ``"folder"``; empty for masks, places and several measurements.
        columns: The columns of several measurements.
        order: The classes of an ordinal task, ascending; empty: they are numbers.
        separator: Between the labels of one sample, for multi-label.
        transform: ``"log1p"`` or ``"none"``.
        min_samples: Classes and labels with fewer samples in train are left out.
        drop_classes: Classes and labels that are left out.
        mask: The masks of a dense task.
        image: Name of the image that the masks are of.
    """

    kind: Kind
    column: str = ""
    columns: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    separator: str = ""
    transform: str = "none"
    min_samples: int = 0
    drop_classes: tuple[str, ...] = ()
    mask: MaskFiles | None = None
    image: str = ""

    @property
    def name(self) -> str:
        """What the task calls it; it changes with everything that changes its values."""
        if self.kind is Kind.GEOLOCALIZATION:
            return "place"
        marks = [mark for mark in (self.separator, self.transform) if mark not in {"", "none"}]
        marks += [" < ".join(map(repr, self.order))] * bool(self.order)
        marks += [f"{self.min_samples} samples or more"] * bool(self.min_samples)
        marks += [f"without {', '.join(self.drop_classes)}"] * bool(self.drop_classes)
        if self.mask is not None:
            marks += [f"masks {digest(mask=self.mask, image=self.image)[:8]}"]
        what = ", ".join(map(repr, self.columns)) or self.column
        if self.mask is not None:
            what = f"{self.mask.folder}/{self.mask.file}"
        return f"{what} ({', '.join([self.kind, *marks])})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """The area that samples are of.

    Args:
        lon: Least and greatest longitude in degrees; the first is greater for an area around the antimeridian.
        lat: Least and greatest latitude in degrees.
    """

    lon: tuple[float, float]
    lat: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDataset:
    """A dataset as a task file declares it.

    Args:
        name: Its name.
        images: Its images, by name; if there are several, a table names the files of all.
        table: Its table, if any.
        split: How it is divided.
        targets: Its labels.
        follow_links: Links may lead out of the data root.
        located_by_images: The coordinates are the centres of :attr:`overhead`, by their own georeference.
        localized: A task looks its samples up at their points in :attr:`overhead`, whose places it needs.
        extent: Where all samples must lie, if that is declared.
    """

    name: str
    images: tuple[ImageFiles, ...]
    table: Table | None
    split: SplitRule
    targets: tuple[Target, ...] = ()
    follow_links: bool = False
    located_by_images: bool = False
    localized: bool = False
    extent: Extent | None = None

    @property
    def main(self) -> ImageFiles | None:
        """The first images in files: their folders are labels and splits, and their names may hold coordinates."""
        return next((image for image in self.images if image.array is None), None)

    @property
    def overhead(self) -> ImageFiles | None:
        """The first overhead images in files, whose places are those of the samples."""
        return next((i for i in self.images if i.array is None and i.modality is Modality.RS), None)

    def image(self, name: str) -> ImageFiles:
        """Return images by name.

        Raises:
            KeyError: There are none of that name.
        """
        for image in self.images:
            if image.name == name:
                return image
        raise KeyError(name)
