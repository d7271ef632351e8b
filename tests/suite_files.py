"""Small datasets of the suite in their published layouts: files and formats are theirs, what they show is ours.

A class's images have a colour of its own, a mask's patches the same colours, and a measurement is the brightness: a
frozen model can learn what is asked for. Values are plausible in the declared unit.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_origin
from torchgeo import datasets

from gairbench import ImageInput, TaskSpec

Pixels = NDArray[np.uint8]
SPLITS = ("train", "val", "test")
LARGE = {
    "loveda": 128,
    "deepglobelandcover": 256,
    "levircd": 128,
    "levircdplus": 128,
    "cabuar": 128,
    "copernicus_bench/cloud_s2": 128,
}
"""Edge in pixels of what is larger where it is published, by folder."""


def colour(number: int) -> NDArray[np.float64]:
    """Return the colour of a class, three values from 40 to 215."""
    return 40 + np.array([number * 67 % 176, number * 101 % 176, number * 149 % 176], dtype=np.float64)


def picture(rng: np.random.Generator, number: float, size: int) -> Pixels:
    """Return an image ``(height, width, 3)`` of a class."""
    noise = rng.normal(0, 12, (size // 8 + 1, size // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)[:size, :size]
    return np.clip(colour(int(number)) + noise, 0, 255).astype(np.uint8)


def regions(rng: np.random.Generator, classes: int, size: int) -> Pixels:
    """Return a mask of square patches that has every class."""
    cells = rng.permutation(np.arange(16) % classes).reshape(4, 4)
    return cells.repeat(size // 4, 0).repeat(size // 4, 1).astype(np.uint8)


def shown(rng: np.random.Generator, mask: Pixels) -> Pixels:
    """Return the picture of a mask."""
    palette = np.array([colour(number) for number in range(mask.max() + 1)]).astype(np.uint8)
    # As long as it is not bright enough to overflow: 215 + 30.
    noise = rng.integers(0, 30, (mask.shape[0] // 8, mask.shape[1] // 8, 3), dtype=np.uint8)
    return palette[mask] + noise.repeat(8, 0).repeat(8, 1)


def save(path: Path, pixels: Pixels) -> None:
    """Write a picture or a mask in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_raster(path: Path, bands: NDArray[np.generic], *, west: float = 500_000, north: float = 5_500_000) -> None:
    """Write bands ``(band, height, width)`` as a georeferenced file of 10 m a pixel in UTM zone 33."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
        crs="EPSG:32633", transform=from_origin(west, north, 10, 10),
    ) as file:  # fmt: skip
        file.write(bands)


def reflected(rng: np.random.Generator, number: float, bands: int, size: int) -> NDArray[np.uint16]:
    """Return digital numbers of Sentinel-2 ``(band, height, width)`` of a class."""
    level = np.resize(colour(int(number)), bands)[:, None, None] * 12
    return np.clip(level + rng.normal(0, 100, (bands, size, size)), 1, 9_999).astype(np.uint16)


def seen_by_sentinel2(rng: np.random.Generator, mask: Pixels, bands: int) -> NDArray[np.uint16]:
    """Return digital numbers of Sentinel-2 ``(band, height, width)`` of a mask."""
    palette = np.array([np.resize(colour(number), bands) for number in range(mask.max() + 1)]) * 12
    noise = rng.normal(0, 100, (bands, *mask.shape))
    return np.clip(palette[mask].transpose(2, 0, 1) + noise, 1, 9_999).astype(np.uint16)


def divide(names: Sequence[str], each: int) -> dict[str, list[str]]:
    """Return the first, the middle and the last of each class's names as train, val and test."""
    parts: dict[str, list[str]] = {split: [] for split in SPLITS}
    for start in range(0, len(names), each):
        mine = names[start : start + each]
        parts["train"] += mine[:-2]
        parts["val"].append(mine[-2])
        parts["test"].append(mine[-1])
    return parts


def lists(folder: Path, pattern: str, names: Sequence[str], each: int) -> None:
    """Write one list of names for each split."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, mine in divide(names, each).items():
        (folder / pattern.format(split)).write_text("\n".join(mine) + "\n")


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


def landcover_ai(folder: Path, rng: np.random.Generator) -> None:
    """Write the chips of LandCover.ai."""
    names = [f"M-33-20-D-c-4-{index % 3}_{index}" for index in range(6)]
    for name in names:
        mask = regions(rng, 5, 512)
        save(folder / "output" / f"{name}.jpg", shown(rng, mask))
        save(folder / "output" / f"{name}_m.png", mask)
    lists(folder, "{}.txt", names, 6)


def loveda(folder: Path, rng: np.random.Generator) -> None:
    """Write LoveDA, whose masks are 1 to 7, and 0 where there are no data."""
    for split, count in (("Train", 5), ("Val", 1)):
        for scene in ("Urban", "Rural"):
            for index in range(count):
                mask = regions(rng, 8, LARGE["loveda"])
                base, name = folder / split / scene, f"{index + (100 if scene == 'Rural' else 0)}.png"
                save(base / "images_png" / name, shown(rng, mask))
                save(base / "masks_png" / name, mask)


def deepglobe(folder: Path, rng: np.random.Generator) -> None:
    """Write DeepGlobe, whose masks are colours."""
    palette = np.array(datasets.DeepGlobeLandCover.colormap, dtype=np.uint8)
    for split, first, count in (("training_data", 0, 6), ("test_data", 6, 2)):
        for index in range(first, first + count):
            mask = regions(rng, 7, LARGE["deepglobelandcover"])
            save(folder / "data" / split / "images" / f"{index}_sat.jpg", shown(rng, mask))
            save(folder / "data" / split / "masks" / f"{index}_mask.png", palette[mask])


def pastis(folder: Path, rng: np.random.Generator) -> None:
    """Write the series of Sentinel-2 of PASTIS, which differ in length, and the masks of crops."""
    import geopandas as gpd
    from shapely.geometry import box

    base, rows = folder / datasets.PASTIS.directory, []
    for part in ("DATA_S2", "ANNOTATIONS"):
        (base / part).mkdir(parents=True)
    for index in range(5):
        mask = np.resize(rng.permutation(20), 64).reshape(8, 8).repeat(16, 0).repeat(16, 1).astype(np.uint8)
        levels = np.array([[np.resize(colour(number), 10)] for number in range(20)])[:, 0] * 12
        frames = 38 + index
        series = levels[mask].transpose(2, 0, 1) + rng.normal(0, 100, (frames, 10, 128, 128))
        np.save(base / "DATA_S2" / f"S2_{10_000 + index}.npy", np.clip(series, 1, 9_999).astype(np.int16))
        np.save(base / "ANNOTATIONS" / f"TARGET_{10_000 + index}.npy", np.stack([mask] * 3))
        square = box(700_000 + 1_280 * index, 6_000_000, 701_280 + 1_280 * index, 6_001_280)
        rows.append({"ID_PATCH": 10_000 + index, "Fold": index % 5 + 1, "geometry": square})
    gpd.GeoDataFrame(rows, crs="EPSG:2154").to_file(base / "metadata.geojson", driver="GeoJSON")


def cabuar(folder: Path, rng: np.random.Generator) -> None:
    """Write CaBuAr."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    for name, folds in (("512x512.hdf5", (0, 0, 1, 2, 3, 4)), ("chabud_test.h5", ("chabud", "chabud"))):
        with h5py.File(folder / name, "w") as file:
            for index, fold in enumerate(folds):
                mask = regions(rng, 2, LARGE["cabuar"])
                group = file.create_group(f"{name[:3]}-{index}")
                group.attrs["fold"] = fold
                before = reflected(rng, 0, 12, LARGE["cabuar"])
                group["pre_fire"] = before.transpose(1, 2, 0)
                group["post_fire"] = np.where(mask, before // 3, before).transpose(1, 2, 0)
                group["mask"] = mask[..., None].astype(np.uint16)


def _pair(rng: np.random.Generator, a: Path, b: Path, label: Path) -> None:
    mask = regions(rng, 2, LARGE["levircd"])
    before = picture(rng, 1, LARGE["levircd"])
    save(a, before)
    save(b, np.where(mask[..., None], 255 - before, before).astype(np.uint8))
    save(label, mask * 255)


def levir_cd(folder: Path, rng: np.random.Generator) -> None:
    """Write LEVIR-CD."""
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for index in range(count):
            a, b, label = (folder / part / f"{split}_{index}.png" for part in ("A", "B", "label"))
            _pair(rng, a, b, label)


def levir_cd_plus(folder: Path, rng: np.random.Generator) -> None:
    """Write LEVIR-CD+."""
    for split, count in (("train", 6), ("test", 2)):
        for index in range(count):
            base = folder / datasets.LEVIRCDPlus.directory / split
            name = f"{split}_{index:02}.png"
            _pair(rng, base / "A" / name, base / "B" / name, base / "label" / name)


def usavars(folder: Path, rng: np.random.Generator) -> None:
    """Write USAVars: seven tables of all tiles, in another order than the lists of the splits."""
    ids = [f"{row},{column}" for row in range(6) for column in range(10)]
    level = rng.uniform(0, 1, len(ids))
    for one, height in zip(ids, level, strict=True):
        pixels = np.clip(40 + 160 * height + rng.normal(0, 12, (4, 256, 256)), 0, 255).astype(np.uint8)
        save_raster(folder / "uar" / f"tile_{one}.tif", pixels)
    for name in ("treecover", "elevation", "population", "income", "housing", "roads", "nightlights"):
        table = {"ID": ids, "lon": np.linspace(-120, -75, 60), "lat": rng.uniform(28, 48, 60), name: 100 * level}
        pd.DataFrame(table).to_csv(folder / f"{name}.csv")
    order = rng.permutation(len(ids))
    for split, rows in zip(SPLITS, (order[:36], order[36:48], order[48:]), strict=True):
        (folder / f"{split}_split.txt").write_text("\n".join(f"tile_{ids[row]}.tif" for row in rows) + "\n")


def tropical_cyclone(folder: Path, rng: np.random.Generator) -> None:
    """Write the pictures of storms and their winds."""
    for split, file, storms in (("train", "training_set", "abcdefghij"), ("test", "test_set", "klm")):
        rows = []
        for storm in storms:
            for step in range(6):
                wind = int(rng.integers(20, 150))
                name = f"{storm * 3}_{step:03}"
                grey = np.clip(rng.normal(wind + 30, 12, (46, 46)), 0, 255).repeat(8, 0).repeat(8, 1)[:366, :366]
                save(folder / split / f"{name}.jpg", grey.astype(np.uint8))
                rows.append(
                    {"Image ID": name, "Storm ID": storm * 3, "Relative Time": step, "Ocean": 1, "Wind Speed": wind}
                )
        table = pd.DataFrame(rows, columns=["Image ID", "Storm ID", "Relative Time", "Ocean", "Wind Speed"])
        table.drop(columns="Wind Speed").to_csv(folder / f"{file}_features.csv", index=False)
        table[["Image ID", "Wind Speed"]].to_csv(folder / f"{file}_labels.csv", index=False)


def copernicus_cloud(folder: Path, rng: np.random.Generator) -> None:
    """Write Cloud-S2 of Copernicus-Bench."""
    names = [f"ROI_0000{index}__20200101T10101{index}" for index in range(6)]
    for name in names:
        mask = regions(rng, 4, LARGE["copernicus_bench/cloud_s2"])
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


WRITERS: dict[str, Callable[[Path, np.random.Generator], None]] = {
    "eurosat": eurosat,
    "eurosat100": eurosat_100,
    "ucmerced": uc_merced,
    "resisc45": resisc45,
    "patternnet": patternnet,
    "advance": advance,
    "fire_risk": fire_risk,
    "so2sat": so2sat,
    "bigearthnet_v2": bigearthnet_v2,
    "treesatai": treesatai,
    "landcoverai": landcover_ai,
    "loveda": loveda,
    "deepglobelandcover": deepglobe,
    "pastis": pastis,
    "cabuar": cabuar,
    "levircd": levir_cd,
    "levircdplus": levir_cd_plus,
    "usavars": usavars,
    "cyclone": tropical_cyclone,
    "copernicus_bench/cloud_s2": copernicus_cloud,
    "copernicus_bench/dfc2020": copernicus_dfc,
    "copernicus_bench/bigearthnet": copernicus_bigearthnet,
    "copernicus_bench/lcz_s2": copernicus_lcz,
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
