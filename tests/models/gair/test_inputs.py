"""Encoders of other bands and sizes than a preset's: trained, remembered and fed as asked, or refused in one line."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from gairbench import ImageInput, Modality, cli
from gairbench.errors import CheckpointError, UsageError
from gairbench.inputs import Unit
from gairbench.plugins import load_registry
from gairbench.weights.loading import choose_preset, load_model
from gairbench.weights.origin import required_weights
from gairbench_models.gair.checkpoint import read_checkpoint
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.recipe import encoder_inputs
from gairbench_models.mae.recipe import make_mae_recipe

S2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
SMALL = [
    *("--set", "rs.depth=1", "--set", "batch_size=4", "--set", "epochs=1"),
    *("--device", "cpu", "--validate-every", "0"),
]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Eight scenes of 70 x 70 pixels and all bands of Sentinel-2's surface reflectance, with a photo each."""
    rng = np.random.default_rng(0)
    lines = ["rs,sv,lon,lat"]
    for i in range(8):
        west, north = 10.0 + i, 50.0
        transform = rasterio.transform.from_origin(west, north, 1e-4, 1e-4)
        profile: dict[str, Any] = {"driver": "GTiff", "height": 70, "width": 70, "count": 12, "dtype": "uint16"}
        with rasterio.open(tmp_path / f"{i}.tif", "w", **profile, crs="EPSG:4326", transform=transform) as file:
            file.write(rng.integers(0, 5000, (12, 70, 70), dtype=np.uint16))
            file.descriptions = S2
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
        lines.append(f"{i}.tif,{i}.png,{west + 0.0035},{north - 0.0035}")
    (tmp_path / "triplets.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "triplets.csv"


def pretrain(manifest: Path, out: Path, *options: str, model: str = "gair", preset: str = "tiny") -> None:
    arguments = ["pretrain", "--model", model, "--preset", preset, "--data", str(manifest), "--out", str(out)]
    with contextlib.suppress(SystemExit):
        cli.app([*arguments, "--rs-unit", "s2_dn", *SMALL, *options], standalone_mode=False)
    assert (out / "checkpoint.json").is_file()


def taken(folder: Path, modality: str) -> dict[str, Any]:
    card = json.loads((folder / "checkpoint.json").read_text())
    return next(one for one in card["inputs"] if one["modality"] == modality)


@pytest.mark.parametrize("model", ["gair", "gair[no-inr]", "satclip-style", "mocov3", "mae"])
def test_any_bands_whose_statistics_are_known_are_learnt_from_by_name(
    model: str, manifest: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    pretrain(manifest, out, "--set", "input.bands=B08,B4,B3,B2", "--set", "input.unit=s2_dn", model=model)
    rs = taken(out, "rs")
    assert rs["bands"] == ["B8", "B4", "B3", "B2"]
    base = next(i for i in PRESETS["base"].inputs if isinstance(i, ImageInput) and i.modality is Modality.RS)
    assert rs["mean"] == [base.mean[base.bands.index(band)] for band in rs["bands"]]
    spec = load_registry().models[model]
    preset = choose_preset(spec, None, out)
    weights = required_weights(spec, preset, out, seed=0, code="", cache=tmp_path)
    loaded = load_model(spec, weights, preset=preset, seed=0, device=torch.device("cpu"))
    assert loaded.model.encode_rs(torch.zeros(2, 4, 48, 48)).shape == (2, 128)  # type: ignore[attr-defined]


def test_twelve_bands_need_statistics_and_take_them(manifest: Path, tmp_path: Path) -> None:
    every = ("--set", f"input.bands={','.join(S2)}", "--set", "input.unit=s2_dn")
    with pytest.raises(UsageError, match="no mean and deviation of B1, B9 in s2_dn are known; give both for all 12"):
        pretrain(manifest, tmp_path / "no", *every)
    mean, std = ",".join(["1500"] * 12), ",".join(["700"] * 12)
    pretrain(manifest, tmp_path / "out", *every, "--set", f"input.mean={mean}", "--set", f"input.std={std}")
    assert taken(tmp_path / "out", "rs")["std"] == [700] * 12


def test_larger_inputs_are_cut_larger_and_the_card_says_so(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    bands = ("--set", "input.bands=B4,B3,B2", "--set", "input.unit=s2_dn")
    pretrain(manifest, out, *bands, "--set", "rs.image_size=64", "--set", "sv.image_size=32")
    assert (taken(out, "rs")["size"], taken(out, "sv")["size"]) == (64, 32)
    preset = read_checkpoint(out)
    assert [i.size for i in preset.inputs if isinstance(i, ImageInput)] == [64, 32]


def test_a_card_whose_sizes_disagree_is_refused(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    pretrain(manifest, out, "--set", "input.bands=B4,B3,B2", "--set", "input.unit=s2_dn")
    card = json.loads((out / "checkpoint.json").read_text())
    card["inputs"][0]["size"] = 64
    (out / "checkpoint.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="rs input of 64 pixels for an encoder of 48"):
        read_checkpoint(out)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"input.bands": "red,red,blue"}, "input.bands=red,red,blue names a band twice or not at all; name each once"),
        ({"input.bands": "B2,B3"}, "no mean and deviation of B2, B3 in uint8 are known"),
        ({"input.mean": "1,2,3"}, "3 means and 0 deviations for 3 bands"),
        ({"input.mean": "1,2", "input.std": "1,2"}, "2 means and 2 deviations for 3 bands"),
        ({"input.std": "1,0,1", "input.mean": "1,1,1"}, "setting input.std=1,0,1: Input should be greater than 0"),
        ({"input.bands": "red,green,"}, "names a band twice or not at all"),
        (
            {"input.mean": "nan,1,1", "input.std": "1,1,1"},
            "setting input.mean=nan,1,1: Input should be a finite number",
        ),
        ({"learning_rate": "inf"}, "setting learning_rate=inf: Input should be a finite number"),
        ({"input.unit": "counts"}, "setting input.unit=counts: Input should be 'uint8', 'reflectance', 's2_dn', "),
    ],
)
def test_inputs_that_make_no_sense_are_one_line(settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        encoder_inputs("gair", "tiny", settings)
    assert message in str(error.value)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_without_settings_the_inputs_are_the_presets(preset: str) -> None:
    assert encoder_inputs("gair", preset, {}) == PRESETS[preset].inputs


def test_fewer_bands_of_a_preset_keep_their_own_statistics() -> None:
    rs = encoder_inputs("gair", "base", {"bands": "B12,B2"})[0]
    assert isinstance(rs, ImageInput)
    assert (rs.bands, rs.unit, rs.mean) == (("B12", "B2"), Unit.S2_DN, (1899.1932, 1172.9397))


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (
            "geoclip-style",
            {"input.bands": "B4,B3,B2"},
            "geoclip-style has no rs encoder, which input.* are settings of",
        ),
        (
            "geoclip-style",
            {"rs.image_size": "64"},
            "no rs encoder, which model.rs.* are settings of; remove --set model.rs.*",
        ),
        ("satclip-style", {"sv.depth": "2"}, "satclip-style has no sv encoder, which model.sv.* are settings of"),
        ("gair[incl-only]", {"location.hidden": "64"}, "has no location encoder, which model.location.* are settings"),
    ],
)
def test_settings_of_an_encoder_that_is_not_there_are_refused(
    model: str, settings: dict[str, str], message: str
) -> None:
    with pytest.raises(UsageError) as error:
        encoder_inputs(model, "tiny", settings)
    assert message in str(error.value)


def test_a_mask_that_leaves_nothing_to_rebuild_is_refused() -> None:
    with pytest.raises(UsageError, match=r"mask=0\.001 masks none of the 36 patches of model.rs"):
        make_mae_recipe("mae", "tiny", {"mask": "0.001"})
