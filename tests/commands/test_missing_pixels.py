"""Every command says how many images had missing pixels that were filled, and keeps it beside its numbers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform
from typer.testing import CliRunner

from gairbench.cli import app

SIZE, N = 16, 24
FILLED = "had missing data (nodata, mask, alpha or NaN) in up to 12.5% of the pixels"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of tiles; every fourth has two rows without data."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = ["id,rs"]
    for number in range(N):
        label = "ab"[number % 2]
        values = rng.integers(1, 120 + 120 * (label == "b"), (3, SIZE, SIZE)).astype(np.uint8)
        if number % 4 == 0:
            values[:, :2] = 255
        path = tmp_path / "tiles" / label / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        place = {"crs": "EPSG:32632", "transform": from_origin(500_000 + 400 * number, 5_000_000, 10, 10)}
        with rasterio.open(
            path, "w", driver="GTiff", count=3, height=SIZE, width=SIZE, dtype="uint8", nodata=255, **place
        ) as file:
            file.write(values)
            file.descriptions = ("red", "green", "blue")
        rows.append(f"{number},tiles/{label}/{number}.tif")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "tiles.yaml").write_text(
        f"""
datasets:
  tiles:
    licence: CC0-1.0
    synthetic: true
    images: {{modality: rs, folder: tiles, pattern: "*/*.tif", unit: uint8, bands: [red, green, blue], size: {SIZE}}}
    split: {{by: random, stratify: folder}}
tasks:
  - {{name: tile-type, dataset: tiles, label: folder, kind: classification}}
"""
    )
    return tmp_path


def call(*arguments: str) -> str:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output
    return done.output


def test_a_run_reports_and_records_what_was_filled(folder: Path) -> None:
    arguments = ["run", "--model", "pixel-stats", "--task-file", str(folder / "tiles.yaml")]
    arguments += ["--data-root", str(folder), "--results", str(folder / "results")]
    output = call(*arguments)
    assert FILLED in output
    notes = [json.loads(path.read_text())["notes"] for path in sorted((folder / "results").rglob("*.json"))]
    assert notes
    for note in notes:
        counts = {split: int(text.split()[0]) for split, text in note.items()}
        assert sum(counts.values()) == N // 4
        assert all(FILLED in text for text in note.values())
    # Computed anew from cached embeddings, the records say the same.
    for path in (folder / "results").rglob("*.json"):
        path.unlink()
    call(*arguments)
    again = [json.loads(path.read_text())["notes"] for path in sorted((folder / "results").rglob("*.json"))]
    assert again == notes


def test_embed_reports_and_records_what_was_filled(folder: Path) -> None:
    out = folder / "out.parquet"
    arguments = ["--views", "rs", "--rs-unit", "uint8", "--input", str(folder / "table.csv"), "--out", str(out)]
    output = call("embed", "--model", "pixel-stats", *arguments)
    assert f"{N // 4} overhead images {FILLED}" in output
    about = json.loads(pq.read_schema(out).metadata[b"gairbench"])
    assert "missing" in json.dumps(about)


def test_images_with_missing_pixels_are_refused_on_request(folder: Path) -> None:
    file = folder / "tiles.yaml"
    file.write_text(file.read_text().replace("size: 16", "size: 16, missing_pixels: refuse"))
    arguments = ["run", "--model", "pixel-stats", "--task-file", str(file), "--data-root", str(folder)]
    done = CliRunner().invoke(app, [*arguments, "--results", str(folder / "results")])
    assert done.exit_code == 1
    assert "missing" in done.output
    assert "Traceback" not in done.output


def test_pretraining_reports_what_was_filled(folder: Path) -> None:
    rows = ["rs,sv,lon,lat"]
    for number in range(N):
        Image.new("RGB", (32, 32), (90, 120, 10 * number)).save(folder / f"{number}.jpg")
        (lon,), (lat,) = transform("EPSG:32632", "EPSG:4326", [500_080 + 400 * number], [4_999_920])
        rows.append(f"tiles/{'ab'[number % 2]}/{number}.tif,{number}.jpg,{lon},{lat}")
    (folder / "triplets.csv").write_text("\n".join(rows) + "\n")
    asked = ["pretrain", "--model", "mae", "--data", str(folder / "triplets.csv"), "--rs-unit", "uint8"]
    asked += ["--out", str(folder / "trained"), "--device", "cpu", "--validate-every", "0"]
    asked += ["--set", "epochs=1", "--set", "batch_size=8", "--set", f"rs.image_size={SIZE}"]
    assert f"{N // 4} overhead images {FILLED}" in call(*asked)
