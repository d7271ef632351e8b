"""Copernicus-Bench."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from torchgeo import datasets

from suite_files.drawing import EDGE, SPLITS, colour, lists, reflected, regions, save_raster, seen_by_sentinel2


def copernicus_cloud(folder: Path, rng: np.random.Generator) -> None:
    """Write Cloud-S2 of Copernicus-Bench."""
    names = [f"ROI_0000{index}__20200101T10101{index}" for index in range(6)]
    for name in names:
        mask = regions(rng, 4, EDGE)
        save_raster(folder / "cloud_s2" / "s2_toa" / f"{name}.tif", seen_by_sentinel2(rng, mask, 13))
        save_raster(folder / "cloud_s2" / "cloud" / f"{name}.tif", mask[None])
    lists(folder / "cloud_s2", "{}.csv", names, 6)


def copernicus_dfc(folder: Path, rng: np.random.Generator) -> None:
    """Write DFC2020 of Copernicus-Bench, both sensors."""
    base, names = folder / "dfc2020_s1s2", [f"ROIs0000_test_dfc_0_p{index}.tif" for index in range(6)]
    for name in names:
        mask = regions(rng, 11, 256)
        power = mask - 20.0 + rng.normal(0, 0.1, (2, 256, 256))
        save_raster(base / "s1" / name.replace("dfc", "s1"), power.astype(np.float32))
        save_raster(base / "s2" / name.replace("dfc", "s2"), seen_by_sentinel2(rng, mask, 13))
        save_raster(base / "dfc" / name, mask[None])
    lists(base, "dfc-{}-new.csv", names, 6)


def copernicus_bigearthnet(folder: Path, rng: np.random.Generator) -> None:
    """Write BigEarthNet of Copernicus-Bench, both sensors."""
    base, rows = folder / "bigearthnet_s1s2", []
    for number in range(20):
        s1 = f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{number // 4}_{number % 4}.tif"
        s2 = f"S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_{number}_57.tif"
        power = rng.normal(-18 + number % 5, 1, (2, 120, 120)).astype(np.float32)
        save_raster(base / "BigEarthNet-S1-5%" / s1, power)
        save_raster(base / "BigEarthNet-S2-5%" / s2, reflected(rng, number % 5, 12, 120))
        rows.append([s1, s2, *(int(n % 5 == number % 5 or n % 3 == number % 3) for n in range(19))])
    table = pd.DataFrame(rows, columns=["s1", "s2", *datasets.CopernicusBenchBigEarthNetS2.classes])
    for split, part in zip(SPLITS, (table[:12], table[12:16], table[16:]), strict=True):
        part.to_csv(base / f"multilabel-{split}.csv", index=False)


def copernicus_lcz(folder: Path, rng: np.random.Generator) -> None:
    """Write LCZ-S2 of Copernicus-Bench."""
    import h5py

    for split, count in zip(SPLITS, (51, 17, 17), strict=True):
        label = np.arange(count) % 17
        with h5py.File(folder / f"lcz_{split}.h5", "w") as file:
            file["label"] = np.eye(17)[label]
            file["sen2"] = np.stack([reflected(rng, one, 10, 32).transpose(1, 2, 0) / 10_000 for one in label])


def copernicus_eurosat(folder: Path, rng: np.random.Generator) -> None:
    """Write EuroSAT of Copernicus-Bench, both sensors, whose order of classes is another than EuroSAT's."""
    names = []
    for number, kind in enumerate(datasets.CopernicusBenchEuroSATS1.classes):
        for index in range(5):
            name, west = f"{kind}_{index}", 300_000 + 8_000 * (5 * number + index)
            level = (colour(number)[:2, None, None] - 255) / 8
            power = rng.normal(level, 1, (2, 64, 64)).astype(np.float32)
            save_raster(folder / "eurosat_s1" / "all_imgs" / kind / f"{name}.tif", power, west=west)
            pixels = reflected(rng, number, 13, 64)
            save_raster(folder / "eurosat_s2" / "all_imgs" / kind / f"{name}.tif", pixels, west=west)
            names.append(f"{name}.jpg")
    for sensor in ("eurosat_s1", "eurosat_s2"):
        lists(folder / sensor, "eurosat-{}.txt", names, 5)


def copernicus_flood(folder: Path, rng: np.random.Generator) -> None:
    """Write Flood-S1 of Copernicus-Bench: two images before a flood, and one after."""
    base = folder / "flood_s1"
    for split, event, count in (("train", "1111013", 4), ("val", "1111014", 2), ("test", "1111015", 2)):
        entries = {}
        for index in range(count):
            key, mask = f"{event}{index:025}", regions(rng, 4, 224)
            path = f"{event}/01/{key}"
            # Water is dark, whether it was there before or not.
            for image, dark in (("SL1", mask == 1), ("SL2", mask == 1), ("MS1", (mask == 1) | (mask == 2))):
                for band, level in (("VV", 0.1), ("VH", 0.03)):
                    power = np.where(dark, level / 10, level) * rng.uniform(0.9, 1.1, mask.shape)
                    name = f"{image}_I{band}_{event}_01_20170422.tif"
                    save_raster(base / "data" / path / name, power[None].astype(np.float32))
            save_raster(base / "data" / path / f"MK0_MLU_{event}_01_20170504.tif", mask[None])
            entries[key] = {"path": path}
        (base / f"grid_dict_{split}.json").write_text(json.dumps(entries))
