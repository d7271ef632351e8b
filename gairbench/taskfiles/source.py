"""Samples made of files that people have: images, tables, or both."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.data import dates_key, mask_key, sample_key
from gairbench.digests import digest, file_sha256
from gairbench.errors import DataError
from gairbench.files.formats import table_sha256
from gairbench.files.missing_pixels import Fills
from gairbench.inputs import Modality
from gairbench.kinds import DENSE, WITH_CLASSES
from gairbench.names import composed, plain_name
from gairbench.spec import Kind
from gairbench.taskfiles.declaration import DateArray, Extent, FileDataset, Target
from gairbench.taskfiles.division import divide
from gairbench.taskfiles.labels import Labelled, SampleLabels
from gairbench.taskfiles.masks import SampleMasks, classes_of
from gairbench.taskfiles.pixels import SamplePixels
from gairbench.taskfiles.rows import SampleRows
from gairbench.taskfiles.whereabouts import Whereabouts
from gairbench.valid_pixels import mask_tensor

if TYPE_CHECKING:
    from torch import Tensor

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
        self.rows = SampleRows(declared, root)
        self.pixels = SamplePixels(declared, self.rows)
        self.whereabouts = Whereabouts(declared, self.rows)
        self.labels = SampleLabels(declared, self.rows)
        self.masks = SampleMasks(self.rows, self.pixels, self.whereabouts)
        self._read: dict[str, Labelled] = {}

    def fingerprint(self) -> str:
        """Return a hash of every file used and of everything that decides samples and splits.

        Whatever can be wrong with the tables, identifiers, coordinates, arrays and splits is found here, before a run
        begins.

        Raises:
            DataError: The data are missing or broken.
        """
        declared = self.declared
        for name in declared.split.splits:
            self.split(name)
        self.whereabouts.check()
        _ = self.pixels.arrays
        for images in declared.images:
            for row in range(len(self.ids)) if images.dates or images.series else ():
                self.pixels.dates(images, row)
        content = hashlib.sha256()
        for path in self._image_files():
            content.update(f"{composed(path.relative_to(self.root).as_posix())} {_content(path)}\n".encode())
        lists = [path for paths in declared.split.given for path in paths] if declared.split.by == "files" else []
        return digest(
            images=content.hexdigest(),
            tables=[
                *(table_sha256(self.rows.inside(path)) for path in self._tables()),
                *(_content(self.rows.inside(path)) for path in [*self._arrays(), *lists]),
            ],
            declared=[declared.images, declared.table, declared.split],
            reading=READING_VERSION,
            places=self.whereabouts.texts(),
        )

    def _image_files(self) -> Iterator[Path]:
        """Yield all images and masks."""
        for images in self.declared.images:
            if images.array is None:
                yield from (path for frames in self.rows.files(images.name) for path in frames)
        for target in self.declared.targets:
            if target.mask is not None:
                yield from self.masks.files(target)

    def _tables(self) -> Iterator[str]:
        table = self.declared.table
        if table is not None:
            yield from filter(None, (table.path, *(join.path for join in table.joins)))
        yield from (images.series.path for images in self.declared.images if images.series is not None)

    def _arrays(self) -> Iterator[str]:
        table = self.declared.table
        if table is not None:
            yield from dict.fromkeys(path for _, path, _ in table.arrays)
        for images in self.declared.images:
            if images.array is not None:
                yield images.array.path
            if isinstance(images.dates, DateArray):
                yield images.dates.path

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
        """Return the class names of a target, or of several measurements; empty for one measurement and for places.

        Raises:
            KeyError: There is no such target.
            DataError: Its column is missing or has empty values.
        """
        wanted = self.wanted(target)
        if wanted.mask is not None:
            return classes_of(wanted.mask)
        return () if wanted.kind is Kind.GEOLOCALIZATION else self.labelled(target).classes

    def wanted(self, target: str) -> Target:
        """Return what a target is.

        Raises:
            KeyError: There is no such target.
        """
        return {t.name: t for t in self.declared.targets}[target]

    def labelled(self, target: str) -> Labelled:
        """Return the labels of all samples, one a sample.

        Raises:
            KeyError: There is no such target.
            DataError: As for :meth:`gairbench.taskfiles.labels.SampleLabels.read`.
        """
        if target not in self._read:
            self._read[target] = self.labels.read(self.wanted(target), self._split_names)
        return self._read[target]

    def target(self, name: str, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return a target of some samples.

        Raises:
            KeyError: There is no such target.
            DataError: A value is empty or of the wrong kind, or a mask is broken.
        """
        wanted = self.wanted(name)
        if wanted.kind in DENSE:
            return np.stack([self.masks.read(wanted, row, int(rows[0])) for row in rows.tolist()])
        if wanted.kind is Kind.GEOLOCALIZATION:
            lonlat = self.lonlat
            assert lonlat is not None  # noqa: S101  (parsing demands coordinates)
            return lonlat[rows]
        chosen: NDArray[Any] = self.labelled(name).values[rows]
        return chosen

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Identifiers of all samples."""
        declared = self.declared.table
        if declared is None or self.rows.table is None:
            main = self.declared.main
            folder = self.root / main.folder if main else self.root
            of: dict[str, Path] = {}
            for path in self.rows.images or ():
                other = of.setdefault(composed(path.relative_to(folder).as_posix()), path)
                if other != path:
                    raise DataError(f"two files are called {path}, in two Unicode forms", "rename one of them")
            return tuple(of)
        if not declared.id:
            return tuple(f"{declared.path or 'row'}:{line}" for line in self.rows.table.lines)
        column = self.rows.table.column(declared.id)
        first: dict[str, int] = {}
        for row, identifier in enumerate(map(plain_name, column.words())):
            if first.setdefault(identifier, row) != row:
                raise DataError(f"{column.where(row)}: {identifier!r} is there twice", "make ids unique")
        return tuple(first)

    @property
    def lonlat(self) -> NDArray[np.float64] | None:
        """Longitude and latitude of all samples, ``(n, 2)``, or ``None``."""
        return self.whereabouts.lonlat

    @property
    def extent(self) -> Extent | None:
        """Where all samples were checked to lie."""
        return self.declared.extent

    def problems(self) -> list[str]:
        """Return what is certainly wrong with the table, and no run looks at."""
        return [sentence for certain, sentence in self.whereabouts.country_findings if certain]

    def warnings(self) -> list[str]:
        """Return what was left out and what looks wrong, one line each, for ``gairbench data check``."""
        doubts = [sentence for certain, sentence in self.whereabouts.country_findings if not certain]
        return [*self.rows.left_out, *doubts, *self.pixels.warnings()]

    @cached_property
    def _split_names(self) -> NDArray[np.str_]:
        return divide(self.declared, self.ids, self.rows, self.labels, self.lonlat)


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
        source = self._source
        for images in source.declared.images:
            values, valid = source.pixels.image(images, row)
            # torch has few unsigned types; the next wider signed one holds all their values.
            wider = {"uint16": "int32", "uint32": "int64"}.get(values.dtype.name)
            sample[sample_key(images.name)] = torch.from_numpy(values.astype(wider) if wider else values.copy())
            sample[mask_key(images.name)] = mask_tensor(valid, values.shape)
            dates = source.pixels.dates(images, row)
            if dates is not None:
                sample[dates_key(images.name)] = torch.tensor(dates, dtype=torch.float64)
        if source.lonlat is not None:
            sample[sample_key(Modality.LOCATION)] = torch.from_numpy(source.lonlat[row].copy())
        box = source.whereabouts.box(row)
        if box is not None:
            sample["bbox"] = torch.tensor(box, dtype=torch.float64)
        return sample

    def note(self) -> str:
        """Return how many of the images that were read had missing pixels that were filled; empty if none."""
        fills = Fills()
        for share in self._source.pixels.note_of(self._rows):
            fills.add(share)
        return fills.sentence()

    def left_out(self, target: str) -> str:
        """Return which classes and how many samples are left out of a target; empty if none."""
        if self._source.wanted(target).kind not in WITH_CLASSES - DENSE:
            return ""
        return self._source.labelled(target).note(self._rows)

    def groups(self, name: str) -> NDArray[np.str_]:
        """Return the values of a column of the table, or the images' folders (``"folder"``), aligned with :attr:`ids`.

        Raises:
            KeyError: There is no such column.
            DataError: A value is empty.
        """
        labels = self._source.labels
        if not labels.has(name):
            raise KeyError(name)
        return labels.values(name).astype(np.str_)[self._rows]

    def groupings(self) -> tuple[str, ...]:
        """Return the names of the table's columns, and ``"folder"`` where that means the images' folders."""
        return self._source.labels.names

    def places(self) -> NDArray[np.float64] | None:
        """Return longitude and latitude of every sample, or ``None`` where they have no place."""
        lonlat = self._source.lonlat
        return None if lonlat is None else lonlat[self._rows]

    def target(self, name: str) -> NDArray[Any]:
        """Return a target, aligned with :attr:`ids`.

        Raises:
            KeyError: The dataset has no such target.
            DataError: A value is empty or of the wrong kind.
        """
        return self._source.target(name, self._rows)

    def target_at(self, name: str, index: int) -> NDArray[Any]:
        """Return the mask of one sample, as :meth:`target` has it.

        Raises:
            KeyError: The dataset has no such target, or it is not one of masks.
            DataError: The mask is broken or does not fit its image.
        """
        wanted = self._source.wanted(name)
        if wanted.kind not in DENSE:
            raise KeyError(name)
        return self._source.masks.read(wanted, int(self._rows[index]), int(self._rows[0]))


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
