"""One range of longitudes and latitudes, whatever they are held in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import gairbench
from gairbench.degrees import are_degrees

PLACES = [(0.0, 0.0, True), (-180.0, 90.0, True), (180.0, -90.0, True), (180.1, 0.0, False), (0.0, -90.1, False)]
PLACES += [(float("nan"), 0.0, False), (0.0, float("nan"), False), (float("inf"), 0.0, False)]


@pytest.mark.parametrize(("lon", "lat", "there"), PLACES)
def test_numbers_arrays_and_tensors_are_checked_alike(lon: float, lat: float, there: bool) -> None:
    assert are_degrees(lon, lat) is there
    assert are_degrees(np.array([lon]), np.array([lat])).tolist() == [there]
    assert are_degrees(torch.tensor([lon]), torch.tensor([lat])).tolist() == [there]


def test_no_other_module_has_a_check_of_its_own() -> None:
    root = Path(gairbench.__file__).parent
    modules = [path for folder in (root, root.parent / "tasks") for path in folder.rglob("*.py")]
    assert [path.name for path in modules if "<= 180) & " in path.read_text()] == ["degrees.py"]
