"""Runs of compositions: the numbers are those of the parts, which are trained, found and reported as by themselves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generated import DATASET, SHADES, TASKS, TRAINED, Shades, carry_out
from torch import Tensor, nn

import gairbench
from gairbench import Modality, ModelContext, ModelSpec, Preset, SampleInput
from gairbench.batch import Batch
from gairbench.composition import compose_model
from gairbench.errors import UsageError
from gairbench.evaluation.cells import EmbedJob
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.plugins import Origin, Registry
from gairbench.representation import Representation
from gairbench.results import Result, UsedWeights, read_results
from gairbench.teacher import TeacherChoice
from gairbench.weights.environment_file import ENVIRONMENT
from gairbench_leaderboard.leaderboard_page import render_leaderboard

RS, SV, LOCATION = Modality.RS, Modality.SV, Modality.LOCATION


class Drawn(Shades):
    """Draws its weights from the process's random numbers, which a part must find as it does by itself."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.weight = nn.Parameter(torch.randn(2, 6))


DRAWN = replace(SHADES, name="drawn", factory=Drawn, aligned=frozenset())


def add(registry: Registry, *models: ModelSpec) -> None:
    registry.add(Origin("theirs", "their-dist", "1.0"), models=models)


@pytest.fixture
def registry(registry: Registry) -> Registry:
    add(registry, DRAWN)
    return registry


def composed(registry: Registry, **models: ModelSpec) -> ModelSpec:
    made = compose_model({Modality(name): model for name, model in models.items()})
    registry.add(Origin("compose", "gairbench", "1"), models=[made])
    return made


def metrics(found: Sequence[Result], model: str) -> dict[tuple[str, str], object]:
    return {(r.task, r.probe): r.metrics for r in found if r.model == model and r.status == "ok"}


def test_the_numbers_are_those_of_the_parts(request_: EvaluationRequest, registry: Registry) -> None:
    # Both draw when they are built: the second must not get other weights for it.
    add(registry, first := replace(DRAWN, name="first"))
    whole = composed(registry, rs=first, sv=DRAWN, location=TRAINED)
    found = carry_out(replace(request_, models=[whole, first, DRAWN, TRAINED, SHADES], tasks=TASKS), registry)
    ours = metrics(found, whole.name)
    assert {task for task, _ in ours} == {"world-zone", "world-tags", "world-height", "world-mask", "world-fused"}
    parts = {"world-zone": "first", "world-mask": "first", "world-height": "drawn", "world-tags": "trained"}
    for (task, probe), value in ours.items():
        assert task not in parts or value == metrics(found, parts[task])[task, probe]
    assert ours["world-height", "ridge"] != metrics(found, "shades")["world-height", "ridge"]


def test_inputs_of_several_parts_are_beside_each_other(request_: EvaluationRequest, registry: Registry) -> None:
    whole = composed(registry, rs=DRAWN, location=TRAINED)
    (record,) = carry_out(replace(request_, models=[whole], tasks=[TASKS[-1]]), registry)
    assert (record.status, record.embedding_dim) == ("ok", 2 + 2)
    assert record.conversion.keys() == {"rs", "location"}


def test_the_record_says_what_it_consists_of(request_: EvaluationRequest, registry: Registry) -> None:
    whole = composed(registry, rs=SHADES, sv=DRAWN, location=TRAINED)
    found = carry_out(replace(request_, models=[whole, TRAINED]), registry)
    record, alone = (next(r for r in found if r.model == name) for name in (whole.name, "trained"))
    assert record.checkpoint.startswith("parts:")
    assert record.model_version == "shades 1, drawn 1, trained 1"
    assert list(record.parts) == ["rs", "sv", "location"]
    assert record.parts["location"] == {
        "model": "trained",
        "version": "1",
        "origin": "generated (generated-dist 1.0)",
        "preset": "default",
        "checkpoint": alone.checkpoint,
    }
    assert record.parts["rs"]["checkpoint"].startswith("init:")
    assert record in list(read_results(request_.results))
    shown = render_leaderboard(found).splitlines()
    (row,) = (line for line in shown if whole.name in line and "init:" in line)
    assert f"location {alone.checkpoint[:23]} " in row


def test_a_part_is_trained_once_for_all_that_need_it(request_: EvaluationRequest, registry: Registry) -> None:
    whole = composed(registry, rs=TRAINED, sv=SHADES)
    request = replace(request_, models=[whole, TRAINED])
    plan = make_plan(request, registry)
    assert [job.model.name for job in plan.pretrainings()] == ["trained"]
    (job,) = (job for job in plan.jobs if isinstance(job, EmbedJob) and job.model.name == whole.name)
    assert job.needs == (plan.pretrainings()[0].id,)
    found = carry_out(request, registry)
    assert {r.status for r in found} == {"ok"}, [r.reason for r in found]
    assert metrics(found, whole.name) == metrics(found, "trained")
    assert make_plan(request, registry).jobs == ()


def test_a_part_is_trained_for_a_composition_alone(request_: EvaluationRequest, registry: Registry) -> None:
    whole = composed(registry, rs=TRAINED, sv=SHADES)
    (record, _) = carry_out(replace(request_, models=[whole]), registry)
    assert record.status == "ok", record.reason
    assert record.seconds["pretrain"] > 0
    assert record.environment["pretraining torch"] == record.environment["torch"]


def test_parts_that_were_trained_in_different_environments_are_recorded_so(
    request_: EvaluationRequest, registry: Registry
) -> None:
    add(registry, other := replace(TRAINED, name="other"))
    whole = composed(registry, rs=TRAINED, sv=other)
    carry_out(replace(request_, models=[TRAINED, other]), registry)
    (folder,) = (request_.cache / "checkpoints" / "other").iterdir()
    about = json.loads((folder / ENVIRONMENT).read_text())
    (folder / ENVIRONMENT).write_text(json.dumps(about | {"torch": "1.0"}))
    record = carry_out(replace(request_, models=[whole]), registry)[0]
    assert record.environment["pretraining torch"] == f"{about['torch']}, 1.0"
    assert record.environment["pretraining device"] == about["device"]


def test_teachers_of_a_part_can_be_fetched_and_given(registry: Registry, tmp_path: Path) -> None:
    from gairbench.commands.run import RunRequest, _checkpoints, _teachers

    (preset,) = TRAINED.presets
    taught = replace(preset.recipe, teachers=lambda *_: [TeacherChoice(modality=RS, model="drawn")])  # type: ignore[type-var]
    add(registry, pupil := replace(TRAINED, name="pupil", presets=(replace(preset, weights=taught),)))
    whole = composed(registry, rs=pupil, sv=SHADES)
    request = RunRequest(checkpoint={"drawn": tmp_path})
    assert [choice.model for choice in _teachers(request, [whole])] == ["drawn"]
    assert _checkpoints(request, registry, [whole]) == {"drawn": tmp_path}


def test_a_part_whose_training_fails_fails_the_composition(request_: EvaluationRequest, registry: Registry) -> None:
    def broken(context: object) -> None:
        raise ValueError("the corpus is unwell")

    (preset,) = TRAINED.presets
    recipe = replace(preset.recipe, recipe=broken)  # type: ignore[type-var]
    bad = replace(TRAINED, name="bad", presets=(replace(preset, weights=recipe),))
    add(registry, bad)
    whole = composed(registry, rs=bad, sv=SHADES)
    found = carry_out(replace(request_, models=[whole, SHADES]), registry)
    assert {r.status for r in found if r.model == "shades"} == {"ok"}
    assert {r.status for r in found if r.model == whole.name} == {"failed"}
    assert all("the corpus is unwell" in r.reason for r in found if r.status == "failed")


def test_a_checkpoint_of_a_part_is_used_and_named(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    whole = composed(registry, rs=TRAINED, sv=SHADES)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "shift.json").write_text("3.5")
    request = replace(request_, models=[whole, TRAINED], checkpoints={"trained": folder})
    assert make_plan(request, registry).pretrainings() == []
    found = carry_out(request, registry)
    assert metrics(found, whole.name) == metrics(found, "trained")
    record = next(r for r in found if r.model == whole.name)
    assert record.parts["rs"]["checkpoint"] == next(r for r in found if r.model == "trained").checkpoint
    assert record.parts["rs"]["checkpoint"].startswith("file:")


def test_a_part_that_has_changed_is_computed_again(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    whole = composed(registry, rs=SHADES, sv=TRAINED)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "shift.json").write_text("3.5")
    request = replace(request_, models=[whole], checkpoints={"trained": folder})
    first = carry_out(request, registry)
    assert {cell.state for cell in make_plan(request, registry).cells} == {"cached"}
    (folder / "shift.json").write_text("4.5")
    plan = make_plan(request, registry)
    # Of sv alone the weights have changed, and the composition is one model.
    assert {cell.state for cell in plan.cells} == {"todo"}
    assert {r.used for r in carry_out(request, registry)}.isdisjoint({r.used for r in first})


def test_a_checkpoint_trained_anew_makes_its_numbers_stale(request_: EvaluationRequest, registry: Registry) -> None:
    whole = composed(registry, rs=TRAINED, sv=SHADES)
    request = replace(request_, models=[whole])
    (first, _) = carry_out(request, registry)
    (folder,) = (request.cache / "checkpoints" / "trained").iterdir()
    (folder / "shift.json").write_text("7.0")
    plan = make_plan(request, registry)
    assert plan.cells[0].stale == UsedWeights(first.checkpoint, first.weights)
    (again, _) = carry_out(request, registry)
    assert again.used != first.used


def test_missing_weights_of_a_part_are_a_skip_that_names_it(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    from gairbench.published import FileWeights

    (preset,) = SHADES.presets
    away = replace(SHADES, name="away", presets=(replace(preset, weights=FileWeights(path=tmp_path / "no.pt")),))
    add(registry, away)
    whole = composed(registry, rs=SHADES, sv=away)
    (cell, _) = make_plan(replace(request_, models=[whole]), registry).cells
    assert cell.state == "skipped"
    assert cell.reason.startswith("its part away: its weights are not here; put them at ")


class Numbers:
    """Has the number in a sample's id, of the samples for testing alone."""

    holds = "numbers"

    def __init__(self, context: ModelContext) -> None:
        del context

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Look samples up."""
        ids = batch.ids or ()
        return torch.tensor([[float(i.split("-")[1]) if i.startswith("t") else np.nan] for i in ids])


def test_a_part_that_looks_samples_up_says_what_it_lacks(request_: EvaluationRequest, registry: Registry) -> None:
    looked_up = Preset(name="default", inputs=(SampleInput(RS),), needs=frozenset({"id"}))
    numbers = replace(SHADES, name="numbers", factory=Numbers, presets=(looked_up,), aligned=frozenset())
    add(registry, numbers)
    whole = composed(registry, rs=numbers, sv=SHADES)
    found = carry_out(replace(request_, models=[whole, numbers], tasks=[TASKS[0], TASKS[2]]), registry)
    by_model = {(r.model, r.task): r for r in found if r.headline}
    assert by_model[whole.name, "world-height"].status == "ok"
    lacking = by_model[whole.name, "world-zone"]
    assert (lacking.status, lacking.reason) == ("skipped", by_model["numbers", "world-zone"].reason)
    assert "val" in lacking.reason


def test_a_part_of_the_composition_is_trained_where_an_evaluator_trains(
    request_: EvaluationRequest, registry: Registry
) -> None:
    whole = composed(registry, rs=DRAWN, sv=SHADES)
    task = replace(TASKS[0], evaluators=("finetune",))
    found = carry_out(replace(request_, models=[whole, DRAWN], tasks=[task]), registry)
    assert {r.status for r in found} == {"ok"}, [r.reason for r in found]
    assert found[0].metrics == found[1].metrics


def test_only_runs_have_compositions(tmp_path: Path) -> None:
    (tmp_path / "places.csv").write_text("lon,lat\n1,2\n")
    with pytest.raises(UsageError, match=r"is a model of 'gairbench run' alone; name one of its parts"):
        gairbench.embed("compose(rs=random, location=xyz)", tmp_path / "places.csv", tmp_path / "out.parquet")


def test_a_run_config_composes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    (tmp_path / "run.yaml").write_text("model: [xyz, 'compose(location=xyz, rs=pixel-stats)']\n")
    task = replace(TASKS[-1], name="place-and-image", dataset=replace(DATASET, name="other-world"))
    found = gairbench.run(task=task, config=tmp_path / "run.yaml", results=tmp_path / "results", quiet=True)
    states = {r.model: (r.status, r.reason) for r in found.records}
    assert states == {
        "xyz": ("skipped", "xyz has no rs encoder"),
        "compose(rs=pixel-stats,location=xyz)": ("ok", ""),
    }
    assert "compose(rs=pixel-stats,location=xyz)" in found.leaderboard()
