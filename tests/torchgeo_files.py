"""Tiny files in the layouts that TorchGeo publishes, and task datasets of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import rasterio
from PIL import Image
from rasterio.transform import from_origin

from gairbench import Category, DatasetSpec, ImageInput, Kind, LocationInput, Modality, TaskSpec, Unit, hookimpl
from gairbench_tasks.torchgeo.source import Draw, Grid, Label, TorchGeoSource

SIZES = {"train": 12, "val": 6, "test": 6}

UCMERCED = DatasetSpec(
    name="tiny-ucmerced",
    version=1,
    folder="ucmerced",
    factory=TorchGeoSource("torchgeo.datasets:UCMerced"),
    delivers=(ImageInput(modality=Modality.RS, size=256, gsd_m=0.3),),
    licence="CC0-1.0",
    citation="generated",
)

EUROSAT_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")

EUROSAT = DatasetSpec(
    name="tiny-eurosat",
    version=1,
    folder="eurosat",
    factory=TorchGeoSource("torchgeo.datasets:EuroSAT", lonlat=".samples.0"),
    delivers=(
        ImageInput(modality=Modality.RS, bands=EUROSAT_BANDS, unit=Unit.S2_DN, size=16, gsd_m=10.0),
        LocationInput(),
    ),
    licence="CC0-1.0",
    citation="generated",
)

SCENES = DatasetSpec(
    name="tiny-scenes",
    version=1,
    folder="scenes",
    factory=TorchGeoSource(
        "torchgeo_files:scenes",
        {"cover": Label("mask", classes=("dark", "bright"), values=(10, 20), ignore=(0,))},
        splits={"all": {}},
        draw=Draw("all", (0.5, 0.25, 0.25), by="blocks", degrees=0.02),
        chips=Grid(16),
        page="https://example.org/scenes",
    ),
    delivers=(ImageInput(modality=Modality.RS, size=16, gsd_m=10.0), LocationInput()),
    licence="CC0-1.0",
    citation="generated",
)


def task(dataset: DatasetSpec, target: str, kind: Kind, metric: str) -> TaskSpec:
    """Return a task on a dataset."""
    return TaskSpec(
        name=f"{dataset.name}-{target}",
        version=1,
        category=Category.RS,
        family="generated",
        kind=kind,
        dataset=dataset,
        target=target,
        inputs=(Modality.RS,),
        metric=metric,
        synthetic=True,
    )


LAND_USE = task(UCMERCED, "label", Kind.CLASSIFICATION, "accuracy")
LAND_COVER = task(EUROSAT, "label", Kind.CLASSIFICATION, "accuracy")
COVER = task(SCENES, "cover", Kind.SEGMENTATION, "miou")


class Plugin:
    """Registers the tasks."""

    @hookimpl
    def register_tasks(self) -> Iterator[TaskSpec]:
        yield from (LAND_USE, LAND_COVER, COVER)


def scenes(root: Path) -> object:
    """Return images and masks of the same places, joined as TorchGeo's users join them."""
    from torchgeo.datasets import RasterDataset

    class Images(RasterDataset):
        filename_glob = "image_*.tif"

    class Masks(RasterDataset):
        filename_glob = "mask_*.tif"
        is_image = False

    return Images(root) & Masks(root)


def write_ucmerced(root: Path) -> Path:
    """Write UC Merced's layout: two land uses, of dark and of bright images."""
    folder = root / "ucmerced"
    rng = np.random.default_rng(0)
    for number, use in enumerate(("airplane", "beach")):
        (folder / "UCMerced_LandUse" / "Images" / use).mkdir(parents=True)
        for split, n in SIZES.items():
            with (folder / f"uc_merced-{split}.txt").open("a") as lines:
                for index in range(n):
                    name = f"{use}_{split}_{index:02}.tif"
                    pixels = rng.integers(0, 100, (16, 16, 3)) + 120 * number
                    Image.fromarray(pixels.astype(np.uint8)).save(folder / "UCMerced_LandUse" / "Images" / use / name)
                    lines.write(f"{name}\n")
    return folder


def write_eurosat(
    root: Path,
    covers: Sequence[str] = ("AnnualCrop", "Forest"),
    samples: Mapping[str, int] = SIZES,
    size: int = 16,
) -> Path:
    """Write EuroSAT's layout: 13 bands with a place, band ``b`` around ``100 * b``.

    Args:
        root: The data root.
        covers: The classes.
        samples: How many of each class a split has.
        size: Height and width in pixels; those of the real tiles are 64.
    """
    folder = root / "eurosat"
    tif = folder / "ds" / "images" / "remote_sensing" / "otherDatasets" / "sentinel_2" / "tif"
    rng = np.random.default_rng(0)
    for number, cover in enumerate(covers):
        (tif / cover).mkdir(parents=True)
        for split, n in samples.items():
            with (folder / f"eurosat-{split}.txt").open("a") as lines:
                for index in range(n):
                    name = f"{cover}_{split}_{index:02}"
                    values = 100 * np.arange(1, 14)[:, None, None] + rng.integers(0, 30, (13, size, size)) + 40 * number
                    x = 500_000 + 1000 * (index + 20 * number + 50 * list(samples).index(split))
                    write_tif(tif / cover / f"{name}.tif", values.astype(np.uint16), x, 5_000_000)
                    lines.write(f"{name}.jpg\n")
    return folder


def write_scenes(root: Path) -> Path:
    """Write two scenes with masks; what is bright is of class 20, and the first rows of each are not labelled."""
    folder = root / "scenes"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(2):
        bright = np.kron(rng.random((12, 12)) < 0.5, np.ones((8, 8), dtype=bool))
        image = rng.integers(0, 60, (3, 96, 96)) + 150 * bright
        mask = np.where(bright, 20, 10)
        mask[:4] = 0
        x = 500_000 + 20_000 * number
        write_tif(folder / f"image_{number}.tif", image.astype(np.uint8), x, 5_000_000)
        write_tif(folder / f"mask_{number}.tif", mask[None].astype(np.uint8), x, 5_000_000)
    return folder


def write_tif(path: Path, values: np.ndarray, x: float, y: float) -> None:
    """Write a GeoTIFF of 10 m pixels in UTM zone 33 north.

    Args:
        path: Where to.
        values: ``(band, height, width)``.
        x: Easting of its west edge.
        y: Northing of its north edge.
    """
    bands, height, width = values.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=bands,
        height=height,
        width=width,
        dtype=values.dtype,
        crs="EPSG:32633",
        transform=from_origin(x, y, 10, 10),
    ) as file:
        file.write(values)
