"""Every evaluator learns what is there, chooses on val, is deterministic, and finds nothing in noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gairbench.evaluation.plan import default_evaluators
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators import EVALUATORS, METRICS
from gairbench.evaluators.segmentation import _logits_at
from gairbench.metrics import load_metric
from gairbench.plugins import load_registry
from gairbench.spec import Kind, resolve

N = {"train": 300, "val": 100, "test": 200}
SPECS = {spec.name: spec for spec in EVALUATORS}
MEASURES = {spec.name: load_metric(spec) for spec in METRICS}


def run(name: str, given: EvaluatorInput) -> EvaluatorOutput:
    output: EvaluatorOutput = resolve(SPECS[name].factory)(given)
    return output


def retrieval_input(query: np.ndarray, gallery: np.ndarray) -> EvaluatorInput:
    return EvaluatorInput(
        kind=Kind.RETRIEVAL,
        features={"query": query, "gallery": gallery},
        targets={},
        class_names=(),
        groups={"query": None, "gallery": None},
        mask_size=None,
        seed=0,
        device="cpu",
    )


def data(kind: Kind, *, noise: bool = False) -> tuple[EvaluatorInput, np.ndarray]:
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
        return retrieval_input(query, gallery), np.arange(len(query))
    truth = targets.pop("test")
    given = EvaluatorInput(
        kind=kind,
        features=features,
        targets=targets,
        class_names=("a", "b", "c"),
        groups=dict.fromkeys(features),
        mask_size=truth.shape[1:] if kind is Kind.SEGMENTATION else None,
        seed=0,
        device="cpu",
    )
    return given, truth


def score(kind: Kind, truth: np.ndarray, output: EvaluatorOutput) -> float:
    metric = {
        Kind.CLASSIFICATION: "accuracy",
        Kind.MULTILABEL: "micro_f1",
        Kind.REGRESSION: "r2",
        Kind.SEGMENTATION: "miou",
        Kind.RETRIEVAL: "recall@10",
    }[kind]
    return MEASURES[metric](truth, output.prediction)


CASES = [(spec.name, kind) for spec in EVALUATORS for kind in sorted(spec.kinds)]
LEARNED = {"knn": 0.7, "linear_segmentation": 0.6}
CHANCE = {
    Kind.CLASSIFICATION: 0.5,
    Kind.MULTILABEL: 0.65,
    Kind.REGRESSION: 0.1,
    Kind.SEGMENTATION: 0.3,
    Kind.RETRIEVAL: 0.15,
}


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_evaluator_finds_what_is_there_and_nothing_in_noise(name: str, kind: Kind) -> None:
    given, truth = data(kind)
    assert score(kind, truth, run(name, given)) > LEARNED.get(name, 0.9)
    given, truth = data(kind, noise=True)
    assert score(kind, truth, run(name, given)) < CHANCE[kind]


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_evaluator_is_deterministic_and_names_what_it_chose(name: str, kind: Kind) -> None:
    given, _ = data(kind)
    first, second = run(name, given), run(name, given)
    np.testing.assert_array_equal(first.prediction, second.prediction)
    assert first.params == second.params
    assert first.params


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_has_a_headline_evaluator(kind: Kind) -> None:
    assert kind in SPECS[default_evaluators(load_registry(), kind)[0]].kinds


@pytest.mark.parametrize(
    ("name", "kind"), [("linear", "classification"), ("linear", "multilabel"), ("knn", "classification")]
)
def test_scores_are_probabilities_that_rank_better_than_chance(name: str, kind: str) -> None:
    given, truth = data(Kind(kind))
    output = run(name, given)
    assert output.scores is not None
    assert output.scores.shape == (N["test"], 3)
    assert output.scores_are == "probabilities"
    if kind == "classification":
        np.testing.assert_allclose(output.scores.sum(axis=1), 1, atol=1e-9)
    assert MEASURES["auc"](truth, output.scores) > 0.85


@pytest.mark.parametrize("name", ["linear", "knn"])
def test_a_class_that_train_lacks_has_a_column_of_zeros(name: str) -> None:
    given, _ = data(Kind.CLASSIFICATION)
    seen = given.targets["train"] != 1
    given = replace(
        given,
        features={**given.features, "train": given.features["train"][seen]},
        targets={**given.targets, "train": given.targets["train"][seen]},
    )
    output = run(name, given)
    assert output.scores is not None
    assert output.scores.shape == (N["test"], 3)
    assert (output.scores[:, 1] == 0).all()
    assert np.mean(output.scores.argmax(axis=1) == output.prediction) > 0.95


def test_regularization_is_chosen_on_val_not_on_test() -> None:
    given, _ = data(Kind.REGRESSION, noise=True)
    chosen = run("ridge", given).params["alpha"]
    assert chosen >= 100, "with nothing to learn, val asks for the strongest shrinkage"


def test_retrieval_ties_rank_at_chance() -> None:
    alike = np.ones((101, 4))
    output = run("retrieval", retrieval_input(alike, alike))
    assert (output.prediction == 51).all()


def test_segmentation_trains_on_the_logits_it_predicts_with() -> None:
    torch = pytest.importorskip("torch")
    grid = torch.randn(2, 3, 5, 7)
    upsampled = torch.nn.functional.interpolate(grid, size=(20, 21), mode="bilinear", align_corners=False)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(21), indexing="ij")
    sampled = _logits_at(grid, rows.flatten().expand(2, -1), columns.flatten().expand(2, -1), 20, 21)
    torch.testing.assert_close(sampled.transpose(1, 2).reshape(2, 3, 20, 21), upsampled, atol=1e-5, rtol=1e-4)
