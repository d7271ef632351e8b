"""A location encoder started from SatCLIP's weights gives SatCLIP's numbers; what does not fit is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from scipy.special import lpmv
from torch import Tensor

from gairbench.errors import CheckpointError, GairbenchError, UsageError
from gairbench.inputs import Modality
from gairbench_models.gair.config import GairConfig, VisionConfig
from gairbench_models.gair.initial_weights import apply_starts
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.location.config import LocationConfig
from gairbench_models.location.features import spherical_harmonics
from gairbench_models.satclip.layout import satclip_factors

VISION = VisionConfig(bands=3, image_size=16, patch_size=8, width=24, depth=1, heads=2)
PLACES = np.array(
    [[-180.0, 12.0], [180.0, -12.0], [0.0, 90.0], [77.0, -90.0], [0.0, 0.0]]
    + [[lon, lat] for lon in (-171.3, -60.1, 3.7, 99.9, 160.2) for lat in (-83.2, -41.7, 5.3, 47.9, 71.1)]
)
SIZES: dict[str, Any] = {"degrees": 10, "hidden": 16, "layers": 2}

Array = NDArray[np.float64]


def made(dim: int = 24, encoder: str = "sh-siren", **sizes: Any) -> Gair:
    location = LocationConfig(encoder=encoder, frequencies=8, **(SIZES | sizes))  # type: ignore[arg-type]
    vision = replace(VISION, width=dim)
    return untrained(
        GairConfig(dim=dim, rs=vision, sv=vision, location=location, modalities=(Modality.LOCATION,)), seed=1
    )


def start(model: Gair, path: Path) -> dict[str, Any]:
    told: dict[str, Any] = apply_starts(model, rs=None, sv=None, location=str(path), bands=())["location"]
    return told


def weights(degrees: int = 10, hidden: int = 16, layers: int = 2, width: int = 24) -> dict[str, Tensor]:
    """Generated weights of SatCLIP's location encoder, by its names, float64 as there."""
    generator = torch.Generator().manual_seed(7)
    sizes = [degrees**2, *[hidden] * layers, width]
    found = {}
    for i in range(layers + 1):
        name = f"nnet.layers.{i}" if i < layers else "nnet.last_layer"
        bound = 1 / sizes[i] if i == 0 else math.sqrt(6 / sizes[i])
        for part, shape in (("weight", (sizes[i + 1], sizes[i])), ("bias", (sizes[i + 1],))):
            drawn = torch.rand(shape, generator=generator, dtype=torch.float64)
            found[f"{name}.{part}"] = (2 * drawn - 1) * bound
    return found


def lightning(inner: Mapping[str, Tensor], path: Path, **told: str) -> Path:
    """A whole SatCLIP as Lightning saves it: the network is there twice, beside an image encoder."""
    state = {"model.visual.conv1.weight": torch.zeros(4, 13, 3, 3), "model.logit_scale": torch.ones([])}
    state |= {f"model.{name}": value for name, value in inner.items()}
    state |= {f"model.location.{name}": value for name, value in inner.items()}
    parameters = {"le_type": "sphericalharmonics", "pe_type": "siren", "harmonics_calculation": "analytic", **told}
    content = {
        "epoch": 3,
        "state_dict": state,
        "hyper_parameters": parameters,
        "callbacks": {},
        "optimizer_states": [{}],
    }
    torch.save(content, path)
    return path


def published_harmonic(degree: int, order: int, azimuth: Array, polar: Array) -> Array:
    """One of SatCLIP's harmonics by its definition; scipy's Legendre functions have the Condon-Shortley phase."""
    m = abs(order)
    legendre = lpmv(m, degree, np.cos(polar))
    if order == 0:
        return np.asarray(np.sqrt((2 * degree + 1) / 4 * np.pi) * legendre)
    norm = np.sqrt((2 * degree + 1) / (4 * np.pi) * math.factorial(degree - m) / math.factorial(degree + m))
    wave = np.cos(m * azimuth) if order > 0 else np.sin(m * azimuth)
    return np.asarray((-1) ** m * np.sqrt(2) * norm * legendre * wave)


def published(places: Array, state: Mapping[str, Tensor], degrees: int) -> tuple[Array, Array]:
    """SatCLIP's last hidden layer and its output, by its definition."""
    azimuth, polar = np.radians(places[:, 0] + 180), np.radians(places[:, 1] + 90)
    values = np.stack(
        [published_harmonic(n, m, azimuth, polar) for n in range(degrees) for m in range(-n, n + 1)], axis=-1
    )
    layers = sum(name.startswith("nnet.layers.") for name in state) // 2
    for i in range(layers):
        weight, bias = (state[f"nnet.layers.{i}.{part}"].numpy() for part in ("weight", "bias"))
        values = np.sin((30.0 if i == 0 else 1.0) * (values @ weight.T + bias))
    weight, bias = (state[f"nnet.last_layer.{part}"].numpy() for part in ("weight", "bias"))
    return values, values @ weight.T + bias


def hidden(model: Gair, places: Array) -> Tensor:
    network = model.location_encoder.network[:-1]
    found: Tensor = network(spherical_harmonics(torch.from_numpy(places), model.config.location.degrees).float())
    return found


def test_the_definition_here_gives_the_published_harmonics_of_low_degrees() -> None:
    azimuth, polar = np.array([0.3, 2.9, 4.4]), np.array([0.2, 1.7, 3.0])
    x, y, z = np.sin(polar) * np.cos(azimuth), np.sin(polar) * np.sin(azimuth), np.cos(polar)
    written_out = {
        (0, 0): 0.886226925452758 + 0 * z,
        (1, -1): 0.48860251190292 * y,
        (1, 0): 1.53499006191973 * z,
        (1, 1): 0.48860251190292 * x,
        (2, -2): 1.09254843059208 * x * y,
        (2, -1): 1.09254843059208 * y * z,
        (2, 0): 0.990831824401503 * (3 * z**2 - 1),
        (2, 1): 1.09254843059208 * x * z,
        (2, 2): 0.54627421529604 * (x**2 - y**2),
    }
    for (degree, order), expected in written_out.items():
        np.testing.assert_allclose(published_harmonic(degree, order, azimuth, polar), expected, atol=1e-13)


def test_satclips_harmonics_are_multiples_of_ours() -> None:
    azimuth, polar = np.radians(PLACES[:, 0] + 180), np.radians(PLACES[:, 1] + 90)
    ours = spherical_harmonics(torch.from_numpy(PLACES), 40) * satclip_factors(40)
    for degree in (0, 1, 2, 3, 8, 21, 39):
        for order in range(-degree, degree + 1):
            expected = published_harmonic(degree, order, azimuth, polar)
            np.testing.assert_allclose(ours[:, degree**2 + degree + order].numpy(), expected, atol=1e-10)


@pytest.mark.parametrize(("degrees", "layers"), [(10, 2), (40, 2), (10, 1), (7, 3)])
def test_the_started_encoder_gives_satclips_numbers(tmp_path: Path, degrees: int, layers: int) -> None:
    state = weights(degrees, layers=layers)
    model = made(degrees=degrees, layers=layers)
    told = start(model, lightning(state, tmp_path / "satclip.ckpt"))
    assert told["source"] == "satclip.ckpt"
    assert told["new"] == told["left_aside"] == []
    inside, output = published(PLACES, state, degrees)
    with torch.inference_mode():
        np.testing.assert_allclose(hidden(model, PLACES).numpy(), inside, atol=1e-5)
        np.testing.assert_allclose(model.encode_location(torch.from_numpy(PLACES)).numpy(), output, atol=1e-5)


def test_the_last_layer_is_new_where_the_models_width_is_another(tmp_path: Path) -> None:
    model = made(dim=32)
    before = model.location_encoder.network[-1].weight.clone()
    told = start(model, lightning(weights(), tmp_path / "satclip.ckpt"))
    assert told["left_aside"] == ["nnet.last_layer.bias", "nnet.last_layer.weight"]
    assert told["new"] == ["network.4.bias", "network.4.weight"]
    assert model.location_encoder.network[-1].weight.equal(before)
    with torch.inference_mode():
        np.testing.assert_allclose(hidden(model, PLACES).numpy(), published(PLACES, weights(), 10)[0], atol=1e-5)


def test_the_location_encoders_state_dict_alone_will_do(tmp_path: Path) -> None:
    lightning(weights(), tmp_path / "whole.ckpt")
    torch.save(weights(), tmp_path / "alone.pt")
    save_file(weights(), tmp_path / "alone.safetensors")
    whole = made()
    start(whole, tmp_path / "whole.ckpt")
    for name in ("alone.pt", "alone.safetensors"):
        model = made()
        start(model, tmp_path / name)
        expected = whole.state_dict()
        assert all(value.equal(expected[key]) for key, value in model.state_dict().items())


def refusal(model: Gair, path: Path, kind: type[GairbenchError] = CheckpointError) -> str:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(kind) as caught:
        start(model, path)
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
    message = f"{caught.value}: {caught.value.hint}"
    assert "\n" not in message
    return message


def test_another_size_is_refused_with_the_size_that_fits(tmp_path: Path) -> None:
    file = lightning(weights(degrees=40, hidden=32, layers=3), tmp_path / "satclip.ckpt")
    message = refusal(made(), file)
    assert "unexpected nnet.layers.2.bias, nnet.layers.2.weight" in message
    assert "nnet.layers.0.weight (32, 1600) for (16, 100)" in message
    hint = "--set model.location.degrees=40 --set model.location.hidden=32 --set model.location.layers=3"
    assert hint in message


def test_whatever_does_not_belong_there_is_refused_by_name(tmp_path: Path) -> None:
    state = weights()
    del state["nnet.layers.1.bias"]
    state["posenc.weight"] = torch.zeros(3)
    message = refusal(made(), lightning(state, tmp_path / "satclip.ckpt"))
    assert "missing nnet.layers.1.bias" in message
    assert "unexpected posenc.weight" in message
    state = weights()
    del state["nnet.layers.0.weight"]
    assert "missing nnet.layers.0.weight" in refusal(made(), lightning(state, tmp_path / "satclip.ckpt"))


def test_weights_of_one_encoder_for_another_are_refused(tmp_path: Path) -> None:
    lightning(weights(), tmp_path / "satclip.ckpt")
    message = refusal(made(encoder="rff"), tmp_path / "satclip.ckpt", UsageError)
    assert "satclip.ckpt holds SatCLIP's weights, which are for the location encoder sh-siren, not for rff" in message
    assert "--set model.location.encoder=sh-siren" in message
    torch.save({"LocEnc0.capsule.0.b": torch.zeros(8, 2)}, tmp_path / "geoclip.pth")
    assert "GeoCLIP's weights, which are for the location encoder rff, not for sh-siren" in refusal(
        made(), tmp_path / "geoclip.pth", UsageError
    )
    torch.save({"head.weight": torch.zeros(2)}, tmp_path / "other.pth")
    assert "no location encoder of GeoCLIP (LocEnc*) or SatCLIP (nnet.*), but head.weight" in refusal(
        made(), tmp_path / "other.pth"
    )


def test_harmonics_that_satclip_did_not_release_are_refused(tmp_path: Path) -> None:
    file = lightning(weights(), tmp_path / "satclip.ckpt", harmonics_calculation="closed-form")
    assert "was trained with harmonics_calculation=closed-form" in refusal(made(), file)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    torch.save({"state_dict": weights(), "hyper_parameters": {"seen": Path("x")}}, tmp_path / "satclip.ckpt")
    assert "code in a checkpoint is never run" in refusal(made(), tmp_path / "satclip.ckpt")
