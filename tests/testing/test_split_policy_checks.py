"""The checks of split policies catch what they are there to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from points import checks, failures

from gairbench.spec import SplitParameter, SplitPolicySpec
from gairbench.split_policies import SPLIT_POLICIES
from gairbench.split_policy import SPLITS, SplitInput
from gairbench.testing import parametrize_with_split_policy_checks, split_policy_checks

GOOD = next(spec for spec in SPLIT_POLICIES if spec.name == "random")


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "leave one out"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        (
            {"parameter": SplitParameter(name="KM", example="0", number=True, above=0)},
            "check_example_can_be_asked_for",
            "'0' is not a number above 0",
        ),
        ({"factory": "gairbench.split_policy:SPLITS"}, "check_factories_can_be_imported", "is not callable"),
        ({"factory": "rasterio:open"}, "check_registering_imports_nothing_heavy", "registering rasterio imports"),
    ],
)
def test_a_wrong_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(split_policy_checks)[check](replace(GOOD, **changes))


def half(data: SplitInput) -> np.ndarray:
    return data.published[: len(data.published) // 2]


def without_val(data: SplitInput) -> np.ndarray:
    return np.where(data.published == "val", "", data.published)


def of_all_targets(data: SplitInput) -> np.ndarray:
    assert data.target is not None, "the target is missing"
    return data.published


def unseeded(data: SplitInput) -> np.ndarray:
    return np.random.default_rng().choice(SPLITS, len(data.ids))


def by_position(data: SplitInput) -> np.ndarray:
    return np.random.default_rng(data.seed).choice(SPLITS, len(data.ids))


def sorting_in_place(data: SplitInput) -> np.ndarray:
    names = data.published.copy()
    data.published.sort()
    return names


def moving_places(data: SplitInput) -> np.ndarray:
    if data.lonlat is not None:
        data.lonlat[:] = 0
    return data.published


def renaming_groups(data: SplitInput) -> np.ndarray:
    for groups in data.groups.values():
        groups[:] = "x"
    return data.published


def in_double_precision(data: SplitInput) -> np.ndarray:
    torch.set_default_dtype(torch.float64)
    return data.published


NEEDY = ("lonlat", "group:season")


@pytest.mark.parametrize(
    ("function", "check", "why"),
    [
        (half, "check_every_sample_has_a_split", "wanted one name for each of 600 samples"),
        (without_val, "check_every_sample_has_a_split", "no sample of 600 is in val"),
        (of_all_targets, "check_every_sample_has_a_split", "the target is missing"),
        (unseeded, "check_division_is_the_same_for_a_seed", "differ; use data.seed"),
        (by_position, "check_order_of_samples_does_not_matter", "where samples come in another order"),
        (sorting_in_place, "check_input_is_not_written_to", "it writes to published"),
        (moving_places, "check_input_is_not_written_to", "it writes to lonlat"),
        (
            in_double_precision,
            "check_the_process_is_left_as_it_was",
            r"split policy 'theirs' \(.*in_double_precision\) changed torch's default",
        ),
        (renaming_groups, "check_input_is_not_written_to", r"it writes to groups\['season'\]"),
    ],
)
def test_wrong_behaviour_is_caught(function: Callable[[SplitInput], Any], check: str, why: str) -> None:
    spec = SplitPolicySpec(name="theirs", version=1, factory=function, needs=NEEDY)
    with pytest.raises(AssertionError, match=why):
        checks(split_policy_checks)[check](spec)


@pytest.mark.parametrize("check", split_policy_checks.BEHAVIOUR, ids=lambda check: check.__name__)
def test_no_check_lets_a_policy_change_the_process_for_others(check: Callable[..., None]) -> None:
    failures([("", partial(check, SplitPolicySpec(name="theirs", version=1, factory=in_double_precision)))])
    assert torch.get_default_dtype() == torch.float32


def test_a_sound_policy_that_is_not_installed_passes() -> None:
    def divide(data: SplitInput) -> np.ndarray:
        assert data.lonlat is not None
        return np.where(data.lonlat[:, 1] > float(data.parameter), "test", data.published)

    parameter = SplitParameter(name="LATITUDE", example="60", number=True)
    spec = SplitPolicySpec(name="north", version=1, factory=divide, parameter=parameter, needs=("lonlat",))
    # A function of a test is of a package that registers nothing.
    skip = {"check_registering_imports_nothing_heavy[north]": "not a plugin"}
    for case in parametrize_with_split_policy_checks([spec], skip=skip).mark.args[1]:
        if not case.marks:
            case.values[0]()
