"""Names of the datasets that published models were trained on (``ModelSpec.trained_on``), each spelled one way.

Those that their authors gave no name are called by the model and ``-Pretrain``, as Copernicus-FM's authors do.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

AURORA = "Aurora-Pretrain"
CLAY = "Clay-Pretrain"
CITYSCAPES = "Cityscapes"
COPERNICUS_PRETRAIN = "Copernicus-Pretrain"
CRISIS_LAND_MARK = "CrisisLandMark"
EARTH_LOC = "EarthLoc"
FIELDS_OF_THE_WORLD = "Fields of The World"
FIVE_BILLION_PIXELS = "Five-Billion-Pixels"
FMOW = "fMoW"
FMOW_SENTINEL = "fMoW-Sentinel"
GALILEO = "Galileo-Pretrain"
HYSPECNET_11K = "HySpecNet-11k"
IMAGENET_1K = "ImageNet-1k"
IMAGENET_21K = "ImageNet-21k"
MMEARTH = "MMEarth"
MP_16 = "MP-16"
OAM_TCD = "OAM-TCD"
PRESTO = "Presto-Pretrain"
PRITHVI = "Prithvi-EO-2.0-Pretrain"
S2_100K = "S2-100K"
SATLAS_PRETRAIN = "SatlasPretrain"
SECO = "SeCo"
SPECTRAL_EARTH = "SpectralEarth"
SSL4EO_L = "SSL4EO-L"
SSL4EO_S12 = "SSL4EO-S12"
SSL4ECO = "SSL4Eco"
STREETSCAPES_1M = "Streetscapes1M"
TERRAMESH = "TerraMesh"
YFCC100M_GEO100 = "YFCC100M-GEO100"

CORPORA = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
"""All of them."""

_OTHER_SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "Aurora": AURORA,
        "Cityscapes - semantic segmentation": CITYSCAPES,
        "FTW": FIELDS_OF_THE_WORLD,
        "SSL4EO": SSL4EO_S12,
        "SSL4Eco Dataset": SSL4ECO,
        "SeCo Dataset": SECO,
        "fMoW Dataset": FMOW,
    }
)
"""What TorchGeo calls some of them."""


def corpora_of(stated: str) -> frozenset[str]:
    """Return the names of datasets that TorchGeo states, with commas between; another name than ours becomes ours.

    Example:
        >>> sorted(corpora_of("fMoW Dataset, SeCo Dataset"))
        ['SeCo', 'fMoW']
    """
    names = (name.strip() for name in stated.split(","))
    return frozenset(_OTHER_SPELLINGS.get(name, name) for name in names if name)
