"""The released layout is read strictly, and preset ``base`` then computes what the public implementation computes."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from gairbench import ModelContext
from gairbench.errors import CheckpointError
from gairbench.georeference import relative_position
from gairbench_models.gair.checkpoint import load, read_checkpoint
from gairbench_models.gair.localization import Sampled
from gairbench_models.gair.model import Gair
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.released import convert_released, load_released, released_names

TOLERANCE = 2e-4


def drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    """Draw a tensor by the rule that the reference was made with."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if capsule := re.fullmatch(r"location_encoder\.LocEnc(\d)\.capsule\.0\.b", key):
        values *= (1, 16, 256)[int(capsule[1])]
    elif key.endswith(("norm.weight", "norm_out.weight", "layer_norm.weight")) or re.search(r"layernorm.*weight$", key):
        values = 1 + 0.1 * values
    elif len(shape) >= 2 and not key.endswith(("position_embeddings", "cls_token")):
        values /= np.sqrt(np.prod(shape[1:]))
    else:
        values *= 0.02
    return torch.from_numpy(values.astype(np.float32))


def released_state() -> dict[str, Tensor]:
    """Return a state dict of the released layout, unused keys included, drawn by the published rule."""
    shapes: dict[str, tuple[int, ...]] = {"imnet.weight": (768, 6914), "imnet.bias": (768,)}
    with torch.device("meta"):
        model = Gair(PRESETS["base"].config)
    for name, value in model.state_dict().items():
        if not name.startswith("localizer."):
            sources = released_names(name)
            shapes |= dict.fromkeys(sources, (value.shape[0] // len(sources), *value.shape[1:]))
    # Known keys that no embedding depends on.
    shapes |= {"rs_encoder.layer_norm.weight": (768,), "radar_proj.weight": (768, 768), "location_proj.bias": (768,)}
    state = {key: drawn(key, shape) for key, shape in shapes.items()}
    return state | {"logit_scale": torch.tensor(2.66), "queue_for_location": torch.zeros(2, 4096)}


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return released_state()


LAYOUTS: dict[str, Callable[[dict[str, Tensor]], dict[str, Any]]] = {
    "state dict": lambda state: dict(state),
    "in model": lambda state: {"model": state, "epoch": 3},
    "module prefix": lambda state: {f"module.{key}": value for key, value in state.items()},
    "in model, module prefix": lambda state: {"model": {f"module.{key}": value for key, value in state.items()}},
}


@pytest.mark.parametrize("layout", [*LAYOUTS, "safetensors"])
def test_every_layout_of_the_released_checkpoint_is_read(
    layout: str, state: dict[str, Tensor], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if layout == "safetensors":
        file = tmp_path / "checkpoint.safetensors"
        safetensors.torch.save_file(state, file)
    else:
        file = tmp_path / "checkpoint.pth"
        torch.save(LAYOUTS[layout](state), file)
    assert read_checkpoint(file).name == "base"
    converted = load_released(file)
    expected = convert_released(state, Path("memory"))
    assert converted.keys() == expected.keys()
    assert all(torch.equal(converted[name], value) for name, value in expected.items())
    assert "left aside" in caplog.text
    assert "logit_scale" in caplog.text


def write(state: Mapping[str, object], folder: Path) -> Path:
    file = folder / "checkpoint.pth"
    torch.save(dict(state), file)
    return file


def refused(file: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load(ModelContext(model="gair", preset="base", seed=0, checkpoint=file))
    message = str(error.value)
    assert "\n" not in message
    return message


def test_missing_left_over_and_misshapen_keys_are_all_listed(state: dict[str, Tensor], tmp_path: Path) -> None:
    changed = dict(state)
    del changed["sv_encoder.layernorm.bias"]
    changed["sv_encoder.embeddings.mask_token"] = torch.zeros(1, 1, 768)
    changed["imnet.bias"] = torch.zeros(5)
    message = refused(write(changed, tmp_path))
    assert "missing sv_encoder.layernorm.bias" in message
    assert "unexpected sv_encoder.embeddings.mask_token" in message
    assert "misshapen imnet.bias (5,) for (768,)" in message


def test_keys_of_a_newer_transformers_are_an_error_and_not_a_random_encoder(
    state: dict[str, Tensor], tmp_path: Path
) -> None:
    renamed = {key.replace("attention.attention.query", "attention.q_proj"): value for key, value in state.items()}
    message = refused(write(renamed, tmp_path))
    assert "24 in all" in message
    assert "sv_encoder.encoder.layer.0.attention.q_proj.bias" in message


def test_names_with_and_without_prefix_do_not_mix(state: dict[str, Tensor], tmp_path: Path) -> None:
    mixed = {f"module.{key}" if key.startswith("imnet") else key: value for key, value in state.items()}
    assert "mixes names with and without the prefix" in refused(write(mixed, tmp_path))


def test_quantized_and_broken_weights_are_refused_by_tensor(state: dict[str, Tensor], tmp_path: Path) -> None:
    codes = write({"imnet.bias": state["imnet.bias"].to(torch.int8)}, tmp_path)
    assert "checkpoint.pth: tensor imnet.bias is int8" in refused(codes)
    with pytest.raises(CheckpointError, match=r"x\.pth holds NaN or infinite numbers in 1 of \d+ tensors: imnet\.bias"):
        convert_released(state | {"imnet.bias": state["imnet.bias"] * float("nan")}, Path("x.pth"))


class Malicious:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("was-run"),))


def test_code_in_a_pickle_is_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Malicious()}, tmp_path / "evil.pth")
    assert "code in a checkpoint is never run" in refused(tmp_path / "evil.pth")
    assert not (tmp_path / "was-run").exists()


def test_what_is_no_checkpoint_is_refused_in_one_line(tmp_path: Path, state: dict[str, Tensor]) -> None:
    (tmp_path / "text.pth").write_text("hello")
    assert "is neither a safetensors file nor one that torch.save wrote" in refused(tmp_path / "text.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    assert "holds a list" in refused(tmp_path / "list.pth")
    whole = write({"imnet.bias": state["imnet.bias"]}, tmp_path).read_bytes()
    (tmp_path / "short.pth").write_bytes(whole[: len(whole) // 2])
    assert "short.pth" in refused(tmp_path / "short.pth")
    assert "missing" in refused(tmp_path / "checkpoint.pth")


def test_the_released_layout_is_gair_base_and_nothing_else(state: dict[str, Tensor], tmp_path: Path) -> None:
    file = write(state, tmp_path)
    with pytest.raises(CheckpointError, match=r"released layout, which is preset 'base', not 'tiny'"):
        load(ModelContext(model="gair", preset="tiny", seed=0, checkpoint=file))
    with pytest.raises(CheckpointError, match=r"gair\[bilinear\] takes no other checkpoint"):
        load(ModelContext(model="gair[bilinear]", preset="base", seed=0, checkpoint=file))


def test_base_agrees_with_the_public_implementation(shared: Path, state: dict[str, Tensor], tmp_path: Path) -> None:
    file = shared / "parity" / "gair_reference.npz"
    if not file.is_file():
        pytest.skip(f"no numerical reference at {file}")
    with np.load(file, allow_pickle=False) as archive:
        reference = {name: archive[name] for name in archive.files}
    n, generator = int(reference["n"]), np.random.RandomState(int(reference["seed"]))
    rs = torch.from_numpy(generator.uniform(0, 1, (n, 10, 96, 96)).astype(np.float32))
    sv = torch.from_numpy(generator.standard_normal((n, 3, 224, 224)).astype(np.float32))
    lonlat, bbox = torch.from_numpy(reference["coords"]), torch.from_numpy(reference["bbox"])

    model = load(ModelContext(model="gair", preset="base", seed=0, checkpoint=write(state, tmp_path)))
    with torch.inference_mode():
        tokens = model.encode_rs_tokens(rs)
        position = relative_position(lonlat, bbox)
        found = {
            "rs": model.encode_rs(rs),
            "sv": model.encode_sv(sv),
            "proj_sv": model.project_sv(sv),
            "location": model.encode_location(lonlat),
            "localized_nili": model.query_rs(rs, lonlat, bbox),
            "localized_bilinear": Sampled("bilinear")(tokens, position),
            "localized_bicubic": Sampled("bicubic")(tokens, position),
            "rs_tokens_first": tokens[:1].flatten(2).transpose(1, 2),
        }
    difference = {name: float(np.abs(value.numpy() - reference[name]).max()) for name, value in found.items()}
    assert {name: value for name, value in difference.items() if not value <= TOLERANCE} == {}
