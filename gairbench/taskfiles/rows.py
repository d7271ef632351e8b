"""Which rows of a task file's tables, and which images, are samples."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import compress
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import DataError
from gairbench.files.arrays import ArraysTable
from gairbench.files.folders import FoundFiles, NamedFiles, find_files, require_folder
from gairbench.files.folders import inside as check_inside
from gairbench.files.tables import SampleTable, read_table, sample_table
from gairbench.names import composed, plain_name
from gairbench.taskfiles.dates import dates_of
from gairbench.taskfiles.declaration import PLACEHOLDER, FileDataset, ImageFiles, MaskFiles

logger = logging.getLogger("gairbench")

LISTED = 10
"""Rows an error message lists at most."""


@dataclass(frozen=True, slots=True)
class Frames:
    """The files of one sample's images of one name.

    Args:
        paths: One for each frame; one for a single image.
        missing: The first that is not there, or why there are none; empty if all are there.
        dates: Days since 1970-01-01 of frames that a table lists.
    """

    paths: tuple[Path, ...]
    missing: str = ""
    dates: tuple[float, ...] = ()


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

    @cached_property
    def images(self) -> tuple[Path, ...] | None:
        """The first files of the first images, one a sample; ``None`` if no images are in files.

        Raises:
            DataError: As for :attr:`table`.
        """
        main = self.declared.main
        return None if main is None else tuple(paths[0] for paths in self.files(main.name))

    def files(self, name: str) -> list[tuple[Path, ...]]:
        """Return the files of each sample's images of one name: one, or one for each frame of a series.

        Raises:
            DataError: As for :attr:`table`.
        """
        return [frames.paths for frames in self._taken[1][name]]

    def dates(self, name: str) -> list[tuple[float, ...]]:
        """Return the days since 1970-01-01 of each sample's frames of a series that has a table of them.

        Raises:
            DataError: As for :attr:`table`.
        """
        return [frames.dates for frames in self._taken[1][name]]

    @property
    def places(self) -> NDArray[np.int64]:
        """Where each sample stands in arrays: its row in the main table, before any is left out."""
        table = self.table
        assert table is not None  # noqa: S101  (arrays need a table)
        return table.at[0]

    @cached_property
    def joined(self) -> SampleTable | None:
        """The rows of the tables, whether or not their images are there."""
        declared = self.declared.table
        if declared is None:
            return None
        if declared.arrays:
            columns = [(name, self.inside(path), at) for name, path, at in declared.arrays]
            table = sample_table(ArraysTable(columns))
        else:
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
    def _taken(self) -> tuple[SampleTable | None, dict[str, list[Frames]]]:
        """The rows of the tables whose images are all there, and the images by name."""
        table = self.joined
        found: dict[str, list[Frames]] = {}
        for images in self.declared.images:
            if images.array is not None:
                continue
            folder = self.root / images.folder
            require_folder(folder, "image folder")
            if table is None:
                found[images.name] = [Frames((path,)) for path in self._matching(folder, images.pattern)]
                continue
            files = NamedFiles(folder, root=self.root, follow_links=self.declared.follow_links)
            rows = self._of_series(table, images, files) if images.series else self._named(table, images, files)
            present = np.array([not frames.missing for frames in rows], dtype=bool)
            missing = next((frames.missing for frames in rows if frames.missing), "")
            table = self._leave_out(table, present, images.missing, "image", missing)
            kept = {name: list(compress(frames, present)) for name, frames in found.items()}
            found = kept | {images.name: list(compress(rows, present))}
        return table, found

    def _named(self, table: SampleTable, images: ImageFiles, files: NamedFiles) -> list[Frames]:
        """Return what the templates make of each row."""
        named = [self.names(table, template, files.folder) for template in images.files]
        return [_found(names, files) for names in zip(*named, strict=True)]

    def _of_series(self, table: SampleTable, images: ImageFiles, files: NamedFiles) -> list[Frames]:
        """Return the frames of each row, in the order of their dates."""
        series = images.series
        assert series is not None  # noqa: S101
        here, there = series.on
        frames = read_table(self.inside(series.path))
        names = self.names(frames, images.files[0], files.folder)
        dates = dates_of(frames.column(series.date)) if series.date else np.arange(len(frames), dtype=np.float64)
        of: dict[str, list[int]] = {}
        for row, key in enumerate(map(plain_name, frames.column(there).words())):
            of.setdefault(key, []).append(row)
        found = []
        for word in map(plain_name, table.column(here).words()):
            rows = sorted(of.get(word, []), key=lambda row: (dates[row], row))
            if not rows:
                found.append(Frames((), missing=f"of {word!r} in {frames.path}"))
                continue
            paths = _found([names[row] for row in rows], files)
            found.append(replace(paths, dates=tuple(dates[rows].tolist()) if series.date else ()))
        return found

    def masks(self, mask: MaskFiles, image: str) -> list[Path]:
        """Return the masks of all samples.

        Args:
            mask: Where they are.
            image: Name of the images that they are of.

        Raises:
            DataError: One is missing.
        """
        folder = self.root / mask.folder
        require_folder(folder, "folder of masks")
        files = NamedFiles(folder, root=self.root, follow_links=self.declared.follow_links)
        if self.table is not None:
            names = self.names(self.table, mask.file, folder)
        else:
            images = self.root / self.declared.image(image).folder
            names = [_beside(path, images, mask.file) for (path,) in self.files(image)]
        found = [files.find(name) for name in names]
        lacking = [name for name, path in zip(names, found, strict=True) if path is None]
        if lacking:
            more = f" (nor {len(lacking) - 1} others)" if len(lacking) > 1 else ""
            raise DataError(f"no mask {folder / lacking[0]}{more}", "add it, or correct the mask's folder or file")
        return [path for path in found if path is not None]

    def names(self, table: SampleTable, template: str, folder: Path) -> list[str]:
        """Return what a template makes of each row, a path below a folder.

        Raises:
            DataError: A column is missing or has empty cells, or a path leads out of the folder.
        """
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


def _found(names: Sequence[str], files: NamedFiles) -> Frames:
    paths = [files.find(name) for name in names]
    missing = next((str(files.folder / name) for name, path in zip(names, paths, strict=True) if path is None), "")
    return Frames(tuple(path for path in paths if path is not None), missing)


def _beside(path: Path, folder: Path, template: str) -> str:
    """Return what a mask's template makes of an image's path."""
    parts = {"stem": path.stem, "folder": path.parent.relative_to(folder).as_posix()}

    def part(found: re.Match[str]) -> str:
        if found[1] not in parts:
            raise DataError(
                f"the masks' file {template!r} names a column {found[1]!r}, and there is no table",
                "write {stem} for the image's name and {folder} for its folder",
            )
        return parts[found[1]]

    return PLACEHOLDER.sub(part, template)


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
