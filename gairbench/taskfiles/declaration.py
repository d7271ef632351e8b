"""What a task file says about its data, as values: cheap to make, to compare and to hash."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gairbench.spec import Kind, MissingPixels, Modality, Unit

FOLDER_LABEL = "folder"
"""Name of the label that is an image's folder."""

PLACEHOLDER = re.compile(r"{([^{}]+)}")
"""A column's name in the template of an image's path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFiles:
    """Where images are and what they hold.

    Args:
        modality: ``rs`` or ``sv``.
        folder: Below the data root.
        pattern: Glob of the images in the folder; empty if a table names them.
        file: Template of an image's path in the folder, from the table's columns, as ``"{uuid}.jpeg"``.
        location: Regular expression with groups ``lon`` and ``lat`` that finds the coordinates in a file's name.
        bands: Names of the bands, in the files' order.
        unit: Scale of the files' values: one, or one for each band.
        size: Edge in pixels to resize to on reading.
        missing_pixels: What becomes of missing pixels of overhead images.
        missing: ``"refuse"``: a row whose image is missing is an error; ``"drop"``: it is left out, which is logged.
    """

    modality: Modality
    folder: str
    pattern: str = ""
    file: str = ""
    location: str = ""
    bands: tuple[str, ...]
    unit: Unit | tuple[Unit, ...]
    size: int | None = None
    missing: Literal["refuse", "drop"] = "refuse"
    missing_pixels: MissingPixels = "fill"


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
        path: Below the data root; CSV or Parquet.
        id: Column of unique sample identifiers; empty: the row number.
        lon: Column of longitudes in degrees; empty if there are none.
        lat: Column of latitudes in degrees.
        joins: Further tables.
        keep: Columns with the only values to keep, as ``(("country", ("Kenya",)),)``.
    """

    path: str
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
            (the first folder of an image's path) and ``files`` (lists of identifiers) have them given.
        column: Column of the groups, or of the given splits.
        degrees: Edge of a spatial cell.
        shares: Shares of train, val and test, where they are drawn.
        seed: Seed of what is drawn.
        stratify: Label or column whose values are divided alike by a random split.
        given: For train, val and test: the values of the column, the names of the folders, or the paths of the lists
            below the data root.
        val_share: Share of the given train that becomes val, drawn at random; 0 if val is given too.
    """

    by: Literal["random", "blocks", "group", "column", "folder", "files"]
    column: str = ""
    degrees: float = 0.0
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    seed: int = 0
    stratify: str = ""
    given: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())
    val_share: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A label of the samples.

    Args:
        column: Its column, or ``"folder"``.
        kind: Classification, multi-label or regression.
        separator: Between the labels of one sample, for multi-label.
        transform: ``"log1p"`` or ``"none"``.
    """

    column: str
    kind: Kind
    separator: str = ""
    transform: str = "none"

    @property
    def name(self) -> str:
        """What the task calls it; it changes with everything that changes its values."""
        marks = "".join(f", {mark}" for mark in (self.separator, self.transform) if mark not in {"", "none"})
        return f"{self.column} ({self.kind}{marks})"


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
        images: Its images, if any.
        table: Its table, if any.
        split: How it is divided.
        targets: Its labels.
        follow_links: Links may lead out of the data root.
        located_by_images: The coordinates are the centres of the images, by their own georeference.
        localized: A task looks its samples up at their points in the images, whose places it needs.
        extent: Where all samples must lie, if that is declared.
    """

    name: str
    images: ImageFiles | None
    table: Table | None
    split: SplitRule
    targets: tuple[Target, ...] = ()
    follow_links: bool = False
    located_by_images: bool = False
    localized: bool = False
    extent: Extent | None = None
