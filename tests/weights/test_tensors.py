"""State dicts out of what training programs save; only finite floating-point numbers are weights."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from gairbench.errors import CheckpointError
from gairbench.weights.tensors import check_tensors, read_file, state_dict

STATE = {"blocks.0.weight": torch.arange(6.0).reshape(2, 3), "blocks.0.bias": torch.ones(2)}
SHAPES = {name: tuple(value.shape) for name, value in STATE.items()}


def under(prefix: str) -> dict[str, Tensor]:
    return {prefix + name: value for name, value in STATE.items()}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        under("module."),
        under("_orig_mod."),
        under("module._orig_mod."),
        under("_orig_mod.module."),
        under("_fsdp_wrapped_module."),
        under("model._orig_mod."),
        {"blocks._orig_mod.0." + name.rpartition(".")[2]: value for name, value in STATE.items()},
        {"epoch": 3, "arch": "vit", "state_dict": STATE, "optimizer": {"state": {0: {}}, "param_groups": []}},
        {"state_dict": under("model."), "pytorch-lightning_version": "2.6"},
        {"state_dict": under("network."), "hyper_parameters": {"lr": 1e-3}},
        {"model": under("module."), "scaler": {"scale": 1.0}},
        {"model_state_dict": STATE, "loss": 0.1},
        {"model": STATE, "dino_loss": {"center": torch.zeros(1)}},
        {"weights of mine": STATE, "epoch": 1},
    ],
)
def test_wrappers_are_taken_off(tmp_path: Path, content: dict[str, Any]) -> None:
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    found = state_dict(read_file(path), path)
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], value) for name, value in STATE.items())


def test_compiled_and_parallel_modules_as_torch_saves_them() -> None:
    module = nn.Sequential(nn.Linear(3, 2))
    compiled = torch.compile(module)
    assert all(name.startswith("_orig_mod.") for name in compiled.state_dict())
    assert state_dict(nn.DataParallel(compiled).state_dict(), "x").keys() == module.state_dict().keys()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": STATE, "state_dict_ema": STATE}, "holds 2 state dicts: 'state_dict', 'state_dict_ema'"),
        ({"student": STATE, "teacher": STATE}, "holds 2 state dicts: 'student', 'teacher'"),
        ({"state_dict": STATE, "ema": under("module.")}, "holds 2 state dicts"),
        ({"epoch": 3}, "epoch is not a named tensor"),
        ({}, "it is empty"),
        (under("module.") | {"n_averaged": torch.ones(())}, "mixes names with and without the prefix 'module.'"),
        (STATE | under("_orig_mod."), "differ only in a wrapper's prefix"),
        (STATE | {"epoch": 3}, "epoch is not a named tensor"),
    ],
)
def test_what_is_not_one_state_dict_is_refused(content: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckpointError) as caught:
        state_dict(content, "weights.pth")
    assert message in caught.value.what
    assert "weights.pth" in caught.value.what


def test_suffix_does_not_decide(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "pickled.safetensors")
    safetensors.torch.save_file(STATE, tmp_path / "safe.pth")
    safetensors.torch.save_file(STATE, tmp_path / "SAFE.SAFETENSORS")
    for name in ("pickled.safetensors", "safe.pth", "SAFE.SAFETENSORS"):
        assert torch.equal(read_file(tmp_path / name)["blocks.0.bias"], torch.ones(2))


def test_python_objects_are_named_and_never_made(tmp_path: Path) -> None:
    torch.save({"model": STATE, "args": argparse.Namespace(lr=1)}, tmp_path / "mae.pth")
    with pytest.raises(CheckpointError, match=r"holds the Python object argparse\.Namespace"):
        read_file(tmp_path / "mae.pth")


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.float8_e4m3fn])
def test_floating_point_of_any_width_is_taken(dtype: torch.dtype) -> None:
    check_tensors({name: value.to(dtype) for name, value in STATE.items()}, SHAPES, "x")


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int64, torch.bool, torch.complex64])
def test_codes_of_quantized_weights_are_refused_by_file_and_tensor(dtype: torch.dtype) -> None:
    with pytest.raises(CheckpointError, match=r"weights.pth: tensor blocks\.0\.bias is .*not floating point"):
        check_tensors(STATE | {"blocks.0.bias": torch.ones(2).to(dtype)}, SHAPES, "weights.pth")


def test_quantized_tensors_of_torch_are_refused() -> None:
    codes = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    with pytest.raises(CheckpointError, match="is qint8"):
        check_tensors(STATE | {"blocks.0.bias": codes}, SHAPES, "x")


def test_codes_are_named_before_their_shapes() -> None:
    packed = torch.ones(3, 1, dtype=torch.uint8)
    with pytest.raises(CheckpointError, match=r"blocks\.0\.weight is uint8"):
        check_tensors(STATE | {"blocks.0.weight": packed}, SHAPES, "x")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_numbers_that_are_not_finite_are_refused_by_file_and_tensor(value: float, dtype: torch.dtype) -> None:
    broken = torch.tensor([1.0, value], dtype=dtype)
    with pytest.raises(CheckpointError, match=r"weights.pth holds NaN or infinite .* 1 of 2 tensors: blocks\.0\.bias"):
        check_tensors(STATE | {"blocks.0.bias": broken}, SHAPES, "weights.pth")


def test_tensors_without_values_or_dense_storage_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"blocks\.0\.bias is without values"):
        check_tensors(STATE | {"blocks.0.bias": torch.ones(2, device="meta")}, SHAPES, "x")
    with pytest.raises(CheckpointError, match=r"blocks\.0\.bias is stored as torch\.sparse_coo"):
        check_tensors(STATE | {"blocks.0.bias": torch.ones(2).to_sparse()}, SHAPES, "x")


def test_integers_that_nobody_takes_do_not_matter() -> None:
    with pytest.raises(CheckpointError, match="unexpected num_batches_tracked"):
        check_tensors(STATE | {"num_batches_tracked": torch.ones((), dtype=torch.long)}, SHAPES, "x")
