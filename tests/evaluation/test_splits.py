"""Evaluating with other splits: one embedding for all, what is divided, recorded, reused, skipped and refused."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import numpy as np
import pytest
from generated import SHADES, TASKS, Shades, World, carry_out
from rich.console import Console

from gairbench import DatasetSpec, EvaluatorSpec, Kind, LocationInput, SplitPolicySpec, TaskSpec
from gairbench.data import ArraySplit
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.evaluation.sample_pool import SamplePool
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Origin, Registry
from gairbench.predictions import load_predictions
from gairbench.progress import Progress
from gairbench.results import Result, read_results
from gairbench.spec import SplitParameter
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS, SplitInput
from gairbench_leaderboard.leaderboard_page import render_leaderboard

ZONE, TAGS, HEIGHT, MASK, PAIRS, FUSED = TASKS
THEIRS = Origin("theirs", "their-dist", "1.0")
POOL = {f"{name}-{i}" for name in SPLITS for i in range(generated.SIZES[name])}


class Grouped(World):
    """The world in six stripes, as texts."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        stripe = np.array([f"stripe {int((lon + 180) // 60)}" for lon in split._inputs["lonlat"][:, 0]])
        return ArraySplit(split.ids, split._inputs, split._targets, {"stripe": stripe})


GROUPED = DatasetSpec(name="grouped", version=1, factory=Grouped, delivers=generated.DATASET.delivers)
GROUPED_ZONE = replace(ZONE, name="grouped-zone", dataset=GROUPED)


def places(dataset: type[World] = World) -> dict[str, np.ndarray]:
    """Return the place of every sample by its identifier."""
    found: dict[str, np.ndarray] = {}
    for name in SPLITS:
        split = dataset(None).split(name)  # type: ignore[arg-type]
        found |= dict(zip(split.ids, split._inputs["lonlat"], strict=True))
    return found


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.add(THEIRS, tasks=[GROUPED_ZONE])
    return registry


def run(request: EvaluationRequest, registry: Registry, *splits: str, **more: Any) -> list[Result]:
    request = asked(request, registry, *splits, **more)
    return carry_out(request, registry)


def asked(request: EvaluationRequest, registry: Registry, *splits: str, **more: Any) -> EvaluationRequest:
    return replace(request, splits=tuple(SplitChoice.of(text, registry.split_policies) for text in splits), **more)


def policy(divide: Callable[[SplitInput], Any], **changes: Any) -> SplitPolicySpec:
    return replace(SplitPolicySpec(name="theirs", version=1, factory=divide), **changes)


def look(seen: list[EvaluatorInput]) -> EvaluatorSpec:
    """Return an evaluator that keeps what it is given, and predicts the first feature."""

    def evaluate(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        return EvaluatorOutput(prediction=np.asarray(data.features["test"][:, 0], dtype=np.float64))

    return EvaluatorSpec(name="look", version=1, factory=evaluate, kinds=frozenset({Kind.REGRESSION}))


# What is divided.


def test_samples_are_divided_anew_and_embedded_once(request_: EvaluationRequest, registry: Registry) -> None:
    run(request_, registry, "published")
    calls = Shades.calls
    records = run(request_, registry, "random", "blocks:30")
    assert Shades.calls == calls
    for record in records:
        assert record.status == "ok", record.reason
        assert sum(record.n.values()) == len(POOL)
    shuffled, blocks = (
        next(r for r in records if r.split == split and r.headline) for split in ("random", "blocks:30")
    )
    assert list(shuffled.n.values()) == pytest.approx([90, 30, 40], abs=2)
    tested = load_predictions(shuffled, request_.results).ids.tolist()
    assert set(tested) <= POOL
    assert len({name.partition("-")[0] for name in tested}) == 3
    where = places()
    inside = {tuple(np.floor(where[name] / 30)) for name in load_predictions(blocks, request_.results).ids.tolist()}
    outside = {tuple(np.floor(where[name] / 30)) for name in POOL}
    assert len(inside) < len(outside)
    in_blocks = [name for name in POOL if tuple(np.floor(where[name] / 30)) in inside]
    assert sorted(in_blocks) == sorted(load_predictions(blocks, request_.results).ids.tolist())


@pytest.mark.parametrize("what", ["target", "published", "lonlat", "groups", "ids"])
def test_a_policy_that_writes_to_what_it_is_given_fails_and_changes_no_number(
    request_: EvaluationRequest, registry: Registry, what: str
) -> None:
    honest = run(request_, registry, "random", tasks=[GROUPED_ZONE])

    def writes(data: SplitInput) -> np.ndarray:
        given: Any = data.groups["stripe"] if what == "groups" else getattr(data, what)
        given[:] = given[::-1]
        return data.published

    registry.add(THEIRS, split_policies=[policy(writes, needs=("lonlat", "group:stripe"))])
    records = run(request_, registry, "theirs", "random", tasks=[GROUPED_ZONE], fresh=True)
    for failed in (r for r in records if r.split == "theirs"):
        assert failed.status == "failed"
        assert failed.reason.startswith("split policy 'theirs' (")
    again = [record.metrics for record in records if record.split == "random"]
    assert again == [record.metrics for record in honest]


def test_progress_names_split_and_seed(request_: EvaluationRequest, registry: Registry) -> None:
    said = io.StringIO()
    request = asked(request_, registry, "published", "random", seeds=(0, 3))
    run_plan(make_plan(request, registry), request, registry, Progress(Console(file=said, width=200)))
    for how in ("linear", "linear random", "linear seed 3", "linear random seed 3"):
        assert f"shades x world-zone ({how}): accuracy " in said.getvalue()


def test_groups_of_nearly_the_same_name_have_records_of_their_own(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def one_group(data: SplitInput) -> np.ndarray:
        stripes = np.unique(data.groups["stripe"])
        chosen = stripes[0] if data.parameter.endswith("a:b") else stripes[1]
        return np.where(data.groups["stripe"] == chosen, "test", np.where(data.published == "val", "val", "train"))

    takes = SplitParameter(name="GROUPING=GROUP", example="stripe=a")
    registry.add(THEIRS, split_policies=[policy(one_group, parameter=takes, needs=("group",))])
    records = run(request_, registry, "theirs:stripe=a:b", "theirs:stripe=a+b", tasks=[GROUPED_ZONE])
    assert [record.status for record in records] == ["ok"] * len(records)
    tested = {r.split: load_predictions(r, request_.results).ids.tolist() for r in records if r.headline}
    assert len(tested) == 2
    assert set(tested["theirs:stripe=a:b"]).isdisjoint(tested["theirs:stripe=a+b"])


def test_features_targets_and_groups_are_those_of_their_samples(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[EvaluatorInput] = []
    registry.add(THEIRS, evaluators=[look(seen)])
    # The features of location are the place itself.
    task = replace(
        FUSED,
        name="where",
        dataset=GROUPED,
        inputs=("location",),
        group="stripe",
        evaluators=("look",),
        extra_metrics=(),
    )
    registry.add(THEIRS, tasks=[task])
    (record,) = run(request_, registry, "leave:stripe", tasks=[task])
    assert record.status == "ok", record.reason
    (data,) = seen
    where = places(Grouped)
    # Standardized on the new train: that tells which places it has.
    train = np.array([where[name] for name in POOL])
    height = data.targets["train"]
    latitude = (height - 3) / 2
    scaled = (latitude - latitude.mean()) / latitude.std()
    np.testing.assert_allclose(data.features["train"][:, 1], scaled, atol=1e-4)
    val = ((data.targets["val"] - 3) / 2 - latitude.mean()) / latitude.std()
    np.testing.assert_allclose(data.features["val"][:, 1], val, atol=1e-4)
    assert len(height) < len(train)
    assert not {*data.groups["train"]} & {*data.groups["test"]}  # type: ignore[misc]
    ids = load_predictions(record, request_.results)
    assert [f"stripe {int((where[name][0] + 180) // 60)}" for name in ids.ids] == list(data.groups["test"])  # type: ignore[arg-type]
    np.testing.assert_allclose(ids.target, [where[name][1] * 2 + 3 for name in ids.ids])


def test_tokens_are_standardized_over_all_positions_and_not_at_each(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[EvaluatorInput] = []

    def evaluate(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        assert data.mask_size is not None
        return EvaluatorOutput(prediction=np.zeros((len(data.features["test"]), *data.mask_size), dtype=np.int64))

    registry.add(
        THEIRS,
        evaluators=[
            EvaluatorSpec(
                name="look", version=1, factory=evaluate, kinds=frozenset({Kind.SEGMENTATION}), needs="tokens"
            )
        ],
    )
    mask = next(task for task in generated.TASKS if task.kind is Kind.SEGMENTATION)
    (record,) = run(request_, registry, "published", tasks=[replace(mask, evaluators=("look",))])
    assert record.status == "ok", record.reason
    tokens = seen[0].features["train"]
    varied = tokens.std(axis=(0, 2, 3)) > 0
    np.testing.assert_allclose(tokens.mean(axis=(0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(tokens.std(axis=(0, 2, 3))[varied], 1, atol=1e-4)
    assert np.abs(tokens.mean(axis=0)).max() > 0.01


def test_a_named_group_is_all_of_test(request_: EvaluationRequest, registry: Registry) -> None:
    records = run(request_, registry, "leave:stripe=stripe 2", tasks=[GROUPED_ZONE])
    where = places(Grouped)
    for record in records:
        assert record.status == "ok", record.reason
        tested = {*load_predictions(record, request_.results).ids.tolist()}
        assert tested == {name for name, (lon, _) in where.items() if -60 <= lon < 0}


def test_the_seed_draws(request_: EvaluationRequest, registry: Registry) -> None:
    same = replace(SHADES, seeded=False)
    first, other = (
        load_predictions(r, request_.results).ids.tolist()
        for r in run(request_, registry, "random", seeds=(0, 1), models=[same], tasks=[HEIGHT])
    )
    assert first != other


@pytest.mark.parametrize("task", [TAGS, HEIGHT, MASK, FUSED], ids=lambda task: task.name)
def test_every_kind_of_task_can_be_divided(request_: EvaluationRequest, registry: Registry, task: TaskSpec) -> None:
    for record in run(request_, registry, "blocks:20", tasks=[task]):
        assert record.status == "ok", record.reason
        assert sum(record.n.values()) == len(POOL)


def test_parts_of_the_labels_are_parts_of_the_new_train(request_: EvaluationRequest, registry: Registry) -> None:
    labels = (LabelBudget(), LabelBudget.of("50%"))
    whole, half = (r for r in run(request_, registry, "random", labels=labels) if r.headline)
    assert (half.n["val"], half.n["test"]) == (whole.n["val"], whole.n["test"])
    assert whole.n["train"] / 2 <= half.n["train"] <= whole.n["train"] / 2 + 2
    assert "outside 50% of the labels" in half.dropped["train"]


def test_a_limit_is_of_the_new_splits_and_divides_as_a_whole_run(
    request_: EvaluationRequest, registry: Registry
) -> None:
    (whole, *_) = run(request_, registry, "random")
    (part, *_) = run(request_, registry, "random", limit=12)
    assert part.status == "ok", part.reason
    assert max(part.n.values()) <= 12
    trial = {*load_predictions(part, request_.results).ids.tolist()}
    assert trial <= {*load_predictions(whole, request_.results).ids.tolist()}


def test_a_limit_that_leaves_a_new_split_empty_says_so(request_: EvaluationRequest, registry: Registry) -> None:
    (failed, *_) = run(request_, registry, "leave:stripe=stripe 2", tasks=[GROUPED_ZONE], limit=1)
    assert (failed.status, "raise it" in failed.reason) == ("failed", True)


class WithoutVal(World):
    """Publishes no val."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        if name != "val":
            return split
        nothing = slice(0, 0)
        inputs, targets = ({k: v[nothing] for k, v in some.items()} for some in (split._inputs, split._targets))
        return ArraySplit([], inputs, targets)


def test_a_split_that_is_not_published_is_not_drawn_and_another_seed_is_not_advised(
    request_: EvaluationRequest, registry: Registry
) -> None:
    task = replace(HEIGHT, name="no-val-height", dataset=replace(generated.DATASET, name="no-val", factory=WithoutVal))
    registry.add(THEIRS, tasks=[task])
    (record, *_) = run(request_, registry, "random", tasks=[task])
    assert record.reason == (
        "split 'val' of random for dataset 'no-val' is empty; splits are drawn in the published sizes, and no sample is"
        " published in 'val'"
    )


class Far(World):
    """A third class, in the far north only, and places of latitude first."""

    def classes(self, target: str) -> tuple[str, ...]:
        return ("north", "south", "far") if target == "zone" else super().classes(target)

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        lonlat = split._inputs["lonlat"]
        zone = np.where(lonlat[:, 1] > 50, 2, split._targets["zone"])
        part = np.where(lonlat[:, 1] > 50, "far", np.where(lonlat[:, 0] > 0, "east", "west"))
        inputs = split._inputs | {"lonlat": lonlat[:, ::-1].copy()}
        return ArraySplit(split.ids, inputs, split._targets | {"zone": zone}, {"part": part})


FAR = DatasetSpec(
    name="far", version=1, factory=Far, delivers=(*generated.DATASET.delivers[:2], LocationInput(order="latlon"))
)


def test_samples_of_classes_that_the_new_train_lacks_are_left_out_and_counted(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def divide(data: SplitInput) -> np.ndarray:
        part = data.groups["part"]
        return np.where(part == "far", "test", np.where(data.published == "train", "train", data.published))

    task = replace(ZONE, name="far-zone", dataset=FAR)
    registry.add(THEIRS, tasks=[task], split_policies=[policy(divide, needs=("group:part",))])
    (record, *_) = run(request_, registry, "theirs", tasks=[task])
    assert record.status == "ok", record.reason
    far = sum(bool(lat > 50) for _, lat in places().values())
    assert record.dropped == {"test": f"{far} samples of classes that the train split of theirs lacks ('far')"}
    (only_far, *_) = run(request_, registry, "leave:part=far", tasks=[task])
    assert only_far.status == "failed"
    assert "has only classes that train lacks ('far')" in only_far.reason


def test_places_are_given_longitude_first(request_: EvaluationRequest, registry: Registry) -> None:
    found: list[SplitInput] = []

    def divide(data: SplitInput) -> np.ndarray:
        found.append(data)
        return data.published

    task = replace(HEIGHT, name="far-height", dataset=FAR)
    registry.add(THEIRS, tasks=[task], split_policies=[policy(divide, needs=("lonlat",))])
    (record, *_) = run(request_, registry, "theirs", tasks=[task])
    assert record.status == "ok", record.reason
    where = places()
    assert found[0].lonlat is not None
    np.testing.assert_array_equal(found[0].lonlat, [where[name] for name in found[0].ids])


@pytest.mark.parametrize(
    ("place", "why"),
    [((np.nan, 5.0), "nan"), ((np.inf, 5.0), "inf"), ((10.0, 95.0), "95"), ((300.0, 5.0), "300")],
)
def test_a_place_that_is_not_on_earth_is_refused_and_its_sample_named(
    request_: EvaluationRequest, registry: Registry, place: tuple[float, float], why: str
) -> None:
    class Lost(World):
        def split(self, name: str) -> ArraySplit:
            split = super().split(name)
            split.places = lambda: np.where(  # type: ignore[method-assign]
                np.arange(len(split))[:, None] == 3, place, split._inputs["lonlat"]
            )
            return split

    lost = replace(GROUPED, name="lost", factory=Lost)
    task = replace(ZONE, name="lost-zone", dataset=lost)
    registry.add(THEIRS, tasks=[task])
    for record in run(request_, registry, "blocks:30", tasks=[task]):
        assert record.status == "failed"
        assert "sample 'train-3' of dataset 'lost'" in record.reason
        assert why in record.reason


def test_samples_in_no_split_are_noted(request_: EvaluationRequest, registry: Registry) -> None:
    registry.add(THEIRS, split_policies=[policy(lambda data: np.where(np.arange(160) < 7, "", data.published))])
    (record, *_) = run(request_, registry, "theirs")
    assert record.n == {"train": 83, "val": 30, "test": 40}
    assert record.notes == {"split": "7 samples are in no split of theirs"}


def test_a_new_split_reads_samples_where_they_are() -> None:
    parts = {name: World(None).split(name) for name in SPLITS}  # type: ignore[arg-type]
    pool = SamplePool(generated.DATASET, parts)
    for position, name in ((0, "train-0"), (89, "train-89"), (90, "val-0"), (120, "test-0"), (159, "test-39")):
        assert pool.ids[position] == name
        np.testing.assert_array_equal(pool.sample(position)["lonlat"], places()[name])


# Records, keys, what is reused and shown.


def test_splits_have_records_of_their_own_that_are_reused(request_: EvaluationRequest, registry: Registry) -> None:
    alone = {r.probe: r.key for r in run(request_, registry, "published")}
    run(request_, registry, "random", "blocks:30")
    written = [r for r in read_results(request_.results) if r.status == "ok"]
    assert {r.split for r in written} == {"published", "random", "blocks:30"}
    assert {r.probe: r.key for r in written if r.split == "published"} == alone
    assert len({r.key for r in written}) == len(written)
    for record in written:
        ours = "" if record.split == "published" else "gairbench-split-policies (gairbench 1.0)"
        assert (record.split_version, record.split_origin) == (1, ours)
    again = make_plan(asked(request_, registry, "published", "random", "blocks:30"), registry)
    assert {cell.state for cell in again.cells} == {"cached"}
    page = render_leaderboard(written)
    assert "## Split blocks:30" in page
    assert page.index("## Remote sensing") < page.index("## Split blocks:30") < page.index("## Split random")


def test_version_parameter_and_code_of_a_policy_are_in_the_key(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(**changes: Any) -> str:
        registry.split_policies["theirs"] = policy(lambda data: data.published, **changes)
        registry.split_policy_origins["theirs"] = THEIRS
        return make_plan(asked(request_, registry, "theirs"), registry).cells[0].record.key

    def keys_of_blocks(*splits: str) -> set[str]:
        plan = make_plan(asked(request_, registry, *splits), registry)
        return {cell.record.key for cell in plan.cells if cell.record.headline}

    assert key() != key(version=2)
    assert len(keys_of_blocks("blocks:30", "blocks:30.0", "blocks:40")) == 2
    module = tmp_path / "their_policy.py"
    module.write_text("def divide(data):\n    return data.published\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = key(factory="their_policy:divide")
    module.write_text("def divide(data):\n    return data.published[:]\n")
    assert key(factory="their_policy:divide") != before


# What is skipped, refused and fails.


def test_retrieval_is_skipped_with_the_reason(request_: EvaluationRequest, registry: Registry) -> None:
    (record,) = run(request_, registry, "random", tasks=[PAIRS])
    assert (record.status, record.reason) == (
        "skipped", "retrieval has no training split to divide",
    )  # fmt: skip


class Nowhere(World):
    """The world without places and groupings."""

    def split(self, name: str) -> Any:
        return Bare(super().split(name))


class Bare:
    """A split with no more than what is required."""

    def __init__(self, split: ArraySplit) -> None:
        self.ids, self.target, self._split = split.ids, split.target, split

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self._split[index]


@pytest.mark.parametrize("task", [ZONE, MASK], ids=lambda task: task.name)
def test_what_a_dataset_lacks_is_a_visible_skip_that_computes_nothing(
    request_: EvaluationRequest, registry: Registry, task: TaskSpec
) -> None:
    bare = replace(task, name="bare", dataset=replace(generated.DATASET, name="nowhere", factory=Nowhere))
    registry.add(THEIRS, tasks=[bare])
    calls = Shades.calls
    found = {r.split: r for r in run(request_, registry, "blocks:5", "leave:country", tasks=[bare]) if r.headline}
    assert {r.status for r in found.values()} == {"skipped"}
    assert found["blocks:5"].reason == "split blocks:5 divides by places, and dataset 'nowhere' has none"
    assert found["leave:country"].reason == (
        "split leave:country divides by grouping 'country', which dataset 'nowhere' does not have"
    )
    assert Shades.calls == calls
    (record, *_) = run(request_, registry, "random", tasks=[bare])
    assert record.status == "ok", record.reason


class Listing(generated.World):
    """Its splits know the country of each sample, and list that."""

    def split(self, name: str) -> ArraySplit:
        split = super().split(name)
        lonlat = split.places()
        assert lonlat is not None
        return ArraySplit(split.ids, {"lonlat": lonlat}, {}, groups={"country": lonlat[:, 0] > 0, "year": lonlat[:, 1]})


def test_a_misspelt_grouping_is_a_skip_with_the_near_ones(request_: EvaluationRequest, registry: Registry) -> None:
    task = replace(ZONE, name="listing", dataset=replace(generated.DATASET, name="listing", factory=Listing))
    registry.add(THEIRS, tasks=[task])
    found = {r.split: r for r in run(request_, registry, "leave:coutry", "leave:place", tasks=[task])}
    for asked, hint in (("coutry", "did you mean country?"), ("place", "there are: country, year")):
        record = found[f"leave:{asked}"]
        assert (record.status, record.reason) == (
            "skipped",
            f"split leave:{asked} divides by grouping {asked!r}, which dataset 'listing' does not have; {hint}",
        )


def broken(data: SplitInput) -> Any:
    raise ZeroDivisionError("no such thing")


def leaving(data: SplitInput) -> Any:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("divide", "why"),
    [
        (lambda data: data.published[1:], r"split policy 'theirs': it returned an array of shape \(159,\)"),
        (lambda data: np.where(data.published == "val", "dev", data.published), "it returned 'dev'"),
        (lambda data: np.full(160, "train"), "split 'val' of theirs for dataset 'world' is empty; choose a split"),
        (broken, r"split policy 'theirs' \(.*broken\): ZeroDivisionError: no such thing"),
        (leaving, r"split policy 'theirs' \(.*leaving\) called sys.exit\(3\)"),
    ],
)
def test_a_policy_that_divides_nothing_fails_its_own_cells_when_they_are_planned(
    request_: EvaluationRequest, registry: Registry, divide: Callable[[SplitInput], Any], why: str
) -> None:
    import re

    registry.add(THEIRS, split_policies=[policy(divide)])
    plan = make_plan(asked(request_, registry, "published", "theirs"), registry)
    states = {cell.split.policy.name: (cell.state, cell.reason) for cell in plan.cells}
    assert states["published"] == ("todo", "")
    state, reason = states["theirs"]
    assert state == "failed"
    assert re.search(why, reason), reason


def test_what_a_policy_changes_in_the_process_is_undone_and_noted(
    request_: EvaluationRequest, registry: Registry
) -> None:
    import torch

    def divide(data: SplitInput) -> Any:
        torch.set_default_dtype(torch.float64)
        return data.published

    registry.add(THEIRS, split_policies=[policy(divide)])
    with pytest.warns(match="split policy 'theirs'"):
        (record, *_) = run(request_, registry, "theirs")
    assert torch.get_default_dtype() == torch.float32
    assert "split policy 'theirs'" in record.notes["process"]
