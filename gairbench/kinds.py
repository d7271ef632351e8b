"""What a kind of task implies."""

from __future__ import annotations

from gairbench.spec import Kind

DEFAULT_METRICS = {
    Kind.CLASSIFICATION: ("accuracy", ("macro_f1",)),
    Kind.MULTILABEL: ("micro_f1", ()),
    Kind.REGRESSION: ("r2", ("pearson_r",)),
}
"""Headline and further metrics of the kinds that are scored sample by sample, where a task file names none."""


HEADLINE = {
    Kind.CLASSIFICATION: "linear",
    Kind.MULTILABEL: "linear",
    Kind.REGRESSION: "ridge",
    Kind.SEGMENTATION: "linear_segmentation",
    Kind.RETRIEVAL: "retrieval",
}
"""The evaluator that the leaderboard ranks by where a task names none."""
