"""SatCLIP's location encoder: its layout, and known answers of generated weights.

The answers were computed with TorchGeo 0.10.1's ``satclip`` in float64, of the weights in ``satclip_weights.py``:
``model = satclip(legendre_polys=degrees).double(); model.load_state_dict(generated(degrees));
model.eval()(places)``. In training mode it would drop half of the features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from satclip_weights import PLACES, generated
from torch import Tensor

from gairbench import FileWeights, ModelContext, ModelSpec
from gairbench.errors import CheckpointError
from gairbench.testing.model_checks import BEHAVIOUR
from gairbench.testing.model_declaration_checks import DECLARATION
from gairbench_models.satclip import MODELS
from gairbench_models.satclip.encoder import load

(SPEC,) = MODELS
ANSWERS = {
    "vit16-l40": [
        [0.26624469, -0.45336085, 0.63026303],
        [0.14546353, 0.34393218, -0.19823475],
        [0.04467404, 0.28114462, 0.14699382],
        [0.15788822, 0.25381488, -0.26323033],
        [0.53878806, 0.50761109, -0.19015285],
        [-0.11561559, 0.30605035, -0.15805600],
        [-0.29124672, -0.23252526, 0.08028167],
    ],
    "resnet18-l10": [
        [-0.20641430, 0.47879735, -0.21344804],
        [0.05347925, 0.13388868, 0.61515813],
        [-0.37134643, 1.05441237, 0.56805226],
        [-0.20930960, 1.53081297, -0.34700962],
        [0.92320513, 0.17183943, -0.83586341],
        [-0.36316398, -0.62753996, 0.81024877],
        [0.06378817, -0.55668755, 1.22502083],
    ],
}
"""Numbers 0, 100 and 255 of the embedding of each place."""


def lightning(inner: dict[str, Tensor], path: Path, **parameters: str) -> Path:
    """Save a whole SatCLIP as Lightning does: the network is there twice, beside an image encoder."""
    state = {"model.visual.conv1.weight": torch.zeros(4, 13, 3, 3), "model.logit_scale": torch.ones([])}
    state |= {f"model.{name}": value for name, value in inner.items()}
    state |= {f"model.location.{name}": value for name, value in inner.items()}
    released = {"le_type": "sphericalharmonics", "pe_type": "siren", "harmonics_calculation": "analytic"}
    torch.save({"state_dict": state, "hyper_parameters": released | parameters}, path)
    return path


def context(preset: str, path: Path | None) -> ModelContext:
    return ModelContext(model=SPEC.name, preset=preset, seed=0, checkpoint=path)


@pytest.mark.parametrize(("preset", "degrees"), [("vit16-l40", 40), ("resnet18-l10", 10)])
def test_embeddings_are_those_of_torchgeo_s_implementation(preset: str, degrees: int, tmp_path: Path) -> None:
    encoder = load(context(preset, lightning(generated(degrees), tmp_path / "w.ckpt")))
    with torch.inference_mode():
        found = encoder.encode_location(torch.tensor(PLACES, dtype=torch.float64))
    assert found.shape == (7, 256)
    torch.testing.assert_close(found[:, [0, 100, 255]], torch.tensor(ANSWERS[preset]), atol=1e-4, rtol=0)


@pytest.mark.parametrize("preset", ["resnet50-l10"])
def test_it_conforms(preset: str, tmp_path: Path) -> None:
    path = lightning(generated(10), tmp_path / "w.ckpt")
    preset_spec = replace(SPEC.preset(preset), weights=FileWeights(path=path))
    spec = replace(SPEC, presets=(preset_spec,))
    for check in BEHAVIOUR:
        check(spec, preset_spec)


@pytest.mark.parametrize("check", DECLARATION, ids=lambda check: check.__name__)
def test_its_declaration_is_complete(check: Callable[[ModelSpec], None]) -> None:
    check(SPEC)


def test_released_files_are_named() -> None:
    weights: Any = {preset.name: preset.weights for preset in SPEC.presets}
    assert len(weights) == 6
    assert SPEC.presets[0].name == "vit16-l40"
    assert (weights["resnet18-l10"].repo, weights["resnet18-l10"].filename) == (
        "microsoft/SatCLIP-ResNet18-L10",
        "satclip-resnet18-l10.ckpt",
    )


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = lightning(generated(10), tmp_path / "w.ckpt")
    with pytest.raises(CheckpointError, match=r"give satclip-vit16-l40.ckpt of microsoft/SatCLIP-ViT16-L40"):
        load(context("vit16-l40", path))
    lacking = {name: value for name, value in generated(10).items() if name != "nnet.last_layer.bias"}
    with pytest.raises(CheckpointError, match=r"nnet\.last_layer\.bias"):
        load(context("vit16-l10", lightning(lacking, path)))
    with pytest.raises(CheckpointError, match="harmonics_calculation=closed-form"):
        load(context("vit16-l10", lightning(generated(10), path, harmonics_calculation="closed-form")))
    with pytest.raises(CheckpointError, match="are not here"):
        load(context("vit16-l40", None))
