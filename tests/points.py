"""A small dataset with tasks of every kind that passes the conformance suite, for tests that break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gairbench import (
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    TaskSpec,
)
from gairbench.data import ArraySplit


def checks(*modules: Any) -> dict[str, Callable[..., None]]:
    tables = [getattr(module, table, ()) for module in modules for table in ("DECLARATION", "BEHAVIOUR")]
    return {check.__name__: check for table in tables for check in table}


def failures(cases: list[tuple[str, Callable[[], None]]]) -> dict[str, str]:
    failed = {}
    for name, check in cases:
        if name == "check_registering_imports_nothing_heavy":
            continue
        try:
            check()
        except AssertionError as error:
            failed[name] = str(error)
    return failed


SIZES = {"train": 30, "val": 12, "test": 15}


class Points:
    """Images, photos and points with a target of every kind."""

    def __init__(self, context: DataContext) -> None:
        self.context = context

    def fingerprint(self) -> str:
        return "points"

    def classes(self, target: str) -> tuple[str, ...]:
        names = {"height": (), "heights": (), "place": (), "pair": ("up", "down")}
        return names.get(target, ("a", "b", "c"))

    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        n = SIZES[name]
        rng = np.random.default_rng(list(SIZES).index(name))
        lonlat = np.stack([rng.uniform(-170, 170, n), rng.uniform(-80, 80, n)], axis=1)
        zone = np.arange(n, dtype=np.int64) % 3
        inputs = {
            "image": rng.integers(0, 256, (n, 3, 8, 8), dtype=np.uint8),
            "street_view": rng.integers(0, 256, (n, 3, 8, 8), dtype=np.uint8),
            "lonlat": lonlat,
            "bbox": np.stack([lonlat[:, 0] - 1, lonlat[:, 1] + 1, lonlat[:, 0] + 1, lonlat[:, 1] - 1], axis=1),
        }
        targets = {
            "zone": zone,
            "tags": np.eye(3, dtype=bool)[zone],
            "height": rng.normal(size=n),
            "mask": rng.integers(0, 3, (n, 8, 8)).astype(np.uint8),
            "heights": np.where(rng.random((n, 8, 8)) < 0.1, np.nan, rng.normal(size=(n, 8, 8))),
            "place": lonlat,
            "pair": rng.normal((0.0, 100.0), (1.0, 20.0), (n, 2)),
        }
        return inputs, targets

    def ids(self, name: str) -> list[str]:
        return [f"{name}-{i}" for i in range(SIZES[name])]

    def split(self, name: str) -> Any:
        return ArraySplit(self.ids(name), *self.arrays(name))


DATASET = DatasetSpec(
    name="points",
    version=1,
    factory=Points,
    delivers=(
        ImageInput(modality=Modality.RS, size=8),
        ImageInput(modality=Modality.SV, size=8, synthetic=True),
        LocationInput(),
    ),
    licence="CC0-1.0",
    citation="none",
)

TASK = TaskSpec(
    name="points-zone",
    version=1,
    category=Category.RS,
    family="test",
    kind=Kind.CLASSIFICATION,
    dataset=DATASET,
    target="zone",
    inputs=(Modality.RS,),
    metric="accuracy",
    synthetic=False,
    extra_metrics=("macro_f1",),
)

TASKS = (
    TASK,
    replace(TASK, name="points-tags", kind=Kind.MULTILABEL, target="tags", metric="micro_f1", extra_metrics=()),
    replace(
        TASK,
        name="points-grade",
        kind=Kind.ORDINAL,
        metric="quadratic_kappa",
        extra_metrics=("rank_mae", "accuracy", "balanced_accuracy", "macro_f1"),
    ),
    replace(
        TASK,
        name="points-pair",
        kind=Kind.MULTI_REGRESSION,
        target="pair",
        metric="mean_r2",
        extra_metrics=("mean_pearson_r",),
    ),
    replace(TASK, name="points-height", kind=Kind.REGRESSION, target="height", metric="r2", extra_metrics=()),
    replace(TASK, name="points-mask", kind=Kind.SEGMENTATION, target="mask", metric="miou", extra_metrics=()),
    replace(
        TASK,
        name="points-heights",
        kind=Kind.DENSE_REGRESSION,
        target="heights",
        metric="pixel_r2",
        extra_metrics=("pixel_rmse",),
    ),
    replace(
        TASK,
        name="points-place",
        kind=Kind.GEOLOCALIZATION,
        target="place",
        metric="median_km",
        extra_metrics=("within_25_km",),
    ),
    replace(
        TASK,
        name="points-pairs",
        kind=Kind.RETRIEVAL,
        target="",
        inputs=(Modality.RS, Modality.SV),
        metric="recall@1",
        extra_metrics=("mrr",),
        synthetic=True,
    ),
)
