"""``--limit`` is the same draw wherever samples are limited."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench.limit import limited


@pytest.mark.parametrize("limit", [None, 10, 11])
def test_no_limit_and_a_wide_one_keep_everything(limit: int | None) -> None:
    assert limited(10, limit).tolist() == list(range(10))


def test_the_draw_is_fixed_ascending_and_spread() -> None:
    chosen = limited(1000, 50)
    assert chosen.tolist() == sorted(set(chosen.tolist()))
    assert len(chosen) == 50
    assert np.array_equal(chosen, limited(1000, 50))
    assert chosen[0] < 100
    assert chosen[-1] > 900
