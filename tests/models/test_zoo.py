"""All registered models with published weights: what they declare, and that nothing is fetched without being asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import gairbench
from gairbench import ModelSpec, PackageWeights, Pretraining
from gairbench.plugins import load_registry
from gairbench.spec import resolve
from gairbench.testing.known_answers import blind_spot
from gairbench.testing.offline import offline

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
    assert spec.licence
    assert spec.citation


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


def test_weights_that_are_not_here_are_skips_and_nothing_asks_for_the_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HF_HOME", "TORCH_HOME", "GAIRBENCH_CACHE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    names = [spec.name for spec in TO_BE_FETCHED]
    with offline() as asked:
        found = gairbench.run(
            names, ["earth-rs-koeppen", "earth-location-koeppen"], results=tmp_path / "r", device="cpu", quiet=True
        )
    assert asked == []
    assert {record.status for record in found} == {"skipped"}
    to_fetch = {record.model for record in found if "add --download to fetch" in record.reason}
    # The others take what these two tasks do not have.
    assert {name for name in names if name.startswith("torchspatial-")} <= to_fetch
