"""Every evaluator learns what is there, is deterministic, and finds nothing in noise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax
from sklearn.metrics import log_loss
from torch.nn import functional

from gairbench.backbone import Backbone
from gairbench.errors import TrainingError
from gairbench.evaluation.plan import default_evaluators
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators import EVALUATORS, METRICS, end_to_end, finetune
from gairbench.evaluators.goals import goal_of
from gairbench.evaluators.nearest_place import median_direction
from gairbench.evaluators.ordinal_linear import _fit, _log_likelihood, _Odds, _start
from gairbench.evaluators.pixel_goals import PixelClasses
from gairbench.evaluators.principal_axes import Axes
from gairbench.evaluators.segmentation import sampled_logits
from gairbench.geography import from_sphere, on_sphere
from gairbench.kinds import DENSE
from gairbench.metrics import load_metric
from gairbench.plugins import load_registry
from gairbench.spec import EvaluatorSpec, Kind, resolve
from gairbench.testing.evaluator_checks import generated_input
from gairbench.testing.tiny_backbone import tiny_backbone

N = {"train": 300, "val": 100, "test": 200}
SPECS = {spec.name: spec for spec in EVALUATORS}
MEASURES = {spec.name: load_metric(spec) for spec in METRICS}

pytestmark = pytest.mark.usefixtures("little_work")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """A linear layer learns in fewer steps than a network, and bears larger ones."""
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-2, 1e-1))
    monkeypatch.setattr(end_to_end, "EPOCHS", 8)
    monkeypatch.setattr(end_to_end, "STEPS", 80)


def run(name: str, given: EvaluatorInput) -> EvaluatorOutput:
    if SPECS[name].trains:
        dense = given.kind in DENSE
        images = {
            split: (x if dense else x[:, :, None, None]).astype(np.float32) for split, x in given.features.items()
        }
        features, backbone = tiny_backbone(images, "tokens" if dense else "pooled")
        if SPECS[name].needs == "architecture":
            features = {split: np.zeros((len(x), 0)) for split, x in features.items()}
        given = replace(given, features=features, backbone=backbone)
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
    features, targets, lonlat = {}, {}, {}
    weights = rng.normal(size=(6, 3))
    for name, n in N.items():
        x = rng.normal(size=(n, 6))
        lonlat[name] = placed(x @ weights, kind)
        scores = (rng.normal(size=(n, 6)) if noise else x) @ weights
        if kind is Kind.SEGMENTATION:
            x = rng.normal(size=(n, 6, 4, 4))
            grid = np.einsum("ndhw,dc->nchw", rng.normal(size=x.shape) if noise else x, weights).argmax(1)
            targets[name] = grid.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)
            targets[name][:, 0, :2] = 255
        elif kind is Kind.DENSE_REGRESSION:
            x = rng.normal(size=(n, 6, 4, 4)).astype(np.float32)
            grid = np.einsum("ndhw,d->nhw", rng.normal(size=x.shape) if noise else x, weights[:, 0])
            upsampled = functional.interpolate(torch.from_numpy(grid)[:, None], size=(16, 16), mode="bilinear")
            targets[name] = upsampled[:, 0].numpy() + 7
            targets[name][:, 0, :2] = np.nan
        elif kind is Kind.GEOLOCALIZATION:
            targets[name] = np.stack([rng.uniform(-170, 170, n), rng.uniform(-70, 70, n)], axis=1)
            x = np.concatenate([on_sphere(rng.permutation(targets[name]) if noise else targets[name])] * 2, axis=1)
        elif kind is Kind.CLASSIFICATION:
            targets[name] = scores.argmax(1)
        elif kind is Kind.ORDINAL:
            targets[name] = np.digitize(scores[:, 0], (-1.5, 1.5))
        elif kind is Kind.MULTILABEL:
            targets[name] = scores > 0
        elif kind is Kind.MULTI_REGRESSION:
            targets[name] = scores * (1.0, 1e-3, 1e3) + (0.0, 5.0, -7.0)
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
        mask_size=truth.shape[1:] if kind in DENSE else None,
        seed=0,
        device="cpu",
        lonlat=lonlat,
    )
    return given, truth


def placed(scores: np.ndarray, kind: Kind) -> np.ndarray:
    """Return places where what is near is alike: of classes, of three measurements as far as two numbers say."""
    first = scores[:, :2] - (scores[:, 2:] if kind is Kind.CLASSIFICATION else 0)
    return np.asarray(np.tanh(first / 6) * (170, 80))


def score(kind: Kind, truth: np.ndarray, output: EvaluatorOutput) -> float:
    metric = {
        Kind.CLASSIFICATION: "accuracy",
        Kind.ORDINAL: "quadratic_kappa",
        Kind.MULTILABEL: "micro_f1",
        Kind.REGRESSION: "r2",
        Kind.MULTI_REGRESSION: "mean_r2",
        Kind.SEGMENTATION: "miou",
        Kind.DENSE_REGRESSION: "pixel_r2",
        Kind.GEOLOCALIZATION: "within_2500_km",
        Kind.RETRIEVAL: "recall@10",
    }[kind]
    return MEASURES[metric](truth, output.prediction)


CASES = [(spec.name, kind) for spec in EVALUATORS for kind in sorted(spec.kinds)]
LEARNED = {"knn": 0.7, "interpolation": 0.6, "linear_segmentation": 0.6, "end_to_end-segmentation": 0.6}
CHANCE = {
    Kind.CLASSIFICATION: 0.5,
    Kind.ORDINAL: 0.15,
    Kind.MULTILABEL: 0.65,
    Kind.REGRESSION: 0.1,
    Kind.MULTI_REGRESSION: 0.1,
    Kind.SEGMENTATION: 0.3,
    Kind.DENSE_REGRESSION: 0.1,
    Kind.GEOLOCALIZATION: 0.15,
    Kind.RETRIEVAL: 0.15,
}


@pytest.mark.parametrize(("name", "kind"), CASES, ids=lambda value: str(value))
def test_evaluator_finds_what_is_there_and_nothing_in_noise(name: str, kind: Kind) -> None:
    given, truth = data(kind)
    assert score(kind, truth, run(name, given)) > LEARNED.get(f"{name}-{kind}", LEARNED.get(name, 0.9))
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
    ("name", "kind"),
    [(name, kind) for name in ("linear", "finetune", "end_to_end") for kind in ("classification", "multilabel")]
    + [("knn", "classification"), ("linear", "ordinal"), ("ordinal_linear", "ordinal")],
)
def test_scores_are_probabilities_that_rank_better_than_chance(name: str, kind: str) -> None:
    given, truth = data(Kind(kind))
    output = run(name, given)
    assert output.scores is not None
    assert output.scores.shape == (N["test"], 3)
    assert output.scores_are == "probabilities"
    if kind != "multilabel":
        np.testing.assert_allclose(output.scores.sum(axis=1), 1, atol=1e-9)
    assert MEASURES["auc"](truth, output.scores) > 0.85


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (name, kind)
        for name, kind in CASES
        if name in {"linear", "knn", "finetune", "end_to_end", "ordinal_linear"}
        and kind in ("classification", "ordinal")
    ],
)
def test_a_class_that_train_lacks_has_a_column_of_zeros(name: str, kind: Kind) -> None:
    given, _ = data(kind)
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


def test_each_of_several_measurements_is_learned_as_if_it_were_alone() -> None:
    given, _ = data(Kind.MULTI_REGRESSION)
    noise = np.random.default_rng(1).normal(size=N["train"] + N["val"])
    # One that is easy, one that is not to be learned: they want other strengths.
    targets = {
        name: np.stack([target[:, 0], 1e3 * part], axis=1)
        for (name, target), part in zip(given.targets.items(), np.split(noise, [N["train"]]), strict=True)
    }
    together = run("ridge", replace(given, targets=targets))
    alone = [
        run("ridge", replace(given, kind=Kind.REGRESSION, targets={name: t[:, one] for name, t in targets.items()}))
        for one in range(2)
    ]
    assert together.params["alpha"] == [output.params["alpha"] for output in alone]
    assert together.params["alpha"][0] < together.params["alpha"][1]
    for alpha, losses in together.params["curve"].items():
        assert losses == [output.params["curve"][alpha] for output in alone]
    for one, output in enumerate(alone):
        np.testing.assert_allclose(together.prediction[:, one], output.prediction)


def test_proportional_odds_of_two_classes_are_logistic_regression() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    given, _ = data(Kind.ORDINAL)
    given = replace(
        given, targets={name: np.minimum(target, 1) for name, target in given.targets.items()}, class_names=("a", "b")
    )
    output = run("ordinal_linear", given)
    scale = StandardScaler().fit(given.features["train"])
    x, test = scale.transform(given.features["train"]), scale.transform(given.features["test"])
    reference = LogisticRegression(C=output.params["C"], tol=1e-10).fit(x, given.targets["train"])
    np.testing.assert_allclose(output.scores, reference.predict_proba(test), atol=1e-3)


def test_proportional_odds_find_the_direction_and_the_thresholds_that_made_the_classes() -> None:
    rng = np.random.default_rng(0)
    direction, thresholds = np.array([2.0, -1.0, 0.5]), np.array([-2.0, 0.0, 0.5, 3.0])
    x = rng.normal(size=(20_000, 3))
    latent = x @ direction + rng.logistic(size=len(x))
    target = (latent[:, None] >= thresholds).sum(axis=1)
    axes = Axes(x)
    found = _fit(axes, target, 1e6, _start(axes.features, target))
    np.testing.assert_allclose(axes.vectors @ found.direction, direction, atol=0.07)
    np.testing.assert_allclose(found.thresholds, thresholds, atol=0.1)


def test_the_gradient_of_proportional_odds_is_that_of_their_likelihood() -> None:
    from scipy.optimize import check_grad

    rng = np.random.default_rng(0)
    x, target = rng.normal(size=(50, 3)), np.arange(50) % 5

    def likelihood(values: np.ndarray) -> tuple[float, np.ndarray]:
        return _log_likelihood(_Odds(values[:3], values[3], values[4:]), x, target)

    error = check_grad(lambda v: likelihood(v)[0], lambda v: likelihood(v)[1], rng.normal(size=7))
    assert error < 1e-4


def test_a_probe_that_knows_the_order_errs_by_fewer_ranks_where_classes_overlap() -> None:
    rng = np.random.default_rng(0)
    features, targets = {}, {}
    for name, n in N.items():
        features[name] = rng.normal(size=(n, 40))
        latent = features[name][:, :4].sum(axis=1) + rng.normal(0, 2, n)
        targets[name] = np.digitize(latent, (-4, -2, -0.5, 0.5, 2, 4))
    truth = targets.pop("test")
    given = replace(data(Kind.ORDINAL)[0], features=features, targets=targets, class_names=tuple("abcdefg"))
    errors = {name: MEASURES["rank_mae"](truth, run(name, given).prediction) for name in ("ordinal_linear", "linear")}
    assert errors["ordinal_linear"] < errors["linear"]


@pytest.mark.parametrize(
    ("kind", "probe", "tolerance"),
    [(Kind.CLASSIFICATION, "linear", 1e-3), (Kind.MULTILABEL, "linear", 1e-4), (Kind.REGRESSION, "ridge", 1e-3)],
)
def test_fine_tuning_starts_from_the_probe(
    kind: Kind, probe: str, tolerance: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gairbench.evaluators.finetune.LEARNING_RATES", (0.0,))
    given, _ = data(kind)
    if kind is Kind.CLASSIFICATION:
        two = {name: target % 2 for name, target in given.targets.items()}  # of which scikit-learn has one output
        given = replace(given, targets=two)
    standard = (given.features["train"].mean(axis=0), given.features["train"].std(axis=0))
    scaled = {name: (x - standard[0]) / standard[1] for name, x in given.features.items()}
    start, frozen = run("finetune", given), run(probe, replace(given, features=scaled))
    if frozen.scores is not None and start.scores is not None:
        np.testing.assert_allclose(start.scores, frozen.scores, atol=tolerance)
    np.testing.assert_allclose(start.prediction, frozen.prediction, atol=tolerance)


def test_each_learning_rate_starts_from_the_model_as_it_was_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    given, _ = data(Kind.REGRESSION)
    monkeypatch.setattr("gairbench.evaluators.finetune.LEARNING_RATES", (1e-4,))
    alone = run("finetune", given)
    monkeypatch.setattr("gairbench.evaluators.finetune.LEARNING_RATES", (10.0, 1e-4))
    after = run("finetune", given)
    np.testing.assert_array_equal(after.prediction, alone.prediction)
    assert after.params["learning_rate"] == 1e-4


def test_a_loss_that_is_never_finite_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gairbench.evaluators.finetune.LEARNING_RATES", (1e30,))
    with pytest.raises(TrainingError, match="at no learning rate are the loss and the outputs"):
        run("finetune", data(Kind.REGRESSION)[0])


@pytest.mark.parametrize(
    ("kind", "goal", "learned"),
    [
        (Kind.CLASSIFICATION, "gairbench.evaluators.end_to_end._VectorGoal", 0.9),
        (Kind.SEGMENTATION, "gairbench.evaluators.pixel_goals.PixelClasses", 0.5),
    ],
)
def test_the_epoch_that_is_best_on_val_predicts_test(
    kind: Kind, goal: str, learned: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, truth = data(kind)
    losses: list[float] = []

    def sixth(self: object, outputs: Iterable[torch.Tensor]) -> float:
        """Say that the sixth epoch is the best one."""
        assert all(bool(some.isfinite().all()) for some in outputs)
        losses.append(0.5 if len(losses) == 5 else 1.0)
        return losses[-1]

    state = end_to_end._state

    def ruining(module: torch.nn.Module) -> dict[str, torch.Tensor]:
        """Keep the state, and ruin what is trained after the sixth epoch."""
        kept = state(module)
        if losses[-1] == 0.5:
            with torch.no_grad():
                for parameter in module.parameters():
                    parameter.zero_()
        return kept

    monkeypatch.setattr(f"{goal}.val_loss", sixth)
    monkeypatch.setattr(end_to_end, "_state", ruining)
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-1,))
    output = run("end_to_end", given)
    assert (output.params["best_epoch"], output.params["val_loss"]) == (6, 0.5)
    assert output.params["val_curve"] == losses
    assert len(losses) == output.params["epochs"] > 6
    assert score(kind, truth, output) > learned


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.ORDINAL, Kind.MULTILABEL])
def test_val_is_judged_by_the_log_loss_of_scikit_learn(kind: Kind) -> None:
    given, _ = data(kind)
    goal, truth = goal_of(given), given.targets["val"]
    outputs = np.random.default_rng(0).normal(size=(len(truth), goal.outputs))
    if kind is Kind.MULTILABEL:
        expected = np.mean([log_loss(t, p, labels=[0, 1]) for t, p in zip(truth.T, expit(outputs).T, strict=True)])
    else:
        expected = log_loss(truth, softmax(outputs, axis=1), labels=np.unique(given.targets["train"]))
    assert goal.val_loss(outputs) == pytest.approx(expected, rel=1e-9)


def test_masks_are_judged_by_the_cross_entropy_of_the_pixels_that_count() -> None:
    given, _ = data(Kind.SEGMENTATION)
    masks = given.targets["val"].copy()
    masks[:, 0] = 255
    goal = PixelClasses(replace(given, targets={**given.targets, "val": masks}))
    grids = torch.randn(len(masks), goal.outputs, *masks.shape[1:], generator=torch.Generator().manual_seed(0))
    wanted = torch.from_numpy(masks.astype(np.int64))
    expected = torch.nn.functional.cross_entropy(grids, wanted, ignore_index=255)
    assert goal.val_loss(torch.split(grids, 7)) == pytest.approx(float(expected), rel=1e-5)


def test_fine_tuning_records_every_rate_and_says_where_the_last_one_is_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetune, "LEARNING_RATES", (0.0, 1e-3))
    output = run("finetune", data(Kind.CLASSIFICATION)[0])
    curve = output.params["curve"]
    assert list(curve) == ["0", "0.001"]
    assert output.params["val_loss"] == min(curve.values())
    assert output.caveats == (f"chosen at the grid's end (learning_rate = {output.params['learning_rate']:g})",)


def test_end_to_end_starts_every_rate_from_the_model_as_it_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    given, _ = data(Kind.REGRESSION)
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-2,))
    alone = run("end_to_end", given)
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (10.0, 1e-2))
    after = run("end_to_end", given)
    np.testing.assert_array_equal(after.prediction, alone.prediction)
    assert after.params["learning_rate"] == 1e-2


def test_a_training_that_breaks_keeps_what_was_best_before(monkeypatch: pytest.MonkeyPatch) -> None:
    given, truth = data(Kind.CLASSIFICATION)
    outputs, calls = end_to_end._outputs, []

    def breaking(*args: Any) -> Iterator[torch.Tensor]:
        calls.append(args[-1])
        if args[-1] == "val" and len(calls) > 4:
            raise end_to_end._NotFiniteError
        yield from outputs(*args)

    monkeypatch.setattr(end_to_end, "_outputs", breaking)
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-1,))
    output = run("end_to_end", given)
    assert output.params["epochs"] == 4
    assert score(Kind.CLASSIFICATION, truth, output) > 0.7
    assert calls == ["val"] * 5 + ["test"]


@pytest.mark.parametrize("kind", [Kind.REGRESSION, Kind.DENSE_REGRESSION])
def test_end_to_end_without_finite_numbers_is_an_error(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e30,))
    with pytest.raises(TrainingError, match="not finite on train and val at any learning rate"):
        run("end_to_end", data(kind)[0])


@pytest.mark.parametrize(("kind", "ignored"), [(Kind.SEGMENTATION, 255), (Kind.DENSE_REGRESSION, np.nan)])
def test_pixels_that_do_not_count_teach_nothing(kind: Kind, ignored: float) -> None:
    given, truth = data(kind)
    # Half of the images say nothing, and whole batches of them are passed over.
    targets = {name: target.copy() for name, target in given.targets.items()}
    targets["train"][64:] = ignored
    few = run("end_to_end", replace(given, targets=targets))
    assert score(kind, truth, few) > 0.5
    assert score(kind, truth, few) <= score(kind, truth, run("end_to_end", given)) + 0.05


@pytest.mark.parametrize("kind", [Kind.CLASSIFICATION, Kind.MULTILABEL])
@pytest.mark.parametrize("spoilt", ["val", "test"])
def test_a_learning_rate_whose_outputs_are_not_finite_is_not_chosen(
    spoilt: str, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    outputs, calls = finetune._outputs, []

    def spoil(backbone: Backbone, head: torch.nn.Module, split: str) -> np.ndarray:
        found = outputs(backbone, head, split)
        calls.append(split)
        if split == spoilt and calls.count(split) == 1:
            found[-1] = np.nan
        return found

    monkeypatch.setattr(finetune, "_outputs", spoil)
    monkeypatch.setattr(finetune, "LEARNING_RATES", (1e-3, 1e-9))
    chosen = run("finetune", data(kind)[0])
    assert chosen.params["learning_rate"] == 1e-9
    calls.clear()
    monkeypatch.setattr(finetune, "LEARNING_RATES", (1e-3,))
    with pytest.raises(TrainingError, match="the outputs of val and test finite; freeze the model"):
        run("finetune", data(kind)[0])


def test_labels_that_all_or_none_of_train_have_are_expected_of_all_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gairbench.evaluators.finetune.LEARNING_RATES", (0.0,))
    given, _ = data(Kind.MULTILABEL)
    train = given.targets["train"].copy()
    train[:, 0], train[:, 1] = True, False
    output = run("finetune", replace(given, targets={**given.targets, "train": train}))
    assert output.prediction[:, 0].all()
    assert not output.prediction[:, 1].any()


def test_retrieval_ties_rank_at_chance() -> None:
    alike = np.ones((101, 4))
    output = run("retrieval", retrieval_input(alike, alike))
    assert (output.prediction == 51).all()


def test_segmentation_trains_on_the_logits_it_predicts_with() -> None:
    grid = torch.randn(2, 3, 5, 7)
    upsampled = torch.nn.functional.interpolate(grid, size=(20, 21), mode="bilinear", align_corners=False)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(21), indexing="ij")
    centres = torch.stack([(columns.flatten() + 0.5) / 21, (rows.flatten() + 0.5) / 20], dim=-1) * 2 - 1
    sampled = sampled_logits(grid, centres.expand(2, -1, -1))
    torch.testing.assert_close(sampled.transpose(1, 2).reshape(2, 3, 20, 21), upsampled, atol=1e-5, rtol=1e-4)


def test_the_place_of_several_neighbours_is_among_most_of_them() -> None:
    portugal = [[-9.1, 38.7], [-8.6, 41.1], [-8.0, 37.0]]
    lisbon, porto, _ = on_sphere(np.array(portugal))
    far = on_sphere(np.array([[139.7, 35.7]]))[0]
    (place,) = from_sphere(median_direction(np.stack([[*on_sphere(np.array(portugal)), far]])))
    assert -9.2 < place[0] < -7.9
    assert 36.9 < place[1] < 41.2
    np.testing.assert_allclose(median_direction(np.stack([[lisbon, lisbon, porto]])), [lisbon], atol=1e-6)
    # Across the antimeridian, where a mean of degrees would be in Africa.
    (fiji,) = from_sphere(median_direction(on_sphere(np.array([[[179.0, -17.0], [-179.0, -17.0]]]))))
    assert abs(fiji[0]) == pytest.approx(180, abs=0.1)


def test_opposite_neighbours_have_a_place() -> None:
    assert np.isfinite(median_direction(np.array([[[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]]))).all()


def test_the_number_of_neighbours_is_chosen_on_val() -> None:
    given, _ = data(Kind.GEOLOCALIZATION)
    output = run("nearest_place", given)
    swapped = replace(given, features={**given.features, "test": given.features["val"]})
    errors = MEASURES["median_km"](given.targets["val"], run("nearest_place", swapped).prediction)
    assert output.params["curve"][str(output.params["k"])] == pytest.approx(errors, rel=1e-5)


def test_dense_ridge_agrees_with_scikit_learn_where_all_pixels_are_drawn() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    given, _ = data(Kind.DENSE_REGRESSION)
    features = {name: rng.normal(size=(n, 3, 4, 4)) for name, n in N.items()}
    # Standardized on train, as evaluators are given them.
    mean, std = features["train"].mean(axis=(0, 2, 3)), features["train"].std(axis=(0, 2, 3))
    features = {name: (x - mean[:, None, None]) / std[:, None, None] for name, x in features.items()}
    targets = {name: rng.normal(size=(n, 4, 4)) + features[name][:, 0] for name, n in N.items() if name != "test"}
    output = run("dense_ridge", replace(given, features=features, targets=targets, mask_size=(4, 4)))
    x = {name: values.transpose(0, 2, 3, 1).reshape(-1, 3) for name, values in features.items()}
    reference = Ridge(alpha=output.params["alpha"]).fit(x["train"], targets["train"].ravel())
    np.testing.assert_allclose(output.prediction.ravel(), reference.predict(x["test"]), atol=1e-5)


@pytest.mark.parametrize("spec", EVALUATORS, ids=lambda spec: spec.name)
@pytest.mark.filterwarnings("error:The given NumPy array is not writable")
def test_no_probe_makes_tensors_of_arrays_that_are_read_only(spec: EvaluatorSpec) -> None:
    # PyTorch warns once in a process.
    torch.set_warn_always(True)
    try:
        for kind in sorted(spec.kinds):
            resolve(spec.factory)(generated_input(spec.needs, kind, places=spec.places)[0])
    finally:
        torch.set_warn_always(False)
