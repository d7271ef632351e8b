"""All registered models with published weights: what they declare, and that nothing is fetched without being asked."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import timm

import gairbench
from gairbench import ModelSpec, PackageWeights, Pretraining
from gairbench.commands.run import RunRequest, run_command
from gairbench.plugins import load_registry
from gairbench.spec import resolve
from gairbench.testing.known_answers import blind_spot
from gairbench.testing.offline import offline
from gairbench_models.corpora import CORPORA, FMOW, corpora_of
from gairbench_models.timm_models.provenance import datasets_of
from gairbench_models.torchgeo_models.catalogue import catalogue

PUBLISHED = [
    spec
    for spec in load_registry().models.values()
    if any(p.weights is not None and not isinstance(p.weights, Pretraining) for p in spec.presets)
]
TO_BE_FETCHED = [spec for spec in PUBLISHED if not isinstance(spec.presets[0].weights, PackageWeights)]


def test_the_zoo_has_forty_models() -> None:
    assert len(load_registry().models) >= 40
    assert len(PUBLISHED) >= 25


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.name)
def test_what_a_model_was_trained_on_is_stated(spec: ModelSpec) -> None:
    assert spec.trained_on
    assert spec.trained_on <= CORPORA | load_registry().datasets.keys()
    assert spec.licence
    assert spec.citation


def test_datasets_that_models_were_trained_on_are_spelled_one_way() -> None:
    stated = {member.meta.get("dataset", "") for member, _ in catalogue().values()}
    assert frozenset().union(*map(corpora_of, stated)) <= CORPORA
    assert corpora_of("fMoW Dataset") == corpora_of("fMoW") == {FMOW}
    tags = (name.partition(".")[2] for name in timm.list_pretrained())
    names = CORPORA.union(*map(datasets_of, tags))
    bare = [re.sub(r"[^a-z0-9]|pretrain$|dataset$", "", name.lower()) for name in names]
    assert len({*bare}) == len(names)


def test_known_answers_of_published_weights_reveal_mistakes_and_are_each_model_s_own() -> None:
    answered = [spec for spec in PUBLISHED if spec.golden is not None]
    assert len(answered) >= 10
    found: dict[str, bytes] = {}
    for spec in answered:
        assert spec.golden is not None
        for preset in spec.presets:
            for answer in resolve(spec.golden)(spec.name, preset.name):
                assert blind_spot(answer) == ""
                found[f"{spec.name} {answer.name}"] = np.asarray(answer.expected, dtype=np.float64).tobytes()
    # The noise of EfficientNet-lite is the same as an overhead image and as a photo.
    apart = {name: value for name, value in found.items() if not name.endswith("sv noise")}
    assert len({*apart.values()}) == len(apart)


@pytest.fixture
def nothing_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for weights where there are none."""
    for variable in ("HF_HOME", "TORCH_HOME", "GAIRBENCH_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))


def test_weights_that_are_not_here_are_skips_and_nothing_asks_for_the_network(
    tmp_path: Path, nothing_fetched: None
) -> None:
    names = [spec.name for spec in TO_BE_FETCHED]
    names += ["timm:resnet18.a1_in1k", "torchgeo:ResNet50_Weights.FMOW_RGB_GASSL"]
    with offline() as asked:
        found = gairbench.run(
            names, ["earth-rs-koeppen", "earth-location-koeppen"], results=tmp_path / "r", device="cpu", quiet=True
        )
    assert asked == []
    assert {record.status for record in found} == {"skipped"}
    to_fetch = {record.model for record in found if "add --download to fetch" in record.reason}
    # These take what the two tasks do not have.
    assert {*names} - to_fetch == {"croma", "presto", "galileo-nano"}


def test_a_dry_run_says_that_the_same_command_would_fetch(
    tmp_path: Path, nothing_fetched: None, capsys: pytest.CaptureFixture[str]
) -> None:
    request = RunRequest(
        model=("torchspatial-xyz-fmow",), task=("earth-location-koeppen",), download=True, results=tmp_path / "r"
    )
    with offline() as asked:
        run_command(request, dry_run=True)
    assert asked == []
    assert "add --download" not in (printed := capsys.readouterr().out)
    assert "its weights are not here; the same command without --dry-run fetches https://" in printed
    assert "(CC-BY-NC-4.0, 1.8 MB)" in printed
