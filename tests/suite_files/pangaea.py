"""PANGAEA's datasets that TorchGeo has no class for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from suite_files.drawing import EDGE, regions, save_raster, seen_by_sentinel2


def hls_burn_scars(folder: Path, rng: np.random.Generator) -> None:
    """Write HLS Burn Scars: what is not known is -1, and where there are no data images hold 9999."""
    for part, count in (("training", 12), ("validation", 2)):
        for index in range(count):
            mask = regions(rng, 2, EDGE).astype(np.int16)
            image = seen_by_sentinel2(rng, mask.astype(np.uint8), 6).astype(np.float32) / 10_000
            image[:, :4, :4], mask[:4, :4] = 9999, -1
            scene = folder / part / f"subsetted_512x512_HLS.S30.T1{index}SEH.2018{190 + index}.v1.4"
            save_raster(scene.with_name(f"{scene.name}_merged.tif"), image)
            save_raster(scene.with_name(f"{scene.name}.mask.tif"), mask[None])


def sen1floods11(folder: Path, rng: np.random.Generator) -> None:
    """Write the hand-labelled part of Sen1Floods11: radar has no value at the edge of a scene."""
    base = folder / "v1.1"
    (base / "splits" / "flood_handlabeled").mkdir(parents=True)
    for split, count in (("train", 4), ("valid", 2), ("test", 2), ("bolivia", 1)):
        rows = []
        for index in range(count):
            country = "Bolivia" if split == "bolivia" else ("Ghana", "India")[index % 2]
            chip = f"{country}_{len(split)}0{index}{ord(split[0])}"
            mask = regions(rng, 2, EDGE).astype(np.int16)
            power = np.stack([-8.0 - 10 * mask, -15.0 - 10 * mask]) + rng.normal(0, 0.5, (2, EDGE, EDGE))
            power[:, :4] = np.nan
            parts = {
                "S1Hand": power.astype(np.float32),
                "S2Hand": seen_by_sentinel2(rng, mask.astype(np.uint8), 13),
                "LabelHand": np.where(np.arange(EDGE) < 4, -1, mask)[None].astype(np.int16),
            }
            for part, pixels in parts.items():
                save_raster(base / "data" / "flood_events" / "HandLabeled" / part / f"{chip}_{part}.tif", pixels)
            rows.append(f"{chip}_S1Hand.tif,{chip}_LabelHand.tif")
        table = base / "splits" / "flood_handlabeled" / f"flood_{split}_data.csv"
        table.write_text("\n".join(rows) + "\n")


def mados(folder: Path, rng: np.random.Generator) -> None:
    """Write MADOS: a file for each band, which is called by its wavelength, and few labelled pixels."""
    (folder / "splits").mkdir(parents=True)
    bands = {"10": (492, 560, 665, 833), "20": (704, 740, 783, 865, 1614, 2202), "60": (443,)}
    size = {"10": 240, "20": 120, "60": 40}
    for split, scenes in (("train", (1, 2, 3, 4)), ("val", (5, 6)), ("test", (7, 8))):
        tiles = []
        for scene in scenes:
            name, mask = f"Scene_{scene}", regions(rng, 16, 240)
            seen = seen_by_sentinel2(rng, mask, 11).astype(np.float32) / 100_000
            for position, wavelength in enumerate(sorted(sum(bands.values(), ()))):
                edge = next(edge for edge, waves in bands.items() if wavelength in waves)
                step = 240 // size[edge]
                pixels = seen[position : position + 1, ::step, ::step].copy()
                pixels[:, 0, 0] = np.nan
                save_raster(folder / name / edge / f"{name}_L2R_rhorc_{wavelength}_1.tif", pixels)
            labelled = np.where(rng.random((240, 240)) < 0.5, mask, 0).astype(np.uint8)
            save_raster(folder / name / "10" / f"{name}_L2R_cl_1.tif", labelled[None])
            tiles.append(f"{name}_1")
        (folder / "splits" / f"{split}_X.txt").write_text("\n".join(tiles) + "\n")


def ai4smallfarms(folder: Path, rng: np.random.Generator) -> None:
    """Write AI4SmallFarms as it is published: the second split is called ``validate``."""
    for split, count in (("train", 4), ("validate", 2), ("test", 2)):
        for number in range(count):
            mask = regions(rng, 2, EDGE)
            tile = folder / "sentinel-2-asia" / split
            save_raster(tile / "images" / f"{split}_{number}.tif", seen_by_sentinel2(rng, mask, 4))
            save_raster(tile / "masks" / f"{split}_{number}.tif", (mask * 255)[None])


def crops_south_sudan(folder: Path, rng: np.random.Generator) -> None:
    """Write the squares of South Sudan: dates are in the last axis, and there are more than are used, or fewer."""
    base = folder / "southsudan"
    for part in ("npy", "truth"):
        (base / part).mkdir(parents=True)
    rows = []
    for number, partition in enumerate((0, 0, 0, 0, 1, 1, 2, 2)):
        # 0: not known; 5: another crop.
        mask = regions(rng, 6, 64)
        dates = 8 if number % 2 else 3
        optical = np.stack([seen_by_sentinel2(rng, mask, 10) for _ in range(dates)], axis=-1)
        level = np.stack([-8.0 - mask, -15.0 - mask, 0.5 + 0 * mask])[..., None]
        radar = level + rng.normal(0, 0.5, (3, 64, 64, dates + 1))
        # Outside of the orbit's swath.
        radar[:, :2, :2] = np.nan
        name = f"southsudan_{100 + number:06d}.npz"
        np.savez(base / "npy" / name, s1=radar, s2=optical)
        np.savez(base / "truth" / name, truth=mask)
        rows.append({"id": 100 + number, "partition": partition})
    pd.DataFrame(rows).to_csv(base / "list_eval_partition.csv", index=False)
