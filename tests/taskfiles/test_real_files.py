"""Task files alone, without Python, run on real files through the command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image
from rasterio.warp import transform
from rasterio.windows import Window

from gairbench.results import Result, read_results

EXAMPLES = Path(__file__).parents[2] / "examples"
TILES = "satclip_ssl4eo_s2/ssl4eo/example/images"
CONTROLS = "pixel-stats,random,lonlat"


def run(example: str, root: Path, folder: Path, models: str = CONTROLS) -> dict[tuple[str, str], Result]:
    """Run a task file, and return its records by model and task."""
    command = [sys.executable, "-m", "gairbench", "run", "--model", models, "--results", str(folder / "results")]
    command += ["--task-file", str(EXAMPLES / example), "--data-root", str(root)]
    env = os.environ | {"GAIRBENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    found = {(record.model, record.task): record for record in read_results(folder / "results") if record.headline}
    assert {record.status for record in found.values()} <= {"ok", "skipped"}, done.stderr
    return found


def measured(records: dict[tuple[str, str], Result], task: str) -> set[str]:
    """Return the models that have a number on a task."""
    return {model for (model, name), record in records.items() if name == task and record.status == "ok"}


def test_twelve_band_tiles_with_every_control_fused_localized_and_located(shared: Path, tmp_path: Path) -> None:
    records = run("s2_tiles.yaml", shared / "data", tmp_path)
    for policy in ("random", "blocks30"):
        assert measured(records, f"tiles-latitude@{policy}") == {"pixel-stats", "random"}
        assert measured(records, f"tiles-latitude-fused@{policy}") == {"random"}
        assert measured(records, f"tiles-latitude-localized@{policy}") == {"pixel-stats", "random"}
        assert measured(records, f"tiles-latitude-location@{policy}") == {"random", "lonlat"}
        assert measured(records, f"tiles-place@{policy}") == {"pixel-stats", "random"}
    # The latitude is one of its two numbers.
    assert records["lonlat", "tiles-latitude-location@random"].metrics["r2"].value > 0.9
    fused = records["random", "tiles-latitude-fused@random"]
    alone = records["random", "tiles-latitude@random"]
    assert {"every", "location"} == {name.split(":")[0] for name in fused.conversion}
    # All twelve bands, and not the three that the rendering shows.
    shown = records["pixel-stats", "tiles-latitude@random"]
    assert [len(part["rs"]["bands"]) for part in shown.conversion.values()] == [12]
    assert shown.embedding_dim == 12 * 7
    assert (fused.embedding_dim or 0) > (alone.embedding_dim or 0)
    assert any("query" in name for name in records["random", "tiles-latitude-localized@random"].conversion)
    place = records["random", "tiles-place@random"]
    assert place.metric == "median_km"
    assert 0 < place.metrics["median_km"].value < 20_020
    assert place.probe_params["k"] in {1, 3, 5, 10}


def test_a_model_of_pictures_takes_twelve_bands_through_the_rendering(shared: Path, tmp_path: Path) -> None:
    assert_rendered(run("s2_tiles.yaml", shared / "data", tmp_path, "timm:resnet18"), "tiles-latitude", "tiles-place")


def assert_rendered(records: dict[tuple[str, str], Result], *tasks: str) -> None:
    for task in tasks:
        record = records["timm:resnet18", f"{task}@random"]
        assert record.status == "ok", record.reason
        assert record.embedding_dim == 512
        shown = {"bands": ["B4", "B3", "B2"], "low": 0, "high": 3000, "gamma": 1}
        assert record.conversion["rs"]["rs"]["rendering"] == shown


def test_photos_and_tiles_are_found_from_each_other(shared: Path, tmp_path: Path) -> None:
    records = run("street_view_retrieval.yaml", shared / "data", tmp_path)
    assert measured(records, "triples-photo-to-tile") == {"pixel-stats", "random"}
    assert records["random", "triples-photo-to-tile"].n == {"test": 3}
    assert records["random", "triples-photo-to-tile"].metrics.keys() == {"recall@1", "mrr"}
    # Photos are described as pictures, so that what is compared with them is one.
    shown = records["pixel-stats", "triples-photo-to-tile"].conversion
    assert [part["rs"]["rendering"]["bands"] for part in shown.values() if "rs" in part] == [["B4", "B3", "B2"]]
    looked_up = records["random", "triples-tile-to-photo"].conversion
    assert any("query" in name for name in looked_up)


@pytest.mark.slow  # files of places are in tests/taskfiles/test_places.py, and twelve bands above
def test_photos_are_placed_in_kilometres(shared: Path, tmp_path: Path) -> None:
    records = run("street_view_places.yaml", shared / "data", tmp_path)
    assert measured(records, "croatia-place") == {"pixel-stats", "random"}
    place = records["pixel-stats", "croatia-place"].metrics
    # Croatia is some 500 km across.
    assert 0 < place["median_km"].value < 500
    assert place["within_750_km"].value == 1
    assert measured(records, "croatia-photo-of-place") == {"random"}


@pytest.mark.slow  # tests/taskfiles reads series and arrays, and twelve bands above are real, too
def test_pixel_series_in_arrays_are_learned_from(shared: Path, tmp_path: Path) -> None:
    records = run("fuel_moisture.yaml", shared / "data", tmp_path)
    assert measured(records, "fuel-moisture") == {"pixel-stats", "random"}
    assert measured(records, "fuel-moisture-fused") == {"random"}
    record = records["pixel-stats", "fuel-moisture"]
    assert record.n == {"train": 1262, "val": 316, "test": 735}
    assert record.metrics["r2"].value > 0.2


@pytest.fixture(scope="module")
def chips(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four-band chips of real tiles, with classes and measurements of their NDVI, a pixel and a chip."""
    root = tmp_path_factory.mktemp("chips")
    paths = sorted((shared / "data" / TILES).glob("*.tif"))[:10]
    rows = [chip(path, corner, root) for path in paths for corner in range(4)]
    pd.DataFrame(rows).to_csv(root / "plots.csv", index=False)
    return root


def chip(path: Path, corner: int, root: Path) -> dict[str, object]:
    """Cut one corner of a tile; returns its row of the table."""
    window = Window(128 * (corner // 2), 128 * (corner % 2), 64, 64)
    with rasterio.open(path) as file:
        values = file.read([2, 3, 4, 8], window=window)
        place = file.window_transform(window)
        east, north = file.xy(window.row_off + 32, window.col_off + 32)
        (lon,), (lat,) = transform(file.crs, "EPSG:4326", [east], [north])
        profile = {"driver": "GTiff", "height": 64, "width": 64, "crs": file.crs, "transform": place}
    name, scene = f"{path.stem}_{corner}", path.stem
    for folder in ("tiles", "masks", "ndvi"):
        (root / folder / scene).mkdir(parents=True, exist_ok=True)
    for target in (root / "tiles" / f"{name}.tif", root / "tiles" / scene / f"{name}.tif"):
        with rasterio.open(target, "w", count=4, dtype="uint16", **profile) as file:
            file.write(values)
    red, infrared = values[2].astype(float), values[3].astype(float)
    ndvi = (infrared - red) / np.maximum(infrared + red, 1)
    classes = np.digitize(ndvi, [0.2, 0.5]).astype(np.uint8)
    classes[0, :4] = 255
    # Half as many pixels, so that they are resized.
    Image.fromarray(classes[::2, ::2]).save(root / "masks" / scene / f"{name}.png")
    measured_ndvi = ndvi.astype(np.float32)
    measured_ndvi[0, :4] = -9999
    with rasterio.open(root / "ndvi" / scene / f"{name}.tif", "w", count=1, dtype="float32", **profile) as file:
        file.write(measured_ndvi[None])
    mean = float(ndvi.mean())
    # One chip has a class of its own.
    cover = "lake" if name.endswith("_0") and not rows_of(root) else "green" if mean > 0.25 else "bare"
    return {"plot": name, "scene": scene, "lon": lon, "lat": lat, "cover": cover, "ndvi": mean}


def rows_of(root: Path) -> list[Path]:
    return sorted((root / "tiles").glob("*.tif"))[1:]


@pytest.mark.slow  # as twelve bands are; classes that are too rare are in test_masks
def test_four_band_tiles_with_every_control_and_a_class_too_rare(chips: Path, tmp_path: Path) -> None:
    records = run("prepared/four_band_tiles.yaml", chips, tmp_path)
    for policy in ("random", "tiles"):
        assert measured(records, f"four-band-cover@{policy}") == {"pixel-stats", "random"}
        assert measured(records, f"four-band-ndvi@{policy}") == {"random"}
        assert measured(records, f"four-band-ndvi-localized@{policy}") == {"pixel-stats", "random"}
        assert measured(records, f"four-band-ndvi-location@{policy}") == {"random", "lonlat"}
    dropped = records["random", "four-band-cover@random"].dropped
    assert " ".join(dropped.values()) == "1 samples of classes that are left out: 'lake' (1)"


@pytest.mark.slow  # as twelve bands are
def test_a_model_of_pictures_takes_four_bands_through_the_rendering(chips: Path, tmp_path: Path) -> None:
    assert_rendered(run("prepared/four_band_tiles.yaml", chips, tmp_path, "timm:resnet18"), "four-band-cover")


def test_masks_of_classes_and_measurements_are_learned(chips: Path, tmp_path: Path) -> None:
    records = run("prepared/masks.yaml", chips, tmp_path)
    assert measured(records, "masks-vegetation") == {"pixel-stats", "random"}
    assert measured(records, "masks-ndvi") == {"pixel-stats", "random"}
    # The mean of a cell's bands says much about its NDVI.
    assert records["pixel-stats", "masks-ndvi"].metrics["pixel_r2"].value > 0.2
    assert records["pixel-stats", "masks-vegetation"].metrics["miou"].value > 0.3


@pytest.mark.parametrize(
    "example", [pytest.param("prepared/four_band_tiles.yaml", marks=pytest.mark.slow), "prepared/masks.yaml"]
)
def test_prepared_examples_pass_the_check_of_data(chips: Path, tmp_path: Path, example: str) -> None:
    command = [sys.executable, "-m", "gairbench", "data", "check", "--task-file", str(EXAMPLES / example)]
    done = subprocess.run([*command, "--data-root", str(chips)], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
