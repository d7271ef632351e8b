"""Whose groups are independent of each other: what drew the splits, then the task's, then the dataset's grouping."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import generated
import numpy as np
import pytest
from generated import SHADES, TASKS, World, carry_out

from gairbench import DatasetSpec, EvaluatorSpec, Kind, LocationInput, MetricSpec, TaskSpec
from gairbench.data import ArraySplit
from gairbench.errors import DataError
from gairbench.evaluation.groupings import groups_of, samples_digest
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.intervals import interval, jackknife_freedom, jackknife_variance
from gairbench.plugins import Origin, Registry
from gairbench.predictions import load_predictions
from gairbench.results import Result
from gairbench.split_choice import SplitChoice
from gairbench.splitting import block_split

ZONE, TAGS, HEIGHT, MASK, PAIRS, FUSED = TASKS
THEIRS = Origin("theirs", "their-dist", "1.0")

SPLIT_NAMES = ("train", "val", "test")
LONLAT = np.array([[12.0, 41.0], [13.0, 42.0], [-70.0, 5.0], [100.0, -33.0]])
GROUPS = {"city": np.array(["a", "a", "b", "c"]), "country": np.array(["x", "x", "x", "x"])}
ROWS = {name: np.array([0, 2, 3]) for name in SPLIT_NAMES}


def splits(groups: dict[str, np.ndarray] | None = None) -> dict[str, ArraySplit]:
    ids = ["0", "1", "2", "3"]
    return {name: ArraySplit(ids, {"lonlat": LONLAT}, {}, GROUPS if groups is None else groups) for name in SPLIT_NAMES}


def grouped(registry: Registry, split: str, *, task: str = "", dataset: str = "", **more: Any) -> tuple[str, Any]:
    spec = replace(ZONE, group=task, dataset=replace(ZONE.dataset, group=dataset, **more))
    name, groups = groups_of(spec, SplitChoice.of(split, registry.split_policies), splits(), ROWS)
    assert groups.keys() == set(SPLIT_NAMES)
    test = groups["test"]
    return name, None if test is None else test.tolist()


def test_what_was_drawn_comes_first_then_the_task_then_the_dataset(registry: Registry) -> None:
    assert grouped(registry, "published") == ("", None)
    assert grouped(registry, "published", dataset="city") == ("city", ["a", "b", "c"])
    assert grouped(registry, "published", task="country", dataset="city") == ("country", ["x", "x", "x"])
    assert grouped(registry, "leave:city", task="country") == ("city", ["a", "b", "c"])
    assert grouped(registry, "random", task="country", dataset="city") == ("", None)
    name, cells = grouped(registry, "blocks:20", dataset="country")
    assert name == "blocks:20"
    assert len({*cells}) == 3


def test_a_policy_of_a_plugin_that_says_nothing_leaves_the_dataset_s_grouping(registry: Registry) -> None:
    policies = {
        **registry.split_policies,
        "theirs": replace(registry.split_policies["random"], name="theirs", draws=""),
    }
    spec = replace(ZONE, dataset=replace(ZONE.dataset, group="city"))
    name, _ = groups_of(spec, SplitChoice.of("theirs", policies), splits(), ROWS)
    assert name == "city"


def test_the_samples_of_a_group_that_alone_is_tested_on_are_not_one_unit(registry: Registry) -> None:
    assert grouped(registry, "leave:country=x") == ("", None)
    assert grouped(registry, "leave:country=x", dataset="city") == ("city", ["a", "b", "c"])


def test_cells_need_no_more_than_places_in_any_order(registry: Registry) -> None:
    name, cells = grouped(registry, "published", dataset="blocks:10")
    assert (name, cells) == ("blocks:10", ["19 13", "11 9", "28 5"])
    flipped = (LocationInput(order="latlon"),)
    spec = replace(ZONE, dataset=replace(ZONE.dataset, group="blocks:10", delivers=flipped))
    turned = {name: ArraySplit(list("0123"), {"lonlat": LONLAT[:, ::-1]}, {}) for name in SPLIT_NAMES}
    assert groups_of(spec, SplitChoice(), turned, ROWS)[1]["test"].tolist() == cells  # type: ignore[union-attr]


def test_cells_are_those_that_blocks_are_drawn_by(registry: Registry) -> None:
    rng = np.random.default_rng(0)
    lonlat = np.stack([rng.uniform(-180, 180, 500), rng.uniform(-90, 90, 500)], axis=1)
    names = block_split(lonlat, 30, (0.6, 0.2, 0.2), seed=1)
    split = ArraySplit([str(i) for i in range(500)], {"lonlat": lonlat}, {})
    _, groups = groups_of(
        replace(ZONE, dataset=replace(ZONE.dataset, group="blocks:30")),
        SplitChoice(),
        dict.fromkeys(SPLIT_NAMES, split),
        {name: np.flatnonzero(names == name) for name in SPLIT_NAMES},
    )
    train, val, test = ({*groups[name].tolist()} for name in SPLIT_NAMES)  # type: ignore[union-attr]
    assert len(train) + len(val) + len(test) == len(train | val | test)
    assert len(train | val | test) > 60


@pytest.mark.parametrize(
    ("task", "dataset", "why"),
    [
        ("town", "", "split 'train' of dataset 'world' has no grouping 'town'; correct the task's group"),
        ("", "town", "split 'train' of dataset 'world' has no grouping 'town'; correct the dataset's group"),
        ("", "blocks:wide", "has no grouping 'blocks:wide'"),
    ],
)
def test_a_grouping_that_is_not_served_is_a_clear_error(registry: Registry, task: str, dataset: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        grouped(registry, "published", task=task, dataset=dataset)


def test_groups_that_are_not_one_a_sample_are_refused(registry: Registry) -> None:
    class Short(ArraySplit):
        def groups(self, name: str) -> np.ndarray:
            return np.array(["a"])

    spec = replace(ZONE, group="city")
    short = Short(list("0123"), {"lonlat": LONLAT}, {})
    with pytest.raises(DataError, match=r"groups of shape \(1,\) for 4 samples"):
        groups_of(spec, SplitChoice(), dict.fromkeys(SPLIT_NAMES, short), ROWS)


# What a run makes of it.


class Striped(World):
    """The world in six stripes."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        stripe = np.array([f"stripe {int((lon + 180) // 60)}" for lon in split._inputs["lonlat"][:, 0]])
        return ArraySplit(split.ids, split._inputs, split._targets, {"stripe": stripe})


STRIPED = DatasetSpec(name="striped", version=1, factory=Striped, delivers=generated.DATASET.delivers, group="stripe")


def run(request: EvaluationRequest, registry: Registry, task: TaskSpec, seen: list[EvaluatorInput]) -> Result:
    def look(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        return EvaluatorOutput(prediction=np.asarray(data.features["test"][:, 0], dtype=np.float64))

    spec = EvaluatorSpec(name="look", version=1, factory=look, kinds=frozenset({Kind.REGRESSION}))
    registry.add(THEIRS, tasks=[task], evaluators=[spec], datasets=[STRIPED])
    (record,) = carry_out(replace(request, tasks=[task]), registry)
    assert record.status == "ok", record.reason
    return record


def test_the_record_says_the_grouping_and_how_many_groups_each_split_has(
    request_: EvaluationRequest, registry: Registry
) -> None:
    task = replace(HEIGHT, name="striped-height", dataset=STRIPED, evaluators=("look",), extra_metrics=())
    seen: list[EvaluatorInput] = []
    record = run(request_, registry, task, seen)
    assert record.grouping == "stripe"
    assert record.groups == {"train": 6, "val": 6, "test": 6}
    groups = seen[0].groups
    assert {name: len(groups[name]) for name in groups} == record.n  # type: ignore[arg-type]
    split = Striped(None).split("test")  # type: ignore[arg-type]
    assert record.samples == samples_digest(list(split.ids), split.target("height"), split.groups("stripe"))


def test_another_grouping_embeds_nothing_again_and_evaluates_again(
    request_: EvaluationRequest, registry: Registry
) -> None:
    task = replace(HEIGHT, name="striped-height", dataset=STRIPED, extra_metrics=())
    registry.add(THEIRS, tasks=[task], datasets=[STRIPED])
    asked = replace(request_, tasks=[task])
    carry_out(asked, registry)
    assert {cell.state for cell in make_plan(asked, registry).cells} == {"cached"}
    other = replace(asked, tasks=[replace(task, dataset=replace(STRIPED, group=""))])
    (cell, *_) = make_plan(other, registry).cells
    assert cell.state == "todo"
    assert all(embedding.cached for embedding in cell.embeddings)


# What the record says of a metric.


def test_the_interval_is_over_groups_and_the_record_holds_the_metric_without_each(
    request_: EvaluationRequest, registry: Registry
) -> None:
    task = replace(HEIGHT, name="striped-height", dataset=STRIPED, evaluators=("look",), metric="mae")
    record = run(request_, registry, task, [])
    found = load_predictions(record, request_.results)
    split = Striped(None).split("test")  # type: ignore[arg-type]
    stripe = split.groups("stripe")
    wrong = np.abs(found.target - found.prediction)
    expected = [wrong[stripe != one].mean() for one in np.unique(stripe)]
    np.testing.assert_allclose(record.jackknife, expected)
    value = record.metrics["mae"]
    assert value.error == pytest.approx(math.sqrt(jackknife_variance(expected)))
    assert (value.least, value.most) == (0.0, None)
    freedom = jackknife_freedom(expected, grouped=True)
    assert (value.low, value.high) == interval(value.value, value.error, freedom, units=6, least=0.0)  # type: ignore[arg-type]
    assert record.units == 6
    assert all(other.error is not None for other in record.metrics.values())


def test_single_samples_are_units_without_a_grouping_and_no_seed_changes_the_interval(
    request_: EvaluationRequest, registry: Registry
) -> None:
    task = replace(HEIGHT, name="alone-height", evaluators=("look",), metric="mae", extra_metrics=())
    first = run(request_, registry, task, [])
    (second,) = carry_out(replace(request_, tasks=[task], seeds=(1,), models=[replace(SHADES, seeded=False)]), registry)
    assert len(first.jackknife) == first.n["test"] == first.units
    assert first.samples == second.samples
    assert (first.jackknife, first.metrics) == (second.jackknife, second.metrics)


def test_one_group_alone_gives_no_standard_error(request_: EvaluationRequest, registry: Registry) -> None:
    class One(World):
        def split(self, name: str) -> ArraySplit:
            split = super().split(name)
            return ArraySplit(split.ids, split._inputs, split._targets, {"whole": np.array([name] * len(split))})

    dataset = DatasetSpec(name="one", version=1, factory=One, delivers=generated.DATASET.delivers, group="whole")
    task = replace(HEIGHT, name="one-height", dataset=dataset, evaluators=("look",), metric="within", extra_metrics=())
    within = MetricSpec(
        name="within",
        version=1,
        factory=lambda target, given: abs(target - given) < 1,
        kinds=frozenset({Kind.REGRESSION}),
        higher_is_better=True,
        least=0.0,
        most=1.0,
    )
    registry.add(THEIRS, datasets=[dataset], metrics=[within])
    record = run(request_, registry, task, [])
    assert record.jackknife == ()
    value = record.metrics["within"]
    assert (value.error, value.low, value.high) == (None, 0.0, 1.0)


def test_a_metric_beyond_its_bounds_fails_its_cell(request_: EvaluationRequest, registry: Registry) -> None:
    wrong = replace(registry.metrics["mae"], name="theirs", factory=lambda target, given: -1.0)
    registry.add(THEIRS, metrics=[wrong])
    task = replace(HEIGHT, metric="theirs", extra_metrics=())
    (record, *_) = carry_out(replace(request_, tasks=[task]), registry)
    assert record.status == "failed"
    assert "metric 'theirs' is -1, beyond its bounds 0 and inf; correct 'least' and 'most'" in record.reason


def test_queries_and_gallery_have_the_groups_of_the_pairs(request_: EvaluationRequest, registry: Registry) -> None:
    pairs = replace(PAIRS, name="striped-pairs", dataset=STRIPED)
    registry.add(THEIRS, tasks=[pairs], datasets=[STRIPED])
    (record,) = carry_out(replace(request_, tasks=[pairs]), registry)
    assert (record.grouping, record.groups) == ("stripe", {"test": 6})


def test_samples_differ_by_id_target_and_group_alone() -> None:
    ids, target, groups = ["a", "b"], np.array([1, 2]), np.array(["x", "y"])
    found = samples_digest(ids, target, groups)
    assert samples_digest(tuple(ids), target.astype(np.int32), groups.astype(object)) == found
    others = {
        samples_digest(["a", "c"], target, groups),
        samples_digest(["b", "a"], target, groups),
        samples_digest(ids, np.array([1, 3]), groups),
        samples_digest(ids, np.array([1.0, 2.0]), groups),
        samples_digest(ids, target, np.array(["x", "z"])),
        samples_digest(ids, target, None),
        samples_digest(["a,b", ""], target, groups),
    }
    assert len(others | {found}) == 8


def test_samples_of_masks_are_read_block_by_block() -> None:
    masks = np.zeros((3, 1100, 1100), dtype=np.uint8)
    found = samples_digest(list("abc"), masks, None)
    masks[2, 5, 5] = 1
    assert samples_digest(list("abc"), masks, None) != found
