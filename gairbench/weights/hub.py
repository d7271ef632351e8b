"""Published weights, on Hugging Face or at an address: found in their local cache, fetched only when asked."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

from gairbench.errors import CheckpointError
from gairbench.spec import HubWeights, ModelSpec, TorchHubWeights


def torch_hub_file(url: str) -> Path:
    """Return where ``torch.hub.load_state_dict_from_url`` keeps the file of an address, whether or not it is there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    home = Path(os.environ.get("TORCH_HOME") or cache).expanduser()
    return home / "hub" / "checkpoints" / Path(urlsplit(url).path).name


def published_name(weights: HubWeights | TorchHubWeights) -> str:
    """Return what published weights are called in a message."""
    return weights.url if isinstance(weights, TorchHubWeights) else f"{weights.filename} of {weights.repo}"


def cached_file(weights: HubWeights | TorchHubWeights) -> Path | None:
    """Return the file in its local cache, or ``None``; the network is not touched.

    That is Hugging Face's (``$HF_HOME``), or of an address torch's (``$TORCH_HOME``).
    """
    if isinstance(weights, TorchHubWeights):
        path = torch_hub_file(weights.url)
        return path if path.is_file() else None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(weights.repo, weights.filename, revision=weights.revision)
    return Path(found) if isinstance(found, str) else None


def how_to_get(weights: HubWeights | TorchHubWeights) -> str:
    """Say how to get weights that are not here, and under which licence."""
    where = " from Hugging Face" if isinstance(weights, HubWeights) else ""
    return (
        f"add --download to fetch {published_name(weights)} ({weights.licence}){where}, or give a copy with"
        " --checkpoint"
    )


def fetch_missing(spec: ModelSpec, given: Path | None) -> None:
    """Fetch a model's published weights if a command needs them and they are not here, telling the licence first.

    Args:
        spec: The model.
        given: The checkpoint to load instead, if any.

    Raises:
        CheckpointError: The file or the network is not there.
    """
    if spec.hub is None or given is not None or cached_file(spec.hub) is not None:
        return
    message = f"fetching {published_name(spec.hub)}; licence of the weights: {spec.hub.licence}"
    print(message, file=sys.stderr)
    download(spec.hub)


def download(weights: HubWeights | TorchHubWeights) -> Path:
    """Fetch published weights into the cache where :func:`cached_file` looks for them.

    Raises:
        CheckpointError: The file or the network is not there.
    """
    if isinstance(weights, TorchHubWeights):
        return _download_address(weights)
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(hf_hub_download(weights.repo, weights.filename, revision=weights.revision))
    # Its HTTP library's errors and its own have OSError in common; LocalEntryNotFoundError is one too.
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"cannot fetch {weights.filename} of {weights.repo}: {first}",
            f"check the network, or fetch it from https://huggingface.co/{weights.repo} and give it with --checkpoint",
        ) from error


_HASH = re.compile(r"-([0-9a-f]{8,64})\.\w+$")
"""The first digits of a file's SHA-256, which torch puts into the file's name: ``resnet18-5c106cde.pth``."""


def _download_address(weights: TorchHubWeights) -> Path:
    from torch.hub import download_url_to_file

    target = torch_hub_file(weights.url)
    digits = _HASH.search(target.name)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(weights.url, str(target), digits and digits[1], progress=False)
    # A wrong hash is a RuntimeError; errors of the network are OSErrors.
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"cannot fetch {weights.url}: {error}", f"check the network, or put the file at {target}"
        ) from error
    return target
