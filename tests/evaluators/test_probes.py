"""Every probe learns what is there, chooses on val, is deterministic, and finds nothing in noise."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.evaluators import PROBES, ProbeInput, ProbeOutput, probes_for
from gairbench.evaluators.segmentation import _logits_at
from gairbench.metrics import METRICS
from gairbench.spec import Kind

N = {"train": 300, "val": 100, "test": 200}


def data(kind: Kind, *, noise: bool = False) -> ProbeInput:
    rng = np.random.default_rng(0)
    features, targets = {}, {}
    weights = rng.normal(size=(6, 3))
    for name, n in N.items():
        x = rng.normal(size=(n, 6))
        scores = (rng.normal(size=(n, 6)) if noise else x) @ weights
        if kind is Kind.SEGMENTATION:
            x = rng.normal(size=(n, 6, 4, 4))
            grid = np.einsum("ndhw,dc->nchw", rng.normal(size=x.shape) if noise else x, weights).argmax(1)
            targets[name] = grid.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
            targets[name][:, 0, :2] = 255
        elif kind is Kind.CLASSIFICATION:
            targets[name] = scores.argmax(1)
        elif kind is Kind.MULTILABEL:
            targets[name] = scores > 0
        else:
            targets[name] = scores[:, 0]
        features[name] = x
    if kind is Kind.RETRIEVAL:
        query = features["test"]
        gallery = rng.normal(size=query.shape) if noise else query * 2 + rng.normal(0, 0.1, query.shape)
        return ProbeInput(features={"query": query, "gallery": gallery}, targets={}, classes=0, seed=0)
    return ProbeInput(features=features, targets=targets, classes=3, seed=0)


def score(kind: Kind, given: ProbeInput, output: ProbeOutput) -> float:
    metric = {
        Kind.CLASSIFICATION: "accuracy",
        Kind.MULTILABEL: "micro_f1",
        Kind.REGRESSION: "r2",
        Kind.SEGMENTATION: "miou",
        Kind.RETRIEVAL: "recall@10",
    }[kind]
    target = given.targets.get("test", np.arange(len(output.prediction)))
    return METRICS[metric](target, output.prediction)


CASES = [(name, kind) for name, probe in PROBES.items() for kind in sorted(probe.kinds)]
LEARNED = {"knn": 0.7, "linear_segmentation": 0.6}
CHANCE = {
    Kind.CLASSIFICATION: 0.5,
    Kind.MULTILABEL: 0.65,
    Kind.REGRESSION: 0.1,
    Kind.SEGMENTATION: 0.3,
    Kind.RETRIEVAL: 0.15,
}


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_probe_finds_what_is_there_and_nothing_in_noise(name: str, kind: Kind) -> None:
    given = data(kind)
    assert score(kind, given, PROBES[name].run(given)) > LEARNED.get(name, 0.9)
    given = data(kind, noise=True)
    assert score(kind, given, PROBES[name].run(given)) < CHANCE[kind]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_probe_is_deterministic_and_names_what_it_chose(name: str, kind: Kind) -> None:
    given = data(kind)
    first, second = PROBES[name].run(given), PROBES[name].run(given)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    assert first.params == second.params
    assert first.params


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_headline_probe(kind: Kind) -> None:
    assert kind in PROBES[probes_for(kind)[0]].kinds


def test_regularization_is_chosen_on_val_not_on_test() -> None:
    given = data(Kind.REGRESSION, noise=True)
    chosen = PROBES["ridge"].run(given).params["alpha"]
    assert chosen >= 100, "with nothing to learn, val asks for the strongest shrinkage"


def test_retrieval_ties_rank_at_chance() -> None:
    alike = np.ones((101, 4))
    output = PROBES["retrieval"].run(
        ProbeInput(features={"query": alike, "gallery": alike}, targets={}, classes=0, seed=0)
    )
    assert (output.prediction == 51).all()


def test_segmentation_trains_on_the_logits_it_predicts_with() -> None:
    torch = pytest.importorskip("torch")
    grid = torch.randn(2, 3, 5, 7)
    upsampled = torch.nn.functional.interpolate(grid, size=(20, 21), mode="bilinear", align_corners=False)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(21), indexing="ij")
    sampled = _logits_at(grid, rows.flatten().expand(2, -1), columns.flatten().expand(2, -1), 20, 21)
    torch.testing.assert_close(sampled.transpose(1, 2).reshape(2, 3, 20, 21), upsampled, atol=1e-5, rtol=1e-4)
