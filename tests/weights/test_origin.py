"""One function decides where weights come from and what they are."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from gairbench.digests import file_sha256
from gairbench.errors import CheckpointError, PluginError, UsageError
from gairbench.plugins import load_registry
from gairbench.published import HubWeights
from gairbench.spec import DatasetSpec, ModelSpec, Preset, Pretraining
from gairbench.weights import sources
from gairbench.weights.environment_file import ENVIRONMENT
from gairbench.weights.origin import Weights, checkpoint_sha256, model_code, pretrained_weights
from gairbench.weights.origin import find_weights as find
from gairbench.weights.origin import required_weights as require

PRESET = Preset(name="default", inputs=())
RECIPE = Pretraining(recipe="x:y", version=1, dataset="z")
TRAINED = replace(PRESET, weights=RECIPE)
PUBLISHED = replace(PRESET, weights=HubWeights(repo="someone/something", filename="weights.pth", licence="MIT"))
SPEC = ModelSpec(name="mine", version="1", presets=(PRESET,), factory="x:y")
CORPUS = DatasetSpec(name="z", version=1, factory="x:y", delivers=(), splits=("pretrain",), licence="MIT")


def find_weights(preset: Preset, given: Path | None, cache: Path, *, seed: int = 0, **more: object) -> Weights:
    return find(replace(SPEC, **more), preset, given, seed=seed, code="c", cache=cache)  # type: ignore[arg-type]


def test_a_given_checkpoint_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "w.bin"
    file.write_bytes(b"1")
    for preset in (PRESET, PUBLISHED, TRAINED):
        found = find_weights(preset, file, tmp_path)
        assert (found.path, found.ready, found.foreign) == (file, True, True)
        assert found.identity == found.content == f"file:{file_sha256(file)}"
    file.write_bytes(b"2")
    assert find_weights(PRESET, file, tmp_path).identity != found.identity


def test_content_of_a_folder_is_of_all_its_files_but_hidden_ones_and_the_note_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "c"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"1")
    (folder / "deep" / "b.bin").write_bytes(b"2")
    before = checkpoint_sha256(folder, tmp_path)
    (folder / ".DS_Store").write_bytes(b"3")
    (folder / ENVIRONMENT).write_text("{}")
    assert checkpoint_sha256(folder, tmp_path) == before
    (folder / "deep" / "b.bin").write_bytes(b"4")
    assert checkpoint_sha256(folder, tmp_path) != before
    scandir = os.scandir

    def guarded(folder: object) -> object:
        if str(folder).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(CheckpointError, match=r"cannot read .*/deep: Permission denied"):
        checkpoint_sha256(folder, tmp_path)


def test_published_weights_come_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "find_hub_file", lambda weights: None)
    absent = find_weights(PUBLISHED, None, tmp_path)
    assert not absent.ready
    assert "--download" in absent.missing
    with pytest.raises(CheckpointError, match="weights of mine are not here; add --download"):
        require(SPEC, PUBLISHED, None, seed=0, code="", cache=tmp_path)
    file = tmp_path / "w.bin"
    file.write_bytes(b"1")
    monkeypatch.setattr(sources, "find_hub_file", lambda weights: file)
    given = find_weights(PRESET, file, tmp_path)
    assert find_weights(PUBLISHED, None, tmp_path) == replace(given, published=True)


def test_a_model_that_needs_training_is_not_used_untrained(tmp_path: Path) -> None:
    found = find_weights(TRAINED, None, tmp_path)
    assert found.to_train
    assert not found.ready
    with pytest.raises(UsageError, match="no weights until it is trained; give --checkpoint"):
        require(SPEC, TRAINED, None, seed=0, code="", cache=tmp_path)


def test_untrained_weights_are_known_by_code_and_by_the_seed_if_it_matters(tmp_path: Path) -> None:
    def identity(seed: int, code: str, *, seeded: bool) -> str:
        return find(replace(SPEC, seeded=seeded), PRESET, None, seed=seed, code=code, cache=tmp_path).identity

    assert identity(3, "c", seeded=False) == identity(0, "c", seeded=False)
    different = {identity(0, "c", seeded=True), identity(3, "c", seeded=True), identity(0, "d", seeded=True)}
    assert len(different) == 3
    assert all(name.startswith("init:") for name in different)


def where(cache: Path, spec: ModelSpec = SPEC, preset: Preset = TRAINED, **changes: object) -> Weights:
    values: dict[str, object] = {"fingerprint": "f", "seed": 0, "limit": None, "fresh": False}
    values |= changes
    corpus, fingerprint = CORPUS, values.pop("fingerprint")
    return pretrained_weights(spec, preset, corpus, fingerprint, distributions=("", ""), cache=cache, **values)  # type: ignore[arg-type]


def test_a_run_keeps_its_weights_by_all_that_decides_them(tmp_path: Path) -> None:
    base = where(tmp_path)
    assert base.path is not None
    assert not base.ready
    assert base.content == ""
    others = [where(tmp_path, fingerprint="g"), where(tmp_path, seed=1), where(tmp_path, limit=9)]
    others.append(where(tmp_path, preset=replace(TRAINED, weights=replace(RECIPE, version=2))))
    others += [where(tmp_path, teachers=[["rs", name]]) for name in ("file:1", "file:2")]
    assert len({base.identity, *(other.identity for other in others)}) == 7
    # Checkpoints from before there were teachers are still found.
    assert where(tmp_path, teachers=[]) == base
    base.path.mkdir(parents=True)
    assert where(tmp_path).ready
    assert where(tmp_path).content.startswith("pretrained:")
    assert not where(tmp_path, fresh=True).ready


TABLE = {"learning_rate": 1e-3, "width": 8}


def configuration(model: str, preset: str) -> Mapping[str, float]:
    """A table of presets beside the code, as models have it."""
    return dict(TABLE)


@pytest.mark.parametrize("setting", ["learning_rate", "width"])
def test_a_preset_s_settings_in_a_table_of_the_model_are_part_of_what_it_is(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = replace(SPEC, configuration=configuration)
    before = where(tmp_path, stated).identity, model_code(stated, PRESET, "", tmp_path)
    monkeypatch.setitem(TABLE, setting, 5)
    after = where(tmp_path, stated).identity, model_code(stated, PRESET, "", tmp_path)
    assert before[0] != after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize("name", ["gair", "gair[bilinear]", "mae", "mocov3", "random"])
def test_budget_and_width_of_our_presets_are_part_of_what_they_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gairbench_models.gair.presets import PRESETS

    spec = load_registry().models[name]
    preset = spec.preset("tiny")

    def known_as() -> tuple[str, str]:
        trained = where(tmp_path, spec, preset).identity if preset.recipe else ""
        return model_code(spec, preset, "gairbench", tmp_path), trained

    before, tiny = known_as(), PRESETS["tiny"]
    if preset.recipe:
        changed = replace(tiny, budget=replace(tiny.budget, epochs=9, learning_rate=1.0))
        monkeypatch.setitem(PRESETS, "tiny", changed)  # type: ignore[arg-type]
        assert all(one != other for one, other in zip(before, known_as(), strict=True))
    depth = replace(tiny.config.rs, depth=7)
    monkeypatch.setitem(PRESETS, "tiny", replace(tiny, config=replace(tiny.config, rs=depth)))  # type: ignore[arg-type]
    assert before[0] != known_as()[0]
    assert not preset.recipe or before[1] != known_as()[1]


def test_a_broken_configuration_is_the_model_s_fault(tmp_path: Path) -> None:
    def broken(model: str, preset: str) -> None:
        raise PluginError("the table is gone", "write it")

    with pytest.raises(PluginError, match="the table is gone"):
        model_code(replace(SPEC, configuration=broken), PRESET, "", tmp_path)


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no checkpoint .*nothing"):
        find_weights(PRESET, tmp_path / "nothing", tmp_path)
