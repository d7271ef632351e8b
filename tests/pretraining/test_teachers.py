"""Teachers are found by name, fed as their declarations demand or refused, and known by content."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from gairbench import ImageInput, LocationInput, Modality, ModelSpec, Preset
from gairbench.errors import (
    CheckpointError,
    GairbenchError,
    InputMismatchError,
    PluginError,
    TeacherMissingError,
    UsageError,
)
from gairbench.inputs import Input, SampleInput, Unit
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.pretraining.teachers import FoundTeacher, chosen_teachers, find_teachers
from gairbench.published import HubWeights
from gairbench.spec import ModelContext, Pretraining
from gairbench.teacher import TeacherChoice

RGB = ImageInput(modality=Modality.RS, size=8)
PHOTO = ImageInput(modality=Modality.SV, size=8)
DELIVERS: tuple[Input, ...] = (RGB, PHOTO, LocationInput(order="latlon"))
REFLECTANCE = ImageInput(modality=Modality.RS, unit=Unit.REFLECTANCE, size=8)


class Linear(torch.nn.Module):
    """Sums the bands, so that an embedding says what was fed."""

    def __init__(self, weights: Path | None) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(1.0 if weights is None else float(weights.read_text())))
        self.modes: list[tuple[bool, torch.dtype]] = []

    def encode_rs(self, images: torch.Tensor) -> torch.Tensor:
        self.modes.append((self.training, (images.flatten(1) @ torch.ones(images[0].numel(), 1)).dtype))
        return self.scale * images.mean((2, 3))

    def encode_location(self, lonlat: torch.Tensor) -> torch.Tensor:
        return self.scale * lonlat.float()


def linear(context: ModelContext) -> Linear:
    return Linear(context.checkpoint)


def model(name: str = "teacher", preset: Preset | None = None, factory: Any = linear) -> ModelSpec:
    own = Preset(name="default", inputs=(RGB, LocationInput()))
    return ModelSpec(name=name, version="1", factory=factory, presets=(preset or own,))


@pytest.fixture
def registry() -> Registry:
    return load_registry()


def find(
    registry: Registry,
    tmp_path: Path,
    spec: ModelSpec | str,
    modality: Modality = Modality.RS,
    *,
    preset: str | None = None,
    delivers: tuple[Input, ...] = DELIVERS,
    checkpoints: Mapping[str, Path] | None = None,
) -> FoundTeacher:
    if isinstance(spec, ModelSpec) and spec.name not in registry.models:
        registry.add(Origin("test", "test", "1"), models=[spec])
    name = spec if isinstance(spec, str) else spec.name
    (found,) = find_teachers(
        [TeacherChoice(modality=modality, model=name, preset=preset)],
        registry,
        of="pupil",
        dataset="triplets",
        delivers=delivers,
        checkpoints=checkpoints or {},
        seed=0,
        cache=tmp_path / "cache",
    )
    return found


def test_a_teacher_gets_what_it_declares_of_what_the_data_deliver(registry: Registry, tmp_path: Path) -> None:
    swapped = ImageInput(modality=Modality.RS, bands=("blue", "red"), size=4)
    spec = model(preset=Preset(name="default", inputs=(swapped, LocationInput(order="latlon"))))
    tiles = torch.tensor([10.0, 20.0, 30.0])[:, None, None].expand(3, 8, 8)
    sample = {"image": tiles, "lonlat": torch.tensor([100.0, 7.0])}
    cpu = torch.device("cpu")
    embedded = find(registry, tmp_path, spec).load().embed([sample, sample], cpu)
    torch.testing.assert_close(embedded, torch.tensor([[30.0, 10.0]] * 2))
    # Batches hold longitude first, whatever order the data have.
    placed = find(registry, tmp_path, spec, Modality.LOCATION)
    assert placed.placed
    torch.testing.assert_close(placed.load().embed([sample], cpu), torch.tensor([[7.0, 100.0]]))


def test_a_teacher_is_frozen_and_in_single_precision_under_autocast(registry: Registry, tmp_path: Path) -> None:
    teacher = find(registry, tmp_path, model()).load()
    sample = {"image": torch.rand(3, 8, 8), "lonlat": torch.zeros(2)}
    cpu = torch.device("cpu")
    alone = teacher.embed([sample], cpu)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = teacher.embed([sample], cpu)
    assert torch.equal(inside, alone)
    assert not inside.requires_grad
    # What inference mode makes could not take part in a loss.
    assert not inside.is_inference()
    network = teacher._model
    assert isinstance(network, Linear)
    assert network.modes == [(False, torch.float32)] * 2
    assert not network.scale.requires_grad
    assert not isinstance(teacher, torch.nn.Module)


def test_it_is_known_by_the_content_of_its_weights(registry: Registry, tmp_path: Path) -> None:
    spec = model()
    files = [tmp_path / name for name in "abc"]
    for file, text in zip(files, ("2", "3", "2"), strict=True):
        file.write_text(text)
    two, three, same = (find(registry, tmp_path, spec, checkpoints={"teacher": file}) for file in files)
    assert two.identity == same.identity
    assert two.identity != three.identity
    assert two.identity != find(registry, tmp_path, spec).identity
    loaded = pickle.loads(pickle.dumps(three)).load()
    assert loaded.about["checkpoint"].startswith("file:")
    assert loaded.about["weights"] != two.load().about["weights"]
    image = {"image": torch.ones(3, 8, 8), "lonlat": torch.zeros(2)}
    torch.testing.assert_close(loaded.embed([image], torch.device("cpu")), torch.full((1, 3), 3.0))


PUBLISHED = HubWeights(repo="nobody/nothing", filename="w.bin", licence="MIT")


@pytest.mark.parametrize(
    ("spec", "modality", "error", "message"),
    [
        (model(), Modality.SV, InputMismatchError, "teacher 'teacher' of 'pupil' cannot be fed: teacher has no sv"),
        (
            model(preset=Preset(name="default", inputs=(REFLECTANCE,))),
            Modality.RS,
            InputMismatchError,
            "cannot be fed: .*reflectance",
        ),
        (
            model(preset=Preset(name="default", inputs=(RGB,), needs=frozenset({"dates"}))),
            Modality.RS,
            InputMismatchError,
            "cannot be fed: the encoder needs the dates of rs, and the dataset has none",
        ),
        (
            model(preset=Preset(name="default", inputs=(RGB,), needs=frozenset({"bbox"}))),
            Modality.RS,
            InputMismatchError,
            "needs the bounding boxes of images",
        ),
        (
            model(preset=Preset(name="default", inputs=(SampleInput(Modality.RS),), needs=frozenset({"lonlat"}))),
            Modality.RS,
            InputMismatchError,
            "looks embeddings up",
        ),
        (
            model(preset=Preset(name="default", inputs=(RGB,), weights=PUBLISHED)),
            Modality.RS,
            TeacherMissingError,
            "the weights of teacher 'teacher' of 'pupil' are not here; add --download to fetch w.bin of nobody/nothing",
        ),
        ("gair", Modality.RS, TeacherMissingError, "no weights until it is trained; give --checkpoint gair=PATH"),
        ("gairr", Modality.RS, UsageError, "no model 'gairr'; did you mean"),
        ("all", Modality.RS, UsageError, "teacher 'all' is not one model"),
        (
            "compose(rs=pixel-stats,location=xyz)",
            Modality.RS,
            UsageError,
            "is made of several models; name the one that is to teach",
        ),
    ],
)
def test_what_cannot_teach_is_refused_before_data_are_read(
    registry: Registry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spec: ModelSpec | str,
    modality: Modality,
    error: type[GairbenchError],
    message: str,
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    with pytest.raises(error, match=message):
        find(registry, tmp_path, spec, modality)


def test_a_preset_and_a_checkpoint_must_be_there(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="teacher 'gair' has no preset 'huge'; choose one of tiny, small, base"):
        find(registry, tmp_path, "gair", preset="huge")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        find(registry, tmp_path, model(), checkpoints={"teacher": tmp_path / "absent"})


def broken(model: str, preset: str, settings: Mapping[str, str]) -> None:
    raise KeyError(preset)


def test_a_recipe_whose_teachers_cannot_be_asked_for_is_named() -> None:
    recipe = Pretraining(recipe=linear, version=1, dataset="triplets", teachers=broken)
    preset = Preset(name="default", inputs=(RGB,), weights=recipe)
    spec = model("pupil", preset)
    with pytest.raises(PluginError, match=r"the teachers of model .pupil. .*: KeyError: .default."):
        chosen_teachers(spec, preset, {})
    assert chosen_teachers(model(), model().presets[0], {}) == ()
