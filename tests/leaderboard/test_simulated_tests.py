"""The test whose false alarms are measured on simulated populations is the one that comparisons make."""

from __future__ import annotations

import numpy as np
import pytest
from simulations import CASES, Design, draws, in_units, p_values, without_each

from gairbench_leaderboard.uncertainty import Runs, difference


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("design", [Design(50), Design(30, 5, unequal=True, effect=0.7), Design(300, 3, effect=0.7)])
def test_simulated_p_values_are_those_of_a_comparison(case: str, design: Design) -> None:
    measured = [without_each(case, in_units(sums)) for sums in draws(case, design, 3, 20)]
    samples = design.groups * design.size
    found = []
    for one in range(20):
        left, right = (
            Runs((0,), np.array([values[one]]), left_out[one][None], "same", samples, design.groups)
            for values, left_out in measured
        )
        found.append(difference(left, right).p)
    np.testing.assert_allclose(found, p_values(case, design, seed=3, repeats=20), rtol=1e-6)
