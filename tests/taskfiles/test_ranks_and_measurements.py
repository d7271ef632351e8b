"""Task files with classes in an order and with several measurements a sample, from the table to the number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score, r2_score

from gairbench.errors import DataError, UsageError
from gairbench.evaluation.samples import select
from gairbench.predictions import load_predictions
from gairbench.results import Result, read_results
from gairbench.spec import DataContext, Kind, TaskSpec
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource

DAMAGE = {"label": "damage", "kind": "ordinal", "classes": ["none", "minor", "major"]}
SIZE = {"label": ["height", "biomass"], "kind": "multi_regression"}
SPLITS = ("train", "val", "test")


def write(folder: Path, *tasks: dict[str, object]) -> Path:
    """Write a task file over ``stands.csv``."""
    dataset = {
        "licence": "CC0-1.0",
        "synthetic": True,
        "table": {"path": "stands.csv", "id": "stand", "lon": "lon", "lat": "lat"},
        "split": {"by": "random"},
    }
    named = [{"name": f"stands-{number}", "dataset": "stands"} | task for number, task in enumerate(tasks)]
    path = folder / "stands.yaml"
    path.write_text(yaml.safe_dump({"datasets": {"stands": dataset}, "tasks": named}))
    return path


def read(folder: Path, **task: object) -> tuple[TaskSpec, FileSource]:
    (spec,) = load_task_file(write(folder, task))
    assert callable(spec.dataset.factory)
    source = spec.dataset.factory(DataContext(root=folder))
    assert isinstance(source, FileSource)
    return spec, source


def table(folder: Path, column: str, words: list[str], n: int = 60) -> None:
    rows = [f"s{i},{10 + i / 10},{50 - i / 10},{words[i % len(words)]}" for i in range(n)]
    (folder / "stands.csv").write_text("\n".join([f"stand,lon,lat,{column}", *rows]) + "\n")


@pytest.fixture
def stands(tmp_path: Path) -> Path:
    """Four hundred stands whose damage, grade, height and biomass follow from their latitude."""
    rng = np.random.default_rng(0)
    lonlat = rng.uniform((5, 45), (15, 55), (400, 2))
    height = 3 * (lonlat[:, 1] - 44) + rng.normal(0, 2, 400)
    biomass = 1000 * lonlat[:, 0] + rng.normal(0, 300, 400)
    damage = np.array(["none", "minor", "major"])[np.digitize(height, (12, 24))]
    grade = np.digitize(height, np.arange(5, 30, 2)) + 1
    columns = [np.arange(400).astype(str), *lonlat.T.astype(str), damage, grade.astype(str)]
    columns += [height.astype(str), biomass.astype(str)]
    lines = ["stand,lon,lat,damage,grade,height,biomass", *map(",".join, zip(*columns, strict=True))]
    (tmp_path / "stands.csv").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_classes_have_the_order_that_is_stated(stands: Path) -> None:
    task, source = read(stands, **DAMAGE)
    assert (task.kind, task.metric, task.extra_metrics) == (Kind.ORDINAL, "quadratic_kappa", ("rank_mae", "accuracy"))
    assert source.classes(task.target) == ("none", "minor", "major")
    words = [line.split(",")[3] for line in (stands / "stands.csv").read_text().splitlines()[1:]]
    assert [DAMAGE["classes"][number] for number in source.labelled(task.target).values] == words
    # Another order is another target, with another key.
    turned, _ = read(stands, **DAMAGE | {"classes": ["major", "minor", "none"]})
    assert turned.target != task.target
    assert turned.dataset.name == task.dataset.name


def test_numbers_are_in_their_own_order_and_not_in_that_of_words(tmp_path: Path) -> None:
    table(tmp_path, "grade", ["10", "9", "2", "-1", "1e1"][:4])
    task, source = read(tmp_path, label="grade", kind="ordinal")
    assert source.classes(task.target) == ("-1", "2", "9", "10")
    assert source.labelled(task.target).values[:4].tolist() == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("words", "more", "message"),
    [
        (["low", "high"], {}, r"stands\.csv, line 2, column 'y': the order of class 'low' is not stated; name all cl"),
        (["1", "2", "3+"], {}, r"line 4, column 'y': the order of class '3\+' is not stated"),
        (["1", "2", "1e0"], {}, r"line 4, column 'y': '1e0' and '1' are one number"),
        (["1", "02", "2"], {}, r"line 4, column 'y': '2' and '02' are one number"),
        (["1", "2.5"], {}, r"line 3, column 'y': 2\.5 is a measurement and not a class"),
        (["low", "hihg"], {"classes": ["low", "high"]}, r"line 3, .*: 'hihg' is not one of 'classes' \(low, high\)"),
        (["low", "Low"], {"classes": ["low", "high"]}, r"line 3, .*: 'Low' is not one of 'classes'"),
        (["low", "high"], {"classes": ["low", "high"], "drop_classes": ["mid"]}, "drop_classes of 'y' names 'mid'"),
        (["low", ""], {"classes": ["low", "high"]}, "line 3, column 'y' is empty"),
    ],
)
def test_an_order_is_never_guessed(tmp_path: Path, words: list[str], more: dict[str, object], message: str) -> None:
    table(tmp_path, "y", words)
    task, source = read(tmp_path, label="y", kind="ordinal", **more)
    with pytest.raises(DataError, match=message) as caught:
        source.split("train").target(task.target)
    assert "\n" not in str(caught.value)


def test_a_rank_without_samples_stays_and_one_that_is_left_out_goes(tmp_path: Path) -> None:
    order = ["none", "minor", "major", "total"]
    table(tmp_path, "y", ["none", "major", "total"])
    task, source = read(tmp_path, label="y", kind="ordinal", classes=order)
    assert source.classes(task.target) == tuple(order)
    assert set(source.labelled(task.target).values.tolist()) == {0, 2, 3}
    task, source = read(tmp_path, label="y", kind="ordinal", classes=order, drop_classes=["major"])
    assert source.classes(task.target) == ("none", "minor", "total")
    assert set(source.labelled(task.target).values.tolist()) == {0, -1, 2}
    assert "'major'" in source.split("train").left_out(task.target)
    task, source = read(tmp_path, label="y", kind="ordinal", classes=order, min_samples=1)
    assert source.classes(task.target) == ("none", "major", "total")


def test_several_measurements_are_columns_with_names(stands: Path) -> None:
    task, source = read(stands, **SIZE)
    assert (task.kind, task.metric, task.extra_metrics) == (Kind.MULTI_REGRESSION, "mean_r2", ("mean_pearson_r",))
    assert source.classes(task.target) == ("height", "biomass")
    rows = [line.split(",") for line in (stands / "stands.csv").read_text().splitlines()[1:]]
    wanted = np.array([[float(row[5]), float(row[6])] for row in rows])
    np.testing.assert_array_equal(source.labelled(task.target).values, wanted)
    split = source.split("test")
    np.testing.assert_array_equal(split.target(task.target), wanted[[int(i) for i in split.ids]])
    assert split.left_out(task.target) == ""
    other, logs = read(stands, **SIZE | {"transform": "log1p"})
    np.testing.assert_array_equal(logs.labelled(other.target).values, np.log1p(wanted))
    assert len({task.target, other.target, read(stands, **SIZE | {"label": ["biomass", "height"]})[0].target}) == 3


def test_a_column_that_is_the_same_everywhere_is_named(tmp_path: Path) -> None:
    table(tmp_path, "a,b", ["1,7", "2,7"])
    task, source = read(tmp_path, label=["a", "b"], kind="multi_regression")
    with pytest.raises(DataError, match="all samples of train have the same value, 7, of 'b'; leave 'b' out"):
        select(task, source, {name: source.split(name) for name in SPLITS}, None)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("x,1", r"stands\.csv, line 3, column 'a': 'x' is not a number"),
        ("1,", r"stands\.csv, line 3, column 'b' is empty"),
        ("1,inf", r"stands\.csv, line 3, column 'b': 'inf' is not a number"),
    ],
)
def test_a_cell_that_is_not_a_number_is_named(tmp_path: Path, cells: str, message: str) -> None:
    table(tmp_path, "a,b", ["1,2", cells])
    task, source = read(tmp_path, label=["a", "b"], kind="multi_regression")
    with pytest.raises(DataError, match=message):
        source.split("train").target(task.target)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (DAMAGE | {"kind": "classification"}, "classes': does not fit kind classification; it is for ordinal only"),
        (DAMAGE | {"classes": ["none"]}, "classes': 1 classes; name two or more, the lowest first"),
        (DAMAGE | {"classes": ["none", "minor", " none"]}, "classes': 'none' is there twice; name it once"),
        (DAMAGE | {"classes": [1, 2]}, "classes': 1 .* in the list is not a word; put it in quotes"),
        (DAMAGE | {"transform": "log1p"}, "transform': does not fit kind ordinal"),
        (DAMAGE | {"label": ["damage", "grade"]}, "label': .* is not a word"),
        (SIZE | {"label": "height"}, r"label': names one column; list several, as \[height, biomass\], or use kind"),
        (SIZE | {"label": ["height", "height "]}, "label': 'height' is there twice; name it once"),
        (SIZE | {"kind": "regression"}, "label': names several columns; use 'kind: multi_regression'"),
        (SIZE | {"min_samples": 2}, "min_samples': does not fit kind multi_regression"),
        ({"kind": "ordinal"}, "label': missing"),
        ({"kind": "multi_regression"}, "label': missing"),
    ],
)
def test_a_mistake_in_the_file_is_named_by_line_and_key(tmp_path: Path, task: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        load_task_file(write(tmp_path, task))
    assert "stands.yaml, line" in str(caught.value)


def test_task_files_alone_give_numbers_of_every_control(stands: Path) -> None:
    file = write(stands, DAMAGE, {"label": "grade", "kind": "ordinal", "extra_metrics": ["rank_mae", "nll"]}, SIZE)
    command = [
        sys.executable,
        "-m",
        "gairbench",
        "run",
        "--model",
        "pixel-stats,random,lonlat",
        "--labels",
        "all,5-shot",
    ]
    command += ["--task-file", str(file), "--data-root", str(stands), "--results", str(stands / "results")]
    env = os.environ | {"GAIRBENCH_CACHE": str(stands / "cache"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    records = {(r.model, r.task, r.probe, r.labels): r for r in read_results(stands / "results")}
    # Pictures have none.
    assert {r.status for r in records.values() if r.model == "pixel-stats"} == {"skipped"}
    assert {r.status for r in records.values() if r.model == "random" and r.labels == "all"} == {"ok"}
    for labels in ("all", "5-shot"):
        probes = {probe for _, task, probe, part in records if task == "stands-0" and part == labels}
        assert probes == {"ordinal_linear", "linear", "knn"}
        assert records["lonlat", "stands-0", "ordinal_linear", labels].headline
    few = records["lonlat", "stands-0", "ordinal_linear", "5-shot"]
    assert (few.status, few.n["train"]) == ("ok", 15)
    assert "give a share" in records["lonlat", "stands-2", "ridge", "5-shot"].reason

    damage = records["lonlat", "stands-0", "ordinal_linear", "all"]
    kappa = damage.metrics["quadratic_kappa"]
    found = load_predictions(damage, stands / "results")
    assert kappa.value == pytest.approx(cohen_kappa_score(found.target, found.prediction, weights="quadratic"))
    assert 0.8 < kappa.low <= kappa.value <= kappa.high < 1
    assert found.scores_are == "probabilities"
    grade = records["lonlat", "stands-1", "ordinal_linear", "all"].metrics
    assert grade["rank_mae"].value < 1
    assert not grade["rank_mae"].higher_is_better
    assert grade["rank_mae"].value < records["lonlat", "stands-1", "linear", "all"].metrics["rank_mae"].value

    check_size(records["lonlat", "stands-2", "ridge", "all"], stands)


def check_size(size: Result, folder: Path) -> None:
    assert size.metrics.keys() == {"mean_r2", "mean_pearson_r"}
    found = load_predictions(size, folder / "results")
    assert found.prediction.shape == (size.n["test"], 2)
    assert size.metrics["mean_r2"].value == pytest.approx(r2_score(found.target, found.prediction))
    assert size.metrics["mean_r2"].value > 0.9
    assert len(size.probe_params["alpha"]) == len(size.probe_params["trivial_loss"]) == 2
