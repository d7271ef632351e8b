"""What a kind of task implies."""

from __future__ import annotations

from gairbench.spec import Kind

DEFAULT_METRICS = {
    Kind.CLASSIFICATION: ("accuracy", ("macro_f1",)),
    Kind.ORDINAL: ("quadratic_kappa", ("rank_mae", "accuracy")),
    Kind.MULTILABEL: ("micro_f1", ()),
    Kind.REGRESSION: ("r2", ("pearson_r",)),
    Kind.MULTI_REGRESSION: ("mean_r2", ("mean_pearson_r",)),
    Kind.SEGMENTATION: ("miou", ()),
    Kind.DENSE_REGRESSION: ("pixel_r2", ("pixel_rmse",)),
    Kind.RETRIEVAL: ("recall@10", ("recall@1", "recall@5", "mrr")),
    Kind.GEOLOCALIZATION: (
        "median_km",
        ("within_1_km", "within_25_km", "within_200_km", "within_750_km", "within_2500_km"),
    ),
}
"""Headline and further metrics of the kinds, where a task file names none."""

HEADLINE = {
    Kind.CLASSIFICATION: "linear",
    Kind.ORDINAL: "ordinal_linear",
    Kind.MULTILABEL: "linear",
    Kind.REGRESSION: "ridge",
    Kind.MULTI_REGRESSION: "ridge",
    Kind.SEGMENTATION: "linear_segmentation",
    Kind.DENSE_REGRESSION: "dense_ridge",
    Kind.RETRIEVAL: "retrieval",
    Kind.GEOLOCALIZATION: "nearest_place",
}
"""The evaluator that the leaderboard ranks by where a task names none."""

DENSE = frozenset({Kind.SEGMENTATION, Kind.DENSE_REGRESSION})
"""Kinds whose targets are images: reading them is work, not planning."""

ONE_CLASS = frozenset({Kind.CLASSIFICATION, Kind.ORDINAL})
"""Kinds whose samples have one class each, or none: -1."""

WITH_CLASSES = ONE_CLASS | {Kind.MULTILABEL, Kind.SEGMENTATION}
"""Kinds whose targets are classes with names."""

WITH_NAMES = WITH_CLASSES | {Kind.MULTI_REGRESSION}
"""Kinds whose targets have names: of their classes, or of the measurements of a sample."""
