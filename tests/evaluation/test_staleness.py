"""A stored number is served only if the model would compute it again: no way to a stale result is open."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generated import SHADES, TASKS, TRAINED, Shades, carry_out

from gairbench import EvaluatorSpec, results
from gairbench.evaluation import jobs
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import Plan
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.plugins import Origin, Registry
from gairbench.protocols import PretrainContext
from gairbench.results import Result, read_result, write_result
from gairbench.spec import ModelContext, Preset, Pretraining

ZONE, TAGS, HEIGHT, *_ = TASKS
RETRIEVAL, FUSED = TASKS[4], TASKS[5]


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.add(Origin("wrappers", "wrappers-dist", "1.0"), models=[WRAPPER, DRAWN])
    return registry


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    return replace(request_, tasks=[HEIGHT])


def run(request: EvaluationRequest, registry: Registry, told: io.StringIO | None = None) -> list[Result]:
    return carry_out(request, registry, told)


def states(plan: Plan) -> list[str]:
    return [cell.state for cell in plan.cells]


def value(record: Result) -> float:
    return record.metrics[record.metric].value


# Weights that a factory makes or finds by itself.

FILE = "GAIRBENCH_TEST_WEIGHTS"


class Wrapper(Shades):
    """A wrapper that loads weights which its preset does not declare."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        # All columns of the first kind see nothing.
        self.weight = torch.nn.Parameter(self.weight * float(Path(os.environ[FILE]).read_text()))


WRAPPER = replace(SHADES, name="wrapper", factory=Wrapper, seeded=False)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights.txt"
    path.write_text("1.0")
    monkeypatch.setenv(FILE, str(path))
    return path


def test_a_wrapper_that_loads_other_weights_gives_its_model_s_cells_no_old_numbers(
    file: Path, request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[WRAPPER])
    (old,) = run(request, registry)
    file.write_text("0.0")
    # The plan cannot know; the first embedding shows it, and what was computed before is computed again.
    told = io.StringIO()
    found = run(replace(request, tasks=[HEIGHT, RETRIEVAL, ZONE]), registry, told)
    assert {record.status for record in found} == {"ok"}
    assert len({record.used for record in found}) == 1
    assert found[0].weights != old.weights
    now = next(record for record in found if record.task == HEIGHT.name)
    assert value(now) < 0.1 < 0.8 < value(old)
    assert "its model has other weights now; it is computed again" in told.getvalue()
    assert read_result(now.path(request.results)) == now


def test_a_wrapper_of_which_all_is_recorded_is_loaded_to_see_that_its_weights_are_still_the_same(
    file: Path, request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[WRAPPER], tasks=[HEIGHT, RETRIEVAL])
    old = run(request, registry)
    plan = make_plan(request, registry)
    assert set(states(plan)) == {"cached"}
    assert [job.model.name for job in plan.identifications()] == ["wrapper"]
    calls, built = Shades.calls, Shades.built
    assert run(request, registry) == old
    assert (Shades.calls, Shades.built) == (calls, built + 1)
    file.write_text("0.0")
    now = run(request, registry)
    assert len({record.used for record in now}) == 1
    assert now[0].used != old[0].used
    assert value(now[-1]) != value(old[-1])


def test_records_of_a_model_that_cannot_be_loaded_are_kept_and_doubted_aloud(
    file: Path, request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[WRAPPER])
    (old,) = run(request, registry)
    file.unlink()
    told = io.StringIO()
    assert run(request, registry, told) == [old]
    assert "1 reused records of wrapper may be of other weights than it has now: model 'wrapper'" in told.getvalue()


def test_models_without_weights_or_with_a_seed_are_not_loaded_for_nothing(
    request_: EvaluationRequest, registry: Registry
) -> None:
    assert SHADES.seeded
    run(request_, registry)
    assert make_plan(request_, registry).jobs == ()


@pytest.mark.parametrize("lost", ["train", "test"])
def test_a_cell_is_never_fed_with_embeddings_of_two_models(
    lost: str, file: Path, request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[WRAPPER])
    run(request, registry)
    # Lose the embedding of one split and the record: the rest is of the old weights.
    plan = make_plan(request, registry)
    cache = EmbeddingCache(request.cache)
    cache.drop(next(e.key for e in plan.cells[0].embeddings if e.split == lost))
    plan.cells[0].record.path(request.results).unlink()
    file.write_text("-1.0")
    (record,) = run(request, registry)
    assert record.status == "ok"
    abouts = [cache.about(e.key) for e in make_plan(request, registry).cells[0].embeddings]
    assert {about["weights"] for about in abouts if about} == {record.weights}
    alone = replace(request, results=request.results / "alone", cache=request.cache / "alone")
    assert record.metrics == run(alone, registry)[0].metrics


def test_embeddings_of_two_models_that_lie_in_the_cache_make_no_number(
    file: Path, request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[WRAPPER])
    (record,) = run(request, registry)
    record.path(request.results).unlink()
    cache = EmbeddingCache(request.cache)
    for embedding in make_plan(request, registry).cells[0].embeddings:
        if embedding.split == "test":
            _, description = cache._files(embedding.key)
            about = json.loads(description.read_text())
            description.write_text(json.dumps(about | {"weights": "f" * 64}))
    plan = make_plan(request, registry)
    assert [embedding.cached for embedding in plan.cells[0].embeddings] == [False] * 3
    (again,) = run(request, registry)
    assert again.metrics == record.metrics


class Drawn(Shades):
    """Other weights each time that it is loaded."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.weight = torch.nn.Parameter(torch.randn(8, 6, generator=torch.Generator().manual_seed(Shades.built)))


DRAWN = replace(SHADES, name="drawn", factory=Drawn)


def test_a_factory_that_never_makes_the_same_model_fails_in_the_end_instead_of_running_forever(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = jobs._load

    def forgetful(job: Any, site: Any, memory: Any) -> Any:
        """Load the model for every split, as workers do that each embed one."""
        memory.loaded = None
        return load(job, site, memory)

    monkeypatch.setattr(jobs, "_load", forgetful)
    (record,) = run(replace(request_, models=[DRAWN]), registry)
    assert record.status == "failed"
    assert "other weights each time that it is loaded; its factory must draw them from context.seed" in record.reason
    monkeypatch.setattr(jobs, "_load", load)
    (record,) = run(replace(request_, models=[DRAWN]), registry)
    assert record.status == "ok"


PLUGIN = """
import torch


class Loader(torch.nn.Module):
    def __init__(self, context):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor({scale}))

    def encode_sv(self, images):
        return self.scale * images.float().mean((2, 3))
"""

SCRIPT = """
import json, sys
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import test_staleness as t
from generated import make_registry
from gairbench import ModelSpec
registry = make_registry()
factory = "edited_plugin:Loader"
if sys.argv[4] == "class":
    import edited_plugin
    factory = edited_plugin.Loader
model = ModelSpec(name="edited", version="1", factory=factory, presets=t.SHADES.presets)
registry.add(t.Origin("edited", "edited-dist", "1.0"), models=[model])
where = Path(sys.argv[3])
request = t.EvaluationRequest(models=[model], tasks=[t.HEIGHT], results=where / "r", cache=where / "c", device="cpu")
plan = t.make_plan(request, registry)
(record,) = t.run(request, registry)
print(json.dumps([plan.cells[0].state, record.metrics["r2"].value, record.weights]))
"""


@pytest.mark.parametrize("named", ["address", pytest.param("class", marks=pytest.mark.slow)])
def test_a_fixed_loader_whose_version_was_not_raised_is_never_served_its_old_number(named: str, tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    code = plugins / "edited_plugin.py"

    def outcome() -> tuple[str, float, str]:
        tests = Path(__file__).parent
        arguments = [sys.executable, "-c", SCRIPT, str(plugins), str(tests), str(tmp_path / "run"), named]
        environment = os.environ | {"PYTHONPATH": str(tests.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
        state, number, weights = json.loads(done.stdout.splitlines()[-1])
        return state, number, weights

    def write(scale: str) -> None:
        code.write_text(PLUGIN.format(scale=scale))
        os.utime(code, (1e9, 1e9))  # as an installer that keeps times does

    write("0.0")
    broken = outcome()
    assert broken[:1] == ("todo",)
    assert broken[1] < 0.1
    if named == "address":
        assert outcome() == ("cached", *broken[1:])
    write("1.0")
    fixed = outcome()
    assert fixed[0] == "todo"
    assert fixed[1] > 0.8
    assert fixed[2] != broken[2]


HEADS = """
import numpy as np

from gairbench.evaluator import EvaluatorOutput


def evaluate(data):
    return EvaluatorOutput(prediction=np.full(len(data.features["test"]), {constant}))


def distance(target, given):
    return {factor} * np.abs(target - given)
"""

RUN_HEADS = """
import json, sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = [sys.argv[1], sys.argv[2]]
import test_staleness as t
from generated import make_registry
from gairbench import EvaluatorSpec, Kind, MetricSpec
registry = make_registry()
kinds = frozenset({Kind.REGRESSION})
head = EvaluatorSpec(name="constant", version=1, factory="edited_heads:evaluate", kinds=kinds)
metric = MetricSpec(name="distance", version=1, factory="edited_heads:distance", kinds=kinds, higher_is_better=False)
registry.add(t.Origin("edited", "edited-dist", "1.0"), evaluators=[head], metrics=[metric])
changes = {"evaluator": {"evaluators": ("constant", "ridge"), "metric": "rmse"}, "metric": {"metric": "distance"}}
task = replace(t.HEIGHT, **changes[sys.argv[4]], extra_metrics=())
where = Path(sys.argv[3])
request = t.EvaluationRequest(models=[t.SHADES], tasks=[task], results=where / "r", cache=where / "c", device="cpu")
plan = t.make_plan(request, registry)
found = {record.probe: record.metrics[task.metric].value for record in t.run(request, registry)}
states = {cell.record.probe: cell.state for cell in plan.cells}
print(json.dumps({probe: [states[probe], value] for probe, value in found.items()}))
"""


@pytest.mark.parametrize("edited", ["evaluator", pytest.param("metric", marks=pytest.mark.slow)])
def test_a_fixed_evaluator_or_metric_is_never_served_its_old_number_and_others_are_reused(
    edited: str, tmp_path: Path
) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    code = plugins / "edited_heads.py"

    def outcome(constant: float, factor: float) -> dict[str, list[Any]]:
        code.write_text(HEADS.format(constant=constant, factor=factor))
        os.utime(code, (1e9, 1e9))  # as an installer that keeps times does
        tests = Path(__file__).parent
        arguments = [sys.executable, "-c", RUN_HEADS, str(plugins), str(tests), str(tmp_path / "run"), edited]
        environment = os.environ | {"PYTHONPATH": str(tests.parent), "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=environment)
        found: dict[str, list[Any]] = json.loads(done.stdout.splitlines()[-1])
        return found

    theirs = "constant" if edited == "evaluator" else "ridge"
    broken = outcome(1e6, 2.0)
    assert {state for state, _ in broken.values()} == {"todo"}
    assert outcome(1e6, 2.0) == {probe: ["cached", number] for probe, (_, number) in broken.items()}
    fixed = outcome(0.0, 1.0)
    assert fixed[theirs][0] == "todo"
    assert fixed[theirs][1] < 0.9 * broken[theirs][1]
    assert {probe: state for probe, (state, _) in fixed.items() if probe != theirs} == {
        probe: "cached" for probe in broken if probe != theirs
    }


def test_an_evaluator_whose_code_cannot_be_read_fails_its_own_cells(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "unreadable_heads"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "table.json").symlink_to(package / "nowhere.json")
    monkeypatch.syspath_prepend(str(tmp_path))
    kinds = frozenset({HEIGHT.kind})
    head = EvaluatorSpec(name="unreadable", version=1, factory="unreadable_heads:evaluate", kinds=kinds)
    registry.add(Origin("theirs", "their-dist", "1.0"), evaluators=[head])
    cells = make_plan(replace(request_, tasks=[replace(HEIGHT, evaluators=("unreadable", "ridge"))]), registry).cells
    assert [cell.state for cell in cells] == ["failed", "todo"]
    assert "the code of a plugin cannot be read: " in cells[0].reason
    assert str(package / "table.json") in cells[0].reason


# Weights that a recipe makes.

MACHINE = "GAIRBENCH_TEST_MACHINE"


def pretrain(context: PretrainContext) -> None:
    """Train to something that depends on the machine."""
    (context.output / "shift.json").write_text(os.environ[MACHINE])


MADE_HERE = replace(
    TRAINED,
    presets=(
        Preset(
            name="default",
            inputs=TRAINED.presets[0].inputs,
            weights=Pretraining(recipe=pretrain, version=1, dataset="world-pretrain"),
        ),
    ),
)
"""Its key is the same on every machine."""


def on(machine: str, request: EvaluationRequest, monkeypatch: pytest.MonkeyPatch) -> EvaluationRequest:
    """Return the request on another machine: its own cache, the same folder of results."""
    monkeypatch.setenv(MACHINE, machine)
    return replace(request, models=[MADE_HERE], cache=request.cache / machine)


def test_the_same_recipe_on_two_machines_shares_no_results(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = run(on("0.5", request_, monkeypatch), registry)
    there = on("-3.0", request_, monkeypatch)
    # Nothing is to be trained: the record is of weights that are another machine's, and all of one kind.
    assert states(make_plan(there, registry)) == ["cached"]
    # Something is: results of two trainings would stand in one table.
    more = replace(there, tasks=[HEIGHT, ZONE])
    plan = make_plan(more, registry)
    assert set(states(plan)) == {"todo"}
    assert [cell.stale for cell in plan.cells if cell.task is HEIGHT] == [one.used]
    found = run(more, registry)
    assert len({record.used for record in found}) == 1
    assert found[0].used != one.used
    assert found[0].checkpoint.startswith("pretrained:")
    # And back on the first machine, whose checkpoint is still there.
    here = on("0.5", request_, monkeypatch)
    assert states(make_plan(here, registry)) == ["todo"]
    (again,) = run(here, registry)
    assert (again.used, again.metrics) == (one.used, one.metrics)


def test_embeddings_that_were_copied_from_another_machine_are_computed_again(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = on("0.5", request_, monkeypatch)
    (one,) = run(first, registry)
    second = on("-3.0", request_, monkeypatch)
    run(replace(second, results=request_.results / "other"), registry)
    for path in (first.cache / "embeddings").rglob("*.*"):
        target = second.cache / "embeddings" / path.relative_to(first.cache / "embeddings")
        target.write_bytes(path.read_bytes())
    assert states(make_plan(second, registry)) == ["todo"]
    (found,) = run(second, registry)
    assert found.used != one.used
    assert found.metrics == read_result(found.path(request_.results / "other")).metrics


def test_a_failing_cell_does_not_fall_back_to_a_stale_record(
    file: Path, request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(on("0.5", request_, monkeypatch), registry)
    there = on("-3.0", request_, monkeypatch)
    run(replace(there, results=request_.results / "other"), registry)

    def broken(self: object, images: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(Shades, "encode_sv", broken)
    for path in (there.cache / "embeddings").rglob("*.json"):
        path.unlink()
    (record,) = run(there, registry)
    assert record.status == "failed"


# Environments.


def test_records_of_another_environment_are_reused_and_counted_aloud(
    request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, tasks=[HEIGHT, ZONE])
    found = run(request, registry)
    told = io.StringIO()
    run(request, registry, told)
    assert "another environment" not in told.getvalue()
    old = replace(found[0], environment={**found[0].environment, "torch": "1.0.0"}, device="cpu (77 threads)")
    write_result(old, request.results)
    told = io.StringIO()
    again = run(request, registry, told)
    assert old in again
    (line,) = [line for line in told.getvalue().splitlines() if "another environment" in line]
    assert line.startswith(f"1 of {len(found)} reused records are of another environment: ")
    assert f"cpu (77 threads), now {found[0].device} (1)" in line
    assert f"torch 1.0.0, now {found[0].environment['torch']} (1)" in line


def test_records_say_where_weights_were_trained_and_embeddings_computed(
    request_: EvaluationRequest, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = run(on("0.5", request_, monkeypatch), registry)
    threads = str(torch.get_num_threads())
    assert record.environment["threads"] == record.environment["pretraining threads"] == threads
    assert record.environment["precision"] == "float32, matmul highest"
    assert record.environment["pretraining precision"] == "32-true"
    assert record.environment["pretraining torch"] == record.environment["torch"]
    assert results.read_result(record.path(request_.results)) == record
