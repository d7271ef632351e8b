"""Jobs give the same records wherever they run; nothing is computed twice; only lost workers are retried."""

from __future__ import annotations

import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import pytest
import watched
from generated import SHADES, TASKS, TRAINED
from recorder import Recorder, RecorderPlugin
from rich.console import Console
from watched import DIES, DIES_ONCE, SLOW, TRAINED_ONCE, WATCHED, logged

from gairbench import evaluators
from gairbench.errors import PluginError, UsageError
from gairbench.evaluation import executors, jobs
from gairbench.evaluation.jobs import Memory, Site
from gairbench.evaluation.open_model import unreplaced
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import Outcomes, run_plan
from gairbench.plugins import Origin, Registry, register
from gairbench.progress import Progress
from gairbench.protocols import Call
from gairbench.results import Result
from gairbench.spec import ExecutorContext

TESTS = Path(__file__).parents[1]
VARYING = {"created", "seconds", "environment"}
"""Fields of a record that say when and how long, not what."""


@pytest.fixture
def registry() -> Registry:
    found = Registry()
    register(found, generated.Plugin(), Origin("generated", "generated-dist", "1.0"))
    register(found, executors, Origin("gairbench-executors", "gairbench", "1.0"))
    register(found, evaluators, Origin("gairbench-evaluators", "gairbench", "1.0"))
    models = [WATCHED, DIES_ONCE, DIES, SLOW, TRAINED_ONCE]
    found.add(Origin("watched", "watched-dist", "1.0"), models=models)
    return found


@pytest.fixture
def request_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EvaluationRequest:
    monkeypatch.setenv(watched.FOLDER, str(tmp_path))
    # Workers of submitit and of Ray import the tests' models, too.
    paths = [str(TESTS), *sys.path]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return EvaluationRequest(
        models=[SHADES, TRAINED], tasks=TASKS, results=tmp_path / "results", cache=tmp_path / "cache", device="cpu"
    )


def run(request: EvaluationRequest, registry: Registry) -> Outcomes:
    return run_plan(make_plan(request, registry), request, registry, Progress(Console(file=io.StringIO())))


def content(records: Sequence[Result]) -> list[dict[str, Any]]:
    return [
        {field: getattr(record, field) for field in Result.__dataclass_fields__ if field not in VARYING}
        for record in sorted(records, key=lambda record: record.path(Path()).as_posix())
    ]


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """Ray with the resources of two nodes."""
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *sys.path])
    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes.add_node(num_cpus=1)
        ray.init(address=nodes.address, log_to_driver=False)
        assert len([node for node in ray.nodes() if node["Alive"]]) == 2
        yield
    finally:
        ray.shutdown()
        nodes.shutdown()
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


# The same records everywhere.


def check_equals_local(
    request: EvaluationRequest, registry: Registry, tmp_path: Path, name: str, options: dict[str, object]
) -> None:
    here = run(replace(request, results=tmp_path / "here", cache=tmp_path / "here-cache"), registry)
    assert {record.status for record in here.records} <= {"ok", "skipped"}
    assert {record.model for record in here.records if record.status == "ok"} == {"shades", "trained"}
    there = run(replace(request, executor=name, executor_options=options), registry)
    assert content(there.records) == content(here.records)
    assert there.reused == []
    again = run(replace(request, executor=name, executor_options=options), registry)
    assert len(again.reused) == sum(record.status == "ok" for record in here.records)


def test_two_processes_give_the_same_records(request_: EvaluationRequest, registry: Registry, tmp_path: Path) -> None:
    check_equals_local(request_, registry, tmp_path, "local", {"workers": 2})


@pytest.mark.slow  # two processes and submitit do in CI, and one test below starts Ray
def test_ray_gives_the_same_records(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path, cluster: None
) -> None:
    check_equals_local(replace(request_, tasks=TASKS[:3]), registry, tmp_path, "ray", {"cpus": 1})


def test_submitit_gives_the_same_records(request_: EvaluationRequest, registry: Registry, tmp_path: Path) -> None:
    pytest.importorskip("submitit")
    # Every job is a process that imports torch: few of them.
    request = replace(request_, tasks=TASKS[:1])
    check_equals_local(request, registry, tmp_path, "slurm", {"cluster": "local", "parallel": 2})


def device_of(device: str | None) -> str | None:
    return device


def test_slurm_evaluates_on_the_cpu_as_its_jobs_get_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(TESTS), *sys.path]))
    from gairbench.evaluation.executors.slurm import SlurmExecutor

    executor = SlurmExecutor(ExecutorContext(options={"cluster": "local"}, folder=tmp_path))
    calls = [Call(label="device", function=device_of, accelerated=accelerated) for accelerated in (True, False)]
    assert [job.result() for job in executor.submit(calls)] == [None, "cpu"]
    executor.stop()


def test_a_plan_is_values_that_can_be_pickled(request_: EvaluationRequest, registry: Registry) -> None:
    plan = make_plan(request_, registry)
    copy = pickle.loads(pickle.dumps(plan))
    assert copy.cells == plan.cells
    assert copy.jobs == plan.jobs
    assert {type(job).__name__ for job in plan.jobs} == {"PretrainJob", "EmbedJob", "EvaluateJob"}


# What an executor is handed.


def test_an_executor_of_a_plugin_gets_only_what_is_missing(request_: EvaluationRequest, registry: Registry) -> None:
    register(registry, RecorderPlugin(), Origin("theirs", "theirs-dist", "1.0"))
    request = replace(request_, executor="recorder", executor_options={"shelves": 2})
    run(replace(request, tasks=TASKS[:1]), registry)
    assert Recorder.options == {"shelves": 2}
    assert sum(call.label.startswith("pretrain") for call in Recorder.calls) == 1
    run(replace(request, tasks=TASKS[:3]), registry)
    labels = [call.label for call in Recorder.calls]
    assert not [label for label in labels if label.startswith("pretrain") or "world-zone" in label]
    assert {label.split(" on ")[1].split(" by ")[0] for label in labels if label.startswith("evaluate")} == {
        "world-tags",
        "world-height",
    }
    Recorder.calls = []
    run(replace(request, tasks=TASKS[:3]), registry)
    assert Recorder.calls == []


def test_one_model_is_loaded_once_for_all_its_embeddings(request_: EvaluationRequest, registry: Registry) -> None:
    run(replace(request_, models=[WATCHED], executor_options={"workers": 2}), registry)
    assert len([line for line in logged() if line.startswith("load")]) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cluster", {}, "executor 'cluster'"),
        ("local", {"worker": 2}, "did you mean workers"),
        ("local", {"workers": "two"}, "'two' is not a whole number"),
        ("local", {"workers": 0}, "0 is less than 1"),
        ("slurm", {"cluster": "pbs"}, "pbs"),
    ],
)
def test_a_mistake_in_the_executor_is_one_line(
    name: str, options: dict[str, object], message: str, request_: EvaluationRequest, registry: Registry
) -> None:
    with pytest.raises(UsageError, match=message):
        run(replace(request_, executor=name, executor_options=options), registry)


@pytest.mark.parametrize(("name", "package"), [("ray", "ray"), ("slurm", "submitit")])
def test_a_missing_package_is_named_with_the_extra(
    name: str,
    package: str,
    request_: EvaluationRequest,
    registry: Registry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"gairbench.evaluation.executors.{name}", raising=False)
    with pytest.raises(PluginError, match=rf"needs the package '{package}'.*pip install 'gairbench\[{name}\]'"):
        run(replace(request_, executor=name), registry)


def test_a_device_that_is_not_there_is_refused_also_where_all_is_cached(
    request_: EvaluationRequest, registry: Registry
) -> None:
    run(request_, registry)
    with pytest.raises(UsageError, match="cuda:7"):
        run(replace(request_, device="cuda:7"), registry)


# Faults of the machinery.


def test_a_killed_worker_costs_a_retry_and_nothing_else(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    request = replace(request_, models=[DIES_ONCE], tasks=TASKS[:2])
    there = run(replace(request, executor_options={"workers": 2}), registry)
    assert (tmp_path / "died").exists()
    here = run(replace(request, results=tmp_path / "here", cache=tmp_path / "here-cache"), registry)
    assert content(there.records) == content(here.records)
    assert {record.status for record in there.records} == {"ok"}


@pytest.mark.slow  # what dies once is retried in the test above, and test_misbehaviour.py ends processes
def test_what_dies_again_and_again_fails_alone(request_: EvaluationRequest, registry: Registry) -> None:
    request = replace(request_, models=[DIES, SHADES], tasks=TASKS[:2], executor_options={"workers": 2})
    found = run(request, registry).records
    died = [record for record in found if record.model == "dies" and record.task == "world-zone"]
    assert {record.status for record in died} == {"failed"}
    assert all("a worker process died" in record.reason and "3 times" in record.reason for record in died)
    assert len(logged()) == 3
    assert {record.status for record in found if record.model == "shades"} == {"ok"}


SCRIPT = """
import io, sys
from dataclasses import replace
from pathlib import Path
import generated, watched
from gairbench import evaluators
from gairbench.evaluation import executors
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.plugins import Origin, Registry, register
from gairbench.progress import Progress
from rich.console import Console

if __name__ == "__main__":
    folder, workers, fresh = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[4] == "fresh"
    registry = Registry()
    register(registry, generated.Plugin(), Origin("generated", "generated-dist", "1.0"))
    register(registry, executors, Origin("gairbench-executors", "gairbench", "1.0"))
    register(registry, evaluators, Origin("gairbench-evaluators", "gairbench", "1.0"))
    models = [watched.WATCHED, watched.SLOW, watched.TRAINED_ONCE]
    registry.add(Origin("watched", "watched-dist", "1.0"), models=models)
    request = EvaluationRequest(
        models=[registry.models[name] for name in sys.argv[3].split(",")], tasks=generated.TASKS[:3],
        results=folder / "results", cache=folder / "cache", device="cpu", fresh=fresh,
        executor_options={"workers": workers} if workers else {},
    )
    try:
        found = run_plan(make_plan(request, registry), request, registry, Progress(Console(file=io.StringIO())))
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(any(record.status == "failed" for record in found.records))
"""


def start(tmp_path: Path, workers: int, models: str, fresh: str = "") -> subprocess.Popen[bytes]:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    return subprocess.Popen([sys.executable, str(script), str(tmp_path), str(workers), models, fresh])


def wait_for(word: str, seconds: float = 120.0) -> list[str]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := [line for line in logged() if line.startswith(word)]:
            return found
        time.sleep(0.05)
    raise AssertionError(f"no {word!r} in the log")


def alive(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize(
    "how", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["killed", "interrupted"]
)
def test_a_run_that_was_stopped_goes_on_where_it_was(
    how: signal.Signals, request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    process = start(tmp_path, 2, "slow")
    try:
        (begun,) = wait_for("begin")
        process.send_signal(how)
        status = process.wait(60)
    finally:
        process.kill()
    assert status == (-signal.SIGKILL if how is signal.SIGKILL else 130)
    worker = int(begun.split()[1])
    end = time.monotonic() + 30
    while alive(worker) and time.monotonic() < end:
        time.sleep(0.1)
    assert not alive(worker), "a worker outlives the run"
    done = [line for line in logged() if line.startswith("embed")]
    (tmp_path / "fast").touch()
    (tmp_path / "log").unlink()
    found = run(replace(request_, models=[SLOW], tasks=TASKS[:3]), registry)
    assert {record.status for record in found.records} == {"ok"}
    more = [line for line in logged() if line.startswith("embed")]
    clean = tmp_path / "clean"
    (tmp_path / "log").unlink()
    alone = run(replace(request_, models=[SLOW], tasks=TASKS[:3], results=clean, cache=clean / "cache"), registry)
    assert content(found.records) == content(alone.records)
    assert len(done) + len(more) == len([line for line in logged() if line.startswith("embed")])


def test_equal_runs_started_together_do_the_work_once(
    request_: EvaluationRequest, registry: Registry, tmp_path: Path
) -> None:
    together = [start(tmp_path, 0, "watched,trained-once") for _ in range(4)]
    assert [process.wait(300) for process in together] == [0] * 4
    lines = logged()
    (tmp_path / "log").unlink()
    clean = tmp_path / "clean"
    models = [WATCHED, TRAINED_ONCE]
    run(replace(request_, models=models, tasks=TASKS[:3], results=clean, cache=clean / "cache"), registry)
    for word in ("pretrain", "embed"):
        assert len([line for line in lines if line.startswith(word)]) == len(
            [line for line in logged() if line.startswith(word)]
        ), word


def test_a_checkpoint_is_not_replaced_while_another_process_loads_it(
    request_: EvaluationRequest, registry: Registry
) -> None:
    request = replace(request_, models=[TRAINED_ONCE], tasks=TASKS[:1])
    run(request, registry)
    (job,) = make_plan(replace(request, fresh=True), registry).pretrainings()
    (job.target / "shift.json").write_text("7")
    site = Site(results=request.results, cache=request.cache, data_root=None, device="cpu", since=time.time() + 3600)
    errors: list[BaseException] = []

    def replace_it() -> None:
        try:
            jobs.run_pretrain_job(job, site, Memory(site), Progress(Console(file=io.StringIO())))
        except BaseException as error:
            errors.append(error)

    with unreplaced(job.target, site.cache):
        other = threading.Thread(target=replace_it)
        other.start()
        wait_for("pretrain")
        other.join(1.0)
        assert other.is_alive()
        assert watched.shift(job.target) == 7
    other.join(60)
    assert not errors
    assert watched.shift(job.target) != 7


RAY_SCRIPT = """
import sys
import tempfile
from functools import partial
from pathlib import Path
from gairbench.evaluation.executors.ray import RayExecutor
from gairbench.protocols import Call
from gairbench.spec import ExecutorContext

def answer(number, device):
    return number + 1, device

executor = RayExecutor(ExecutorContext(options={}, folder=Path(sys.argv[1])))
calls = [Call(label="answer", function=partial(answer, 41), accelerated=gpu) for gpu in (True, False)]
assert [call.result() for call in executor.submit(calls)] == [(42, None), (42, "cpu")]  # evaluating gets no GPU
executor.stop()
"""


def test_ray_without_an_address_starts_here_though_an_older_cluster_is_gone(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    # Not below tmp_path: paths of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="gb-") as folder:
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text("127.0.0.1:1")
        environment = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        done = subprocess.run(
            [sys.executable, "-c", RAY_SCRIPT, str(tmp_path)],
            env=environment | {"RAY_TMPDIR": folder},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
