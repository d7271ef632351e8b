"""What timm and TorchGeo call their weights, turned into the file that each of them keeps in its own cache.

Both must be imported for that, which takes seconds: what they say is remembered by their version.
"""

from __future__ import annotations

import importlib.metadata as md
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gairbench.errors import CheckpointError
from gairbench.memo import remembered
from gairbench.published import HubWeights, TimmWeights, TorchGeoWeights

_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of timm's files on Hugging Face; it takes the first that is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file at an address, as catalogues list it: neither its length nor its whole hash is known beforehand.

    Args:
        url: The address.
        licence: Of the weights.
    """

    url: str
    licence: str

    @property
    def sha256(self) -> str:
        """The first digits of its SHA-256, which torch puts into the file's name: ``resnet18-5c106cde.pth``."""
        found = re.search(r"-([0-9a-f]{8,64})\.\w+$", self.url)
        return found[1] if found else ""


def timm_files(weights: TimmWeights, cache: Path) -> list[HubWeights | ListedFile]:
    """Return the files that timm may load for a tag, those that it prefers first.

    Raises:
        CheckpointError: timm has no weights of that tag.
    """
    said = _remembered("timm", weights.tag, cache, _ask_timm)
    licence = weights.licence or said["licence"] or "not stated"
    if not said["repo"]:
        return [ListedFile(url=said["url"], licence=licence)]
    names = [said["file"]] if said["file"] else _TIMM_FILES
    return [HubWeights(repo=said["repo"], filename=name, revision=said["revision"], licence=licence) for name in names]


def torchgeo_file(weights: TorchGeoWeights, cache: Path) -> ListedFile:
    """Return the file that TorchGeo loads for a member of its lists.

    Raises:
        CheckpointError: TorchGeo has no such weights.
    """
    url = weights.url or _remembered("torchgeo", weights.member, cache, _ask_torchgeo)["url"]
    return ListedFile(url=url, licence=weights.licence)


def _remembered(library: str, name: str, cache: Path, ask: Callable[[str], dict[str, str]]) -> dict[str, str]:
    try:
        stamp = {"version": md.version(library)}
    except md.PackageNotFoundError as error:
        raise CheckpointError(f"weights {name!r} are listed by {library}", f"pip install {library}") from error
    found: dict[str, str] = remembered(cache, f"{library} weights {name}", stamp, lambda: ask(name))
    return found


def _ask_timm(tag: str) -> dict[str, str]:
    from timm.models import get_pretrained_cfg

    try:
        config: Any = get_pretrained_cfg(tag, allow_unregistered=False)
    except RuntimeError as error:
        raise CheckpointError(f"timm has no weights {tag!r}", "see timm.list_models(pretrained=True)") from error
    if config is None or not config.has_weights:
        raise CheckpointError(f"timm has no weights {tag!r}", "see timm.list_models(pretrained=True)")
    repo, _, revision = (config.hf_hub_id or "").partition("@")
    return {
        "repo": repo,
        "revision": revision or "main",
        "file": config.hf_hub_filename or "",
        "url": config.url if isinstance(config.url, str) else "",
        "licence": config.license or "",
    }


def _ask_torchgeo(member: str) -> dict[str, str]:
    from torchgeo.models import get_weight

    try:
        return {"url": str(get_weight(member).url)}
    except ValueError as error:
        raise CheckpointError(f"torchgeo has no weights {member!r}", "see torchgeo.models.list_models()") from error
