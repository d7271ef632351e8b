"""What a kind of task implies."""

from __future__ import annotations

from gairbench.spec import Kind

DEFAULT_METRICS = {
    Kind.CLASSIFICATION: ("accuracy", ("macro_f1",)),
    Kind.MULTILABEL: ("micro_f1", ()),
    Kind.REGRESSION: ("r2", ("pearson_r",)),
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
    Kind.MULTILABEL: "linear",
    Kind.REGRESSION: "ridge",
    Kind.SEGMENTATION: "linear_segmentation",
    Kind.DENSE_REGRESSION: "dense_ridge",
    Kind.RETRIEVAL: "retrieval",
    Kind.GEOLOCALIZATION: "nearest_place",
}
"""The evaluator that the leaderboard ranks by where a task names none."""

DENSE = frozenset({Kind.SEGMENTATION, Kind.DENSE_REGRESSION})
"""Kinds whose targets are images: reading them is work, not planning."""

WITH_CLASSES = frozenset({Kind.CLASSIFICATION, Kind.MULTILABEL, Kind.SEGMENTATION})
"""Kinds whose targets are classes with names."""
