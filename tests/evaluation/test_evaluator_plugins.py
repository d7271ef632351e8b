"""Evaluators and metrics of plugins: what they are given, what they may return, and whom a mistake harms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import numpy as np
import pytest
from generated import SHADES, TASKS, World, carry_out

from gairbench import DatasetSpec, EvaluatorSpec, Kind, LocationInput, MetricSpec, TaskSpec
from gairbench.data import ArraySplit
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.trivial import CONSTANT
from gairbench.evaluator import EvaluationProtocol, EvaluatorInput, EvaluatorOutput
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Origin, Registry
from gairbench.predictions import load_predictions
from gairbench.results import Result
from gairbench.split_choice import SplitChoice
from gairbench_leaderboard.comparison import compare_models

ZONE, TAGS, HEIGHT, MASK, PAIRS, FUSED = TASKS
ALL_KINDS = frozenset(Kind)
THEIRS = Origin("theirs", "their-dist", "1.0")


def run(request: EvaluationRequest, registry: Registry, *tasks: TaskSpec) -> list[Result]:
    for task in tasks:
        registry.tasks[task.name] = task
        registry.task_origins[task.name] = THEIRS
    request = replace(request, tasks=tasks)
    return carry_out(request, registry)


def by_probe(records: list[Result]) -> dict[str, Result]:
    return {record.probe: record for record in records}


def evaluator(function: Callable[[EvaluatorInput], Any], **changes: Any) -> EvaluatorSpec:
    return replace(EvaluatorSpec(name="theirs", version=1, factory=function, kinds=ALL_KINDS), **changes)


def metric(function: Callable[..., Any], **changes: Any) -> MetricSpec:
    values: dict[str, Any] = {"higher_is_better": True, "kinds": ALL_KINDS} | changes
    return MetricSpec(name="theirs", version=1, factory=function, **values)


# What an evaluator is given.


def test_an_evaluator_is_given_everything_but_the_targets_of_test(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[EvaluatorInput] = []

    def look(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        return EvaluatorOutput(prediction=np.zeros(len(data.features["test"]), dtype=np.int64))

    registry.add(THEIRS, evaluators=[evaluator(look)])
    (record,) = run(request_, registry, replace(ZONE, evaluators=("theirs",)))
    assert record.status == "ok", record.reason
    assert record.probe_origin == "theirs (their-dist 1.0)"
    assert record.environment["their-dist"] == "not installed"
    (data,) = seen
    assert {name: array.shape for name, array in data.features.items()} == {
        "train": (90, 8), "val": (30, 8), "test": (40, 8),
    }  # fmt: skip
    assert data.targets.keys() == {"train", "val"}
    assert (data.kind, data.class_names, data.classes) == (Kind.CLASSIFICATION, ("north", "south"), 2)
    assert (data.seed, data.device, data.mask_size) == (0, "cpu", None)
    assert data.groups == {"train": None, "val": None, "test": None}


def test_tokens_and_the_size_of_the_masks_are_given_for_segmentation(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def constant(data: EvaluatorInput) -> EvaluatorOutput:
        assert data.features["test"].shape == (40, 3, 4, 4)
        assert data.mask_size == (16, 16)
        return EvaluatorOutput(prediction=np.zeros((40, 16, 16), dtype=np.uint8))

    registry.add(THEIRS, evaluators=[evaluator(constant, needs="tokens")])
    (record,) = run(request_, registry, replace(MASK, evaluators=("theirs",)))
    assert record.status == "ok", record.reason


def test_tokens_of_a_task_without_overhead_images_are_a_visible_skip(
    request_: EvaluationRequest, registry: Registry
) -> None:
    registry.add(THEIRS, evaluators=[evaluator(lambda data: None, needs="tokens")])
    (record,) = run(request_, registry, replace(TAGS, evaluators=("theirs",)))
    assert (record.status, record.reason) == (
        "skipped", "evaluator 'theirs' needs token grids, which only rs images have",
    )  # fmt: skip


class Grouped(World):
    """The world in hemispheres."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        east = np.array(["east" if lon > 0 else "west" for lon in split._inputs["lonlat"][:, 0]])
        return ArraySplit(split.ids, split._inputs, split._targets, {"hemisphere": east})


GROUPED = DatasetSpec(name="grouped", version=1, factory=Grouped, delivers=generated.DATASET.delivers)


@pytest.mark.parametrize("limit", [None, 20])
def test_groups_are_those_of_the_samples_that_take_part(
    request_: EvaluationRequest, registry: Registry, limit: int | None
) -> None:
    def by_group(data: EvaluatorInput) -> EvaluatorOutput:
        group = data.groups["test"]
        assert group is not None
        return EvaluatorOutput(prediction=np.where(group == "east", 1.0, 0.0))

    registry.add(THEIRS, datasets=[GROUPED], evaluators=[evaluator(by_group)])
    task = replace(HEIGHT, dataset=GROUPED, group="hemisphere", evaluators=("theirs",), extra_metrics=())
    (record,) = run(replace(request_, limit=limit), registry, task)
    assert record.status == "ok", record.reason
    found = load_predictions(record, request_.results)
    split = Grouped(None).split("test")  # type: ignore[arg-type]
    lonlat = dict(zip(split.ids, split._inputs["lonlat"], strict=True))
    assert found.prediction.tolist() == [float(lonlat[name][0] > 0) for name in found.ids]


def test_each_selection_has_records_of_its_own_and_the_evaluator_is_given_it(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[str] = []

    def look(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data.protocol.selection)
        return EvaluatorOutput(prediction=np.zeros(len(data.features["test"])), caveats=("nothing is learned",))

    registry.add(THEIRS, datasets=[GROUPED], evaluators=[evaluator(look)])
    task = replace(HEIGHT, dataset=GROUPED, group="hemisphere", evaluators=("theirs", "ridge"), extra_metrics=())
    cv = by_probe(run(request_, registry, task))
    val = by_probe(run(replace(request_, selection="val"), registry, task))
    assert seen == ["cv", "val"]
    assert (cv["ridge"].selection, cv["ridge"].probe_params["selection"]) == ("cv", "2 folds of 2 groups")
    assert (val["ridge"].selection, val["ridge"].probe_params["selection"]) == ("val", "val")
    for probe in ("theirs", "ridge"):
        assert cv[probe].key != val[probe].key
    assert cv["theirs"].caveats == ("nothing is learned", CONSTANT)
    paths = [record["ridge"].path(Path()).parts[1] for record in (cv, val)]
    assert paths == ["default-seed0", "default-seed0-selection-val"]


class Placeless(World):
    """The world, of which nobody says where its samples are."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        split.places = lambda: None  # type: ignore[method-assign]
        return split


class LatitudeFirst(World):
    """The world with coordinates in the other order."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        inputs = split._inputs | {"lonlat": split._inputs["lonlat"][:, ::-1].copy()}
        return ArraySplit(split.ids, inputs, split._targets)


@pytest.mark.parametrize("source", [World, LatitudeFirst])
@pytest.mark.parametrize("changes", [{}, {"limit": 20}, {"labels": (LabelBudget.of("10%"),)}, {"split": "random"}])
def test_an_evaluator_that_asks_is_given_the_places_of_the_samples_that_take_part(
    request_: EvaluationRequest, registry: Registry, source: type[World], changes: dict[str, Any]
) -> None:
    def by_latitude(data: EvaluatorInput) -> EvaluatorOutput:
        for name in ("train", "val"):
            np.testing.assert_allclose(data.targets[name], 2 * data.lonlat[name][:, 1] + 3)
        return EvaluatorOutput(prediction=2 * data.lonlat["test"][:, 1] + 3)

    order = "latlon" if source is LatitudeFirst else "lonlat"
    delivers = tuple(
        LocationInput(order=order) if isinstance(one, LocationInput) else one  # type: ignore[arg-type]
        for one in generated.DATASET.delivers
    )
    dataset = DatasetSpec(name="placed", version=1, factory=source, delivers=delivers)
    registry.add(THEIRS, datasets=[dataset], evaluators=[evaluator(by_latitude, places=True)])
    if "split" in changes:
        changes = {"splits": (SplitChoice.of(changes["split"], registry.split_policies),)}
    task = replace(HEIGHT, dataset=dataset, evaluators=("theirs",), extra_metrics=())
    (record,) = run(replace(request_, **changes), registry, task)
    assert record.status == "ok", record.reason
    assert record.metrics["r2"].value == pytest.approx(1)


def test_places_that_nobody_says_are_a_visible_skip_and_those_that_are_asked_for_are_not_given(
    request_: EvaluationRequest, registry: Registry
) -> None:
    dataset = DatasetSpec(name="placeless", version=1, factory=Placeless, delivers=generated.DATASET.delivers)
    registry.add(THEIRS, datasets=[dataset], evaluators=[evaluator(lambda data: None, places=True)])
    where = replace(HEIGHT, name="where", kind=Kind.GEOLOCALIZATION, target="", metric="median_km", extra_metrics=())
    tasks = [replace(HEIGHT, dataset=dataset), where]
    skipped, answered = run(request_, registry, *(replace(task, evaluators=("theirs",)) for task in tasks))
    assert (skipped.status, skipped.reason) == (
        "skipped", "evaluator 'theirs' needs places, and split 'train' of dataset 'placeless' has none",
    )  # fmt: skip
    assert (answered.status, answered.reason) == (
        "skipped", "evaluator 'theirs' is given the samples' places, by which geolocalization would be answered",
    )  # fmt: skip


def test_an_evaluator_sees_which_columns_each_input_has_and_the_protocol(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def alone(data: EvaluatorInput) -> EvaluatorOutput:
        assert list(data.parts) == ["rs", "location"]
        assert [part.stop - part.start for part in data.parts.values()] == [8, 2]
        latitude = data.features["test"][:, data.parts["location"]][:, 1]
        assert data.protocol == EvaluationProtocol(labels="50%", limit=60)
        return EvaluatorOutput(prediction=latitude)

    registry.add(THEIRS, evaluators=[evaluator(alone)])
    task = replace(FUSED, kind=Kind.REGRESSION, target="height", metric="pearson_r", extra_metrics=())
    request = replace(request_, limit=60, labels=(LabelBudget.of("50%"),))
    (record,) = run(request, registry, replace(task, evaluators=("theirs",)))
    assert record.status == "ok", record.reason
    assert record.metrics["pearson_r"].value == pytest.approx(1)


def test_a_grouping_that_does_not_exist_fails_the_task(request_: EvaluationRequest, registry: Registry) -> None:
    records = run(request_, registry, replace(ZONE, group="city"))
    assert {(r.status, r.reason) for r in records} == {
        ("failed", "split 'train' of dataset 'world' has no grouping 'city'; correct the task's group")
    }


# Names that lead nowhere.


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"evaluators": ("liner", "knn")}, {"liner": "no evaluator 'liner'; did you mean linear", "knn": ""}),
        ({"evaluators": ("ridge", "knn")}, {"ridge": "'ridge' does not serve classification; it is for", "knn": ""}),
        ({"metric": "acuracy"}, dict.fromkeys(("linear", "knn"), "no metric 'acuracy'; did you mean accuracy")),
        ({"extra_metrics": ("r2",)}, dict.fromkeys(("linear", "knn"), "metric 'r2' does not score classification")),
    ],
)  # fmt: skip
def test_a_wrong_name_fails_its_own_cells_with_the_nearest_name(
    request_: EvaluationRequest, registry: Registry, changes: dict[str, Any], reasons: dict[str, str]
) -> None:
    task = replace(ZONE, name="misspelt", **changes)
    records = run(request_, registry, task, HEIGHT)
    found = by_probe([r for r in records if r.task == "misspelt"])
    assert found.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert found[name].status == ("failed" if reason else "ok")
        assert reason in found[name].reason
    assert by_probe(records)["ridge" if "ridge" not in found else "knn"].status == "ok"
    assert [r.status for r in records if r.task == HEIGHT.name] == ["ok"]


# What an evaluator may return.


def fails(message: str) -> Callable[[EvaluatorInput], Any]:
    def evaluate(data: EvaluatorInput) -> Any:
        raise RuntimeError(message)

    return evaluate


def returns(**output: Any) -> Callable[[EvaluatorInput], Any]:
    return lambda data: EvaluatorOutput(**output)


RIGHT = np.zeros(40, dtype=np.int64)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (fails("boom"), "): RuntimeError: boom (see theirs.traceback.txt)"),
        ("nowhere:evaluate", "evaluator 'theirs' (nowhere:evaluate): ModuleNotFoundError: No module named 'nowhere'"),
        (lambda data: RIGHT, "evaluator 'theirs': it returned ndarray, not EvaluatorOutput"),
        (returns(prediction=RIGHT[:-1]), "its prediction has shape (39,), wanted (40,)"),
        (returns(prediction=RIGHT + 0.5), "its prediction is float64, wanted whole numbers"),
        (returns(prediction=RIGHT, scores=np.ones((40, 2)) * np.nan, scores_are="decisions"), "are not finite (40"),
        (returns(prediction=RIGHT, params={"model": object()}), "its params cannot be recorded"),
    ],
)
def test_an_evaluator_that_goes_wrong_fails_its_own_cells_and_is_named(
    request_: EvaluationRequest, registry: Registry, function: Any, reason: str
) -> None:
    registry.add(THEIRS, evaluators=[evaluator(function)])
    found = by_probe(run(request_, registry, replace(ZONE, evaluators=("theirs", "knn"))))
    assert found["theirs"].status == "failed"
    assert reason in found["theirs"].reason
    assert found["knn"].status == "ok"


# Metrics.


@pytest.mark.parametrize(
    ("output", "wanted", "reason"),
    [
        ({}, "auc", "metric 'auc' needs scores, and evaluator 'theirs' returned no scores"),
        (
            {"scores": np.ones((40, 2)), "scores_are": "decisions"},
            "nll",
            "metric 'nll' needs probabilities, and evaluator 'theirs' returned decision values",
        ),
    ],
)
def test_a_metric_that_needs_what_the_evaluator_lacks_fails_with_both_names(
    request_: EvaluationRequest, registry: Registry, output: dict[str, Any], wanted: str, reason: str
) -> None:
    registry.add(THEIRS, evaluators=[evaluator(returns(prediction=RIGHT, **output))])
    found = by_probe(run(request_, registry, replace(ZONE, evaluators=("theirs", "linear"), extra_metrics=(wanted,))))
    hint = "; name another metric or evaluator in task 'world-zone'"
    assert (found["theirs"].status, found["theirs"].reason) == ("failed", reason + hint)
    assert wanted in found["linear"].metrics


def test_a_metric_that_raises_is_named(request_: EvaluationRequest, registry: Registry) -> None:
    def broken(target: np.ndarray, given: np.ndarray) -> float:
        raise ZeroDivisionError("nothing to divide by")

    registry.add(THEIRS, metrics=[metric(broken)])
    records = run(request_, registry, replace(ZONE, extra_metrics=("theirs",)), HEIGHT)
    assert records[0].reason.startswith("metric 'theirs' (")
    assert "): ZeroDivisionError: nothing to divide by (see " in records[0].reason
    assert [r.status for r in records] == ["failed", "failed", "ok"]


def test_a_plugins_metric_is_recorded_with_direction_version_and_unit(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def error(target: np.ndarray, given: np.ndarray) -> np.ndarray:
        return np.abs(target - given) * 111

    registry.add(THEIRS, metrics=[metric(error, higher_is_better=False, unit="km")])
    (record,) = run(request_, registry, replace(HEIGHT, metric="theirs", extra_metrics=("mae",)))
    value = record.headline_value
    assert value is not None
    assert value.value == pytest.approx(record.metrics["mae"].value * 111)
    assert value.low < value.value < value.high
    assert (value.higher_is_better, value.version, value.unit) == (False, 1, "km")


@pytest.mark.parametrize("change", [{"version": 99}, {"higher_is_better": False}, {"least": -1.0}])
def test_another_version_direction_or_bound_of_a_metric_is_computed_again(
    request_: EvaluationRequest, registry: Registry, change: dict[str, Any]
) -> None:
    run(request_, registry, ZONE)
    assert {cell.state for cell in make_plan(request_, registry).cells} == {"cached"}
    registry.metrics["macro_f1"] = replace(registry.metrics["macro_f1"], **change)
    assert {cell.state for cell in make_plan(request_, registry).cells} == {"todo"}


# Scores in the files.


def test_scores_are_kept_in_single_precision_and_reproduce_the_metric(
    request_: EvaluationRequest, registry: Registry
) -> None:
    models = [replace(SHADES, name=name) for name in ("a", "b")]
    registry.add(THEIRS, models=models)
    records = run(replace(request_, models=models), registry, replace(ZONE, metric="nll", evaluators=("linear",)))
    found = load_predictions(records[0], request_.results)
    assert found.scores is not None
    assert (found.scores.dtype, found.scores.shape, found.scores_are) == (np.float32, (40, 2), "probabilities")
    (made,) = compare_models(records, "a")
    (contrast,) = made.contrasts.values()
    assert contrast.estimate.value == 0


@pytest.mark.parametrize(("metric_name", "kept"), [("accuracy", False), ("nll", True)])
def test_many_scores_are_kept_only_where_a_metric_needs_them(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch, metric_name: str, kept: bool
) -> None:
    monkeypatch.setattr("gairbench.predictions.UNNEEDED", 79)
    (record,) = run(request_, registry, replace(ZONE, metric=metric_name, extra_metrics=(), evaluators=("linear",)))
    assert (load_predictions(record, request_.results).scores is not None) is kept


# What a plugin cannot change.


def test_a_metric_that_writes_fails_and_the_saved_predictions_of_others_are_as_predicted(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def sorts(target: np.ndarray, given: np.ndarray) -> float:
        target.sort()
        return float((target == given).mean())

    def overwrites(target: np.ndarray, given: np.ndarray) -> float:
        given[:] = target
        return 1.0

    for name, function in (("sorts", sorts), ("overwrites", overwrites)):
        registry.add(THEIRS, metrics=[replace(metric(function), name=name)])
        (record,) = run(
            request_, registry, replace(ZONE, name=f"by-{name}", evaluators=("linear",), extra_metrics=(name,))
        )
        assert record.status == "failed"
        assert f"metric {name!r} (" in record.reason
        assert "read-only" in record.reason


@pytest.mark.parametrize("what", ["features", "targets", "groups"])
def test_an_evaluator_that_writes_to_what_it_is_given_fails_by_name(
    request_: EvaluationRequest, registry: Registry, what: str
) -> None:
    def writes(data: EvaluatorInput) -> EvaluatorOutput:
        array = getattr(data, what)["train"]
        array[:] = array[::-1].copy()
        return EvaluatorOutput(prediction=np.zeros(len(data.features["test"]), dtype=np.int64))

    registry.add(THEIRS, datasets=[GROUPED], evaluators=[evaluator(writes)])
    task = replace(ZONE, dataset=GROUPED, group="hemisphere", evaluators=("theirs",))
    (record,) = run(request_, registry, task)
    assert record.status == "failed"
    assert record.reason.startswith("evaluator 'theirs' (")
    assert "read-only" in record.reason


def test_arrays_of_whoever_gives_them_stay_writable() -> None:
    features = {"train": np.zeros((3, 2)), "test": np.zeros((3, 2))}
    data = EvaluatorInput(
        kind=Kind.REGRESSION,
        features=features,
        targets={},
        class_names=(),
        groups={"train": None},
        mask_size=None,
        seed=0,
        device="cpu",
    )
    assert not data.features["train"].flags.writeable
    features["train"][0] = 1
    assert data.features["train"][0, 0] == 1
