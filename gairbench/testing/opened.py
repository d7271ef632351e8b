"""An opened dataset, and checks of it that list every problem for a report and raise for a test."""

from __future__ import annotations

import itertools
import unittest
from collections.abc import Callable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec

from gairbench.data import DataSource, Split
from gairbench.dense_targets import read_dense, reads_dense
from gairbench.errors import DataError, DataMissingError, GairbenchError
from gairbench.files.folders import require_folder
from gairbench.isolation import call_factory, named
from gairbench.memo import default_cache
from gairbench.spec import DataContext, DatasetSpec, TaskSpec
from gairbench.testing.isolated import unreported
from gairbench.testing.seen import Seen, look

if TYPE_CHECKING:
    from numpy.typing import NDArray

LISTED = 5
"""Problems that the error of a failed check lists."""

P = ParamSpec("P")

# Random numbers differ from instance to instance, so that samples which depend on them do.
_SEEDS = itertools.count()


class OpenedDataset:
    """A dataset whose source, splits and targets are read once, however many checks ask for them.

    Args:
        spec: The dataset.
        root: The data root, or ``None``.
        every: Look at every sample; otherwise at some of each split, spread over it.
    """

    def __init__(self, spec: DatasetSpec, root: Path | None, *, every: bool) -> None:
        self.spec = spec
        self.root = root
        self.every = every
        self.changes = ""
        self.folder = default_cache()
        self._targets: dict[tuple[str, str, bool], NDArray[Any]] = {}

    @cached_property
    def source(self) -> DataSource:
        """What the factory returns; what calling it changed in the process is in ``changes`` then."""
        return self.open_again()

    @cached_property
    def other(self) -> DataSource:
        """A second instance of the source."""
        return self.open_again()

    def open_again(self) -> DataSource:
        """Return another instance of the source.

        Raises:
            DataError: The dataset needs files, and its folder is not there.
        """
        folder = self.spec.folder
        if folder and self.root is None:
            raise DataError(f"dataset {self.spec.name!r} needs files in folder {folder!r}", "give --data-root")
        if folder and self.root is not None:
            require_folder(self.root / folder, f"folder of dataset {self.spec.name!r}:")
        who = named("dataset", self.spec.name, self.spec.factory)
        context = DataContext(root=self.root, dataset=self.spec)
        with unreported():
            source: DataSource
            source, changes = call_factory(who, self.spec.factory, context, seed=next(_SEEDS))
        # What is changed while a module is imported is changed once.
        self.changes = self.changes or changes
        return source

    @cached_property
    def splits(self) -> dict[str, Split]:
        """The splits that can be opened."""
        return {name: split for name, split in self._opened.items() if not isinstance(split, Exception)}

    @cached_property
    def unopened(self) -> dict[str, Exception]:
        """Why the other splits cannot be opened."""
        return {name: split for name, split in self._opened.items() if isinstance(split, Exception)}

    @cached_property
    def _opened(self) -> dict[str, Split | Exception]:
        opened: dict[str, Split | Exception] = {}
        for name in self.spec.splits:
            try:
                opened[name] = self.source.split(name)
            # A dataset may be third-party code, and one broken split must not hide what is wrong with the others.
            except Exception as error:
                opened[name] = error
        return opened

    @cached_property
    def seen(self) -> Seen:
        """What is seen in the samples of the splits that can be opened."""
        return look(self.spec, self.splits, every=self.every)

    def target(self, split: str, name: str, *, dense: bool = False) -> NDArray[Any]:
        """Return a target of a split, whatever it is.

        Args:
            split: Name of the split.
            name: Name of the target.
            dense: It is one of masks or maps.

        Raises:
            Exception: Whatever the source raises.
        """
        if (split, name, dense) not in self._targets:
            self._targets[split, name, dense] = self.read_target(self.splits[split], name, dense=dense)
        return self._targets[split, name, dense]

    def read_target(self, split: Split, name: str, *, dense: bool) -> NDArray[Any]:
        """Return a target of a split, read anew; a dense one that is read sample by sample is on the disk.

        Raises:
            Exception: Whatever the source raises.
        """
        if dense and reads_dense(split):
            import numpy as np

            return read_dense(split, name, np.arange(len(split)), f"target {name!r}", self.folder)
        return split.target(name)


@lru_cache(maxsize=2)
def _for_tests(spec: DatasetSpec, root: Path | None) -> OpenedDataset:
    if spec.folder and (root is None or not (root / spec.folder).is_dir()):
        # Of the standard library, and understood by pytest too.
        raise unittest.SkipTest(f"dataset {spec.name} is not below data_root={root}")
    opened = OpenedDataset(spec, root, every=False)
    for error in opened.unopened.values():
        if isinstance(error, DataMissingError):
            raise unittest.SkipTest(str(error))
    return opened


class Check(Generic[P]):
    """A check of an opened dataset or of a task on it.

    ``check.problems(...)`` lists all that is wrong, for a report. ``check(...)``, with the data root last, raises an
    ``AssertionError`` that names it, for a test.

    Args:
        find: Yields one sentence for each problem.
    """

    def __init__(self, find: Callable[P, Iterator[str]]) -> None:
        self.__name__ = find.__name__
        self.__doc__ = find.__doc__
        self._find = find

    def problems(self, *arguments: P.args, **options: P.kwargs) -> list[str]:
        """Return everything that is wrong, one sentence each; an error that is raised on the way is one too."""
        return self._problems(*arguments, **options)[0]

    def _problems(self, *arguments: P.args, **options: P.kwargs) -> tuple[list[str], Exception | None]:
        found: list[str] = []
        try:
            found.extend(self._find(*arguments, **options))
        except unittest.SkipTest:
            raise
        except Exception as error:
            return [*found, message_of(error)], error
        return found, None

    def _require(self, subject: str, *arguments: P.args, **options: P.kwargs) -> None:
        found, error = self._problems(*arguments, **options)
        if found:
            more = f"; and {len(found) - LISTED} more" if len(found) > LISTED else ""
            raise AssertionError(f"{subject}: {'; '.join(found[:LISTED])}{more}") from error


class DatasetCheck(Check[Concatenate[OpenedDataset, ...]]):
    """A check of a dataset."""

    def __call__(self, spec: DatasetSpec, root: Path | None, *more: Any) -> None:
        """Raise an ``AssertionError`` if anything is wrong.

        Raises:
            unittest.SkipTest: The dataset's files are not here, or another process cannot open it.
        """
        self._require(spec.name, _for_tests(spec, root), *more)


class TaskCheck(Check[Concatenate[TaskSpec, OpenedDataset, ...]]):
    """A check of a task on its dataset."""

    def __call__(self, spec: TaskSpec, root: Path | None) -> None:
        """Raise an ``AssertionError`` if anything is wrong.

        Raises:
            unittest.SkipTest: The dataset's files are not here.
        """
        self._require(spec.name, spec, _for_tests(spec.dataset, root))


def message_of(error: Exception) -> str:
    """Return what an error says; the type of one that is not gairbench's own says much."""
    return str(error) if isinstance(error, GairbenchError) else f"{type(error).__name__}: {error}"
