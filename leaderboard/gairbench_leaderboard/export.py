"""Flatten result records into a table for other programs."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from gairbench.results import Result

_FIELDS = (
    "model",
    "model_version",
    "model_origin",
    "preset",
    "weights",
    "checkpoint",
    "task",
    "task_version",
    "task_origin",
    "category",
    "family",
    "kind",
    "synthetic",
    "dataset",
    "dataset_version",
    "dataset_fingerprint",
    "probe",
    "probe_version",
    "headline",
    "seed",
    "limit",
    "labels",
    "split",
    "split_version",
    "readout",
    "selection",
    "status",
    "reason",
    "metric",
)
_SUBSET = ("covered_by", "subset")
"""Fields of results on the samples that products cover."""

_SPLITS = ("train", "val", "test")


def leaderboard_csv(results: Iterable[Result]) -> str:
    """Return one line a result, in a fixed order, without times.

    Columns: what identifies the cell; ``caveats``, why the number does not show what the model can, separated by
    ``"; "``; ``value``, ``low`` and ``high`` of its headline ``metric`` with direction;
    samples per split; the same three numbers as ``<metric>``, ``<metric>_low`` and ``<metric>_high`` for every metric
    that any result has; empty where there is no number. ``error`` is the standard error for other test units and
    ``trivial`` the trivial predictor's number, both of the headline metric; ``grouping`` says what the test samples are
    grouped by, and ``groups_<split>`` of how many groups those of a split are; ``constant``: the same was predicted for
    every test sample; ``selection``: how hyper-parameters were chosen. Where results are of the samples that products
    cover, ``covered_by``, ``subset`` and, of how many test samples those are a part, ``n_whole``.
    """
    ordered = sorted(results, key=lambda r: (r.category, r.task, r.probe, r.model, r.variant))
    metrics = sorted({name for r in ordered for name in r.metrics})
    names = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    subset = [*_SUBSET, "n_whole"] if any(r.covered_by for r in ordered) else []
    columns = [
        *_FIELDS,
        *subset,
        "caveats",
        "value",
        "low",
        "high",
        "error",
        "trivial",
        "higher_is_better",
        "constant",
        *(f"n_{s}" for s in _SPLITS),
        "grouping",
        *(f"groups_{s}" for s in _SPLITS),
        *names,
    ]
    frame = pd.DataFrame([_line(r) for r in ordered], columns=columns, dtype=object)
    text: str = frame.to_csv(index=False, lineterminator="\n")
    return text


def _line(result: Result) -> dict[str, object]:
    line: dict[str, object] = {name: getattr(result, name) for name in (*_FIELDS, *_SUBSET)}
    line["n_whole"] = result.n_whole.get("test")
    line["caveats"] = "; ".join(result.caveats)
    line |= {f"n_{split}": result.n.get(split) for split in _SPLITS}
    line |= {"constant": result.constant if result.status == "ok" else None, "grouping": result.grouping}
    line |= {f"groups_{split}": result.groups.get(split) for split in _SPLITS}
    if (headline := result.headline_value) is not None:
        line |= {name: getattr(headline, name) for name in ("value", "low", "high", "error", "trivial")}
        line["higher_is_better"] = headline.higher_is_better
    for name, value in result.metrics.items():
        line |= {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}
    return line
