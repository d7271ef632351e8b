"""Samples made of files that people have: images, tables, or both."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import SAMPLE_KEYS
from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError
from gairbench.files.coordinates import check_coordinates
from gairbench.files.formats import table_sha256
from gairbench.files.images import read_photo
from gairbench.files.missing_pixels import Fills
from gairbench.files.overhead import read_overhead
from gairbench.files.tables import Column
from gairbench.georeference import Box, Georeference
from gairbench.names import composed, plain_name
from gairbench.spec import Kind, Modality
from gairbench.taskfiles.declaration import FOLDER_LABEL, Extent, FileDataset, Target
from gairbench.taskfiles.places import (
    boxes,
    centres,
    check_extent,
    check_points,
    far_from_country,
    may_hold_countries,
    read_places,
)
from gairbench.taskfiles.rows import SampleRows
from gairbench.taskfiles.splitting import block_split, given_split, group_split, listed_split, random_split

if TYPE_CHECKING:
    from torch import Tensor

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WHOLE_FLOAT = re.compile(r"[-+]?[0-9]+\.0*")

READING_VERSION = 3
"""Part of every fingerprint; raise it when the same files give other samples, splits or targets."""


class FileSource:
    """The samples of a :class:`FileDataset`; a :class:`gairbench.data.DataSource`.

    Args:
        declared: The dataset.
        root: The data root.
    """

    def __init__(self, declared: FileDataset, root: Path) -> None:
        self.declared = declared
        self.root = root
        self._labels: dict[str, tuple[NDArray[Any], tuple[str, ...]]] = {}
        self.rows = SampleRows(declared, root)
        self.missing: dict[int, float] = {}
        """Share of missing pixels of each overhead image that was read, by sample."""

    def fingerprint(self) -> str:
        """Return a hash of every table and image used and of everything that decides samples and splits.

        Whatever can be wrong with the tables, identifiers, coordinates and splits is found here, before a run begins.

        Raises:
            DataError: The data are missing or broken.
        """
        declared = self.declared
        for name in ("train", "val", "test"):
            self.split(name)
        self._check_places()
        content = hashlib.sha256()
        for path in self.rows.images or ():
            content.update(f"{composed(path.relative_to(self.root).as_posix())} {_content(path)}\n".encode())
        tables = [declared.table.path, *(join.path for join in declared.table.joins)] if declared.table else []
        lists = [path for paths in declared.split.given for path in paths] if declared.split.by == "files" else []
        return digest(
            images=content.hexdigest(),
            tables=[
                *(table_sha256(self.rows.inside(path)) for path in tables),
                *(_content(self.rows.inside(p)) for p in lists),
            ],
            declared=[declared.images, declared.table, declared.split],
            reading=READING_VERSION,
            places=self._stated_places(),
        )

    def split(self, name: str) -> FileSplit:
        """Return a split.

        Raises:
            DataError: The data are missing or broken, or the split is empty.
        """
        rows = np.flatnonzero(self._split_names == name)
        if not len(rows):
            given = self.declared.split.by in {"column", "folder", "files"}
            hint = "name what belongs to it, or draw it with 'val_share'" if given else "change the shares or the seed"
            raise DataError(f"split {name!r} of dataset {self.declared.name!r} is empty", hint)
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
            DataError: Its column is missing, a value is empty or of the wrong kind, or one of several labels occurs in
                val or test and never in train.
        """
        if target not in self._labels:
            wanted = {t.name: t for t in self.declared.targets}[target]
            self._labels[target] = self._read_labels(wanted)
        return self._labels[target]

    def _read_labels(self, wanted: Target) -> tuple[NDArray[Any], tuple[str, ...]]:
        if wanted.kind is Kind.REGRESSION:
            return self._measurements(wanted), ()
        if wanted.kind is Kind.CLASSIFICATION:
            words = self._class_names(wanted.column, self.values(wanted.column))
            found, index = np.unique(words.astype(np.str_), return_inverse=True)
            return index.astype(np.int64), tuple(found.tolist())
        sets = [{*map(plain_name, labels)} for labels in self._label_lists(wanted)]
        names = sorted(set().union(*sets))
        values = np.array([[name in present for name in names] for present in sets], dtype=bool)
        in_train = values[self._split_names == "train"].any(axis=0)
        for split in ("val", "test"):
            here = self._split_names == split
            unseen = values[here].any(axis=0) & ~in_train
            if unseen.any():
                label = int(unseen.argmax())
                row = int(np.flatnonzero(here & values[:, label])[0])
                raise DataError(
                    f"{self._where(wanted.column, row)}: label {names[label]!r} is in split {split!r} but not in train",
                    "split the data so that train has every label",
                )
        return values, tuple(names)

    def _class_names(self, name: str, words: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return the names of classes; those of Parquet's whole floats, as 2.0, are whole numbers."""
        if not all(map(_NUMBER.fullmatch, words)):
            return words
        broken = np.flatnonzero([float(word) != round(float(word)) for word in words])
        if len(broken):
            row = int(broken[0])
            raise DataError(
                f"{self._where(name, row)}: {words[row]} is a measurement and not a class"
                f" ({len(set(words[broken]))} such values)",
                "use 'kind: regression', or write words for classes",
            )
        return np.array(
            [word.partition(".")[0] if _WHOLE_FLOAT.fullmatch(word) else word for word in words], dtype=object
        )

    def _where(self, name: str, row: int) -> str:
        """Say where a label stands, for messages."""
        return f"folder of {(self.rows.images or ())[row]}" if self._is_folder(name) else self._column(name).where(row)

    def _label_lists(self, wanted: Target) -> list[list[str]]:
        if self._is_folder(wanted.column):
            return [word.split(wanted.separator) for word in self.values(wanted.column)]
        return self._column(wanted.column).labels(wanted.separator)

    def _measurements(self, wanted: Target) -> NDArray[np.float64]:
        column = self._column(wanted.column)
        measured = column.numbers()
        if wanted.transform == "log1p":
            impossible = np.flatnonzero(measured <= -1)
            if len(impossible):
                row = int(impossible[0])
                raise DataError(
                    f"{column.where(row)}: log1p({measured[row]:g}) is undefined",
                    "use 'transform: none', or fix the value",
                )
            measured = np.log1p(measured)
        return measured

    def values(self, name: str) -> NDArray[np.object_]:
        """Return a column of the samples without empty values, or the images' folders if there is no such column.

        Raises:
            DataError: There is no such column, or a value is empty.
        """
        if self._is_folder(name):
            return np.array([plain_name(path.parent.name) for path in self.rows.images or ()], dtype=object)
        return np.array([plain_name(word) for word in self._column(name).words()], dtype=object)

    def _is_folder(self, name: str) -> bool:
        table = self.rows.table
        return name == FOLDER_LABEL and self.rows.images is not None and (table is None or name not in table.names)

    def _column(self, name: str) -> Column:
        if self.rows.table is None:
            raise DataError(
                f"dataset {self.declared.name!r} has no table with a column {name!r}",
                f"declare 'table', or use {FOLDER_LABEL!r}, an image's folder",
            )
        return self.rows.table.column(name)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Identifiers of all samples."""
        declared = self.declared.table
        if declared is None or self.rows.table is None:
            folder = self.root / self.declared.images.folder if self.declared.images else self.root
            of: dict[str, Path] = {}
            for path in self.rows.images or ():
                other = of.setdefault(composed(path.relative_to(folder).as_posix()), path)
                if other != path:
                    raise DataError(f"two files are called {path}, in two Unicode forms", "rename one of them")
            return tuple(of)
        if not declared.id:
            return tuple(f"{declared.path}:{line}" for line in self.rows.table.lines)
        column = self.rows.table.column(declared.id)
        first: dict[str, int] = {}
        for row, identifier in enumerate(map(plain_name, column.words())):
            if first.setdefault(identifier, row) != row:
                raise DataError(f"{column.where(row)}: {identifier!r} is there twice", "make ids unique")
        return tuple(first)

    @cached_property
    def lonlat(self) -> NDArray[np.float64] | None:
        """Longitude and latitude of all samples, ``(n, 2)``, or ``None``."""
        declared, images, table = self.declared.table, self.declared.images, self.rows.table
        paths = self.rows.images or ()
        if declared is not None and table is not None and declared.lon:
            lat = table.column(declared.lat)
            degrees = np.stack([table.column(declared.lon).numbers(), lat.numbers()], axis=1)
            where = lat.where
            lonlat = check_coordinates(degrees, where)
        else:

            def where(row: int) -> str:
                return str(paths[row])

            if images is not None and images.location:
                lonlat = self._locations_in_names(images.location)
            elif self.declared.located_by_images:
                lonlat = centres(paths, self._places)
            else:
                return None
        if self.declared.extent is not None:
            check_extent(lonlat, self.declared.extent, where)
        return lonlat

    @cached_property
    def _places(self) -> list[Georeference | None]:
        """Where the overhead images lie, by their own georeference."""
        images = self.declared.images
        if images is None or images.modality is not Modality.RS:
            return []
        needed = self.declared.located_by_images or self.declared.localized
        return read_places(self.rows.images or (), images.bands, needed=needed)

    @cached_property
    def _boxes(self) -> list[Box]:
        lonlat = self.lonlat
        return [] if lonlat is None else boxes(self.rows.images or (), self._places, lonlat)

    def _check_places(self) -> None:
        """Refuse overhead images whose headers are not as declared, or whose places disagree with the coordinates."""
        lonlat = self.lonlat
        if self._places and lonlat is not None:
            check_points(self.rows.images or (), self._places, lonlat)
        if self.declared.localized:
            _ = self._boxes

    def _stated_places(self) -> list[str]:
        """Return where the overhead images lie; a sidecar may state it, which the images' bytes do not show."""
        return [f"{place.crs.to_wkt()} {place.bounds}" for place in self._places if place is not None]

    @property
    def extent(self) -> Extent | None:
        """Where all samples were checked to lie."""
        return self.declared.extent

    def problems(self) -> list[str]:
        """Return what is certainly wrong with the table, and no run looks at."""
        return [sentence for certain, sentence in self._country_findings if certain]

    def warnings(self) -> list[str]:
        """Return what was left out and what looks wrong, one line each, for ``gairbench data check``."""
        doubts = [sentence for certain, sentence in self._country_findings if not certain]
        return [*self.rows.left_out, *doubts, *self._missing_pixels()]

    def _missing_pixels(self) -> list[str]:
        filled = {row: share for row, share in self.missing.items() if share}
        if not filled:
            return []
        worst = max(filled, key=lambda row: filled[row])
        mean, path = sum(filled.values()) / len(self.missing), (self.rows.images or ())[worst]
        count = f"{len(filled)} of {len(self.missing)} images lack pixels, {mean:.1%} of all"
        return [f"{count}; most are missing from {path} ({filled[worst]:.0%})"]

    @cached_property
    def _country_findings(self) -> list[tuple[bool, str]]:
        table, lonlat = self.rows.table, self.lonlat
        if table is None or lonlat is None:
            return []
        names = [name for name in table.single_names if may_hold_countries(name)]
        return list(far_from_country(map(table.column, names), lonlat))

    def box(self, index: int) -> Box | None:
        """Return an overhead image's box as seen from its point, or ``None`` if no task needs it.

        Raises:
            DataError: The image states no place, or the point lies outside it.
        """
        return self._boxes[index] if self.declared.localized else None

    def _locations_in_names(self, pattern: str) -> NDArray[np.float64]:
        compiled = re.compile(pattern)
        found = []
        paths = self.rows.images or ()
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

    def image(self, index: int) -> NDArray[Any]:
        """Read the image of a sample, ``(band, height, width)``.

        Raises:
            DataError: It is missing, broken, or not what is declared.
        """
        images = self.declared.images
        if images is None or self.rows.images is None:
            raise DataError(f"dataset {self.declared.name!r} has no images", "declare them")
        path = self.rows.images[index]
        if images.modality is Modality.SV:
            return read_photo(path, images.bands, images.size)
        image = read_overhead(path, images.unit, images.bands, missing_pixels=images.missing_pixels, size=images.size)
        self.missing[index] = image.missing
        return image.values

    @cached_property
    def _split_names(self) -> NDArray[np.str_]:
        rule = self.declared.split
        lonlat = self.lonlat
        strata = self.values(rule.stratify) if rule.stratify else None
        if rule.by == "random":
            return random_split(len(self.ids), rule.shares, rule.seed, strata)
        if rule.by == "blocks":
            if lonlat is None:
                raise DataError(f"dataset {self.declared.name!r} has no coordinates to make blocks of", "declare them")
            return block_split(lonlat, rule.degrees, rule.shares, rule.seed)
        if rule.by == "group":
            return group_split(self.values(rule.column).astype(np.str_), rule.shares, rule.seed)
        names = self._given_splits()
        if rule.val_share:
            train = names == "train"
            shares = (1 - rule.val_share, rule.val_share, 0.0)
            names[train] = random_split(int(train.sum()), shares, rule.seed, None if strata is None else strata[train])
        return names

    def _given_splits(self) -> NDArray[np.str_]:
        rule, images = self.declared.split, self.declared.images
        if rule.by == "files":
            return listed_split(self.ids, [[self.rows.inside(path) for path in paths] for paths in rule.given])
        if rule.by == "column":
            return given_split(self.ids, self.values(rule.column).tolist(), rule.given, f"column {rule.column!r}")
        folder = self.root / images.folder if images else self.root
        first = [plain_name(path.relative_to(folder).parts[0]) for path in self.rows.images or ()]
        return given_split(self.ids, first, rule.given, "its first folder")


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
            sample[SAMPLE_KEYS[images.modality]] = torch.from_numpy(values.astype(wider) if wider else values.copy())
        if lonlat is not None:
            sample[SAMPLE_KEYS[Modality.LOCATION]] = torch.from_numpy(lonlat[row].copy())
        box = self._source.box(row)
        if box is not None:
            sample["bbox"] = torch.tensor(box, dtype=torch.float64)
        return sample

    def note(self) -> str:
        """Return how many of the images that were read had missing pixels that were filled; empty if none."""
        fills = Fills()
        for row in self._rows:
            fills.add(self._source.missing.get(int(row), 0.0))
        return fills.sentence()

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`.

        Raises:
            KeyError: The dataset has no such target.
            DataError: A value is empty or of the wrong kind.
        """
        values: NDArray[Any] = self._source.labels(name)[0][self._rows]
        return values


def _content(path: Path) -> str:
    """Return the hash of a file's content.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        return file_sha256(path)
    except OSError as error:
        raise DataError(
            f"cannot read {path}: {error.strerror or error}", "restore the file or fix its permissions"
        ) from error
