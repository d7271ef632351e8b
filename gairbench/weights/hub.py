"""Published weights on Hugging Face: found in its local cache, fetched only when asked."""

from __future__ import annotations

from pathlib import Path

from gairbench.errors import CheckpointError
from gairbench.published import HubWeights


def find_hub_file(weights: HubWeights) -> Path | None:
    """Return the file in Hugging Face's local cache (``$HF_HOME``), or ``None``; the network is not touched."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(weights.repo, weights.filename, revision=weights.revision)
    return Path(found) if isinstance(found, str) else None


def fetch_hub_file(weights: HubWeights) -> None:
    """Fetch published weights into Hugging Face's cache.

    Raises:
        CheckpointError: The file or the network is not there.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        hf_hub_download(weights.repo, weights.filename, revision=weights.revision)
    # Its HTTP library's errors and its own have OSError in common; LocalEntryNotFoundError is one too.
    except (HfHubHTTPError, OSError) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"cannot fetch {weights.filename} of {weights.repo}: {first}",
            f"check the network, or fetch it from https://huggingface.co/{weights.repo} and give it with --checkpoint",
        ) from error
