"""Runs that are confined to the samples that models of existing embeddings have."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generated import DATASET, LOOKED_UP, SHADES, SIZES, TASKS, Shades, World
from torch import Tensor

import gairbench
from gairbench import (
    DataContext,
    Kind,
    ModelContext,
    ModelSpec,
    Representation,
    TaskSpec,
)
from gairbench.batch import Batch
from gairbench.commands.run import _describe
from gairbench.digests import digest
from gairbench.errors import InputMismatchError, UsageError
from gairbench.evaluation.cells import EmbedJob
from gairbench.evaluation.coverage import Covered, check_covers, covered_rows
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.plugins import BUILTIN, Origin, Registry
from gairbench.predictions import load_predictions
from gairbench.published import FileWeights
from gairbench.representation import RS_TOKENS
from gairbench.results import Result, read_result
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS


class Product:
    """Has what stands for a sample, but for some."""

    holds = "some samples"
    without: dict[str, frozenset[str]] = {}  # noqa: RUF012
    looked_up: list[str] = []  # noqa: RUF012

    def __init__(self, context: ModelContext) -> None:
        self._name = context.model

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        assert batch.ids is not None
        Product.looked_up.append(self._name)
        lacking = self.without[self._name]
        return torch.tensor([[math.nan if i in lacking else float(i.split("-")[1])] for i in batch.ids])


PRODUCT = ModelSpec(
    name="product", version="1", factory=Product, presets=(LOOKED_UP,), licence="MIT", citation="generated"
)
OTHER = replace(PRODUCT, name="other-product")
SMALLER = {"product": frozenset({"train-3", "train-50", "test-7"}), "other-product": frozenset({"test-8"})}


@pytest.fixture(autouse=True)
def fresh_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Product, "without", SMALLER)
    monkeypatch.setattr(Product, "looked_up", [])
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))


def records(
    tmp_path: Path, models: Sequence[ModelSpec | str], task: TaskSpec = TASKS[0], **options: Any
) -> dict[str, Result]:
    found = gairbench.run(model=models, task=task, results=tmp_path / "results", quiet=True, **options)
    return {record.model: record for record in found.records if record.headline}


def ids_of(record: Result, tmp_path: Path) -> set[str]:
    return set(map(str, load_predictions(record, tmp_path / "results").ids))


def lacking(monkeypatch: pytest.MonkeyPatch, *ids: str, model: str = "product") -> None:
    monkeypatch.setattr(Product, "without", {**SMALLER, model: frozenset(ids)})


def ids_of_class(number: int, *splits: str) -> list[str]:
    world = World(DataContext(root=None, dataset=DATASET))
    return [
        one
        for name in splits
        for one, zone in zip(world.split(name).ids, world.split(name).target("zone"), strict=True)
        if zone == number
    ]


def test_all_models_are_evaluated_on_the_samples_that_a_product_has(tmp_path: Path) -> None:
    found = records(tmp_path, [PRODUCT, SHADES, "pixel-stats"], covered_by=PRODUCT)
    assert {record.status for record in found.values()} == {"ok"}, [record.reason for record in found.values()]
    for record in found.values():
        assert record.n == {"train": 88, "val": 30, "test": 39}
        assert record.n_whole == {"train": 90, "val": 30, "test": 40}
        assert record.covered_by == "product"
        assert ids_of(record, tmp_path) == {f"test-{i}" for i in range(SIZES["test"])} - {"test-7"}
        assert record.dropped == {
            "train": "2 samples that product does not cover",
            "test": "1 samples that product does not cover",
        }
    kept = {
        name: [one for i in range(SIZES[name]) if (one := f"{name}-{i}") not in SMALLER["product"]] for name in SPLITS
    }
    assert {record.subset for record in found.values()} == {digest(ids=kept)}


def test_whole_runs_stay_what_they_are_and_lend_their_embeddings(tmp_path: Path) -> None:
    before = records(tmp_path, [PRODUCT, SHADES])
    assert (before["product"].status, before["shades"].n["test"]) == ("skipped", 40)
    calls = Shades.calls
    covered = records(tmp_path, [PRODUCT, SHADES], covered_by=PRODUCT)
    assert Shades.calls == calls, "what an encoder computes does not depend on the samples that take part"
    assert covered["shades"].key != before["shades"].key
    assert covered["shades"].metrics != before["shades"].metrics
    again = records(tmp_path, [PRODUCT, SHADES])
    assert (again["shades"], again["product"].status) == (before["shades"], "skipped")
    assert (again["shades"].covered_by, again["shades"].subset, again["shades"].n_whole) == ("", "", {})


def test_a_finished_cell_is_reused_until_the_product_covers_other_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = records(tmp_path, [SHADES], covered_by=PRODUCT)["shades"]
    assert Product.looked_up
    Product.looked_up.clear()
    assert records(tmp_path, [SHADES], covered_by=PRODUCT)["shades"] == first
    assert not Product.looked_up
    lacking(monkeypatch, "test-9")
    changed = records(tmp_path, [SHADES], covered_by=replace(PRODUCT, version="2"))["shades"]
    assert (changed.n["train"], changed.key != first.key, changed.subset != first.subset) == (90, True, True)


def test_several_products_are_compared_on_what_all_of_them_have(tmp_path: Path) -> None:
    found = records(tmp_path, [PRODUCT, OTHER, SHADES], covered_by=[PRODUCT, OTHER])
    assert {record.n["test"] for record in found.values()} == {38}
    assert found["shades"].covered_by == "product & other-product"


def test_a_product_that_lacks_what_another_has_is_skipped_with_their_number(tmp_path: Path) -> None:
    found = records(tmp_path, [PRODUCT, OTHER], covered_by=PRODUCT)
    assert found["product"].status == "ok"
    assert found["other-product"].status == "skipped"
    assert found["other-product"].reason.startswith(
        "no embedding of some samples (test: 1 of 39, as 'test-8'); there are some samples; "
    )


def test_too_few_samples_are_a_skip_of_every_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking(monkeypatch, *(f"test-{i}" for i in range(31)))
    for record in records(tmp_path, [PRODUCT, SHADES], covered_by=PRODUCT).values():
        assert record.status == "skipped"
        assert record.reason == "product covers 9 of 40 samples of split 'test', fewer than 10"


@pytest.mark.parametrize(("there", "refused"), [(4, False), (3, True)])
def test_of_a_split_that_is_small_already_half_must_be_there(there: int, refused: bool) -> None:
    covered = Covered("product", {"val": np.arange(8) < there})
    with pytest.raises(InputMismatchError, match=r"3 of 8 .* fewer than 4") if refused else nullcontext():
        kept = covered.kept("val", Kind.REGRESSION, np.ones(8, dtype=bool), np.arange(8.0), ())
        assert kept.sum() == there


@pytest.mark.parametrize(("split", "refused"), [("train", True), ("val", False), ("test", True)])
def test_a_class_that_is_lost_is_a_skip(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str, refused: bool
) -> None:
    lost = ids_of_class(1, split)
    lacking(monkeypatch, *lost)
    record = records(tmp_path, [SHADES], covered_by=PRODUCT)["shades"]
    left = SIZES[split] - len(lost)
    assert (record.status == "skipped") is refused, record.reason
    if refused:
        assert (
            record.reason
            == f"product covers {left} of {SIZES[split]} samples of split {split!r}, and none of class 'south'"
        )


def test_the_samples_are_the_same_however_they_are_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = [f"{name}-{i}" for name in SPLITS for i in range(0, SIZES[name], 3)]
    lacking(monkeypatch, *without)
    published = records(tmp_path, [SHADES], covered_by=PRODUCT)["shades"]
    drawn = records(tmp_path, [SHADES], covered_by=PRODUCT, split="random")["shades"]
    assert (drawn.status, sum(drawn.n.values()), sum(drawn.n_whole.values())) == ("ok", 160 - len(without), 160)
    assert drawn.subset == published.subset
    assert not ids_of(drawn, tmp_path) & {*without}


def test_parts_of_the_labels_are_of_the_samples_that_are_covered(tmp_path: Path) -> None:
    record = records(tmp_path, [SHADES], covered_by=PRODUCT, labels="5-shot")["shades"]
    assert (record.n["train"], record.n_whole["train"]) == (10, 90)
    assert record.dropped["train"] == ("2 samples that product does not cover; 78 samples outside 5-shot of the labels")


def test_tasks_that_a_product_cannot_serve_are_skipped_for_every_model(tmp_path: Path) -> None:
    ranks = records(tmp_path, [SHADES], TASKS[4], covered_by=PRODUCT)["shades"]
    assert (ranks.status, ranks.reason) == (
        "skipped",
        "no samples are covered by product: retrieval ranks all samples of a split",
    )
    photos = records(tmp_path, [SHADES], TASKS[2], covered_by=PRODUCT)["shades"]
    assert photos.status == "skipped"
    assert photos.reason == "no samples are covered by product: product has no sv encoder"


def test_an_evaluator_that_nobody_knows_leaves_no_cell_over_all_samples(tmp_path: Path) -> None:
    task = replace(TASKS[0], evaluators=("unheard-of", "linear"))
    found = gairbench.run(model=SHADES, task=task, results=tmp_path / "results", covered_by=PRODUCT, quiet=True)
    by_probe = {record.probe: record for record in found.records}
    assert by_probe["linear"].status == "skipped"
    assert "no samples are covered by product: no evaluator 'unheard-of'" in by_probe["linear"].reason


def test_a_class_that_masks_lose_is_a_skip() -> None:
    target = np.zeros((40, 4, 4), dtype=np.uint8)
    target[3] = 1
    covered = Covered("product", {"train": np.arange(40) != 3})
    with pytest.raises(InputMismatchError, match="39 of 40 samples of split 'train', and none of class 'b'"):
        covered.kept("train", Kind.SEGMENTATION, np.ones(40, dtype=bool), target, ("a", "b"))
    target[4] = 1
    assert covered.kept("train", Kind.SEGMENTATION, np.ones(40, dtype=bool), target, ("a", "b")).sum() == 39


def test_masks_of_samples_that_are_not_covered_take_no_part(tmp_path: Path) -> None:
    class Grids(Product):
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            return super().encode(batch, wanted)[:, :, None, None].expand(-1, -1, 4, 4).clone()

    preset = replace(LOOKED_UP, offers=(RS_TOKENS,))
    grids = replace(PRODUCT, factory=Grids, presets=(preset,))
    found = records(tmp_path, [grids, SHADES], TASKS[3], covered_by=grids)
    for record in found.values():
        assert (record.status, record.n["train"], record.n_whole["train"]) == ("ok", 88, 90), record.reason
        assert load_predictions(record, tmp_path / "results").target.shape[0] == 39


def test_evaluators_that_train_the_model_learn_from_covered_samples_alone(tmp_path: Path) -> None:
    record = records(tmp_path, [SHADES], replace(TASKS[0], evaluators=("linear", "finetune")), covered_by=PRODUCT)
    assert record["shades"].n["train"] == 88
    path = next((tmp_path / "results").rglob("finetune.json"))
    assert read_result(path).n == {"train": 88, "val": 30, "test": 39}, read_result(path).reason


def test_a_product_that_is_broken_fails_what_depends_on_it(tmp_path: Path) -> None:
    class Broken(Product):
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            raise ValueError("it is broken")

    record = records(tmp_path, [SHADES], covered_by=replace(PRODUCT, factory=Broken))["shades"]
    assert record.status == "failed"
    assert "it is broken" in record.reason


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("pixel-stats", "'pixel-stats', which computes an embedding of every sample"),
        ("compose(rs=pixel-stats, location=lonlat)", "a composition; name the part that looks samples up"),
    ],
)
def test_a_model_that_encodes_says_nothing_about_samples(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        records(tmp_path, [SHADES], covered_by=[name])


class Knowing:
    """A factory that knows what its model lacks."""

    def __call__(self, context: ModelContext) -> Product:
        raise AssertionError("the model is built")

    def lacking(self, ids: Sequence[str]) -> tuple[Sequence[str], str]:
        return [one for one in ids if one in set(ids_of_class(0, *SPLITS))], "the south"


def test_what_ids_show_to_be_lost_is_a_skip_when_planned(registry: Registry, request_: EvaluationRequest) -> None:
    known = replace(PRODUCT, factory=Knowing())
    registry.add(Origin("own", "own-dist", "1"), models=[known])
    ours = replace(TASKS[0], name="ours")
    registry.add(Origin(next(iter(BUILTIN)), "gairbench", "1"), tasks=[ours])
    plan = make_plan(replace(request_, covered_by=(known,), tasks=[ours]), registry)
    assert {cell.state for cell in plan.cells} == {"skipped"}, (
        "whole tasks of ours are known to be right, parts are not"
    )
    for splits in ((SplitChoice(),), (SplitChoice.of("random", registry.split_policies),)):
        plan = make_plan(replace(request_, covered_by=(known,), splits=splits), registry)
        assert {cell.state for cell in plan.cells} == {"skipped"}, splits
        assert "none of class 'north'" in plan.cells[0].reason
        assert plan.jobs == ()


def test_a_product_that_cannot_be_used_ends_all_tasks_as_it_ends_its_own_cells(
    registry: Registry, request_: EvaluationRequest, tmp_path: Path
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("no configuration")

    away = replace(PRODUCT.presets[0], weights=FileWeights(path=tmp_path / "gone.pt"))
    for product, state, why in (
        (replace(PRODUCT, configuration=broken), "failed", "model 'product': ValueError: no configuration"),
        (replace(PRODUCT, presets=(away,)), "skipped", "its weights are not here; put them at "),
    ):
        registry.add(Origin("own", "own-dist", "1"), models=[replace(product, name=f"{state}-product")])
        named = registry.models[f"{state}-product"]
        cells = make_plan(replace(request_, covered_by=(named,)), registry).cells
        assert {cell.state for cell in cells} == {state}
        assert all(why.replace("'product'", f"'{named.name}'") in cell.reason for cell in cells), cells[0].reason


def test_a_plan_shows_what_is_looked_up_and_can_be_sent(registry: Registry, request_: EvaluationRequest) -> None:
    registry.add(Origin("own", "own-dist", "1"), models=[PRODUCT])
    plan = make_plan(replace(request_, covered_by=(PRODUCT,)), registry)
    shown = _describe(plan)
    assert "look up product rs on world/train: todo" in shown
    assert "linear covered by product" in shown
    embed = [job for job in pickle.loads(pickle.dumps(plan.jobs)) if isinstance(job, EmbedJob)]
    assert [(job.model.name, len(job.embeddings)) for job in embed] == [("shades", 3), ("product", 3)]


def test_covered_rows_are_those_that_all_have() -> None:
    some, others = np.ones((3, 2), dtype=np.float32), np.ones((3, 1), dtype=np.float32)
    some[0, 1] = others[2, 0] = np.nan
    rows = covered_rows([("test", some), ("test", others)])
    assert rows["test"].tolist() == [False, True, False]


def test_every_split_that_lacks_something_is_counted() -> None:
    features = {"train": np.full((2, 1), np.nan), "val": np.ones((1, 1)), "test": np.array([[1], [np.nan]])}
    with pytest.raises(InputMismatchError, match=r"train: 2 of 2, as 'a', 'b'; test: 1 of 2, as 'e'.*there are few"):
        check_covers(features, {"train": ["a", "b"], "val": ["c"], "test": ["d", "e"]}, "few")


def test_numbers_need_no_class_names() -> None:
    covered = Covered("product", {"train": np.arange(20) > 4})
    kept = covered.kept("train", Kind.REGRESSION, np.ones(20, dtype=bool), np.arange(20.0), ())
    assert kept.sum() == 15
