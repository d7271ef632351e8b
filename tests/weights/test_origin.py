"""One function decides where weights come from."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gairbench.errors import CheckpointError, UsageError
from gairbench.spec import DatasetSpec, HubWeights, ModelSpec, Preset, Pretraining
from gairbench.weights import origin
from gairbench.weights.origin import checkpoint_identity, find_weights, pretrained_weights, required_weights

PRESET = Preset(name="default", inputs=())
HUB = HubWeights(repo="someone/something", filename="weights.pth", revision="main", licence="MIT")


def spec(**more: object) -> ModelSpec:
    return ModelSpec(name="mine", version="1", presets=(PRESET,), factory="x:y", **more)  # type: ignore[arg-type]


def trained() -> ModelSpec:
    return spec(pretraining=Pretraining(recipe="x:y", version=1, dataset="z"))


def test_a_given_checkpoint_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(b"1")
    for model in (spec(), spec(hub=HUB), trained()):
        found = find_weights(model, file, seed=0)
        assert (found.path, found.ready, found.foreign) == (file, True, True)
    before = find_weights(spec(), file, seed=0).identity
    file.write_bytes(b"2")
    assert find_weights(spec(), file, seed=0).identity != before


def test_identity_of_a_folder_is_of_all_its_files_but_hidden_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c" / "deep").mkdir(parents=True)
    (tmp_path / "c" / "a.bin").write_bytes(b"1")
    (tmp_path / "c" / "deep" / "b.bin").write_bytes(b"2")
    before = checkpoint_identity(tmp_path / "c")
    (tmp_path / "c" / ".DS_Store").write_bytes(b"3")
    assert checkpoint_identity(tmp_path / "c") == before
    (tmp_path / "c" / "deep" / "b.bin").write_bytes(b"4")
    assert checkpoint_identity(tmp_path / "c") != before
    scandir = os.scandir

    def guarded(folder: object) -> object:
        if str(folder).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(CheckpointError, match=r"cannot read .*/deep: Permission denied"):
        checkpoint_identity(tmp_path / "c")


def test_published_weights_come_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origin, "cached_file", lambda weights: None)
    absent = find_weights(spec(hub=HUB), None, seed=0)
    assert not absent.ready
    assert "--download" in absent.missing
    with pytest.raises(CheckpointError, match="weights of mine are not here; add --download"):
        required_weights(spec(hub=HUB), None, seed=0)
    file = tmp_path / "w.bin"
    file.write_bytes(b"1")
    monkeypatch.setattr(origin, "cached_file", lambda weights: file)
    assert required_weights(spec(hub=HUB), None, seed=0) == find_weights(spec(), file, seed=0)


def test_a_model_that_needs_training_is_not_used_untrained() -> None:
    found = find_weights(trained(), None, seed=0)
    assert found.to_train
    assert not found.ready
    with pytest.raises(UsageError, match="no weights until it is trained; give --checkpoint"):
        required_weights(trained(), None, seed=0)


def test_weights_of_the_seed_alone() -> None:
    assert find_weights(spec(), None, seed=3).identity == "init:0"
    assert find_weights(replace(spec(), seeded=True), None, seed=3).identity == "init:3"


def test_a_run_keeps_its_weights_by_all_that_decides_them(tmp_path: Path) -> None:
    corpus = DatasetSpec(name="z", version="1", factory="x:y", delivers=(), splits=("pretrain",), licence="MIT")

    def where(
        *, fingerprint: str = "f", seed: int = 0, limit: int | None = None, fresh: bool = False
    ) -> origin.Weights:
        return pretrained_weights(
            trained(), PRESET, corpus, fingerprint, seed=seed, limit=limit, cache=tmp_path, fresh=fresh
        )

    base = where()
    assert base.path is not None
    assert not base.ready
    others = [where(fingerprint="g"), where(seed=1), where(limit=9)]
    assert len({base.identity, *(other.identity for other in others)}) == 4
    base.path.mkdir(parents=True)
    assert where().ready
    assert not where(fresh=True).ready


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*nothing"):
        find_weights(spec(), tmp_path / "nothing", seed=0)
