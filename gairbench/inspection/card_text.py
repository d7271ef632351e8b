"""A task's card as text for a terminal, and as plain values for JSON."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate

from gairbench.input_text import input_text
from gairbench.inspection.task_card import MeasuredTask, TaskCard
from gairbench.inspection.world_map import world_map
from gairbench.spec import TaskSpec


def card_text(card: TaskCard) -> str:
    """Return a card: what is declared, and what the data hold where they are here."""
    task, dataset, metric = card.task, card.task.dataset, card.metric
    better = "higher" if metric.higher_is_better else "lower"
    pairs = [
        ("task", f"{task.name}, version {task.version}, of {card.origin}"),
        ("asks", task.description),
        ("family", f"{task.family}, in the table {task.category}{_notes(task)}"),
        ("kind", str(task.kind)),
        ("metric", f"{metric.name}, {better} is better: {metric.description}"),
        ("also", ", ".join(task.extra_metrics)),
        ("evaluators", ", ".join(card.evaluators)),
        *(("input", input_text(one)) for one in card.inputs),
        ("groups", task.group or dataset.group or "each sample is independent"),
        ("dataset", f"{dataset.name}, version {dataset.version}: {dataset.description}"),
        ("licence", task.licence or dataset.licence or "not stated"),
        ("citation", task.citation or dataset.citation),
        ("not here", card.get),
        ("problem", card.problem),
    ]
    lines = [tabulate([(key, value) for key, value in pairs if value], tablefmt="plain")]
    if card.measured is not None:
        lines += ["", _measured(card.measured)]
        if card.measured.trivial is not None:
            lines += ["", f"{metric.name} of the trivial predictor: {card.measured.trivial:.3f}"]
        if card.measured.places is not None:
            lines += ["", world_map(card.measured.places)]
    return "\n".join(lines)


def card_values(card: TaskCard) -> dict[str, Any]:
    """Return a card as plain values; of places their bounds alone, west, south, east and north in degrees."""
    task, dataset = card.task, card.task.dataset
    values: dict[str, Any] = {
        "task": task.name,
        "version": task.version,
        "origin": card.origin,
        "description": task.description,
        "category": str(task.category),
        "family": task.family,
        "kind": str(task.kind),
        "metric": task.metric,
        "extra_metrics": list(task.extra_metrics),
        "evaluators": list(card.evaluators),
        "inputs": [input_text(one) for one in card.inputs],
        "group": task.group or dataset.group,
        "synthetic": task.synthetic,
        "diagnostic": task.diagnostic,
        "dataset": dataset.name,
        "dataset_description": dataset.description,
        "licence": task.licence or dataset.licence,
        "citation": task.citation or dataset.citation,
        "get": card.get,
        "problem": card.problem,
        "measured": None,
    }
    if card.measured is not None:
        places = card.measured.places
        values["measured"] = {
            "splits": {
                name: {
                    "samples": facts.samples,
                    "left_out": facts.left_out,
                    "groups": facts.groups,
                    "classes": facts.classes,
                    "span": None if facts.span is None else list(facts.span),
                }
                for name, facts in card.measured.splits.items()
            },
            "trivial": card.measured.trivial,
            "bounds": None if places is None else [*places.min(axis=0).tolist(), *places.max(axis=0).tolist()],
        }
    return values


def _notes(task: TaskSpec) -> str:
    notes = {
        "; its inputs or targets are synthetic": task.synthetic,
        "; it explains models, and ranks none": task.diagnostic,
        f"; {task.superseded_by} has taken its place": bool(task.superseded_by),
    }
    return "".join(note for note, holds in notes.items() if holds)


def _measured(measured: MeasuredTask) -> str:
    splits = measured.splits
    rows: list[list[Any]] = [["samples", *(facts.samples for facts in splits.values())]]
    if any(facts.left_out for facts in splits.values()):
        rows.append(["without a class", *(facts.left_out for facts in splits.values())])
    if any(facts.groups is not None for facts in splits.values()):
        rows.append(["groups", *(facts.groups for facts in splits.values())])
    for position, name in enumerate(("least", "mean", "greatest")):
        spans = [facts.span for facts in splits.values()]
        if all(span is not None for span in spans):
            rows.append([name, *(f"{span[position]:g}" for span in spans if span is not None)])
    classes = next((facts.classes for facts in splits.values()), {})
    rows += [[name, *(facts.classes[name] for facts in splits.values())] for name in classes]
    return tabulate(rows, headers=["", *splits], tablefmt="simple", disable_numparse=True, colalign=["left"])
