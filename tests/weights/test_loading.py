"""A command gets the model that was asked for, or one line that says why not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gairbench import ImageInput, Modality, ModelSpec, Preset
from gairbench.errors import PluginError
from gairbench.plugins import load_registry
from gairbench.weights.loading import LoadedModel, choose_preset, load_model
from gairbench.weights.origin import model_code, required_weights

CPU = torch.device("cpu")


def spec(**more: object) -> ModelSpec:
    presets = (Preset(name="default", inputs=(ImageInput(modality=Modality.RS),)),)
    return ModelSpec(name="mine", version="1", presets=presets, **{"factory": torch.nn.Linear, **more})  # type: ignore[arg-type]


def load(model: ModelSpec, cache: Path, preset: str | None = None, seed: int = 0) -> LoadedModel:
    chosen = choose_preset(model, preset, None)
    code = model_code(model, chosen, "", cache)
    weights = required_weights(model, chosen, None, seed=seed, code=code, cache=cache)
    return load_model(model, weights, preset=chosen, seed=seed, device=CPU)


def test_a_model_is_frozen_and_has_its_provenance(tmp_path: Path) -> None:
    random = load_registry().models["random"]
    loaded = load(random, tmp_path, seed=3)
    assert (loaded.preset.name, loaded.identity[:5], len(loaded.weights)) == ("tiny", "init:", 64)
    assert isinstance(loaded.model, torch.nn.Module)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    again = load(random, tmp_path, "tiny", seed=4)
    assert again.weights != loaded.weights
    assert again.identity != loaded.identity


def test_a_missing_package_is_named_with_the_extra_that_brings_it(tmp_path: Path) -> None:
    absent = spec(factory="no_such_package_here:Model", extra="mine[heavy]")
    with pytest.raises(PluginError, match=r"needs the module 'no_such_package_here'; pip install 'mine\[heavy\]'"):
        load(absent, tmp_path)
