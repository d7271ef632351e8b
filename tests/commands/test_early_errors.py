"""Mistakes in names and paths are reported before anything heavy is imported, whatever the command."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from records import make_result

from gairbench.results import write_result

PROGRAM = """
import contextlib, io, json, os, sys
from pathlib import Path

from gairbench.cli import main

heavy = set("torch lightning torchgeo timm rasterio pandas pyarrow sklearn scipy numpy matplotlib".split())
outcomes = {}
for number, line in enumerate(json.load(sys.stdin)):
    os.chdir(str(number))
    sys.argv = ["gairbench", *line.split()]
    out, err, status, before = io.StringIO(), io.StringIO(), 0, heavy & sys.modules.keys()
    files = sorted(map(str, Path().rglob("*")))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            status = end.code
    os.chdir("..")
    imported = sorted((heavy & sys.modules.keys()) - before)
    same = sorted(map(str, Path(str(number)).rglob("*"))) == [f"{number}/{file}" for file in files]
    outcomes[line] = [status, out.getvalue(), err.getvalue(), imported, same]
json.dump(outcomes, sys.stdout)
"""
"""Makes one mistake after the other in one process, each in a folder of its own."""

EMBED = "embed --model random --input table.csv --out out.parquet --rs-unit uint8"
MAP = "map --image image.tif --out map.tif --unit uint8 --model random"
PRETRAIN = "pretrain --model gair --data earth-triplets --out out"
SHARD = "data shard --data table.csv --out out --rs-unit uint8"

MISTAKES = {
    "run --model gairr": "no model 'gairr'",
    "run --task earht": "no task, family or category 'earht'",
    "run --preset smal": "no preset 'smal'",
    "run --labels 10": "labels '10' is not a part of the labels; write all, or for instance 10% or 5-shot",
    "run --split block:5": "no split policy 'block'; did you mean blocks?",
    "run --split blocks:x": "split 'blocks:x': 'x' is not a number above 0 and at most 360",
    "run --readout cls@": "readout 'cls@' is not a pooling and layers; write default, each, or for instance mean",
    "run --device gpu": "no device 'gpu'; use --device auto, cpu",
    "run --device meta": "no device 'meta'",
    "run --checkpoint gair=nowhere": "no checkpoint nowhere",
    "run --checkpoint mae=table.csv": "--checkpoint names 'mae', which is not run",
    "run --config nowhere.yaml": "cannot read nowhere.yaml",
    "run --task-file nowhere.yaml": "cannot read nowhere.yaml",
    "run --results table.csv/results": "cannot write to table.csv/results: Not a directory; choose another --results",
    "leaderboard --results nowhere": "no results folder nowhere",
    "leaderboard --check": "--check has nothing to compare with",
    "leaderboard --out table.csv/out": "cannot write to table.csv/out: Not a directory; choose another --out",
    "compare --results nowhere": "no results folder nowhere",
    "compare --out table.csv/out": "cannot write to table.csv/out",
    f"{EMBED} --model gairr": "no model 'gairr'",
    f"{EMBED} --model gair": "model 'gair' has no weights until it is trained; give --checkpoint",
    f"{EMBED} --preset smal": "no preset 'smal' of model 'random'; did you mean small?",
    f"{EMBED} --input nowhere.csv": "--input nowhere.csv does not exist",
    f"{EMBED} --out out.csv": "--out out.csv does not end in .parquet",
    f"{EMBED} --out table.csv/out.parquet": "cannot write to table.csv",
    f"{EMBED} --views svv": "no view 'svv' of model 'random'; did you mean sv?",
    f"{EMBED} --rs-unit uint16": "--rs-unit 'uint16' is not known",
    f"{EMBED} --checkpoint nowhere": "no checkpoint nowhere",
    f"{EMBED} --device cuda:x": "no device 'cuda:x'",
    f"{EMBED} --on-error stpo": "--on-error 'stpo' is not known; did you mean stop or skip?",
    f"{EMBED} --column lonlat": "--column 'lonlat' is not NAME=COLUMN",
    f"{MAP} --model gairr": "no model 'gairr'",
    f"{MAP} --model gair": "model 'gair' has no weights until it is trained",
    f"{MAP} --preset smal": "no preset 'smal' of model 'random'; did you mean small?",
    f"{MAP} --image nowhere.tif": "--image nowhere.tif does not exist",
    f"{MAP} --out map.png": "--out map.png is of unknown format '.png'",
    f"{MAP} --out table.csv/map.tif": "cannot write to table.csv",
    f"{MAP} --unit reflectence": "--unit 'reflectence' is not known; did you mean reflectance?",
    f"{MAP} --resolution 0": "--resolution 0.0 is not more than 0",
    f"{MAP} --checkpoint nowhere": "no checkpoint nowhere",
    f"{PRETRAIN} --model gairr": "no model 'gairr'",
    f"{PRETRAIN} --model lonlat": "model 'lonlat' has no pre-training",
    f"{PRETRAIN} --preset smal": "no preset 'smal' of model 'gair'; did you mean small?",
    f"{PRETRAIN} --data nowhere": "--data 'nowhere' is neither a registered dataset nor a file",
    f"{PRETRAIN} --data earth": "dataset 'earth' is not for pre-training",
    f"{PRETRAIN} --out table.csv/out": "cannot write to table.csv/out",
    f"{PRETRAIN} --set epochs": "--set 'epochs' is not NAME=VALUE",
    f"{PRETRAIN} --rs-unit uint16": "--rs-unit 'uint16' is not known",
    f"{PRETRAIN} --device gpu": "no device 'gpu'",
    "inspect gairr": "no model 'gairr'",
    "inspect gair --preset smal": "no preset 'smal' of model 'gair'; did you mean small?",
    "inspect gair --task earht": "no task, family or category 'earht'",
    "inspect gair --task all": "--task all names several tasks; name one, as earth-rs-koeppen",
    "inspect gair --task-file nowhere.yaml": "cannot read nowhere.yaml",
    "inspect gair --checkpoint nowhere": "no checkpoint nowhere",
    "inspect gair --device gpu": "no device 'gpu'",
    "inspect gair --out pictures": "--out is for pictures of a task's samples; add --task",
    "inspect gair --task earth-rs-koeppen --out table.csv/out": "cannot write to table.csv/out",
    "mock-run gairr": "no model 'gairr'",
    "mock-run gair --preset smal": "no preset 'smal' of model 'gair'; did you mean small?",
    "mock-run gair --checkpoint nowhere": "no checkpoint nowhere",
    "mock-run gair --device gpu": "no device 'gpu'",
    "list tasks --task-file nowhere.yaml": "cannot read nowhere.yaml",
    "data list --task-file nowhere.yaml": "cannot read nowhere.yaml",
    "data check erth": "no dataset 'erth'; did you mean earth",
    "data check --task-file nowhere.yaml": "cannot read nowhere.yaml",
    f"{SHARD} --data nowhere.csv": "--data nowhere.csv does not exist",
    f"{SHARD} --out table.csv/out": "cannot write to table.csv/out",
    f"{SHARD} --rs-unit uint16": "--rs-unit 'uint16' is not known",
}


Outcome = tuple[int, str, str, list[str], bool]
"""Status, standard output and error, heavy modules that were imported, and whether all files are as before."""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    folder = tmp_path_factory.mktemp("mistakes")
    for number in range(len(MISTAKES)):
        (folder / str(number)).mkdir()
        (folder / str(number) / "table.csv").write_text("lon,lat\n1,2\n")
        (folder / str(number) / "image.tif").write_text("")
        write_result(make_result(), folder / str(number) / "results")
    command = [sys.executable, "-c", PROGRAM]
    lines = json.dumps(list(MISTAKES))
    done = subprocess.run(command, cwd=folder, input=lines, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Outcome] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("line", "message"), MISTAKES.items(), ids=MISTAKES.keys())
def test_a_mistake_in_a_name_or_path_comes_before_heavy_imports(
    outcomes: dict[str, Outcome], line: str, message: str
) -> None:
    # The later of two options of one name counts.
    status, out, err, imported, same = outcomes[line]
    assert status in {1, 2}, err
    assert f"gairbench: error: {message}" in err
    assert err.count("\n") == 1
    assert (out, imported, same) == ("", [], True)
