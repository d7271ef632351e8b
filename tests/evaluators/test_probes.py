"""Every probe learns what is there, chooses on val, is deterministic, and finds nothing in noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from gairbench.evaluators import PROBES, ProbeInput, ProbeOutput, probes_for
from gairbench.evaluators.nearest_place import median_direction
from gairbench.evaluators.segmentation import _logits_at
from gairbench.geography import from_sphere, on_sphere
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
        Kind.DENSE_REGRESSION: "pixel_r2",
        Kind.RETRIEVAL: "recall@10",
        Kind.GEOLOCALIZATION: "within_2500_km",
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
    Kind.DENSE_REGRESSION: 0.1,
    Kind.RETRIEVAL: 0.15,
    Kind.GEOLOCALIZATION: 0.15,
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
    grid = torch.randn(2, 3, 5, 7)
    upsampled = torch.nn.functional.interpolate(grid, size=(20, 21), mode="bilinear", align_corners=False)
    rows, columns = torch.meshgrid(torch.arange(20), torch.arange(21), indexing="ij")
    sampled = _logits_at(grid, rows.flatten().expand(2, -1), columns.flatten().expand(2, -1), 20, 21)
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
    given = data(Kind.GEOLOCALIZATION)
    output = PROBES["nearest_place"].run(given)
    swapped = ProbeInput(
        features={**given.features, "test": given.features["val"]}, targets=given.targets, classes=0, seed=0
    )
    errors = METRICS["median_km"](given.targets["val"], PROBES["nearest_place"].run(swapped).prediction)
    assert output.params["val_median_km"] == pytest.approx(errors)


def test_dense_ridge_agrees_with_scikit_learn_where_all_pixels_are_drawn() -> None:
    from sklearn.linear_model import Ridge

    rng = np.random.default_rng(0)
    features = {name: rng.normal(size=(n, 3, 4, 4)) for name, n in N.items()}
    targets = {name: rng.normal(size=(n, 4, 4)) + features[name][:, 0] for name, n in N.items()}
    output = PROBES["dense_ridge"].run(ProbeInput(features=features, targets=targets, classes=0, seed=0))
    x = {name: values.transpose(0, 2, 3, 1).reshape(-1, 3) for name, values in features.items()}
    reference = Ridge(alpha=output.params["alpha"]).fit(x["train"], targets["train"].ravel())
    np.testing.assert_allclose(output.prediction.ravel(), reference.predict(x["test"]), atol=1e-5)
