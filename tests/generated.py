"""A small generated world: a dataset, tasks of every kind and models, registered like any plugin's."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from torch import Tensor, nn

from gairbench import (
    RGB,
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Preset,
    Pretraining,
    SampleInput,
    TaskSpec,
    evaluators,
    hookimpl,
    split_policies,
)
from gairbench.data import ArraySplit
from gairbench.evaluation import executors
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.plugins import Origin, Registry, register
from gairbench.progress import Progress
from gairbench.protocols import PretrainContext
from gairbench.representation import RS_TOKENS, Representation
from gairbench.results import Result

SIZES = {"train": 90, "val": 30, "test": 40, "pretrain": 20}
IMAGE = ImageInput(modality=Modality.RS, bands=RGB, size=16)
PHOTO = ImageInput(modality=Modality.SV, bands=RGB, size=16, synthetic=True)


class World:
    """Images whose colour, and photos whose brightness, depend on where they are."""

    opened = 0

    def __init__(self, context: DataContext) -> None:
        self.context = context

    def fingerprint(self) -> str:
        return "generated-1"

    def classes(self, target: str) -> tuple[str, ...]:
        return {"zone": ("north", "south"), "mask": ("low", "high"), "tags": ("n", "e")}.get(target, ())

    def split(self, name: str) -> ArraySplit:
        World.opened += 1
        rng = np.random.default_rng(list(SIZES).index(name))
        n = SIZES[name]
        lonlat = np.stack([rng.uniform(-180, 180, n), rng.uniform(-80, 80, n)], axis=1)
        level = (lonlat[:, 1] + 90) / 180 * 200
        noise = rng.normal(0, 12, (2, n, 3, 16, 16))
        image, photo = (np.clip(level[:, None, None, None] + e, 0, 255).astype(np.uint8) for e in noise)
        mask = np.arange(16)[None, None, :] < rng.choice([4, 8, 12], n)[:, None, None]
        mask = np.broadcast_to(mask, (n, 16, 16))
        image[:, 2] = photo[:, 2] = np.where(mask, 255 - image[:, 2] // 4, image[:, 2] // 4)
        bbox = np.stack([lonlat[:, 0] - 1, lonlat[:, 1] + 1, lonlat[:, 0] + 1, lonlat[:, 1] - 1], axis=1)
        return ArraySplit(
            [f"{name}-{i}" for i in range(n)],
            {"image": image, "street_view": photo, "lonlat": lonlat, "bbox": bbox},
            {
                "zone": (lonlat[:, 1] < 0).astype(np.int64),
                "height": lonlat[:, 1] * 2 + 3,
                "mask": mask.astype(np.uint8),
                "tags": np.stack([lonlat[:, 1] > 0, lonlat[:, 0] > 0], axis=1),
            },
        )


class Shades(nn.Module):
    """Mean and spread of colours through a seeded linear layer; counts how often it is built and called."""

    built = 0
    calls = 0

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        Shades.built += 1
        generator = torch.Generator().manual_seed(context.seed)
        self.weight = nn.Parameter(torch.randn(8, 6, generator=generator))
        if context.checkpoint is not None:
            shift = json.loads((context.checkpoint / "shift.json").read_text())
            self.weight = nn.Parameter(self.weight + shift)

    def encode_rs(self, images: Tensor) -> Tensor:
        Shades.calls += 1
        values = images.flatten(2)
        return torch.cat([values.mean(2), values.std(2)], dim=1) @ self.weight.T

    encode_sv = encode_rs

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 4)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.float()


def pretrain(context: PretrainContext) -> None:
    """Write a checkpoint made from the data."""
    split = context.source.split("pretrain")
    context.report(1, 2, "half")
    mean = float(np.mean([split[i]["image"].float().mean() for i in range(4)]))
    (context.output / "shift.json").write_text(json.dumps(mean / 255))
    context.report(2, 2, "done")


DATASET = DatasetSpec(
    name="world",
    version=1,
    factory=World,
    delivers=(IMAGE, PHOTO, LocationInput()),
    licence="CC0-1.0",
    citation="generated",
)
CORPUS = DatasetSpec(
    name="world-pretrain", version=1, factory=World, delivers=DATASET.delivers, splits=("pretrain",), licence="CC0-1.0"
)


def task(name: str, kind: Kind, target: str, metric: str, *inputs: Modality, **more: object) -> TaskSpec:
    """Return a task over the generated world."""
    values: dict[str, object] = {
        "name": name,
        "version": 1,
        "category": Category.RS,
        "family": "generated family",
        "kind": kind,
        "dataset": DATASET,
        "target": target,
        "inputs": inputs,
        "metric": metric,
        "synthetic": True,
    }
    return TaskSpec(**(values | more))  # type: ignore[arg-type]


TASKS = (
    task("world-zone", Kind.CLASSIFICATION, "zone", "accuracy", Modality.RS, extra_metrics=("macro_f1",)),
    task("world-tags", Kind.MULTILABEL, "tags", "micro_f1", Modality.LOCATION, category=Category.LOCATION),
    task("world-height", Kind.REGRESSION, "height", "r2", Modality.SV, category=Category.SV),
    task("world-mask", Kind.SEGMENTATION, "mask", "miou", Modality.RS),
    task(
        "world-retrieval",
        Kind.RETRIEVAL,
        "",
        "recall@10",
        Modality.RS,
        Modality.SV,
        category=Category.CROSS_MODAL,
        extra_metrics=("mrr",),
    ),
    task("world-fused", Kind.REGRESSION, "height", "r2", Modality.RS, Modality.LOCATION),
)
SHADES = ModelSpec(
    name="shades",
    version="1",
    factory=Shades,
    presets=(Preset(name="default", inputs=(IMAGE, PHOTO, LocationInput()), offers=(RS_TOKENS,)),),
    aligned=frozenset({Modality.RS, Modality.SV}),
    seeded=True,
)
TRAINED = ModelSpec(
    name="trained",
    version="1",
    factory=Shades,
    presets=(
        Preset(
            name="default",
            inputs=(IMAGE, PHOTO, LocationInput()),
            weights=Pretraining(recipe=pretrain, version=1, dataset="world-pretrain"),
        ),
    ),
    aligned=frozenset({Modality.RS, Modality.SV}),
)


LOOKED_UP = Preset(
    name="default",
    inputs=(SampleInput(Modality.RS), SampleInput(Modality.LOCATION)),
    offers=(Representation("query", ("rs",)),),
    needs=frozenset({"id"}),
)
"""Of a model of existing embeddings."""


class Plugin:
    """The hooks of the generated world."""

    @hookimpl
    def register_models(self) -> Iterator[ModelSpec]:
        yield SHADES
        yield TRAINED

    @hookimpl
    def register_datasets(self) -> Iterator[DatasetSpec]:
        yield CORPUS

    @hookimpl
    def register_tasks(self) -> Iterator[TaskSpec]:
        yield from TASKS


def files(folder: Path) -> set[str]:
    """Return the files below a folder, relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def make_registry() -> Registry:
    """Return a registry of this world, our evaluators, split policies and executors."""
    found = Registry()
    register(found, Plugin(), Origin("generated", "generated-dist", "1.0"))
    register(found, executors, Origin("gairbench-executors", "gairbench", "1.0"))
    register(found, evaluators, Origin("gairbench-evaluators", "gairbench", "1.0"))
    register(found, split_policies, Origin("gairbench-split-policies", "gairbench", "1.0"))
    return found


def carry_out(request: EvaluationRequest, registry: Registry, shown: io.StringIO | None = None) -> list[Result]:
    """Return the records of a run; what it says goes to ``shown``."""
    progress = Progress(Console(file=shown or io.StringIO(), width=400))
    return run_plan(make_plan(request, registry), request, registry, progress).records
