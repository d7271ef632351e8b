"""Fetch a dataset into the data root, with its user's consent: into place only when all of it is there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Set
from pathlib import Path, PurePosixPath

from gairbench.download import SCHEMES, fetch_file, file_size
from gairbench.errors import DownloadError, GairbenchError, UsageError
from gairbench.locks import exclusive, lock_beside
from gairbench.published import RemoteFile
from gairbench.spec import DatasetSpec
from gairbench.storage import FULL, unwritable

ASK_ABOVE = 1_000_000_000
"""Bytes above which a user is asked first."""

_FREE = frozenset(
    {
        "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0", "CC-BY-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0",
        "CC0-1.0", "CDLA-Permissive-1.0", "MIT", "ODC-By-1.0", "ODbL-1.0", "public domain",
    }
)  # fmt: skip
"""Licences by which anybody may use the data for anything, if they name the source or share alike."""

_DIGITS = {"sha256": 64, "md5": 32}
"""Kinds of checksums and their lengths."""


def is_here(spec: DatasetSpec, root: Path | None) -> bool:
    """Whether a dataset's folder is below the data root; embedded data always are."""
    return not spec.folder or (root is not None and (root / spec.folder).is_dir())


def can_fetch(spec: DatasetSpec) -> bool:
    """Whether :func:`fetch_dataset` can get a dataset's files."""
    return bool(spec.folder) and (spec.download is not None or _own_fetch(spec) is not None)


def way_to_get(spec: DatasetSpec, root: Path | None) -> str:
    """Return in one line which command or page gets a dataset's files, ``get it: ...``; empty if none is known.

    Args:
        spec: The dataset.
        root: The data root; ``None``: ``FOLDER`` stands for it.
    """
    root = Path("FOLDER") if root is None else root
    if can_fetch(spec):
        return f"get it ({terms_of(spec)}): gairbench data get {spec.name} --data-root {root}"
    # A factory may know, by its optional method ``how_to_get(folder)``.
    ask = None if isinstance(spec.factory, str) else getattr(spec.factory, "how_to_get", None)
    return f"get it: {ask(root / spec.folder)}" if ask else ""


def terms_of(spec: DatasetSpec) -> str:
    """Return in words under which licence a dataset's files can be fetched, and how much they are if that is known."""
    if spec.download is None:
        return f"licence: {spec.licence or 'not stated'}"
    count = len(spec.download.files)
    return f"{spec.download.licence}, {file_size(spec.download.size)} in {count} file{'s' * (count != 1)}"


def reason_to_ask(spec: DatasetSpec) -> str:
    """Return why a user is to agree before a dataset is fetched; empty: it is small, and free to use for anything.

    Example:
        >>> from gairbench import DatasetSpec
        >>> reason_to_ask(DatasetSpec(name="d", version=1, factory="m:f", delivers=(), licence="CC-BY-NC-4.0"))
        'its size is not stated, and its licence, CC-BY-NC-4.0, restricts its use'
    """
    licence = spec.licence if spec.download is None else spec.download.licence
    parts = re.split(r" AND |[,;]\s*", re.sub(r"\s*\([^)]*\)", "", licence))
    reasons = []
    if spec.download is None:
        reasons.append("its size is not stated")
    elif spec.download.size > ASK_ABOVE:
        reasons.append(f"it is {file_size(spec.download.size)}")
    if not licence:
        reasons.append("its licence is not stated")
    elif not _FREE.issuperset(parts):
        reasons.append(f"its licence, {licence}, restricts its use")
    return ", and ".join(reasons)


def fetch_dataset(spec: DatasetSpec, root: Path, report: Callable[[int, int], object]) -> Path:
    """Fetch the files of a dataset that are not below the data root.

    A folder that is not there yet appears when all of its files are; files are added to one that is, each when it is
    whole. Calling it again continues what was stopped. A factory that fetches by itself (its optional method
    ``fetch(folder)``) starts anew each time, in an empty folder, or adds to the one that is there.

    Args:
        spec: The dataset; it declares a download.
        root: The data root.
        report: Called with the bytes that are there and the bytes in all.

    Returns:
        The dataset's folder.

    Raises:
        UsageError: The dataset declares no download.
        DownloadError: A file or the network is not there, or what came is not the declared file.
        StorageError: The folder cannot be written, the disk is full, or another process fetches the same.
    """
    own = _own_fetch(spec)
    if spec.download is None and own is not None:
        return _fetched_by(own, spec, root, report)
    if spec.download is None or not spec.folder:
        hint = way_to_get(spec, root) or (f"see {spec.citation}" if spec.citation else "")
        raise UsageError(f"dataset {spec.name!r} says nowhere to fetch it from", hint)
    for file in spec.download.files:
        if problem := remote_file_problem(file):
            raise DownloadError(f"dataset {spec.name!r} declares {problem}", "ask the plugin's author to correct it")
    folder = root / spec.folder
    if folder == root:
        root.mkdir(parents=True, exist_ok=True)  # the user's own folder, into which files go one by one
    into = folder if folder.is_dir() else folder.with_name(f".{folder.name}.download")
    there = 0
    for file in spec.download.files:
        target, before = into / file.path, there
        if target.is_file() and target.stat().st_size != file.size:
            raise DownloadError(
                f"{target} has {target.stat().st_size:,} bytes, not {file.size:,} as declared", "move it out of the way"
            )
        fetch_file(
            file.url,
            target,
            checksum=file.checksum,
            size=file.size,
            report=lambda done, _, before=before: report(before + done, spec.download.size),  # type: ignore[misc]
        )
        there += file.size
        report(there, spec.download.size)
    if into != folder:
        _move(into, folder)
    return folder


def _own_fetch(spec: DatasetSpec) -> Callable[[Path], None] | None:
    """Return the optional method ``fetch(folder)`` of a factory, unless its ``downloads`` says that it cannot."""
    if isinstance(spec.factory, str) or not spec.folder or not getattr(spec.factory, "downloads", True):
        return None
    found: Callable[[Path], None] | None = getattr(spec.factory, "fetch", None)
    return found


def _fetched_by(
    fetch: Callable[[Path], None], spec: DatasetSpec, root: Path, report: Callable[[int, int], object]
) -> Path:
    """Let a factory fetch its dataset: it appears when it is whole, and of an attempt that fails nothing is left.

    What others' code has left behind half-way may look like a whole dataset, so that nothing is continued. A folder
    that is there, of a dataset with the same files for instance, gets what it lacks.
    """
    folder = root / spec.folder
    into = folder if folder.is_dir() else folder.with_name(f".{folder.name}.download")
    with exclusive(lock_beside(into), taken=f"another process fetches {folder}", hint="wait until it has finished"):
        if into != folder:
            # Of a process that was killed.
            shutil.rmtree(into, ignore_errors=True)
            try:
                into.mkdir(parents=True)
            except OSError as error:
                raise unwritable(into, error) from error
        before = set(into.rglob("*"))
        report(0, 1)
        try:
            fetch(into)
        except BaseException as error:
            _remove_all_but(before, into)
            if into != folder:
                into.rmdir()
            if isinstance(error, OSError) and error.errno in FULL:
                raise unwritable(folder, error) from error
            if isinstance(error, GairbenchError) or not isinstance(error, Exception):
                raise
            # A factory's code has its own way to fetch files, and raises what that raises.
            raise DownloadError(
                f"dataset {spec.name!r} cannot be fetched into {folder}: {type(error).__name__}: {error}",
                "run the same command again, or get the files by hand",
            ) from error
        if into != folder:
            _move(into, folder)
    report(1, 1)
    return folder


def _remove_all_but(kept: Set[Path], folder: Path) -> None:
    """Remove what a folder has more than this."""
    # The deepest first: a folder is empty when its turn comes.
    for path in sorted(set(folder.rglob("*")) - kept, reverse=True):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()


def _move(folder: Path, to: Path) -> None:
    try:
        folder.rename(to)
    except OSError as error:
        raise unwritable(to, error) from error


def remote_file_problem(file: RemoteFile) -> str:
    """Return what is wrong with a declared file; empty if nothing is."""
    path = PurePosixPath(file.path)
    kind, _, digits = file.checksum.partition(":")
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in file.path:
        return f"the path {file.path!r}, which is not below its folder"
    if file.url.partition(":")[0] not in SCHEMES:
        return f"the address {file.url!r}, which does not begin with one of {', '.join(SCHEMES)}"
    if _DIGITS.get(kind) != len(digits) or set(digits) - set("0123456789abcdef"):
        return f"the checksum {file.checksum!r}, which is neither sha256:<hex> nor md5:<hex>"
    return "" if file.size > 0 else f"{file.path} with {file.size} bytes"
