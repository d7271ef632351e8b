"""Checks that every model, dataset, task, evaluator, metric and split policy must pass, ours and third parties'.

A plugin's whole conformance test::

    from gairbench.testing import parametrize_with_model_checks, parametrize_with_task_checks

    import my_package


    @parametrize_with_model_checks(my_package.register_models())
    def test_model(check):
        check()


    @parametrize_with_task_checks(my_package.register_tasks())
    def test_task(check):
        check()

pytest shows each as ``test_model[check_embeddings_are_finite[my-model-default]]``. A failed check raises
``AssertionError`` with one sentence that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gairbench.selection import unknown
from gairbench.spec import DatasetSpec, EvaluatorSpec, MetricSpec, ModelSpec, SplitPolicySpec, TaskSpec

if TYPE_CHECKING:
    import pytest

__all__ = [
    "parametrize_with_dataset_checks",
    "parametrize_with_evaluator_checks",
    "parametrize_with_metric_checks",
    "parametrize_with_model_checks",
    "parametrize_with_split_policy_checks",
    "parametrize_with_task_checks",
]


class _Case(NamedTuple):
    check: Callable[[], None]
    identity: str
    subject: str


def parametrize_with_model_checks(
    specs: Iterable[ModelSpec], *, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that a model must fulfil.

    The declaration is checked once, the behaviour once for every preset, on generated inputs and untrained weights.

    Args:
        specs: The models.
        skip: What not to check, each with the reason that pytest shows: presets, as ``"<model>-<preset>"``, and single
            checks by the name that pytest shows, as ``"check_token_grid_is_north_up[<model>-<preset>]"``.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.

    Raises:
        UsageError: ``skip`` names what is not checked.
    """
    from gairbench.testing.model_checks import BEHAVIOUR
    from gairbench.testing.model_declaration_checks import DECLARATION

    cases: list[_Case] = []
    for spec in specs:
        cases += _cases(DECLARATION, spec.name, spec)
        for preset in spec.presets:
            cases += _cases(BEHAVIOUR, f"{spec.name}-{preset.name}", spec, preset)
    return _parametrize(cases, skip)


def parametrize_with_dataset_checks(
    specs: Iterable[DatasetSpec], *, data_root: Path | None = None, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that a dataset must fulfil.

    Args:
        specs: The datasets.
        data_root: Where datasets that are not embedded lie; without their files the checks of their samples skip.
        skip: What not to check, each with the reason that pytest shows: datasets by name, and single checks by the name
            that pytest shows, as ``"check_places_are_plausible[dataset:<name>]"``.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.

    Raises:
        UsageError: ``skip`` names what is not checked.
    """
    return _parametrize([case for spec in specs for case in _dataset_cases(spec, data_root, ())], skip)


def parametrize_with_task_checks(
    specs: Iterable[TaskSpec], *, data_root: Path | None = None, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that a task and its dataset must fulfil.

    Args:
        specs: The tasks; a dataset that several of them share is checked once.
        data_root: Where datasets that are not embedded lie; without their files the checks of their targets skip.
        skip: What not to check, each with the reason that pytest shows: tasks and datasets by name, and single checks
            by the name that pytest shows, as ``"check_targets_can_be_learned[<task>]"``.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.

    Raises:
        UsageError: ``skip`` names what is not checked.
    """
    from gairbench.testing.task_checks import BEHAVIOUR, DECLARATION

    # Tasks that share a dataset stand together, so that it is opened once.
    by_dataset: dict[DatasetSpec, list[TaskSpec]] = {}
    for task in specs:
        by_dataset.setdefault(task.dataset, []).append(task)
    cases: list[_Case] = []
    for dataset, tasks in by_dataset.items():
        targets = dict.fromkeys(task.target for task in tasks if task.target)
        cases += _dataset_cases(dataset, data_root, tuple(targets))
        for task in tasks:
            cases += _cases(DECLARATION, task.name, task)
            cases += _cases(BEHAVIOUR, task.name, task, data_root)
    return _parametrize(cases, skip)


def parametrize_with_evaluator_checks(
    specs: Iterable[EvaluatorSpec], *, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that an evaluator must fulfil.

    The declaration is checked once, the behaviour once for every kind of task, on generated data that are easy to
    learn.

    Args:
        specs: The evaluators.
        skip: Kinds not to run, as ``"<evaluator>-<kind>"``, each with the reason that pytest shows.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.
    """
    from gairbench.testing.evaluator_checks import BEHAVIOUR, DECLARATION

    return _parametrize(_cases_by_kind(specs, DECLARATION, BEHAVIOUR), skip)


def parametrize_with_metric_checks(
    specs: Iterable[MetricSpec], *, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that a metric must fulfil.

    The declaration is checked once, the behaviour once for every kind of task, on generated predictions.

    Args:
        specs: The metrics.
        skip: Kinds not to score, as ``"<metric>-<kind>"``, each with the reason that pytest shows.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.
    """
    from gairbench.testing.metric_checks import BEHAVIOUR, DECLARATION

    return _parametrize(_cases_by_kind(specs, DECLARATION, BEHAVIOUR), skip)


def parametrize_with_split_policy_checks(
    specs: Iterable[SplitPolicySpec], *, skip: Mapping[str, str] | None = None
) -> pytest.MarkDecorator:
    """Parametrize a test's ``check`` argument with everything that a split policy must fulfil.

    Samples are generated, and the parameter is the spec's example.

    Args:
        specs: The split policies.
        skip: What not to check, each with the reason that pytest shows: policies by name, and single checks by the name
            that pytest shows, as ``"check_order_of_samples_does_not_matter[<policy>]"``.

    Returns:
        A decorator for a test function with one argument, ``check``, which the test calls.

    Raises:
        UsageError: ``skip`` names what is not checked.
    """
    from gairbench.testing.split_policy_checks import BEHAVIOUR, DECLARATION

    cases = [case for spec in specs for case in _cases((*DECLARATION, *BEHAVIOUR), spec.name, spec)]
    return _parametrize(cases, skip)


def _cases_by_kind(
    specs: Iterable[EvaluatorSpec | MetricSpec],
    declaration: Sequence[Callable[..., None]],
    behaviour: Sequence[Callable[..., None]],
) -> list[_Case]:
    cases: list[_Case] = []
    for spec in specs:
        cases += _cases(declaration, spec.name, spec)
        for kind in sorted(spec.kinds):
            cases += _cases(behaviour, f"{spec.name}-{kind}", spec, kind)
    return cases


def _dataset_cases(spec: DatasetSpec, data_root: Path | None, targets: tuple[str, ...]) -> list[_Case]:
    from gairbench.testing.dataset_checks import BEHAVIOUR, DECLARATION, IN_ANOTHER_PROCESS

    cases = [*_cases(DECLARATION, spec.name, spec), *_cases(BEHAVIOUR, spec.name, spec, data_root)]
    cases += _cases(IN_ANOTHER_PROCESS, spec.name, spec, data_root, targets)
    # A task may have its dataset's name; their checks' ids must differ.
    return [case._replace(identity=case.identity.replace("[", "[dataset:")) for case in cases]


def _cases(checks: Sequence[Callable[..., None]], subject: str, *arguments: object) -> list[_Case]:
    return [_Case(partial(check, *arguments), f"{check.__name__}[{subject}]", subject) for check in checks]


def _parametrize(cases: Iterable[_Case], skip: Mapping[str, str] | None) -> pytest.MarkDecorator:
    # Only who runs the checks needs pytest.
    import pytest

    cases, reasons = list(cases), skip or {}
    known = {name for case in cases for name in (case.identity, case.subject)}
    for name in reasons:
        if name not in known:
            raise unknown("check or subject to skip", name, known)
    return pytest.mark.parametrize(
        "check",
        [
            pytest.param(
                case.check,
                id=case.identity,
                marks=[
                    pytest.mark.skip(reason=reasons[name]) for name in (case.identity, case.subject) if name in reasons
                ][:1],
            )
            for case in cases
        ],
    )
