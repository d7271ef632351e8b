"""The two-file plugin under examples/: really installed, listed with its origin, run, and uninstalled again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gairbench.testing import parametrize_with_model_checks, parametrize_with_task_checks

ROOT = Path(__file__).parents[1]
PLUGIN = ROOT / "examples" / "gairbench-example"
ORIGIN = "example (gairbench-example 0.1.0)"


def _plugin() -> Any:
    sys.path.insert(0, str(PLUGIN))
    try:
        import gairbench_example
    finally:
        sys.path.remove(str(PLUGIN))
    return gairbench_example


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let its lazy factories be found although it is not installed here."""
    monkeypatch.syspath_prepend(str(PLUGIN))


@parametrize_with_model_checks(_plugin().register_models())
def test_example_model(check: Callable[[], None]) -> None:
    check()


@parametrize_with_task_checks(_plugin().register_tasks())
def test_example_task(check: Callable[[], None]) -> None:
    check()


def test_it_is_two_files() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=PLUGIN,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert sorted(listed.stdout.split()) == ["gairbench_example.py", "pyproject.toml"]


class Installation:
    """A virtual environment of its own that also sees the packages of this one."""

    def __init__(self, folder: Path) -> None:
        self.work = folder / "work"
        self.work.mkdir()
        self.environment = dict(os.environ)
        venv.create(folder / "venv", symlinks=os.name != "nt")
        scripts = "Scripts" if os.name == "nt" else "bin"
        self.executable = folder / "venv" / scripts / "python"
        # A .pth file reaches everything installed here, editable installs and pip itself among them.
        site = Path(self._run("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
        line = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (site / "everything_else.pth").write_text(line, encoding="utf-8")
        self.environment |= {
            # For a checkout that is not installed.
            "PYTHONPATH": os.pathsep.join(str(ROOT / name) for name in ("", "models", "tasks", "leaderboard")),
            "GAIRBENCH_CACHE": str(folder / "cache"),
            "GAIRBENCH_STRICT_PLUGINS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_NO_INDEX": "1",
        }

    def python(self, *arguments: str) -> str:
        return self._run("-m", *arguments)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [self.executable, *arguments],
            cwd=self.work,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def listing(self, what: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.python("gairbench", "list", what, "--json"))
        return rows


def test_install_list_run_and_uninstall(tmp_path: Path) -> None:
    # pip builds in place; a copy keeps the checkout clean.
    source = tmp_path / "source"
    source.mkdir()
    for file in ("pyproject.toml", "gairbench_example.py"):
        (source / file).write_bytes((PLUGIN / file).read_bytes())
    here = Installation(tmp_path)
    before = here.listing("models")

    here.python("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", str(source))
    models = {row["model"]: row["origin"] for row in here.listing("models")}
    assert models["example-sphere"] == ORIGIN
    tasks = {row["task"]: row["origin"] for row in here.listing("tasks")}
    assert tasks["example-daylight-june"] == ORIGIN
    plugins = {row["plugin"]: row for row in here.listing("plugins")}
    assert plugins["example"]["distribution"] == "gairbench-example"
    assert plugins["example"]["state"] == "ok"
    assert ORIGIN in here.python("gairbench", "list", "models")

    # In one command, its model with its own task and with a built-in one.
    wanted = "earth-location-koeppen,example-daylight-june"
    table = here.python("gairbench", "run", "--model", "example-sphere", "--task", wanted, "--limit", "200")
    assert "example-sphere" in table
    records = [json.loads(path.read_text(encoding="utf-8")) for path in (here.work / "results").rglob("*.json")]
    found = {(r["task"], r["probe"]): r for r in records}
    assert {r["status"] for r in records} == {"ok"}, [r["reason"] for r in records]
    assert {r["model_origin"] for r in records} == {ORIGIN}
    builtin = found["earth-location-koeppen", "linear"]
    assert builtin["n"]["train"] <= 200
    assert builtin["embedding_dim"] == 20
    # A smooth function of latitude: a model that knows the sphere must explain most of it.
    assert found["example-daylight-june", "ridge"]["metrics"]["r2"]["value"] > 0.9

    here.python("pip", "uninstall", "--quiet", "--yes", "gairbench-example")
    assert here.listing("models") == before
    assert "example" not in {row["plugin"] for row in here.listing("plugins")}
