"""The example plugin, installed for real, listed with its origin, run with a built-in task, and uninstalled again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "gairbench-example"


def run(*command: str, site: Path, cache: Path) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(site), "GAIRBENCH_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, "-m", *command], capture_output=True, text=True, env=env, timeout=300, check=False
    )


def test_plugin_is_installed_listed_run_and_uninstalled(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(EXAMPLE, source, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__"))
    assert sorted(path.name for path in source.iterdir()) == ["gairbench_example.py", "pyproject.toml"]
    install = ("pip", "install", "--no-deps", "--no-build-isolation", "--target", str(site), str(source))
    done = run(*install, site=site, cache=tmp_path)
    assert done.returncode == 0, done.stderr

    def origins(kind: str) -> dict[str, str]:
        rows = json.loads(run("gairbench", "list", f"{kind}s", "--json", site=site, cache=tmp_path).stdout)
        return {row[kind]: row["origin"] for row in rows}

    assert origins("model")["example-waves"] == "example (gairbench-example 0.1)"
    assert origins("task")["example-daylight"] == "example (gairbench-example 0.1)"
    plugins = json.loads(run("gairbench", "list", "plugins", "--json", site=site, cache=tmp_path).stdout)
    (ours,) = (row for row in plugins if row["plugin"] == "example")
    assert (ours["distribution"], ours["state"], ours["models"], ours["tasks"]) == ("gairbench-example", "ok", 1, 1)

    done = run(
        "gairbench",
        "run",
        *("--model", "example-waves,lonlat", "--task", "example-daylight,earth-location-koeppen"),
        *("--limit", "200", "--results", str(tmp_path / "results")),
        site=site,
        cache=tmp_path / "cache",
    )
    assert done.returncode == 0, done.stderr
    assert "6 ok (0 of them reused), 0 skipped, 0 failed" in done.stderr
    record = next((tmp_path / "results" / "example-waves").rglob("example-daylight/ridge.json"))
    found = json.loads(record.read_text())
    assert found["model_origin"] == "example (gairbench-example 0.1)"
    assert found["metrics"]["r2"]["value"] > 0.95

    shutil.rmtree(site)  # what pip does for a --target folder, which it cannot uninstall from
    assert "example-waves" not in origins("model")
    assert "example-daylight" not in origins("task")
