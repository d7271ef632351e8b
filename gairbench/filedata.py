"""Datasets made of files that people have: images, tables, or both."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError
from gairbench.spec import DataContext, Kind, Modality

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray
    from torch import Tensor

logger = logging.getLogger("gairbench")

FOLDER_LABEL = "folder"
"""Name of the label that is an image's folder."""


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
        size: Edge in pixels to resize to on reading.
        missing: ``"refuse"``: a row whose image is missing is an error; ``"drop"``: it is left out, which is logged.
    """

    modality: Modality
    folder: str
    pattern: str = ""
    file: str = ""
    location: str = ""
    bands: tuple[str, ...]
    size: int | None = None
    missing: Literal["refuse", "drop"] = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """A further table, joined on a column that both have.

    Args:
        path: Below the data root.
        on: The column; its values are unique in this table.
        missing: ``"refuse"``: a row without a partner is an error; ``"drop"``: it is left out, which is logged.
    """

    path: str
    on: str
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
        by: ``random``, ``blocks`` (spatial cells), ``group`` (whole groups) or ``column`` (given).
        column: Column of the groups, or of the names ``train``, ``val`` and ``test``.
        degrees: Edge of a spatial cell.
        shares: Shares of train, val and test.
        seed: Seed of the assignment.
        stratify: Label or column whose values are divided alike by a random split.
    """

    by: Literal["random", "blocks", "group", "column"]
    column: str = ""
    degrees: float = 0.0
    shares: tuple[float, float, float] = (0.6, 0.15, 0.25)
    seed: int = 0
    stratify: str = ""


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
class FileDataset:
    """A dataset as a task file declares it; calling it opens the data.

    Args:
        name: Its name.
        images: Its images, if any.
        table: Its table, if any.
        split: How it is divided.
        targets: Its labels.
    """

    name: str
    images: ImageFiles | None
    table: Table | None
    split: SplitRule
    targets: tuple[Target, ...] = ()

    def __call__(self, context: DataContext) -> FileSource:
        """Open the data below the data root."""
        if context.root is None:
            raise DataError(f"dataset {self.name!r} is made of files", "give --data-root")
        return FileSource(self, context.root)


class FileSource:
    """The samples of a :class:`FileDataset`; a :class:`gairbench.data.DataSource`.

    Args:
        declared: The dataset.
        root: The data root.
    """

    def __init__(self, declared: FileDataset, root: Path) -> None:
        self.declared = declared
        self.root = root

    def fingerprint(self) -> str:
        """Return a hash of every table and image used and of everything that decides samples and splits.

        Raises:
            DataError: The data are missing or broken.
        """
        images = self._images
        content = hashlib.sha256()
        for path in images or ():
            content.update(f"{path.relative_to(self.root).as_posix()} {file_sha256(path)}\n".encode())
        declared = self.declared
        tables = [declared.table.path, *(join.path for join in declared.table.joins)] if declared.table else []
        return digest(
            images=content.hexdigest(),
            tables=[file_sha256(self.root / path) for path in tables],
            declared=[declared.images, declared.table, declared.split],
        )

    def split(self, name: str) -> FileSplit:
        """Return a split.

        Raises:
            DataError: The data are missing or broken, or the split is empty.
        """
        import numpy as np

        rows = np.flatnonzero(self._split_names == name)
        if not len(rows):
            raise DataError(
                f"split {name!r} of dataset {self.declared.name!r} is empty", "change the shares, seed or blocks"
            )
        return FileSplit(self, rows)

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the sorted class names of a target; empty for regression.

        Raises:
            KeyError: There is no such target.
            DataError: Its column is missing or has empty values.
        """
        return self.labels(target)[1]

    def labels(self, target: str) -> tuple[NDArray[Any], tuple[str, ...]]:
        """Return a target of all samples, and its class names.

        Raises:
            KeyError: There is no such target.
            DataError: Its column is missing, or a value is empty or of the wrong kind.
        """
        import numpy as np

        from gairbench.tables import filled, numbers

        wanted = {t.name: t for t in self.declared.targets}[target]
        values = self.values(wanted.column)
        path = self._table_path
        if wanted.kind is Kind.REGRESSION:
            measured = numbers(values, wanted.column, path)
            if wanted.transform == "log1p":
                if (measured <= -1).any():
                    row = int(np.argmin(measured))
                    raise DataError(
                        f"{path}, column {wanted.column!r}: log1p of {measured[row]:g} does not exist",
                        "use 'transform: none', or mend the value",
                    )
                measured = np.log1p(measured)
            return measured, ()
        words = filled(values, wanted.column, path).astype(str)
        if wanted.kind is Kind.MULTILABEL:
            sets = [{part.strip() for part in word.split(wanted.separator) if part.strip()} for word in words]
            names = sorted(set().union(*sets))
            return np.array([[name in present for name in names] for present in sets], dtype=bool), tuple(names)
        found, index = np.unique(words.to_numpy(dtype=np.str_), return_inverse=True)
        return index.astype(np.int64), tuple(found.tolist())

    def values(self, column: str) -> pd.Series[Any]:
        """Return a column of the samples, or the images' folders.

        Raises:
            DataError: There is no such column.
        """
        import pandas as pd

        from gairbench.tables import column as column_of

        if column == FOLDER_LABEL and self._images is not None:
            return pd.Series([path.parent.name for path in self._images])
        if self.declared.table is None:
            raise DataError(f"dataset {self.declared.name!r} has no table with a column {column!r}", "use 'folder'")
        return column_of(self._frame, column, self._table_path)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Identifiers of all samples."""
        table = self.declared.table
        if table is None:
            folder = self.root / self.declared.images.folder if self.declared.images else self.root
            return tuple(path.relative_to(folder).as_posix() for path in self._images or ())
        if not table.id:
            return tuple(f"{table.path}:{line}" for line in self._frame.index + 2)
        ids = self.values(table.id).astype(str)
        if ids.duplicated().any():
            first = ids[ids.duplicated()].iloc[0]
            raise DataError(f"{self._table_path}, column {table.id!r}: {first!r} is there twice", "make ids unique")
        return tuple(ids)

    @cached_property
    def lonlat(self) -> NDArray[np.float64] | None:
        """Longitude and latitude of all samples, ``(n, 2)``, or ``None``."""
        from gairbench.tables import coordinates

        table, images = self.declared.table, self.declared.images
        if table is not None and table.lon:
            return coordinates(self._frame, table.lon, table.lat, self._table_path)
        if images is not None and images.location:
            return self._locations_in_names(images.location)
        return None

    def _locations_in_names(self, pattern: str) -> NDArray[np.float64]:
        import numpy as np

        from gairbench.tables import check_coordinates

        compiled = re.compile(pattern)
        found = []
        paths = self._images or ()
        for path in paths:
            match = compiled.search(path.name)
            if match is None:
                raise DataError(
                    f"the name of {path} does not match the location pattern {pattern!r}", "correct the pattern or name"
                )
            found.append((float(match["lon"]), float(match["lat"])))
        return check_coordinates(np.array(found, dtype=np.float64), lambda row: str(paths[row]))

    def image(self, index: int) -> NDArray[Any]:
        """Read the image of a sample."""
        from gairbench.imagefiles import read_image

        images = self.declared.images
        if images is None or self._images is None:
            raise DataError(f"dataset {self.declared.name!r} has no images", "declare them")
        return read_image(self._images[index], images.bands, images.size)

    @property
    def _table_path(self) -> Path:
        return self.root / self.declared.table.path if self.declared.table else self.root

    @cached_property
    def _merged(self) -> pd.DataFrame:
        from gairbench.tables import column as column_of
        from gairbench.tables import read_table

        table = self.declared.table
        if table is None:
            raise DataError(f"dataset {self.declared.name!r} has no table", "declare one")
        frame = read_table(self._table_path)
        for join in table.joins:
            path = self.root / join.path
            other = read_table(path)
            keys = column_of(other, join.on, path)
            if keys.duplicated().any():
                raise DataError(f"{path}, column {join.on!r} has {keys[keys.duplicated()].iloc[0]!r} twice", "mend it")
            present = column_of(frame, join.on, self._table_path).isin(keys)
            frame = self._leave_out(frame, present, join.missing, f"partner in {path}")
            fresh = [c for c in other.columns if c == join.on or c not in frame.columns]
            index = frame.index
            frame = frame.merge(other[fresh], on=join.on, how="left").set_axis(index, axis=0)
        for name, values in table.keep:
            frame = frame[column_of(frame, name, self._table_path).astype(str).isin(values)]
        return frame

    def _leave_out(self, frame: pd.DataFrame, present: pd.Series[bool], missing: str, what: str) -> pd.DataFrame:
        absent = int((~present).sum())
        if absent and missing == "refuse":
            line = int(frame.index[(~present).to_numpy()][0]) + 2
            raise DataError(
                f"{self._table_path}, line {line}: no {what} ({absent} such rows)", "add it, or declare 'missing: drop'"
            )
        if absent:
            logger.warning(
                "dataset %s: %d of %d rows have no %s and are left out", self.declared.name, absent, len(frame), what
            )
        return frame[present]

    @cached_property
    def _frame(self) -> pd.DataFrame:
        import pandas as pd

        frame = self._merged
        images = self.declared.images
        if images is not None and images.file:
            present = pd.Series([path.is_file() for path in self._named_images(frame)], index=frame.index)
            frame = self._leave_out(frame, present, images.missing, f"image in {self.root / images.folder}")
        if not len(frame):
            raise DataError(f"{self._table_path} has no usable rows", "check 'keep', 'join' and 'missing'")
        return frame

    def _named_images(self, frame: pd.DataFrame) -> list[Path]:
        images = self.declared.images
        if images is None:
            return []
        names = re.findall(r"{(\w+)}", images.file)
        columns = [self._column_text(frame, name) for name in names]
        rows = zip(*columns, strict=True) if columns else ([] for _ in range(len(frame)))
        folder = self.root / images.folder
        return [folder / images.file.format(**dict(zip(names, row, strict=True))) for row in rows]

    def _column_text(self, frame: pd.DataFrame, name: str) -> list[str]:
        from gairbench.tables import column as column_of

        return [str(value) for value in column_of(frame, name, self._table_path)]

    @cached_property
    def _images(self) -> tuple[Path, ...] | None:
        images = self.declared.images
        if images is None:
            return None
        folder = self.root / images.folder
        if not folder.is_dir():
            raise DataError(f"no image folder {folder}", "correct the folder or --data-root")
        if images.file:
            return tuple(self._named_images(self._frame))
        found = tuple(sorted(path for path in folder.glob(images.pattern) if path.is_file()))
        if not found:
            raise DataError(f"no image matches {images.pattern!r} in {folder}", "correct the pattern")
        return found

    @cached_property
    def _split_names(self) -> NDArray[np.str_]:
        import numpy as np

        from gairbench.splitting import SPLITS, block_split, group_split, random_split

        rule = self.declared.split
        if rule.by == "random":
            strata = self.values(rule.stratify).astype(str).to_numpy() if rule.stratify else None
            return random_split(len(self.ids), rule.shares, rule.seed, strata)
        if rule.by == "blocks":
            if self.lonlat is None:
                raise DataError(f"dataset {self.declared.name!r} has no coordinates to make blocks of", "declare them")
            return block_split(self.lonlat, rule.degrees, rule.shares, rule.seed)
        values = self.values(rule.column).astype(str).to_numpy(dtype=np.str_)
        if rule.by == "group":
            return group_split(values, rule.shares, rule.seed)
        unknown = sorted(set(values.tolist()) - set(SPLITS))
        if unknown:
            raise DataError(
                f"{self._table_path}, column {rule.column!r} has split {unknown[0]!r}", f"use {', '.join(SPLITS)}"
            )
        return values


class FileSplit:
    """Some samples of a :class:`FileSource`, read when they are asked for.

    Args:
        source: All samples.
        rows: Which of them.
    """

    def __init__(self, source: FileSource, rows: NDArray[np.int64]) -> None:
        self._source = source
        self._rows = rows
        all_ids = source.ids
        self.ids: Sequence[str] = [all_ids[row] for row in rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        import torch

        row = int(self._rows[index])
        sample: dict[str, Tensor] = {}
        images, lonlat = self._source.declared.images, self._source.lonlat
        if images is not None:
            values = self._source.image(row)
            # torch has few unsigned types; the next wider signed one holds all their values.
            wider = {"uint16": "int32", "uint32": "int64"}.get(values.dtype.name)
            key = "image" if images.modality is Modality.RS else "street_view"
            sample[key] = torch.from_numpy(values.astype(wider) if wider else values.copy())
        if lonlat is not None:
            sample["lonlat"] = torch.from_numpy(lonlat[row].copy())
        return sample

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`."""
        values: NDArray[Any] = self._source.labels(name)[0][self._rows]
        return values
