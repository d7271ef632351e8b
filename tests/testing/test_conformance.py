"""Everything registered passes the conformance suite, and the suite catches what it is there to catch."""

from __future__ import annotations

import subprocess
import sys
import unittest
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gairbench import (
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Normalization,
    Preset,
    Pretraining,
    TaskSpec,
    Unit,
    View,
)
from gairbench.data import ArraySplit, Sample
from gairbench.plugins import load_registry
from gairbench.testing import (
    dataset_checks,
    model_checks,
    parametrize_with_dataset_checks,
    parametrize_with_model_checks,
    parametrize_with_task_checks,
    task_checks,
)

REGISTRY = load_registry(strict=True)
TASK_DATA = {task.dataset.name for task in REGISTRY.tasks.values()}

BASE = "ViT-B takes minutes and 2 GiB on two cores; the same code is checked at the smaller sizes"

TOO_LARGE = {
    f"{model.name}-base": BASE for model in REGISTRY.models.values() for p in model.presets if p.name == "base"
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny batches spend more time on waking threads than on computing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@parametrize_with_model_checks(REGISTRY.models.values(), skip=TOO_LARGE)
def test_registered_model(check: Callable[[], None]) -> None:
    check()


@parametrize_with_task_checks(REGISTRY.tasks.values())
def test_registered_task(check: Callable[[], None]) -> None:
    check()


@parametrize_with_dataset_checks([spec for spec in REGISTRY.datasets.values() if spec.name not in TASK_DATA])
def test_registered_dataset_without_tasks(check: Callable[[], None]) -> None:
    check()


def test_everything_registered_describes_itself() -> None:
    specs = [*REGISTRY.models.values(), *REGISTRY.datasets.values(), *REGISTRY.tasks.values()]
    assert [spec.name for spec in specs if not spec.description or "\n" in spec.description] == []


def test_ids_name_check_and_subject() -> None:
    mark = parametrize_with_model_checks([MODEL], skip={"good-default": "too large"}).mark
    cases = {case.id: case for case in mark.args[1]}
    assert "check_name_is_a_slug[good]" in cases
    assert not cases["check_name_is_a_slug[good]"].marks
    skipped = cases["check_embeddings_are_finite[good-default]"]
    assert skipped.marks[0].kwargs == {"reason": "too large"}


def test_a_task_and_its_dataset_may_share_a_name() -> None:
    ids = [case.id for case in parametrize_with_task_checks([replace(TASK, name="points")]).mark.args[1]]
    assert len(set(ids)) == len(ids)


def test_a_shared_dataset_is_checked_once() -> None:
    ids = [case.id for case in parametrize_with_task_checks([TASK, replace(TASK, name="other")]).mark.args[1]]
    assert ids.count("check_fingerprint_is_stable[dataset:points]") == 1


def test_data_that_are_not_here_skip_and_say_so(tmp_path: Path) -> None:
    spec = replace(DATASET, folder="missing")
    for root in (None, tmp_path):
        with pytest.raises(unittest.SkipTest, match="points is not below"):
            dataset_checks.check_splits_are_not_empty(spec, root)


def test_the_suite_needs_no_pytest_until_it_is_used() -> None:
    code = "import sys, gairbench.testing; print([m for m in ('pytest', 'torch', 'numpy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# A model that does everything right, and what each check is there to catch.

INPUTS = (
    ImageInput(modality=Modality.RS, bands=("B2", "B8"), unit=Unit.S2_DN, size=24),
    LocationInput(order="latlon"),
)


class Good:
    """Block means of the image, and the coordinates."""

    def __init__(self, context: ModelContext) -> None:
        generator = torch.Generator().manual_seed(context.seed)
        self.weight = 1 + torch.rand(2, 1, 1, generator=generator)

    def encode_rs(self, images: Tensor) -> Tensor:
        return self.encode_rs_tokens(images).flatten(2).mean(2)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return torch.nn.functional.avg_pool2d(images, 6) * self.weight

    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        tokens = self.encode_rs_tokens(images)
        east = ((lonlat[:, 0] - bbox[:, 0]) / (bbox[:, 2] - bbox[:, 0]) * tokens.shape[3]).long().clamp(max=3)
        south = ((bbox[:, 1] - lonlat[:, 1]) / (bbox[:, 1] - bbox[:, 3]) * tokens.shape[2]).long().clamp(max=3)
        return tokens[torch.arange(len(tokens)), :, south, east]

    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.float()


MODEL = ModelSpec(
    name="good",
    version="1",
    factory=Good,
    presets=(Preset(name="default", inputs=INPUTS),),
    views=frozenset({View.RS_TOKENS, View.RS_QUERY}),
    seeded=True,
    licence="MIT",
    citation="none",
)


def checks(module: Any) -> dict[str, Callable[..., None]]:
    return {check.__name__: check for check in (*module.DECLARATION, *module.BEHAVIOUR)}


def failing_model_checks(spec: ModelSpec) -> dict[str, str]:
    """Run every check but the slow one for imports, and return what fails."""
    cases = [(check.__name__, partial(check, spec)) for check in model_checks.DECLARATION]
    cases += [(c.__name__, partial(c, spec, preset)) for c in model_checks.BEHAVIOUR for preset in spec.presets]
    return failures(cases)


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


def test_a_good_model_passes() -> None:
    assert failing_model_checks(MODEL) == {}


def preset(*inputs: Any, name: str = "default") -> Preset:
    return Preset(name=name, inputs=inputs)


RS = INPUTS[0]


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "Good Model"}, "check_name_is_a_slug", "not lower-case"),
        ({"name": "good[Fast]"}, "check_name_is_a_slug", "variant of model good name 'Fast' is not lower-case"),
        ({"name": "good[fast"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": "main"}, "check_version_is_stated", "pins nothing"),
        ({"licence": ""}, "check_licence_and_citation_are_stated", "no licence"),
        ({"citation": ""}, "check_licence_and_citation_are_stated", "no citation"),
        ({"presets": (preset(*INPUTS), preset(*INPUTS))}, "check_presets_are_unique", "a preset twice"),
        ({"presets": ()}, "check_presets_are_unique", "no presets"),
        ({"presets": (preset(*INPUTS, RS),)}, "check_inputs_leave_nothing_to_guess", "declares a modality twice"),
        (
            {"presets": (preset(replace(RS, normalization=Normalization.ZSCORE, mean=(1.0,), std=(1.0,))),)},
            "check_inputs_leave_nothing_to_guess",
            "1 mean for 2 bands",
        ),
        (
            {"presets": (preset(replace(RS, normalization=Normalization.ZSCORE, mean=(1, 1), std=(1, 0))),)},
            "check_inputs_leave_nothing_to_guess",
            "a std is not positive",
        ),
        ({"views": frozenset({View.SV_PROJECTED})}, "check_views_have_their_input", "view project_sv without sv"),
        ({"aligned": frozenset({Modality.SV, Modality.RS})}, "check_views_have_their_input", "aligns"),
        ({"aligned": frozenset({Modality.RS})}, "check_views_have_their_input", "one aligned modality"),
        ({"factory": "gairbench.spec:Nothing"}, "check_factories_can_be_imported", "Nothing"),
        (
            {"pretraining": Pretraining(recipe=str, version=1, dataset="x", inputs="gairbench.spec:Nothing")},
            "check_factories_can_be_imported",
            "Nothing",
        ),
        (
            {"pretraining": Pretraining(recipe=str, version=1, dataset="x", inputs=lambda *_: (LocationInput(),))},
            "check_pretraining_takes_the_presets_inputs",
            "good-default: pre-training takes",
        ),
    ],
)
def test_a_wrong_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises((AssertionError, AttributeError), match=why):
        checks(model_checks)[check](replace(MODEL, **changes))


def test_an_import_of_torch_at_registration_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_plugin.py").write_text("import torch\n")
    (tmp_path / "light_plugin.py").write_text("import json\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    check = checks(model_checks)["check_registering_imports_nothing_heavy"]
    check(replace(MODEL, factory="light_plugin:make"))
    with pytest.raises(AssertionError, match=r"heavy_plugin imports .*torch.*inside the factory"):
        check(replace(MODEL, factory="heavy_plugin:make"))


class WrongShape(Good):
    def encode_rs(self, images: Tensor) -> Tensor:
        return self.encode_rs_tokens(images)


class DropsTheBatch(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.float().squeeze(0)


class Integers(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.long()


class DividesByDeviation(Good):
    def encode_rs(self, images: Tensor) -> Tensor:
        return images.mean((2, 3)) / images.std((2, 3))


class BreaksAtThePole(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return torch.cat([lonlat, 1 / (90 - lonlat[:, :1])], dim=1).float()


class Noisy(Good):
    def encode_rs(self, images: Tensor) -> Tensor:
        return super().encode_rs(images) + torch.rand(1)


class UnseededWeights(Good):
    built = 0

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        UnseededWeights.built += 1
        self.weight = self.weight + UnseededWeights.built


class IgnoresTheSeed(Good):
    def __init__(self, context: ModelContext) -> None:
        super().__init__(replace(context, seed=0))


class NormalizesOverTheBatch(Good):
    def encode_rs(self, images: Tensor) -> Tensor:
        return super().encode_rs(images - images.mean())


class DependsOnPosition(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.float() + torch.arange(len(lonlat))[:, None]


class Constant(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return torch.ones(len(lonlat), 3)


class WritesIntoItsInput(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.mul_(torch.pi / 180).float()


class SouthUp(Good):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return super().encode_rs_tokens(images).flip(2)


class Transposed(Good):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return super().encode_rs_tokens(images).transpose(2, 3)


class OneToken(Good):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return images.mean((2, 3), keepdim=True)


class QueryIgnoresThePoint(Good):
    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        return self.encode_rs(images)


class QueryIsUpsideDown(Good):
    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        return super().query_rs(images.flip(2), lonlat, bbox)


class LacksTheLocationEncoder:
    def __init__(self, context: ModelContext) -> None:
        good = Good(context)
        self.encode_rs, self.encode_rs_tokens, self.query_rs = good.encode_rs, good.encode_rs_tokens, good.query_rs


@pytest.mark.parametrize(
    ("model", "check", "why"),
    [
        (WrongShape, "check_embeddings_have_the_declared_shape", r"encode_rs returned shape \(1, 2, 4, 4\)"),
        (DropsTheBatch, "check_embeddings_have_the_declared_shape", r"encode_location returned shape \(2,\)"),
        (Integers, "check_embeddings_have_the_declared_shape", "returned torch.int64"),
        (DividesByDeviation, "check_embeddings_are_finite", "encode_rs returned values that are not finite"),
        (BreaksAtThePole, "check_embeddings_are_finite", "encode_location returned values"),
        (Noisy, "check_embeddings_are_deterministic", "between two calls"),
        (UnseededWeights, "check_embeddings_are_deterministic", "between two models of one seed"),
        (IgnoresTheSeed, "check_seed_acts_as_declared", "is declared seeded"),
        (NormalizesOverTheBatch, "check_embeddings_do_not_depend_on_the_batch", "alone than in a batch"),
        (DependsOnPosition, "check_embeddings_do_not_depend_on_the_batch", "alone than in a batch"),
        (Constant, "check_embeddings_tell_inputs_apart", "5 different samples 1 different"),
        (WritesIntoItsInput, "check_inputs_are_left_as_they_were", "encode_location writes into its input"),
        (SouthUp, "check_token_grid_is_north_up", "north-west of the image shows in the south-west"),
        (Transposed, "check_token_grid_is_north_up", "north-east of the image shows in the south-west"),
        (OneToken, "check_token_grid_is_north_up", "1 x 1 tokens locates nothing"),
        (QueryIgnoresThePoint, "check_query_follows_the_point", "the same for different points"),
        (QueryIsUpsideDown, "check_query_follows_the_point", "north-west of the tile shows most at the south-west"),
        (LacksTheLocationEncoder, "check_views_are_implemented", "has no method encode_location"),
    ],
)
def test_a_wrong_model_is_caught(model: type, check: str, why: str) -> None:
    spec = replace(MODEL, factory=model)
    with pytest.raises(AssertionError, match=why):
        checks(model_checks)[check](spec, spec.presets[0])


def test_a_seed_that_acts_undeclared_is_caught() -> None:
    spec = replace(MODEL, seeded=False)
    with pytest.raises(AssertionError, match="not declared seeded, but the seed changes encode_rs"):
        checks(model_checks)["check_seed_acts_as_declared"](spec, spec.presets[0])


# A dataset and tasks that do everything right, and what each check is there to catch.

SIZES = {"train": 30, "val": 12, "test": 15}


class Points:
    """Images, photos and points with a target of every kind."""

    def __init__(self, context: DataContext) -> None:
        self.context = context

    def fingerprint(self) -> str:
        return "points"

    def classes(self, target: str) -> tuple[str, ...]:
        return () if target == "height" else ("a", "b", "c")

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
    higher_is_better=True,
    synthetic=False,
    extra_metrics=("macro_f1",),
)

TASKS = (
    TASK,
    replace(TASK, name="points-tags", kind=Kind.MULTILABEL, target="tags", metric="micro_f1", extra_metrics=()),
    replace(TASK, name="points-height", kind=Kind.REGRESSION, target="height", metric="r2", extra_metrics=()),
    replace(TASK, name="points-mask", kind=Kind.SEGMENTATION, target="mask", metric="miou", extra_metrics=()),
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


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_good_task_and_its_dataset_pass(task: TaskSpec) -> None:
    cases = [(c.__name__, partial(c, task)) for c in task_checks.DECLARATION]
    cases += [(c.__name__, partial(c, task, None)) for c in task_checks.BEHAVIOUR]
    cases += [(c.__name__, partial(c, task.dataset)) for c in dataset_checks.DECLARATION]
    cases += [(c.__name__, partial(c, task.dataset, None)) for c in dataset_checks.BEHAVIOUR]
    assert failures(cases) == {}


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "points zone"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"dataset": replace(DATASET, licence="")}, "check_licence_and_citation_are_stated", "no licence"),
        ({"family": ""}, "check_family_is_stated", "no family"),
        ({"inputs": ()}, "check_inputs_are_delivered", "no inputs"),
        ({"target": ""}, "check_inputs_are_delivered", "no target"),
        (
            {"dataset": replace(DATASET, delivers=(LocationInput(),))},
            "check_inputs_are_delivered",
            "dataset points delivers no rs",
        ),
        ({"kind": Kind.RETRIEVAL}, "check_inputs_are_delivered", "needs \\(query, gallery\\)"),
        (
            {"kind": Kind.RETRIEVAL, "inputs": (Modality.RS, Modality.SV)},
            "check_inputs_are_delivered",
            "retrieval has no target",
        ),
        ({"kind": Kind.SEGMENTATION, "inputs": (Modality.SV,)}, "check_inputs_are_delivered", "overhead images"),
        ({"dataset": replace(DATASET, splits=("train", "test"))}, "check_splits_are_declared", "no split val"),
        ({"metric": "acuracy"}, "check_metrics_exist_and_point_the_same_way", "no metric 'acuracy'; there are"),
        ({"higher_is_better": False}, "check_metrics_exist_and_point_the_same_way", "higher_is_better=False"),
        ({"probes": ("magic",)}, "check_probes_serve_the_kind", "no probe 'magic'"),
        ({"probes": ("ridge",)}, "check_probes_serve_the_kind", "ridge does not serve classification"),
        ({"inputs": (Modality.SV,)}, "check_rendered_inputs_make_it_synthetic", "sv is rendered"),
        ({"sweep": ("shift (m)", 1.0)}, "check_only_diagnostics_are_swept", "is not diagnostic"),
        ({"sweep": (" ", 1.0), "diagnostic": True}, "check_only_diagnostics_are_swept", "has no name"),
        ({"sweep": ("shift (m)", float("nan")), "diagnostic": True}, "check_only_diagnostics_are_swept", "is nan"),
    ],
)
def test_a_wrong_task_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(task_checks)[check](replace(TASK, **changes))


class UnnamedClass(Points):
    def classes(self, target: str) -> tuple[str, ...]:
        return ("a", "b")


class NaNTarget(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        targets["height"][0] = np.nan
        return inputs, targets


class NewClassInTest(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        if name == "train":
            targets["zone"][targets["zone"] == 2] = 1
        return inputs, targets


class Float32Classes(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": targets["zone"].astype(np.float32)}


class SmallMasks(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"mask": targets["mask"][:, :4]}


class ConstantTarget(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"zone": targets["zone"] * 0, "height": targets["height"] * 0}


class OneLabel(Points):
    def classes(self, target: str) -> tuple[str, ...]:
        return ("a",)

    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        return inputs, targets | {"tags": targets["tags"][:, :1]}


class RepeatedImages(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        inputs["image"][:] = inputs["image"][:1]
        return inputs, targets


class ShortTargets(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split._targets["zone"] = split._targets["zone"][:-1]
        return split


@pytest.mark.parametrize(
    ("data", "task", "check", "why"),
    [
        (UnnamedClass, "zone", "check_targets_are_aligned_and_typed", r"classes 0 \.\.\. 2 of 2 names"),
        (UnnamedClass, "tags", "check_targets_are_aligned_and_typed", r"shape \(30, 3\), wanted \(30, 2\)"),
        (UnnamedClass, "mask", "check_targets_are_aligned_and_typed", r"values \[2\] that are neither classes nor"),
        (NaNTarget, "height", "check_targets_are_aligned_and_typed", "not finite"),
        (Float32Classes, "zone", "check_targets_are_aligned_and_typed", "wanted class numbers: int64"),
        (SmallMasks, "mask", "check_targets_are_aligned_and_typed", r"masks \(4, 8\) for images \(8, 8\)"),
        (ShortTargets, "zone", "check_targets_are_aligned_and_typed", "29 values for 30 samples"),
        (
            NewClassInTest,
            "zone",
            "check_test_holds_no_class_that_train_lacks",
            "class 'c' is in split 'val' but not in",
        ),
        (ConstantTarget, "zone", "check_targets_can_be_learned", "all samples of train are of one class, 'a'"),
        (OneLabel, "tags", "check_targets_can_be_learned", "there is one label only, 'a'"),
        (ConstantTarget, "height", "check_metrics_prefer_the_truth", "r2 of target 'height' is nan for a perfect"),
        (RepeatedImages, "pairs", "check_retrieval_pairs_are_distinct", "14 of 15 samples repeat another's rs"),
    ],
)
def test_a_wrong_target_is_caught(data: type, task: str, check: str, why: str) -> None:
    good = next(t for t in TASKS if t.name == f"points-{task}")
    with pytest.raises(AssertionError, match=why):
        checks(task_checks)[check](replace(good, dataset=replace(DATASET, factory=data)), None)


class NewFingerprint(Points):
    def fingerprint(self) -> str:
        return str(id(self))


class EmptySplit(Points):
    def split(self, name: str) -> Any:
        return ArraySplit([], {}, {}) if name == "val" else super().split(name)


class LeakingIds(Points):
    def ids(self, name: str) -> list[str]:
        return [str(i) for i in range(SIZES[name])]


class TwiceInOneSplit(Points):
    def ids(self, name: str) -> list[str]:
        return [f"{name}-{i // 2}" for i in range(SIZES[name])]


def changed(**inputs: Callable[[Any], Any]) -> type:
    """Return a dataset whose inputs are passed through functions."""

    class Changed(Points):
        def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
            arrays, targets = super().arrays(name)
            return arrays | {key: change(arrays[key]) for key, change in inputs.items()}, targets

    return Changed


def dark_blue(images: Any) -> Any:
    images[:, 2] = 0
    return images


def alike(images: Any) -> Any:
    images[:] = np.arange(64).reshape(8, 8)
    return images


def swapped_land(lonlat: Any) -> Any:
    """Points of Germany and Kenya as (lat, lon)."""
    return np.where(np.arange(len(lonlat))[:, None] % 2, [52.5, 13.4], [-1.3, 36.8]) + lonlat * 1e-3


class NoImages(Points):
    def arrays(self, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
        inputs, targets = super().arrays(name)
        del inputs["image"]
        return inputs, targets


class Augmented(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)

        class Random(ArraySplit):
            def __getitem__(self, index: int) -> dict[str, Tensor]:
                sample = super().__getitem__(index)
                return sample | {"lonlat": sample["lonlat"] + torch.rand(2) * 1e-3}

        return Random(split.ids, split._inputs, split._targets)


class WrongBatches(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)

        class Sorted(ArraySplit):
            def __getitems__(self, indices: list[int]) -> list[Sample]:
                return [self[i] for i in sorted(indices)]

        return Sorted(split.ids, split._inputs, split._targets)


class ForgivingTargets(Points):
    def split(self, name: str) -> Any:
        split = super().split(name)
        split.target = lambda _: np.zeros(3)
        return split


@pytest.mark.parametrize(
    ("data", "check", "why"),
    [
        (NewFingerprint, "check_fingerprint_is_stable", "and then"),
        (EmptySplit, "check_splits_are_not_empty", "split 'val' is empty"),
        (LeakingIds, "check_ids_are_unique_over_all_splits", "id '0' is in splits 'train' and 'val'"),
        (TwiceInOneSplit, "check_ids_are_unique_over_all_splits", "split 'train' has id 'train-0' twice"),
        (NoImages, "check_samples_hold_what_is_declared", "no 'image', only"),
        (changed(image=lambda a: a[:, :2]), "check_samples_hold_what_is_declared", "image has 2 bands, declared red"),
        (changed(image=lambda a: a[:, :, :4]), "check_samples_hold_what_is_declared", r"size \(4, 8\), declared 8"),
        (changed(image=lambda a: a / 255.0), "check_samples_hold_what_is_declared", "is the unit uint8"),
        (changed(image=lambda a: a * 40.0), "check_samples_hold_what_is_declared", "are not in unit uint8"),
        (changed(image=dark_blue), "check_bands_are_not_constant", "band 'blue' of image is 0 in all 36 images"),
        (changed(image=alike, street_view=alike), "check_no_image_is_in_two_splits", "train/train-0 and val/val-0 are"),
        (changed(lonlat=swapped_land), "check_places_are_plausible", "would lie on land with longitude and latitude"),
        (changed(image=lambda a: a * np.nan), "check_samples_hold_what_is_declared", "not finite"),
        (changed(lonlat=lambda a: np.full_like(a, 120)), "check_samples_hold_what_is_declared", "is not lonlat"),
        (changed(lonlat=lambda a: a.astype(np.float32)), "check_samples_hold_what_is_declared", "float32"),
        (changed(lonlat=lambda a: a * np.nan), "check_samples_hold_what_is_declared", "not lonlat in degrees"),
        (changed(bbox=lambda a: a[:, [0, 3, 2, 1]]), "check_samples_hold_what_is_declared", "lon_min, lat_max"),
        (changed(bbox=lambda a: a + 3), "check_samples_hold_what_is_declared", "does not contain"),
        (Augmented, "check_samples_stay_the_same", "sample .* of split 'train' changes"),
        (WrongBatches, "check_batched_reading_gives_the_same", "__getitems__ differs"),
        (ForgivingTargets, "check_unknown_target_is_a_key_error", "raises no KeyError"),
        (ModelContext, "check_source_has_the_methods", "is not a gairbench.data.DataSource"),
    ],
)
def test_a_wrong_dataset_is_caught(data: type, check: str, why: str) -> None:
    factory = (lambda context: "nothing") if data is ModelContext else data
    with pytest.raises(AssertionError, match=why):
        checks(dataset_checks)[check](replace(DATASET, factory=factory), None)


@pytest.mark.parametrize(
    ("changes", "check", "why"),
    [
        ({"name": "Points!"}, "check_name_is_a_slug", "not lower-case"),
        ({"version": 0}, "check_version_counts_from_one", "version 0"),
        ({"citation": ""}, "check_licence_and_citation_are_stated", "no citation"),
        ({"splits": ("train", "train")}, "check_splits_are_declared_once", "a split twice"),
        ({"delivers": ()}, "check_inputs_leave_nothing_to_guess", "declares no inputs"),
        (
            {"delivers": (ImageInput(modality=Modality.RS, bands=("red", "red")),)},
            "check_inputs_leave_nothing_to_guess",
            "a band twice",
        ),
        (
            {"delivers": (ImageInput(modality=Modality.RS, normalization=Normalization.ZSCORE),)},
            "check_inputs_leave_nothing_to_guess",
            "'normalization' is for models",
        ),
    ],
)
def test_a_wrong_dataset_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        checks(dataset_checks)[check](replace(DATASET, **changes))


def test_every_check_is_shown_to_catch_something() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    # The specs are frozen dataclasses: unhashable or unpicklable ones cannot be made by replacing a field.
    exempt = {"check_spec_is_a_value"}
    names = {name for module in (model_checks, dataset_checks, task_checks) for name in checks(module)}
    assert {name for name in names - exempt if f'"{name}"' not in source} == set()
