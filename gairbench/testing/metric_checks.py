"""What a metric must fulfil: its declaration, and its values for generated predictions of every kind it scores."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gairbench.isolation import named
from gairbench.kinds import ONE_CLASS
from gairbench.read_only import read_only
from gairbench.spec import Kind, MetricSpec
from gairbench.spec_names import metric_name_problem
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.isolated import call_isolated
from gairbench.testing.written_to import require_not_written_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 60

CLASSES = 4

UNITS = 12
"""Units of the samples, of which the metric is computed without each."""

CLOSE = 1e-9
"""Relative difference of values that are the same: sums in another order differ in their last digits."""


def check_name_is_a_plain_word(spec: MetricSpec) -> None:
    """The name is safe in tables and task files; ``@`` may join a number, as in ``recall@10``."""
    problem = metric_name_problem(spec.name)
    require(not problem, problem)


def check_version_counts_from_one(spec: MetricSpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_kinds_are_stated(spec: MetricSpec) -> None:
    """It scores at least one kind of task, and scores exist for the kinds if it needs them."""
    require(bool(spec.kinds), f"{spec.name}: no kinds")
    if spec.needs != "prediction":
        without = spec.kinds - ONE_CLASS - {Kind.MULTILABEL}
        require(not without, f"{spec.name}: no evaluator returns scores for {', '.join(sorted(without))}")


def check_spec_is_a_value(spec: MetricSpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_factories_can_be_imported(spec: MetricSpec) -> None:
    """The lazy address leads to something callable."""
    declarations.require_factories(spec)


def check_registering_imports_nothing_heavy(spec: MetricSpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_value_is_one_number(spec: MetricSpec, kind: Kind) -> None:
    """The value of sound predictions is one finite number."""
    import math

    target, mixed = generated_predictions(spec, kind)["mixed"]
    value = _value(spec, target, mixed)
    require(math.isfinite(value), f"{spec.name}: its value for {kind} is {value}")


def check_value_is_within_its_bounds(spec: MetricSpec, kind: Kind) -> None:
    """No value is beyond the bounds that the spec declares, for which intervals are made."""
    for name, (target, given) in generated_predictions(spec, kind).items():
        value = _value(spec, target, given)
        within = spec.least - CLOSE <= value <= spec.most + CLOSE
        require(within, f"{spec.name}: it is {value:g} for a {name} {kind} prediction, beyond its bounds")


def check_values_without_each_unit_are_those_of_the_rest(spec: MetricSpec, kind: Kind) -> None:
    """There is one value a unit, the same ones again: the metric of the samples that are not of it.

    A median may state what a unit changes to first order; its values then surround the value.
    """
    import numpy as np

    from gairbench.metrics import MedianMetric
    from gairbench.spec import resolve

    target, mixed = generated_predictions(spec, kind)["mixed"]
    units = np.arange(SAMPLES) % UNITS
    first, second = (_without_each(spec, target, mixed, units)[0] for _ in range(2))
    require(np.shape(first) == (UNITS,), f"{spec.name}: values without each unit have shape {np.shape(first)}")
    require(np.array_equal(first, second, equal_nan=True), f"{spec.name}: values without each unit differ again")
    if isinstance(resolve(spec.factory), MedianMetric):
        value = _value(spec, target, mixed)
        require(min(first) - CLOSE <= value <= max(first) + CLOSE, f"{spec.name}: {value:g} is not among the values")
        return
    for unit in range(UNITS):
        rest = _value(spec, target[units != unit], mixed[units != unit])
        same = np.isclose(first[unit], rest, rtol=CLOSE, atol=CLOSE, equal_nan=True)
        require(bool(same), f"{spec.name}: it is {first[unit]:g} without unit {unit}, and {rest:g} of the rest")


def check_order_of_samples_does_not_matter(spec: MetricSpec, kind: Kind) -> None:
    """Samples in another order give the same value."""
    import math

    import numpy as np

    target, mixed = generated_predictions(spec, kind)["mixed"]
    rows = np.random.default_rng(1).permutation(len(target))
    value, other = _value(spec, target, mixed), _value(spec, target[rows], mixed[rows])
    same = math.isclose(value, other, rel_tol=CLOSE, abs_tol=CLOSE)
    require(same, f"{spec.name}: it is {value:g}, and {other:g} for the same {kind} samples in another order")


def check_input_is_not_written_to(spec: MetricSpec, kind: Kind) -> None:
    """Targets and predictions are as they were."""
    names = ("the targets", "what it is given")
    require_not_written_to(
        spec.name,
        lambda: dict(zip(names, generated_predictions(spec, kind)["mixed"], strict=True)),
        lambda given: _measured(spec, *given.values()),
    )


def check_the_process_is_left_as_it_was(spec: MetricSpec, kind: Kind) -> None:
    """It changes nothing that others compute with: torch's settings, the working folder ..."""
    import numpy as np

    target, mixed = generated_predictions(spec, kind)["mixed"]
    units = np.arange(SAMPLES) % UNITS
    for _, changes in (_measured(spec, target, mixed), _without_each(spec, target, mixed, units)):
        require(not changes, changes)


def check_perfect_is_at_least_as_good_as_shuffled(spec: MetricSpec, kind: Kind) -> None:
    """A perfect prediction is at least as good as any other, in the declared direction."""
    found = generated_predictions(spec, kind)
    best = _value(spec, *found["perfect"])
    for name in ("mixed", "shuffled"):
        value = _value(spec, *found[name])
        good = best >= value - CLOSE if spec.higher_is_better else best <= value + CLOSE
        require(
            good,
            f"{spec.name}: it is {best:g} for a perfect {kind} prediction and {value:g} for a {name} one, with"
            f" higher_is_better={spec.higher_is_better}",
        )


DECLARATION: tuple[Callable[[MetricSpec], None], ...] = (
    check_name_is_a_plain_word,
    check_version_counts_from_one,
    check_kinds_are_stated,
    check_spec_is_a_value,
    check_factories_can_be_imported,
    check_registering_imports_nothing_heavy,
)

BEHAVIOUR: tuple[Callable[[MetricSpec, Kind], None], ...] = (
    check_value_is_one_number,
    check_value_is_within_its_bounds,
    check_values_without_each_unit_are_those_of_the_rest,
    check_order_of_samples_does_not_matter,
    check_input_is_not_written_to,
    check_the_process_is_left_as_it_was,
    check_perfect_is_at_least_as_good_as_shuffled,
)


def generated_predictions(spec: MetricSpec, kind: Kind) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Return targets and what the metric needs, new arrays at every call: perfect, partly wrong, and shuffled."""
    import numpy as np

    rng = np.random.default_rng(0)
    target = _target(kind, rng)
    perfect = _perfect(spec, kind, target)
    rows = np.arange(SAMPLES)
    wrong = rng.permutation(SAMPLES)[: SAMPLES // 3]
    rows[wrong] = np.roll(wrong, 1)
    shuffled = rng.permutation(SAMPLES)
    if kind is Kind.RETRIEVAL:
        # Ranks are right or wrong by themselves; the target is not looked at.
        ranks = {
            "perfect": perfect,
            "mixed": np.where(rows == np.arange(SAMPLES), 1.0, 7.0),
            "shuffled": 1.0 + shuffled,
        }
        return {name: (target, rank) for name, rank in ranks.items()}
    return {
        "perfect": (target, perfect),
        "mixed": (target, perfect[rows]),
        "shuffled": (target, perfect[shuffled]),
    }


def _target(kind: Kind, rng: Any) -> NDArray[Any]:
    import numpy as np

    target: NDArray[Any] = np.arange(SAMPLES) % CLASSES
    if kind is Kind.MULTILABEL:
        target = rng.random((SAMPLES, CLASSES)) < 0.4
    elif kind is Kind.REGRESSION:
        target = rng.normal(10.0, 3.0, SAMPLES)
    elif kind is Kind.MULTI_REGRESSION:
        target = rng.normal((10.0, 0.0, -500.0), (3.0, 0.1, 100.0), (SAMPLES, 3))
    elif kind is Kind.SEGMENTATION:
        target = rng.integers(0, CLASSES, (SAMPLES, 6, 6)).astype(np.uint8)
        target[:, 0, 0] = 255
    elif kind is Kind.DENSE_REGRESSION:
        target = rng.normal(10.0, 3.0, (SAMPLES, 6, 6))
        target[:, 0, 0] = np.nan
    elif kind is Kind.GEOLOCALIZATION:
        target = np.stack([rng.uniform(-180, 180, SAMPLES), rng.uniform(-90, 90, SAMPLES)], axis=1)
    elif kind is Kind.RETRIEVAL:
        target = np.arange(SAMPLES)
    return target


def _perfect(spec: MetricSpec, kind: Kind, target: NDArray[Any]) -> NDArray[Any]:
    """Return a perfect prediction, or scores that leave no doubt and are not all the same."""
    import numpy as np

    if spec.needs == "prediction":
        if kind is Kind.RETRIEVAL:
            return np.ones(len(target))
        if kind is Kind.DENSE_REGRESSION:
            return np.asarray(np.nan_to_num(target))
        return np.where(target == 255, 0, target) if kind is Kind.SEGMENTATION else target.copy()
    own = target[:, None] == np.arange(CLASSES) if kind in ONE_CLASS else target
    return np.where(own, 0.97, 0.01).astype(np.float32)


def _value(spec: MetricSpec, target: NDArray[Any], given: NDArray[Any]) -> float:
    return _measured(spec, read_only(target), read_only(given))[0]


def _measured(spec: MetricSpec, target: NDArray[Any], given: NDArray[Any]) -> tuple[float, str]:
    """Return its value, and what it changed in the process."""
    from gairbench.metrics import load_metric

    return call_isolated(_who(spec), lambda: load_metric(spec)(target, given))


def _without_each(
    spec: MetricSpec, target: NDArray[Any], given: NDArray[Any], units: NDArray[Any]
) -> tuple[NDArray[Any], str]:
    """Return its values without each unit, and what it changed in the process."""
    from gairbench.metrics import load_metric

    arrays = read_only(target), read_only(given), read_only(units)
    return call_isolated(_who(spec), lambda: load_metric(spec).without_each(*arrays))


def _who(spec: MetricSpec) -> str:
    return named("metric", spec.name, spec.factory)
