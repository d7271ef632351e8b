"""What the tests of runs share: the generated world with our evaluators, and a request for one of its tasks."""

from __future__ import annotations

from pathlib import Path

import pytest
from generated import SHADES, TASKS, make_registry

from gairbench.evaluation.plan import EvaluationRequest
from gairbench.plugins import Registry


@pytest.fixture
def registry() -> Registry:
    return make_registry()


@pytest.fixture
def request_(tmp_path: Path) -> EvaluationRequest:
    return EvaluationRequest(
        models=[SHADES],
        tasks=TASKS[:1],
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        device="cpu",
        command="x",
    )
