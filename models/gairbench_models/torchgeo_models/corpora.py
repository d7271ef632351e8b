"""The datasets that TorchGeo's weights have seen, by one name each, whatever TorchGeo calls them."""

from __future__ import annotations

_NAMES = {
    "Cityscapes - semantic segmentation": "Cityscapes",
    "SSL4EO": "SSL4EO-S12",
    "SSL4Eco Dataset": "SSL4Eco",
    "SeCo Dataset": "SeCo",
    "fMoW Dataset": "fMoW",
}
"""What TorchGeo says, where that is not the dataset's own name."""


def corpora(said: str) -> frozenset[str]:
    """Return the names of datasets.

    Args:
        said: As TorchGeo says them, with commas between; empty: it says none.

    Example:
        >>> sorted(corpora("fMoW Dataset, SeCo Dataset"))
        ['SeCo', 'fMoW']
    """
    return frozenset(_NAMES.get(name, name) for name in said.split(", ") if name)
