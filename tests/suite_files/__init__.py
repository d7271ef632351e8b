"""Small datasets of the suite in their published layouts: files and formats are theirs, what they show is ours.

A class's images have a colour of its own, a mask's patches the same colours, and a measurement is the brightness: a
frozen model can learn what is asked for. Values are plausible in the declared unit. Modules are those of the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from gairbench import ImageInput, TaskSpec
from suite_files import change, copernicus, locbench, masks, measurements, pangaea, photos, places, scenes
from suite_files.drawing import EDGE

LARGE = {
    "loveda": EDGE,
    "deepglobelandcover": 256,
    "levircd": EDGE,
    "levircdplus": EDGE,
    "cabuar": EDGE,
    "copernicus_bench/cloud_s2": EDGE,
    "geonrw": EDGE,
    "dfc2022": EDGE,
    "ref_cloud_cover_detection_challenge_v1": EDGE,
    "caffe": EDGE,
    "chabud": EDGE,
    "bright": EDGE,
    "digital_typhoon": 64,
    "xview2": EDGE,
    "hls_burn_scars": EDGE,
    "sen1floods11": EDGE,
    "ai4smallfarms": EDGE,
}
"""Edge in pixels of what is larger where it is published, by folder."""

WRITERS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "eurosat": scenes.eurosat,
    "eurosat100": scenes.eurosat_100,
    "ucmerced": scenes.uc_merced,
    "resisc45": scenes.resisc45,
    "patternnet": scenes.patternnet,
    "advance": scenes.advance,
    "fire_risk": scenes.fire_risk,
    "so2sat": scenes.so2sat,
    "bigearthnet_v2": scenes.bigearthnet_v2,
    "treesatai": scenes.treesatai,
    "landcoverai": masks.landcover_ai,
    "loveda": masks.loveda,
    "deepglobelandcover": masks.deepglobe,
    "pastis": masks.pastis,
    "cabuar": change.cabuar,
    "levircd": change.levir_cd,
    "levircdplus": change.levir_cd_plus,
    "usavars": measurements.usavars,
    "cyclone": measurements.tropical_cyclone,
    "copernicus_bench/cloud_s2": copernicus.copernicus_cloud,
    "copernicus_bench/dfc2020": copernicus.copernicus_dfc,
    "copernicus_bench/bigearthnet": copernicus.copernicus_bigearthnet,
    "copernicus_bench/lcz_s2": copernicus.copernicus_lcz,
    "geonrw": masks.geonrw,
    "dfc2022": masks.dfc2022,
    "etci2021": masks.etci2021,
    "ftw": masks.fields_of_the_world,
    "ref_cloud_cover_detection_challenge_v1": masks.cloud_cover,
    "sen12ms": masks.sen12ms,
    "caffe": masks.caffe,
    "chabud": change.chabud,
    "bright": change.bright,
    "bigearthnet": scenes.bigearthnet_v1,
    "digital_typhoon": measurements.digital_typhoon,
    "copernicus_bench/eurosat": copernicus.copernicus_eurosat,
    "copernicus_bench/flood_s1": copernicus.copernicus_flood,
    "xview2": change.xview2,
    "cowc_detection": scenes.cowc_detection,
    "cowc_counting": measurements.cowc_counting,
    "hls_burn_scars": pangaea.hls_burn_scars,
    "sen1floods11": pangaea.sen1floods11,
    "mados": pangaea.mados,
    "global_streetscapes": photos.global_streetscapes,
    "place_pulse": photos.place_pulse,
    "weather_stations": places.weather_stations,
    "wealth_clusters": places.wealth_clusters,
    "california_housing": places.california_housing,
    "mosaiks": locbench.mosaiks,
    "sustainbench_dhs": locbench.sustainbench,
    "birdsnap": locbench.birdsnap,
    "nabirds": locbench.nabirds,
    "inat_2017": locbench.inat_2017,
    "inat_2018": locbench.inat_2018,
    "yfcc": locbench.yfcc,
    "fmow": locbench.fmow,
    "ai4smallfarms": pangaea.ai4smallfarms,
    "crops_south_sudan": pangaea.crops_south_sudan,
}
"""By folder below the data root."""


def as_written(task: TaskSpec) -> TaskSpec:
    """Return a task whose dataset has images of the size that is written here."""
    size = LARGE.get(task.dataset.folder)
    if size is None:
        return task
    delivers = tuple(replace(one, size=size) if isinstance(one, ImageInput) else one for one in task.dataset.delivers)
    return replace(task, dataset=replace(task.dataset, delivers=delivers))


def write(root: Path, *folders: str) -> Path:
    """Write datasets below a data root.

    Args:
        root: The data root.
        folders: Which; none: all.
    """
    for folder in folders or WRITERS:
        (root / folder).mkdir(parents=True)
        WRITERS[folder](root / folder, np.random.default_rng(0))
    return root
