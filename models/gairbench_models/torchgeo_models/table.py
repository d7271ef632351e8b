"""Geo-foundation models whose transform TorchGeo does not say: what each takes, from its authors' own code.

Statistics are fixed numbers, never those of a batch. Where they are not of the corpus that a model was trained on, the
comment says why. Tables of bands have a column for each of what the comment above them names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from gairbench import ANY, ImageInput, Modality, Normalization, Unit
from gairbench_models.corpora import (
    COPERNICUS_PRETRAIN,
    FIVE_BILLION_PIXELS,
    FMOW,
    FMOW_SENTINEL,
    HYSPECNET_11K,
    MMEARTH,
    SATLAS_PRETRAIN,
    SPECTRAL_EARTH,
    SSL4EO_S12,
)
from gairbench_models.torchgeo_models.entries import Accepted, Entry, Size, Taken
from gairbench_models.torchgeo_models.facts import SATLAS


def normalized_image(name: str, bands: Mapping[str, tuple[float, ...]], unit: Unit, **more: object) -> ImageInput:
    """Return an image of 224 pixels, standardized by the first two columns of a table."""
    mean, std = _column(bands, 0), _column(bands, 1)
    image = ImageInput(
        modality=Modality.RS,
        name=name,
        bands=tuple(bands),
        unit=unit,
        size=224,
        normalization=Normalization.ZSCORE,
        mean=mean,
        std=std,
        interpolation="bilinear",
    )
    return replace(image, **more)  # type: ignore[arg-type]


def _column(bands: Mapping[str, tuple[float, ...]], number: int) -> tuple[float, ...]:
    return tuple(row[number] for row in bands.values())


ANY_BANDS = Taken(
    image=ImageInput(
        modality=Modality.RS,
        name="any",
        bands=ANY,
        unit=None,
        size=224,
        normalization=Normalization.NOMINAL,
        interpolation="bilinear",
    )
)
"""Bands of other sensors than a model was trained on: standardized by round statistics of their unit, as the record
says, and known by the wavelengths of :mod:`gairbench.sensors`."""

# SSL4EO-S12's Sentinel-1: mean, deviation, in decibels. github.com/zhu-xlab/SSL4EO-S12, rounded as by
# github.com/zhu-xlab/Copernicus-FM, Copernicus-FM/src/main_pretrain.py (S1_MEAN, S1_STD).
_S1 = normalized_image("s1", {"VV": (-12.59, 5.26), "VH": (-20.26, 5.91)}, Unit.DB, gsd_m=10.0)

# Mean, deviation. github.com/antofuller/CROMA, README.md: mean +- 2 deviations of a batch, stretched to 8 bits and
# divided by 255. These are of the corpus that it was trained on, SSL4EO-S12's Level-2A: github.com/zhu-xlab/SSL4EO-S12,
# src/benchmark/pretrain_ssl/datasets/SSL4EO/ssl4eo_dataset.py (S2A_MEAN, S2A_STD, S1_MEAN, S1_STD).
_CROMA_S2 = {
    "B1": (752.40087073, 1108.02887453),
    "B2": (884.29673756, 1155.15170768),
    "B3": (1144.16202635, 1183.6292542),
    "B4": (1297.47289228, 1368.11351514),
    "B5": (1624.90992062, 1370.265037),
    "B6": (2194.6423161, 1355.55390699),
    "B7": (2422.21248945, 1416.51487101),
    "B8": (2517.76053101, 1474.78900051),
    "B8A": (2581.64687018, 1439.3086061),
    "B9": (2645.51888987, 1582.28010962),
    "B11": (2368.51236873, 1455.52084939),
    "B12": (1805.06846033, 1343.48379601),
}
_CROMA_S1 = {"VV": (-12.54847273, 5.25697717), "VH": (-20.19237134, 5.91150917)}

CROMA = Entry(
    name="croma",
    reader="croma",
    inputs=(
        Taken(
            image=normalized_image(
                "s2", _CROMA_S2, Unit.S2_DN, size=120, gsd_m=10.0, normalization=Normalization.TWO_SIGMA_8BIT
            )
        ),
        Taken(
            image=normalized_image(
                "s1", _CROMA_S1, Unit.DB, size=120, gsd_m=10.0, normalization=Normalization.TWO_SIGMA_8BIT
            )
        ),
    ),
    # Sentinel-1's encoder and the one of both have half as many blocks as Sentinel-2's.
    accepts=(Accepted(of=("s2", "s1"), depth=0.5), Accepted(of=("s2",)), Accepted(of=("s1",), depth=0.5)),
    sizes=(
        Size(
            name="base",
            constructor="torchgeo.models:croma_base",
            member="CROMABase_Weights.CROMA_VIT",
            url="https://hf.co/torchgeo/croma/resolve/387883f08af79d777167519c57cd826eda89a16f/CROMA_base-0238d814.pt",
            depth=12,
            description="ViT-B/8; 12 blocks for Sentinel-2, 6 for Sentinel-1, 6 for both",
        ),
        Size(
            name="large",
            constructor="torchgeo.models:croma_large",
            member="CROMALarge_Weights.CROMA_VIT",
            url="https://huggingface.co/torchgeo/croma/resolve/92cb1a0f4e34c6c01558baf070197c01255382f6/"
            "CROMA_large-921e69ad.pt",
            depth=24,
            description="ViT-L/8; 24 blocks for Sentinel-2, 12 for Sentinel-1, 12 for both",
        ),
    ),
    grid=15,
    poolings=("mean",),
    description="CROMA: Sentinel-2 and Sentinel-1 together, or either",
    licence="MIT",
    citation="https://arxiv.org/abs/2311.00566",
    trained_on=frozenset({SSL4EO_S12}),
)

# Mean, deviation of the bytes that DOFA was trained with, which are Satlas'; nanometres. github.com/zhu-xlab/DOFA,
# README.md (S2_MEAN, S2_STD).
_DOFA_S2 = {
    "B4": (114.1099739, 77.84352553, 665.0),
    "B3": (114.81779093, 69.96844919, 560.0),
    "B2": (126.63977424, 67.42465279, 490.0),
    "B5": (84.33539309, 64.57022983, 705.0),
    "B6": (97.84789168, 61.72545487, 740.0),
    "B7": (103.94461911, 61.34187099, 783.0),
    "B8": (101.435633, 60.29744676, 842.0),
    "B11": (72.32804172, 47.88519516, 1610.0),
    "B12": (56.66528851, 42.55886798, 2190.0),
}
# Mean, deviation: ImageNet's (README.md, NAIP_MEAN, NAIP_STD); nanometres.
_DOFA_RGB = {"red": (123.675, 58.395, 665.0), "green": (116.28, 57.12, 560.0), "blue": (103.53, 57.375, 490.0)}
# Mean, deviation, in decibels. DOFA was trained with bytes of uncalibrated amplitudes, which no unit here is; this is
# what its authors feed it with: github.com/zhu-xlab/Copernicus-FM,
# Copernicus-Bench/src/configs/dataset/cobench_eurosat_s1.yaml.
_DOFA_S1 = {"VV": (-12.548, 5.257), "VH": (-20.192, 5.912)}

DOFA = Entry(
    name="dofa",
    reader="dofa",
    inputs=(
        Taken(
            image=replace(SATLAS.image("s2", tuple(_DOFA_S2), 224), missing="drop"),
            mean=_column(_DOFA_S2, 0),
            std=_column(_DOFA_S2, 1),
            wavelengths_nm=_column(_DOFA_S2, 2),
        ),
        Taken(image=normalized_image("s1", _DOFA_S1, Unit.DB, gsd_m=10.0)),
        Taken(image=normalized_image("rgb", _DOFA_RGB, Unit.UINT8), wavelengths_nm=_column(_DOFA_RGB, 2)),
        ANY_BANDS,
    ),
    accepts=tuple(Accepted(of=(name,)) for name in ("s2", "s1", "rgb", "any")),
    sizes=(
        Size(
            name="base",
            constructor="torchgeo.models:dofa_base_patch16_224",
            member="DOFABase16_Weights.DOFA_MAE",
            url="https://hf.co/torchgeo/dofa/resolve/b8db318b64a90b9e085ec04ba8851233c5893666/"
            "dofa_base_patch16_224-a0275954.pth",
            depth=12,
            description="ViT-B/16 with patch embeddings made from wavelengths",
        ),
        Size(
            name="large",
            constructor="torchgeo.models:dofa_large_patch16_224",
            member="DOFALarge16_Weights.DOFA_MAE",
            url="https://hf.co/torchgeo/dofa/resolve/b8db318b64a90b9e085ec04ba8851233c5893666/"
            "dofa_large_patch16_224-0ff904d3.pth",
            depth=24,
            description="ViT-L/16 with patch embeddings made from wavelengths",
        ),
    ),
    grid=14,
    poolings=("mean", "cls"),
    arguments={"num_classes": 0},
    # A mark of Sentinel-1, not a wavelength: Copernicus-Bench/src/foundation_models/dofa_wrapper.py.
    radar={"VV": 3_750.0, "VH": 3_750.0},
    needs=frozenset({"wavelengths"}),
    description="DOFA: any bands by their wavelengths",
    licence="CC-BY-4.0",
    citation="https://arxiv.org/abs/2403.15356",
    trained_on=frozenset({SATLAS_PRETRAIN, FIVE_BILLION_PIXELS, HYSPECNET_11K}),
)

# Mean, deviation, nanometres. github.com/Panopticon-FM/panopticon: dinov2/data/datasets/fmow.py (fmow_s2) and
# dinov2/configs/data/satellites/sentinel2.yaml (mu).
_PANOPTICON_S2 = {
    "B1": (1569.1970, 517.7932, 442.922568734037),
    "B2": (1383.9951, 595.0351, 492.9971095687347),
    "B3": (1338.4231, 690.2477, 559.5987534818435),
    "B4": (1408.1113, 994.7734, 664.6300422881802),
    "B5": (1537.2856, 994.4599, 704.0059319834206),
    "B6": (1926.5183, 1079.4558, 740.5521320760564),
    "B7": (2136.5127, 1192.3668, 782.4190761493182),
    "B8": (2033.4019, 1170.9979, 827.5394062383036),
    "B8A": (2262.4558, 1278.2103, 864.7801257644385),
    "B9": (674.1297, 474.7933, 945.0294901407692),
    "B10": (16.7465, 15.1294, 1373.3636762095748),
    "B11": (2027.3674, 1362.3807, 1613.8624163477282),
    "B12": (1501.4686, 1134.5983, 2203.6182057820033),
}
# The same of fmow_rgb and dinov2/configs/data/satellites/qb2_ge1.yaml.
_PANOPTICON_RGB = {
    "red": (104.55944194258717, 68.97789839437421, 665.031763),
    "green": (106.19051077034885, 66.91165970478865, 547.272289),
    "blue": (100.09524832336331, 69.09505694641828, 482.417803),
}

PANOPTICON = Entry(
    name="panopticon",
    reader="panopticon",
    inputs=(
        Taken(
            image=normalized_image("s2", _PANOPTICON_S2, Unit.S2_DN, gsd_m=10.0, missing="drop"),
            wavelengths_nm=_column(_PANOPTICON_S2, 2),
        ),
        # As its authors have them, too, in dinov2/data/datasets/eurosat_sar.py (MEAN_QUANTILE, STD_QUANTILE); those of
        # the corpus, MMEarth's, are in a file of that dataset.
        Taken(image=replace(_S1, missing="drop")),
        Taken(image=normalized_image("rgb", _PANOPTICON_RGB, Unit.UINT8), wavelengths_nm=_column(_PANOPTICON_RGB, 2)),
        ANY_BANDS,
    ),
    # It reads channels, whatever sensor each is of: those of Sentinel-2 and Sentinel-1 that there are.
    accepts=(Accepted(of=("s2", "s1")), Accepted(of=("rgb",)), Accepted(of=("any",))),
    sizes=(
        Size(
            name="default",
            constructor="torchgeo.models:panopticon_vitb14",
            member="Panopticon_Weights.VIT_BASE14",
            url="https://hf.co/lewaldm/panopticon/resolve/c8c2bb9555819e8b2bcedf5b3b00e3bf531554e7/"
            "panopticon_vitb14_teacher.pth",
            depth=12,
            description="DINOv2 ViT-B/14 with attention over channels",
        ),
    ),
    grid=16,
    poolings=("cls", "mean"),
    # Channels that are not wavelengths: dinov2/configs/data/satellites/sentinel1.yaml, of either orbit.
    radar={"VV": -1.0, "VH": -2.0, "HH": -3.0, "HV": -4.0},
    # Every channel has tokens of 2,304 numbers: 13 of them take 30 MB an image, three times over.
    rows=8,
    needs=frozenset({"wavelengths"}),
    description="Panopticon: any bands of any sensors together, by wavelength and polarization",
    licence="Apache-2.0",
    citation="https://arxiv.org/abs/2503.10845",
    trained_on=frozenset({FMOW, FMOW_SENTINEL, MMEARTH, SATLAS_PRETRAIN, SPECTRAL_EARTH}),
)

# Mean, deviation, nanometres, bandwidth. github.com/zhu-xlab/Copernicus-FM: Copernicus-FM/src/main_pretrain.py
# (S2C_MEAN, S2C_STD) and engine_pretrain.py (WV, BW).
_COPERNICUS_S2 = {
    "B1": (1612.9, 791.0, 440.0, 20.0),
    "B2": (1397.6, 854.3, 490.0, 65.0),
    "B3": (1322.3, 878.7, 560.0, 35.0),
    "B4": (1373.1, 1144.9, 665.0, 30.0),
    "B5": (1561.0, 1127.5, 705.0, 15.0),
    "B6": (2108.4, 1164.2, 740.0, 15.0),
    "B7": (2390.7, 1276.0, 783.0, 20.0),
    "B8": (2318.7, 1249.5, 842.0, 115.0),
    "B8A": (2581.0, 1345.9, 860.0, 20.0),
    "B9": (837.7, 577.5, 940.0, 20.0),
    "B10": (22.0, 47.5, 1370.0, 30.0),
    "B11": (2195.2, 1340.0, 1610.0, 90.0),
    "B12": (1537.4, 1142.9, 2190.0, 180.0),
}

COPERNICUS_FM = Entry(
    name="copernicus-fm",
    reader="copernicus-fm",
    inputs=(
        Taken(
            image=normalized_image("s2", _COPERNICUS_S2, Unit.S2_DN, gsd_m=10.0, missing="drop"),
            wavelengths_nm=_column(_COPERNICUS_S2, 2),
            bandwidths_nm=_column(_COPERNICUS_S2, 3),
        ),
        Taken(image=_S1),
        ANY_BANDS,
    ),
    accepts=tuple(Accepted(of=(name,)) for name in ("s2", "s1", "any")),
    sizes=(
        Size(
            name="default",
            constructor="torchgeo.models:copernicusfm_base",
            member="CopernicusFM_Base_Weights.CopernicusFM_ViT",
            url="https://huggingface.co/torchgeo/copernicus-fm/resolve/f395812cc990ba25a451dbb9c9e6d95c8482947e/"
            "CopernicusFM_ViT_base_varlang-085350e4.pth",
            depth=12,
            description="ViT-B/16 with patch embeddings made from wavelengths, given place, date and area",
        ),
    ),
    grid=14,
    poolings=("mean", "cls"),
    radar={"VV": 5e7, "VH": 5e7},
    radar_bandwidth_nm=1e9,
    needs=frozenset({"wavelengths"}),
    wants=frozenset({"lonlat", "dates", "gsd"}),
    description="Copernicus-FM: any bands by their wavelengths, with place, date and area where they are known",
    licence="CC-BY-4.0",
    citation="https://arxiv.org/abs/2503.11849",
    trained_on=frozenset({COPERNICUS_PRETRAIN}),
)

ENTRIES = {entry.name: entry for entry in (CROMA, DOFA, PANOPTICON, COPERNICUS_FM)}
