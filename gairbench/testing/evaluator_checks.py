"""What an evaluator must fulfil: its declaration, and what it returns for generated data of every kind it serves."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.isolation import named
from gairbench.kinds import DENSE, ONE_CLASS, WITH_NAMES
from gairbench.spec import EvaluatorSpec, Kind, resolve
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.isolated import call_isolated
from gairbench.testing.written_to import require_not_written_to

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SIZES = {"train": 90, "val": 30, "test": 40}

CLASSES = ("a", "b", "c", "d")

DIM = 8

GRID = 4
"""Rows and columns of the token grids."""

MASK = 16
"""Height and width of the masks."""

AGREE = 0.8
"""Share of samples whose predicted class has the highest score, at least."""


def check_name_is_a_slug(spec: EvaluatorSpec) -> None:
    """The name is safe in file names, tables and task files."""
    declarations.require_slug(spec.name, "evaluator")


def check_version_counts_from_one(spec: EvaluatorSpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_kinds_are_stated(spec: EvaluatorSpec) -> None:
    """It serves at least one kind of task, and the kinds that it is run for by default are among them.

    An evaluator that trains the model serves no retrieval, which has no train split.
    """
    require(bool(spec.kinds), f"{spec.name}: no kinds")
    trains = spec.trains and Kind.RETRIEVAL in spec.kinds
    require(not trains, f"{spec.name}: it trains the model, and retrieval has nothing to train it on")
    other = spec.default - spec.kinds
    require(not other, f"{spec.name}: run by default for {', '.join(sorted(other))}, which it does not serve")


def check_spec_is_a_value(spec: EvaluatorSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_factories_can_be_imported(spec: EvaluatorSpec) -> None:
    """The lazy address leads to something callable."""
    declarations.require_factories(spec)


def check_registering_imports_nothing_heavy(spec: EvaluatorSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_output_can_be_scored(spec: EvaluatorSpec, kind: Kind) -> None:
    """Prediction and scores have the length, shape and type that the kind asks for, and are finite."""
    given, truth = generated_input(spec.needs, kind, spec.layers, places=spec.places)
    problem = _problem(given, truth, _output(spec, kind))
    require(not problem, f"{spec.name}: {problem}")


def check_output_is_the_same_for_a_seed(spec: EvaluatorSpec, kind: Kind) -> None:
    """The same input gives the same output."""
    import numpy as np

    first, second = (
        _output(spec, kind),
        _run(spec, generated_input(spec.needs, kind, spec.layers, places=spec.places)[0]),
    )
    same = np.array_equal(first.prediction, second.prediction)
    require(same, f"{spec.name}: two predictions for the same {kind} data and seed differ; use data.seed")
    if first.scores is not None and second.scores is not None:
        require(np.array_equal(first.scores, second.scores), f"{spec.name}: scores differ for the same data and seed")


def check_input_is_not_written_to(spec: EvaluatorSpec, kind: Kind) -> None:
    """The arrays that it is given are as they were."""
    require_not_written_to(
        spec.name,
        lambda: generated_input(spec.needs, kind, spec.layers, places=spec.places)[0],
        lambda given: _run(spec, given),
    )


def check_the_process_is_left_as_it_was(spec: EvaluatorSpec, kind: Kind) -> None:
    """It changes nothing that others compute with: torch's settings, the working folder ..."""
    _, changes = _first(spec, kind)
    require(not changes, changes)


def check_what_is_there_is_learned(spec: EvaluatorSpec, kind: Kind) -> None:
    """On data that are easy to learn, the prediction is better than the same prediction in another order."""
    import numpy as np

    given, truth = generated_input(spec.needs, kind, spec.layers, places=spec.places)
    prediction = _output(spec, kind).prediction
    require(not _problem(given, truth, _output(spec, kind)), f"{spec.name}: its output cannot be scored")
    if kind is Kind.RETRIEVAL:
        # In another order ranks are the same ranks: what is expected of chance is the middle one.
        right, chance = -float(np.mean(prediction)), -(1 + len(truth)) / 2
    elif kind is Kind.GEOLOCALIZATION:
        from gairbench.geography import great_circle_km

        right, chance = (
            -float(np.mean(great_circle_km(truth, p))) for p in (prediction, np.roll(prediction, 1, axis=0))
        )
    elif kind is Kind.MULTI_REGRESSION:
        # Whatever their units, each is to be learned: the one that gains least counts.
        errors = (((p - truth) ** 2).mean(axis=0) for p in (prediction, np.roll(prediction, 1, axis=0)))
        learned, rolled = errors
        right, chance = float((rolled - learned).min()), 0.0
    elif kind in {Kind.REGRESSION, Kind.DENSE_REGRESSION}:
        right, chance = (-float(np.mean((p - truth) ** 2)) for p in (prediction, np.roll(prediction, 1, axis=0)))
    else:
        right, chance = (float(np.mean(p == truth)) for p in (prediction, np.roll(prediction, 1, axis=0)))
    require(right > chance, f"{spec.name}: it learns nothing from {kind} data that are easy to learn")


def check_scores_agree_with_the_prediction(spec: EvaluatorSpec, kind: Kind) -> None:
    """The predicted class has the highest score, and predicted labels have higher scores than others."""
    output = _output(spec, kind)
    if output.scores is None:
        return
    if kind in ONE_CLASS:
        share = float((output.scores.argmax(axis=1) == output.prediction).mean())
        require(share >= AGREE, f"{spec.name}: the predicted class has the highest score for {share:.0%} of samples")
        return
    for number, (label, score) in enumerate(zip(output.prediction.T, output.scores.T, strict=True)):
        if label.any() and not label.all():
            higher = score[label].mean() > score[~label].mean()
            require(higher, f"{spec.name}: predicted labels have lower scores than others (label {number})")


def check_every_class_has_its_column(spec: EvaluatorSpec, kind: Kind) -> None:
    """Where train lacks a class, scores have a column for it all the same, in the order of the class numbers."""
    if kind not in ONE_CLASS:
        return
    missing = 1
    given, truth = generated_input(spec.needs, kind, spec.layers, without=missing, places=spec.places)
    output = _run(spec, given)
    problem = _problem(given, truth, output)
    require(not problem, f"{spec.name}: where train lacks class {missing} of {given.classes}: {problem}")
    if output.scores is not None:
        share = float((output.scores.argmax(axis=1) == output.prediction).mean())
        require(share >= AGREE, f"{spec.name}: where train lacks class {missing}, the columns are not class numbers")


DECLARATION: tuple[Callable[[EvaluatorSpec], None], ...] = (
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_kinds_are_stated,
    check_spec_is_a_value,
    check_factories_can_be_imported,
    check_registering_imports_nothing_heavy,
)

BEHAVIOUR: tuple[Callable[[EvaluatorSpec, Kind], None], ...] = (
    check_output_can_be_scored,
    check_output_is_the_same_for_a_seed,
    check_input_is_not_written_to,
    check_the_process_is_left_as_it_was,
    check_what_is_there_is_learned,
    check_scores_agree_with_the_prediction,
    check_every_class_has_its_column,
)


def generated_input(
    needs: str, kind: Kind, layers: int = 0, *, without: int | None = None, places: bool = False
) -> tuple[EvaluatorInput, NDArray[Any]]:
    """Return data that are easy to learn, new arrays and a new model at every call, and the targets of test.

    Args:
        needs: ``"features"``, ``"tokens"``, ``"backbone"`` or ``"architecture"``.
        kind: What the task asks for.
        layers: Token grids of so many layers, of which the last alone shows what is to be learned; 0: one grid.
        without: A class that train and val lack.
        places: The evaluator is given places, which show what is to be learned as well.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    weights = rng.normal(size=(DIM, len(CLASSES)))
    features: dict[str, NDArray[Any]] = {}
    targets: dict[str, NDArray[Any]] = {}
    images: dict[str, NDArray[Any]] = {}
    lonlat: dict[str, NDArray[np.float64]] = {}
    for name, n in SIZES.items():
        tokens = rng.normal(size=(n, DIM, GRID, GRID)).astype(np.float32)
        vectors = tokens.mean(axis=(2, 3), dtype=np.float64) * GRID
        target = _target(kind, vectors, tokens, weights)
        kept = np.ones(n, dtype=bool) if without is None or name == "test" else target != without
        features[name] = (_grids(tokens, layers, rng) if needs == "tokens" else vectors)[kept]
        targets[name], images[name] = target[kept], tokens[kept]
        lonlat[name] = _places(vectors @ weights)[kept]
    backbone = None
    if needs in {"backbone", "architecture"}:
        from gairbench.testing.tiny_backbone import tiny_backbone

        features, backbone = tiny_backbone(images, "tokens" if kind in DENSE else "pooled")
    if needs == "architecture":
        features = {name: np.zeros((len(array), 0)) for name, array in features.items()}
    if kind is Kind.RETRIEVAL:
        query = features["test"]
        features = {"query": query, "gallery": 2 * query + rng.normal(0, 0.1, query.shape)}
        targets = {"test": np.arange(len(query))}
        lonlat = dict.fromkeys(features, lonlat["test"])
    truth = targets.pop("test")
    given = EvaluatorInput(
        kind=kind,
        features=features,
        targets=targets,
        class_names=CLASSES if kind in WITH_NAMES else (),
        groups={name: np.arange(len(array)) % 5 for name, array in features.items()},
        mask_size=(MASK, MASK) if kind in DENSE else None,
        seed=0,
        device="cpu",
        backbone=backbone,
        lonlat=lonlat if places else {},
        parts={} if kind is Kind.RETRIEVAL else {"rs": slice(0, DIM)},
    )
    return given, truth


def _grids(tokens: NDArray[Any], layers: int, rng: np.random.Generator) -> NDArray[Any]:
    """Return a grid as it is, or as the last of several layers, before which come grids of noise."""
    import numpy as np

    if not layers:
        return tokens
    noise = rng.normal(size=(len(tokens), layers - 1, *tokens.shape[1:])).astype(np.float32)
    return np.concatenate([noise, tokens[:, None]], axis=1)


def _places(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places that follow four scores: their signs say in which of 4 x 4 cells, the first two where in it."""
    import numpy as np

    high = scores > 0
    cells = np.stack([2 * high[:, 0] + high[:, 2], 2 * high[:, 1] + high[:, 3]], axis=1)
    within = np.tanh(scores[:, :2] / 4)
    return np.asarray((cells - 1.5) * (90.0, 40.0) + within * (30.0, 15.0))


def _target(kind: Kind, vectors: NDArray[Any], tokens: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[Any]:
    import numpy as np

    scores = vectors @ weights
    if kind is Kind.MULTILABEL:
        return np.asarray(scores > 0)
    if kind is Kind.REGRESSION:
        return np.asarray(scores[:, 0])
    if kind is Kind.MULTI_REGRESSION:
        # Each in a unit of its own.
        return np.asarray(scores * (1.0, 0.01, 100.0, 1.0) + (0.0, 0.0, 1000.0, -5.0))
    if kind is Kind.ORDINAL:
        return np.asarray(np.digitize(scores[:, 0], (-2.0, 0.0, 2.0)))
    if kind is Kind.GEOLOCALIZATION:
        return np.stack([170 * np.tanh(scores[:, 0]), 80 * np.tanh(scores[:, 1])], axis=1)
    if kind in DENSE:
        grid = np.einsum("ndhw,dc->nchw", tokens, weights)
        values = grid.argmax(axis=1).astype(np.uint8) if kind is Kind.SEGMENTATION else grid[:, 0].astype(np.float64)
        upsampled: NDArray[Any] = values.repeat(MASK // GRID, axis=1).repeat(MASK // GRID, axis=2)
        return upsampled
    return np.asarray(scores.argmax(axis=1))


def _run(spec: EvaluatorSpec, given: EvaluatorInput) -> EvaluatorOutput:
    return _called(spec, given)[0]


def _called(spec: EvaluatorSpec, given: EvaluatorInput) -> tuple[EvaluatorOutput, str]:
    """Return what it returns, and what it changed in the process."""
    who = named("evaluator", spec.name, spec.factory)
    return call_isolated(who, lambda: resolve(spec.factory)(given), seed=given.seed)


@lru_cache(maxsize=8)
def _first(spec: EvaluatorSpec, kind: Kind) -> tuple[EvaluatorOutput, str]:
    return _called(spec, generated_input(spec.needs, kind, spec.layers, places=spec.places)[0])


def _output(spec: EvaluatorSpec, kind: Kind) -> EvaluatorOutput:
    return _first(spec, kind)[0]


def _problem(given: EvaluatorInput, truth: NDArray[Any], output: object) -> str:
    from gairbench.outputs import output_problem

    return output_problem(given.kind, output, samples=len(truth), classes=given.classes, mask_size=given.mask_size)
