"""What timm's tags say of weights: the datasets that they were trained on, and the papers of families without one."""

from __future__ import annotations

import re

_DATASETS = {
    "cc12m": "CC12M",
    "datacomp1b": "DataComp-1B",
    "datacompxl": "DataComp-1B",
    "dfn2b": "DFN-2B",
    "dfn5b": "DFN-5B",
    "dfndr2b": "DFNDR-2B",
    "ig1b": "Instagram-1B",
    "in12k": "ImageNet-12k",
    "in1k": "ImageNet-1k",
    "in21k": "ImageNet-21k",
    "in22k": "ImageNet-22k",
    "inat21": "iNaturalist-2021",
    "laion2b": "LAION-2B",
    "laion400m": "LAION-400M",
    "laiona": "LAION-Aesthetics",
    "lvd142m": "LVD-142M",
    "lvd1689m": "LVD-1689M",
    "merged2b": "Merged-2B",
    "m30m": "Merged-30M",
    "m38m": "Merged-38M",
    "metaclip_2pt5b": "MetaCLIP-2.5B",
    "metaclip_400m": "MetaCLIP-400M",
    "openai": "WIT-400M",
    "sat493m": "SAT-493M",
    "webli": "WebLI",
    "yfcc100m": "YFCC100M",
    "yfcc15m": "YFCC15M",
}
"""Parts of tags, and what they stand for."""

_PAPERS = {
    r".*dinov3.*": "arXiv:2508.10104",
    r".*dinov2.*": "arXiv:2304.07193",
    r".*siglip.*\.v2_webli.*": "arXiv:2502.14786",
    r".*siglip.*\.webli.*": "arXiv:2303.15343",
    r".*clip.*\.openai.*": "arXiv:2103.00020",
    r".*clip.*\.metaclip_(2pt5b|400m).*": "arXiv:2309.16671",
    r".*clip.*\.dfn[25]b.*": "arXiv:2309.17425",
    r".*clip.*\.datacomp.*": "arXiv:2304.14108",
    r"eva.*_clip_.*": "arXiv:2303.15389",
    r".*clip.*\.laion.*": "arXiv:2212.07143",
}
"""By what names with their tags look like, the first that fits."""


def datasets_of(tag: str) -> frozenset[str]:
    """Return the datasets that a tag names; others may have been seen that it does not name.

    Example:
        >>> sorted(datasets_of("openai_ft_in12k_in1k"))
        ['ImageNet-12k', 'ImageNet-1k', 'WIT-400M']
    """
    return frozenset(name for part, name in _DATASETS.items() if re.search(rf"(^|_){part}(_|$)", tag))


def paper_of(rest: str) -> str | None:
    """Return the paper of weights by their name with its tag, or ``None``."""
    return next((paper for pattern, paper in _PAPERS.items() if re.fullmatch(pattern, rest)), None)
