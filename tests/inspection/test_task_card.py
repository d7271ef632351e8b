"""A task's card states what is declared, and what the data hold as a run counts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from points import DATASET, SIZES, TASKS, Points

from gairbench import DataContext
from gairbench.data import DataSource
from gairbench.errors import UsageError
from gairbench.inspection.card_text import card_text, card_values
from gairbench.inspection.task_card import task_card
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.results import read_results
from gairbench.spec import Kind, TaskSpec

PUBLISHED = Path(__file__).parents[2] / "leaderboard" / "earth" / "results"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def published() -> Iterator[tuple[str, str, float | None, dict[str, int], dict[str, int]]]:
    seen = set()
    for record in read_results(PUBLISHED):
        if record.status == "ok" and record.headline and record.task not in seen:
            seen.add(record.task)
            yield record.task, record.metric, record.metrics[record.metric].trivial, dict(record.n), dict(record.groups)


@pytest.mark.parametrize("record", list(published()), ids=lambda record: record[0])
def test_counts_and_the_trivial_level_are_those_of_published_records(
    record: tuple[str, str, float | None, dict[str, int], dict[str, int]], registry: Registry
) -> None:
    name, metric, trivial, samples, groups = record
    task = registry.tasks[name]
    card = task_card(task, registry, None)
    assert card.measured is not None
    assert card.metric.name == metric
    if task.kind is not Kind.SEGMENTATION:
        assert {split: facts.samples for split, facts in card.measured.splits.items()} == samples
        assert {split: facts.groups for split, facts in card.measured.splits.items()} == groups
    if task.kind is Kind.SEGMENTATION:
        assert card.measured.trivial is None
    else:
        assert card.measured.trivial == pytest.approx(trivial, abs=1e-6)


def with_points(registry: Registry, task: TaskSpec) -> Registry:
    return replace(registry, task_origins={**registry.task_origins, task.name: Origin("here", "here", "1")})


@pytest.mark.parametrize("task", TASKS, ids=lambda task: str(task.kind))
def test_every_kind_of_task_has_a_card(task: TaskSpec, registry: Registry) -> None:
    card = task_card(task, with_points(registry, task), None)
    text, values = card_text(card), card_values(card)
    assert task.name in text
    assert DATASET.description in text
    assert card.measured is not None
    assert values["measured"]["splits"]["test"]["samples"] <= SIZES["test"]
    assert "#" in text
    west, south, east, north = values["measured"]["bounds"]
    assert -170 <= west < east <= 170
    assert -80 <= south < north <= 80


def test_samples_without_a_class_are_counted_apart(registry: Registry) -> None:
    task = next(task for task in TASKS if task.kind is Kind.CLASSIFICATION)

    class Some(Points):
        def arrays(self, name: str):  # type: ignore[no-untyped-def]
            samples, targets = super().arrays(name)
            targets[task.target] = np.where(np.arange(SIZES[name]) < 2, -1, targets[task.target])
            return samples, targets

    spoilt = replace(task, dataset=replace(task.dataset, factory=Some))
    card = task_card(spoilt, with_points(registry, spoilt), None)
    assert card.measured is not None
    facts = card.measured.splits["test"]
    assert (facts.samples, facts.left_out, sum(facts.classes.values())) == (13, 2, 13)
    assert "without a class" in card_text(card)


def test_without_the_files_the_card_says_how_they_are_had(registry: Registry, tmp_path: Path) -> None:
    task = registry.tasks["eurosat-land-use"]
    for root in (None, tmp_path):
        card = task_card(task, registry, root)
        assert card.measured is None
        assert f"gairbench data get eurosat --data-root {root or 'FOLDER'}" in card_text(card)
        assert card_values(card)["measured"] is None


def test_a_dataset_that_is_broken_keeps_no_other_card(registry: Registry, tmp_path: Path) -> None:
    def broken(context: DataContext) -> DataSource:
        raise ValueError("of no use")

    (tmp_path / "eurosat").mkdir()
    eurosat = registry.tasks["eurosat-land-use"]
    missing = task_card(eurosat, registry, tmp_path)
    assert not missing.problem
    assert "not here  " in card_text(missing)
    assert "does not find its files" in missing.get
    task = replace(TASKS[0], dataset=replace(DATASET, factory=broken))
    card = task_card(task, with_points(registry, task), None)
    assert card.measured is None
    assert card.problem == "ValueError: of no use"
    assert "of no use" in card_text(card)


def test_a_metric_that_nobody_registers_is_one_line(registry: Registry) -> None:
    with pytest.raises(UsageError, match="no metric 'acuracy'; did you mean accuracy"):
        task_card(replace(TASKS[0], metric="acuracy"), registry, None)


def test_every_registered_task_has_a_card(registry: Registry) -> None:
    for task in registry.tasks.values():
        if task.dataset.folder:
            text = card_text(task_card(task, registry, None))
            assert task.description in text
            assert task.dataset.citation in text
