"""What a whole image shows: classes and labels."""

from __future__ import annotations

import json
import wave
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from torchgeo import datasets

from suite_files.drawing import lists, picture, reflected, save, save_raster


def eurosat(
    folder: Path, rng: np.random.Generator, patterns: Sequence[str] = ("eurosat-{}.txt", "eurosat-spatial-{}.txt")
) -> None:
    """Write EuroSAT, with its spatial splits."""
    tiles = folder / datasets.EuroSAT.base_dir
    names = []
    classes = ["AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture"]
    classes += ["PermanentCrop", "Residential", "River", "SeaLake"]
    for number, name in enumerate(classes):
        for index in range(1, 6):
            west = 300_000 + 8_000 * (5 * number + index)
            save_raster(tiles / name / f"{name}_{index}.tif", reflected(rng, number, 13, 64), west=west)
            names.append(f"{name}_{index}.jpg")
    for pattern in patterns:
        lists(folder, pattern, names, 5)


def eurosat_100(folder: Path, rng: np.random.Generator) -> None:
    """Write EuroSAT100."""
    eurosat(folder, rng, ["eurosat-100-{}.txt"])


def uc_merced(folder: Path, rng: np.random.Generator) -> None:
    """Write UC Merced."""
    names = []
    for number in range(4):
        for index in range(5):
            name = f"kind{number}{index:02}.tif"
            # Some of the published images are a little smaller than 256 pixels.
            save(folder / datasets.UCMerced.base_dir / f"kind{number}" / name, picture(rng, number, 256 - index % 2))
            names.append(name)
    lists(folder, "uc_merced-{}.txt", names, 5)


def resisc45(folder: Path, rng: np.random.Generator) -> None:
    """Write RESISC45."""
    names = []
    for number in range(4):
        for index in range(1, 6):
            name = f"kind{number}_{index:03}.jpg"
            save(folder / datasets.RESISC45.directory / f"kind{number}" / name, picture(rng, number, 256))
            names.append(name)
    lists(folder, "resisc45-{}.txt", names, 5)


def patternnet(folder: Path, rng: np.random.Generator) -> None:
    """Write PatternNet, whose names of files are unique only within their class."""
    for number in range(4):
        for index in range(1, 11):
            path = folder / datasets.PatternNet.directory / f"kind{number}" / f"kind{number}{index:03}.jpg"
            save(path, picture(rng, number, 256))


def advance(folder: Path, rng: np.random.Generator) -> None:
    """Write ADVANCE, with sounds."""
    for number, name in enumerate(datasets.ADVANCE.classes[:4]):
        for index in range(10):
            save(folder / "vision" / name / f"{number}{index:04}.jpg", picture(rng, number, 512))
            path = folder / "sound" / name / f"{number}{index:04}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            with wave.open(str(path), "wb") as file:
                file.setparams((1, 2, 16_000, 0, "NONE", ""))
                file.writeframes(bytes(320))


def fire_risk(folder: Path, rng: np.random.Generator) -> None:
    """Write FireRisk, whose names of files hold longitude and latitude."""
    for split, count in (("train", 10), ("val", 3)):
        for number, name in enumerate(datasets.FireRisk.classes):
            for index in range(count):
                lon, lat = rng.uniform(-120, -75), rng.uniform(28, 48)
                file = f"2703{number}{index:03}_{number}_{lon:.12f}_{lat:.12f}.png"
                save(folder / "FireRisk" / split / name / file, picture(rng, number, 320))


def so2sat(folder: Path, rng: np.random.Generator) -> None:
    """Write version 2 of So2Sat."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    for name, count in (("training", 51), ("validation", 17), ("testing", 17)):
        label = np.arange(count) % 17
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["label"] = np.eye(17)[label]
            file["sen1"] = rng.normal(0, 0.1, (count, 32, 32, 8))
            file["sen2"] = np.stack([reflected(rng, one, 10, 32).transpose(1, 2, 0) / 10_000 for one in label])


def bigearthnet_v2(folder: Path, rng: np.random.Generator) -> None:
    """Write BigEarthNet v2: bands of 10, 20 and 60 m in files of their own."""
    rows = []
    wide = {"B01": 20, "B05": 60, "B06": 60, "B07": 60, "B8A": 60, "B09": 20, "B11": 60, "B12": 60}
    for number in range(20):
        tile, radar = "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", "S1A_IW_GRDH_1SDV_20170613T165043"
        patch, s1 = f"{tile}_{number}_57", f"{radar}_33UUP_{number}_57"
        for band in ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"):
            pixels = reflected(rng, number % 5, 1, wide.get(band, 120))
            save_raster(folder / "BigEarthNet-S2" / tile / patch / f"{patch}_{band}.tif", pixels)
        for level, band in ((-18, "VH"), (-11, "VV")):
            power = rng.normal(level + number % 5, 1, (1, 120, 120)).astype(np.float32)
            save_raster(folder / "BigEarthNet-S1" / radar / s1 / f"{s1}_{band}.tif", power)
        land = np.full((1, 120, 120), 311, dtype=np.uint16)
        save_raster(folder / "Reference_Maps" / tile / patch / f"{patch}_reference_map.tif", land)
        labels = [datasets.BigEarthNetV2.class_set[n] for n in range(19) if n % 5 == number % 5 or n % 3 == number % 3]
        split = "train" if number < 12 else "validation" if number < 16 else "test"
        rows.append({"patch_id": patch, "s1_name": s1, "split": split, "labels": labels})
    pd.DataFrame(rows).to_parquet(folder / "metadata.parquet")


def treesatai(folder: Path, rng: np.random.Generator) -> None:
    """Write the aerial part of TreeSatAI."""
    names, labels = [], {}
    for index in range(50):
        genus = datasets.TreeSatAI.classes[index % 15]
        name = f"{genus}_species_{index}_WEFL_NLF.tif"
        names.append(name)
        other = datasets.TreeSatAI.classes[(index + 4) % 15]
        labels[name] = [[genus, 0.7], [other, 0.3]]
        pixels = np.concatenate([picture(rng, index % 15, 304), picture(rng, index % 15, 304)[..., :1]], axis=-1)
        save_raster(folder / "aerial" / "60m" / name, pixels.transpose(2, 0, 1))
    (folder / "labels").mkdir()
    (folder / "labels" / "TreeSatBA_v9_60m_multi_labels.json").write_text(json.dumps(labels))
    (folder / "train_filenames.lst").write_text("\n".join(names[:35]) + "\n")
    (folder / "test_filenames.lst").write_text("\n".join(names[35:]) + "\n")


def bigearthnet_v1(folder: Path, rng: np.random.Generator) -> None:
    """Write BigEarthNet v1: each patch's labels are in both sensors' folders."""
    names = datasets.BigEarthNet.class_sets[43]
    converted = datasets.BigEarthNet.label_converter
    rows = []
    for number in range(20):
        s2, s1 = f"S2A_MSIL2A_20170613T101031_{number}_57", f"S1A_IW_GRDH_1SDV_20170613T165043_33UUP_{number}_57"
        labels = [name for n, name in enumerate(names) if n in converted and converted[n] % 5 == number % 5]
        for base, patch in (("BigEarthNet-v1.0", s2), ("BigEarthNet-S1-v1.0", s1)):
            (folder / base / patch).mkdir(parents=True)
            (folder / base / patch / f"{patch}_labels_metadata.json").write_text(json.dumps({"labels": labels}))
        for band in ("01", "02", "03", "04", "05", "06", "07", "08", "8A", "09", "11", "12"):
            path = folder / "BigEarthNet-v1.0" / s2 / f"{s2}_B{band}.tif"
            save_raster(path, reflected(rng, number % 5, 1, {"01": 20, "09": 20}.get(band, 60)))
        for level, band in ((-18, "VH"), (-11, "VV")):
            power = rng.normal(level + number % 5, 1, (1, 120, 120)).astype(np.float32)
            save_raster(folder / "BigEarthNet-S1-v1.0" / s1 / f"{s1}_{band}.tif", power)
        rows.append(f"{s2},{s1}")
    for split, part in (("train", rows[:12]), ("val", rows[12:16]), ("test", rows[16:])):
        (folder / f"bigearthnet-{split}.csv").write_text("\n".join(part) + "\n")


def cowc_detection(folder: Path, rng: np.random.Generator) -> None:
    """Write COWC for detection; the class wants the archives to stay."""
    for name in datasets.COWCDetection.filenames:
        (folder / name).touch()
    for split, count in (("train", 20), ("test", 6)):
        rows = []
        for index in range(count):
            path = f"{('Toronto_ISPRS', 'Utah_AGRC')[index // 2 % 2]}/{split}/{split}_{index}.png"
            save(folder / path, picture(rng, index % 2, 256))
            rows.append(f"{path} {index % 2}")
        (folder / f"COWC_{split}_list_detection.txt").write_text("\n".join(rows) + "\n")
