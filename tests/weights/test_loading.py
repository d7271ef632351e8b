"""A command gets the model that was asked for, or one line that says why not."""

from __future__ import annotations

import pytest
import torch

from gairbench import ImageInput, Modality, ModelSpec, Preset
from gairbench.errors import PluginError, UsageError
from gairbench.plugins import load_registry
from gairbench.weights.loading import load_model
from gairbench.weights.origin import required_weights

CPU = torch.device("cpu")


def spec(**more: object) -> ModelSpec:
    presets = (Preset(name="default", inputs=(ImageInput(modality=Modality.RS),)),)
    return ModelSpec(name="mine", version="1", presets=presets, **{"factory": torch.nn.Linear, **more})  # type: ignore[arg-type]


def test_a_model_is_frozen_and_has_its_provenance() -> None:
    random = load_registry().models["random"]
    loaded = load_model(random, required_weights(random, None, seed=3), preset=None, seed=3, device=CPU)
    assert (loaded.preset.name, loaded.identity, len(loaded.weights)) == ("tiny", "init:3", 64)
    assert isinstance(loaded.model, torch.nn.Module)
    assert not loaded.model.training
    assert not any(p.requires_grad for p in loaded.model.parameters())
    again = load_model(random, required_weights(random, None, seed=4), preset="tiny", seed=4, device=CPU)
    assert again.weights != loaded.weights


def test_an_unknown_preset_is_refused_with_near_names() -> None:
    with pytest.raises(UsageError, match="no preset of model 'mine' 'defalt'; did you mean default"):
        load_model(spec(), required_weights(spec(), None, seed=0), preset="defalt", seed=0, device=CPU)


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    absent = spec(factory="no_such_package_here:Model", extra="mine[heavy]")
    with pytest.raises(PluginError, match=r"needs the module 'no_such_package_here'; pip install 'mine\[heavy\]'"):
        load_model(absent, required_weights(absent, None, seed=0), preset=None, seed=0, device=CPU)
