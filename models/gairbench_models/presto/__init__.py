"""Presto: monthly series of single pixels, of several sensors (Tseng et al., arXiv 2304.14065)."""

from __future__ import annotations

from gairbench import ImageInput, ModelSpec, Normalization, Preset, UrlWeights
from gairbench_models.corpora import PRESTO
from gairbench_models.satellite_groups import DYNAMIC_WORLD, ERA5, S1, S2, SRTM, bands_of_groups, series_of

SCALES = {
    **dict.fromkeys(bands_of_groups(S1), (-25.0, 25.0)),
    **dict.fromkeys(bands_of_groups(S2), (0.0, 10_000.0)),
    "temperature": (272.15, 35.0),
    "precipitation": (0.0, 0.03),
    "elevation": (0.0, 2_000.0),
    "slope": (0.0, 50.0),
}
"""Zero and one of each band's normalized values, as presto/dataops/pipelines/s1_s2_era5_srtm.py states them."""


def _series(name: str, groups: tuple[str, ...]) -> ImageInput:
    bands = bands_of_groups(groups)
    return series_of(
        name,
        bands,
        size=1,
        normalization=Normalization.ZSCORE,
        mean=tuple(SCALES[band][0] for band in bands),
        std=tuple(SCALES[band][1] for band in bands),
    )


RELIEF = "srtm"
"""The image that does not change: it has one token, without a month."""

INPUTS = (
    _series("s1", S1),
    _series("s2", S2),
    _series("era5", ERA5),
    _series(RELIEF, SRTM),
    series_of("dynamic-world", DYNAMIC_WORLD, size=1),
)

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name="presto",
        version="1",
        factory="gairbench_models.presto.encoder:load",
        presets=(
            Preset(
                name="default",
                inputs=INPUTS,
                accepts=(tuple(image.name for image in INPUTS),),
                needs=frozenset({"dates", "lonlat"}),
                static=frozenset({RELIEF}),
                weights=UrlWeights(
                    url="https://raw.githubusercontent.com/nasaharvest/presto/13173d028f035abcbcc3b13829314323a5c15d02/data/default_model.pt",
                    sha256="559c9d76f525bdf2dd3774da8b1e7f1510769b73baacac12e9e4d8d5c67fbe65",
                    size=3_321_716,
                    licence="MIT",
                    filename="presto-default-model.pt",
                ),
                description="1 to 24 months of one pixel; images are resized to one; 404,160 parameters",
            ),
        ),
        golden="gairbench_models.presto.golden:presto_answers",
        description="Pixel series of Sentinel-1, Sentinel-2, weather, relief and land cover, with months and the place",
        licence="MIT",
        citation="arXiv:2304.14065",
        trained_on=frozenset({PRESTO}),
    ),
)
