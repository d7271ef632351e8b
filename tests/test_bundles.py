"""Which samples are left out together."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

from gairbench.bundles import MOST, bundled


def test_up_to_two_hundred_names_are_a_part_each_in_their_order() -> None:
    names = [f"{number:03d}" for number in range(MOST)]
    shuffled = np.random.default_rng(0).permutation(np.repeat(names, 3))
    parts = bundled(shuffled)
    assert [names[part] for part in parts] == shuffled.tolist()
    assert bundled([7, 11, 7]).tolist() == [1, 0, 1]


def test_more_names_are_in_two_hundred_parts_of_as_many_names_each() -> None:
    names = np.array([f"sample {number}" for number in range(1234)])
    parts = bundled(names)
    assert sorted(set(np.bincount(parts).tolist())) == [6, 7]
    assert parts.max() == MOST - 1
    # Neighbours in a list of names are not together.
    assert len({*parts[:50].tolist()}) > 30


def test_parts_depend_on_names_alone() -> None:
    names = np.array([f"block {number}" for number in range(500)])
    parts = dict(zip(names, bundled(names), strict=True))
    rows = np.random.default_rng(0).integers(500, size=3000)
    again = np.concatenate([names[rows], names])
    assert bundled(again).tolist() == [parts[name] for name in again]


def test_parts_are_the_same_in_another_process() -> None:
    code = "from gairbench.bundles import bundled; print(bundled([f'é{i}' for i in range(300)]).tolist())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert found.strip() == str(bundled([f"é{i}" for i in range(300)]).tolist())
