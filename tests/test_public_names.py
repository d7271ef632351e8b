"""A public name means one thing: no function or class is defined in two modules, except where a contract names it."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "gairbench": ROOT,
    "gairbench_models": ROOT / "models",
    "gairbench_tasks": ROOT / "tasks",
    "gairbench_leaderboard": ROOT / "leaderboard",
}

HOOKS = "a hook is declared in gairbench.hookspecs and implemented by plugins under the same name"
SUITE = "the conformance suite asks the same of all kinds of specs under one name"
ALLOWED = {
    "register_models": HOOKS,
    "register_datasets": HOOKS,
    "register_tasks": HOOKS,
    "register_executors": HOOKS,
    "register_evaluators": HOOKS,
    "register_metrics": HOOKS,
    "register_split_policies": HOOKS,
    "register_model_patterns": HOOKS,
    "load": "the factory of each family of models, named by ModelSpec.factory",
    "encoder_inputs": "what a recipe's settings make of a model's inputs, named by Pretraining.inputs",
    "read_checkpoint": "which preset a checkpoint is of, named by ModelSpec.read_checkpoint",
    "main": "the entry point of a program: the command line, and the script that makes the grids",
    "check_factories_can_be_imported": SUITE,
    "check_input_is_not_written_to": SUITE,
    "check_kinds_are_stated": SUITE,
    "check_inputs_leave_nothing_to_guess": SUITE,
    "check_licence_and_citation_are_stated": SUITE,
    "check_name_is_a_slug": SUITE,
    "check_network_is_left_alone": SUITE,
    "check_order_of_samples_does_not_matter": SUITE,
    "check_registering_imports_nothing_heavy": SUITE,
    "check_spec_is_a_value": SUITE,
    "check_the_process_is_left_as_it_was": SUITE,
    "check_version_counts_from_one": SUITE,
}
"""Names with one meaning in several modules, and why they have to be the same."""


def defined_twice() -> dict[str, list[str]]:
    """Return the public functions and classes at the top of more than one module, with the modules."""
    places: defaultdict[str, list[str]] = defaultdict(list)
    for package, root in PACKAGES.items():
        for path in sorted((root / package).rglob("*.py")):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    where = str(path.relative_to(root))
                    # The overloads of a function are one.
                    if where not in places[node.name]:
                        places[node.name].append(where)
    return {name: found for name, found in places.items() if len(found) > 1}


def test_no_public_name_has_two_meanings() -> None:
    assert {name: modules for name, modules in defined_twice().items() if name not in ALLOWED} == {}


def test_every_exception_is_still_needed() -> None:
    assert ALLOWED.keys() - defined_twice().keys() == set()
