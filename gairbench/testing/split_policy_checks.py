"""What a split policy must fulfil: its declaration, and how it divides generated samples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gairbench.errors import UsageError
from gairbench.isolation import named
from gairbench.spec import Kind, SplitPolicySpec, resolve
from gairbench.split_choice import SplitChoice
from gairbench.split_policy import SPLITS, SplitInput
from gairbench.testing import declarations
from gairbench.testing.declarations import require
from gairbench.testing.isolated import call_isolated
from gairbench.testing.written_to import require_not_written_to

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLES = 600

SHARES = (0.6, 0.15, 0.25)

GROUPS = 40


def check_name_is_a_slug(spec: SplitPolicySpec) -> None:
    """The name is safe in file names, tables and on the command line."""
    declarations.require_slug(spec.name, "split policy")


def check_version_counts_from_one(spec: SplitPolicySpec) -> None:
    """The version can be raised and compared."""
    require(spec.version >= 1, f"{spec.name}: version {spec.version}")


def check_example_can_be_asked_for(spec: SplitPolicySpec) -> None:
    """The parameter's example is one that the policy takes."""
    if spec.parameter is None:
        return
    try:
        _example(spec)
    except UsageError as error:
        raise AssertionError(f"{spec.name}: {error}") from error


def check_spec_is_a_value(spec: SplitPolicySpec) -> None:
    """The spec can be hashed, compared and pickled."""
    declarations.require_value_object(spec)


def check_factories_can_be_imported(spec: SplitPolicySpec) -> None:
    """The lazy address leads to something callable."""
    declarations.require_factories(spec)


def check_registering_imports_nothing_heavy(spec: SplitPolicySpec) -> None:
    """``gairbench list`` stays instant."""
    declarations.require_cheap(spec)


def check_every_sample_has_a_split(spec: SplitPolicySpec) -> None:
    """It returns one name per sample, without targets too; train, val and test are not empty."""
    for kind in (Kind.CLASSIFICATION, Kind.SEGMENTATION):
        names = _divide(spec, generated_samples(spec, kind))
        for split in SPLITS:
            require(bool((names == split).any()), f"{spec.name}: no sample of {SAMPLES} is in {split}")


def check_division_is_the_same_for_a_seed(spec: SplitPolicySpec) -> None:
    """The same samples are divided the same way."""
    import numpy as np

    first, second = (_divide(spec, generated_samples(spec)) for _ in range(2))
    require(np.array_equal(first, second), f"{spec.name}: two divisions for the same seed differ; use data.seed")


def check_order_of_samples_does_not_matter(spec: SplitPolicySpec) -> None:
    """Samples in another order are divided the same way: another file system lists the same files otherwise."""
    import numpy as np

    given = generated_samples(spec)
    names = _divide(spec, given)
    rows = np.random.default_rng(1).permutation(SAMPLES)
    other = _divide(spec, _taken(given, rows))
    moved = int((other != names[rows]).sum())
    require(
        not moved,
        f"{spec.name}: {moved} of {SAMPLES} samples are in another split where samples come in another order; draw by"
        " what the samples are, as by sorted ids",
    )


def check_input_is_not_written_to(spec: SplitPolicySpec) -> None:
    """The arrays that it is given are as they were."""
    require_not_written_to(spec.name, lambda: generated_samples(spec), lambda given: _divide(spec, given))


def check_the_process_is_left_as_it_was(spec: SplitPolicySpec) -> None:
    """It changes nothing that others compute with: torch's settings, the working folder ..."""
    _, changes = _called(spec, generated_samples(spec))
    require(not changes, changes)


DECLARATION: tuple[Callable[[SplitPolicySpec], None], ...] = (
    check_name_is_a_slug,
    check_version_counts_from_one,
    check_example_can_be_asked_for,
    check_spec_is_a_value,
    check_factories_can_be_imported,
    check_registering_imports_nothing_heavy,
)

BEHAVIOUR: tuple[Callable[[SplitPolicySpec], None], ...] = (
    check_every_sample_has_a_split,
    check_division_is_the_same_for_a_seed,
    check_order_of_samples_does_not_matter,
    check_input_is_not_written_to,
    check_the_process_is_left_as_it_was,
)


def generated_samples(spec: SplitPolicySpec, kind: Kind = Kind.CLASSIFICATION) -> SplitInput:
    """Return samples all over the Earth in 40 groups and four classes, new arrays at every call.

    Args:
        spec: Whose needs are met, and whose parameter is its example.
        kind: What the task asks for.
    """
    import numpy as np

    choice = _example(spec)
    rng = np.random.default_rng(0)
    lonlat = np.stack([rng.uniform(-180, 180, SAMPLES), np.degrees(np.arcsin(rng.uniform(-1, 1, SAMPLES)))], axis=1)
    return SplitInput(
        ids=[f"sample-{number:04d}" for number in rng.permutation(SAMPLES)],
        published=rng.choice(SPLITS, SAMPLES, p=SHARES),
        kind=kind,
        target=rng.integers(0, 4, SAMPLES) if kind is Kind.CLASSIFICATION else None,
        lonlat=lonlat if choice.needs_places else None,
        groups={name: rng.choice([f"group-{n}" for n in range(GROUPS)], SAMPLES) for name in choice.groupings},
        parameter=choice.parameter,
        seed=0,
    )


def _example(spec: SplitPolicySpec) -> SplitChoice:
    text = spec.name if spec.parameter is None else f"{spec.name}:{spec.parameter.example}"
    return SplitChoice.of(text, {spec.name: spec})


def _taken(given: SplitInput, rows: NDArray[Any]) -> SplitInput:
    return replace(
        given,
        ids=[given.ids[row] for row in rows],
        published=given.published[rows],
        target=None if given.target is None else given.target[rows],
        lonlat=None if given.lonlat is None else given.lonlat[rows],
        groups={name: groups[rows] for name, groups in given.groups.items()},
    )


def _divide(spec: SplitPolicySpec, given: SplitInput) -> NDArray[Any]:
    from gairbench.splitting import division_problem

    names, _ = _called(spec, given)
    problem = division_problem(names, len(given.ids))
    require(not problem, f"{spec.name}: {problem}")
    return names


def _called(spec: SplitPolicySpec, given: SplitInput) -> tuple[NDArray[Any], str]:
    """Return what it returns, and what it changed in the process."""
    who = named("split policy", spec.name, spec.factory)
    return call_isolated(who, lambda: resolve(spec.factory)(given), seed=given.seed)
