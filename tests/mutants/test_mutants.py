"""The tests of what numbers depend on fail where that is broken in a way that a reviewer would never forgive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from mutants.listed import ALIGNED, MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
Runner = Callable[[str, str, tuple[str, ...]], tuple[int, str]]

PASSED, FAILED = 0, 1
"""Pytest's exit status; any other one is a mistake of the mutant or of the list."""


@pytest.fixture(scope="module")
def run_tests() -> Iterator[Runner]:
    """Runs tests with one module changed: ``run_tests(module, source, tests)``."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, str(Path(__file__).with_name("zygote.py"))]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        jobs, answers = process.stdin, process.stdout

        def run(module: str, source: str, tests: tuple[str, ...]) -> tuple[int, str]:
            jobs.write(json.dumps({"module": module, "source": source, "tests": tests}) + "\n")
            jobs.flush()
            status, output = json.loads(answers.readline())
            return int(status), str(output)

        yield run
        jobs.close()


def test_a_test_passes_on_what_is_not_changed(run_tests: Runner) -> None:
    status, output = run_tests("", "", (ALIGNED,))
    assert status == PASSED, output


@pytest.mark.slow  # all of these tests are in CI by themselves, and the one above shows that they can pass here
def test_all_tests_pass_on_what_is_not_changed(run_tests: Runner) -> None:
    tests = dict.fromkeys(test for mutant in MUTANTS for test in mutant.tests)
    status, output = run_tests("", "", tuple(tests))
    assert status == PASSED, output


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_mutant_is_killed(mutant: Mutant, run_tests: Runner) -> None:
    source = (ROOT / mutant.path).read_text(encoding="utf-8")
    assert source.count(mutant.old) == 1, f"{mutant.path} has {mutant.old!r} {source.count(mutant.old)} times"
    status, output = run_tests(mutant.module, source.replace(mutant.old, mutant.new), mutant.tests)
    assert status == FAILED, f"survived {mutant.tests}" if status == PASSED else output


def test_every_field_of_numbers_has_mutants() -> None:
    assert {mutant.of for mutant in MUTANTS} == set(get_args(get_type_hints(Mutant)["of"]))
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
