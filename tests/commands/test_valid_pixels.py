"""``run``, ``embed`` and ``map`` give a model in a file the same mask of files with missing pixels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin
from typer.testing import CliRunner

from gairbench.cli import app

SIZE, N = 16, 12
MODEL = '''
import torch

from gairbench import ImageInput, Modality, Unit
from gairbench.representation import RS_TOKENS


class Quarters(torch.nn.Module):
    """The mean of each quarter over the pixels that are there, and their share."""

    inputs = (ImageInput(modality=Modality.RS, bands=("B8", "B4"), unit=Unit.REFLECTANCE, size=16),)
    offers = [RS_TOKENS]
    needs = {"mask"}

    def __init__(self, context):
        super().__init__()

    def encode(self, batch, wanted):
        image = batch.images["rs"]
        there = torch.nn.functional.avg_pool2d(image.mask.float(), 8)
        grid = torch.nn.functional.avg_pool2d(image.values * image.mask, 8) / there
        grid = torch.cat([grid, there], dim=1)
        return grid if wanted.form == "tokens" else grid.flatten(1)
'''


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiles of two bands; some lack a corner of both (NaN), some more of one (nodata), and some nothing."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = ["id,rs,y"]
    (tmp_path / "tiles").mkdir()
    for number in range(N):
        values = rng.uniform(0.05, 0.9, (2, SIZE, SIZE)).astype(np.float32)
        if number % 3 > 0:
            values[:, :3, :5] = np.nan
        if number % 3 > 1:
            values[1, 10:, 9:12] = -9999
        grid = {"crs": "EPSG:32632", "transform": from_origin(500_000 + 400 * number, 5_000_000, 10, 10)}
        profile = {"driver": "GTiff", "count": 2, "height": SIZE, "width": SIZE, "dtype": "float32", "nodata": -9999}
        with rasterio.open(tmp_path / "tiles" / f"{number}.tif", "w", **profile, **grid) as file:
            file.write(values)
            file.descriptions = ("B4", "B8")
        rows.append(f"{number},tiles/{number}.tif,{number}")
    (tmp_path / "table.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "tiles.yaml").write_text(
        """
datasets:
  tiles:
    licence: CC0-1.0
    synthetic: true
    table: {path: table.csv, id: id}
    images: {modality: rs, folder: tiles, file: "{id}.tif", unit: reflectance, bands: [B4, B8]}
    split: {by: random}
tasks:
  - {name: tile-number, dataset: tiles, label: y, kind: regression}
"""
    )
    return tmp_path


def expected(folder: Path, number: int) -> NDArray[Any]:
    """Return what the model must make of a tile ``(4, 2, 2)``."""
    with rasterio.open(folder / "tiles" / f"{number}.tif") as file:
        values = file.read()[::-1]
    there = np.isfinite(values).all(axis=0) & (values != -9999)
    parts = [array.reshape(2, 2, 8, 2, 8).transpose(0, 1, 3, 2, 4).reshape(2, 2, 2, 64) for array in (values, there)]
    means = np.nanmean(np.where(parts[1], parts[0], np.nan), axis=-1)
    return np.concatenate([means, parts[1].mean(axis=-1)])


def call(*arguments: str) -> None:
    done = CliRunner().invoke(app, list(arguments))
    assert done.exit_code == 0, done.output


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (folder / "results").rglob("*.json")]


def test_run_embed_and_map_say_which_pixels_are_missing(folder: Path) -> None:
    model = f"{folder / 'model.py'}:Quarters"
    wanted = [expected(folder, number) for number in range(N)]
    assert {float(one[2:].min()) for one in wanted} == {1.0, 1 - 15 / 64, 1 - 18 / 64}

    given = ["--task-file", str(folder / "tiles.yaml"), "--data-root", str(folder)]
    call("run", "--model", model, *given, "--results", str(folder / "results"))
    assert {record["status"] for record in records(folder)} == {"ok"}
    embedded = np.concatenate([np.load(path) for path in (folder / "cache" / "embeddings").rglob("*.npy")])
    rows = np.stack([one.ravel() for one in wanted])
    np.testing.assert_allclose(embedded[np.argsort(embedded[:, 0])], rows[np.argsort(rows[:, 0])], atol=1e-6)

    out = folder / "out.parquet"
    asked = ["--views", "rs", "--rs-unit", "reflectance", "--input", str(folder / "table.csv"), "--out", str(out)]
    call("embed", "--model", model, *asked)
    table = pq.read_table(out).sort_by("id")
    (column,) = [name for name in table.column_names if name.endswith("rs")]
    by_id = {int(one): row for one, row in zip(table["id"].to_pylist(), table[column].to_pylist(), strict=True)}
    np.testing.assert_allclose([by_id[number] for number in range(N)], rows, atol=1e-6)

    for number in (0, 1, 2):
        made = folder / f"{number}-map.tif"
        call("map", "--model", model, "--image", str(folder / "tiles" / f"{number}.tif"), "--unit", "reflectance",
             "--out", str(made))  # fmt: skip
        with rasterio.open(made) as file:
            np.testing.assert_allclose(file.read(), wanted[number], atol=1e-6)


def test_a_dataset_that_does_not_say_which_pixels_are_missing_is_a_visible_skip(folder: Path) -> None:
    text = MODEL.replace('bands=("B8", "B4"), unit=Unit.REFLECTANCE, ', "")
    (folder / "model.py").write_text(text)
    model = f"{folder / 'model.py'}:Quarters"
    done = CliRunner().invoke(
        app, ["run", "--model", model, "--task", "earth-rs-koeppen", "--results", str(folder / "results")]
    )
    assert {record["status"] for record in records(folder)} == {"skipped"}, done.output
    for record in records(folder):
        assert "the encoder needs to know which pixels of rs are missing" in record["reason"]
