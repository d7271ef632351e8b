"""``gairbench reproduce``: a cell is computed again from its record, nothing is kept, and the verdict is true."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from generated import SHADES, TASKS, TRAINED, Shades, carry_out, files, make_registry
from rich.console import Console

import gairbench as gb
from gairbench.commands.reproduce import ReproduceRequest, agreement_text, reproduce_record
from gairbench.errors import CheckpointError, DataError, StorageError, UsageError
from gairbench.evaluation.plan import EvaluationRequest
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Registry
from gairbench.progress import Progress
from gairbench.reproduction.agreement import Agreement
from gairbench.results import read_result, write_result
from gairbench.spec import ModelSpec, TaskSpec
from gairbench.split_choice import SplitChoice

MODEL_FILE = """
from pathlib import Path
import gairbench
Path("it-ran").touch()
class Encoder:
    inputs = (gairbench.LocationInput(),)
    def __init__(self, context): pass
    def encode_location(self, lonlat): return lonlat.repeat(1, 2)
"""

TASK_FILE = """
datasets:
  fields:
    licence: CC0-1.0
    synthetic: true
    table: {path: fields.csv, id: id, lon: lon, lat: lat}
    split: {by: random, seed: 0}
tasks:
  - {name: fields-height, dataset: fields, label: height, kind: regression, family: fields}
"""


@pytest.fixture(autouse=True)
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def record_of(tmp_path: Path, task: TaskSpec = TASKS[2], model: ModelSpec = SHADES, **asked: object) -> Path:
    """Return the file of the headline cell's record of a run."""
    request = EvaluationRequest(
        models=[model], tasks=[task], results=tmp_path / "results", cache=tmp_path / "cache", device="cpu", command="x"
    )
    found = carry_out(replace(request, **asked), make_registry())  # type: ignore[arg-type]
    (record,) = [one for one in found if one.headline]
    assert record.status == "ok", record.reason
    return record.path(request.results)


def edited(path: Path, **changes: object) -> Path:
    """Write a record with other fields; of the headline metric the ``value`` may be given alone."""
    record = read_result(path)
    if "value" in changes:
        metric = replace(record.metrics[record.metric], value=changes.pop("value"))  # type: ignore[arg-type]
        changes["metrics"] = {**record.metrics, record.metric: metric}
    folder = path.parents[4] / "edited"
    return write_result(replace(record, **changes), folder)  # type: ignore[arg-type]


def value_of(path: Path) -> float:
    record = read_result(path)
    return record.metrics[record.metric].value


def again(path: Path, **given: object) -> Agreement:
    def registry_for(task_files: Sequence[Path]) -> Registry:
        assert not task_files
        return make_registry()

    return reproduce_record(
        ReproduceRequest(record=path, **given),  # type: ignore[arg-type]
        Progress(Console(file=StringIO())),
        registry_for,
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_cell_of_every_kind_is_the_same_to_the_last_bit_in_the_same_environment(
    tmp_path: Path, task: TaskSpec
) -> None:
    path = record_of(tmp_path, task)
    found = again(path)
    assert found.agrees, agreement_text(found)
    assert found.cell == found.weights == found.environment == ()
    assert all(pair.exact and pair.then == pair.now for pair in found.numbers)
    assert {pair.name for pair in found.numbers} >= read_result(path).metrics.keys()
    assert agreement_text(found).endswith("it agrees: every number is the same to the last bit")


def test_embeddings_are_computed_anew_and_nothing_stays(tmp_path: Path) -> None:
    path = record_of(tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in files(tmp_path)}
    Shades.calls = 0
    found = again(path)
    assert Shades.calls > 0
    assert found.repeated == ("the embeddings", "the evaluation")
    after = {name: (tmp_path / name).read_bytes() for name in files(tmp_path) if "locks" not in name}
    assert after == {name: content for name, content in before.items() if "locks" not in name}


def test_an_embedding_that_is_wrong_in_the_cache_is_not_read(tmp_path: Path) -> None:
    path = record_of(tmp_path)
    for array in (tmp_path / "cache" / "embeddings").rglob("*.npy"):
        np.save(array, np.load(array)[::-1])
    assert again(path).agrees


@pytest.mark.parametrize("off", [1e-9, -0.2])
def test_a_value_that_was_edited_is_found_however_little(tmp_path: Path, off: float) -> None:
    path = record_of(tmp_path, TASKS[2])
    found = again(edited(path, value=value_of(path) + off))
    assert not found.agrees
    (wrong,) = [pair for pair in found.numbers if not pair.agrees]
    assert (wrong.name, wrong.allowed, wrong.now) == ("r2", 0.0, value_of(path))
    assert "DIFFERS" in agreement_text(found)


def test_an_interval_that_was_edited_is_found(tmp_path: Path) -> None:
    path = record_of(tmp_path, TASKS[2])
    record = read_result(path)
    metric = replace(record.metrics["r2"], low=record.metrics["r2"].low + 0.01)
    found = again(edited(path, metrics={**record.metrics, "r2": metric}))
    assert [pair.name for pair in found.numbers if not pair.agrees] == ["r2 low"]


@pytest.mark.parametrize(("off", "agrees"), [(5e-4, True), (2e-3, False)])
def test_numbers_of_another_environment_may_differ_by_the_stated_bound(
    tmp_path: Path, off: float, agrees: bool
) -> None:
    path = record_of(tmp_path, TASKS[2])
    environment = {**read_result(path).environment, "torch": "1.0.0"}
    found = again(edited(path, value=value_of(path) + off, environment=environment))
    assert [str(one).partition(",")[0] for one in found.environment] == ["torch: 1.0.0"]
    assert found.agrees is agrees
    assert ("it agrees, each of" in agreement_text(found)) is agrees


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"dataset_fingerprint": "of other data"}, "fingerprint of the data"),
        ({"probe_version": 99}, "version of the evaluator"),
        ({"task_version": 99}, "version of the task"),
        ({"model_version": "99"}, "version of the model"),
        ({"dataset_version": 99}, "version of the dataset"),
        ({"n": {"train": 1}}, "samples per split"),
    ],
)
def test_what_is_not_the_same_cell_does_not_agree_though_its_numbers_do(
    tmp_path: Path, changes: dict[str, object], what: str
) -> None:
    found = again(edited(record_of(tmp_path), **changes))
    assert [one.what for one in found.cell] == [what]
    assert all(pair.agrees for pair in found.numbers)
    assert not found.agrees


def test_other_weights_are_named_and_need_not_give_other_numbers(tmp_path: Path) -> None:
    found = again(edited(record_of(tmp_path), weights="ab" * 32, key="cd" * 32))
    assert [one.what for one in found.weights] == ["weights in memory", "key"]
    assert found.agrees
    assert not any(pair.exact for pair in found.numbers)


def test_the_settings_of_the_record_are_taken_over(tmp_path: Path) -> None:
    registry = make_registry()
    asked = {
        "seeds": (3,),
        "labels": (LabelBudget.of("50%"),),
        "splits": (SplitChoice.of("random", registry.split_policies),),
        "limit": 60,
    }
    path = record_of(tmp_path, **asked)
    found = again(path)
    assert found.agrees, agreement_text(found)
    assert (found.now.seed, found.now.labels, found.now.split, found.now.limit) == (3, "50%", "random", 60)


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_the_records_number_of_threads_is_computed_with(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    path = record_of(tmp_path)
    torch.set_num_threads(2)
    found = again(path)
    assert found.now.environment["threads"] == found.now.environment["evaluation threads"] == "1"
    assert torch.get_num_threads() == 2
    assert found.agrees, agreement_text(found)


def test_a_training_is_not_repeated_unless_asked_for(tmp_path: Path) -> None:
    path = record_of(tmp_path, model=TRAINED)
    found = again(path)
    assert found.agrees, agreement_text(found)
    assert found.repeated == ("the embeddings", "the evaluation")
    (tmp_path / "cache" / "checkpoints").rename(tmp_path / "elsewhere")
    with pytest.raises(CheckpointError, match=r"the checkpoint of trained .* is not in the cache; --retrain repeats"):
        again(path)
    assert not [*(tmp_path / "cache" / "checkpoints").rglob("*.json")]


def test_a_training_that_is_repeated_leaves_the_users_checkpoint_alone(tmp_path: Path) -> None:
    path = record_of(tmp_path, model=TRAINED)
    (checkpoint,) = (tmp_path / "cache" / "checkpoints").rglob("shift.json")
    # Not what the training gives: so far off that single precision keeps little of the features.
    checkpoint.write_text("10000000")
    found = again(path, retrain=True)
    assert found.agrees, agreement_text(found)
    assert found.repeated == ("the training of trained", "the embeddings", "the evaluation")
    assert checkpoint.read_text() == "10000000"
    found = again(path)
    assert not found.agrees
    assert [one.what for one in found.weights] == ["checkpoint", "weights in memory"]


def test_a_cell_without_a_number_cannot_be_reproduced(tmp_path: Path) -> None:
    path = edited(record_of(tmp_path), status="skipped", reason="no data", metrics={})
    with pytest.raises(UsageError, match="is of a cell that was skipped: no data"):
        again(path)


def test_a_cell_that_cannot_be_computed_says_why(tmp_path: Path) -> None:
    path = edited(record_of(tmp_path), probe="linear")
    with pytest.raises(DataError, match=r"is not evaluated with 'linear' now; its evaluators are ridge"):
        again(path)
    with pytest.raises(UsageError, match=r"no task 'world-gone', which came from"):
        again(edited(record_of(tmp_path), task="world-gone"))


def test_a_checkpoint_that_the_record_does_not_lead_to_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "shift.json").write_text("0.5")
    path = record_of(tmp_path, checkpoints={"shades": tmp_path / "mine"})
    with pytest.raises(UsageError, match=r"checkpoint file:\w+; name the file with --checkpoint shades=PATH"):
        again(path)
    assert again(path, checkpoint={"shades": tmp_path / "mine"}).agrees
    path = edited(path, command=f"gairbench run --checkpoint shades={tmp_path / 'mine'} --model shades")
    assert again(path).agrees
    (tmp_path / "mine").rename(tmp_path / "moved")
    with pytest.raises(CheckpointError, match=r"no checkpoint .*mine of shades; name it with --checkpoint"):
        again(path)


# Records that others have made.


def file_record(tmp_path: Path) -> Path:
    """Return the record of a model in a Python file, whose running leaves a trace."""
    (tmp_path / "mine.py").write_text(MODEL_FILE)
    (record,) = gb.run(
        "mine.py:Encoder", "earth-location-airport-elevation", results="results", device="cpu", limit=60, quiet=True
    )
    assert record.status == "ok", record.reason
    (tmp_path / "it-ran").unlink()
    return record.path(tmp_path / "results")


def test_no_python_file_runs_unless_the_user_names_it(tmp_path: Path) -> None:
    path = file_record(tmp_path)
    (tmp_path / "evil.py").write_text(MODEL_FILE)
    evil: list[dict[str, object]] = [
        {"model": "evil.py:Encoder"},
        {"model": "compose(rs=evil.py:Encoder,sv=mae)"},
        {"covered_by": "evil.py:Encoder"},
        {"covered_by": "lonlat & evil.py:Encoder", "command": "gairbench run --covered-by evil.py:Encoder"},
        {"command": "gairbench run --model evil.py:Encoder --checkpoint evil.py:Encoder=evil.py"},
        {"parts": {"rs": {"model": "evil.py:Encoder"}}, "model": "lonlat"},
        {"preset": "evil.py:Encoder"},
    ]
    for changes in evil:
        record = edited(path, **changes)
        with contextlib.suppress(UsageError, CheckpointError):
            gb.reproduce(record, quiet=True)
        assert not (tmp_path / "it-ran").exists(), changes
    with pytest.raises(UsageError, match="a Python file that runs when it is loaded; name it with --model"):
        gb.reproduce(edited(path, model="evil.py:Encoder"), quiet=True)
    found = gb.reproduce(path, model="mine.py:Encoder", quiet=True)
    assert found.agrees, agreement_text(found)
    with pytest.raises(UsageError, match="and the record is of mine:Encoder"):
        gb.reproduce(path, model="lonlat", quiet=True)


@pytest.mark.parametrize("broken", [{"model": ["x"]}, {"seed": "zero"}, {"environment": 3}, {"metrics": []}])
def test_a_record_with_values_of_other_types_is_one_clear_line(tmp_path: Path, broken: dict[str, object]) -> None:
    path = record_of(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **broken}))
    with pytest.raises(StorageError, match="is not a gairbench result"):
        again(path)


def test_task_files_are_those_of_the_records_command_or_of_the_user(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [
        f"p{i},{lon:.3f},{lat:.3f},{lat:.3f}"
        for i, (lon, lat) in enumerate(zip(rng.uniform(-170, 170, 60), rng.uniform(-80, 80, 60), strict=True))
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "fields.csv").write_text("\n".join(["id,lon,lat,height", *rows]) + "\n")
    (tmp_path / "fields.yaml").write_text(TASK_FILE)
    asked = {"task_file": "fields.yaml", "data_root": "data", "results": "results", "device": "cpu"}
    (record,) = gb.run("lonlat", **asked, quiet=True)  # type: ignore[arg-type]
    assert record.status == "ok", record.reason
    path = record.path(tmp_path / "results")
    assert gb.reproduce(path, quiet=True).agrees
    (tmp_path / "fields.yaml").rename(tmp_path / "moved.yaml")
    with pytest.raises(UsageError, match=r"task file fields\.yaml of the record's command is not here"):
        gb.reproduce(path, quiet=True)
    assert gb.reproduce(path, task_file="moved.yaml", quiet=True).agrees
    (tmp_path / "data").rename(tmp_path / "there")
    with pytest.raises(DataError, match=r"cannot be computed: dataset 'fields' is not at data; correct --data-root"):
        gb.reproduce(path, task_file="moved.yaml", quiet=True)
    assert gb.reproduce(path, task_file="moved.yaml", data_root="there", quiet=True).agrees
    (tmp_path / "run.yaml").write_text("task-file: moved.yaml\ndata-root: there\n")
    assert gb.reproduce(edited(path, command="gairbench run --config run.yaml"), quiet=True).agrees
