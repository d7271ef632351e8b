"""Every code block of README, docs and benchmarks runs, in a folder with small generated data.

A block's language decides what is done with it; there is no other way than these:

- ``sh``: every line. ``gairbench`` lines pass the real command line's parser, their names are looked up, and then they
  are carried out (see :func:`run_gairbench` for what stands in for large files and long runs).
- ``python``: executed, all blocks of a page in one namespace.
- ``yaml``: loaded as what its keys say: a task file, a run config or the splits of a dataset.
- ``toml``, ``json``: parsed.
- ``text``: what a program printed; nothing in it is code. Below the line ``<!-- printed -->`` it is what the ``sh``
  block above it prints; ``...`` stands for anything in its line.

A block whose first line is a comment with a file name is that file. A block is left out only with its reason in the
line above it: ``<!-- not run: why -->``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import typer
import yaml
from PIL import Image
from rasterio.transform import from_origin
from records import make_result
from typer.core import TyperGroup

import gairbench.api
from gairbench import cli, results
from gairbench.commands.config import load_config
from gairbench.commands.run import RunRequest
from gairbench.model_names import known_models
from gairbench.plugins import load_registry
from gairbench.requests import make_request
from gairbench.selection import select_models, select_tasks, split_names
from gairbench.spec import ModelSpec, resolve
from gairbench.taskfiles.parsing import load_task_file, registry_with
from gairbench_models.gair.checkpoint import save_gair
from gairbench_models.gair.model import untrained
from gairbench_models.gair.recipe import inputs_of, make_gair_recipe

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "benchmarks" / "README.md",
]
FILE = re.compile(r"(?:#|//) ([\w./-]+\.\w+)\s*$")
NOT_RUN = re.compile(r"<!-- not run: (.+) -->")
PRINTED = "<!-- printed -->"

S2 = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")

SMALL = {
    "model.dim": "32",
    **{f"model.{encoder}.{name}": value for encoder in ("rs", "sv") for name, value in
       {"width": "32", "depth": "1", "heads": "2"}.items()},
    "model.location.frequencies": "8",
    "model.location.hidden": "16",
}  # fmt: skip
"""Settings that make GAIR small enough to build and train in a second."""

SHORT = {"budget.epochs": "1", "budget.batch_size": "4", "objective.queue_size": "16"}

STAND_INS = {
    "/data": ".",
    "/shared/runs/gair": "runs/shared",
    "checkpoint.pth": "checkpoints/base",
    "gair.safetensors": "checkpoints/base",
    "my/folder": "checkpoints/tiny",
    "runs/gair-tiny": "checkpoints/tiny",
}
"""Paths of the docs that the generated folder has under another name when a command reads them."""

LONG = {"--num-workers": "0", "--devices": "1", "--num-nodes": "1", "--strategy": "auto"}
"""Options of more machines than a test has, and what they become."""


ClickError: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""What the parser raises; typer may bring a click of its own."""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Args:
        page: The page's path.
        line: Line number of its first line.
        language: What stands behind the fence.
        text: The block.
        reason: Why it is not run; empty: it is.
        printed: It is what the block above it prints.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str = ""
    printed: bool = False

    @property
    def file(self) -> str:
        """The file that the block is, or nothing."""
        found = FILE.match(self.text.partition("\n")[0])
        return found[1] if found else ""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(page: Path, text: str | None = None) -> list[Block]:
    """Return a page's fenced blocks."""
    found: list[Block] = []
    above, opened = "", None
    for number, line in enumerate((page.read_text(encoding="utf-8") if text is None else text).splitlines(), 1):
        if opened is None:
            if line.lstrip().startswith("```"):
                reason = NOT_RUN.fullmatch(above.strip())
                opened = Block(
                    page,
                    number + 1,
                    line.strip().strip("`"),
                    "",
                    reason[1] if reason else "",
                    printed=above.strip() == PRINTED,
                )
            elif line.strip():
                above = line
        elif line.strip() == "```":
            found.append(opened)
            above, opened = "", None
        else:
            opened = replace(opened, text=f"{opened.text}{line}\n")
    assert opened is None, f"{page.name} has a block without an end"
    return found


# --- generated data ---------------------------------------------------------------------------------------------------


def write_tiff(
    path: Path, *, bands: Sequence[str], size: int, west: float, north: float, crs: str, pixel: float
) -> None:
    values = (
        np.random.default_rng(zlib.crc32(str(path.name).encode()))
        .integers(300, 3000, (len(bands), size, size))
        .astype(np.uint16)
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=size,
        height=size,
        count=len(bands),
        dtype="uint16",
        crs=crs,
        transform=from_origin(west, north, pixel, pixel),
    ) as file:
        file.write(values)
        file.descriptions = tuple(bands)


def write_image(path: Path, size: int, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 255, (size, size, 3)).astype(np.uint8)
    Image.fromarray(values).save(path)


def write_checkpoint(folder: Path, preset: str, settings: Mapping[str, str]) -> None:
    recipe = make_gair_recipe("gair", preset, settings)
    save_gair(
        untrained(recipe.model, 0).state_dict(),
        folder,
        model="gair",
        preset=preset,
        config=recipe.model,
        inputs=inputs_of("gair", preset, recipe),
        provenance={},
    )


def write_results(folder: Path) -> None:
    """Write records of two models and two seeds, as ``gairbench run`` leaves them."""
    for seed in range(2):
        for number, model in enumerate(("gair", "mae", "mocov3")):
            right = np.random.default_rng([seed, number]).random(40) < 0.7
            without_each = (right.sum() - right) / 39
            record = make_result(model, seed=seed, value=float(right.mean()), n={"train": 90, "val": 30, "test": 40})
            record = replace(record, samples="forty samples", jackknife=tuple(without_each.tolist()))
            results.write_result(record, folder)


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data that the docs' examples name."""
    folder = tmp_path_factory.mktemp("docs")
    rows, places = ["id,rs,sv,lon,lat"], ["id,rs,sv,lon,lat"]
    for i in range(12):
        west, north = 10 + i / 2, 50.0
        write_tiff(folder / f"rs/{i}.tif", bands=S2, size=64, west=west, north=north, crs="EPSG:4326", pixel=1e-4)
        write_image(folder / f"sv/{i}.jpg", 48, i)
        rows.append(f"t{i},rs/{i}.tif,sv/{i}.jpg,{west + 3e-3},{north - 3e-3}")
        places.append(f"{'tokyo' if i == 5 else f'p{i}'},rs/{i}.tif,sv/{i}.jpg,{west + 2e-3},{north - 2e-3}")
        write_image(folder / f"fields/{'maize' if i % 2 else 'wheat'}/{i}.png", 32, i)
    for i in range(12, 40):
        write_image(folder / f"fields/{'maize' if i % 2 else 'wheat'}/{i}.png", 32, i)
    (folder / "triplets.csv").write_text("\n".join(rows) + "\n")
    for name in ("places.csv", "samples.csv"):
        (folder / name).write_text("\n".join(places) + "\n")
    write_tiff(folder / "scene.tif", bands=S2, size=96, west=5e5, north=5e6, crs="EPSG:32633", pixel=10)
    plots = ["plot,lon,lat,yield_t_ha,crops"]
    for i in range(40):
        lon, lat = 10 + (i % 8) * 1.3, 45 + i // 8
        write_tiff(folder / f"tiles/{i}.tif", bands=("B2", "B3", "B4", "B8"), size=16, west=lon, north=lat + 0.0016,
                   crs="EPSG:4326", pixel=1e-4)  # fmt: skip
        plots.append(f"{i},{lon + 8e-4},{lat + 8e-4},{3 + i / 20},{'maize;rye' if i % 3 else 'rye'}")
    (folder / "plots.csv").write_text("\n".join(plots) + "\n")
    for block in blocks(ROOT / "README.md"):
        if block.file:
            (folder / block.file).write_text(block.text)
    write_checkpoint(folder / "checkpoints" / "base", "base", SMALL)
    write_checkpoint(folder / "checkpoints" / "tiny", "tiny", SMALL)
    shutil.copytree(folder / "checkpoints" / "base", folder / "runs" / "gair")
    shutil.copytree(folder / "checkpoints" / "base", folder / "runs" / "mine")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        call(["data", "shard", "--data", "triplets.csv", "--rs-unit", "s2_dn", "--out", "shards"])
    write_results(folder / "results")
    for node in ("node1", "node2"):
        shutil.copytree(folder / "results", folder / node / "results")
    shutil.copytree(ROOT / "leaderboard" / "earth", folder / "leaderboard" / "earth")
    shutil.copytree(folder / "results", folder / "results" / "paper-study")
    for name in ("examples", "benchmarks", "Makefile", ".ci", "pyproject.toml"):
        (folder / name).symlink_to(ROOT / name)
    return folder


@pytest.fixture
def workspace(generated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the generated data, and a cache of its own."""
    folder = tmp_path / "here"
    shutil.copytree(generated, folder, symlinks=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.syspath_prepend(str(folder))
    return folder


# --- shell ------------------------------------------------------------------------------------------------------------


def shell_lines(text: str) -> Iterator[list[str]]:
    """Yield the words of every command of a shell block, without comments and leading assignments."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and (re.match(r"\w+=", words[0]) or words[0] == "$"):
            words = words[1:]
        if words:
            yield words


def run_shell(block: Block) -> None:
    for words in shell_lines(block.text):
        program = words[0]
        if "gairbench" in words and program in {"gairbench", "python", "ray", "sbatch", "srun", "torchrun"}:
            run_gairbench(words[words.index("gairbench") + 1 :])
        elif program == "ray":
            check_ray(words[1:])
        elif program == "make":
            check_make(words[1:])
        elif program == "pip":
            check_pip(words[1:])
        elif program == "cd":
            os.chdir(words[1])
        elif program == "pytest":
            run_pytest([*words[1:], "--collect-only"])
        elif program == "bash":
            subprocess.run(["bash", "-n", words[1]], check=True)
        elif program == "python":
            assert Path(words[1]).is_file(), f"there is no {words[1]}"
        else:
            raise AssertionError(f"nothing is known about the program {program!r}")


def check_make(targets: Sequence[str]) -> None:
    makefile = Path("Makefile").read_text(encoding="utf-8")
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), f"the Makefile has no target {target}"


def check_ray(words: Sequence[str]) -> None:
    """Look the options up in the installed Ray's command line; no cluster is started."""
    from ray.scripts.scripts import cli as ray

    command: Any = ray
    for word in itertools.takewhile(lambda word: not word.startswith("-"), words):
        command = getattr(command, "commands", {}).get(word, command)
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in options]
    assert not unknown, f"ray {command.name} has no option {', '.join(unknown)}"


def check_pip(arguments: Sequence[str]) -> None:
    """Look extras up; a package that a page has made is then found as if it were installed."""
    assert arguments[0] == "install"
    project = Path("pyproject.toml")
    if not project.is_symlink():
        show_installed(tomllib.loads(project.read_text(encoding="utf-8"))["project"], Path("src"))
        sys.path.insert(0, str(Path("src").absolute()))
    extras = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for word in arguments[1:]:
        requirement = re.fullmatch(r"(?:-e|\.|gairbench)(?:\[([\w,]+)\])?", word)
        assert requirement, f"nothing is known about pip's {word!r}"
        assert {*(requirement[1] or "").split(",")} - {""} <= extras.keys(), f"{word} names an unknown extra"


def parsed(arguments: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return the command's name and the values of its options, as the real command line reads them."""
    command: Any = typer.main.get_command(cli.app)
    names: list[str] = []
    rest = list(arguments)
    while isinstance(command, TyperGroup):
        assert rest, "a command is missing"
        assert rest[0] in command.commands, f"there is no command {rest[0]}"
        names.append(rest.pop(0))
        command = command.commands[names[-1]]
    with command.make_context(names[-1], rest) as context:
        return " ".join(names), dict(context.params)


def call(arguments: Sequence[str], *, allowed: Sequence[int] = (0,)) -> None:
    """Carry a command line out in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gairbench", *arguments])
        try:
            cli.main()
            status: object = 0
        except SystemExit as error:
            status = error.code or 0
    assert status in allowed, f"gairbench {shlex.join(arguments)}: exit status {status}"


def run_gairbench(arguments: Sequence[str]) -> None:
    """Parse a command line, look its names up, and carry it out.

    What takes minutes, or needs files that nobody can generate, is made small first: paths by :data:`STAND_INS`, models
    by :data:`SMALL` and :data:`SHORT`, devices by :data:`LONG`. ``run`` on the embedded data is carried out as a dry
    run. What starts from published weights is parsed and its settings are applied, no more.
    """
    name, given = parsed(arguments)
    arguments = [stand_in(word, name) for word in arguments]
    rules = {
        "run": run_run,
        "pretrain": run_pretrain,
        "map": run_map,
        "data check": run_check,
        "data shard": run_shard,
        # What is suspicious is what the example is about.
        "inspect": lambda words, _: call(words, allowed=(0, 1)),
    }
    rules.get(name, lambda words, _: call(words))(arguments, given)


def stand_in(word: str, command: str) -> str:
    """Return the generated path for a path of the docs."""
    name, equals, path = word.partition("=")
    if equals and path in STAND_INS:
        return f"{name}={STAND_INS[path]}"
    return word if command == "pretrain" else STAND_INS.get(word, word)


def run_run(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Plan a run; carry it out if its data are generated, with those of its models that need no pre-training."""
    settings = load_config(RunRequest, given["config"]) if given.get("config") else {}
    settings |= {key: value for key, value in given.items() if key not in {"config", "dry_run"} and value}
    settings.pop("checkpoint", None)
    request = make_request(RunRequest, settings)
    registry = registry_with(request.task_file)
    tasks = registry.tasks
    if request.task is None and request.task_file:
        tasks = {name: task for name, task in tasks.items() if registry.task_origins[name].plugin == "task-file"}
    models = select_models(known_models(request.model, registry), registry.models)
    chosen = select_tasks(request.task or ["all"], tasks)
    if request.preset:
        assert request.preset in {preset.name for model in models for preset in model.presets}
    if any(published(model) for model in models if model.name in request.model):
        # Published weights are not here.
        return
    call([*arguments, *([] if "--dry-run" in arguments else ["--dry-run"])])
    # Models of a user's files have other names in tables than on the command line.
    asked = {known_models([name], registry)[0]: name for name in request.model}
    ready = [
        asked.get(model.name, model.name) for model in models if not any(preset.weights for preset in model.presets)
    ]
    if ready and not given["dry_run"] and not any(task.dataset.name.startswith("earth") for task in chosen):
        call([*without(arguments, "--model"), "--model", ",".join(ready)])


def published(model: ModelSpec) -> bool:
    """Whether its weights are others', which are not here."""
    return any(preset.weights is not None and preset.recipe is None for preset in model.presets)


def run_pretrain(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Apply the settings of a recipe, then train a small model for a few steps."""
    registry = load_registry()
    (model,) = select_models([given["model"]], registry.models)
    preset = model.preset(given["preset"])
    assert preset.recipe is not None
    settings = dict(pair.split("=", 1) for pair in given["set"] or [])
    if preset.recipe.inputs is not None:
        resolve(preset.recipe.inputs)(model.name, preset.name, settings)
    if given["data"] not in registry.datasets:
        assert Path(given["data"]).exists(), f"nothing stands for {given['data']}"
    if any("start." in setting for setting in settings):
        return
    words = without(arguments, "--out")
    for option, value in LONG.items():
        if option in words:
            words = [*without(words, option), option, value]
    shortened = {*SHORT} | {name.partition(".")[2] for name in SHORT}
    words = [
        word
        for pair in pairs(words)
        for word in pair
        if not (pair[0] == "--set" and pair[1].partition("=")[0] in shortened)
    ]
    sizes = SMALL if model.name == "gair" else {}
    words += [word for pair in (sizes | SHORT).items() for word in ("--set", "=".join(pair))]
    out = Path("trained") / str(len(list(Path("trained").glob("*"))))
    call([*words, "--out", str(out), "--limit", "8"])
    assert (out / "checkpoint.json").is_file()


def run_map(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Make a map; a small checkpoint stands for the untrained model at its full size, which takes long to build."""
    if (given["model"], given["preset"]) == ("random", "base"):
        arguments = without(without(arguments, "--model"), "--preset")
        arguments += ["--model", "gair", "--checkpoint", "checkpoints/base"]
    call(arguments)


def run_shard(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Pack shards; the folder of those that other pages read is emptied first."""
    shutil.rmtree(given["out"], ignore_errors=True)
    call(arguments)


def run_check(arguments: Sequence[str], given: Mapping[str, Any]) -> None:
    """Check generated datasets; of the embedded ones, which take minutes, only the names."""
    registry = registry_with(tuple(given["task_file"] or ()))
    for name in given["names"] or []:
        assert name in registry.datasets, f"there is no dataset {name}"
    if not any(name.startswith("earth") for name in given["names"] or []):
        call(arguments)


def pairs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield options with their values."""
    index = 0
    while index < len(words):
        step = 2 if words[index].startswith("--") and index + 1 < len(words) else 1
        yield tuple(words[index : index + step])
        index += step


def without(words: Sequence[str], option: str) -> list[str]:
    """Return words without an option and its value."""
    return [word for pair in pairs(words) for word in pair if pair[0] != option]


# --- the other languages ----------------------------------------------------------------------------------------------


def small_api(patch: pytest.MonkeyPatch) -> None:
    """Make the functions of the package as small as the commands: see :func:`run_gairbench`."""
    run, pretrain = gairbench.api.run, gairbench.api.pretrain

    def small_run(model: Any = None, task: Any = None, **given: Any) -> Any:
        given["data_root"] = STAND_INS.get(given.get("data_root", ""), given.get("data_root"))
        chosen = [model] if isinstance(model, str) else model or ["gair"]
        names = split_names(name for name in chosen if isinstance(name, str))
        registry = load_registry()
        found = select_models(known_models(names, registry), registry.models) if names else []
        trained = {spec.name: "checkpoints/tiny" for spec in found if spec.presets[0].recipe is not None}
        given["checkpoint"] = trained | given.get("checkpoint", {})
        return run(model, task, **{"limit": 40} | given)

    def small_pretrain(model: str, data: str, out: str, **given: Any) -> Path:
        settings = {name: str(value) for name, value in given.pop("set", {}).items()}
        make_gair_recipe(model, given.get("preset", "tiny"), settings)
        return pretrain(model, data, out, set=SMALL | SHORT, limit=8, **given)

    patch.setattr(gairbench.api, "run", small_run)
    patch.setattr(gairbench.api, "pretrain", small_pretrain)


def run_python(block: Block, names: dict[str, Any]) -> None:
    if block.file.startswith("tests/"):
        run_pytest(["--import-mode=importlib", block.file])
    elif not block.file:
        with pytest.MonkeyPatch.context() as patch:
            small_api(patch)
            code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
            exec(code, names)


def run_pytest(arguments: Sequence[str]) -> None:
    """Run tests that a page holds, where everything is found that is found here."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    path = os.pathsep.join([str(Path.cwd()), *filter(None, sys.path)])
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def check_yaml(block: Block) -> None:
    if block.text.startswith("split:"):
        for number, line in enumerate(block.text.splitlines()):
            document = yaml.safe_load(DATASET)
            document["datasets"]["plots"] |= yaml.safe_load(line)
            path = Path(f"split-{number}.yaml")
            path.write_text(yaml.safe_dump(document))
            assert load_task_file(path)
        return
    keys = yaml.safe_load(block.text).keys()
    path = Path(block.file or "block.yaml")
    path.write_text(block.text)
    if {"datasets", "tasks"} & keys:
        assert load_task_file(path)
        return
    registry = load_registry()
    request = make_request(RunRequest, load_config(RunRequest, path))
    assert select_models(known_models(request.model, registry), registry.models)
    assert select_tasks(request.task or ["all"], registry.tasks)


DATASET = """\
datasets:
  plots:
    licence: CC-BY-4.0
    synthetic: false
    table: {path: plots.csv, id: plot}
    images: {modality: rs, folder: tiles, file: "{plot}.tif", bands: [B2, B3, B4, B8], unit: s2_dn, size: 16}
tasks:
  - {name: plot-yield, dataset: plots, label: yield_t_ha, kind: regression}
"""


def check_text(block: Block) -> None:
    """Nothing in printed output may look like something to type."""
    assert not re.search(r"^(\$ |>>> )", block.text, re.MULTILINE)


def check_printed(block: Block, printed: str) -> None:
    """What the block above printed is what the page says."""
    said = "\n".join(line.rstrip() for line in block.text.splitlines())
    pattern = re.escape(said).replace(re.escape("..."), "[^\n]*")
    found = "\n".join(line.rstrip() for line in printed.splitlines())
    assert re.fullmatch(pattern, found), f"it printed:\n{found}"


RULES: Mapping[str, Callable[[Block, dict[str, Any]], None]] = {
    "sh": lambda block, _: run_shell(block),
    "python": run_python,
    "yaml": lambda block, _: check_yaml(block),
    "toml": lambda block, _: check_toml(block),
    "json": lambda block, _: json.loads(block.text),
    "text": lambda block, _: check_text(block),
}


def check_toml(block: Block) -> None:
    """Parse; entry points become those of an installed package."""
    content = tomllib.loads(block.text)
    points = content.get("project", {}).get("entry-points", {})
    if points:
        number = len(list(Path().glob("docs_plugin_*.dist-info")))
        show_installed({"name": f"docs-plugin-{number}", "version": "1.0", "entry-points": points}, Path())


def show_installed(project: Mapping[str, Any], folder: Path) -> None:
    """Write what an installation would leave of a project in a folder."""
    name, version = project["name"], project["version"]
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    points = project["entry-points"].items()
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in found.items()) for group, found in points]
    (info / "entry_points.txt").write_text("\n".join(lines))


def carry_out(found: Sequence[Block]) -> None:
    """Write the files that blocks are, then run all blocks in order."""
    for block in found:
        if block.file and not Path(block.file).is_symlink():
            Path(block.file).parent.mkdir(parents=True, exist_ok=True)
            Path(block.file).write_text(block.text)
    names: dict[str, Any] = {"__name__": "__docs__"}
    printed = ""
    for block in found:
        if block.reason:
            continue
        try:
            if block.printed:
                check_printed(block, printed)
            output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
            with contextlib.redirect_stdout(output):
                RULES[block.language](block, names)
            output.seek(0)
            printed = output.read()
        except (Exception, SystemExit) as error:
            raise AssertionError(f"{block}: {type(error).__name__}: {error}") from error


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_block_has_a_language_with_a_rule(page: Path) -> None:
    assert [str(block) for block in blocks(page) if block.language not in RULES and not block.reason] == []


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if blocks(page)], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_blocks_run(page: Path, workspace: Path) -> None:
    try:
        carry_out(blocks(page))
    finally:
        for name, module in list(sys.modules.items()):
            written = str(getattr(module, "__file__", None)).startswith(str(workspace))
            if written or name.partition(".")[0] == "my_package":
                del sys.modules[name]


INCOMPLETE = re.compile("Missing option|requires an argument")
INLINE = re.compile(r"`gairbench ([^`]+)`")


@functools.cache
def inline(page: Path) -> tuple[str, ...]:
    """Return the commands that stand in a page's sentences, without those that only name a command."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return tuple(" ".join(found.split()) for found in INLINE.findall(text) if " --" in found and "..." not in found)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if inline(page)], ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_commands_in_sentences_have_existing_options(page: Path) -> None:
    wrong = {command: reason for command in inline(page) if (reason := refused(command))}
    # A sentence may leave out what the command cannot do without.
    assert {command: reason for command, reason in wrong.items() if not INCOMPLETE.search(reason)} == {}


def refused(command: str) -> str:
    """Return why the command line's parser refuses a command, or nothing."""
    try:
        parsed(shlex.split(command))
    except ClickError as error:
        return str(error.format_message())
    return ""


BROKEN = {
    "an option that does not exist": ("sh", "gairbench run --modle gair --dry-run", "No such option"),
    "a model that does not exist": ("sh", "gairbench run --model giar --dry-run", "giar"),
    "a file that does not exist": ("sh", "gairbench leaderboard --results nowhere", "exit status"),
    "a setting that does not exist": (
        "sh",
        "gairbench pretrain --model gair --data triplets.csv --out x --set a=1",
        "a",
    ),
    "an unknown program": ("sh", "frobnicate --all", "frobnicate"),
    "an unknown extra": ("sh", "pip install 'gairbench[nothing]'", "nothing"),
    "an unknown target": ("sh", "make everything", "everything"),
    "Python that fails": ("python", "1 / 0", "ZeroDivisionError"),
    "a task file with a wrong key": (
        "yaml",
        "datasets: {a: {licnece: x}}\ntasks: [{name: t, dataset: a, label: x, kind: regression}]",
        "licnece",
    ),
    "a config with a wrong key": ("yaml", "modle: gair", "modle"),
    "a split that does not exist": ("yaml", "split: {by: chance}", "chance"),
    "broken TOML": ("toml", "a = ", "TOML"),
    "a command in printed output": ("text", "$ make run", "AssertionError"),
    "output that is another": (
        "sh",
        f"gairbench leaderboard --results results\n```\n{PRINTED}\n```text\nnothing",
        "it printed:",
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("language", "text", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_block_is_found(language: str, text: str, message: str, workspace: Path) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        carry_out(blocks(Path("page.md"), f"```{language}\n{text}\n```\n"))


def test_the_first_model_has_ten_lines() -> None:
    (mine,) = (block for block in blocks(ROOT / "docs" / "your-model.md") if block.file == "mine.py")
    lines = [line for line in mine.text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) == 10


def test_a_block_is_left_out_only_with_its_reason() -> None:
    page = "<!-- not run: needs a printer -->\n```fax\nx\n```\n\nOther.\n\n```fax\ny\n```\n"
    assert [block.reason for block in blocks(Path("page.md"), page)] == ["needs a printer", ""]
