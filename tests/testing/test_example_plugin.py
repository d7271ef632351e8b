"""The example plugin, installed for real, listed with its origin, run with a built-in task, and uninstalled again."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gairbench.testing import parametrize_with_model_checks, parametrize_with_task_checks

EXAMPLE = Path(__file__).parents[2] / "examples" / "gairbench-example"


def example() -> Any:
    """Import the plugin's module from where it lies."""
    spec = importlib.util.spec_from_file_location("gairbench_example", EXAMPLE / "gairbench_example.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let its lazy factories be found, although it is not installed here."""
    monkeypatch.syspath_prepend(str(EXAMPLE))


@pytest.mark.usefixtures("importable")
@parametrize_with_model_checks(example().register_models())
def test_its_model_conforms(check: Callable[[], None]) -> None:
    check()


@pytest.mark.usefixtures("importable")
@parametrize_with_task_checks(example().register_tasks())
def test_its_task_conforms(check: Callable[[], None]) -> None:
    check()


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """Python of a fresh environment that sees everything this one has: pip installs into it and nowhere else."""
    venv.create(tmp_path / "venv", with_pip=False)
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    (site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return tmp_path / "venv" / "bin" / "python"


def run(python: Path, *command: str, cache: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"GAIRBENCH_CACHE": str(cache)}
    return subprocess.run([python, "-m", *command], capture_output=True, text=True, env=env, timeout=300, check=False)


def test_plugin_is_installed_listed_run_and_uninstalled(tmp_path: Path, python: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"))
    assert sorted(path.name for path in source.iterdir()) == ["gairbench_example.py", "pyproject.toml"]

    def origins(kind: str) -> dict[str, str]:
        rows = json.loads(run(python, "gairbench", "list", f"{kind}s", "--json", cache=tmp_path).stdout)
        return {row[kind]: row["origin"] for row in rows}

    assert "example-waves" not in origins("model")
    done = run(python, "pip", "install", "--no-deps", "--no-build-isolation", str(source), cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert origins("model")["example-waves"] == "example (gairbench-example 0.1)"
    assert origins("task")["example-daylight"] == "example (gairbench-example 0.1)"
    plugins = json.loads(run(python, "gairbench", "list", "plugins", "--json", cache=tmp_path).stdout)
    (ours,) = (row for row in plugins if row["plugin"] == "example")
    assert (ours["distribution"], ours["state"], ours["models"], ours["tasks"]) == ("gairbench-example", "ok", 1, 1)

    done = run(
        python,
        "gairbench",
        "run",
        *("--model", "example-waves,lonlat", "--task", "example-daylight,earth-location-koeppen"),
        *("--limit", "200", "--results", str(tmp_path / "results")),
        cache=tmp_path / "cache",
    )
    assert done.returncode == 0, done.stderr
    assert "6 ok (0 of them reused), 0 skipped, 0 failed" in done.stderr
    (record,) = (tmp_path / "results" / "example-waves").rglob("example-daylight/ridge.json")
    found = json.loads(record.read_text())
    assert found["model_origin"] == "example (gairbench-example 0.1)"
    assert found["metrics"]["r2"]["value"] > 0.95

    done = run(python, "pip", "uninstall", "--yes", "gairbench-example", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "example-waves" not in origins("model")
    assert "example-daylight" not in origins("task")
