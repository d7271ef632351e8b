"""Hyper-parameters are chosen on groups that the fit has not seen, or on val, and never by what test is like."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import GridSearchCV, GroupKFold, PredefinedSplit, StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gairbench.choosing import Folds, choose, folds_of, is_settled, vector_rounds
from gairbench.errors import TrainingError
from gairbench.evaluator import EvaluationProtocol, EvaluatorInput, EvaluatorOutput, SelectionBy
from gairbench.evaluators import EVALUATORS, dense_ridge, linear, nearest_place, neighbours, ridge, segmentation
from gairbench.evaluators.logistic import LogisticPath, sigmoid_loss, softmax_loss
from gairbench.kinds import DENSE
from gairbench.spec import Kind, resolve

Array = NDArray[Any]

SPECS = {spec.name: spec for spec in EVALUATORS if not spec.trains and spec.name != "retrieval"}
CASES = [(spec.name, kind) for spec in SPECS.values() for kind in sorted(spec.kinds)]
GRIDS = {
    "linear": ("gairbench.evaluators.linear.STRENGTHS", 0.1),
    "ordinal_linear": ("gairbench.evaluators.ordinal_linear.STRENGTHS", 0.1),
    "knn": ("gairbench.evaluators.neighbours.NEIGHBOURS", 5),
    "interpolation": ("gairbench.evaluators.neighbours.NEIGHBOURS", 5),
    "ridge": ("gairbench.evaluators.ridge.STRENGTHS", 10.0),
    "linear_segmentation": ("gairbench.evaluators.segmentation.WEIGHT_DECAYS", 1.0),
    "dense_ridge": ("gairbench.evaluators.ridge.STRENGTHS", 10.0),
    "nearest_place": ("gairbench.evaluators.nearest_place.NEIGHBOURS", 5),
}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is compared here need not be learned to the end."""
    monkeypatch.setattr(segmentation, "EPOCHS", 3)


VAL = EvaluationProtocol(selection="val")
SIZES = {"train": 150, "val": 60, "test": 50}
DIM = 5


def made(kind: Kind, *, seed: int = 0) -> EvaluatorInput:
    """Return data with an effect of their groups; val and test are from elsewhere than train."""
    rng = np.random.default_rng(seed)
    weights, shift = rng.normal(size=(DIM, 3)), rng.normal(size=(3, DIM))
    features, targets, groups, lonlat = {}, {}, {}, {}
    for number, (name, n) in enumerate(SIZES.items()):
        group = rng.integers(0, 9 if name == "train" else 4, n)
        groups[name] = np.array([f"{name}-{one}" for one in group])
        x = rng.normal(size=(n, DIM, 4, 4) if kind in DENSE else (n, DIM))
        place = shift[number] * 0.5 + np.random.default_rng(number).normal(size=(9, DIM))[group] * 0.5
        x = x + (place[:, :, None, None] if kind in DENSE else place)
        score = np.tensordot(x, weights, axes=(1, 0)) + rng.normal(size=(*x.shape[:1], *x.shape[2:], 3))
        targets[name] = target_of(kind, score)
        features[name] = x.astype(np.float32) if kind in DENSE else x
        lonlat[name] = np.tanh(score.reshape(n, -1)[:, :2] / 6) * (170, 80)
    del targets["test"]
    return EvaluatorInput(
        kind=kind,
        features=features,
        targets=targets,
        class_names=("a", "b", "c"),
        groups=groups,
        mask_size=(16, 16) if kind in DENSE else None,
        seed=0,
        device="cpu",
        lonlat=lonlat,
    )


def target_of(kind: Kind, score: Array) -> Array:
    if kind is Kind.CLASSIFICATION:
        return np.asarray(score.argmax(axis=1))
    if kind is Kind.ORDINAL:
        return np.asarray(np.digitize(score[:, 0], (-1.5, 1.5)))
    if kind is Kind.MULTILABEL:
        return np.asarray(score > 0)
    if kind is Kind.MULTI_REGRESSION:
        return np.asarray(score * (1.0, 1e-3, 1e3) + (0.0, 5.0, -7.0))
    if kind is Kind.GEOLOCALIZATION:
        return np.stack([170 * np.tanh(score[:, 0] / 3), 80 * np.tanh(score[:, 1] / 3)], axis=1)
    if kind is Kind.SEGMENTATION:
        return score.argmax(axis=-1).repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
    if kind is Kind.DENSE_REGRESSION:
        return score[..., 0].repeat(4, axis=1).repeat(4, axis=2) + 7
    return np.asarray(score[:, 0])


def run(name: str, given: EvaluatorInput) -> EvaluatorOutput:
    output: EvaluatorOutput = resolve(SPECS[name].factory)(given)
    return output


def joined(given: EvaluatorInput, what: str = "features") -> Array:
    arrays = getattr(given, what)
    return np.concatenate([arrays["train"], arrays["val"]])


def with_only(name: str, monkeypatch: pytest.MonkeyPatch, value: float | None = None) -> None:
    """Leave one value to be chosen."""
    where, usual = GRIDS[name]
    value = usual if value is None else value
    monkeypatch.setattr(where, (value,))
    if name == "dense_ridge":
        monkeypatch.setattr(dense_ridge, "STRENGTHS", (value,))


def close(first: Array, second: Array) -> None:
    """Require equal predictions, but for the last digits of sums in another order."""
    if first.dtype.kind == "f":
        np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-4)
    else:
        assert np.mean(first != second) < 0.01


# What every evaluator must leave alone, and what it must use.


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
@pytest.mark.parametrize("selection", ["cv", "val"])
def test_a_prediction_does_not_depend_on_the_other_samples_of_test(
    name: str, kind: Kind, selection: SelectionBy
) -> None:
    given = replace(made(kind), protocol=EvaluationProtocol(selection=selection))
    every = run(name, given)
    rows = np.random.default_rng(1).permutation(SIZES["test"])[:7]
    parts = {what: {**(whole := getattr(given, what)), "test": whole["test"][rows]} for what in ("features", "lonlat")}
    few = run(name, replace(given, **parts))
    close(few.prediction, every.prediction[rows])
    assert few.params == every.params


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
@pytest.mark.parametrize("selection", ["cv", "val"])
def test_units_of_the_features_do_not_matter(name: str, kind: Kind, selection: SelectionBy) -> None:
    given = replace(made(kind), protocol=EvaluationProtocol(selection=selection))
    rng = np.random.default_rng(2)
    shape = (DIM, 1, 1) if kind in DENSE else (DIM,)
    factor, off = rng.uniform(0.2, 5, shape), rng.normal(size=shape)
    other = {split: (x * factor + off).astype(x.dtype) for split, x in given.features.items()}
    expected = run(name, given)
    found = run(name, replace(given, features=other))
    close(found.prediction, expected.prediction)
    for value, loss in expected.params["curve"].items():
        np.testing.assert_allclose(found.params["curve"][value], loss, rtol=1e-3)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_what_is_chosen_on_val_is_fitted_on_train_alone(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    with_only(name, monkeypatch)
    given = replace(made(kind), protocol=VAL)
    other = replace(
        given,
        features={**given.features, "val": 3 * given.features["val"][::-1] + 1},
        groups=dict.fromkeys(given.groups),
    )
    close(run(name, other).prediction, run(name, given).prediction)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_what_is_chosen_by_cross_validation_is_fitted_on_train_and_val(
    name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_only(name, monkeypatch)
    given = made(kind)
    both = replace(
        given,
        features={**given.features, "train": joined(given)},
        targets={**given.targets, "train": joined(given, "targets")},
        lonlat={**given.lonlat, "train": joined(given, "lonlat")},
        protocol=VAL,
    )
    found = run(name, given).prediction
    close(found, run(name, both).prediction)
    assert not np.array_equal(found, run(name, replace(given, protocol=VAL)).prediction)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_what_is_chosen_is_what_predicts(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    given = made(kind)
    whole = run(name, given)
    value = next(iter(whole.params.values()))
    if isinstance(value, list):
        pytest.skip("each measurement has its own")
    with_only(name, monkeypatch, value)
    alone = run(name, given)
    close(alone.prediction, whole.prediction)
    if whole.scores is not None and alone.scores is not None:
        close(alone.scores, whole.scores)


@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_a_round_of_cross_validation_is_a_choice_on_val(name: str, kind: Kind) -> None:
    given = made(kind)
    folds = folds_of(given, segmentation.FOLDS if kind is Kind.SEGMENTATION else 5)
    curves, trivial = [], []
    for fit, held in folds.rounds:
        parts = {"train": fit, "val": held}
        alone = replace(
            given,
            features={**given.features, **{part: joined(given)[rows] for part, rows in parts.items()}},
            targets={part: joined(given, "targets")[rows] for part, rows in parts.items()},
            lonlat={**given.lonlat, **{part: joined(given, "lonlat")[rows] for part, rows in parts.items()}},
            groups=dict.fromkeys(given.groups),
        )
        params = run(name, alone).params
        assert params["selection"] == "val"
        curves.append(params["curve"])
        trivial.append(params["trivial_loss"])
    found = run(name, given).params
    assert found["selection"] == f"{len(folds.rounds)} folds of 13 groups"
    shared = [value for value in found["curve"] if all(value in curve for curve in curves)]
    # A mask's pixels are drawn; of the others all take part.
    near = {"linear_segmentation": 0.1, "linear": 2e-3, "ordinal_linear": 2e-3}.get(name, 2e-5)
    for value in shared:
        expected = np.mean([curve[value] for curve in curves], axis=0)
        np.testing.assert_allclose(found["curve"][value], expected, rtol=near)
    np.testing.assert_allclose(found["trivial_loss"], np.mean(trivial, axis=0), rtol=near)
    assert len(shared) > 1


@pytest.mark.parametrize(
    ("name", "kind"), [("dense_ridge", Kind.DENSE_REGRESSION), ("linear_segmentation", Kind.SEGMENTATION)]
)
def test_maps_of_which_the_contrary_is_true_on_val_ask_for_strong_regularization(name: str, kind: Kind) -> None:
    given = made(kind)
    x, y = joined(given), joined(given, "targets")
    # Val is the larger part: what had seen it would know it.
    contrary = (y[50:] + 1) % 3 if kind is Kind.SEGMENTATION else 14 - y[50:]
    output = run(
        name,
        replace(
            given,
            features={**given.features, "train": x[:50], "val": x[50:]},
            targets={"train": y[:50], "val": contrary.astype(y.dtype)},
            protocol=VAL,
        ),
    )
    strongest, *_, weakest = output.params["curve"].values()
    assert strongest < weakest


@pytest.mark.parametrize("name", ["linear", "ordinal_linear", "knn", "ridge", "nearest_place"])
def test_where_val_and_test_disagree_val_decides(name: str) -> None:
    kind = {"ordinal_linear": Kind.ORDINAL, "ridge": Kind.REGRESSION, "nearest_place": Kind.GEOLOCALIZATION}.get(name)
    given = replace(made(kind or Kind.CLASSIFICATION), protocol=VAL)
    train, target = given.features["train"], given.targets["train"]
    # What is near in train is the answer here, and says nothing there.
    rng = np.random.default_rng(0)
    easy = train[:60] + rng.normal(0, 0.3, size=(60, DIM)), target[:60]
    hard = train[60:120], rng.permutation(target[60:120])
    chosen = []
    for (val, truth), (test, _) in [(easy, hard), (hard, easy)]:
        output = run(
            name,
            replace(
                given,
                features={"train": train, "val": val, "test": test},
                targets={"train": target, "val": truth},
            ),
        )
        curve = output.params["curve"]
        taken = f"{output.params.get('C', output.params.get('alpha', output.params.get('k'))):g}"
        assert curve[taken] == pytest.approx(min(curve.values()), abs=1.01e-4 * abs(output.params["trivial_loss"]))
        chosen.append(taken)
    assert chosen[0] != chosen[1]


# The same as scikit-learn.


def inverse_square(distance: Array) -> Array:
    return np.asarray(1 / distance**2)


NEAR = {
    "knn": {"metric": "cosine", "algorithm": "brute", "weights": "distance"},
    "interpolation": {"metric": "haversine", "algorithm": "ball_tree", "weights": inverse_square},
}
NUMBERS = {"n_neighbors": [k for k in neighbours.NEIGHBOURS if k <= 100]}
MODELS: dict[tuple[str, Kind], tuple[dict[str, Any], Any]] = {
    ("linear", Kind.CLASSIFICATION): ({"C": linear.STRENGTHS}, LogisticRegression(max_iter=100_000, tol=1e-8)),
    ("ridge", Kind.REGRESSION): ({"alpha": ridge.STRENGTHS}, Ridge()),
    **{(name, Kind.CLASSIFICATION): (NUMBERS, KNeighborsClassifier(**near)) for name, near in NEAR.items()},
    **{(name, Kind.REGRESSION): (NUMBERS, KNeighborsRegressor(**near)) for name, near in NEAR.items()},
}


@pytest.mark.parametrize("selection", ["cv", "val"])
@pytest.mark.parametrize(("name", "kind"), MODELS, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_choice_and_predictions_are_those_of_scikit_learn(
    name: str, kind: Kind, selection: SelectionBy, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "is_settled", lambda *given: False)
    # Votes are counted in several parts.
    monkeypatch.setattr(neighbours, "QUERIES", 7)
    given = replace(made(kind, seed=seed), protocol=EvaluationProtocol(selection=selection))
    grid, model = MODELS[name, kind]
    votes, measured = name in NEAR and kind is Kind.CLASSIFICATION, kind is Kind.REGRESSION
    scoring = "neg_mean_squared_error" if measured else "balanced_accuracy" if votes else "neg_log_loss"
    if name == "interpolation":
        places = {split: np.radians(lonlat[:, ::-1]) for split, lonlat in given.lonlat.items()}
        x, test, pipeline = np.concatenate([places["train"], places["val"]]), places["test"], make_pipeline(model)
    else:
        x, test, pipeline = joined(given), given.features["test"], make_pipeline(StandardScaler(), model)
    published = PredefinedSplit([-1] * SIZES["train"] + [0] * SIZES["val"])
    folds = GroupKFold(5) if measured else StratifiedGroupKFold(5)
    ((key, values),) = grid.items()
    step = f"{type(model).__name__.lower()}__{key}"
    search = GridSearchCV(
        pipeline, {step: values}, scoring=scoring, cv=folds if selection == "cv" else published, refit=False
    )
    search.fit(x, joined(given, "targets"), groups=joined(given, "groups") if selection == "cv" else None)
    output = run(name, given)
    scores = -search.cv_results_["mean_test_score"]
    curve = {f"{value:g}": score + votes for value, score in zip(values, scores, strict=True)}
    for value, loss in curve.items():
        assert output.params["curve"][value] == pytest.approx(loss, rel=1e-3)
    chosen = output.params[{"C": "C", "alpha": "alpha", "n_neighbors": "k"}[key]]
    assert curve[f"{chosen:g}"] == pytest.approx(min(curve.values()), abs=2e-4 * output.params["trivial_loss"])
    rows = slice(None) if selection == "cv" else slice(SIZES["train"])
    fitted = pipeline.set_params(**{step: chosen}).fit(x[rows], joined(given, "targets")[rows])
    if measured:
        np.testing.assert_allclose(output.prediction, fitted.predict(test), atol=1e-8)
        return
    np.testing.assert_array_equal(output.prediction, fitted.predict(test))
    assert output.scores is not None
    np.testing.assert_allclose(output.scores, fitted.predict_proba(test), atol=2e-3)


def test_interpolation_knows_that_the_earth_is_round_and_looks_at_no_feature(monkeypatch: pytest.MonkeyPatch) -> None:
    with_only("interpolation", monkeypatch, 1)
    given = made(Kind.REGRESSION)
    given = replace(
        given,
        features={split: np.full_like(x, np.nan) for split, x in given.features.items()},
        targets={"train": np.array([1.0, 5.0, 9.0]), "val": np.array([1.0])},
        # The first is a degree away over the 180th meridian, and the second three degrees of longitude near the pole,
        # which are 23 km.
        lonlat={
            "train": np.array([[179.5, 0.0], [0.0, 86.0], [-170.0, 0.0]]),
            "val": np.array([[179.0, 0.0]]),
            "test": np.array([[-179.5, 0.0], [3.0, 86.0], [179.5, 0.0]]),
        },
        groups=dict.fromkeys(given.groups),
    )
    assert run("interpolation", given).prediction.tolist() == [1.0, 5.0, 1.0]


@pytest.mark.parametrize("c", [1e-4, 1e-1, 1e1])
@pytest.mark.parametrize(
    ("classes", "samples", "dim", "spread"),
    [(2, 200, 10, 1.0), (3, 300, 40, 1.0), (7, 400, 20, 4.0), (4, 60, 150, 1.0), (5, 500, 30, 0.2)],
)
def test_the_optimum_is_that_of_logistic_regression(
    classes: int, samples: int, dim: int, spread: float, c: float
) -> None:
    rng = np.random.default_rng(0)
    # Some directions with much more than others, and classes that are not equally frequent.
    mix = rng.normal(size=(dim, dim)) * np.geomspace(1, 1e-2, dim)
    weights, bias = rng.normal(size=(dim, classes)) * spread, np.linspace(0, 2, classes)
    x, new = (rng.normal(size=(n, dim)) @ mix for n in (samples, 1000))
    y = (x @ weights + bias + rng.gumbel(size=(samples, classes))).argmax(axis=1)
    known, numbers = np.unique(y, return_inverse=True)
    two = len(known) == 2
    target, loss = (numbers[:, None], sigmoid_loss) if two else (np.eye(len(known))[numbers], softmax_loss)
    path = LogisticPath(x, target, loss, precise=True)
    path.fit(c / 10)
    found = path.fit(c)
    # Newton steps with few data, so that the reference is the better one.
    reference = LogisticRegression(C=c, solver="newton-cg", tol=1e-8, max_iter=10_000).fit(x, y)

    def objective(weights: Array, bias: Array) -> float:
        return loss(x @ weights + bias, target)[0] + float((weights**2).sum()) / (2 * c)

    best = objective(reference.coef_.T, reference.intercept_)
    assert objective(found.weights, found.bias) == pytest.approx(best, rel=1e-4)
    guess = found(new)
    guess = (guess[:, 0] > 0).astype(int) if two else guess.argmax(axis=1)
    assert np.mean(known[guess] == reference.predict(new)) >= 0.998
    rough = LogisticPath(x, target, loss, precise=False).fit(c)
    assert objective(rough.weights, rough.bias) == pytest.approx(best, rel=1e-3)


def test_the_optimum_of_labels_is_one_regression_each() -> None:
    given = made(Kind.MULTILABEL)
    x, y = given.features["train"], given.targets["train"]
    found = LogisticPath(x, y, sigmoid_loss, precise=True).fit(1.0)
    reference = OneVsRestClassifier(LogisticRegression(C=1.0, tol=1e-8)).fit(x, y)
    for number, one in enumerate(reference.estimators_):
        np.testing.assert_allclose(found.weights[:, number], one.coef_[0], atol=1e-3)
        assert found.bias[number] == pytest.approx(one.intercept_[0], abs=1e-3)


@pytest.mark.parametrize(("name", "kind"), [("linear", Kind.CLASSIFICATION), ("ordinal_linear", Kind.ORDINAL)])
def test_a_fit_that_does_not_converge_is_an_error(name: str, kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gairbench.evaluators.logistic.ITERATIONS", 2)
    monkeypatch.setattr("gairbench.evaluators.ordinal_linear.ITERATIONS", 2)
    with pytest.raises(TrainingError, match="has not converged after 2 steps; look at the features"):
        run(name, made(kind))


# Val whose classes are not those of train in number.


@pytest.mark.parametrize("selection", ["cv", "val"])
def test_a_val_split_of_other_class_shares_does_not_make_a_constant_of_the_probe(selection: SelectionBy) -> None:
    rng = np.random.default_rng(0)
    features, targets, groups = {}, {}, {}
    # A constant is right for 88 % of val, and for half of test.
    for name, n, share in (("train", 400, 0.6), ("val", 200, 0.88), ("test", 400, 0.5)):
        target = (rng.random(n) >= share).astype(np.int64)
        features[name] = rng.normal(size=(n, 20)) + 0.9 * (2 * target[:, None] - 1) * (np.arange(20) < 2)
        targets[name], groups[name] = target, rng.integers(0, 10, n)
    truth = targets.pop("test")
    given = replace(
        made(Kind.CLASSIFICATION),
        features=features,
        targets=targets,
        groups=groups,
        class_names=("a", "b"),
        protocol=EvaluationProtocol(selection=selection),
    )
    output = run("linear", given)
    assert len(np.unique(output.prediction)) == 2
    assert balanced_accuracy_score(truth, output.prediction) > 0.85
    assert output.params["C"] > 1e-4


# The rounds.


def test_no_group_is_fitted_and_measured_in_one_round_and_each_is_measured_once() -> None:
    given = made(Kind.CLASSIFICATION)
    folds, groups = folds_of(given), joined(given, "groups")
    for fit, held in folds.rounds:
        assert not set(groups[fit]) & set(groups[held])
        assert set(joined(given, "targets")[fit]) == {0, 1, 2}
    np.testing.assert_array_equal(np.sort(np.concatenate([held for _, held in folds.rounds])), np.arange(210))
    np.testing.assert_array_equal(folds.final, np.arange(210))
    assert folds.about == "5 folds of 13 groups"


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.REGRESSION])
def test_the_order_of_the_samples_does_not_change_the_folds(kind: Kind) -> None:
    given = made(kind)
    order = np.random.default_rng(3).permutation(SIZES["train"])
    other = replace(
        given,
        features={**given.features, "train": given.features["train"][order]},
        targets={**given.targets, "train": given.targets["train"][order]},
        groups={**given.groups, "train": given.groups["train"][order]},
    )

    def held(one: EvaluatorInput) -> set[frozenset[str]]:
        return {frozenset(joined(one, "groups")[rows]) for _, rows in folds_of(one).rounds}

    assert held(other) == held(given)


def test_there_are_as_many_folds_as_groups_where_these_are_few() -> None:
    given = made(Kind.REGRESSION)
    few = replace(
        given, groups={name: np.arange(len(one)) % 3 for name, one in given.groups.items() if one is not None}
    )
    assert folds_of(few).about == "3 folds of 3 groups"


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": VAL},
        {"protocol": EvaluationProtocol(labels="10%")},
        {"groups": dict.fromkeys(SIZES)},
        {"groups": {name: np.zeros(n) for name, n in SIZES.items()}},
    ],
    ids=["asked for", "part of the labels", "no groups", "one group"],
)
def test_val_is_measured_where_nothing_is_to_be_divided(changes: dict[str, Any]) -> None:
    folds = folds_of(replace(made(Kind.REGRESSION), **changes))
    ((fit, held),) = folds.rounds
    assert folds.about == "val"
    np.testing.assert_array_equal(fit, np.arange(SIZES["train"]))
    np.testing.assert_array_equal(held, np.arange(SIZES["train"], SIZES["train"] + SIZES["val"]))
    np.testing.assert_array_equal(folds.final, fit)


@pytest.mark.parametrize("name", ["linear", "knn"])
def test_a_class_of_one_group_is_not_measured_where_it_is_not_fitted(name: str) -> None:
    given = made(Kind.CLASSIFICATION)
    target = np.where(given.targets["train"] == 2, 1, given.targets["train"])
    target[given.groups["train"] == "train-3"] = 2
    val = np.where(given.targets["val"] == 2, 0, given.targets["val"])
    given = replace(given, targets={"train": target, "val": val})
    both = joined(given, "targets")
    for fit, held in folds_of(given).rounds:
        assert set(both[held]) <= set(both[fit])
    output = run(name, given)
    assert np.isfinite(list(output.params["curve"].values())).all()
    assert output.scores is not None
    assert (output.scores[:, 2] > 0).any(), "it is fitted in the end"


def test_rounds_are_standardized_on_what_they_are_fitted_on() -> None:
    rounds = vector_rounds(made(Kind.REGRESSION))
    for x, _, held_x, _ in rounds.each():
        np.testing.assert_allclose(x.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(x.std(axis=0), 1)
        assert abs(held_x.mean(axis=0)).max() > 1e-3
    np.testing.assert_allclose(rounds.final().x.std(axis=0), 1)
    assert abs(rounds.final().test.mean(axis=0)).max() > 1e-3


def test_heads_of_several_decays_are_trained_as_if_each_were_alone() -> None:
    given = made(Kind.SEGMENTATION)
    images, rows = segmentation._Images(given), np.arange(100)
    together = segmentation._train(given, images, rows, (10.0, 1.0, 0.0)).convolutions
    for number, decay in enumerate((10.0, 1.0, 0.0)):
        (alone,) = segmentation._train(given, images, rows, (decay,)).convolutions
        np.testing.assert_allclose(together[number].weight.detach(), alone.weight.detach(), atol=1e-5)
        np.testing.assert_allclose(together[number].bias.detach(), alone.bias.detach(), atol=1e-5)


# What is taken.

FOLDS = Folds(about="val", rounds=(), final=np.arange(0))


def chosen(curve: list[float], trivial: float = 1.0) -> tuple[float, tuple[str, ...]]:
    tried = (100.0, 10.0, 1.0, 0.1)
    choice = choose("alpha", tried, [curve], [trivial], FOLDS, loss="squared error", ends=(100.0, 0.1))
    return choice.value, choice.caveats


def test_the_least_loss_is_taken_and_of_equals_the_stronger_regularization() -> None:
    assert chosen([0.9, 0.5, 0.4, 0.6]) == (1.0, ())
    assert chosen([0.9, 0.4, 0.4, 0.6]) == (10.0, ())
    assert chosen([0.9, 0.40005, 0.4, 0.6]) == (10.0, ())
    assert chosen([0.9, 0.4002, 0.4, 0.6]) == (1.0, ())


def test_an_end_of_the_grid_and_a_lack_of_signal_are_said() -> None:
    assert chosen([0.9, 0.5, 0.4, 0.3]) == (0.1, ("chosen at the grid's end (alpha = 0.1)",))
    assert chosen([0.3, 0.5, 0.6, 0.7]) == (100.0, ("chosen at the grid's end (alpha = 100)",))
    value, (caveat,) = chosen([0.9995, 1.2, 1.3, 1.4])
    assert value == 100.0
    assert caveat == "val has no signal: nothing predicts better than no features do"


def test_the_whole_curve_is_recorded() -> None:
    choice = choose("C", (1.0, 10.0), [[0.5, 0.3], [0.7, 0.4]], [1.0, 2.0], FOLDS, loss="log loss", ends=())
    assert choice.params == {
        "C": 10.0,
        "selection": "val",
        "loss": "log loss",
        "curve": {"1": 0.6, "10": 0.35},
        "trivial_loss": 1.5,
    }


def test_weaker_regularization_is_left_untried_once_the_loss_rises_or_stands_still() -> None:
    assert not is_settled([[1.0, 0.9]], [1.0])
    assert not is_settled([[1.0, 0.9, 0.905]], [1.0])
    assert is_settled([[1.0, 0.9, 0.911]], [1.0])
    assert is_settled([[0.9, 0.9, 0.9]], [1.0])
    assert not is_settled([[0.9, 0.9, 0.8]], [1.0])


def test_each_measurement_says_for_itself_that_nothing_predicts_it() -> None:
    given = made(Kind.MULTI_REGRESSION)
    targets = {name: one.copy() for name, one in given.targets.items()}
    rng = np.random.default_rng(0)
    for one in targets.values():
        one[:, 1] = rng.normal(size=len(one))
    output = run("ridge", replace(given, targets=targets))
    assert output.caveats == ("val has no signal for b: nothing predicts better than no features do",)


def test_places_are_compared_with_the_middle_of_all_places() -> None:
    given = made(Kind.GEOLOCALIZATION)
    output = run("nearest_place", given)
    assert 0 < min(output.params["curve"].values()) < output.params["trivial_loss"] < 20_000
    assert set(output.params["curve"]) == {str(k) for k in nearest_place.NEIGHBOURS}


@pytest.mark.parametrize("selection", ["cv", "val"])
@pytest.mark.parametrize(("name", "kind"), CASES, ids=str)
def test_noise_with_more_features_than_samples_is_not_predicted_where_it_was_held_out(
    name: str, kind: Kind, selection: SelectionBy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever has been fitted on what it is measured on seems to be predicted here, and nothing else does."""
    monkeypatch.setattr(segmentation, "EPOCHS", 30)
    rng = np.random.default_rng(1)
    sizes = {"train": 24, "val": 12, "test": 4} if kind in DENSE else {"train": 80, "val": 60, "test": 4}
    dim = 600 if kind in DENSE else 300
    shape = (dim, 4, 4) if kind in DENSE else (dim,)
    noise = {split: rng.normal(size=(n, *shape[1:], 3)) for split, n in sizes.items() if split != "test"}
    given = replace(
        made(kind),
        features={split: rng.normal(size=(n, *shape)).astype(np.float32) for split, n in sizes.items()},
        targets={split: target_of(kind, score) for split, score in noise.items()},
        groups={split: np.array([f"{split}-{one % 4}" for one in range(n)]) for split, n in sizes.items()},
        protocol=EvaluationProtocol(selection=selection),
    )
    params = run(name, given).params
    curve = np.array([params["curve"][value] for value in params["curve"]])
    least, trivial = curve.min(axis=0), np.array(params["trivial_loss"])
    assert (least > 0.8 * trivial).all(), (least, trivial)
