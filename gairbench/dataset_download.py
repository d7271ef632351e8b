"""Fetch a dataset into the data root, with its user's consent: into place only when all of it is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gairbench.download import SCHEMES, fetch_file, file_size
from gairbench.errors import DownloadError, UsageError
from gairbench.published import RemoteFile
from gairbench.spec import DatasetSpec
from gairbench.storage import unwritable

_DIGITS = {"sha256": 64, "md5": 32}
"""Kinds of checksums and their lengths."""


def is_here(spec: DatasetSpec, root: Path | None) -> bool:
    """Whether a dataset's folder is below the data root; embedded data always are."""
    return not spec.folder or (root is not None and (root / spec.folder).is_dir())


def terms_of(spec: DatasetSpec) -> str:
    """Return in words under which licence a dataset's files can be fetched, and how much they are."""
    assert spec.download is not None  # noqa: S101  (asked of datasets that declare one)
    count = len(spec.download.files)
    return f"{spec.download.licence}, {file_size(spec.download.size)} in {count} file{'s' * (count != 1)}"


def fetch_dataset(spec: DatasetSpec, root: Path, report: Callable[[int, int], object]) -> Path:
    """Fetch the files of a dataset that are not below the data root.

    A folder that is not there yet appears when all of its files are; files are added to one that is, each when it is
    whole. Calling it again continues what was stopped.

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
    if spec.download is None or not spec.folder:
        raise UsageError(
            f"dataset {spec.name!r} says nowhere to fetch it from", f"see {spec.citation}" if spec.citation else ""
        )
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
        try:
            into.rename(folder)
        except OSError as error:
            raise unwritable(folder, error) from error
    return folder


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
