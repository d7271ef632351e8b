"""Numbers with one thread and with two: within the bound that docs/reproducing.md states, and records say which."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from generated import SHADES, TASKS, Shades, carry_out
from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.environment import threads_for
from gairbench.evaluation.plan import EvaluationRequest
from gairbench.plugins import Origin, Registry
from gairbench.process_state import blas_libraries
from gairbench.reproduction.agreement import BOUND, allowed_difference, compare_records
from gairbench.results import Result
from gairbench.spec import ModelSpec

PAGE = Path(__file__).parents[2] / "docs" / "reproducing.md"


class Wide(Shades):
    """A network that is wide enough for torch to share its products out among threads."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        generator = torch.Generator().manual_seed(context.seed)
        sizes = (768, 4096, 6)
        self.layers = nn.ParameterList(torch.randn(n, m, generator=generator) / n**0.5 for n, m in pairwise(sizes))

    def encode_rs(self, images: Tensor) -> Tensor:
        first, second = self.layers
        return torch.cat([super().encode_rs(images), torch.relu(images.flatten(1) @ first) @ second], dim=1)

    encode_sv = encode_rs

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        tokens = super().encode_rs_tokens(images)
        return torch.cat([tokens, torch.cumsum(tokens, dim=3) / 4], dim=1)


class Counting(Shades):
    """Depends on the number of threads as no model should."""

    def encode_rs(self, images: Tensor) -> Tensor:
        values = super().encode_rs(images)
        return values if torch.get_num_threads() == 1 else values.roll(1, 0)

    encode_sv = encode_rs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    assert torch.get_num_threads() == threads


def with_threads(threads: int, request: EvaluationRequest, registry: Registry) -> list[Result]:
    folder = request.results.parent / f"{threads}"
    with threads_for(threads):
        return carry_out(replace(request, results=folder / "results", cache=folder / "cache"), registry)


def both(model: ModelSpec, request: EvaluationRequest, registry: Registry) -> list[tuple[Result, Result]]:
    registry.add(Origin("threads", "threads", "1"), models=[model])
    request = replace(request, models=[model])
    pairs = [*zip(*(with_threads(n, request, registry) for n in (1, 2)), strict=True)]
    assert {record.status for pair in pairs for record in pair} == {"ok"}
    return pairs


def test_every_number_is_within_the_bound_with_one_thread_and_with_two(
    request_: EvaluationRequest, registry: Registry
) -> None:
    pairs = both(replace(SHADES, name="wide", factory=Wide), replace(request_, tasks=TASKS), registry)
    for one, two in pairs:
        found = compare_records(one, two)
        assert {difference.what for difference in found.environment} == {
            "device",
            "threads",
            "evaluation device",
            "evaluation threads",
            "evaluation blas",
        }
        assert found.cell == found.weights == ()
        assert not any(pair.exact for pair in found.numbers)
        assert found.agrees, [pair for pair in found.numbers if not pair.agrees]
    assert {one.kind for one, _ in pairs} == {
        "classification",
        "multilabel",
        "regression",
        "segmentation",
        "retrieval",
    }


def test_a_model_that_depends_on_the_number_of_threads_does_not_agree(
    request_: EvaluationRequest, registry: Registry
) -> None:
    tasks = [task for task in TASKS if task.name in {"world-zone", "world-height"}]
    pairs = both(replace(SHADES, name="counting", factory=Counting), replace(request_, tasks=tasks), registry)
    disagreeing = {one.task for one, two in pairs if not compare_records(one, two).agrees}
    assert disagreeing == {"world-zone", "world-height"}


def test_the_bound_is_the_one_that_the_page_states() -> None:
    (stated,) = re.findall(r"may be off by ([\d.]+)\s+of its size", PAGE.read_text(encoding="utf-8"))
    assert float(stated) == BOUND
    assert allowed_difference(0.2) == BOUND
    assert allowed_difference(-30.0) == 30 * BOUND


def test_threads_hold_for_torch_and_for_blas_and_are_set_back() -> None:
    before = blas_libraries()
    with threads_for(1):
        assert torch.get_num_threads() == 1
        assert {text.rpartition(", ")[2] for text in blas_libraries().split("; ")} == {"1 thread"}
    assert blas_libraries() == before
