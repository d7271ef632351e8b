"""Find files in users' folders: by pattern, by name, and whether a link leads out of the data root."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gairbench.errors import DataError
from gairbench.names import composed, printable

SYSTEM_NAMES = frozenset(
    {
        "@eadir", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "system volume information", "lost+found",
        "thumbs.db", "ehthumbs.db", "desktop.ini",
    }
)  # fmt: skip
"""What file managers, archives and network drives put beside people's files, in lower case."""


@dataclass(slots=True)
class FoundFiles:
    """Which files match a pattern, and which nearly do.

    Args:
        paths: The files, sorted.
        hidden: Files left out because they, or a folder on the way, are hidden or made by the system.
        other_case: Files left out because their names match only if upper and lower case are the same.
        folders: Folders whose names match; a folder is not a file.
    """

    paths: list[Path] = field(default_factory=list)
    hidden: list[Path] = field(default_factory=list)
    other_case: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """One part of a pattern, between slashes; ``any_depth`` for ``**``."""

    text: str
    any_depth: bool
    exact: re.Pattern[str]
    folded: re.Pattern[str]

    def takes_hidden(self, name: str) -> bool:
        """Whether the part itself names a hidden thing, as in a shell: ``.cache``, ``.*``, ``@eaDir``."""
        return not self.any_depth and (self.text[0] == name[0] == "." or self.text.casefold() == name.casefold())


@dataclass(frozen=True, slots=True)
class _State:
    """How far a path has matched the pattern, and whether that took a hidden name or another case."""

    part: int
    hidden: bool = False
    other_case: bool = False


def is_hidden(name: str) -> bool:
    """Whether a file or folder is hidden, or made by a system or a program for itself."""
    return name.startswith(".") or name.casefold() in SYSTEM_NAMES


def check_pattern(pattern: str) -> str:
    """Return what is wrong with a pattern; empty if nothing is."""
    parts = PurePosixPath(pattern).parts
    if not parts:
        return "is empty"
    bad = next((part for part in parts if "**" in part and part != "**"), None)
    return f"has {bad!r}: '**' stands alone between slashes" if bad else ""


def find_files(folder: Path, pattern: str, *, root: Path, follow_links: bool = False) -> FoundFiles:
    """Find the files of a folder whose paths match a pattern.

    ``*``, ``?`` and ``[...]`` match within a name, ``**`` any number of folders, and at the end all files below. Hidden
    files and folders are left out unless the pattern names them. Links to files and folders are followed.

    Args:
        folder: Where to look.
        pattern: Of paths below it, parts separated by slashes.
        root: Links must not lead out of this folder.
        follow_links: They may.

    Raises:
        DataError: A folder cannot be read, a name is not UTF-8, or a link leads nowhere, to a folder above it or out of
            the root.
    """
    parts = tuple(map(_part, PurePosixPath(pattern).parts))
    found = FoundFiles()
    inside(folder, root, follow_links)
    _walk(folder, parts, frozenset(_skip_any_depth(parts, _State(0))), (folder, root, follow_links), found)
    for paths in (found.paths, found.hidden, found.other_case, found.folders):
        paths.sort()
    return found


def _part(text: str) -> _Part:
    translated = fnmatch.translate(composed(text))
    return _Part(text, text == "**", re.compile(translated), re.compile(translated, re.IGNORECASE))


def _skip_any_depth(parts: Sequence[_Part], state: _State) -> Iterator[_State]:
    """Yield a state, and those that it is too because ``**`` may stand for no folder at all."""
    yield state
    while state.part < len(parts) - 1 and parts[state.part].any_depth:
        state = _State(state.part + 1, state.hidden, state.other_case)
        yield state


def _step(parts: Sequence[_Part], state: _State, name: str) -> Iterator[_State]:
    """Yield the states that a name leads to; the last one, of number ``len(parts)``, is a match."""
    part = parts[state.part]
    other_case = state.other_case
    if not part.any_depth and not part.exact.match(name):
        if not part.folded.match(name):
            return
        other_case = True
    hidden = state.hidden or (is_hidden(name) and not part.takes_hidden(name))
    if part.any_depth:
        # It stays for further folders, and as the last part it takes the file.
        yield _State(state.part, hidden, other_case)
        if state.part < len(parts) - 1:
            return
    yield _State(state.part + 1, hidden, other_case)


def _walk(
    folder: Path,
    parts: Sequence[_Part],
    states: frozenset[_State],
    links: tuple[Path, Path, bool],
    found: FoundFiles,
) -> None:
    for entry in _entries(folder):
        name = composed(entry.name)
        reached = {state for before in states if before.part < len(parts) for state in _step(parts, before, name)}
        if not reached:
            continue
        path = folder / entry.name
        # What is left out is counted, not opened: what is wrong with it concerns nobody.
        wanted = any(not (state.hidden or state.other_case) for state in reached)
        try:
            if entry.is_symlink() and not wanted:
                continue
            is_folder, is_file = entry.is_dir(), entry.is_file()
        except OSError as error:
            raise _unreadable(path, error) from error
        if entry.is_symlink():
            _check_link(path, links, leads_somewhere=is_folder or is_file)
        matches = [state for state in reached if state.part == len(parts)]
        if is_folder:
            if matches and wanted:
                found.folders.append(path)
            deeper = frozenset(
                further for state in reached if state.part < len(parts) for further in _skip_any_depth(parts, state)
            )
            if deeper and (wanted or os.access(path, os.R_OK | os.X_OK)):
                _walk(path, parts, deeper, links, found)
        elif matches:
            best = min(matches, key=lambda state: (state.hidden, state.other_case))
            if best.hidden or best.other_case:
                (found.hidden if best.hidden else found.other_case).append(path)
            elif is_file:
                _check_utf8(path, links[0])
                found.paths.append(path)
            else:
                raise DataError(f"{printable(path)} is neither a file nor a folder", "move it out of the data")


def require_folder(path: Path, what: str) -> None:
    """Refuse a folder that is not there.

    Args:
        path: The folder.
        what: What it is, for the message: ``"image folder"``.

    Raises:
        DataError: It is not there, or a folder above it may not be entered.
    """
    try:
        found = path.is_dir()
    except OSError as error:
        raise _unreadable(path, error) from error
    if not found:
        raise DataError(f"no {what} {printable(path)}", "correct the folder or --data-root")


def inside(path: Path, root: Path, follow_links: bool) -> None:
    """Refuse a path outside of the folder that it belongs to, or that links lead out of it unless that was asked for.

    A path that is spelled otherwise, by ``..`` or as an absolute one, is fine if it is inside.

    Raises:
        DataError: It is outside or leads out; where to is named.
    """
    try:
        real, real_root = os.path.realpath(path), os.path.realpath(root)
    except ValueError as error:
        raise DataError(f"{str(path)!r} cannot be a path: {error}", "correct it") from error
    if Path(real).is_relative_to(real_root):
        return
    if not Path(os.path.abspath(path)).is_relative_to(os.path.abspath(root)):  # noqa: PTH100  (links are not followed)
        raise DataError(
            f"{printable(path)} is outside of {printable(root)}",
            "name files below it, or choose a folder that has both",
        )
    if not follow_links:
        raise DataError(
            f"{printable(path)} is a link, or below one, that leads out of {printable(root)}, to {printable(real)}",
            "allow such links (--follow-links, or follow_links: true in a task file) or copy the file",
        )


def _check_link(path: Path, links: tuple[Path, Path, bool], *, leads_somewhere: bool) -> None:
    top, root, follow_links = links
    if not leads_somewhere:
        raise DataError(f"the link {printable(path)} leads nowhere", "restore what it leads to, or remove the link")
    inside(path, root, follow_links)
    real = Path(os.path.realpath(path))
    above = [parent for parent in path.parents if parent.is_relative_to(top)]
    # By way of links a folder may contain itself without being its own parent.
    containing = {*map(os.path.realpath, above), *map(str, _parents(path))}
    if str(real) in containing:
        raise DataError(f"the link {printable(path)} leads to a folder that contains it", "remove the link")


def _parents(path: Path) -> Sequence[Path]:
    real = Path(os.path.realpath(path.parent))
    return (real, *real.parents)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(folder, error) from error


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(
        f"cannot read {printable(path)}: {error.strerror or error}", "fix its permissions, or move it out of the data"
    )


def _check_utf8(path: Path, folder: Path) -> None:
    try:
        str(path.relative_to(folder)).encode()
    except UnicodeEncodeError:
        raise DataError(
            f"the name of {printable(path)} is not UTF-8", "rename the file or folder, for instance with convmv"
        ) from None


class NamedFiles:
    """Finds files by the names that a table gives them.

    Args:
        folder: Where they are.
        root: Links must not lead out of this folder.
        follow_links: They may.
    """

    def __init__(self, folder: Path, *, root: Path, follow_links: bool = False) -> None:
        self.folder = folder
        self._root = root
        self._follow_links = follow_links
        self._listings: dict[Path, dict[str, Path]] = {}
        self._checked: set[Path] = set()

    def find(self, name: str) -> Path | None:
        """Return the path of a file below the folder, or ``None`` if there is none.

        A name that is there in another Unicode form is found too.

        Raises:
            DataError: The path cannot be read, or links lead out of the root.
        """
        path = self.folder / name
        if not self._is_file(path):
            if name.isascii():
                return None
            other = self._in_other_form(name)
            if other is None or not self._is_file(other):
                return None
            path = other
        # Only what is a link itself can lead elsewhere than its folder.
        for place in (path.parent, path) if path.is_symlink() else (path.parent,):
            if place not in self._checked:
                inside(place, self._root, self._follow_links)
                self._checked.add(place)
        return path

    def _is_file(self, path: Path) -> bool:
        try:
            return path.is_file()
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return False
            raise _unreadable(path, error) from error

    def _in_other_form(self, name: str) -> Path | None:
        path: Path | None = self.folder
        for part in PurePosixPath(name).parts:
            if path is None or not path.is_dir():
                return None
            if path not in self._listings:
                self._listings[path] = {composed(entry.name): path / entry.name for entry in _entries(path)}
            path = self._listings[path].get(composed(part))
        return path
