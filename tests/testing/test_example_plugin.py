"""The example plugin, installed for real, listed with its origin, run with a built-in task, and uninstalled again."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from installed import fresh_python, install, run_module, sources, uninstall

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


@pytest.mark.usefixtures("importable", "little_work")
@parametrize_with_model_checks(example().register_models())
def test_its_model_conforms(check: Callable[[], None]) -> None:
    check()


@pytest.mark.usefixtures("importable", "little_work")
@parametrize_with_task_checks(example().register_tasks())
def test_its_task_conforms(check: Callable[[], None]) -> None:
    check()


def test_plugin_is_installed_listed_run_and_uninstalled(tmp_path: Path) -> None:
    python, source = fresh_python(tmp_path / "venv"), sources(EXAMPLE, tmp_path / "source")
    assert sorted(path.name for path in source.iterdir()) == ["gairbench_example.py", "pyproject.toml"]

    def origins(kind: str) -> dict[str, str]:
        rows = json.loads(run_module(python, "gairbench", "list", f"{kind}s", "--json", cache=tmp_path).stdout)
        return {row[kind]: row["origin"] for row in rows}

    assert "example-waves" not in origins("model")
    install(python, source, tmp_path)
    assert origins("model")["example-waves"] == "example (gairbench-example 0.1)"
    assert origins("task")["example-daylight"] == "example (gairbench-example 0.1)"
    plugins = json.loads(run_module(python, "gairbench", "list", "plugins", "--json", cache=tmp_path).stdout)
    (ours,) = (row for row in plugins if row["plugin"] == "example")
    assert (ours["distribution"], ours["state"], ours["models"], ours["tasks"]) == ("gairbench-example", "ok", 1, 1)

    done = run_module(
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

    uninstall(python, "gairbench-example", tmp_path)
    assert "example-waves" not in origins("model")
    assert "example-daylight" not in origins("task")
