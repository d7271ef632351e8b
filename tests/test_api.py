"""The commands as Python functions: same options, same results, errors that are raised."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
from rasterio.transform import Affine

import gairbench as gb
from gairbench import cli
from gairbench.commands.data import ShardRequest
from gairbench.commands.map import MapRequest
from gairbench.commands.outcomes import RunResults
from gairbench.commands.pretrain import PretrainRequest
from gairbench.commands.reproduce import ReproduceRequest
from gairbench.commands.run import RunRequest
from gairbench.embed_table.request import EmbedRequest
from gairbench.errors import CheckpointError, GairbenchError, PluginError, UsageError
from gairbench.requests import options
from gairbench.results import read_result, read_results

ROOT = Path(gb.__file__).parents[1]
QUICK = {"model": "lonlat,pixel-stats", "task": "earth-location-koeppen", "limit": 100, "quiet": True}

DOORS = [
    (RunRequest, cli.cli_run, gb.run, {"config", "dry_run"}, {"config"}),
    (ReproduceRequest, cli.cli_reproduce, gb.reproduce, set(), set()),
    (EmbedRequest, cli.cli_embed, gb.embed, set(), set()),
    (MapRequest, cli.cli_map, gb.map, set(), set()),
    (PretrainRequest, cli.cli_pretrain, gb.pretrain, set(), set()),
    (ShardRequest, cli.cli_data_shard, None, set(), set()),
]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAIRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.mark.parametrize(("kind", "command", "function", "extra", "more"), DOORS, ids=[d[0].__name__ for d in DOORS])
def test_a_request_its_command_and_its_function_have_the_same_options(
    kind: type[Any], command: Callable[..., Any], function: Callable[..., Any] | None, extra: set[str], more: set[str]
) -> None:
    typed = inspect.signature(command).parameters
    assert typed.keys() - extra == set(options(kind))
    defaults = {field.name: field.default for field in fields(kind)}
    for name in typed.keys() - extra:
        if typed[name].default not in (inspect.Parameter.empty, None):
            assert typed[name].default == defaults[name]
    if function is None:
        return
    keywords = inspect.signature(function).parameters
    assert keywords.keys() - more - {"quiet"} == set(options(kind))
    for name in keywords.keys() - more - {"quiet"}:
        if keywords[name].default not in (inspect.Parameter.empty, None):
            assert keywords[name].default == defaults[name]
        assert f" {name}: " in (inspect.getdoc(function) or "")


def test_importing_the_package_loads_nothing_of_the_commands() -> None:
    program = (
        "import sys, gairbench; bad = [m for m in sys.modules if m.startswith(('gairbench.api', 'gairbench.commands'))]"
    )
    program += "; bad += [m for m in ('torch', 'numpy', 'rich', 'typer') if m in sys.modules]; assert not bad, bad"
    program += "; assert callable(gairbench.run) and 'run' in dir(gairbench) and not hasattr(gairbench, 'rum')"
    program += "; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_type_checkers_see_the_signatures(tmp_path: Path, mypy_cache: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "mine.py").write_text(
        "import gairbench as gb\n"
        "results = gb.run(model='gair', task=['earth-*'])\n"
        "reveal_type(results.to_pandas())\n"
        "names: list[str] = [record.model for record in results]\n"
        "gb.run(modle='gair')\n"
    )
    # What is cached holds for these settings alone.
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(mypy_cache)]
    command = [sys.executable, "-m", "mypy", *options, "mine.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, env=os.environ | {"MYPYPATH": str(ROOT)}
    )
    assert 'mine.py:3: note: Revealed type is "pandas' in done.stdout
    assert 'mine.py:5: error: Unexpected keyword argument "modle"' in done.stdout
    assert done.stdout.count("error:") == 1, done.stdout


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory, cache: None) -> RunResults:
    folder = tmp_path_factory.mktemp("results")
    return gb.run(**QUICK, results=folder, seed=[0, 1])


def test_a_run_returns_its_records(results: RunResults) -> None:
    assert [record.status for record in results] == ["ok", "ok", "skipped", "skipped"] * 2
    assert len(results) == 8
    assert results[0].model == "lonlat"
    assert results.ok
    assert results.failed == ()
    assert {record.model for record in results.skipped} == {"pixel-stats"}
    written = {(r.model, r.probe, r.seed): (r.key, r.metrics, r.reason) for r in read_results(results.folder)}
    assert {(r.model, r.probe, r.seed): (r.key, r.metrics, r.reason) for r in results} == written
    assert (results.folder / "LEADERBOARD.md").read_text() == results.leaderboard()
    assert "4 ok (0 of them reused), 4 skipped, 0 failed" in repr(results)
    # The command that would have done the same.
    assert results[0].command.startswith(
        "gairbench run --model lonlat --model pixel-stats --task earth-location-koeppen"
    )
    assert "--seed 0 --seed 1" in results[0].command
    assert "--limit 100" in results[0].command


def test_a_frame_has_one_row_for_every_cell(results: RunResults) -> None:
    frame = results.to_pandas()
    assert len(frame) == 8
    done = frame[frame.status == "ok"]
    assert list(done.value) == [r.headline_value.value for r in results if r.headline_value]
    assert (done.low <= done.value).all()
    assert (done.value <= done.high).all()
    metric = results[0].metric
    assert list(done[metric]) == list(done.value)
    assert frame[frame.status == "skipped"].value.isna().all()
    assert set(frame[frame.status == "skipped"].reason) == {"pixel-stats has no location encoder"}


def test_a_notebook_shows_tables_with_everything_escaped(results: RunResults) -> None:
    page = results._repr_html_()
    # Seeds are merged.
    assert page.count("<table>") == 1
    assert "earth-location-koeppen" in page
    assert "skipped: pixel-stats has no location encoder" in page
    # One row with a number has nothing to be better than.
    assert "<b>" not in page
    assert results.leaderboard()._repr_markdown_().startswith("# Leaderboard")


def test_a_second_call_reuses_the_first(results: RunResults) -> None:
    again = gb.run(**QUICK, results=results.folder, seed=[0, 1])
    assert again.reused == 4
    assert [r for r in again if r.status == "ok"] == [
        read_result(r.path(results.folder)) for r in results if r.status == "ok"
    ]


def test_arguments_override_the_config(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text(
        f"model: lonlat\ntask: earth-location-koeppen\nlimit: 100\nresults: {tmp_path}/a\n"
    )
    found = gb.run(config=tmp_path / "run.yaml", results=tmp_path / "b", quiet=True)
    assert found.folder == tmp_path / "b"
    assert {record.limit for record in found} == {100}
    assert not (tmp_path / "a").exists()


class Doubled:
    """A model of a notebook: longitude and latitude twice."""

    def encode_location(self, lonlat: Any) -> Any:
        return lonlat.repeat(1, 2)


def test_specs_that_no_plugin_registers_are_accepted(tmp_path: Path) -> None:
    preset = gb.Preset(name="default", inputs=(gb.LocationInput(),))
    spec = gb.ModelSpec(name="doubled", version="1", factory=lambda context: Doubled(), presets=(preset,))
    found = gb.run([spec, "lonlat"], "earth-location-koeppen", limit=100, results=tmp_path, quiet=True)
    assert [record.model for record in found if record.headline] == ["doubled", "lonlat"]
    assert found.ok
    assert found[0].embedding_dim == 4
    lonlat = gb.ModelSpec(name="lonlat", version="1", factory=lambda context: Doubled(), presets=(preset,))
    with pytest.raises(PluginError, match="model 'lonlat' is already provided by gairbench-models"):
        gb.run(lonlat, results=tmp_path, quiet=True)


def test_progress_goes_to_standard_error_unless_quiet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    arguments: dict[str, Any] = {**QUICK, "model": "lonlat", "results": tmp_path}
    gb.run(**arguments)
    assert capfd.readouterr() == ("", "")
    gb.run(**arguments | {"quiet": False, "fresh": True})
    told = capfd.readouterr()
    assert told.out == ""
    assert "lonlat x earth-location-koeppen (linear)" in told.err


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: gb.run("gairr"), UsageError, "no model 'gairr'; did you mean gair?"),
        (lambda: gb.run(limit=0), UsageError, "^limit 0 is less than 1; write 1 or more"),
        (lambda: gb.run(checkpoint="x"), UsageError, "^checkpoint 'x' is not MODEL=PATH"),
        (lambda: gb.run(checkpoint={"gair": "x"}), CheckpointError, "no checkpoint x"),
        (lambda: gb.run(seed="1"), UsageError, "^seed '1' is not a whole number"),
        (lambda: gb.embed("random", "x.csv", "y.parquet"), UsageError, "x.csv does not exist"),
        (lambda: gb.embed("random", "x.csv", "y.parquet", on_error="stp"), UsageError, "^on_error 'stp' is not known"),
        (lambda: gb.map("x.tif", "y.tif", "reflectence"), UsageError, "^unit 'reflectence' .*did you mean reflectance"),
        (lambda: gb.pretrain("lonlat", "earth-triplets", "x"), UsageError, "'lonlat' has no pre-training"),
        (
            lambda: gb.pretrain("gair", "nowhere", "x"),
            UsageError,
            "'nowhere' is neither a registered dataset nor a file",
        ),
    ],
)
def test_mistakes_are_raised(call: Callable[[], object], error: type[GairbenchError], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_embed_returns_a_file_that_can_be_read(tmp_path: Path) -> None:
    pd.DataFrame({"id": ["a", "b"], "lon": [10.0, 20.0], "lat": [1.0, 2.0]}).to_csv(tmp_path / "t.csv", index=False)
    made = gb.embed("lonlat", tmp_path / "t.csv", tmp_path / "t.parquet", device="cpu", quiet=True)
    assert Path(made) == tmp_path / "t.parquet"
    assert made.errors is None
    assert list(made.to_pandas().id) == ["a", "b"]
    points = made.to_geopandas()
    assert [point.x for point in points.geometry] == [10, 20]
    metadata = json.loads(pq.read_schema(made).metadata[b"gairbench"])
    assert metadata["command"].startswith(f"gairbench embed --model lonlat --input {tmp_path / 't.csv'}")


def test_map_returns_the_map_and_shows_its_quicklook(tmp_path: Path) -> None:
    place = Affine(10, 0, 5e5, 0, -10, 5e6)
    with rasterio.open(
        tmp_path / "s.tif", "w", driver="GTiff", count=3, height=40, width=48, dtype="uint8", crs="EPSG:32631",
        transform=place,
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(0).integers(1, 255, (3, 40, 48), np.uint8))
    options: dict[str, Any] = {"model": "random", "bands": "red,green,blue", "device": "cpu", "quiet": True}
    made = gb.map(tmp_path / "s.tif", tmp_path / "m.tif", "uint8", **options)
    with rasterio.open(made) as file:
        assert file.crs == "EPSG:32631"
    assert made._repr_png_().startswith(b"\x89PNG")


def test_pretrain_returns_the_checkpoint(tmp_path: Path) -> None:
    settings = {"rs.depth": 1, "sv.depth": 1, "queue_size": 20, "batch_size": 8, "epochs": 1}
    settings |= {"location.hidden": 16, "model.location.frequencies": 8}
    made = gb.pretrain("gair", "earth-triplets", tmp_path / "c", set=settings, limit=40, device="cpu", quiet=True)
    assert made == tmp_path / "c"
    assert json.loads((made / "checkpoint.json").read_text())["steps"] > 0


def test_the_functions_are_annotated_with_what_they_return() -> None:
    from gairbench.commands import outcomes

    names = vars(outcomes) | {"Path": Path}
    assert get_type_hints(gb.run, localns=names)["return"] is RunResults
