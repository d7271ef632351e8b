"""GeoCLIP's location encoder: its layout, and with the weights of its package a published number."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gairbench import ModelContext, PackageWeights
from gairbench.errors import CheckpointError
from gairbench.testing.model_checks import check_known_answers
from gairbench.weights.package import find_packaged_file
from gairbench_models.geoclip import MODELS
from gairbench_models.geoclip.encoder import load

(SPEC,) = MODELS


@pytest.fixture
def packaged() -> Path:
    """The file of the installed package."""
    weights = SPEC.presets[0].weights
    assert isinstance(weights, PackageWeights)
    found = find_packaged_file(weights)
    if found is None:
        pytest.skip("the package geoclip is not installed: pip install --no-deps geoclip")
    return found


def published(seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict of the published layout."""
    draw = torch.Generator().manual_seed(seed)

    def values(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw) / math.sqrt(shape[-1])

    state = {}
    for capsule in range(3):
        name = f"LocEnc{capsule}"
        state[f"{name}.capsule.0.b"] = values(256, 2)
        for layer, width in ((1, 512), (3, 1024), (5, 1024)):
            state[f"{name}.capsule.{layer}.weight"] = values(1024, width)
            state[f"{name}.capsule.{layer}.bias"] = values(1024)
        state[f"{name}.head.0.weight"] = values(512, 1024)
        state[f"{name}.head.0.bias"] = values(512)
    return state


def context(path: Path) -> ModelContext:
    return ModelContext(model=SPEC.name, preset="default", seed=0, checkpoint=path)


def by_the_paper(state: dict[str, Tensor], lonlat: Tensor) -> Tensor:
    """Compute the sum of three capsules, as the paper says, in the layout of the file."""
    lon, lat = torch.deg2rad(lonlat).float().unbind(1)
    theta = torch.asin(math.sqrt(3) / 2 * lat.sin())
    a1, a2, a3, a4 = 1.340264, -0.081106, 0.000893, 0.003796
    slope = 3 * (9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1)
    x = 2 * math.sqrt(3) * lon * theta.cos() / slope
    y = a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta
    plane = torch.stack([x, y], dim=1) * 66.50336 / 180
    total = torch.zeros(len(lonlat), 512)
    for capsule in range(3):
        name = f"LocEnc{capsule}"
        phase = 2 * math.pi * plane @ state[f"{name}.capsule.0.b"].T
        hidden = torch.cat([phase.cos(), phase.sin()], dim=1)
        for layer in (1, 3, 5):
            weight, bias = (state[f"{name}.capsule.{layer}.{kind}"] for kind in ("weight", "bias"))
            hidden = (hidden @ weight.T + bias).relu()
        total += hidden @ state[f"{name}.head.0.weight"].T + state[f"{name}.head.0.bias"]
    return total


LONLAT = torch.tensor([[-122.3, 37.8], [2.35, 48.85], [151.2, -33.8], [180.0, -90.0]], dtype=torch.float64)


def test_a_known_answer_is_given(packaged: Path) -> None:
    check_known_answers(SPEC, SPEC.presets[0])


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_file_of_the_published_layout_is_loaded_whole(prefix: str, tmp_path: Path) -> None:
    state = published()
    torch.save({prefix + name: value for name, value in state.items()}, tmp_path / "w.pth")
    encoder = load(context(tmp_path / "w.pth")).eval()
    torch.testing.assert_close(encoder.encode_location(LONLAT), by_the_paper(state, LONLAT), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"LocEnc2.head.0.bias": None}, "missing LocEnc2.head.0.bias"),
        ({"LocEnc3.capsule.0.b": torch.zeros(256, 2)}, "unexpected LocEnc3.capsule.0.b"),
        ({"LocEnc0.capsule.0.b": torch.zeros(128, 2)}, "misshapen LocEnc0.capsule.0.b"),
        ({"LocEnc0.capsule.0.b": torch.full((256, 2), torch.nan)}, "NaN or infinite"),
    ],
)
def test_a_file_of_another_layout_is_refused(changes: dict[str, Tensor | None], why: str, tmp_path: Path) -> None:
    state = {name: value for name, value in (published() | changes).items() if value is not None}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=why):
        load(context(tmp_path / "w.pth"))
