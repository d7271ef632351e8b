"""``embed``, ``map`` and ``pretrain`` with a model that ends or changes the process: one line that names it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from generated import CORPUS, SHADES, Shades
from rasterio.transform import Affine
from torch import Tensor

import gairbench
from gairbench import ModelContext, ModelSpec, Pretraining
from gairbench.errors import PluginError, PluginWarning
from gairbench.plugins import Origin, load_registry


class Exits(Shades):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        sys.exit(0)

    encode_rs_tokens = encode_location


class ExitsAtOnce(Shades):
    def __init__(self, context: ModelContext) -> None:
        sys.exit(0)


class SetsTheDtype(Shades):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        torch.set_default_dtype(torch.float64)
        return lonlat.float()


def model(name: str, factory: type[Shades]) -> ModelSpec:
    return replace(SHADES, name=name, factory=factory)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    file = tmp_path / "places.csv"
    file.write_text("id,lon,lat\na,1,2\nb,3,4\n")
    return file


@pytest.mark.parametrize("factory", [Exits, ExitsAtOnce])
def test_embed_with_a_model_that_calls_sys_exit_is_an_error(factory: type[Shades], table: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=rf"model 'exits' \(.*{factory.__name__}\) called sys\.exit\(0\)"):
        gairbench.embed(model("exits", factory), table, tmp_path / "out.parquet", quiet=True)
    assert not (tmp_path / "out.parquet").exists()


def test_embed_leaves_the_process_as_it_was(table: Path, tmp_path: Path) -> None:
    spec = model("embeds-in-double", SetsTheDtype)
    with pytest.warns(PluginWarning, match="model 'embeds-in-double' .* changed torch's default dtype"):
        gairbench.embed(spec, table, tmp_path / "out.parquet", quiet=True)
    assert torch.get_default_dtype() is torch.float32


def test_map_with_a_model_that_calls_sys_exit_is_an_error(tmp_path: Path) -> None:
    scene = tmp_path / "scene.tif"
    profile: dict[str, Any] = {"driver": "GTiff", "count": 3, "height": 32, "width": 32, "dtype": "uint8"}
    with rasterio.open(scene, "w", crs="EPSG:32633", transform=Affine(10, 0, 5e5, 0, -10, 5e6), **profile) as file:
        file.write(np.random.default_rng(0).integers(1, 255, (3, 32, 32), dtype=np.uint8))
    with pytest.raises(PluginError, match=r"model 'exits' \(.*Exits\) called sys\.exit\(0\)"):
        gairbench.map(
            scene, tmp_path / "map.tif", "uint8", model=model("exits", Exits), bands="red,green,blue", quiet=True
        )
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize("where", ["recipe", "inputs"])
def test_pretrain_with_a_recipe_that_calls_sys_exit_is_an_error(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exits(*arguments: object) -> None:
        sys.exit(0)

    ends: dict[str, Callable[..., Any]] = {"recipe": lambda context: None, where: exits}
    recipe = Pretraining(version=1, dataset=CORPUS.name, **ends)
    registry = load_registry()
    exits_in_training = replace(SHADES, name="exits", presets=(replace(SHADES.presets[0], weights=recipe),))
    registry.add(Origin("theirs", "their-dist", "1"), models=[exits_in_training])
    registry.add(Origin("data", "their-dist", "1"), datasets=[CORPUS])
    monkeypatch.setattr("gairbench.plugins.load_registry", lambda: registry)
    with pytest.raises(PluginError, match=r"model 'exits' \(.*exits\) called sys\.exit\(0\)"):
        gairbench.pretrain("exits", CORPUS.name, tmp_path / "out", quiet=True)
