"""The main job: plan, pretrain, embed, probe, record, and what is done again when."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import generated
import numpy as np
import pytest
import torch
from generated import SHADES, TASKS, TRAINED, Shades, World, carry_out
from torch import Tensor

from gairbench import results
from gairbench.errors import DataError, StorageError
from gairbench.evaluation.cells import Plan
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.inputs import Modality
from gairbench.plugins import Origin, Registry
from gairbench.protocols import PretrainContext
from gairbench.spec import ModelSpec, Pretraining, resolve
from gairbench.teacher import TeacherChoice


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    return replace(request_, tasks=TASKS)


def run(request: EvaluationRequest, registry: Registry) -> list[results.Result]:
    return carry_out(request, registry)


def states(plan: Plan) -> list[str]:
    return [cell.state for cell in plan.cells]


def values(found: list[results.Result]) -> dict[tuple[str, str, str], object]:
    return {(r.model, r.task, r.probe): r.metrics for r in found}


def test_every_kind_of_task_is_evaluated_and_recorded(request_: EvaluationRequest, registry: Registry) -> None:
    found = run(request_, registry)
    assert {r.status for r in found} == {"ok"}, [r.reason for r in found]
    assert {(r.task, r.probe) for r in found} == {
        ("world-zone", "linear"),
        ("world-zone", "knn"),
        ("world-tags", "linear"),
        ("world-height", "ridge"),
        ("world-mask", "linear_segmentation"),
        ("world-retrieval", "retrieval"),
        ("world-fused", "ridge"),
    }
    by_task = {r.task: r for r in found if r.headline}
    assert by_task["world-zone"].metrics["accuracy"].value > 0.9
    assert by_task["world-height"].metrics["r2"].value > 0.8
    assert by_task["world-tags"].metrics["micro_f1"].value > 0.9
    assert by_task["world-mask"].metrics["miou"].value > 0.6
    assert by_task["world-retrieval"].metrics["recall@10"].value > 10 / 40
    assert by_task["world-fused"].embedding_dim == 8 + 2
    for r in found:
        low, high = r.metrics[r.metric].low, r.metrics[r.metric].high
        assert low <= r.metrics[r.metric].value <= high
    assert list(results.read_results(request_.results)) == sorted(found, key=lambda r: r.path(Path()))


class Precise(Shades):
    """Notes what products of float32 are rounded to while it is called."""

    seen: ClassVar[list[tuple[str, bool]]] = []

    def encode_rs(self, images: Tensor) -> Tensor:
        self.seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
        return super().encode_rs(images)


def note_precision(context: PretrainContext) -> None:
    """Pre-train, and note what products of float32 are rounded to."""
    Precise.seen.append((torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32))
    generated.pretrain(context)


def test_nothing_is_trained_or_embedded_with_tf32_even_where_the_process_computes_with_it(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Precise, "seen", [])
    (preset,) = TRAINED.presets
    assert isinstance(preset.weights, Pretraining)
    preset = replace(preset, weights=replace(preset.weights, recipe=note_precision))
    model = replace(TRAINED, name="precise", factory=Precise, presets=(preset,))
    registry.add(Origin("precise", "precise", "1"), models=[model])
    torch.set_float32_matmul_precision("high")
    try:
        (record, _) = run(replace(request_, models=[model], tasks=TASKS[:1]), registry)
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert record.status == "ok", record.reason
    assert len(Precise.seen) > 1
    assert {*Precise.seen} == {("highest", False)}
    assert record.environment["precision"] == "float32, matmul highest"
    assert "process" not in record.notes


def test_record_holds_everything_needed_to_regenerate_it(request_: EvaluationRequest, registry: Registry) -> None:
    record = run(request_, registry)[0]
    assert record.model_origin == "generated (generated-dist 1.0)"
    assert len(record.weights) == 64
    assert len(record.checkpoint) == len("init:") + 64
    assert record.dataset_fingerprint == "generated-1"
    assert record.environment.keys() >= {"python", "torch", "scikit-learn", "gairbench", "cpu", "threads", "precision"}
    assert record.environment["evaluation device"] == record.device
    assert record.environment["evaluation threads"] == record.environment["threads"] == str(torch.get_num_threads())
    assert f", {record.environment['evaluation threads']} thread" in record.environment["evaluation blas"]
    assert record.n == {"test": 40} or record.n == {"train": 90, "val": 30, "test": 40}
    assert record.seconds.keys() >= {"embed", "probe"}
    assert record.device.startswith(f"cpu ({torch.get_num_threads()} thread")
    assert record.command == "x"
    (conversion,) = record.conversion["rs"].values()
    assert conversion["bands"] == {"red": "red", "green": "green", "blue": "blue"}
    assert conversion["filled"] == []


def test_predictions_reproduce_the_metric(request_: EvaluationRequest, registry: Registry) -> None:
    record = next(r for r in run(request_, registry) if r.probe == "knn")
    file = record.path(request_.results).parent / record.predictions
    with np.load(file, allow_pickle=False) as saved:
        assert np.mean(saved["target"] == saved["prediction"]) == record.metrics["accuracy"].value
        assert saved["ids"].tolist() == [f"test-{i}" for i in range(40)]


def test_second_run_computes_nothing(request_: EvaluationRequest, registry: Registry) -> None:
    first = run(request_, registry)
    built, opened = Shades.built, World.opened
    assert set(states(make_plan(request_, registry))) == {"cached"}
    assert run(request_, registry) == first
    assert (Shades.built, World.opened) == (built, opened)


def test_same_seed_gives_the_same_numbers_from_an_empty_cache(request_: EvaluationRequest, registry: Registry) -> None:
    first = run(request_, registry)
    again = run(replace(request_, results=request_.results / "b", cache=request_.cache / "b"), registry)
    assert values(first) == values(again)


def test_tasks_of_one_dataset_share_embeddings(request_: EvaluationRequest, registry: Registry) -> None:
    tasks = [t for t in TASKS if t.name in {"world-zone", "world-fused"}]
    run(replace(request_, tasks=tasks), registry)
    stored = [f for f in generated.files(request_.cache) if f.endswith(".npy")]
    assert len(stored) == 2 * 3  # encode_rs and encode_location, three splits each


@pytest.mark.parametrize(
    "change",
    ["model version", "task version", "seed", "data version", "limit", "probe version"],
)
def test_what_can_change_a_number_is_computed_again(
    change: str, request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = TASKS[0]
    request = replace(request_, tasks=[task])
    run(request, registry)
    if change == "model version":
        request = replace(request, models=[replace(SHADES, version="2")])
    elif change == "task version":
        request = replace(request, tasks=[replace(task, version=2)])
    elif change == "seed":
        request = replace(request, seeds=(1,))
    elif change == "limit":
        request = replace(request, limit=20)
    elif change == "data version":
        monkeypatch.setattr(World, "fingerprint", lambda self: "generated-2")
    else:
        for name in ("linear", "knn"):
            monkeypatch.setitem(registry.evaluators, name, replace(registry.evaluators[name], version=99))
    assert set(states(make_plan(request, registry))) == {"todo"}


def test_batch_size_and_workers_do_not_change_the_key_or_the_numbers(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(request_, registry)
    monkeypatch.setattr("gairbench.embedding.BATCH", 7)
    monkeypatch.setattr("gairbench.embedding.WORKERS", 1)
    assert set(states(make_plan(request_, registry))) == {"cached"}
    again = run(replace(request_, results=request_.results / "b", cache=request_.cache / "b"), registry)
    for a, b in zip(first, again, strict=True):
        assert a.metrics[a.metric].value == pytest.approx(b.metrics[b.metric].value, abs=1e-4)


def test_fresh_recomputes_everything(request_: EvaluationRequest, registry: Registry) -> None:
    request = replace(request_, models=[TRAINED], tasks=[TASKS[0]])
    run(request, registry)
    built = Shades.built
    fresh = replace(request, fresh=True)
    plan = make_plan(fresh, registry)
    assert set(states(plan)) == {"todo"}
    assert len(plan.pretrainings()) == 1
    run(fresh, registry)
    assert Shades.built == built + 1


def test_model_is_pretrained_once_and_its_checkpoint_found_again(
    request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[TRAINED], tasks=[TASKS[0], TASKS[2]])
    plan = make_plan(request, registry)
    assert [job.model.name for job in plan.pretrainings()] == ["trained"]
    found = run(request, registry)
    assert {r.status for r in found} == {"ok"}
    assert all(r.checkpoint.startswith("pretrained:") for r in found)
    (folder,) = (request.cache / "checkpoints" / "trained").iterdir()
    assert generated.files(folder) == {"shift.json", "gairbench-environment.json"}
    assert all(r.environment["pretraining torch"] == r.environment["torch"] for r in found)
    assert all(r.environment["pretraining device"] == r.device for r in found)
    assert found[0].environment["pretraining precision"] == "32-true"
    more = make_plan(replace(request, tasks=TASKS), registry)
    assert more.pretrainings() == []
    assert make_plan(replace(request, seeds=(1,)), registry).pretrainings() != []


def test_failed_pretraining_leaves_no_checkpoint_and_fails_only_its_model(
    request_: EvaluationRequest, registry: Registry
) -> None:
    def broken(context: object) -> None:
        raise DataError("the corpus is unwell", "cure it")

    (preset,) = TRAINED.presets
    bad = replace(TRAINED, presets=(replace(preset, weights=replace(preset.recipe, recipe=broken)),))  # type: ignore[type-var]
    found = run(replace(request_, models=[bad, SHADES], tasks=[TASKS[0]]), registry)
    # Cheap models run first.
    assert [(r.model, r.status) for r in found if r.headline] == [("shades", "ok"), ("trained", "failed")]
    assert "the corpus is unwell; cure it" in found[-1].reason
    assert generated.files(request_.cache / "checkpoints") == set()


def test_a_teacher_is_part_of_what_is_trained_and_its_absence_a_skip(
    request_: EvaluationRequest, registry: Registry
) -> None:
    (preset,) = TRAINED.presets
    given: list[object] = []

    def learns(context: PretrainContext) -> None:
        given.extend(teacher.load().about["model"] for teacher in context.teachers)
        resolve(preset.recipe.recipe)(context)  # type: ignore[union-attr]

    def named(*models: str) -> ModelSpec:
        choices = [TeacherChoice(modality=Modality.RS, model=name) for name in models]
        recipe = replace(preset.recipe, recipe=learns, teachers=lambda *_: choices)  # type: ignore[type-var]
        return replace(TRAINED, presets=(replace(preset, weights=recipe),))

    def weights(*models: str) -> str:
        plan = make_plan(replace(request_, models=[named(*models)]), registry)
        return plan.cells[0].weights.identity

    registry.add(Origin("test", "test", "1"), models=[replace(SHADES, name="other")])
    assert len({weights(), weights("shades"), weights("other")}) == 3
    found = run(replace(request_, models=[named("shades")], tasks=TASKS[:1]), registry)
    assert {r.status for r in found} == {"ok"}
    assert given == ["shades"]
    registry.add(Origin("test", "test", "1"), models=[replace(TRAINED, name="pupil")])
    cells = {"pupil": "skipped", "nobody": "failed"}
    for name, state in cells.items():
        (cell, *_) = make_plan(replace(request_, models=[named(name)]), registry).cells
        assert cell.state == state
    assert (
        "teacher 'pupil' of 'trained' has no weights until it is trained"
        in make_plan(replace(request_, models=[named("pupil")]), registry).cells[0].reason
    )


def test_models_without_an_encoder_or_alignment_are_skipped_with_the_reason(
    request_: EvaluationRequest, registry: Registry
) -> None:
    only_rs = replace(
        SHADES, presets=(replace(SHADES.presets[0], inputs=(generated.IMAGE,), offers=()),), aligned=frozenset()
    )
    plan = make_plan(replace(request_, models=[only_rs]), registry)
    reasons = {cell.task.name: cell.reason for cell in plan.cells if cell.state == "skipped"}
    assert reasons == {
        "world-tags": "shades has no location encoder",
        "world-height": "shades has no sv encoder",
        "world-fused": "shades has no location encoder",
        "world-mask": "shades has no token grid",
        "world-retrieval": "shades has no sv encoder",
    }
    unaligned = replace(SHADES, aligned=frozenset({Modality.RS}))
    plan = make_plan(replace(request_, models=[unaligned], tasks=[TASKS[4]]), registry)
    assert plan.cells[0].reason == "shades does not align rs and sv in one space"


def test_inconvertible_input_is_a_visible_skip(request_: EvaluationRequest, registry: Registry) -> None:
    multispectral = replace(generated.IMAGE, bands=("B2", "B3", "B4", "B8"))
    model = replace(SHADES, presets=(replace(SHADES.presets[0], inputs=(multispectral,)),))
    (record, _) = run(replace(request_, models=[model], tasks=[TASKS[0]]), registry)
    assert record.status == "skipped"
    assert "needs band B8" in record.reason


def test_dataset_that_is_not_there_is_skipped_with_the_hint(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    task = replace(TASKS[0], name="far", dataset=replace(generated.DATASET, name="far", folder="far-data"))
    registry.add(Origin("more", "more", "1"), tasks=[task])
    plan = make_plan(replace(request_, tasks=[task]), registry)
    assert "give --data-root" in plan.cells[0].reason
    plan = make_plan(replace(request_, tasks=[task], data_root=tmp_path), registry)
    assert plan.cells[0].state == "skipped"
    assert str(tmp_path / "far-data") in plan.cells[0].reason


def test_a_stranger_s_exception_fails_its_cells_only_and_keeps_the_traceback(
    request_: EvaluationRequest, registry: Registry
) -> None:
    class Exploding(Shades):
        def encode_sv(self, images: object) -> object:  # type: ignore[override]
            raise RuntimeError("boom")

    model = ModelSpec(
        **{f: getattr(SHADES, f) for f in SHADES.__slots__ if f != "factory"},  # type: ignore[arg-type]
        factory=Exploding,
    )
    found = {r.task: r for r in run(replace(request_, models=[model]), registry) if r.headline}
    assert found["world-height"].status == "failed"
    assert "RuntimeError: boom" in found["world-height"].reason
    log = found["world-height"].path(request_.results).with_suffix(".traceback.txt")
    assert "encode_sv" in log.read_text()
    assert found["world-zone"].status == "ok"
    states_ = {c.task.name: c.state for c in make_plan(replace(request_, models=[model]), registry).cells}
    assert states_["world-height"] == "todo", "a failed cell is tried again"


def test_cut_short_cache_file_is_detected_and_rebuilt(
    request_: EvaluationRequest, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    request = replace(request_, tasks=[TASKS[0]])
    first = run(request, registry)
    arrays = sorted((request.cache / "embeddings").rglob("*.npy"))
    for array in arrays:
        os.truncate(array, array.stat().st_size - 10)
    for record in results.read_results(request.results):
        record.path(request.results).unlink()
    again = run(request, registry)
    assert values(first) == values(again)
    assert "is broken" in caplog.text
    assert all(array.stat().st_size > 100 for array in arrays)


def test_broken_record_is_no_record(request_: EvaluationRequest, registry: Registry) -> None:
    request = replace(request_, tasks=[TASKS[2]])
    (record,) = run(request, registry)
    path = record.path(request.results)
    path.write_text(path.read_text()[:50])
    assert states(make_plan(request, registry)) == ["todo"]
    (again,) = run(request, registry)
    assert again.metrics == record.metrics


def test_full_disk_stops_the_run_with_one_line_and_keeps_what_was_done(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = replace(request_, tasks=TASKS[:1])
    finished = run(request, registry)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("gairbench.storage.os.fsync", full)
    with pytest.raises(StorageError, match="No space left on device; free space") as caught:
        run(replace(request_, tasks=[TASKS[2]]), registry)
    assert "\n" not in str(caught.value)
    assert list(results.read_results(request.results)) == sorted(finished, key=lambda r: r.path(Path()))
    assert not [f for f in generated.files(request.results) if Path(f).name.startswith(".")]


def test_unwritable_results_folder_is_refused_before_any_work(request_: EvaluationRequest, registry: Registry) -> None:
    request_.results.parent.mkdir(exist_ok=True)
    request_.results.write_text("a file where the folder should be")
    built = Shades.built
    with pytest.raises(StorageError, match="choose another with --results"):
        run(request_, registry)
    assert Shades.built == built


def test_limit_uses_part_of_every_split_and_is_kept_apart(request_: EvaluationRequest, registry: Registry) -> None:
    whole = run(replace(request_, tasks=[TASKS[2]]), registry)
    part = run(replace(request_, tasks=[TASKS[2]], limit=25), registry)
    assert part[0].n == {"train": 25, "val": 25, "test": 25}
    assert part[0].path(Path()) != whole[0].path(Path())
    assert len(list(results.read_results(request_.results))) == 2


def test_non_finite_embedding_names_the_sample(request_: EvaluationRequest, registry: Registry) -> None:
    class Dividing(Shades):
        def encode_location(self, lonlat: object) -> object:  # type: ignore[override]
            embedding = super().encode_location(lonlat)  # type: ignore[arg-type]
            embedding[3] = float("nan")
            return embedding

    model = replace(SHADES, factory=Dividing)
    (record,) = run(replace(request_, models=[model], tasks=[TASKS[1]]), registry)
    assert record.status == "failed"
    assert "sample 'train-3' is not finite" in record.reason


def test_a_plan_reads_the_targets_of_plugins_but_not_of_what_is_embedded(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    request = replace(request_, tasks=[task for task in TASKS if task.name == "world-zone"])

    def splits_opened(request: EvaluationRequest) -> int:
        before = World.opened
        make_plan(request, registry)
        return World.opened - before

    assert splits_opened(request) == 3
    registry.task_origins["world-zone"] = Origin("gairbench-tasks", "gairbench", "1.0")
    assert splits_opened(request) == 0
    # What a limit leaves was not read before, and files below the data root are the user's.
    assert splits_opened(replace(request, limit=20)) == 3
    (tmp_path / "files").mkdir()
    there = [replace(task, dataset=replace(task.dataset, folder="files")) for task in request.tasks]
    assert splits_opened(replace(request, tasks=there, data_root=tmp_path)) == 3
