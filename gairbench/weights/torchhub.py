"""Files where ``torch.hub`` keeps its own, found without importing torch."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit


def torch_hub_file(url: str, filename: str = "") -> Path:
    """Return where ``torch.hub.load_state_dict_from_url`` keeps the file of an address, whether or not it is there.

    Args:
        url: The address.
        filename: What the file is called instead of the last part of the address.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    home = Path(os.environ.get("TORCH_HOME") or cache).expanduser()
    return home / "hub" / "checkpoints" / (filename or Path(urlsplit(url).path).name)
