"""``gairbench inspect``: what an encoder declares, gets and gives, and what is suspicious about it."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generated import DATASET, IMAGE, SHADES, TASKS, Shades, World, files, make_registry
from PIL import Image
from torch import Tensor, nn

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
    Representation,
    TaskSpec,
    Unit,
)
from gairbench.batch import Batch
from gairbench.commands import inspect as command
from gairbench.commands.inspect import InspectRequest, inspect_command
from gairbench.data import ArraySplit
from gairbench.errors import CheckpointError, DataError, DataMissingError, InputMismatchError, PluginError
from gairbench.golden import Golden, GoldenImage
from gairbench.inputs import Rendering, SampleInput
from gairbench.plugins import Origin
from gairbench.published import FileWeights, PackageWeights

BANDS = ("B2", "B3", "B4")
S2 = ImageInput(
    modality=Modality.RS,
    bands=BANDS,
    unit=Unit.S2_DN,
    size=8,
    normalization=Normalization.ZSCORE,
    mean=(1_200.0, 1_300.0, 1_400.0),
    std=(400.0, 400.0, 400.0),
)


class Chips:
    """Reflectance about 0.13, times a factor, as whatever a subclass declares."""

    factor = 1.0
    day = 18_262.0
    frames: int | None = None

    def __init__(self, context: DataContext) -> None:
        self.context = context

    def fingerprint(self) -> str:
        return "chips"

    def classes(self, target: str) -> tuple[str, ...]:
        return ()

    def split(self, name: str) -> ArraySplit:
        shape = (20, *([self.frames] if self.frames else []), 3, 8, 8)
        values = np.random.default_rng(0).normal(0.13, 0.04, shape).clip(0.001, 1) * self.factor
        mask = np.ones(shape, dtype=bool)
        mask[0] = False
        dates = self.day + 30.0 * np.arange(self.frames or 1)
        return ArraySplit(
            [f"{name}-{i}" for i in range(20)],
            {
                "image": values.astype(np.float32),
                "mask": mask,
                "dates": np.tile(dates, (20, 1)) if self.frames else np.full(20, self.day),
            },
            {"height": values.reshape(20, -1).mean(1)},
        )


class Numbers(Chips):
    factor = 10_000.0


class Series(Chips):
    frames = 3


class LateSeries(Series):
    day = 20_200_101.0


def task_of(factory: type[Chips], unit: Unit, **changes: Any) -> TaskSpec:
    """Return a task over one of the datasets above, declared to be in a unit."""
    delivered = ImageInput(modality=Modality.RS, bands=BANDS, unit=unit, size=8, dated=True, masked=True, **changes)
    dataset = DatasetSpec(name="chips", version=1, factory=factory, delivers=(delivered,), licence="CC0-1.0")
    return TaskSpec(
        name="chips-height",
        version=1,
        category=Category.RS,
        family="generated",
        kind=Kind.REGRESSION,
        dataset=dataset,
        target="height",
        inputs=("rs",),
        metric="r2",
        synthetic=True,
    )


class Means(nn.Module):
    """Means and spreads of the bands."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()
        self.head = nn.Linear(6, 6)

    def encode_rs(self, images: Tensor) -> Tensor:
        values = images.flatten(2)
        embedded: Tensor = self.head(torch.cat([values.mean(2), values.std(2)], dim=1))
        return embedded


class Constant(Means):
    def encode_rs(self, images: Tensor) -> Tensor:
        return torch.ones(len(images), 6)


class NotANumber(Means):
    def encode_rs(self, images: Tensor) -> Tensor:
        values = super().encode_rs(images)
        values[0] = float("nan")
        return values


class Trains(Means):
    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.dropout = nn.Dropout(0.5)

    def encode_rs(self, images: Tensor) -> Tensor:
        dropped: Tensor = self.dropout.train()(super().encode_rs(images))
        return dropped


class Raises(Means):
    def encode_rs(self, images: Tensor) -> Tensor:
        raise ValueError("no such thing")


class RaisesAtOnce(Means):
    def __init__(self, context: ModelContext) -> None:
        raise ValueError("no such thing")


class Calls(Means):
    def encode_rs(self, images: Tensor) -> Tensor:
        with contextlib.suppress(OSError):
            socket.create_connection(("weights.example.org", 80))
        return super().encode_rs(images)


class OverTime(nn.Module):
    """The mean over time, and the time of the year."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        image = batch.images["rs"]
        assert image.dates is not None
        return torch.cat([image.values.mean((1, 3, 4)), (image.dates[:, :1].float() - 18_262) / 365], dim=1)


def model_of(factory: type[nn.Module], wanted: ImageInput = S2, **changes: Any) -> ModelSpec:
    """Return a model of one preset."""
    preset = {name: changes.pop(name) for name in ("weights", "needs", "wants") if name in changes}
    presets = (Preset(name="default", inputs=(wanted,), **preset),)
    return ModelSpec(name="wrapped", version="1", factory=factory, presets=presets, seeded=True, **changes)


Inspect = Callable[..., tuple[int, str]]


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Inspect]:
    """Inspect a model, with a task or without: the exit status and what is printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))

    def run(model: ModelSpec, task: TaskSpec | None = None, **given: Any) -> tuple[int, str]:
        registry = make_registry()
        new = [] if model.name in registry.models else [model]
        tasks = [] if task is None or task.name in registry.tasks else [task]
        registry.add(Origin("python", "caller", "0"), models=new, tasks=tasks)
        monkeypatch.setattr(command, "registry_with", lambda _: registry)
        name = None if task is None else task.name
        status = inspect_command(InspectRequest(model=model.name, task=name, device="cpu", **given))
        return status, capsys.readouterr().out

    return run


def lines(text: str, name: str) -> list[str]:
    """Return the lines that begin with a name."""
    return [" ".join(line.split()) for line in text.splitlines() if line.startswith(name)]


def test_a_right_model_gets_what_it_declares(inspect: Inspect) -> None:
    status, text = inspect(model_of(Means), task_of(Chips, Unit.REFLECTANCE))
    assert status == 0
    assert lines(text, "suspicious") == ["suspicious: nothing"]
    assert lines(text, "image") == ["image rs of the dataset -> rs of the encoder"]
    assert lines(text, "unit") == ["unit reflectance -> s2_dn"]
    assert lines(text, "parameters") == ["parameters 42"]
    assert lines(text, "dataset") == ["dataset chips, 20 samples of train"]
    assert lines(text, "evaluator") == ["evaluator ridge"]
    assert lines(text, "missing pixels")[0].startswith("missing pixels 5.0% of all, 100% of one image at most")
    assert lines(text, "dates") == ["dates 2020-01-01 to 2020-01-01; the encoder is not given them"]
    assert lines(text, "different") == ["different 20"]
    assert lines(text, "effective rank")[0].endswith("of at most 6")
    # A linear layer of 6 x 6 on one sample: a multiplication and an addition are two operations.
    assert lines(text, "FLOPs") == ["FLOPs 72"]


def test_the_numbers_before_and_after_are_those_of_the_samples(inspect: Inspect) -> None:
    _, text = inspect(model_of(Means), task_of(Chips, Unit.REFLECTANCE), samples=5, json=True)
    report = json.loads(text)
    rows = np.sort(np.random.default_rng(0).permutation(20)[:5])
    image = Chips(DataContext(root=None)).split("train")
    values = np.stack([image[int(row)]["image"].numpy() for row in rows])[:, 2].astype(np.float64)
    (fed,) = report["inputs"][0]["fed"]["images"]
    band = fed["bands"][2]
    assert (band["name"], band["source"]) == ("B4", "B4")
    assert band["before"]["median"] == pytest.approx(np.median(values))
    assert band["before"]["low"] == pytest.approx(np.percentile(values, 2))
    assert band["after"]["most"] == pytest.approx((values.max() * 10_000 - 1_400) / 400, rel=1e-5)
    assert band["after"]["std"] == pytest.approx(values.std() * 10_000 / 400, rel=1e-5)
    assert sum(band["after"]["histogram"]) == values.size == band["before"]["count"]
    assert report["samples"] == 5
    assert report["suspicions"] == []


@pytest.mark.parametrize(
    ("factory", "unit", "said"),
    [
        # Digital numbers that are called reflectance are 10,000 times too large, and the other way round too small.
        (Numbers, Unit.REFLECTANCE, "after normalization the mean of B2, B3, B4 is 3."),
        (Numbers, Unit.REFLECTANCE, "which are not in unit reflectance"),
        (Chips, Unit.S2_DN, "after normalization the deviation of B2, B3, B4 is 9."),
    ],
)
def test_a_wrong_unit_is_suspicious(inspect: Inspect, factory: type[Chips], unit: Unit, said: str) -> None:
    status, text = inspect(model_of(Means), task_of(factory, unit))
    assert status == 1
    assert said in " ".join(lines(text, "- rs"))


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (Constant, "- rs: the embedding is constant: 20 different samples have one and the same"),
        (NotANumber, "- rs: 1 of 20 embeddings are not finite"),
        (Trains, "- in training mode: dropout (Dropout): let the model's eval() reach it"),
        (Calls, "- the network was asked for, which was refused: weights.example.org"),
    ],
)
def test_a_wrong_encoder_is_suspicious(inspect: Inspect, factory: type[Means], said: str) -> None:
    status, text = inspect(model_of(factory), task_of(Chips, Unit.REFLECTANCE))
    assert status == 1
    assert said in text.splitlines()


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (Constant, "- rs: the embedding is constant: different generated samples have one and the same"),
        (NotANumber, "- rs: values are not finite"),
        (Trains, "- in training mode: dropout (Dropout): let the model's eval() reach it"),
        (Calls, "- the network was asked for, which was refused: weights.example.org"),
        (Raises, f"- rs: model 'wrapped' ({__name__}:Raises): ValueError: no such thing"),
    ],
)
def test_a_wrong_encoder_is_suspicious_without_a_task(inspect: Inspect, factory: type[Means], said: str) -> None:
    status, text = inspect(model_of(factory))
    assert status == 1
    assert said in text.splitlines()


def test_without_a_task_the_declaration_and_the_loaded_model_are_shown(inspect: Inspect) -> None:
    spec = model_of(Means, licence="MIT", citation="arXiv:1", trained_on=frozenset({"SSL4EO"}), wants={"dates"})
    status, text = inspect(spec)
    assert status == 0
    assert lines(text, "licence") == ["licence MIT"]
    assert lines(text, "trained on") == ["trained on SSL4EO"]
    assert lines(text, "is given if known") == ["is given if known dates"]
    assert lines(text, "B4") == ["B4 0.6646 0.031 s2_dn 1400 400"]
    assert lines(text, "parameters") == ["parameters 42"]
    assert lines(text, "rs ") == ["rs 6 float32 72 ok"]
    assert lines(text, "known answers") == ["known answers: not asked, the model declares none"]


def test_every_representation_has_its_own_size(inspect: Inspect) -> None:
    status, text = inspect(SHADES)
    assert status == 0
    assert [line.split()[0] for line in text.splitlines() if line.endswith(" ok")] == [
        "rs",
        "sv",
        "location",
        "rs:tokens",
    ]
    assert lines(text, "rs:tokens") == ["rs:tokens 3 x 4 x 4 float32 none counted ok"]


class Shifted:
    """Answers of :class:`Plain`, whose bands are the other way round."""

    def __call__(self, model: str, preset: str) -> list[Golden]:
        levels = {"B2": 1_000.0, "B3": 2_000.0, "B4": 3_000.0}
        grid = np.arange(64, dtype=np.float32).reshape(8, 8)
        image = GoldenImage(bands={name: grid + level for name, level in levels.items()}, unit=Unit.S2_DN)
        means = [(grid + levels[name]).mean() for name in BANDS[::-1]]
        return [Golden(name="levels", expected=np.array(means), images={"rs": image})]


class Plain(nn.Module):
    def __init__(self, context: ModelContext) -> None:
        super().__init__()

    def encode_rs(self, images: Tensor) -> Tensor:
        return images.mean((2, 3))


def test_a_known_answer_names_the_mistake(inspect: Inspect) -> None:
    raw = replace(S2, normalization=Normalization.NONE, mean=(), std=())
    spec = model_of(Plain, raw, golden=Shifted())
    status, text = inspect(spec)
    assert status == 1
    assert lines(text, "levels") == ["levels wrong"]
    assert "bands B2 and B4 of 'rs' were declared the other way round" in text
    right = model_of(Plain, replace(raw, bands=BANDS[::-1]), golden=Shifted())
    status, text = inspect(right)
    assert status == 0
    assert lines(text, "levels") == ["levels right"]
    assert "not asked, they are those of --seed 0" in inspect(spec, seed=1)[1]


def test_a_series_shows_its_dates_and_all_its_frames(inspect: Inspect) -> None:
    series = replace(S2, frames=(1, 6))
    spec = model_of(OverTime, series, needs={"dates"})
    status, text = inspect(spec, task_of(Series, Unit.REFLECTANCE, frames=3))
    assert status == 0
    assert lines(text, "dates") == ["dates 2020-01-01 to 2020-03-01; the encoder is given them"]
    assert lines(text, "shape") == ["shape (3, 3, 8, 8) -> (3, 3, 8, 8)"]
    status, text = inspect(spec, task_of(LateSeries, Unit.REFLECTANCE, frames=3))
    assert status == 1
    assert "- rs: 60 of 60 dates are not between 1980-01-01 and today" in text


def test_a_location_encoder_has_places_and_no_images(inspect: Inspect) -> None:
    task = next(task for task in TASKS if task.name == "world-tags")
    status, text = inspect(SHADES, task)
    assert status == 0
    assert lines(text, "places are") == ["places are encoded, as lonlat (lonlat in the data)"]
    assert lines(text, "embedding") == ["embedding 2"]
    assert "image" not in text


class Looks:
    """Embeddings of the samples with an even number."""

    holds = "10 samples"

    def __init__(self, context: ModelContext) -> None:
        self.context = context

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        numbers = [int(name.rpartition("-")[2]) for name in batch.ids or ()]
        generator = torch.Generator().manual_seed(0)
        table = torch.randn(20, 4, generator=generator)
        table[1::2] = float("nan")
        return table[numbers]


def test_embeddings_that_exist_already_are_looked_up_by_id(inspect: Inspect) -> None:
    preset = Preset(name="default", inputs=(SampleInput(Modality.RS),), needs=frozenset({"id"}))
    spec = ModelSpec(name="looks", version="1", factory=Looks, presets=(preset,))
    status, text = inspect(spec)
    assert status == 0
    assert lines(text, "rs ") == ["rs looked up"]
    assert lines(text, "looked up by") == ["looked up by id"]
    status, text = inspect(spec, task_of(Chips, Unit.REFLECTANCE))
    assert status == 1
    assert "- rs: 10 of 20 embeddings are not finite" in text.splitlines()
    assert lines(text, "different") == ["different 10"]


def test_each_input_of_a_task_is_shown(inspect: Inspect) -> None:
    task = next(task for task in TASKS if task.name == "world-retrieval")
    _, text = inspect(SHADES, task)
    assert lines(text, "input") == ["input rs", "input sv"]


def test_measurements_are_shown_to_models_of_pictures_as_the_dataset_says(inspect: Inspect) -> None:
    pictures = ImageInput(modality=Modality.RS, size=8)
    task = task_of(Numbers, Unit.S2_DN, rendering=Rendering(bands=("B4", "B3", "B2"), low=0, high=3_000))
    status, text = inspect(model_of(Means, pictures), task)
    assert status == 0
    assert lines(text, "rendering") == ["rendering B4, B3, B2 from 0 to 3000, gamma 1"]
    assert lines(text, "unit") == ["unit s2_dn -> uint8"]
    assert lines(text, "red (0.665 um)")[0].startswith("red (0.665 um) before (B4) ")


def test_a_ground_sample_distance_of_another_sensor_is_suspicious(inspect: Inspect) -> None:
    task = task_of(Chips, Unit.REFLECTANCE, gsd_m=500.0)
    status, text = inspect(model_of(Means, replace(S2, gsd_m=10.0)), task)
    assert status == 1
    assert "- rs: fed with 500 m per pixel, made for 10 m" in text.splitlines()
    assert lines(text, "ground") == ["ground 500 m -> 500 m per pixel; made for 10 m"]


def test_pictures_are_the_only_files(inspect: Inspect, tmp_path: Path) -> None:
    inspect(model_of(Means), task_of(Chips, Unit.REFLECTANCE))
    inspect(model_of(Means))
    assert files(tmp_path) == set()
    out = tmp_path / "pictures"
    _, text = inspect(model_of(Means), task_of(Chips, Unit.REFLECTANCE), out=out)
    assert files(tmp_path) == {"pictures/wrapped-chips-height-rs.png"}
    assert lines(text, "picture") == [f"picture {out / 'wrapped-chips-height-rs.png'}"]
    with Image.open(out / "wrapped-chips-height-rs.png") as picture:
        pixels = np.asarray(picture)
    # Eight samples in two rows, in colour: B4, B3 and B2 are red, green and blue.
    assert pixels.shape[1] > 3 * pixels.shape[0]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 100


def test_display_values_are_drawn_as_they_are(inspect: Inspect, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    inspect(SHADES, TASKS[0], out=out, samples=2)
    with Image.open(out / "shades-world-zone-rs.png") as picture:
        pixels = np.asarray(picture)
    rows = np.sort(np.random.default_rng(0).permutation(90)[:2])
    first = World(DataContext(root=None, dataset=DATASET)).split("train")[int(rows[0])]["image"].numpy()
    assert pixels[5, 5].tolist() == first[:, 0, 0].tolist()


def test_a_model_that_cannot_be_fed_is_one_line(inspect: Inspect) -> None:
    with pytest.raises(InputMismatchError, match="wrapped has no location encoder"):
        inspect(model_of(Means), next(task for task in TASKS if task.name == "world-tags"))


@pytest.mark.parametrize("factory", [Raises, RaisesAtOnce])
def test_a_model_that_raises_is_one_line_that_names_it(inspect: Inspect, factory: type[Means]) -> None:
    with pytest.raises(PluginError, match=rf"model 'wrapped' .*{factory.__name__}\): ValueError: no such thing"):
        inspect(model_of(factory), task_of(Chips, Unit.REFLECTANCE))


def test_a_dataset_that_raises_is_one_line_that_names_it(inspect: Inspect) -> None:
    class Broken(Chips):
        def split(self, name: str) -> ArraySplit:
            raise ValueError("no such split")

    with pytest.raises(PluginError, match=r"dataset 'chips' .*Broken\): ValueError: no such split"):
        inspect(model_of(Means), task_of(Broken, Unit.REFLECTANCE))


def test_a_dataset_without_samples_is_one_line(inspect: Inspect) -> None:
    class Empty(Chips):
        def split(self, name: str) -> ArraySplit:
            return ArraySplit([], {"image": np.zeros((0, 3, 8, 8))}, {})

    with pytest.raises(DataError, match="split 'train' of dataset 'chips' is empty"):
        inspect(model_of(Means), task_of(Empty, Unit.REFLECTANCE))


def test_samples_that_are_not_what_they_should_be_are_one_line(inspect: Inspect) -> None:
    class Texts(Chips):
        def split(self, name: str) -> Any:
            return [{"image": "a picture"}] * 3

    with pytest.raises(PluginError, match=r"dataset 'chips' .*Texts\): AttributeError"):
        inspect(model_of(Means), task_of(Texts, Unit.REFLECTANCE))


def test_data_that_are_not_here_are_named(inspect: Inspect, tmp_path: Path) -> None:
    task = task_of(Chips, Unit.REFLECTANCE)
    task = replace(task, dataset=replace(task.dataset, folder="chips"))
    with pytest.raises(DataMissingError, match=r"dataset 'chips' is not at .*chips; correct --data-root"):
        inspect(model_of(Means), task, data_root=tmp_path)


def test_a_model_without_its_weights_is_declared_with_the_command_that_gets_them(
    inspect: Inspect, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = PackageWeights(distribution="no-such-weights", path="a.pth", sha256="0" * 64, licence="MIT")
    spec = model_of(RaisesAtOnce, weights=weights)
    with pytest.raises(
        CheckpointError, match=r"weights of wrapped are not here; pip install --no-deps no-such-weights"
    ):
        inspect(spec)
    assert lines(capsys.readouterr().out, "B4") == ["B4 0.6646 0.031 s2_dn 1400 400"]


def test_known_answers_are_not_those_of_another_checkpoint(inspect: Inspect, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"mine")
    weights = FileWeights(path=tmp_path / "mine.pth")
    raw = replace(S2, normalization=Normalization.NONE, mean=(), std=())
    spec = model_of(Plain, raw, golden=Shifted(), weights=weights)
    assert lines(inspect(spec)[1], "levels") == ["levels wrong"]
    _, text = inspect(spec, checkpoint=tmp_path / "mine.pth")
    assert "known answers: not asked, they are not those of another checkpoint" in text


def test_a_model_that_gairbench_trains_is_inspected_untrained_and_not_trained(inspect: Inspect, tmp_path: Path) -> None:
    spec = make_registry().models["trained"]
    _, text = inspect(spec)
    assert "untrained: gairbench run trains it first" in lines(text, "weights")[0]
    assert files(tmp_path) == set()


def test_plain_letters_stand_for_blocks_in_a_terminal_without_unicode(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "holds_unicode", lambda: False)
    _, text = inspect(SHADES, TASKS[0])
    assert text.isascii()
    assert text.count("before") == 3


def test_shades_is_what_the_tests_say() -> None:
    assert SHADES.presets[0].inputs[0] == IMAGE
    assert isinstance(SHADES.presets[0].inputs[2], LocationInput)
    assert SHADES.factory is Shades
