"""The commands as a user types them, each in its own process."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

QUICK = ("--model", "lonlat,pixel-stats", "--task", "earth-rs-koeppen,earth-location-koeppen", "--limit", "300")


def gairbench(
    *arguments: str, cache: Path, timeout: float = 300, **environment: str
) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"GAIRBENCH_CACHE": str(cache), "COLUMNS": "200"} | environment
    command = [sys.executable, "-m", "gairbench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=env, timeout=timeout, check=False)


def test_help_and_listings_import_no_torch(tmp_path: Path) -> None:
    program = """
import sys
from gairbench.cli import app
app(standalone_mode=False)
heavy = {"torch", "sklearn", "scipy", "pandas", "lightning", "numpy", "rich", "yaml"} & sys.modules.keys()
assert not heavy, heavy
"""
    kinds = ("models", "tasks", "evaluators", "metrics", "plugins")
    for arguments in (["--help"], *(["list", kind] for kind in kinds), ["data", "list"]):
        done = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_listings_name_origins_and_read_as_json(tmp_path: Path) -> None:
    for kind, key, expected in (("models", "model", "gair"), ("tasks", "task", "earth-rs-koeppen")):
        rows = json.loads(gairbench("list", kind, "--json", cache=tmp_path).stdout)
        row = next(row for row in rows if row[key] == expected)
        assert row["origin"].startswith(f"gairbench-{kind} (gairbench ")
        assert expected in gairbench("list", kind, cache=tmp_path).stdout
    plugins = json.loads(gairbench("list", "plugins", "--json", cache=tmp_path).stdout)
    assert {"gairbench-models", "gairbench-tasks"} <= {row["plugin"] for row in plugins}


def test_evaluators_and_metrics_are_listed_with_kinds_version_and_origin(tmp_path: Path) -> None:
    found = {
        row[kind]: row
        for kind in ("evaluator", "metric")
        for row in json.loads(gairbench("list", f"{kind}s", "--json", cache=tmp_path).stdout)
    }
    assert {name for name, row in found.items() if not row["origin"].startswith("gairbench-evaluators (")} == set()
    linear, nll = found["linear"], found["nll"]
    assert (linear["version"], linear["kinds"], linear["needs"]) == (
        2,
        ["classification", "multilabel", "ordinal"],
        "features",
    )
    assert (nll["direction"], nll["needs"], nll["unit"]) == ("↓", "probabilities", "nat")
    assert found["r2"]["direction"] == "↑"
    assert "linear_segmentation" in gairbench("list", "evaluators", cache=tmp_path).stdout
    assert "recall@10" in gairbench("list", "metrics", cache=tmp_path).stdout
    (ours,) = (
        row
        for row in json.loads(gairbench("list", "plugins", "--json", cache=tmp_path).stdout)
        if row["plugin"] == "gairbench-evaluators"
    )
    assert (ours["evaluators"], ours["metrics"]) == (11, 34)


def test_split_policies_are_listed_with_how_they_are_written(tmp_path: Path) -> None:
    found = {
        row["split policy"]: row
        for row in json.loads(gairbench("list", "split-policies", "--json", cache=tmp_path).stdout)
    }
    assert found.keys() == {"published", "random", "blocks", "leave", "development"}
    assert (found["blocks"]["written"], found["blocks"]["needs"]) == ("blocks:DEGREES", ["lonlat"])
    assert all(row["origin"].startswith("gairbench-split-policies (gairbench ") for row in found.values())
    (ours,) = (
        row
        for row in json.loads(gairbench("list", "plugins", "--json", cache=tmp_path).stdout)
        if row["plugin"] == "gairbench-split-policies"
    )
    assert ours["split policies"] == 5


def test_run_prints_and_writes_a_leaderboard_and_the_second_run_reuses_it(tmp_path: Path) -> None:
    results = tmp_path / "results"
    first = gairbench("run", *QUICK, "--results", str(results), cache=tmp_path / "cache")
    assert first.returncode == 0, first.stderr
    assert "4 ok (0 of them reused), 4 skipped, 0 failed" in first.stderr
    written = (results / "LEADERBOARD.md").read_text()
    assert written.strip() == first.stdout.strip()
    assert "earth-rs-koeppen" in written
    assert "lonlat has no rs encoder" in written
    second = gairbench("run", *QUICK, "--results", str(results), cache=tmp_path / "cache")
    assert "4 ok (4 of them reused)" in second.stderr
    assert (results / "LEADERBOARD.md").read_text() == written
    again = gairbench("leaderboard", "--results", str(results), "--out", str(tmp_path / "out"), cache=tmp_path)
    assert again.stdout == second.stdout
    check = ("leaderboard", "--results", str(results), "--out", str(tmp_path / "out"), "--check")
    assert gairbench(*check, cache=tmp_path).returncode == 0
    (tmp_path / "out" / "LEADERBOARD.md").write_text("old")
    assert gairbench(*check, cache=tmp_path).returncode == 1


def test_main_job_pretrains_gair_and_shows_it_with_its_baselines(tmp_path: Path) -> None:
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    line = re.search(r"^run:.*\n\t\$\(BIN\)/gairbench (run .*)", makefile, re.MULTILINE)
    assert line, "the Makefile has no main job"
    arguments = (*line[1].split(), "--limit", "120", "--results", str(tmp_path / "r"))
    done = gairbench(*arguments, cache=tmp_path / "c", timeout=1200)
    assert done.returncode == 0, done.stderr
    assert re.search(r"\d\d ok \(0 of them reused\), \d+ skipped, 0 failed", done.stderr), done.stderr
    for heading in ("Remote sensing, real data", "Street view, synthetic data", "Location, real data"):
        section = done.stdout.partition(f"# {heading}")[2].partition("\n#")[0]
        rows = [
            row for row in section.splitlines() if row.startswith(("| gair", "| random", "| pixel-stats", "| lonlat"))
        ]
        assert len(rows) >= 2, f"GAIR stands alone under {heading}"
        assert "| trivial predictor" in section
        # One seed of what is random decides nothing.
        assert "has a random part and fewer than three seeds" in section
    records = [json.loads(path.read_text()) for path in (tmp_path / "r").rglob("*.json")]
    # GAIR takes every modality; what a baseline lacks is a reason, not a gap. Data of users are not here.
    assert {record["status"] for record in records if record["model"] == "gair"} == {"ok"}
    assert all(record["task"].startswith("earth-") for record in records)
    assert "left out, its files are not here: lfmc (4 tasks); get it (MIT" in done.stderr
    assert {record["model"] for record in records} == {"gair", "random", "pixel-stats", "lonlat", "geoclip-location"}
    assert "| Over tasks" in done.stdout


@pytest.mark.slow  # tests/evaluation/test_runner.py shows the same of a smaller run, in one process
def test_same_seed_gives_the_same_leaderboard_and_another_seed_another(tmp_path: Path) -> None:
    tasks = ("--task", "earth-location-koeppen,earth-cross-modal-rs-sv", "--limit", "100")

    def numbers(name: str, seed: str) -> list[object]:
        arguments = ("run", "--model", "gair", *tasks, "--seed", seed, "--results", str(tmp_path / name))
        done = gairbench(*arguments, cache=tmp_path / f"cache-{name}")
        assert done.returncode == 0, done.stderr
        records = [json.loads(path.read_text()) for path in sorted((tmp_path / name).rglob("*.json"))]
        return [(record["task"], record["probe"], record["metrics"], record["weights"]) for record in records]

    first = numbers("first", "0")
    assert numbers("second", "0") == first
    assert numbers("third", "1") != first


def test_progress_is_plain_lines_without_a_terminal(tmp_path: Path) -> None:
    done = gairbench("run", *QUICK, "--results", str(tmp_path / "r"), cache=tmp_path / "c")
    assert "embed pixel-stats rs on earth/train: 300/300 (100%)" in done.stderr
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr


def test_dry_run_prints_the_whole_plan_and_writes_no_more_than_hashes_of_files(tmp_path: Path) -> None:
    done = gairbench("run", "--model", "all", "--dry-run", "--results", str(tmp_path / "r"), cache=tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert "pretrain gair (tiny) on earth-triplets" in done.stdout
    assert re.search(r"lonlat +default +earth-rs-koeppen +linear +skipped: lonlat has no rs encoder", done.stdout)
    assert re.search(r"\d+ todo, 0 cached, \d+ skipped, 0 failed", done.stdout)
    assert {path.parent for path in tmp_path.rglob("*.*")} <= {tmp_path / "c" / "memos"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--model", "gairr"), "no model 'gairr'; did you mean gair?"),
        (("run", "--task", "earth-rs-kopen"), "did you mean earth-rs-koeppen"),
        (("run", "--preset", "smal"), "no preset 'smal'; did you mean small?"),
        (("run", "--checkpoint", "gair"), "is not MODEL=PATH"),
        (("run", "--checkpoint", "mae=x"), "--checkpoint names 'mae', which is not run"),
        (("run", "--config", "nowhere.yaml"), "cannot read nowhere.yaml"),
        (
            ("run", "--device", "cuda:77", "--model", "lonlat", "--task", "earth-location-koeppen"),
            "no device 'cuda:77'",
        ),
        (("run", "--limit", "0"), "Invalid value for '--limit'"),
        (("data", "check", "erth"), "no dataset 'erth'; did you mean earth"),
        (("frobnicate",), "No such command"),
    ],
)
def test_usage_error_is_one_clear_line_and_status_2(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    extra = ("--results", str(tmp_path / "r")) if arguments[0] == "run" else ()
    done = gairbench(*arguments, *extra, cache=tmp_path)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


def test_nothing_ok_is_status_1(tmp_path: Path) -> None:
    done = gairbench("run", "--model", "lonlat", "--task", "rs", "--results", str(tmp_path / "r"), cache=tmp_path)
    assert done.returncode == 1
    assert "0 ok" in done.stderr


def test_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"no weights at all")
    arguments = ("run", "--model", "gair", "--task", "earth-rs-koeppen", "--limit", "50")
    checkpoint = ("--checkpoint", f"gair={tmp_path / 'model.safetensors'}")
    done = gairbench(*arguments, *checkpoint, "--results", str(tmp_path / "r"), cache=tmp_path / "c")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "model.safetensors is neither a safetensors file nor" in done.stderr
    assert "give a .safetensors file" in done.stderr


def test_missing_results_folder_is_one_line(tmp_path: Path) -> None:
    done = gairbench("leaderboard", "--results", str(tmp_path / "nowhere"), cache=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "run 'gairbench run' first" in done.stderr


@pytest.mark.slow  # tests/leaderboard/test_comparison.py compares records in this process
def test_compare_prints_and_writes_what_several_seeds_say(tmp_path: Path) -> None:
    results = ("--results", str(tmp_path / "results"))
    run = ("run", "--model", "lonlat,xyz", "--task", "earth-location-night-lights", "--seed", "0", "--seed", "1")
    done = gairbench(*run, *results, cache=tmp_path / "cache")
    assert done.returncode == 0, done.stderr
    refused = gairbench("compare", *results, cache=tmp_path)
    assert refused.returncode == 2
    assert "there is no 'gair' to compare with; choose with --reference among 'lonlat', 'xyz'" in refused.stderr
    made = gairbench("compare", "--reference", "lonlat", *results, "--out", str(tmp_path / "out"), cache=tmp_path)
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == (tmp_path / "out" / "COMPARISON.md").read_text().strip()
    assert "| xyz<br>2 seeds" in made.stdout
    assert (tmp_path / "out" / "comparison.csv").read_text().count("earth-location-night-lights") == 2


@pytest.mark.slow  # tests/evaluation/test_executors.py kills a run once
def test_killed_five_times_and_run_again_gives_the_same_leaderboard(tmp_path: Path) -> None:
    start = time.monotonic()
    expected = gairbench("run", *QUICK, "--results", str(tmp_path / "whole"), cache=tmp_path / "cache-whole")
    seconds = time.monotonic() - start
    assert expected.returncode == 0, expected.stderr
    chance = random.Random(0)
    results, cache = tmp_path / "killed", tmp_path / "cache"
    command = [sys.executable, "-m", "gairbench", "run", *QUICK, "--results", str(results)]
    killed = 0
    for _ in range(5):
        process = subprocess.Popen(
            command,
            env=os.environ | {"GAIRBENCH_CACHE": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds * chance.uniform(0.1, 0.7))
        killed += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        for record in results.rglob("*.json"):
            json.loads(record.read_text())  # whole, whenever the kill came
    assert killed, "no run was still going when it was to be killed"
    done = gairbench("run", *QUICK, "--results", str(results), cache=cache)
    assert done.returncode == 0, done.stderr

    def numbers(folder: Path) -> dict[str, object]:
        records = {str(p.relative_to(folder)): json.loads(p.read_text()) for p in folder.rglob("*.json")}
        return {name: (r["status"], r["metrics"], r["key"], r["weights"]) for name, r in records.items()}

    assert numbers(results) == numbers(tmp_path / "whole")
    board, other = ((f / "LEADERBOARD.md").read_text() for f in (results, tmp_path / "whole"))
    assert board.replace(str(results), "R") == other.replace(str(tmp_path / "whole"), "R")
