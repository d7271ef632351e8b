"""The checks of metrics catch what they are there to catch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from points import checks, failures

from gairbench.evaluators import METRICS
from gairbench.spec import Kind
from gairbench.testing import metric_checks

GOOD = next(spec for spec in METRICS if spec.name == "accuracy")


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "recall at 10"}, "check_name_is_a_plain_word", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"kinds": frozenset()}, "check_kinds_are_stated", "no kinds"),
        (
            {"needs": "scores", "kinds": frozenset({Kind.REGRESSION})},
            "check_kinds_are_stated",
            "no evaluator returns scores for regression",
        ),
        ({"factory": "gairbench.metrics:IGNORED"}, "check_factories_can_be_imported", "is not callable"),
        ({"factory": "rasterio:open"}, "check_registering_imports_nothing_heavy", "registering rasterio imports"),
    ],
)
def test_a_wrong_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(metric_checks)[check](replace(GOOD, **changes))


class FewValues:
    """A measure with its own, wrong, values without each unit."""

    def __init__(self, values: Callable[[np.ndarray], np.ndarray]) -> None:
        self.values = values

    def __call__(self, target: np.ndarray, given: np.ndarray) -> float:
        return float(np.mean(target == given))

    def without_each(self, target: np.ndarray, given: np.ndarray, units: np.ndarray) -> np.ndarray:
        return self.values(units)


def more_than_all(target: np.ndarray, given: np.ndarray) -> float:
    return 2 * float(np.mean(target == given))


WITHOUT = "check_values_without_each_unit_are_those_of_the_rest"


def undefined(target: np.ndarray, given: np.ndarray) -> float:
    return float("nan")


def of_the_first(target: np.ndarray, given: np.ndarray) -> float:
    return float(np.mean((target == given) / np.arange(1, len(target) + 1)))


def sorting_in_place(target: np.ndarray, given: np.ndarray) -> float:
    value = float(np.mean(target == given))
    given.sort()
    return value


def in_double_precision(target: np.ndarray, given: np.ndarray) -> float:
    torch.set_default_dtype(torch.float64)
    return float(np.mean(target == given))


def error_rate(target: np.ndarray, given: np.ndarray) -> float:
    return float(np.mean(target != given))


def distance(target: np.ndarray, given: np.ndarray) -> float:
    return float(np.abs(target - given).mean())


@pytest.mark.parametrize("kind", [Kind.ORDINAL, Kind.MULTI_REGRESSION])
def test_an_error_that_is_declared_as_a_gain_is_caught_for_ranks_and_measurements(kind: Kind) -> None:
    wrong = replace(GOOD, factory=distance, kinds=frozenset({kind}), higher_is_better=True)
    with pytest.raises(AssertionError, match=f"0 for a perfect {kind} prediction"):
        metric_checks.check_perfect_is_at_least_as_good_as_shuffled(wrong, kind)
    metric_checks.check_perfect_is_at_least_as_good_as_shuffled(replace(wrong, higher_is_better=False), kind)


@pytest.mark.parametrize(
    ("function", "check", "why"),
    [
        (undefined, "check_value_is_one_number", "its value for classification is nan"),
        (FewValues(lambda units: np.zeros(10)), WITHOUT, r"have shape \(10,\)"),
        (FewValues(lambda units: np.random.default_rng().random(12)), WITHOUT, "differ again"),
        (FewValues(lambda units: np.zeros(12)), WITHOUT, r"it is 0 without unit 0, and 0\.\d+ of the rest"),
        (more_than_all, "check_value_is_within_its_bounds", "it is 2 for a perfect classification prediction, beyond"),
        (of_the_first, "check_order_of_samples_does_not_matter", "in another order"),
        (sorting_in_place, "check_input_is_not_written_to", "it writes to what it is given; copy it first"),
        (
            in_double_precision,
            "check_the_process_is_left_as_it_was",
            r"metric '.*' \(.*in_double_precision\) changed torch's default",
        ),
        (error_rate, "check_perfect_is_at_least_as_good_as_shuffled", "0 for a perfect classification prediction"),
    ],
)
def test_wrong_behaviour_is_caught(function: Any, check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(metric_checks)[check](replace(GOOD, factory=function), Kind.CLASSIFICATION)


@pytest.mark.parametrize("check", metric_checks.BEHAVIOUR, ids=lambda check: check.__name__)
def test_no_check_lets_a_metric_change_the_process_for_others(check: Callable[..., None]) -> None:
    failures([("", partial(check, replace(GOOD, factory=in_double_precision), Kind.CLASSIFICATION))])
    assert torch.get_default_dtype() == torch.float32


def test_a_module_that_changes_the_process_when_it_is_imported_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import torch\ntorch.set_default_dtype(torch.float64)\ndef mine(target, given):\n    return 1.0\n"
    (tmp_path / "metric_in_double.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssertionError, match=r"importing 'metric_in_double:mine' of .* changed torch's default"):
        metric_checks.check_factories_can_be_imported(replace(GOOD, factory="metric_in_double:mine"))
    assert torch.get_default_dtype() == torch.float32
