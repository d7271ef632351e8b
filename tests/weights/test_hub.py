"""Published weights are used where they are, fetched only when asked, and their licence is told."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.transform import from_origin

from gairbench import cli
from gairbench.errors import CheckpointError
from gairbench.published import HubWeights
from gairbench.weights import hub
from gairbench.weights.origin import required_weights
from gairbench_models.gair import MODELS

WEIGHTS = HubWeights(repo="someone/model", filename="weights.pth", licence="CC BY-NC 4.0")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return tmp_path


def put(cache: Path, weights: HubWeights, content: bytes) -> Path:
    """Lay a file out as Hugging Face's cache does."""
    folder = cache / f"models--{weights.repo.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / weights.revision).write_text(COMMIT)
    file = folder / "snapshots" / COMMIT / weights.filename
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    return file


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run a command as typed; return the exit status."""
    monkeypatch.setattr(sys, "argv", ["gairbench", *arguments])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return int(exit_.value.code or 0)


def run(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    return command(monkeypatch, "run", "--model", "gair-official", "--task", "earth-location-koeppen", *options)


@pytest.fixture(params=["embed", "map"])
def for_one_model(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """The arguments of a command for one model, whose input is whole."""
    if request.param == "embed":
        (tmp_path / "table.csv").write_text("lon,lat\n10,50\n")
        arguments = ["--input", str(tmp_path / "table.csv"), "--out", str(tmp_path / "out.parquet")]
    else:
        image = tmp_path / "scene.tif"
        at = from_origin(500_000, 5_000_000, 10, 10)
        with rasterio.open(
            image, "w", driver="GTiff", count=12, height=8, width=8, dtype="uint16", crs="EPSG:32633", transform=at
        ) as file:
            file.write(np.ones((12, 8, 8), np.uint16))
        arguments = ["--image", str(image), "--out", str(tmp_path / "out.tif"), "--unit", "s2_dn"]
    return [request.param, "--model", "gair-official", "--device", "cpu", *arguments]


def test_a_file_in_the_local_cache_is_found_and_a_missing_one_is_none(cache: Path) -> None:
    assert hub.find_hub_file(WEIGHTS) is None
    file = put(cache, WEIGHTS, b"tensors")
    found = hub.find_hub_file(WEIGHTS)
    assert found is not None
    assert found.read_bytes() == file.read_bytes() == b"tensors"


def test_without_weights_the_cell_is_skipped_and_says_how_to_get_them(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--dry-run", "--results", str(tmp_path / "results")) == 1
    told = capsys.readouterr().out
    assert "skipped: its weights are not here; add --download to fetch checkpoint.pth of PingL/GAIR" in told
    assert "CC BY-NC 4.0" in told


def test_download_tells_the_licence_and_a_missing_network_is_one_line(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    assert run(monkeypatch, "--download", "--results", str(tmp_path / "results")) == 1
    told = capsys.readouterr().err
    assert told.index("licence of the weights: CC BY-NC 4.0") < told.index("cannot fetch checkpoint.pth of PingL/GAIR")
    assert "Name or service not known" in told
    assert "Traceback" not in told


def test_a_dry_run_fetches_nothing(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> str:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", forbidden)
    assert run(monkeypatch, "--download", "--dry-run", "--results", str(tmp_path / "results")) == 1


def test_what_is_here_is_planned_as_a_checkpoint_of_preset_base(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = next(model for model in MODELS if model.name == "gair-official")
    weights = spec.presets[0].weights
    assert isinstance(weights, HubWeights)
    content = io.BytesIO()
    torch.save({"of another model": torch.zeros(1)}, content)  # tensors are not read by a dry run
    put(cache, weights, content.getvalue())
    assert run(monkeypatch, "--dry-run", "--results", str(tmp_path / "results")) == 0
    told = capsys.readouterr().out
    assert "base" in told
    assert "todo" in told


def test_a_command_for_one_model_says_how_to_get_its_weights(cache: Path) -> None:
    spec = next(model for model in MODELS if model.name == "gair-official")
    with pytest.raises(CheckpointError, match="weights of gair-official are not here; add --download"):
        required_weights(spec, spec.presets[0], None, seed=0, code="", cache=cache)


def test_embed_and_map_say_how_to_get_weights_and_have_that_option(
    cache: Path, for_one_model: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("Name or service not known")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", unreachable)
    assert command(monkeypatch, *for_one_model) == 1
    told = capsys.readouterr().err
    assert "the weights of gair-official are not here; add --download to fetch checkpoint.pth of PingL/GAIR" in told
    assert command(monkeypatch, *for_one_model, "--download") == 1
    told = capsys.readouterr().err
    assert told.index("licence of the weights: CC BY-NC 4.0") < told.index("cannot fetch checkpoint.pth of PingL/GAIR")
    assert "Name or service not known" in told
    assert "Traceback" not in told


def test_embed_and_map_go_on_with_what_was_fetched(
    cache: Path, for_one_model: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = next(model for model in MODELS if model.name == "gair-official")
    weights = spec.presets[0].weights
    assert isinstance(weights, HubWeights)

    def fetch(*_: object, **__: object) -> str:
        return str(put(cache, weights, b"no tensors"))

    monkeypatch.setattr("huggingface_hub.hf_hub_download", fetch)
    assert command(monkeypatch, *for_one_model, "--download") == 1
    told = capsys.readouterr().err
    assert told.index("licence of the weights") < told.index("checkpoint.pth is neither a safetensors file nor")


def test_a_checkpoint_that_is_given_is_not_fetched(
    cache: Path, for_one_model: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def forbidden(*_: object, **__: object) -> str:
        raise AssertionError("the network was touched")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", forbidden)
    assert command(monkeypatch, *for_one_model, "--download", "--checkpoint", str(cache / "mine.pth")) == 1
    assert "mine.pth" in capsys.readouterr().err
