"""Prithvi-EO 2.0, TerraMind and Clay v1: what each takes, from the code that they were published with.

Tables of bands have a column for each of what the comment above them names.
"""

from __future__ import annotations

from collections.abc import Mapping

from gairbench import Unit
from gairbench_models import corpora
from gairbench_models.torchgeo_models.entries import Accepted, Entry, Size, Taken
from gairbench_models.torchgeo_models.table import normalized_image

_LOAD = "gairbench_models.terratorch_models.encoder:load"
_PRITHVI_CODE = "terratorch.models.backbones.prithvi_vit"
_TERRAMIND_CODE = "terratorch.models.backbones.terramind.model.terramind_register"

_ROWS = 32
"""Images that are embedded at once: TerraTorch keeps the tokens of all blocks, which take 1 GB of so many."""

# Mean, deviation of the reflectance of Harmonized Landsat Sentinel-2, times 10,000. Its narrow near infrared is B8A.
# github.com/IBM/terratorch, terratorch/models/backbones/prithvi_vit.py (PRETRAINED_BANDS, PRITHVI_V2_MEAN, _STD).
_PRITHVI_S2 = {
    "B2": (1087.0, 2248.0),
    "B3": (1342.0, 2179.0),
    "B4": (1433.0, 2178.0),
    "B8A": (2734.0, 1850.0),
    "B11": (1958.0, 1242.0),
    "B12": (1363.0, 1049.0),
}


def _prithvi(name: str, parameters: str, depth: int, grid: int | None = None) -> Size:
    """Return a size by its number of parameters, as the files are called."""
    tiny = parameters == "tiny"
    title = parameters if tiny else f"{parameters}M"
    located = name.endswith("-tl")
    suffix = "_tl" if located else ""
    return Size(
        name=title.lower(),
        constructor=f"{_PRITHVI_CODE}:prithvi_eo_v2_{parameters}{suffix}",
        repo=f"ibm-nasa-geospatial/Prithvi-EO-2.0-{title}{suffix.upper().replace('_', '-')}",
        filename=f"Prithvi_EO_V2_{title}{suffix.upper()}.pt",
        depth=depth,
        grid=grid,
        description=f"ViT of {depth} blocks, patches of {14 if grid == 16 else 16} pixels",
    )


def _prithvi_entry(name: str, sizes: tuple[Size, ...], **more: frozenset[object]) -> Entry:
    beside = ", with place and date where they are known" if name.endswith("-tl") else ""
    return Entry(
        name=name,
        reader="prithvi",
        factory=_LOAD,
        inputs=(Taken(image=normalized_image("s2", _PRITHVI_S2, Unit.S2_DN, gsd_m=30.0)),),
        accepts=(Accepted(of=("s2",)),),
        sizes=sizes,
        grid=14,
        poolings=("mean", "cls"),
        arguments={"num_frames": 1},
        rows=_ROWS,
        description=f"Prithvi-EO 2.0: six bands of Sentinel-2{beside}",
        licence="Apache-2.0",
        citation="https://arxiv.org/abs/2412.02732",
        trained_on=frozenset({corpora.PRITHVI}),
        **more,  # type: ignore[arg-type]
    )


PRITHVI = _prithvi_entry("prithvi-v2", (_prithvi("prithvi-v2", "300", 24), _prithvi("prithvi-v2", "600", 32, grid=16)))
PRITHVI_TL = _prithvi_entry(
    "prithvi-v2-tl",
    (
        _prithvi("prithvi-v2-tl", "300", 24),
        _prithvi("prithvi-v2-tl", "600", 32, grid=16),
        _prithvi("prithvi-v2-tl", "100", 12),
        _prithvi("prithvi-v2-tl", "tiny", 12),
    ),
    wants=frozenset({"lonlat", "dates"}),
)

# Mean, deviation. github.com/IBM/terratorch, terratorch/models/backbones/terramind/model/terramind_register.py
# (v1_pretraining_mean, v1_pretraining_std), of untok_sen2l2a@224, untok_sen2l1c@224, untok_sen1grd@224 and
# untok_sen2rgb@224; the order of bands is that of its PRETRAINED_BANDS.
_TERRAMIND_L2A = {
    "B1": (1390.458, 2106.761),
    "B2": (1503.317, 2141.107),
    "B3": (1718.197, 2038.973),
    "B4": (1853.91, 2134.138),
    "B5": (2199.1, 2085.321),
    "B6": (2779.975, 1889.926),
    "B7": (2987.011, 1820.257),
    "B8": (3083.234, 1871.918),
    "B8A": (3132.22, 1753.829),
    "B9": (3162.988, 1797.379),
    "B11": (2424.884, 1434.261),
    "B12": (1857.648, 1334.311),
}
_TERRAMIND_L1C = {
    "B1": (2357.089, 1624.683),
    "B2": (2137.385, 1675.806),
    "B3": (2018.788, 1557.708),
    "B4": (2082.986, 1833.702),
    "B5": (2295.651, 1823.738),
    "B6": (2854.537, 1733.977),
    "B7": (3122.849, 1732.131),
    "B8": (3040.56, 1679.732),
    "B8A": (3306.481, 1727.26),
    "B9": (1473.847, 1024.687),
    "B10": (506.07, 442.165),
    "B11": (2472.825, 1331.411),
    "B12": (1838.929, 1160.419),
}
_TERRAMIND_S1 = {"VV": (-12.599, 5.195), "VH": (-20.293, 5.890)}
_TERRAMIND_RGB = {"red": (87.271, 58.767), "green": (80.931, 47.663), "blue": (66.667, 42.631)}

MODALITIES = {"s2-l1c": "S2L1C", "s2": "S2L2A", "s1": "S1GRD", "rgb": "RGB"}
"""TerraTorch's name of each of TerraMind's inputs."""

TERRAMIND = Entry(
    name="terramind-v1",
    reader="terramind",
    factory=_LOAD,
    inputs=(
        Taken(image=normalized_image("s2-l1c", _TERRAMIND_L1C, Unit.S2_DN, gsd_m=10.0)),
        Taken(image=normalized_image("s2", _TERRAMIND_L2A, Unit.S2_DN, gsd_m=10.0)),
        Taken(image=normalized_image("s1", _TERRAMIND_S1, Unit.DB, gsd_m=10.0)),
        Taken(image=normalized_image("rgb", _TERRAMIND_RGB, Unit.UINT8)),
    ),
    # Only Level-1C has B10.
    accepts=(
        Accepted(of=("s2-l1c", "s1")),
        Accepted(of=("s2", "s1")),
        Accepted(of=("s2-l1c",)),
        Accepted(of=("s2",)),
        Accepted(of=("s1",)),
        Accepted(of=("rgb",)),
    ),
    sizes=tuple(
        Size(
            name=name,
            constructor=f"{_TERRAMIND_CODE}:terramind_v1_{name}",
            repo=f"ibm-esa-geospatial/TerraMind-1.0-{name}",
            filename=f"TerraMind_v1_{name}.pt",
            depth=depth,
            description=f"ViT of {depth} blocks, patches of 16 pixels",
        )
        for name, depth in (("base", 12), ("large", 24), ("small", 12), ("tiny", 12))
    ),
    grid=14,
    poolings=("mean",),
    arguments={"modalities": list(MODALITIES.values()), "merge_method": "mean"},
    rows=_ROWS,
    description="TerraMind 1.0: Sentinel-2 and Sentinel-1 together, or either, or RGB pictures",
    licence="Apache-2.0",
    citation="https://arxiv.org/abs/2504.11171",
    trained_on=frozenset({corpora.TERRAMESH}),
)

# Mean, deviation, nanometres. github.com/Clay-foundation/model, configs/metadata.yaml: sentinel-2-l2a, sentinel-1-rtc
# (linear power; its wavelengths are marks) and naip.
_CLAY_S2 = {
    "B2": (1105.0, 1809.0, 493.0),
    "B3": (1355.0, 1757.0, 560.0),
    "B4": (1552.0, 1888.0, 665.0),
    "B5": (1887.0, 1870.0, 704.0),
    "B6": (2422.0, 1732.0, 740.0),
    "B7": (2630.0, 1697.0, 783.0),
    "B8": (2743.0, 1742.0, 842.0),
    "B8A": (2785.0, 1648.0, 865.0),
    "B11": (2388.0, 1470.0, 1610.0),
    "B12": (1835.0, 1379.0, 2190.0),
}
_CLAY_S1 = {"VV": (0.123273, 1.492154), "VH": (0.027337, 0.122182)}
_CLAY_RGB = {"red": (110.16, 47.23, 650.0), "green": (115.41, 39.82, 560.0), "blue": (98.15, 35.43, 480.0)}


def _clay_image(name: str, bands: Mapping[str, tuple[float, ...]], unit: Unit, gsd_m: float) -> Taken:
    image = normalized_image(name, bands, unit, size=256, gsd_m=gsd_m, missing="drop" if name == "s2" else "refuse")
    return Taken(image=image, wavelengths_nm=() if name == "s1" else tuple(row[2] for row in bands.values()))


CLAY = Entry(
    name="clay-v1",
    reader="clay",
    factory=_LOAD,
    inputs=(
        _clay_image("s2", _CLAY_S2, Unit.S2_DN, 10.0),
        _clay_image("s1", _CLAY_S1, Unit.POWER, 10.0),
        _clay_image("rgb", _CLAY_RGB, Unit.UINT8, 1.0),
    ),
    accepts=tuple(Accepted(of=(name,)) for name in ("s2", "s1", "rgb")),
    sizes=(
        Size(
            name="base",
            constructor="terratorch.models.backbones.clay_v1.embedder:clay_v1_base",
            repo="made-with-clay/Clay-legacy",
            filename="v1/clay-v1-base.ckpt",
            depth=12,
            description="ViT-B/8 with patch embeddings made from wavelengths, given place, date and distance",
        ),
    ),
    grid=32,
    poolings=("cls", "mean"),
    radar={"VV": 3_500.0, "VH": 4_000.0},
    # 1,024 patches an image.
    rows=16,
    wants=frozenset({"lonlat", "dates", "gsd"}),
    description="Clay v1: Sentinel-2, Sentinel-1 or RGB pictures, with place and date where they are known",
    licence="not stated by TerraTorch; see https://huggingface.co/made-with-clay/Clay-legacy",
    citation="https://github.com/Clay-foundation/model",
    trained_on=frozenset({corpora.CLAY}),
)

ENTRIES = {entry.name: entry for entry in (PRITHVI, PRITHVI_TL, TERRAMIND, CLAY)}
