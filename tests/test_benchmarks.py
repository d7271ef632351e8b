"""Benchmarks are run by hand: what they import must still be there, and the page must list them."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_a_benchmark_can_be_imported_and_stands_on_the_page(script: Path) -> None:
    found = runpy.run_path(str(script))
    assert callable(found["main"])
    assert f"| `{script.name}` |" in (BENCHMARKS / "README.md").read_text(encoding="utf-8")
