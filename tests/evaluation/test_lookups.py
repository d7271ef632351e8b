"""Models of existing embeddings: what they are given, that nothing is read for nothing, and what they do not cover."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generated import DATASET, LOOKED_UP, SIZES, TASKS, World
from torch import Tensor

import gairbench
from gairbench import (
    DataContext,
    Kind,
    LocationInput,
    ModelContext,
    ModelSpec,
    Preset,
    Representation,
    TaskSpec,
    embedding,
)
from gairbench.batch import Batch, concatenate
from gairbench.data import ArraySplit
from gairbench.errors import NotCoveredError
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.feeding import plan_feed
from gairbench.limit import limited
from gairbench.plugins import Origin, Registry
from gairbench.protocols import LooksUp
from gairbench.results import Result
from gairbench.testing.model_checks import check_embeddings_are_finite
from gairbench.testing.model_declaration_checks import DECLARATION


class Numbers:
    """Has the number in a sample's id, of those that are not left out."""

    holds = "numbers from 0 to 89"
    without: frozenset[str] = frozenset()
    given: list[Batch] = []  # noqa: RUF012

    def __init__(self, context: ModelContext) -> None:
        del context

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        Numbers.given.append(batch)
        assert batch.ids is not None
        return torch.tensor([[math.nan if i in self.without else float(i.split("-")[1])] for i in batch.ids])


NUMBERS = ModelSpec(
    name="numbers", version="1", factory=Numbers, presets=(LOOKED_UP,), licence="MIT", citation="generated"
)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Numbers, "given", [])
    monkeypatch.setattr(Numbers, "without", frozenset())
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))


class Unreadable(World):
    """Its pixels must not be read."""

    def split(self, name: str) -> ArraySplit:
        found = super().split(name)
        return _Ids(found.ids, {}, {"zone": found.target("zone"), "height": found.target("height")})


class _Ids(ArraySplit):
    def __getitem__(self, index: int) -> dict[str, Any]:
        raise AssertionError(f"sample {index} is read")


UNREADABLE = replace(DATASET, name="unreadable", factory=Unreadable)


def headline(task: TaskSpec, tmp_path: Path, model: ModelSpec = NUMBERS) -> Result:
    found = gairbench.run(model=model, task=task, results=tmp_path / "results", quiet=True)
    return next(record for record in found.records if record.headline)


def test_a_model_that_looks_samples_up_is_given_their_ids_and_nothing_is_read(tmp_path: Path) -> None:
    task = replace(TASKS[0], dataset=UNREADABLE)
    record = headline(task, tmp_path)
    assert record.status == "ok", record.reason
    assert record.conversion == {"rs": {"looked up by": ["id"]}}
    assert {one for batch in Numbers.given for one in batch.ids or ()} == {
        f"{name}-{i}" for name in ("train", "val", "test") for i in range(SIZES[name])
    }
    assert all(not batch.images and batch.lonlat is None for batch in Numbers.given)


def test_ids_keep_their_order_over_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "BATCH", 7)
    headline(replace(TASKS[0], dataset=UNREADABLE), tmp_path)
    given = [one for batch in Numbers.given for one in batch.ids or ()]
    assert [one for one in given if one.startswith("train")] == [f"train-{i}" for i in range(SIZES["train"])]


def test_places_and_boxes_are_given_where_they_are_asked_for() -> None:
    preset = replace(LOOKED_UP, needs=frozenset({"lonlat"}), wants=frozenset({"bbox"}))
    feed = plan_feed("numbers", preset, DATASET, "rs")
    split = World(DataContext(root=None, dataset=DATASET)).split("test")
    batch = feed.batch([split[0], split[1]], ["a", "b"])
    assert batch.ids is None
    assert not batch.images
    assert batch.lonlat is not None
    assert batch.bbox is not None
    np.testing.assert_array_equal(batch.lonlat[1].numpy(), split[1]["lonlat"].numpy())
    np.testing.assert_array_equal(batch.bbox[1].numpy(), split[1]["bbox"].numpy())


def test_a_lookup_at_a_point_needs_no_box_that_nobody_asked_for() -> None:
    feed = plan_feed("numbers", LOOKED_UP, replace(DATASET, delivers=DATASET.delivers[:1]), "rs", form="query")
    assert feed.given == {"id"}
    assert not feed.reads_samples


def test_an_encoder_is_not_given_ids() -> None:
    preset = Preset(name="default", inputs=DATASET.delivers, needs=frozenset({"id"}))
    for entry in ("rs", "location"):
        assert "id" not in plan_feed("m", preset, DATASET, entry).given


def test_a_model_that_needs_places_is_skipped_where_the_data_have_none(tmp_path: Path) -> None:
    preset = replace(LOOKED_UP, needs=frozenset({"lonlat"}))
    task = replace(TASKS[0], dataset=replace(UNREADABLE, delivers=DATASET.delivers[:1]))
    record = headline(task, tmp_path, replace(NUMBERS, presets=(preset,)))
    assert record.status == "skipped"
    assert "needs coordinates" in record.reason


def test_samples_that_are_not_there_skip_the_cell_with_their_number_over_all_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Numbers, "without", frozenset({"train-3", "train-50", "test-7"}))
    record = headline(TASKS[0], tmp_path)
    assert record.status == "skipped"
    assert record.reason.startswith(
        "no embedding of some samples (train: 2 of 90, as 'train-3', 'train-50'; test: 1 of 40, as 'test-7'); there are"
        " numbers from 0 to 89; "
    )
    assert record.metrics == {}


class Knowing:
    """A factory that knows what its model lacks."""

    asked: list[int] = []  # noqa: RUF012

    def __call__(self, context: ModelContext) -> Numbers:
        raise AssertionError("the model is built")

    def lacking(self, ids: Sequence[str]) -> tuple[Sequence[str], str]:
        Knowing.asked.append(len(ids))
        return [one for one in ids if one.endswith("-7")], "all but those that end in 7"


def test_what_a_factory_knows_to_be_missing_skips_cells_when_they_are_planned(
    registry: Registry, request_: EvaluationRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Knowing, "asked", [])
    task = replace(TASKS[0], name="unreadable-zone", dataset=UNREADABLE)
    registry.add(Origin("own", "own-dist", "1"), models=[replace(NUMBERS, factory=Knowing())], tasks=[task])
    plan = make_plan(replace(request_, models=[registry.models["numbers"]], tasks=[task], limit=30), registry)
    assert {cell.state for cell in plan.cells} == {"skipped"}
    assert plan.jobs == ()
    assert sorted(Knowing.asked) == [30, 30, 30], "each split once, as many as are evaluated"
    kept = {name: [f"{name}-{i}" for i in limited(SIZES[name], 30)] for name in ("train", "val", "test")}
    counts = [
        f"{name}: {len(found)} of 30, as {found[0]!r}"
        for name, ids in kept.items()
        if (found := [one for one in ids if one.endswith("-7")])
    ]
    assert plan.cells[0].reason.startswith(
        f"no embedding of some samples ({'; '.join(counts)}); there are all but those that end in 7"
    )


def test_a_class_with_such_a_method_is_not_asked(tmp_path: Path) -> None:
    class Confusing(Numbers):
        def lacking(self, ids: Sequence[str]) -> tuple[Sequence[str], str]:
            raise AssertionError("asked without an object")

    assert headline(TASKS[0], tmp_path, replace(NUMBERS, factory=Confusing)).status == "ok"


def test_what_an_encoder_computes_must_still_be_finite(tmp_path: Path) -> None:
    class Broken(Numbers):
        def encode_location(self, lonlat: Tensor) -> Tensor:
            return lonlat * math.nan

    preset = Preset(name="default", inputs=(LocationInput(),))
    record = headline(TASKS[1], tmp_path, replace(NUMBERS, factory=Broken, presets=(preset,)))
    assert record.status == "failed"
    assert "is not finite" in record.reason


def test_an_evaluator_that_trains_the_model_is_skipped_when_planned(tmp_path: Path) -> None:
    record = headline(replace(TASKS[0], evaluators=("finetune",)), tmp_path)
    assert record.status == "skipped"
    assert "has nothing to train" in record.reason


def test_geolocalization_refuses_places_and_takes_ids(tmp_path: Path) -> None:
    task = replace(TASKS[0], kind=Kind.GEOLOCALIZATION, metric="median_km", target="place", extra_metrics=())
    for needs, status in (({"lonlat"}, "skipped"), ({"id"}, "failed")):
        preset = replace(LOOKED_UP, needs=frozenset(needs))
        record = headline(task, tmp_path / status, replace(NUMBERS, presets=(preset,)))
        assert ("is given the sample's place" in record.reason) == (status == "skipped"), record.reason


def test_batches_carry_their_ids() -> None:
    one = Batch(images={}, ids=("a", "b", "c"))
    assert (len(one), one[1:].ids, one.to("cpu").ids) == (3, ("b", "c"), ("a", "b", "c"))
    assert concatenate([one, one[:1]]).ids == ("a", "b", "c", "a")


def test_an_error_of_coverage_survives_another_process() -> None:
    import pickle

    error = NotCoveredError(("a", "b", "c", "d"), 9, "some")
    again = pickle.loads(pickle.dumps(error))
    assert (again.missing, again.samples, str(again)) == (error.missing, 9, str(error))
    assert str(error).startswith("no embedding of 4 of 9 samples, as 'a', 'b', 'c'; there are some; ")


def test_the_suite_checks_its_declaration_and_skips_what_needs_samples_of_its_own() -> None:
    import unittest

    assert isinstance(Numbers(ModelContext(preset="default", seed=0)), LooksUp)
    for check in DECLARATION[:7]:
        check(NUMBERS)
    with pytest.raises(unittest.SkipTest, match="rs is looked up, and no generated sample"):
        check_embeddings_are_finite(NUMBERS, LOOKED_UP)
