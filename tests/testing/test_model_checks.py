"""The checks of models catch what they are there to catch."""

from __future__ import annotations

import contextlib
import hashlib
import os
import unittest
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from points import checks, failures
from torch import Tensor, nn

from gairbench import (
    FileWeights,
    ImageInput,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Preset,
    Pretraining,
    Unit,
    UrlWeights,
)
from gairbench.batch import Batch
from gairbench.representation import RS_QUERY, RS_TOKENS, SV_PROJECTED, Representation
from gairbench.testing import declarations, model_checks, model_declaration_checks


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny batches spend more time on waking threads than on computing."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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


OFFERS = (RS_TOKENS, RS_QUERY)

MODEL = ModelSpec(
    name="good",
    version="1",
    factory=Good,
    presets=(Preset(name="default", inputs=INPUTS, offers=OFFERS),),
    seeded=True,
    licence="MIT",
    citation="none",
)


def grid(*layers: int, **more: Any) -> Representation:
    return Representation("tokens", ("rs",), layers=layers, **more)


def offering(*offers: Representation) -> dict[str, Any]:
    return {"presets": (Preset(name="default", inputs=INPUTS, offers=offers),)}


class Layered(Good):
    """Vectors and token grids of two layers."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        first = self.encode_rs_tokens(batch.images["rs"].values)
        grids = [(first, first.square())[layer] for layer in wanted.layers]
        if wanted.form == "tokens":
            return torch.stack(grids, dim=1) if len(grids) > 1 else grids[0]
        return grids[0].flatten(2).mean(2)


class IgnoresLayers(Layered):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        return super().encode(batch, replace(wanted, layers=(0,) * len(wanted.layers)))


class TurnsLayersRound(Layered):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        return super().encode(batch, replace(wanted, layers=wanted.layers[::-1]))


class DropsLayers(Layered):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        output = super().encode(batch, wanted)
        return output[:, :1] if len(wanted.layers) > 1 else output


LAYERED = replace(
    MODEL,
    name="layered",
    factory=Layered,
    **offering(RS_TOKENS, grid(0, 1), grid(0), grid(1), *(Representation(layers=(n,), pooling="mean") for n in (0, 1))),
)


def test_a_good_model_of_several_layers_passes() -> None:
    assert failing_model_checks(LAYERED) == {}


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (IgnoresLayers, r"rs_tokens is the same of layers 0 and 1: does the model use wanted\.layers"),
        (TurnsLayersRound, "rs_tokens of layers 0, 1 is not that of layer 0 at place 0"),
    ],
)
def test_layers_that_are_not_those_that_are_wanted_are_caught(model: type, why: str) -> None:
    spec = replace(LAYERED, factory=model)
    with pytest.raises(AssertionError, match=why):
        checks(model_checks)["check_layers_differ"](spec, spec.presets[0])


@pytest.mark.parametrize("check", ["check_embeddings_have_the_declared_shape", "check_layers_differ"])
def test_another_number_of_layers_than_is_wanted_is_caught(check: str) -> None:
    spec = replace(LAYERED, factory=DropsLayers)
    with pytest.raises(AssertionError, match=r"rs:tokens@0,1 returned shape \(\d+, 1, .*, wanted \(batch, 2 layers"):
        checks(model_checks)[check](spec, spec.presets[0])


def failing_model_checks(spec: ModelSpec) -> dict[str, str]:
    """Run every check but the slow one for imports, and return what fails."""
    cases = [(check.__name__, partial(check, spec)) for check in model_declaration_checks.DECLARATION]
    cases += [(c.__name__, partial(c, spec, preset)) for c in model_checks.BEHAVIOUR for preset in spec.presets]
    return failures(cases)


class GoodJoint(nn.Module):
    """Two sensors, one of them a series; vectors, token grids of two layers, and a lookup at a point."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(context.seed)
        self.weight = nn.Parameter(torch.rand(4, generator=generator) + 0.5)

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        grids = []
        for image in batch.images.values():
            values = image.values
            if values.ndim == 5:
                shown = image.valid[:, :, None, None, None]
                values = (values * shown).sum(1) / shown.sum(1)
            grids.append(torch.nn.functional.avg_pool2d(values, 6))
        grid = torch.cat(grids, dim=1)
        grid = grid * self.weight[: grid.shape[1], None, None]
        if wanted.form == "tokens":
            return torch.stack([grid, grid.square()], dim=1)
        return grid.flatten(2).mean(2)


S2_SERIES = ImageInput(
    modality=Modality.RS, name="s2", bands=("B4", "B8"), unit=Unit.REFLECTANCE, size=24, frames=(2, 6)
)
S1_IMAGE = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=24)
JOINT = replace(
    MODEL,
    name="good-joint",
    factory=GoodJoint,
    presets=(
        Preset(
            name="default",
            inputs=(S2_SERIES, S1_IMAGE),
            accepts=(("s2", "s1"), ("s2",)),
            offers=(Representation("tokens", ("s2", "s1"), layers=(0, 1)),),
            needs=frozenset({"dates", "wavelengths", "gsd"}),
        ),
    ),
)


class SeesOtherSamples(GoodJoint):
    """What it returns of a sample depends on the others of the batch."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        return super().encode(batch, wanted) + float(batch.images["s2"].values.mean())


class CountsPadding(GoodJoint):
    """It takes the mean of a series over the images that pad it, too."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        images = {name: replace(image, valid=torch.ones_like(image.valid)) for name, image in batch.images.items()}
        return super().encode(replace(batch, images=images), wanted)


def test_padding_that_counts_is_caught() -> None:
    with pytest.raises(AssertionError, match=r"s2\+s1 gives a short series another embedding in a batch with a longer"):
        model_checks.check_padding_of_series_does_not_count(
            replace(JOINT, factory=CountsPadding), replace(JOINT.presets[0], offers=())
        )
    # Nothing pads a series that always has as many images.
    fixed = replace(JOINT.presets[0], inputs=(replace(S2_SERIES, frames=4), S1_IMAGE))
    model_checks.check_padding_of_series_does_not_count(replace(JOINT, factory=CountsPadding, presets=(fixed,)), fixed)


def test_a_good_model_of_several_images_and_series_passes() -> None:
    assert failing_model_checks(JOINT) == {}


def test_what_a_model_of_several_images_does_wrong_is_found() -> None:
    found = failing_model_checks(replace(JOINT, factory=SeesOtherSamples))
    assert "alone than in a batch" in found["check_embeddings_do_not_depend_on_the_batch"]
    sar = replace(S1_IMAGE, unit=Unit.S2_DN)
    wrong = replace(JOINT, presets=(replace(JOINT.presets[0], inputs=(S2_SERIES, sar)),))
    with pytest.raises(AssertionError, match="VV measures backscatter, which cannot be in unit s2_dn"):
        model_declaration_checks.check_inputs_leave_nothing_to_guess(wrong)


def test_a_good_model_passes() -> None:
    assert failing_model_checks(MODEL) == {}


def preset(*inputs: Any, name: str = "default") -> Preset:
    return Preset(name=name, inputs=inputs)


def weighted(weights: Any) -> tuple[Preset, ...]:
    return (Preset(name="default", inputs=INPUTS, weights=weights),)


RS = INPUTS[0]
RECIPE = Pretraining(recipe=str, version=1, dataset="x")
FILE = UrlWeights(url="https://example.org/w-1.pth", sha256="0" * 64, size=1, licence="MIT")


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
        ({"presets": (preset(*INPUTS, RS),)}, "check_inputs_leave_nothing_to_guess", "declares an input twice"),
        (
            {"presets": (preset(replace(RS, masked=True)),)},
            "check_inputs_leave_nothing_to_guess",
            "'masked' is for datasets; a model says what it 'needs'",
        ),
        (
            {"presets": (Preset(name="default", inputs=INPUTS, offers=(SV_PROJECTED,)),)},
            "check_offers_have_their_inputs",
            "offers sv:projected, and accepts no such inputs",
        ),
        (
            {"presets": (Preset(name="default", inputs=INPUTS, static=frozenset({"dem"})),)},
            "check_offers_have_their_inputs",
            "static names dem, and its inputs are",
        ),
        (
            {"presets": (Preset(name="default", inputs=INPUTS, accepts=(("rs", "s1"),)),)},
            "check_offers_have_their_inputs",
            r"accepts rs\+s1, and its inputs are",
        ),
        (offering(RS_TOKENS, RS_TOKENS), "check_offers_can_be_asked_for", "good-default: an offer twice"),
        (offering(grid(1, 0)), "check_offers_can_be_asked_for", "the layers of rs:tokens@1,0 do not ascend"),
        (offering(grid(1, pooling="cls")), "check_offers_can_be_asked_for", "is a grid, and has a pooling"),
        (offering(Representation(pooling="each")), "check_offers_can_be_asked_for", "'each' is not one word, or is"),
        (offering(Representation(pooling="my pool")), "check_offers_can_be_asked_for", "'my pool' is not one word"),
        ({"aligned": frozenset({Modality.SV, Modality.RS})}, "check_offers_have_their_inputs", "aligns"),
        ({"aligned": frozenset({Modality.RS})}, "check_offers_have_their_inputs", "one aligned modality"),
        ({"configuration": "gairbench.spec:Nothing"}, "check_factories_can_be_imported", "Nothing"),
        ({"presets": weighted(replace(FILE, licence=""))}, "check_weights_are_declared_whole", "without a licence"),
        ({"presets": weighted(replace(FILE, sha256="abc"))}, "check_weights_are_declared_whole", "is not a SHA-256"),
        ({"presets": weighted(replace(FILE, size=0))}, "check_weights_are_declared_whole", "weights of 0 bytes"),
        ({"presets": weighted(replace(FILE, url="s3://a"))}, "check_weights_are_declared_whole", "can be fetched"),
        (
            {"presets": weighted(replace(FILE, filename="a/w.pth"))},
            "check_weights_are_declared_whole",
            "'a/w.pth' is a path",
        ),
        (
            {"presets": weighted(FileWeights(path="w.pth"))},
            "check_weights_are_declared_whole",
            "the path must be absolute",
        ),
        (
            {"presets": weighted(FileWeights(path="/w.pth", sha256="abc"))},
            "check_weights_are_declared_whole",
            "is not a SHA-256",
        ),
        ({"factory": "gairbench.spec:Nothing"}, "check_factories_can_be_imported", "Nothing"),
        (
            {"presets": weighted(replace(RECIPE, inputs="gairbench.spec:Nothing"))},
            "check_factories_can_be_imported",
            "Nothing",
        ),
        (
            {
                "presets": weighted(
                    Pretraining(recipe=str, version=1, dataset="x", inputs=lambda *_: (LocationInput(),))
                )
            },
            "check_pretraining_takes_the_presets_inputs",
            "good-default: pre-training takes",
        ),
    ],
)
def test_a_wrong_declaration_is_caught(changes: dict[str, Any], check: str, why: str) -> None:
    with pytest.raises((AssertionError, AttributeError), match=why):
        checks(model_declaration_checks)[check](replace(MODEL, **changes))


def test_a_file_of_weights_needs_a_place_and_no_licence() -> None:
    for weights in (FileWeights(path="~/w.pth"), FileWeights(path=Path(__file__), sha256="0" * 64)):
        model_declaration_checks.check_weights_are_declared_whole(replace(MODEL, presets=weighted(weights)))


def test_an_import_of_torch_at_registration_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_plugin.py").write_text("import torch\n" + HOOK)
    (tmp_path / "light_plugin.py").write_text("import json\n" + HOOK)
    monkeypatch.syspath_prepend(str(tmp_path))
    check = checks(model_declaration_checks)["check_registering_imports_nothing_heavy"]
    check(replace(MODEL, factory="light_plugin:make"))
    with pytest.raises(AssertionError, match=r"heavy_plugin imports .*torch.*inside the factory"):
        check(replace(MODEL, factory="heavy_plugin:make"))


class FetchesItsWeights(Good):
    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        with contextlib.suppress(OSError):
            urllib.request.urlopen("https://example.org/weights.pth", timeout=0.1)


class NeedsItsWeights(Good):
    """Built on the file that its preset declares, and on nothing else."""

    def __init__(self, context: ModelContext) -> None:
        assert context.checkpoint is not None
        assert context.checkpoint.read_bytes() == b"tensors"
        super().__init__(replace(context, seed=0))


def test_a_model_is_checked_with_its_published_weights_or_skipped_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    weights = replace(FILE, sha256=hashlib.sha256(b"tensors").hexdigest())
    spec = replace(MODEL, factory=NeedsItsWeights, presets=weighted(weights))
    for name in ("check_embeddings_are_deterministic", "check_another_process_embeds_alike"):
        with pytest.raises(
            unittest.SkipTest, match="its weights are not here; add --download to fetch https://example"
        ):
            checks(model_checks)[name](spec, spec.presets[0])
    file = tmp_path / "hub" / "checkpoints" / "w-1.pth"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"tensors")
    assert failing_model_checks(spec) == {}


HOOK = """
from gairbench import ModelSpec, Preset, hookimpl
@hookimpl
def register_models():
    yield ModelSpec(name="good", version="1", factory="x:x", presets=(Preset(name="default", inputs=()),))
"""


@pytest.mark.parametrize("source", ["import torch\n", "raise RuntimeError\n"])
def test_a_package_that_is_not_installed_and_has_no_hooks_is_not_blamed_for_its_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    # Its hooks may be in another module, which its entry point would name.
    package = f"hookless_{len(source)}"
    (tmp_path / f"{package}.py").write_text(source)
    monkeypatch.syspath_prepend(str(tmp_path))
    check = checks(model_declaration_checks)["check_registering_imports_nothing_heavy"]
    with pytest.raises(unittest.SkipTest, match=f"no installed plugin registers 'good', nor does {package}"):
        check(replace(MODEL, factory=f"{package}:make"))


@pytest.mark.parametrize("strict", ["0", "1"])
@pytest.mark.parametrize(
    "source", ["raise RuntimeError('boom')", "import sys; sys.exit(3)", "import os; os.chdir('/')"]
)
def test_other_installed_plugins_fail_nobody_elses_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, strict: str
) -> None:
    info = tmp_path / "other" / "other-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    module = f"other_plugin_{abs(hash((source, strict)))}"
    (info / "entry_points.txt").write_text(f"[gairbench]\nother = {module}\n")
    (tmp_path / "other" / f"{module}.py").write_text(source)
    (tmp_path / "mine_plugin.py").write_text(HOOK)
    monkeypatch.syspath_prepend(str(tmp_path / "other"))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("GAIRBENCH_STRICT_PLUGINS", strict)
    declarations.installed.cache_clear()
    checks(model_declaration_checks)["check_registering_imports_nothing_heavy"](
        replace(MODEL, factory="mine_plugin:make")
    )
    registry = declarations.installed()
    declarations.installed.cache_clear()
    assert "gair" in registry.models
    assert bool(registry.failed) == ("chdir" not in source), "it is broken, and nobody is bothered"


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


class Scrambled(Good):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return super().encode_rs_tokens(images)[:, :, [1, 0, 3, 2]][:, :, :, [2, 3, 0, 1]]


class QueryIgnoresThePoint(Good):
    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        return self.encode_rs(images)


class QueryIsUpsideDown(Good):
    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        return super().query_rs(images.flip(2), lonlat, bbox)


class DropsInTraining(Good, torch.nn.Module):
    """``eval()`` does not reach its dropout."""

    def __init__(self, context: ModelContext) -> None:
        torch.nn.Module.__init__(self)
        Good.__init__(self, context)
        self.drop = torch.nn.Dropout(0.5)

    def eval(self) -> DropsInTraining:
        return self

    def encode_location(self, lonlat: Tensor) -> Tensor:
        return self.drop(lonlat.float())


class NormalizesInTraining(Good):
    """It is not a module, so that nobody calls ``eval()`` of what it holds."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.norm = torch.nn.BatchNorm1d(2)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        return self.norm(lonlat.float()) + lonlat.float()


class GoesBackToTraining(DropsInTraining):
    def eval(self) -> GoesBackToTraining:
        return torch.nn.Module.train(self, False)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        self.train()
        return super().encode_location(lonlat)


class EvaluatesProperly(DropsInTraining):
    """Dropout that is off, dropout of nothing, and modules without a training mode that never heard of ``eval()``."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.held = [torch.nn.Linear(2, 2), torch.nn.Dropout(0)]

    def eval(self) -> EvaluatesProperly:
        return torch.nn.Module.train(self, False)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        return self.held[1](super().encode_location(lonlat))


class SetsTheDtype(Good):
    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        torch.set_default_dtype(torch.float64)


class LeavesTheFolder(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        os.chdir("/")
        return lonlat.float()


class UsesHashes(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat.float() + hash("bands") % 2**16


class TakesTheRunnersBatches(Good):
    """Keeps a buffer for as many samples as the runner has in a batch."""

    def encode_location(self, lonlat: Tensor) -> Tensor:
        buffer = torch.zeros(len(lonlat), 2)
        buffer[:128] = lonlat[:128].float()
        return buffer


class TooLargeForSinglePrecision(Good):
    def encode_location(self, lonlat: Tensor) -> Tensor:
        return lonlat * 1e300


class LacksTheLocationEncoder:
    def __init__(self, context: ModelContext) -> None:
        good = Good(context)
        self.encode_rs, self.encode_rs_tokens, self.query_rs = good.encode_rs, good.encode_rs_tokens, good.query_rs


@pytest.mark.parametrize(
    ("model", "check", "why"),
    [
        (FetchesItsWeights, "check_network_is_left_alone", "the factory asks the network for example.org"),
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
        (Scrambled, "check_token_grid_is_north_up", "north-west of the image shows in the north-east"),
        (DropsInTraining, "check_nothing_runs_in_training_mode", r"encode_location runs drop \(Dropout\) in training"),
        (GoesBackToTraining, "check_nothing_runs_in_training_mode", r"drop \(Dropout\) in training mode: let"),
        (NormalizesInTraining, "check_nothing_runs_in_training_mode", r"norm \(BatchNorm1d\) in training mode"),
        (
            SetsTheDtype,
            "check_the_process_is_left_as_it_was",
            r"model 'good' \(.*SetsTheDtype\) changed torch's default",
        ),
        (LeavesTheFolder, "check_the_process_is_left_as_it_was", "encode_location: model 'good' .* the working folder"),
        (UsesHashes, "check_another_process_embeds_alike", r"encode_location differs in another process: .*hash\(\)"),
        (TakesTheRunnersBatches, "check_batches_of_any_size_embed_alike", "gives sample 128 of a batch of 129 another"),
        (TooLargeForSinglePrecision, "check_embeddings_are_finite", "encode_location returned values that are not"),
        (OneToken, "check_token_grid_is_north_up", "1 x 1 tokens locates nothing"),
        (QueryIgnoresThePoint, "check_query_follows_the_point", "the same for different points"),
        (QueryIsUpsideDown, "check_query_follows_the_point", "north-west of the tile shows most at the south-west"),
        (LacksTheLocationEncoder, "check_offers_are_implemented", "has no method encode_location"),
    ],
)
def test_a_wrong_model_is_caught(model: type, check: str, why: str) -> None:
    spec = replace(MODEL, factory=model)
    with pytest.raises(AssertionError, match=why):
        checks(model_checks)[check](spec, spec.presets[0])


def test_dropout_that_is_off_is_no_training_mode() -> None:
    assert failing_model_checks(replace(MODEL, factory=EvaluatesProperly)) == {}


class ResNet(torch.nn.Module):
    """Four tokens at 64 pixels, each of which looks at few pixels of its own before it is trained."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        self.net = timm.create_model("resnet18", pretrained=False, num_classes=0)

    def encode_rs(self, images: Tensor) -> Tensor:
        return self.net(images)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return self.net.forward_features(images)


class Mobile(ResNet):
    """Squeeze-and-excitation lets each token see the whole image."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.net = timm.create_model("efficientnet_b0", pretrained=False, num_classes=0)


class MirroredResNet(ResNet):
    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        return super().encode_rs_tokens(images).flip(3)


def test_a_grid_of_four_tokens_is_judged_by_what_it_shows() -> None:
    check = checks(model_checks)["check_token_grid_is_north_up"]
    one = replace(preset(ImageInput(modality=Modality.RS, size=64)), offers=(RS_TOKENS,))
    for model in (ResNet, Mobile):
        spec = replace(MODEL, factory=model, presets=(one,))
        assert _tokens(spec, one) == (2, 2)
        check(spec, one)
    with pytest.raises(AssertionError, match="north-west of the image shows in the north-east of the grid"):
        check(replace(spec, factory=MirroredResNet), one)


def _tokens(spec: ModelSpec, preset: Preset) -> tuple[int, ...]:
    model = model_checks._load(spec, preset.name)
    return tuple(model.encode_rs_tokens(torch.zeros(1, 3, 64, 64)).shape[2:])


def test_a_seed_that_acts_undeclared_is_caught() -> None:
    spec = replace(MODEL, seeded=False)
    with pytest.raises(AssertionError, match="not declared seeded, but the seed changes encode_rs"):
        checks(model_checks)["check_seed_acts_as_declared"](spec, spec.presets[0])


# A dataset and tasks that do everything right, and what each check is there to catch.
