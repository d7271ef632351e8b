"""Fixtures shared by the whole suite."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real data and references beside the checkout; its licences keep it out of the repository."""
    default = Path(__file__).parents[2] / "shared"
    folder = Path(os.environ.get("GAIRBENCH_SHARED", default))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}; set GAIRBENCH_SHARED")
    return folder
