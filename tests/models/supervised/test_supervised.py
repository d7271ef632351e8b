"""The supervised baselines take whatever images there are, and learn from them alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from generated import carry_out, make_registry
from torch import Tensor

from gairbench import DataContext, DatasetSpec, ImageInput, Kind, Modality, ModelContext, ModelSpec, TaskSpec, Unit
from gairbench.batch import Batch, Images
from gairbench.data import ArraySplit
from gairbench.errors import CheckpointError, InputMismatchError
from gairbench.evaluation.plan import EvaluationRequest
from gairbench.evaluators import end_to_end
from gairbench.inputs import EVERY
from gairbench.plugins import Origin, Registry
from gairbench.representation import Representation
from gairbench.results import Result
from gairbench.sensors import band
from gairbench.spec import Category, resolve
from gairbench_models.supervised import MODELS, _preset
from gairbench_models.supervised.bands import MOST, WIDTH, AnyBands
from gairbench_models.supervised.encoder import UNet, _made, load
from gairbench_models.supervised.presets import PRESETS

BY_NAME = {spec.name: spec for spec in MODELS}
POOLED, GRID = Representation("pooled", (EVERY,)), Representation("tokens", (EVERY,))


def images(values: Tensor, valid: Tensor | None = None) -> Images:
    count = values.shape[-3]
    flags = torch.ones(values.shape[: values.ndim - 3], dtype=torch.bool) if valid is None else valid
    bands = tuple(band(f"B{1 + n}") for n in range(count))
    return Images(values=values, bands=bands, units=(Unit.RAW,) * count, valid=flags)


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def layer() -> AnyBands:
    torch.manual_seed(0)
    return AnyBands().eval()


def test_bands_of_any_number_have_the_deviation_that_a_network_expects(layer: AnyBands) -> None:
    for count in (1, 3, 13, 200):
        values = drawn(4, count, 16, 16)
        found = torch.nn.functional.conv2d(values, layer.weight[:count].T[..., None, None] / count**0.5)
        assert 0.7 < float(found.std()) < 1.3
        assert layer([images(values)]).shape == (4, WIDTH, 16, 16)


def test_a_series_is_the_mean_over_the_frames_that_are_there(layer: AnyBands) -> None:
    series = drawn(2, 3, 4, 8, 8)
    valid = torch.tensor([[True, True, True], [True, False, False]])
    # What pads a series is of no account, whatever it is.
    series[1, 1:] = torch.inf
    found = layer([images(series, valid)])
    each = torch.stack([layer([images(series[:1, frame])])[0] for frame in range(3)])
    torch.testing.assert_close(found[0], each.mean(0))
    torch.testing.assert_close(found[1], layer([images(series[1:, 0])])[0])
    # Not that of an image of means: a change within the series shows.
    assert not torch.allclose(found[0], layer([images(series[:1].mean(1))])[0], atol=1e-2)


def test_every_image_has_weights_of_its_own_and_smaller_ones_are_enlarged(layer: AnyBands) -> None:
    s2, s1 = drawn(2, 4, 16, 16), drawn(2, 2, 8, 8, seed=1)
    found = layer([images(s2), images(s1)])
    assert found.shape == (2, WIDTH, 16, 16)
    with torch.no_grad():
        layer.weight[4:6] = 0
    without = layer([images(s2), images(s1)])
    assert not torch.allclose(found, without)
    scaled = layer([images(s2)])
    assert not torch.allclose(without, scaled)  # of six bands each weighs less than of four


def test_too_many_bands_are_a_reason(layer: AnyBands) -> None:
    with pytest.raises(InputMismatchError, match="513 bands, and the model takes at most 512"):
        layer([images(torch.zeros(1, MOST, 2, 2)), images(torch.zeros(1, 1, 2, 2))])


def test_bands_are_standardized_as_training_has_seen_them(layer: AnyBands) -> None:
    values = drawn(64, 2, 8, 8) * torch.tensor([1000.0, 0.01])[:, None, None] + torch.tensor([5e4, -3.0])[:, None, None]
    valid = torch.ones(64, 2, dtype=torch.bool)
    valid[::2, 1] = False
    series = torch.stack([values, values.flip(0)], dim=1)
    series[::2, 1] = 0.0  # padding, which must not be counted
    layer.train()
    for _ in range(200):
        layer([images(series, valid)])
    torch.testing.assert_close(layer.mean[:2], torch.tensor([5e4, -3.0]), rtol=0.01, atol=0)
    torch.testing.assert_close(layer.variance[:2].sqrt(), torch.tensor([1000.0, 0.01]), rtol=0.05, atol=0)
    assert bool((layer.mean[2:] == 0).all() & (layer.variance[2:] == 1).all())
    trained = layer([images(values)])
    torch.testing.assert_close(layer.eval()([images(values)]), trained, rtol=0.05, atol=0.05)
    before = layer.mean.clone()
    layer([images(values * 2)])
    assert layer.mean.equal(before)


@pytest.mark.parametrize("size", [(30, 50), (64, 64), (7, 9)])
def test_a_unet_has_a_token_for_every_pixel_of_images_of_any_size(size: tuple[int, int]) -> None:
    model = load(ModelContext(model="unet", preset="small", seed=0)).eval()
    batch = Batch(images={"s2": images(drawn(2, 5, *size))})
    with torch.no_grad():
        assert model.encode(batch, GRID).shape == (2, 16, *size)
        assert model.encode(batch, POOLED).shape == (2, 512)


@pytest.mark.parametrize("name", ["vit", "cnn"])
def test_photos_and_overhead_images_have_one_width(name: str) -> None:
    spec = BY_NAME[name]
    model = resolve(spec.factory)(ModelContext(model=name, preset="small", seed=0)).eval()
    size = PRESETS[name]["small"].size or 0
    with torch.no_grad():
        chip = model.encode(Batch(images={"s2": images(drawn(2, 7, size, size))}), POOLED)
        photo = model.encode(Batch(images={"sv": images(drawn(2, 3, size, size))}), Representation("pooled", ("sv",)))
    assert chip.shape == photo.shape == (2, {"vit": 192, "cnn": 512}[name])


def test_they_are_named_for_what_trains_them_and_take_no_checkpoint() -> None:
    for spec in MODELS:
        assert spec.evaluator == "end_to_end"
        assert spec.seeded
        with pytest.raises(CheckpointError, match=f"'{spec.name}' is trained on each task and takes no checkpoint"):
            load(ModelContext(model=spec.name, preset="small", seed=0, checkpoint=Path("mine.pth")))


def test_the_seed_draws_all_weights_and_nothing_else_does() -> None:
    one, same, other = (load(ModelContext(model="unet", preset="small", seed=seed)).state_dict() for seed in (0, 0, 1))
    assert all(value.equal(same[name]) for name, value in one.items())
    drawn_by_seed = {name for name, value in one.items() if not value.equal(other[name])}
    assert {"bands.weight", "encoder.conv1.weight", "decoder.blocks.4.conv2.0.weight"} <= drawn_by_seed


class Stripes:
    """Images of four bands with stripes: their direction is the class, and where two bands have them is the mask."""

    shuffled = False

    def __init__(self, context: DataContext) -> None:
        pass

    def fingerprint(self) -> str:
        """Return what they are."""
        return f"stripes-{self.shuffled}"

    def classes(self, target: str) -> tuple[str, ...]:
        """Return the directions, or whether stripes are there."""
        return {"direction": ("across", "down"), "striped": ("plain", "striped")}[target]

    def split(self, name: str) -> ArraySplit:
        """Return 96, 32 or 48 images."""
        count = {"train": 96, "val": 32, "test": 48}[name]
        rng = np.random.default_rng(["train", "val", "test"].index(name))
        down = rng.integers(2, size=count)
        wave = np.where(np.arange(32) // 4 % 2, 2.0, -2.0)
        waves = np.where(down[:, None, None], wave[None, None, :], wave[None, :, None])
        corner = rng.integers(0, 32, size=(count, 2))
        # Around the edges, so that every pixel is striped as often as any other.
        rows, columns = ((np.arange(32)[None] - corner[:, [axis]]) % 32 < 16 for axis in (0, 1))
        inside = rows[:, :, None] & columns[:, None, :]
        values = rng.normal(0, 0.5, (count, 4, 32, 32))
        values[:, 1:3] += (waves * inside)[:, None]
        values[:, 3] += waves
        order = rng.permutation(count) if self.shuffled else np.arange(count)
        return ArraySplit(
            [f"{name}-{n}" for n in range(count)],
            {"image": values.astype(np.float32)},
            {"direction": down[order], "striped": inside.astype(np.uint8)[order]},
        )


class ShuffledStripes(Stripes):
    """The same with targets in another order than the images."""

    shuffled = True


def striped(kind: Kind, target: str, metric: str, factory: type[Stripes]) -> TaskSpec:
    image = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4", "B8"), unit=Unit.RAW, size=32)
    dataset = DatasetSpec(name=factory.__name__.lower(), version=1, factory=factory, delivers=(image,))
    return TaskSpec(
        name=f"{dataset.name}-{target}",
        version=1,
        category=Category.RS,
        family="generated",
        kind=kind,
        dataset=dataset,
        target=target,
        inputs=("rs",),
        metric=metric,
        synthetic=True,
    )


def small(name: str) -> ModelSpec:
    """Return a baseline for images of 32 pixels; the networks are the same."""
    config = PRESETS[name]["small"]
    config = replace(config, size=None if name == "unet" else 32)

    def make(context: ModelContext) -> object:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(context.seed)
            return _made(config)

    return replace(BY_NAME[name], factory=make, presets=(_preset("small", config),), configuration=None)


def trained(spec: ModelSpec, task: TaskSpec, folder: Path) -> Result:
    registry: Registry = make_registry()
    origin = Origin("theirs", "their-dist", "1.0")
    registry.add(origin, models=[spec], tasks=[task])
    request = EvaluationRequest(
        models=[spec], tasks=[task], results=folder / "results", cache=folder / "cache", device="cpu"
    )
    (record,) = carry_out(request, registry)
    assert record.status == "ok", record.reason
    return record


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty steps, which is enough to see stripes."""
    monkeypatch.setattr(end_to_end, "LEARNING_RATES", (1e-3,))
    monkeypatch.setattr(end_to_end, "STEPS", 1)
    monkeypatch.setattr(end_to_end, "EPOCHS", 14)


@pytest.mark.usefixtures("short")
@pytest.mark.slow  # that classes are learned is shown in CI, and how masks are is in tests/evaluators
@pytest.mark.parametrize("name", ["unet", "vit"])
def test_masks_are_learned(name: str, tmp_path: Path) -> None:
    record = trained(small(name), striped(Kind.SEGMENTATION, "striped", "miou", Stripes), tmp_path)
    # Nowhere striped is right for three quarters of the pixels: an mIoU of 0.375.
    assert record.metrics["miou"].value > 0.55, record.probe_params


@pytest.mark.usefixtures("short")
def test_classes_are_learned(tmp_path: Path) -> None:
    record = trained(small("cnn"), striped(Kind.CLASSIFICATION, "direction", "accuracy", Stripes), tmp_path)
    assert record.metrics["accuracy"].value > 0.9, record.probe_params


@pytest.mark.slow  # that noise is not learned is in tests/evaluators
@pytest.mark.usefixtures("short")
@pytest.mark.parametrize(
    ("name", "kind", "target", "metric", "chance"),
    [
        ("unet", Kind.SEGMENTATION, "striped", "miou", 0.5),
        ("cnn", Kind.CLASSIFICATION, "direction", "accuracy", 0.75),
    ],
)
def test_nothing_is_learned_of_targets_in_another_order(
    name: str, kind: Kind, target: str, metric: str, chance: float, tmp_path: Path
) -> None:
    record = trained(small(name), striped(kind, target, metric, ShuffledStripes), tmp_path)
    assert record.metrics[metric].value < chance, record.probe_params


def test_a_unet_is_no_wrapper_of_its_head() -> None:
    model = load(ModelContext(model="unet", preset="small", seed=0))
    assert isinstance(model, UNet)
    assert not [name for name, _ in model.named_parameters() if "segmentation_head" in name]
