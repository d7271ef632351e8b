"""Which rows of a task file's tables, and which images, are samples."""

from __future__ import annotations

import logging
from functools import cached_property
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.folders import FoundFiles, NamedFiles, find_files, require_folder
from gairbench.files.folders import inside as check_inside
from gairbench.files.tables import SampleTable, read_table
from gairbench.names import composed, plain_name
from gairbench.taskfiles.declaration import PLACEHOLDER, FileDataset

logger = logging.getLogger("gairbench")

LISTED = 10
"""Rows an error message lists at most."""


class SampleRows:
    """The rows of joined tables whose images are there, and the images; found when they are first needed.

    Args:
        declared: The dataset.
        root: The data root.
    """

    def __init__(self, declared: FileDataset, root: Path) -> None:
        self.declared = declared
        self.root = root
        self.left_out: list[str] = []
        """What was left out and why, one line each, as far as rows and images have been looked for."""

    @property
    def table(self) -> SampleTable | None:
        """The rows, one a sample; ``None`` if no table is declared.

        Raises:
            DataError: A table, a partner or an image is missing or broken.
        """
        return self._taken[0]

    @property
    def images(self) -> tuple[Path, ...] | None:
        """The images, one a sample; ``None`` if none are declared.

        Raises:
            DataError: As for :attr:`table`.
        """
        return self._taken[1]

    @cached_property
    def joined(self) -> SampleTable | None:
        """The rows of the tables, whether or not their images are there."""
        declared = self.declared.table
        if declared is None:
            return None
        table = read_table(self.inside(declared.path))
        for join in declared.joins:
            path = self.inside(join.path)
            table, found = table.join(read_table(path), join.on)
            table = self._leave_out(table, found, join.missing, "partner", f"in {path}")
        for name, wanted in declared.keep:
            words, kept = table.column(name).texts(), {*map(plain_name, wanted)}
            table = table.rows(np.array([plain_name(word) in kept for word in words], dtype=bool))
            if not len(table):
                raise DataError(
                    f"no row of {table.path} has {' or '.join(map(repr, wanted))} in column {name!r}", "correct 'keep'"
                )
        return table

    def _leave_out(
        self, table: SampleTable, present: NDArray[np.bool_], missing: str, what: str, detail: str
    ) -> SampleTable:
        absent = np.flatnonzero(~present)
        if not len(absent):
            return table
        if missing == "refuse" or len(absent) == len(table):
            others = ", ".join(map(str, table.lines[absent[1 : LISTED + 1]]))
            rest = f" and {len(absent) - LISTED - 1} more" if len(absent) > LISTED + 1 else ""
            more = f" (nor for {others}{rest})" if others else ""
            hint = "correct the path" if len(absent) == len(table) else "add it, or declare 'missing: drop'"
            raise DataError(f"{table.where(int(absent[0]))}: no {what} {detail}{more}", hint)
        left_out = f"{len(absent)} of {len(table)} rows have no {what} (first: no {what} {detail}) and are left out"
        self.left_out.append(left_out)
        logger.warning("dataset %s: %s", self.declared.name, left_out)
        return table.rows(present)

    @cached_property
    def _taken(self) -> tuple[SampleTable | None, tuple[Path, ...] | None]:
        """The rows of the tables whose images are there, and the images."""
        table, images = self.joined, self.declared.images
        if images is None:
            return table, None
        folder = self.root / images.folder
        require_folder(folder, "image folder")
        if table is None or not images.file:
            return table, self._matching(folder, images.pattern)
        files = NamedFiles(folder, root=self.root, follow_links=self.declared.follow_links)
        names = self._image_names(table, images.file, folder)
        paths = [files.find(name) for name in names]
        present = np.array([path is not None for path in paths], dtype=bool)
        missing = next((folder / name for name, path in zip(names, paths, strict=True) if path is None), folder)
        table = self._leave_out(table, present, images.missing, "image", str(missing))
        return table, tuple(path for path in paths if path is not None)

    def _image_names(self, table: SampleTable, template: str, folder: Path) -> list[str]:
        """Return what the template makes of each row, a path below the images' folder."""
        parts = PLACEHOLDER.split(template)
        columns = [table.column(name).words() for name in parts[1::2]]
        names = []
        for row, words in enumerate(zip(*columns, strict=True)):
            name = "".join(literal + word for literal, word in zip(parts[::2], (*words, ""), strict=True))
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise DataError(
                    f"{table.where(row)} names the image {name!r}, which is outside {folder}",
                    "make the column hold paths below the images' folder",
                )
            names.append(name)
        return names

    def _matching(self, folder: Path, pattern: str) -> tuple[Path, ...]:
        found = find_files(folder, pattern, root=self.root, follow_links=self.declared.follow_links)
        left_out = "; ".join(_not_taken(found, folder))
        if not found.paths:
            raise DataError(
                f"no image matches {pattern!r} in {folder}" + (f" ({left_out})" if left_out else ""),
                "correct the pattern",
            )
        if left_out:
            self.left_out.append(f"left out: {left_out}")
            logger.warning("dataset %s: left out: %s", self.declared.name, left_out)
        # In the order of the names that are compared, so that a copy on another system is split alike.
        return tuple(sorted(found.paths, key=lambda path: tuple(map(composed, path.relative_to(folder).parts))))

    def inside(self, path: str) -> Path:
        """Return the path of a table or list, which must not lead out of the data root."""
        check_inside(self.root / path, self.root, self.declared.follow_links)
        return self.root / path


def _not_taken(found: FoundFiles, folder: Path) -> list[str]:
    """Say what a pattern did not take, and why."""
    reasons = (
        (found.hidden, "hidden file", "name hidden files in the pattern if they are data"),
        (found.other_case, "file whose case differs", "the pattern distinguishes upper and lower case"),
        (found.folders, "folder whose name matches", "a folder is not an image"),
    )
    return [
        f"{len(paths)} {_plural(what) if len(paths) > 1 else what}, such as"
        f" {paths[0].relative_to(folder).as_posix()!r} ({why})"
        for paths, what, why in reasons
        if paths
    ]


def _plural(what: str) -> str:
    return what.replace("file", "files").replace("folder", "folders").replace("name matches", "names match")
