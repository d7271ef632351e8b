"""Fetch one file, with its user's consent: bounded, checked, continued where it stopped, and whole or not there."""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from gairbench.errors import DownloadError
from gairbench.locks import exclusive
from gairbench.storage import unwritable

SCHEMES = ("https", "http", "file")
"""Kinds of addresses that are fetched."""

TIMEOUT = 60.0
"""Seconds without a byte after which a server counts as gone."""

_CHUNK = 1 << 20


def file_size(size: int) -> str:
    """Return a number of bytes as people read it."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(size / 1e6, 0.1):.1f} MB"


def fetch_file(
    url: str,
    target: Path,
    *,
    checksum: str = "",
    size: int | None = None,
    report: Callable[[int, int], object] | None = None,
) -> None:
    """Fetch a file; what a broken connection leaves is continued by the next call.

    Args:
        url: Its address, of a scheme in :data:`SCHEMES`.
        target: Where it goes when it is whole; missing parent folders are made.
        checksum: ``"sha256:<hex>"`` or ``"md5:<hex>"``; the first digits of a sum suffice, as torch puts them into
            names of files. Empty: it is not known.
        size: Its length in bytes; ``None``: as the server says.
        report: Called with the bytes that are there and the bytes in all.

    Raises:
        DownloadError: The file or the network is not there, or what came is not the declared file.
        BusyError: Another process fetches it.
        StorageError: The folder cannot be written, or the disk is full.
    """
    if url.partition(":")[0] not in SCHEMES:
        raise DownloadError(f"cannot fetch {url}", f"its address must begin with one of {', '.join(SCHEMES)}")
    part = target.with_name(f".{target.name}.download")
    with exclusive(
        part.with_name(f"{part.name}.lock"),
        taken=f"another process fetches {target}",
        hint="run the same command again when it has finished",
    ):
        if target.exists():
            return
        try:
            _receive(url, part, size, report)
            _check(url, part, checksum, size)
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            raise _unreachable(url, error) from error
        except OSError as error:
            raise unwritable(target, error) from error


def _receive(url: str, part: Path, size: int | None, report: Callable[[int, int], object] | None) -> None:
    """Append what is missing to the part, never more than the file's length."""
    have = part.stat().st_size if part.exists() else 0
    if size is not None and have >= size:
        return
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310 (checked)
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)  # noqa: S310 (the scheme is checked)
    except urllib.error.HTTPError as error:
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # the part is as long as the file, or longer, which its checks show
        raise
    with response:
        # A server that does not continue sends all of it again.
        start = have if getattr(response, "status", None) == http.HTTPStatus.PARTIAL_CONTENT else 0
        announced = response.headers.get("Content-Length")
        total = size if size is not None else (start + int(announced) if announced else None)
        if total is None:
            raise DownloadError(
                f"cannot fetch {url}: the server does not say how long it is", "fetch it by other means"
            )
        if announced is not None and start + int(announced) != total:
            _discard(part)
            raise DownloadError(
                f"{url} has {start + int(announced):,} bytes, not {total:,} as declared",
                "it is another version of the file; ask whoever declared it",
            )
        if shutil.disk_usage(part.parent).free < total - start:
            raise DownloadError(
                f"no room for {url}: {total - start:,} bytes in {part.parent}", "free space, or choose another folder"
            )
        with part.open("ab") as file:
            file.truncate(start)
            done = start
            while chunk := response.read(min(_CHUNK, total - done + 1)):
                done += len(chunk)
                if done > total:
                    file.close()
                    _discard(part)
                    raise DownloadError(f"{url} is longer than the declared {total:,} bytes", "it was not kept")
                file.write(chunk)
                if report is not None:
                    report(done, total)
    if done < total:
        raise DownloadError(f"{url} ended after {done:,} of {total:,} bytes", "run the same command again to continue")


def _check(url: str, part: Path, checksum: str, size: int | None) -> None:
    kind, _, digits = checksum.partition(":")
    wrong = f"{part.stat().st_size:,} bytes" if size is not None and part.stat().st_size != size else ""
    if not wrong and digits:
        with part.open("rb") as file:
            found = hashlib.file_digest(file, kind).hexdigest()
        wrong = "" if found.startswith(digits) else f"{kind} {found}"
    if wrong:
        _discard(part)
        raise DownloadError(
            f"{url} is not the declared file: {wrong}, not {checksum or f'{size:,} bytes'}",
            "it was not kept; try again, or ask whoever declared it",
        )


def _discard(part: Path) -> None:
    """Remove a part that cannot become the file, so that the next call begins anew."""
    part.unlink(missing_ok=True)


def _unreachable(url: str, error: BaseException) -> DownloadError:
    reason = getattr(error, "reason", None) or error
    words = str(getattr(reason, "strerror", None) or reason).strip() or type(error).__name__
    return DownloadError(
        f"cannot fetch {url}: {words.splitlines()[0]}", "check the network; the same command continues where it stopped"
    )
