"""The labels of samples: words, measurements, and which classes take no part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.tables import Column
from gairbench.kinds import ONE_CLASS
from gairbench.names import plain_name
from gairbench.spec import Kind
from gairbench.taskfiles.declaration import FOLDER_LABEL, FileDataset, Target
from gairbench.taskfiles.rows import SampleRows

_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?")
_WHOLE_FLOAT = re.compile(r"[-+]?[0-9]+\.0*")


@dataclass(frozen=True, slots=True)
class Labelled:
    """A target of all samples.

    Args:
        values: As :meth:`gairbench.data.Split.target` returns them.
        classes: Names of its classes, or of several measurements; empty for one measurement.
        left_out: For each sample of a class that takes no part the class's name, otherwise an empty word; empty if
            all classes do.
        dropped: Names of labels that take no part, of samples with several.
    """

    values: NDArray[Any]
    classes: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()

    def note(self, rows: NDArray[np.int64]) -> str:
        """Say which classes and how many of some samples are left out; empty if none."""
        if self.dropped:
            return f"labels left out: {', '.join(map(repr, self.dropped))}"
        if not self.left_out:
            return ""
        names = [name for row in rows if (name := self.left_out[row])]
        counts = ", ".join(f"{name!r} ({names.count(name)})" for name in sorted(set(names)))
        return f"{len(names)} samples of classes that are left out: {counts}" if names else ""


class SampleLabels:
    """The labels of samples, from columns or from the folders of images.

    Args:
        declared: The dataset.
        rows: Its rows and files.
    """

    def __init__(self, declared: FileDataset, rows: SampleRows) -> None:
        self.declared = declared
        self.rows = rows

    def read(self, wanted: Target, splits: NDArray[np.str_]) -> Labelled:
        """Read a target.

        Args:
            wanted: What it is: classes, labels or measurements.
            splits: The split of each sample.

        Raises:
            DataError: Its column is missing, a value is empty or of the wrong kind, all classes are left out, the order
                of classes is not stated, or one of several labels occurs in val or test and never in train.
        """
        if wanted.kind is Kind.REGRESSION:
            return Labelled(self._measurements(wanted.column, wanted.transform))
        if wanted.kind is Kind.MULTI_REGRESSION:
            columns = [self._measurements(name, wanted.transform) for name in wanted.columns]
            return Labelled(np.stack(columns, axis=1), wanted.columns)
        if wanted.kind in ONE_CLASS:
            return self._classes(wanted, splits)
        return self._several(wanted, splits)

    def _classes(self, wanted: Target, splits: NDArray[np.str_]) -> Labelled:
        words = self._class_names(wanted.column, self.values(wanted.column)).astype(np.str_).tolist()
        names = self._ascending(wanted, words) if wanted.kind is Kind.ORDINAL else sorted(set(words))
        place = {name: number for number, name in enumerate(names)}
        index = np.array([place[word] for word in words], dtype=np.int64)
        in_train = np.bincount(index[splits == "train"], minlength=len(names))
        without = self._without(wanted, names, in_train)
        if not without:
            return Labelled(index, tuple(names))
        kept = [name for name in names if name not in without]
        number = np.array([kept.index(name) if name in kept else -1 for name in names], dtype=np.int64)
        left_out = tuple(word if word in without else "" for word in words)
        return Labelled(number[index], tuple(kept), left_out)

    def _ascending(self, wanted: Target, words: Sequence[str]) -> list[str]:
        """Return the names of ordered classes, the lowest first: as they are stated, or by their numbers."""
        known, column = {*wanted.order}, wanted.column
        numbers: dict[float, str] = {}
        for row, word in enumerate(words):
            if wanted.order and word not in known:
                raise DataError(
                    f"{self._where(column, row)}: {word!r} is not one of 'classes' ({', '.join(wanted.order)})",
                    "add it in its place, or correct the value",
                )
            if wanted.order:
                continue
            if not _NUMBER.fullmatch(word):
                raise DataError(
                    f"{self._where(column, row)}: the order of class {word!r} is not stated",
                    "name all classes in 'classes', the lowest first",
                )
            if numbers.setdefault(float(word), word) != word:
                raise DataError(
                    f"{self._where(column, row)}: {word!r} and {numbers[float(word)]!r} are one number",
                    "write it in one way",
                )
        return list(wanted.order) or [numbers[number] for number in sorted(numbers)]

    def _without(self, wanted: Target, names: Sequence[str], in_train: NDArray[np.int64]) -> set[str]:
        """Return the classes that take no part."""
        dropped = {*map(plain_name, wanted.drop_classes)}
        if unknown := sorted(dropped.difference(names)):
            raise DataError(
                f"drop_classes of {wanted.column!r} names {unknown[0]!r}, which no sample has", "correct drop_classes"
            )
        rare = {name for name, count in zip(names, in_train, strict=True) if count < wanted.min_samples}
        if dropped | rare == {*names}:
            most = int(in_train.max(initial=0))
            raise DataError(
                f"no class of {wanted.column!r} is left: the largest has {most} samples in train",
                "lower min_samples, or drop fewer classes",
            )
        return dropped | rare

    def _several(self, wanted: Target, splits: NDArray[np.str_]) -> Labelled:
        sets = [{*map(plain_name, labels)} for labels in self._label_lists(wanted)]
        names = sorted(set().union(*sets))
        values = np.array([[name in present for name in names] for present in sets], dtype=bool)
        train = splits == "train"
        without = self._without(wanted, names, values[train].sum(axis=0)) if names else set()
        kept = [i for i, name in enumerate(names) if name not in without]
        names, values = [names[i] for i in kept], values[:, kept]
        in_train = values[train].any(axis=0)
        for split in ("val", "test"):
            here = splits == split
            unseen = values[here].any(axis=0) & ~in_train
            if unseen.any():
                label = int(unseen.argmax())
                row = int(np.flatnonzero(here & values[:, label])[0])
                raise DataError(
                    f"{self._where(wanted.column, row)}: label {names[label]!r} is in split {split!r} but not in train",
                    "split the data so that train has every label",
                )
        return Labelled(values, tuple(names), dropped=tuple(sorted(without)))

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

    def _measurements(self, name: str, transform: str) -> NDArray[np.float64]:
        column = self._column(name)
        measured = column.numbers()
        if transform == "log1p":
            impossible = np.flatnonzero(measured <= -1)
            if len(impossible):
                row = int(impossible[0])
                raise DataError(
                    f"{column.where(row)}: log1p({measured[row]:g}) is undefined",
                    "use 'transform: none', or fix the value",
                )
            measured = np.log1p(measured)
        return measured

    def has(self, name: str) -> bool:
        """Say whether there is a column of this name, or whether it means the images' folders."""
        table = self.rows.table
        return self._is_folder(name) or (table is not None and plain_name(name) in table.names)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, and of the images' folders where no column is called so."""
        columns = () if self.rows.table is None else tuple(self.rows.table.names)
        return (*columns, *((FOLDER_LABEL,) if self._is_folder(FOLDER_LABEL) else ()))

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
