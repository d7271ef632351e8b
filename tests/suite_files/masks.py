"""What each pixel shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torchgeo import datasets
from torchgeo_layouts import SINCE_0_10

from suite_files.drawing import EDGE, colour, lists, regions, save, save_raster, seen_by_sentinel2, shown


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
                mask = regions(rng, 8, EDGE)
                base, name = folder / split / scene, f"{index + (100 if scene == 'Rural' else 0)}.png"
                save(base / "images_png" / name, shown(rng, mask))
                save(base / "masks_png" / name, mask)


def deepglobe(folder: Path, rng: np.random.Generator) -> None:
    """Write DeepGlobe, whose masks are colours."""
    palette = np.array(datasets.DeepGlobeLandCover.colormap, dtype=np.uint8)
    for split, first, count in (("training_data", 0, 6), ("test_data", 6, 2)):
        for index in range(first, first + count):
            mask = regions(rng, 7, 256)
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


def geonrw(folder: Path, rng: np.random.Generator) -> None:
    """Write GeoNRW: a tile for each of its 43 cities."""
    for number, city in enumerate((*datasets.GeoNRW.train_list, *datasets.GeoNRW.test_list)):
        mask = regions(rng, 11, EDGE)
        name = f"{300 + 5 * number}_{5_700 + number}"
        save(folder / city / f"{name}_rgb.jp2", shown(rng, mask))
        save(folder / city / f"{name}_seg.tif", mask)
        save_raster(folder / city / f"{name}_dem.tif", rng.normal(80, 9, (1, EDGE, EDGE)).astype(np.float32))


def dfc2022(folder: Path, rng: np.random.Generator) -> None:
    """Write the labelled part of DFC2022: names hold kilometres, and the heights are half as fine."""
    for part in ("unlabeled_train", "val"):
        (folder / part).mkdir(parents=True)
    for number in range(15):
        base = folder / "labeled_train" / ("Nice" if number % 2 else "Nantes_Saint-Nazaire")
        name = f"06-2014-{1_000 + 3 * number:04}-6318-LA93-0M50-E080"
        mask = regions(rng, 16, EDGE)
        save_raster(base / "BDORTHO" / f"{name}.tif", shown(rng, mask).transpose(2, 0, 1))
        save_raster(base / "UrbanAtlas" / f"{name}_UA2012.tif", mask[None])
        heights = rng.normal(80, 9, (1, EDGE // 2, EDGE // 2)).astype(np.float32)
        save_raster(base / "RGEALTI" / f"{name}_RGEALTI.tif", heights)


def etci2021(folder: Path, rng: np.random.Generator) -> None:
    """Write ETCI 2021: a grey picture for each polarization, and two masks."""
    for split, region, scenes in (("train", "nebraska", 5), ("test", "florence", 2)):
        for scene in range(scenes):
            name = f"{region}_2017010{scene}t002112"
            for tile in range(2):
                mask = regions(rng, 3, 256)
                flood, water = (mask == 2).astype(np.uint8), (mask == 1).astype(np.uint8)
                base, place = folder / split / name / "tiles", f"{name}_x-{tile}_y-0"
                # Water is dark; what comes back in cross polarization is darker.
                for band, level in (("vv", 160), ("vh", 90)):
                    grey = np.clip(level - 60 * mask + rng.integers(0, 30, mask.shape), 0, 255).astype(np.uint8)
                    save(base / band / f"{place}_{band}.png", np.stack([grey] * 3, axis=-1))
                save(base / "flood_label" / f"{place}.png", flood * 255)
                save(base / "water_body_label" / f"{place}.png", water * 255)


def fields_of_the_world(folder: Path, rng: np.random.Generator) -> None:
    """Write Fields of the World: four bands of two dates; in a quarter of the countries not all fields are labelled."""
    for number, country in enumerate(datasets.FieldsOfTheWorld.valid_countries):
        base = folder / country
        for index in range(3):
            mask = regions(rng, 4 if country in ("brazil", "india", "kenya", "rwanda") else 3, 256)
            planted, ripe = (seen_by_sentinel2(rng, part, 4) for part in (mask % 2, mask))
            save_raster(base / "s2_images" / "window_a" / f"g_{index}.tif", planted // 2)
            save_raster(base / "s2_images" / "window_b" / f"g_{index}.tif", ripe)
            save_raster(base / "label_masks" / "semantic_3class" / f"g_{index}.tif", mask[None])
        table = pd.DataFrame({"aoi_id": ["g_0", "g_1", "g_2"], "split": ["train", "val", "test"], "area": number})
        table.to_parquet(base / f"chips_{country}.parquet")


def cloud_cover(folder: Path, rng: np.random.Generator) -> None:
    """Write the cloud cover challenge, whose folders TorchGeo calls otherwise since 0.10."""
    for split, published, places in (("train", "public", 6), ("test", "private", 2)):
        base, rows = folder / (published if SINCE_0_10 else split), []
        for place in range(places):
            for date in range(2):
                chip, mask = f"{split}{place}{date}", regions(rng, 2, EDGE)
                pixels = seen_by_sentinel2(rng, mask, 4)
                for band, values in zip(("B02", "B03", "B04", "B08"), pixels, strict=True):
                    save_raster(base / f"{split}_features" / chip / f"{band}.tif", values[None])
                save_raster(base / f"{split}_labels" / f"{chip}.tif", mask[None])
                rows.append({"chip_id": chip, "location": f"{split} {place}", "datetime": f"2020-01-0{date + 1}"})
        pd.DataFrame(rows).to_csv(base / f"{split}_metadata.csv", index=False)


def sen12ms(folder: Path, rng: np.random.Generator) -> None:
    """Write SEN12MS: land cover is the first of four layers."""
    lists_: dict[str, list[str]] = {"train": [], "test": []}
    for season in ("ROIs1158_spring", "ROIs1868_summer", "ROIs1970_fall", "ROIs2017_winter"):
        for scene in range(1, 5):
            mask = regions(rng, 17, 256) + np.uint8(1)
            layers = np.stack([mask, mask * 0, mask * 0, mask * 0])
            power = np.stack([-20.0 + mask, -27.0 + mask]) + rng.normal(0, 0.1, (2, 256, 256))
            for part, pixels in (
                ("lc", layers),
                ("s1", power.astype(np.float32)),
                ("s2", seen_by_sentinel2(rng, mask, 13)),
            ):
                save_raster(folder / season / f"{part}_{scene}" / f"{season}_{part}_{scene}_p30.tif", pixels)
            lists_["test" if scene == 4 else "train"].append(f"{season}_s2_{scene}_p30.tif")
    for split, names in lists_.items():
        (folder / f"{split}_list.txt").write_text("\n".join(names) + "\n")


def caffe(folder: Path, rng: np.random.Generator) -> None:
    """Write CaFFe: grey pictures, zones and the fronts between them."""
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for index in range(count):
            scene, place = f"{split.upper()}_2011-11-1{index // 2}_TDX_7_1_092", f"93_102_{index}_0_0"
            zones = regions(rng, 4, EDGE)
            grey = np.clip(40 + 50 * zones + rng.integers(0, 30, zones.shape), 0, 255).astype(np.uint8)
            save(folder / "caffe" / "sar_images" / split / f"{scene}__{place}.png", grey)
            values = np.array([0, 64, 127, 254], dtype=np.uint8)
            save(folder / "caffe" / "zones" / split / f"{scene}_zones__{place}.png", values[zones])
            front = (np.diff(zones, axis=0, prepend=zones[:1]) != 0).astype(np.uint8) * np.uint8(255)
            save(folder / "caffe" / "fronts" / split / f"{scene}_front__{place}.png", front)
