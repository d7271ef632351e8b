"""TorchSpatial's location encoders: built from their files, and equal to the published code."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gairbench import ModelContext, ModelSpec, UrlWeights
from gairbench.errors import CheckpointError
from gairbench.testing import parametrize_with_model_checks
from gairbench.testing.model_checks import check_known_answers
from gairbench_models.torchspatial import BY_NAME, MODELS
from gairbench_models.torchspatial.encoder import TorchSpatialEncoder, load
from gairbench_models.torchspatial.encodings import FIXED, SCALED, Scales

SCALES = Scales(3, 0.5, 90.0)
LON, LAT = -122.3, 37.8


def published(spec: ModelSpec) -> UrlWeights:
    weights = spec.presets[0].weights
    assert isinstance(weights, UrlWeights)
    return weights


@pytest.fixture
def released(shared: Path) -> Path:
    return shared / "weights" / "torchspatial"


@pytest.fixture
def in_torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Put the published files where they are looked for, if they are at hand."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    for path in request.getfixturevalue("released").iterdir():
        (folder / path.name).symlink_to(path)


@pytest.mark.usefixtures("little_work")
@parametrize_with_model_checks(MODELS)
def test_published_encoders_conform(check: Any, in_torch_home: None) -> None:
    check()


def parameters(encoding: str, **more: Any) -> dict[str, Any]:
    return {
        "spa_enc_type": encoding,
        "frequency_num": 8,
        "min_radius": 0.01,
        "max_radius": 360.0,
        "freq_init": "geometric",
        "map_range": (-180, 180, -90, 90),
        "num_hidden_layer": 1,
        "hidden_dim": 32,
        "num_filts": 16,
        "spa_f_act": "relu",
        "use_layn": True,
        "skip_connection": True,
    } | more


def saved(path: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    """Write a file of the published layout, with weights of a seed."""
    torch.manual_seed(0)
    encoder = TorchSpatialEncoder(parameters)
    for value in encoder.state_dict().values():
        value.normal_()
    state = {f"spa_enc.{name}": value for name, value in encoder.state_dict().items()}
    head = {"class_emb.weight": torch.zeros(62, 16), "user_emb.weight": torch.zeros(1, 16)}
    content = {"epoch": 3, "state_dict": state | head, "optimizer": {}, "params": parameters}
    torch.save(content, path)
    return content


def context(name: str, path: Path | None) -> ModelContext:
    return ModelContext(model=name, preset="default", seed=0, checkpoint=path)


def name_of(encoding: str) -> str:
    return next(name for name, known in BY_NAME.items() if known == encoding)


def in_radians(scale: float) -> tuple[float, float]:
    return math.radians(LON) / scale, math.radians(LAT) / scale


def expected(encoding: str) -> list[float]:
    """Return what the papers' formulas give, number by number, in the order of the published code."""
    radii = [0.5, math.sqrt(0.5 * 90.0), 90.0]
    lon_once, lat_once = in_radians(1)
    unit = [
        math.cos(lat_once) * math.cos(lon_once),
        math.cos(lat_once) * math.sin(lon_once),
        math.sin(lat_once),
    ]
    found: list[float] = []
    if encoding == "xyz":
        return unit
    if encoding == "wrap_ffn":
        x, y = math.pi * LON / 180, math.pi * LAT / 90
        return [math.sin(x), math.sin(y), math.cos(x), math.cos(y)]
    if encoding == "NeRF":
        for wave in (math.sin, math.cos):
            found += [wave(2**k * math.pi * value) for value in unit for k in range(16)]
        return found
    if encoding == "Space2Vec-grid":
        return [wave(value / radius) for value in (LON, LAT) for radius in radii for wave in (math.sin, math.cos)]
    for radius in radii:
        lon, lat = in_radians(radius)
        if encoding == "Space2Vec-theory":
            for degrees in (0, 120, 240):
                along = LON * math.cos(math.radians(degrees)) + LAT * math.sin(math.radians(degrees))
                found += [math.sin(along / radius), math.cos(along / radius)]
        elif encoding == "Sphere2Vec-sphereM":
            found += [math.sin(lat), math.cos(lat) * math.cos(lon_once), math.cos(lat_once) * math.cos(lon)]
            found += [math.cos(lat) * math.sin(lon_once), math.cos(lat_once) * math.sin(lon)]
        else:
            single = [math.cos(lat), math.sin(lon), math.cos(lon)] if encoding == "Sphere2Vec-sphereC+" else []
            found += [math.sin(lat), *single, math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon)]
    return found


@pytest.mark.parametrize("encoding", [*FIXED, *SCALED])
def test_features_are_those_of_the_papers(encoding: str) -> None:
    lonlat = torch.tensor([[LON, LAT]], dtype=torch.float64)
    if encoding in FIXED:
        encode, length = FIXED[encoding]
        found = encode(lonlat)
    else:
        encode_scaled, each = SCALED[encoding]
        found, length = encode_scaled(lonlat, SCALES), each * SCALES.count
    assert found.shape == (1, length)
    np.testing.assert_allclose(found[0], expected(encoding), atol=1e-9)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_embeddings_are_those_of_the_published_code(spec: ModelSpec, released: Path, shared: Path) -> None:
    reference = np.load(shared / "parity" / "torchspatial_reference.npz")
    file = published(spec).filename
    encoder = load(context(spec.name, released / file)).eval()
    found = encoder.encode_location(torch.from_numpy(reference["lonlat"]).double())
    np.testing.assert_allclose(found.detach(), reference[file.removesuffix(".pth.tar")], atol=2e-5)


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_known_answers_are_given(spec: ModelSpec, in_torch_home: None) -> None:
    check_known_answers(spec, spec.presets[0])


def test_coordinates_are_rounded_as_in_the_published_code(tmp_path: Path) -> None:
    encoding = "Space2Vec-theory"
    saved(tmp_path / "w.pth.tar", parameters(encoding, min_radius=1e-4))
    encoder = load(context(name_of(encoding), tmp_path / "w.pth.tar")).eval()
    fine = torch.tensor([[LON + 1e-7, LAT]], dtype=torch.float64)
    found, rounded = encoder.encode_location(fine), encoder.encode_location(fine.float().double())
    torch.testing.assert_close(found, rounded, atol=0, rtol=0)


@pytest.mark.parametrize("encoding", [*FIXED, "rff", *SCALED])
def test_a_file_says_how_its_encoder_is_built(encoding: str, tmp_path: Path) -> None:
    written = saved(tmp_path / "w.pth.tar", parameters(encoding, num_hidden_layer=2, spa_f_act="leakyrelu"))
    encoder = load(context(name_of(encoding), tmp_path / "w.pth.tar")).eval()
    assert [len(layer.linear.bias) for layer in encoder.ffn.layers] == [32, 32, 16]
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, written["state_dict"][f"spa_enc.{name}"], atol=0, rtol=0)
    found = encoder.encode_location(torch.tensor([[LON, LAT], [0.0, 0.0]], dtype=torch.float64))
    assert found.dtype == torch.float32
    assert found.shape == (2, 16)


def test_layers_have_activation_skip_and_norm_as_published(tmp_path: Path) -> None:
    content = saved(tmp_path / "w.pth.tar", parameters("xyz", num_hidden_layer=2, spa_f_act="leakyrelu"))
    encoder = load(context(name_of("xyz"), tmp_path / "w.pth.tar")).eval()
    state = {name.removeprefix("spa_enc.ffn.layers."): value for name, value in content["state_dict"].items()}

    def layer(number: int, values: torch.Tensor) -> torch.Tensor:
        linear = values @ state[f"{number}.linear.weight"].T + state[f"{number}.linear.bias"]
        return torch.where(linear > 0, linear, 0.2 * linear)

    def norm(number: int, values: torch.Tensor) -> torch.Tensor:
        centred = values - values.mean(1, keepdim=True)
        scaled = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
        return scaled * state[f"{number}.layernorm.weight"] + state[f"{number}.layernorm.bias"]

    first = norm(0, layer(0, torch.tensor([expected("xyz")], dtype=torch.float32)))
    second = norm(1, layer(1, first) + first)
    found = encoder.encode_location(torch.tensor([[LON, LAT]], dtype=torch.float64))
    torch.testing.assert_close(found, layer(2, second), atol=1e-4, rtol=1e-5)


def test_random_features_are_relative_to_the_extent_of_the_training_data(tmp_path: Path) -> None:
    saved(tmp_path / "w.pth.tar", parameters("rff", map_range=(-162, -59, 20, 56)))
    encoder = load(context(name_of("rff"), tmp_path / "w.pth.tar")).eval()
    position = encoder.position_encoder
    direction, shift = position.dirvec, position.shift
    assert isinstance(direction, torch.Tensor)
    assert isinstance(shift, torch.Tensor)
    for lonlat, corner in (((-162.0, 20.0), (-1.0, -1.0)), ((-59.0, 56.0), (1.0, 1.0)), ((-110.5, 38.0), (0.0, 0.0))):
        found = position(torch.tensor([lonlat], dtype=torch.float64))[0]
        wanted = torch.cos(torch.tensor(corner) @ direction + shift) * math.sqrt(2 / 8)
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"spa_enc_type": "NeRF"}, "holds the encoder NeRF, not Space2Vec-grid"),
        ({"frequency_num": 9}, r"misshapen spa_enc\.ffn\.layers\.0\.linear\.weight"),
        ({"frequency_num": 10**15}, "does not say how its encoder is built|misshapen"),
        ({"frequency_num": "many"}, "does not say how its encoder is built: ValueError"),
        ({"num_hidden_layer": 2}, r"missing spa_enc\.ffn\.layers\.1\.layernorm"),
        ({"use_layn": False}, r"unexpected spa_enc\.ffn\.layers\.0\.layernorm"),
        ({"spa_f_act": "swish"}, "its activation is 'swish'"),
        ({"freq_init": "random"}, "its scales are 'random'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    content = saved(tmp_path / "w.pth.tar", parameters("Space2Vec-grid"))
    torch.save(content | {"params": content["params"] | changes}, tmp_path / "w.pth.tar")
    with pytest.raises(CheckpointError, match=why):
        load(context(name_of("Space2Vec-grid"), tmp_path / "w.pth.tar"))


@pytest.mark.parametrize("without", ["params", "state_dict"])
def test_a_file_without_parameters_or_weights_is_refused(without: str, tmp_path: Path) -> None:
    content = saved(tmp_path / "w.pth.tar", parameters("xyz"))
    torch.save({key: value for key, value in content.items() if key != without}, tmp_path / "w.pth.tar")
    with pytest.raises(CheckpointError, match=r"how its encoder is built|is not a state dict"):
        load(context(name_of("xyz"), tmp_path / "w.pth.tar"))


def test_weights_of_another_encoder_lie_under_another_name() -> None:
    files = [published(spec).filename for spec in MODELS]
    assert len(set(files)) == len(MODELS) == 16
    assert all(
        published(spec).url.endswith((file, file.replace("+", "%2B"))) for spec, file in zip(MODELS, files, strict=True)
    )
