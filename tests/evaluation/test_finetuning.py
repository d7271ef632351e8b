"""Evaluators that train the model: what they are given, whom they harm, and which models they are refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import trainables
from generated import SHADES, TASKS, carry_out
from recorder import Recorder, RecorderPlugin
from trainables import BLIND, MODELS, SEEN

import gairbench
from gairbench import ModelContext, TaskSpec
from gairbench.backbone import TRAINED
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Origin, Registry, register
from gairbench.predictions import load_predictions
from gairbench.protocols import PretrainContext
from gairbench.results import Result
from gairbench.spec import Pretraining
from gairbench.split_choice import SplitChoice
from gairbench.weights.loading import build_to_train

ZONE, TAGS, HEIGHT, MASK, RETRIEVAL, FUSED = TASKS
VARYING = {"created", "seconds"}
BY_NAME = {spec.name: spec for spec in MODELS}


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.add(Origin("trainables", "trainables-dist", "1.0"), models=MODELS, evaluators=trainables.EVALUATORS)
    return registry


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    SEEN.clear()
    return request_


def run(request: EvaluationRequest, registry: Registry, *tasks: TaskSpec) -> list[Result]:
    for task in tasks:
        registry.tasks[task.name] = task
        registry.task_origins[task.name] = Origin("theirs", "their-dist", "1.0")
    request = replace(request, tasks=tasks or request.tasks)
    return carry_out(request, registry)


def by(task: TaskSpec, *names: str) -> TaskSpec:
    return replace(task, evaluators=names)


def content(records: Sequence[Result]) -> dict[Path, dict[str, Any]]:
    return {
        record.path(Path()): {f: getattr(record, f) for f in Result.__dataclass_fields__ if f not in VARYING}
        for record in records
    }


# What the evaluator is given.


def test_the_loaded_samples_are_those_of_a_new_division(request_: EvaluationRequest, registry: Registry) -> None:
    random = SplitChoice.of("random", registry.split_policies)
    published, divided = run(replace(request_, splits=(SplitChoice(), random)), registry, by(ZONE, "encoding"))
    assert {published.status, divided.status} == {"ok"}, divided.reason
    (before, raw_before), (after, raw) = SEEN
    assert not np.array_equal(raw["test"], raw_before["test"])
    for (given, encoded), name in product(((before, raw_before), (after, raw)), ("train", "val", "test")):
        mean, std = encoded["train"].mean(axis=0), encoded["train"].std(axis=0)
        scaled = (encoded[name] - mean) / np.where(std < 1e-6, 1, std)
        np.testing.assert_allclose(scaled, given.features[name], atol=1e-3)


@pytest.mark.parametrize(
    ("task", "changes"),
    [
        (ZONE, {}),
        (HEIGHT, {"limit": 25}),
        (ZONE, {"labels": (LabelBudget.of("30%"),)}),
        (FUSED, {}),
        (MASK, {"models": [BY_NAME["toning"]]}),
    ],
    ids=["image", "limit", "labels", "fused", "tokens"],
)
def test_what_the_model_computes_of_the_loaded_samples_are_the_features_before_they_were_standardized(
    task: TaskSpec, changes: dict[str, Any], request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, **changes)
    (record,) = run(request, registry, by(task, "encoding"))
    assert record.status == "ok", record.reason
    ((data, raw),) = SEEN
    assert raw["test"].ndim == (4 if task is MASK else 2)
    cache = EmbeddingCache(request.cache)
    (cell,) = make_plan(replace(request, tasks=[by(task, "encoding")]), registry).cells
    for split in ("val", "test"):
        stored = [cache.load(e.key) for e in cell.embeddings if e.split == split]
        whole = np.concatenate([found[0] for found in stored if found is not None], axis=1)
        # A product of matrices of another size differs in its last digits.
        np.testing.assert_allclose(raw[split], whole, rtol=1e-5, atol=1e-3)
        assert len(raw[split]) == record.n[split]
    assert len(raw["train"]) == record.n["train"] == len(data.targets["train"])
    assert record.environment["finetuning torch"] == record.environment["torch"]


def test_labels_follow_the_rows_of_a_shuffled_epoch_and_each_epoch_has_its_order(
    request_: EvaluationRequest, registry: Registry
) -> None:
    run(request_, registry, by(ZONE, "encoding"))
    ((data, raw),) = SEEN
    assert data.backbone is not None
    loader = data.backbone.loader("train", batch_size=89, shuffle=True, seed=3)
    epochs = []
    for _ in range(2):
        rows = [some for _, some in loader]
        assert [len(some) for some in rows] == [45, 45]  # not 89 and one
        epochs.append(np.concatenate(rows))
        assert sorted(epochs[-1].tolist()) == [*range(90)]
    assert (epochs[0] != epochs[1]).any()
    again = data.backbone.loader("train", batch_size=89, shuffle=True, seed=3, workers=3)
    for batch, rows in again:
        values = data.backbone.encode(batch).detach().numpy()
        np.testing.assert_allclose(values, raw["train"][rows], rtol=1e-5, atol=1e-3)
        assert rows.tolist() == epochs[0][: len(rows)].tolist()
        break
    assert len(loader) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "all"}, "there is no split 'all' to load; ask for train, val, test"),
        ({"split": "val", "batch_size": 0}, "batches of 0 samples, read by 0 threads"),
    ],
)
def test_a_wrong_loader_is_one_line(
    arguments: dict[str, Any], message: str, request_: EvaluationRequest, registry: Registry
) -> None:
    run(request_, registry, by(ZONE, "encoding"))
    backbone = SEEN[0][0].backbone
    assert backbone is not None
    with pytest.raises(gairbench.errors.PluginError, match=message):
        backbone.loader(**arguments)


def test_other_evaluators_are_given_no_model(request_: EvaluationRequest, registry: Registry) -> None:
    registry.evaluators["encoding"] = replace(registry.evaluators["encoding"], needs="features")
    (record,) = run(request_, registry, by(ZONE, "encoding"))
    assert "AssertionError" in record.reason


# Fine-tuning.


def test_finetuning_learns_what_frozen_features_hide(request_: EvaluationRequest, registry: Registry) -> None:
    found = {
        (r.task, r.probe): r
        for r in run(
            replace(request_, models=[BLIND]), registry, by(ZONE, "linear", "finetune"), by(HEIGHT, "ridge", "finetune")
        )
    }
    assert {r.status for r in found.values()} == {"ok"}
    accuracy = {probe: found[ZONE.name, probe].metrics["accuracy"].value for probe in ("linear", "finetune")}
    assert accuracy["linear"] < 0.7 < 0.9 < accuracy["finetune"]
    r2 = {probe: found[HEIGHT.name, probe].metrics["r2"].value for probe in ("ridge", "finetune")}
    assert r2["ridge"] < 0.2 < 0.6 < r2["finetune"]
    record = found[ZONE.name, "finetune"]
    assert record.probe_params["learning_rate"] == 1e-3
    assert record.caveats == (TRAINED, "chosen at the grid's end (learning_rate = 0.001)")
    assert not record.headline
    assert TRAINED not in found[ZONE.name, "linear"].caveats
    assert record.used == found[ZONE.name, "linear"].used


def test_labels_are_finetuned_too(request_: EvaluationRequest, registry: Registry) -> None:
    task = by(replace(TAGS, name="tags-of-images", inputs=("rs",), extra_metrics=("map",)), "finetune")
    (record,) = run(request_, registry, task)
    assert record.status == "ok", record.reason
    # North is what the colour shows; east is chance.
    assert record.metrics["map"].value > 0.7


@pytest.mark.usefixtures("little_work")
def test_the_same_seed_gives_the_same_numbers_and_another_one_others(
    request_: EvaluationRequest, registry: Registry
) -> None:
    blind = replace(BLIND, seeded=False)
    task = by(HEIGHT, "finetune")
    values = []
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        (record,) = run(
            replace(request_, models=[blind], results=request_.results / folder, seeds=(seed,)), registry, task
        )
        values.append(load_predictions(record, request_.results / folder).prediction)
    np.testing.assert_array_equal(values[0], values[1])
    assert (values[0] != values[2]).any()


# Nobody else sees the training.


@pytest.mark.usefixtures("little_work")
def test_records_of_other_cells_are_the_same_to_the_bit(request_: EvaluationRequest, registry: Registry) -> None:
    models = [SHADES, BLIND]
    alone = replace(request_, models=models, results=request_.results / "a", cache=request_.cache / "a")
    plain = run(alone, registry, by(ZONE, "linear", "knn"), by(HEIGHT, "ridge"), FUSED)
    together = replace(request_, models=models, results=request_.results / "b", cache=request_.cache / "b")
    found = run(
        together,
        registry,
        by(ZONE, "linear", "spoiling", "finetune", "knn"),
        by(HEIGHT, "ridge", "spoiling", "finetune"),
        FUSED,
    )
    before, after = content(plain), content(found)
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 8
    assert [record.reason for record in found if record.status != "ok"] == []
    for path, array in ((p, p.read_bytes()) for p in alone.cache.rglob("*.npy")):
        assert (together.cache / path.relative_to(alone.cache)).read_bytes() == array
    for record in plain:
        one, other = (load_predictions(record, r.results) for r in (alone, together))
        np.testing.assert_array_equal(one.prediction, other.prediction)


def test_a_model_that_its_factory_keeps_is_not_trained(request_: EvaluationRequest, registry: Registry) -> None:
    trainables._one.cache_clear()
    request = replace(request_, models=[BY_NAME["kept"]])
    found = {r.probe: r for r in run(request, registry, by(ZONE, "spoiling", "linear"))}
    assert found["linear"].status == "ok"
    assert found["spoiling"].status == "failed"
    assert found["spoiling"].reason.startswith("model 'kept' (trainables:kept) returned modules or parameters that an")
    assert found["spoiling"].reason.endswith("make new ones in every call")


def test_a_kept_model_that_was_trained_first_embeds_nothing(request_: EvaluationRequest, registry: Registry) -> None:
    trainables._one.cache_clear()
    request = replace(request_, models=[BY_NAME["kept"]])
    run(request, registry, by(ZONE, "linear"))
    trainables._one.cache_clear()  # as in another process, which finds the embeddings
    found = {(r.task, r.probe): r for r in run(request, registry, by(ZONE, "spoiling"), by(HEIGHT, "ridge"))}
    assert found[ZONE.name, "spoiling"].status == "ok"
    assert found[HEIGHT.name, "ridge"].status == "failed"
    assert "returned modules or parameters that an earlier call had returned" in found[HEIGHT.name, "ridge"].reason


@pytest.mark.usefixtures("little_work")
def test_training_changes_no_tensors_that_the_factory_keeps(request_: EvaluationRequest, registry: Registry) -> None:
    request = replace(request_, models=[BY_NAME["assigned"]])
    trainables._state.cache_clear()
    state = {name: value.clone() for name, value in trainables._state(request.seeds[0]).items()}
    found = run(request, registry, by(ZONE, "finetune", "spoiling"), by(HEIGHT, "finetune"))
    assert [record.reason for record in found if record.status != "ok"] == []
    for name, value in trainables._state(request.seeds[0]).items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)


def test_parameters_that_a_factory_keeps_are_not_trained(request_: EvaluationRequest, registry: Registry) -> None:
    trainables._one.cache_clear()
    request = replace(request_, models=[BY_NAME["parameterized"]])
    found = {r.probe: r for r in run(request, registry, by(ZONE, "spoiling", "linear"))}
    assert found["linear"].status == "ok"
    assert found["spoiling"].status == "failed"
    assert "returned modules or parameters that an earlier call had returned" in found["spoiling"].reason


def test_tied_weights_stay_tied_when_they_are_trained() -> None:
    spec = trainables.model("tied", trainables.Tied)
    context = ModelContext(model="tied", preset="default", seed=0, checkpoint=None)
    model, _, _ = build_to_train(spec, context, torch.device("cpu"))
    assert isinstance(model, trainables.Tied)
    with torch.no_grad():
        model.weight.fill_(7.0)
    assert bool((model.other == 7).all())
    assert bool((model.table == 7).all())


# What cannot be trained.


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("plain", "model 'plain' (trainables:Plain) cannot be trained: it is of type Plain, not an nn.Module"),
        ("empty", "model 'empty' (trainables:Empty) cannot be trained: it has no parameters"),
        ("closed", "model 'closed' (trainables:Closed) cannot be trained: no gradient reaches its parameters from rs"),
        ("detached", "model 'detached' (trainables:Detached) cannot be trained: no gradient reaches its parameters"),
        (
            "enclosed",
            "model 'enclosed' (trainables:Enclosed) cannot be trained: no gradient reaches its parameters from rs;"
            " evaluate it without this evaluator; in a model of your own, leave out no_grad",
        ),
    ],
)
def test_a_model_that_cannot_be_trained_is_a_visible_skip_of_those_cells_alone(
    name: str, reason: str, request_: EvaluationRequest, registry: Registry
) -> None:
    found = {r.probe: r for r in run(replace(request_, models=[BY_NAME[name]]), registry, by(ZONE, "knn", "finetune"))}
    assert found["knn"].status == "ok"
    assert found["finetune"].status == "skipped"
    assert found["finetune"].reason.startswith(reason)


@pytest.mark.parametrize("name", ["plain", "empty"])
def test_what_shows_when_a_model_is_loaded_is_found_before_anything_is_embedded_for_its_training(
    name: str, request_: EvaluationRequest, registry: Registry
) -> None:
    (record,) = run(replace(request_, models=[BY_NAME[name]]), registry, by(ZONE, "finetune"))
    assert record.status == "skipped"
    assert f"(trainables:{name.title()}) cannot be trained" in record.reason
    assert list(request_.cache.rglob("*.npy")) == []


def test_retrieval_trains_nothing(request_: EvaluationRequest, registry: Registry) -> None:
    (record,) = run(request_, registry, by(RETRIEVAL, "encoding"))
    assert (record.status, record.reason) == (
        "failed",
        "evaluator 'encoding' trains the model, and retrieval has nothing to train it on",
    )


# The weights are those of the record.


def test_a_model_of_other_weights_each_time_fails_in_the_end(request_: EvaluationRequest, registry: Registry) -> None:
    (record,) = run(replace(request_, models=[BY_NAME["drawn"]]), registry, by(ZONE, "finetune"))
    assert record.status == "failed"
    assert "other weights each time that it is loaded" in record.reason


@pytest.mark.usefixtures("little_work")
def test_a_checkpoint_that_is_gone_is_trained_again_before_the_model_is_trained_on(
    request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[BY_NAME["restored"]])
    (frozen,) = run(request, registry, by(ZONE, "linear"))
    shutil.rmtree(request.cache / "checkpoints")
    assert make_plan(replace(request, tasks=[by(ZONE, "linear")]), registry).jobs == ()
    both = run(request, registry, by(ZONE, "linear", "finetune"))
    assert {r.status for r in both} == {"ok"}
    assert {r.used for r in both} == {frozen.used}


def pretrain(context: PretrainContext) -> None:
    (context.output / "shift.json").write_text(os.environ["GAIRBENCH_TEST_MACHINE"])


def test_a_checkpoint_that_is_trained_again_to_other_weights_gives_all_cells_these(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = Pretraining(recipe=pretrain, version=1, dataset="world-pretrain")
    preset = replace(BY_NAME["restored"].presets[0], weights=weights)
    request = replace(request_, models=[replace(BY_NAME["restored"], presets=(preset,))])
    monkeypatch.setenv("GAIRBENCH_TEST_MACHINE", "0.5")
    (frozen,) = run(request, registry, by(ZONE, "linear"))
    shutil.rmtree(request.cache / "checkpoints")
    monkeypatch.setenv("GAIRBENCH_TEST_MACHINE", "-3.0")
    both = run(request, registry, by(ZONE, "linear", "spoiling"))
    assert {r.status for r in both} == {"ok"}
    assert len({r.used for r in both}) == 1
    assert both[0].used != frozen.used


def test_only_keys_of_cells_that_train_hold_the_version_of_what_trains_them(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(request_, tasks=[by(ZONE, "linear", "finetune")])

    def keys() -> dict[str, str]:
        return {cell.record.probe: cell.record.key for cell in make_plan(request, registry).cells}

    before = keys()
    monkeypatch.setattr("gairbench.evaluation.plan.BACKBONE_VERSION", 2)
    after = keys()
    assert after["linear"] == before["linear"]
    assert after["finetune"] != before["finetune"]


# Where it runs.


def test_another_process_gives_the_same_record(request_: EvaluationRequest, registry: Registry) -> None:
    request = replace(request_, models=[BLIND], tasks=[by(ZONE, "linear", "finetune")])
    here = run(replace(request, results=request.results / "a", cache=request.cache / "a"), registry)
    there = run(replace(request, executor="local", executor_options={"workers": 1}), registry)
    assert {record.status for record in there} == {"ok"}
    assert content(there) == content(here)


def test_training_runs_where_models_run_and_probes_where_they_ran(
    request_: EvaluationRequest, registry: Registry
) -> None:
    register(registry, RecorderPlugin(), Origin("theirs", "theirs-dist", "1.0"))
    run(replace(request_, executor="recorder"), registry, by(ZONE, "linear", "spoiling"))
    assert {call.label: call.accelerated for call in Recorder.calls} == {
        "embed world by shades": True,
        "evaluate shades on world-zone by linear": False,
        "evaluate shades on world-zone by spoiling": True,
    }


# From a task file.

TASK_FILE = """
datasets:
  places:
    licence: CC0-1.0
    synthetic: true
    table: {path: places.csv, id: id, lon: lon, lat: lat}
    split: {by: column, column: part}
tasks:
  - name: side
    dataset: places
    input: location
    kind: classification
    label: side
    evaluators: [linear, finetune]
"""

MODEL = '''
import torch
from gairbench import LocationInput

class East(torch.nn.Module):
    """Sees longitude alone, at first."""

    inputs = (LocationInput(),)

    def __init__(self, context):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([[0.01, 0.0], [-0.02, 0.0]]))

    def encode_location(self, lonlat):
        return lonlat.float() / 50 @ self.weight.T
'''


def test_a_task_file_asks_for_it_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    rows = []
    for number in range(240):
        lon, lat = rng.uniform(-80, 80, 2)
        part = ("train", "train", "val", "test")[number % 4]
        rows.append(f"p{number},{lon},{lat},{'north' if lat > 0 else 'south'},{part}")
    (tmp_path / "places.csv").write_text("\n".join(["id,lon,lat,side,part", *rows]) + "\n")
    (tmp_path / "tasks.yaml").write_text(TASK_FILE)
    (tmp_path / "mine.py").write_text(MODEL)
    done = gairbench.run(
        f"{tmp_path / 'mine.py'}:East",
        task_file=tmp_path / "tasks.yaml",
        data_root=tmp_path,
        results=tmp_path / "results",
        device="cpu",
        quiet=True,
    )
    found = {record.probe: record for record in done.records}
    assert {record.status for record in found.values()} == {"ok"}, [r.reason for r in done.records]
    assert found["linear"].metrics["accuracy"].value < 0.7 < 0.9 < found["finetune"].metrics["accuracy"].value
