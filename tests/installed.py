"""A fresh environment that plugins are installed into and removed from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from pathlib import Path


def fresh_python(folder: Path) -> Path:
    """Return Python of a new environment that sees everything this one has: pip installs into it and nowhere else."""
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "parent.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return folder / "bin" / "python"


def sources(plugin: Path, to: Path) -> Path:
    """Copy a plugin's files, without what installing it from there would have left."""
    return Path(shutil.copytree(plugin, to, ignore=shutil.ignore_patterns("*.egg-info", "build", "__pycache__")))


def run_module(python: Path, *command: str, cache: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a module with its arguments."""
    return subprocess.run(
        [python, "-m", *command],
        capture_output=True,
        text=True,
        env=os.environ | {"GAIRBENCH_CACHE": str(cache)} | env,
        timeout=300,
        check=False,
    )


def install(python: Path, source: Path, cache: Path) -> None:
    """Install a plugin, without the network."""
    done = run_module(python, "pip", "install", "--no-deps", "--no-build-isolation", str(source), cache=cache)
    assert done.returncode == 0, done.stderr


def uninstall(python: Path, distribution: str, cache: Path) -> None:
    """Remove a plugin."""
    done = run_module(python, "pip", "uninstall", "--yes", distribution, cache=cache)
    assert done.returncode == 0, done.stderr
