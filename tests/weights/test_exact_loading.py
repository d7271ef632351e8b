"""A module is filled with exactly the tensors that its file holds, under the file's names."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gairbench.errors import CheckpointError
from gairbench.weights.exact_loading import load_exactly

HINT = "give the published file"


def module() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def saved(path: Path, **changes: Tensor | None) -> Path:
    """Write a file of other names, with a head and without counts; ``None`` leaves a tensor out."""
    torch.manual_seed(0)
    state = {f"net.{name}": torch.rand_like(value) for name, value in module().state_dict().items() if value.ndim}
    state |= {"head.bias": torch.zeros(5)} | {name: value for name, value in changes.items() if value is not None}
    torch.save({name: value for name, value in state.items() if changes.get(name, value) is not None}, path)
    return path


def load(into: nn.Module, path: Path) -> None:
    load_exactly(
        into,
        path,
        hint=HINT,
        theirs=lambda name: f"net.{name}",
        taken=lambda name: "" if name.startswith("head.") else name.replace(".inner", ""),
    )


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_every_tensor_is_loaded_by_its_name_and_counts_are_left(device: str, tmp_path: Path) -> None:
    state = torch.load(saved(tmp_path / "w"))
    with torch.device(device):
        into = module()
    load(into, tmp_path / "w")
    found = into.state_dict()
    assert found["0.weight"].equal(state["net.0.weight"])
    assert found["1.running_var"].equal(state["net.1.running_var"])
    assert found["1.num_batches_tracked"].device.type == "cpu"


def test_counts_in_a_file_are_not_taken(tmp_path: Path) -> None:
    into = module()
    load(into, saved(tmp_path / "w", **{"net.1.num_batches_tracked": torch.tensor(7)}))
    assert into.state_dict()["1.num_batches_tracked"] == 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"net.0.bias": None}, r"missing net\.0\.bias"),
        ({"net.2.bias": torch.zeros(3)}, r"unexpected net\.2\.bias"),
        ({"0.bias": torch.zeros(3)}, r"unexpected 0\.bias"),
        ({"net.0.bias": torch.zeros(4)}, r"misshapen net\.0\.bias \(4,\) for \(3,\)"),
        ({"net.0.bias": torch.full((3,), torch.nan)}, "NaN or infinite"),
        ({"net.inner.0.bias": torch.zeros(3)}, r"holds tensors twice, under another name: net\.inner\.0\.bias"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_nothing_is_loaded(
    changes: dict[str, Tensor | None], problem: str, tmp_path: Path
) -> None:
    into = module()
    before = {name: value.clone() for name, value in into.state_dict().items()}
    with pytest.raises(CheckpointError, match=problem):
        load(into, saved(tmp_path / "w", **changes))
    assert all(value.equal(before[name]) for name, value in into.state_dict().items())
