"""Pre-training learns, repeats itself bit for bit, keeps geography true and leaves only its checkpoint behind."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

from gairbench import ImageInput, LocationInput, Modality, ModelContext
from gairbench.conversion import make_converter
from gairbench.data import ArraySplit
from gairbench.digests import plain
from gairbench.errors import DataError, InputMismatchError, UsageError
from gairbench.georeference import relative_position
from gairbench.inputs import Input
from gairbench.pretraining.augmentation import (
    Augmentation,
    jitter_colours,
    jitter_coordinates,
)
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.monitoring import CollapseWarning
from gairbench.protocols import PretrainContext, TrainerOptions
from gairbench.representation import METHODS, RS_TOKENS
from gairbench.spec import resolve
from gairbench_models.gair import MODELS
from gairbench_models.gair.checkpoint import load
from gairbench_models.gair.config import COLDEST, ContrastiveConfig, GairConfig, GairPreset, VisionConfig
from gairbench_models.gair.localization import Localizer
from gairbench_models.gair.model import untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.pretraining import ContrastiveTraining, pretrain_gair
from gairbench_models.gair.variants import VARIANTS
from gairbench_models.location.config import LocationConfig

MINI = GairConfig(
    dim=32,
    rs=VisionConfig(bands=3, image_size=16, patch_size=4, width=32, depth=2, heads=4),
    sv=VisionConfig(bands=3, image_size=16, patch_size=4, width=32, depth=2, heads=4),
    location=LocationConfig(frequencies=16, hidden=32),
)
RGB_16 = tuple(ImageInput(modality=m, size=16) for m in (Modality.RS, Modality.SV))
DELIVERS: tuple[Input, ...] = (*RGB_16, LocationInput())
BUDGET = Budget(epochs=3, batch_size=16, learning_rate=1e-3)
OBJECTIVE = ContrastiveConfig(queue_size=24, sv_patch_drop=0.25)


class Generated:
    """Tiles whose colours say where they are, and photos of the colour at their own point."""

    def __init__(self, n: int = 64, order: str = "lonlat") -> None:
        rng = np.random.default_rng(0)
        lonlat = np.stack([rng.uniform(-170, 170, n), rng.uniform(-60, 60, n)], axis=1)
        share = rng.uniform(0.1, 0.9, (n, 2))
        self.bbox = np.stack(
            [lonlat[:, 0] - share[:, 0], lonlat[:, 1] + share[:, 1], lonlat[:, 0] + 1 - share[:, 0],
             lonlat[:, 1] - 1 + share[:, 1]], axis=1,
        )  # fmt: skip
        colour = np.stack([lonlat[:, 0] + 170, (lonlat[:, 1] + 60) * 2, 120 + 100 * np.sin(lonlat.sum(1) / 20)], axis=1)
        noise = rng.normal(0, 8, (2, n, 3, 16, 16))
        images = np.clip(colour[:, :, None, None] * 0.7 + noise, 0, 255).astype(np.uint8)
        self.arrays = {
            "image": images[0],
            "street_view": images[1],
            "lonlat": lonlat if order == "lonlat" else lonlat[:, ::-1].copy(),
            "bbox": self.bbox,
        }

    def fingerprint(self) -> str:
        return "generated"

    def split(self, name: str) -> ArraySplit:
        assert name == "pretrain"
        return ArraySplit([str(i) for i in range(len(self.bbox))], self.arrays, {})

    def classes(self, target: str) -> tuple[str, ...]:
        return ()


@pytest.fixture(autouse=True)
def _mini(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    preset = GairPreset(description="", config=MINI, inputs=DELIVERS, budget=BUDGET, objective=OBJECTIVE)
    monkeypatch.setitem(cast(dict[str, GairPreset], PRESETS), "mini", preset)
    monkeypatch.chdir(tmp_path)
    # Models this small gain nothing from threads, and lose much where other processes compete for the cores.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def run(output: Path, **changes: Any) -> list[tuple[int, int, str]]:
    reports: list[tuple[int, int, str]] = []
    arguments: dict[str, Any] = {
        "model": "gair",
        "preset": "mini",
        "seed": 5,
        "dataset": "generated",
        "source": Generated(),
        "delivers": DELIVERS,
        "fingerprint": "f00d",
        "output": output,
        "device": "cpu",
        "limit": None,
        "report": lambda done, total, note: reports.append((done, total, note)),
    }
    output.mkdir()
    pretrain_gair(PretrainContext(**(arguments | changes)))
    return reports


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path: Path) -> None:
    torch.manual_seed(1)
    run(tmp_path / "a")
    torch.manual_seed(2)
    run(tmp_path / "b")
    run(tmp_path / "c", seed=6)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_training_leaves_the_process_and_the_folder_as_they_were(tmp_path: Path) -> None:
    torch.manual_seed(7)
    state = torch.random.get_rng_state()
    level = logging.getLogger("lightning.pytorch").level
    run(tmp_path / "out")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()
    assert logging.getLogger("lightning.pytorch").level == level
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["checkpoint.json", "model.safetensors"]


def test_a_failed_training_restores_deterministic_mode(tmp_path: Path) -> None:
    source = Generated()
    source.arrays["lonlat"][3] += 5
    with pytest.raises(DataError):
        run(tmp_path / "out", source=source)
    assert not torch.are_deterministic_algorithms_enabled()


LONG = {"epochs": "25", "learning_rate": "0.003"}


def test_loss_goes_down_and_progress_is_reported_to_the_end(tmp_path: Path) -> None:
    reports = run(tmp_path / "out", settings=LONG | {"queue_size": "0"})
    steps = 25 * 64 // 16
    assert [done for done, _, _ in reports] == list(range(1, steps + 1))
    assert {total for _, total, _ in reports} == {steps}
    losses = [float(note.split()[1]) for _, _, note in reports]
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_trained_modalities_retrieve_each_other(tmp_path: Path) -> None:
    run(tmp_path / "out", settings=LONG)
    source = Generated()
    trained = load(ModelContext(preset="mini", seed=0, checkpoint=tmp_path / "out"))
    images, photos = (torch.from_numpy(source.arrays[key]).float() for key in ("image", "street_view"))
    lonlat, bbox = torch.from_numpy(source.arrays["lonlat"]), torch.from_numpy(source.bbox)

    def recall(model: torch.nn.Module) -> float:
        with torch.inference_mode():
            left = torch.nn.functional.normalize(model.query_rs(images, lonlat, bbox), dim=1)  # type: ignore[operator]
            right = torch.nn.functional.normalize(model.project_sv(photos), dim=1)  # type: ignore[operator]
        ranked = (left @ right.T).topk(5).indices
        return float((ranked == torch.arange(len(ranked))[:, None]).any(1).float().mean())

    assert recall(trained) > 0.3
    assert recall(untrained(MINI, 5).eval()) < 0.2


@pytest.mark.parametrize("accumulated", [1, 3])
def test_a_collapse_is_told_early(tmp_path: Path, accumulated: int) -> None:
    source = Generated()
    source.arrays["street_view"][:] = 90
    unvaried = {"brightness": "0", "contrast": "0", "sv_patch_drop": "0", "warmup": "0"}
    unvaried["epochs"] = str(8 * accumulated)
    trainer = TrainerOptions(accumulate_grad_batches=accumulated)
    with pytest.warns(
        CollapseWarning, match=r"step 30: the sv embeddings have collapsed \(spread 0.000 of 1\)"
    ) as told:
        run(tmp_path / "out", source=source, settings=unvaried, trainer=trainer)
    assert len([w for w in told if w.category is CollapseWarning]) == 1


def test_card_keeps_what_is_needed_to_train_again(tmp_path: Path) -> None:
    run(tmp_path / "out", limit=40)
    card = json.loads((tmp_path / "out" / "checkpoint.json").read_text())
    assert card["seed"] == 5
    assert card["dataset_fingerprint"] == "f00d"
    assert card["samples"] == 40
    assert card["steps"] == BUDGET.epochs * (40 // BUDGET.batch_size)
    assert card["recipe"]["budget"] == plain(BUDGET)
    assert card["recipe"]["objective"] == plain(OBJECTIVE)


def test_fewer_triplets_than_a_batch_make_one_batch(tmp_path: Path) -> None:
    assert len(run(tmp_path / "out", limit=5)) == BUDGET.epochs


def test_weights_finite_and_changed_everywhere_that_the_loss_reaches(tmp_path: Path) -> None:
    run(tmp_path / "out")
    trained = load(ModelContext(preset="mini", seed=0, checkpoint=tmp_path / "out"))
    initial = untrained(MINI, 5).state_dict()
    moved = {name: not torch.equal(value, initial[name]) for name, value in trained.state_dict().items()}
    assert all(torch.isfinite(value).all() for value in trained.state_dict().values())
    # The random frequencies are the only fixed numbers.
    assert {name for name, changed in moved.items() if not changed} == {
        f"location_encoder.capsules.{i}.frequency" for i in range(3)
    }


def test_coordinates_are_taken_in_the_order_the_data_declare(tmp_path: Path) -> None:
    run(tmp_path / "a")
    delivers: tuple[Input, ...] = (*RGB_16, LocationInput(order="latlon"))
    run(tmp_path / "b", source=Generated(order="latlon"), delivers=delivers)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_base_cannot_be_trained_on_rgb(tmp_path: Path) -> None:
    with pytest.raises(
        InputMismatchError,
        match="the encoder needs band B5, B6, B7, B8, B8A, B11, B12 and the dataset has red, green, blue",
    ):
        run(tmp_path / "out", preset="base")


def test_data_without_a_modality_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'generated' delivers no sv"):
        run(tmp_path / "out", delivers=(RGB_16[0], LocationInput()))


def test_data_without_the_models_bands_are_refused(tmp_path: Path) -> None:
    grey = ImageInput(modality=Modality.RS, bands=("grey",), size=16)
    with pytest.raises(InputMismatchError, match="red, green, blue"):
        run(tmp_path / "out", delivers=(grey, *DELIVERS[1:]))


def test_a_single_triplet_has_no_negatives(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 training sample in 'generated'"):
        run(tmp_path / "out", limit=1)


def test_a_photo_outside_its_tile_is_refused_by_its_coordinates(tmp_path: Path) -> None:
    source = Generated()
    source.arrays["lonlat"][0] = (0.0, 89.0)
    with pytest.raises(DataError, match=r"sample: point \[0.0, 89.0\].*outside its tile"):
        run(tmp_path / "out", source=source)


def training(config: ContrastiveConfig = OBJECTIVE, budget: Budget = BUDGET, steps: int = 10) -> ContrastiveTraining:
    converters = {i.modality: make_converter(i, i) for i in DELIVERS}
    return ContrastiveTraining(
        untrained(MINI, 0),
        config,
        budget,
        augmentation=Augmentation(converters, budget),
        steps=steps,
        seed=0,
    )


def batch_of(source: Generated, rows: slice) -> dict[str, torch.Tensor]:
    arrays = {key: torch.from_numpy(value[rows]) for key, value in source.arrays.items()}
    return {
        "image": arrays["image"],
        "street_view": arrays["street_view"],
        "lonlat": arrays["lonlat"].float(),
        "position": relative_position(arrays["lonlat"], arrays["bbox"]).float(),
    }


def test_a_step_queues_its_true_coordinates_and_uses_those_of_the_steps_before() -> None:
    task = training(dataclasses.replace(OBJECTIVE, coordinate_jitter=2.0, sv_patch_drop=0.0)).eval()
    batch = batch_of(Generated(), slice(0, 8))
    alone = task.training_step(batch, 0)
    assert torch.equal(task.network.queue.stored(), batch["lonlat"])
    with_negatives = task.training_step(batch, 0)
    assert with_negatives["parts"]["incl"] == alone["parts"]["incl"]
    assert with_negatives["parts"]["secl"] > alone["parts"]["secl"]


def test_a_batch_draws_the_same_numbers_whatever_came_before_it() -> None:
    batch = batch_of(Generated(), slice(0, 8))
    config = dataclasses.replace(OBJECTIVE, queue_size=0)
    task = training(config)
    for index in range(3):
        last = task.training_step(batch, index)
    assert training(config).training_step(batch, 2)["loss"] == last["loss"]
    assert training(config).training_step(batch, 1)["loss"] != last["loss"]


def test_a_learned_temperature_is_trained_and_a_fixed_one_stays() -> None:
    task = training(dataclasses.replace(OBJECTIVE, learn_temperature=True))
    task.training_step(batch_of(Generated(), slice(0, 8)), 0)["loss"].backward()
    assert float(torch.as_tensor(task.temperature).detach()) == pytest.approx(0.07)
    assert task.network.log_temperature.grad is not None
    assert task.network.log_temperature.grad.abs() > 0
    assert not training().network.log_temperature.requires_grad


def test_a_learned_temperature_can_rise_from_its_floor() -> None:
    task = training(dataclasses.replace(OBJECTIVE, learn_temperature=True))
    with torch.no_grad():
        task.network.log_temperature.fill_(-9.0)
    task.after_step(0.5)
    assert float(torch.as_tensor(task.temperature).detach()) == pytest.approx(COLDEST)
    task.training_step(batch_of(Generated(), slice(0, 8)), 0)["loss"].backward()
    # Untrained embeddings are far from aligned, so that the loss asks for a higher temperature.
    assert task.network.log_temperature.grad is not None
    assert task.network.log_temperature.grad < 0
    with pytest.raises(ValueError, match=r"a temperature of 0.005, which is to be learned and never below 0.01"):
        dataclasses.replace(OBJECTIVE, learn_temperature=True, temperature=0.005)


def test_photos_of_one_place_are_not_negatives_in_training() -> None:
    batch = batch_of(Generated(), slice(0, 8))
    task = training()
    other = {name: torch.cat([values, values]) for name, values in batch.items()}
    apart = {**other, "lonlat": torch.cat([batch["lonlat"], batch["lonlat"] + 1e-3])}
    repeated, distinct = (task.losses(each, torch.Generator().manual_seed(0)).parts for each in (other, apart))
    assert repeated["incl"] < distinct["incl"]
    assert repeated["secl"] < distinct["secl"]


def test_an_encoder_without_objective_is_refused() -> None:
    with pytest.raises(UsageError, match=r"no objective trains the location encoder.*incl-only"):
        training(dataclasses.replace(OBJECTIVE, secl=False))


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_variant_trains_what_it_has_and_nothing_else(tmp_path: Path, name: str) -> None:
    variant = VARIANTS[name]
    run(tmp_path / "out", model=name, limit=20)
    trained = load(ModelContext(preset="mini", seed=0, checkpoint=tmp_path / "out", model=name))
    parts = {key.partition(".")[0] for key in trained.state_dict()}
    assert ("rs_encoder" in parts) == (Modality.RS in variant.modalities)
    assert ("sv_encoder" in parts) == (Modality.SV in variant.modalities)
    assert ("location_encoder" in parts) == (Modality.LOCATION in variant.modalities)
    assert ("localizer" in parts) == (variant.localization == "nili" and Modality.RS in variant.modalities)
    initial = untrained(trained.config, 5).state_dict()
    unmoved = {key for key, value in trained.state_dict().items() if torch.equal(value, initial[key])}
    assert {key for key in unmoved if not key.endswith("frequency")} == set()


def test_settings_change_the_model_and_the_checkpoint_remembers(tmp_path: Path) -> None:
    run(tmp_path / "out", limit=20, settings={"rs.depth": "1", "localization": "bilinear", "epochs": "1"})
    trained = load(ModelContext(preset="mini", seed=0, checkpoint=tmp_path / "out", model="gair"))
    assert trained.config.rs.depth == 1
    assert trained.config.localization == "bilinear"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temprature": "1"}, "no setting 'temprature'; did you mean 'temperature'"),
        ({"depth": "1"}, "could be model.rs.depth or model.sv.depth"),
        ({"epochs": "many"}, "setting epochs=many: Input should be a valid integer"),
        ({"temperature": "-1"}, "setting temperature=-1: Input should be greater than 0"),
        ({"localization": "nearest"}, "localization=nearest: Input should be 'nili'"),
        ({"epochs": "0"}, "setting epochs=0: Input should be greater than or equal to 1"),
        ({"learning_rate": "-1"}, "setting learning_rate=-1: Input should be greater than 0"),
        ({"batch_size": "0"}, "setting batch_size=0: Input should be greater than or equal to 2"),
        ({"warmup": "3"}, "setting warmup=3: Input should be less than or equal to 1"),
        ({"brightness": "-1"}, "setting brightness=-1: Input should be greater than or equal to 0"),
        ({"queue_size": "-1"}, "setting queue_size=-1: Input should be greater than or equal to 0"),
        ({"coordinate_jitter": "-5"}, "setting coordinate_jitter=-5: Input should be greater than or equal to 0"),
        ({"sv_patch_drop": "1.0"}, "setting sv_patch_drop=1.0: Input should be less than 1"),
        ({"rs.patch_size": "0"}, "setting rs.patch_size=0: Input should be greater than or equal to 1"),
        ({"rs.heads": "0"}, "setting rs.heads=0: Input should be greater than or equal to 1"),
        ({"frequencies": "0"}, "setting frequencies=0: Input should be greater than or equal to 1"),
        ({"sigmas": "1,-2"}, "setting sigmas=1,-2: Input should be greater than 0"),
        ({"rs.width": "64"}, "setting rs.width=64: RS tokens of width 64 are the embedding, whose length is 32"),
        ({"sv.width": "30"}, "setting sv.width=30: width 30 cannot be split into 4 heads"),
        # Both follow from something else: the variant, and the names of the bands.
        ({"modalities": "rs,sv"}, "no setting 'modalities'"),
        ({"rs.bands": "4"}, "no setting 'rs.bands'; did you mean"),
        ({"depth": "1", "rs.depth": "1"}, "could be model.rs.depth or model.sv.depth"),
        ({"rs.depth": "1", "model.rs.depth": "2"}, "setting model.rs.depth is given twice"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as error:
        run(tmp_path / "out", settings=settings)
    assert message in str(error.value)


def test_sizes_that_depend_on_each_other_are_changed_together(tmp_path: Path) -> None:
    settings = {"rs.width": "64", "model.dim": "64", "rs.patch_size": "8", "rs.image_size": "24", "epochs": "1"}
    run(tmp_path / "out", settings=settings)
    trained = load(ModelContext(preset="mini", seed=0, checkpoint=tmp_path / "out", model="gair"))
    assert (trained.config.dim, trained.config.rs.width, trained.config.rs.grid_size) == (64, 64, 3)


@pytest.mark.parametrize("model", ["gair", "gair[incl-only]", "gair[bilinear]"])
def test_tiles_are_looked_up_at_the_photos_points_with_and_without_a_location_encoder(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []
    look_up = Localizer.forward

    def spy(self: Localizer, tokens: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
        seen.append(position.abs())
        return cast(torch.Tensor, look_up(self, tokens, position))

    monkeypatch.setattr(Localizer, "forward", spy)
    source = Generated()
    run(tmp_path / "out", model=model, source=source, settings={"epochs": "1"})
    found = torch.cat([part.reshape(-1, 2) for part in seen])
    lonlat, bbox = (torch.from_numpy(source.arrays[key]) for key in ("lonlat", "bbox"))
    expected = relative_position(lonlat, bbox).abs().float()
    # Mirrors change no more than the signs.
    assert (found[:, None] - expected).abs().amax(2).amin(1).max() < 1e-5
    assert found.std() > 0.1


def test_a_variant_that_looks_points_up_needs_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="delivers no location"):
        run(tmp_path / "out", model="gair[incl-only]", delivers=RGB_16)


def test_weight_decay_spares_biases_norms_and_embeddings() -> None:
    task = training()
    optimizer = cast(dict[str, Any], task.configure_optimizers())["optimizer"]
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    by_name = {name: decay[id(p)] for name, p in task.network.model.named_parameters()}
    assert by_name["rs_encoder.blocks.0.attn.qkv.weight"] == BUDGET.weight_decay
    assert by_name["localizer.neighbourhood.weight"] == BUDGET.weight_decay
    assert by_name["sv_encoder.vit.pos_embed"] == by_name["sv_encoder.vit.cls_token"] == 0
    assert by_name["rs_encoder.blocks.0.norm1.weight"] == by_name["sv_projection.bias"] == 0


def test_learning_rate_warms_up_to_its_peak_and_falls_to_zero() -> None:
    configured = cast(dict[str, Any], training(steps=50).configure_optimizers())
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    peak = rates.index(max(rates))
    assert max(rates) == pytest.approx(BUDGET.learning_rate)
    assert peak == pytest.approx(BUDGET.warmup * 50, abs=1)
    assert rates == sorted(rates[: peak + 1]) + sorted(rates[peak + 1 :], reverse=True)
    assert rates[-1] < 0.01 * BUDGET.learning_rate


UNCHANGED = Augmentation({}, dataclasses.replace(BUDGET, brightness=0.0, contrast=0.0))


def test_a_mirrored_tile_keeps_every_point_on_its_pixel() -> None:
    torch.manual_seed(0)
    images = torch.rand(64, 3, 12, 12)
    position = torch.rand(64, 2) * 2 - 1
    view = UNCHANGED.view_tiles(images, torch.Generator().manual_seed(0))
    mirrored, moved = view.delivered(), view.moved(position)

    def pixel(tiles: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.grid_sample(tiles, points[:, None, None], align_corners=False)

    torch.testing.assert_close(pixel(mirrored, moved), pixel(images, position), rtol=1e-4, atol=1e-5)
    signs = (moved / position).round().tolist()
    assert {tuple(s) for s in signs} == {(1, 1), (1, -1), (-1, 1), (-1, -1)}


def test_photos_are_mirrored_left_right_only() -> None:
    photos = torch.rand(32, 3, 8, 8)
    mirrored = UNCHANGED.view_photos(photos, torch.Generator().manual_seed(0)).delivered()
    same = (mirrored - photos).abs().flatten(1).amax(1) < 1e-5
    flipped = (mirrored - photos.flip(3)).abs().flatten(1).amax(1) < 1e-5
    assert (same ^ flipped).all()
    assert same.any()
    assert flipped.any()


def test_colour_jitter_treats_the_bands_alike_and_each_image_on_its_own() -> None:
    images = (torch.rand(8, 3, 6, 6) * 255).byte()
    changed = jitter_colours(images, 0.2, 0.2, torch.Generator().manual_seed(0))
    flat, before = changed.flatten(1), images.float().flatten(1)
    # An affine map per image: three pixels of any bands determine it.
    slope = (flat[:, 1] - flat[:, 0]) / (before[:, 1] - before[:, 0])
    torch.testing.assert_close(flat, slope[:, None] * (before - before[:, :1]) + flat[:, :1], rtol=1e-3, atol=1e-2)
    assert slope.std() > 0.01
    assert ((slope > 0.64) & (slope < 1.44)).all()
    unchanged = jitter_colours(images, 0.0, 0.0, torch.Generator())
    torch.testing.assert_close(unchanged, images.float(), rtol=1e-5, atol=1e-3)


def test_coordinate_jitter_is_as_far_east_as_north_and_stays_on_the_map() -> None:
    lonlat = torch.tensor([[10.0, 60.0]]).repeat(20_000, 1)
    moved = jitter_coordinates(lonlat, 0.5, torch.Generator().manual_seed(0)) - lonlat
    # A degree of longitude is half as long at 60 degrees north.
    assert moved.std(0).tolist() == pytest.approx([1.0, 0.5], rel=0.05)
    edge = torch.tensor([[179.9, 89.9], [-179.9, -89.9]]).repeat(500, 1)
    wrapped = jitter_coordinates(edge, 2.0, torch.Generator().manual_seed(0))
    assert (wrapped[:, 0].abs() <= 180).all()
    assert (wrapped[:, 1].abs() <= 90).all()
    torch.testing.assert_close(jitter_coordinates(lonlat, 0.0, torch.Generator()), lonlat)


def test_spec_names_what_the_model_implements() -> None:
    spec = MODELS[0]
    model = resolve(spec.factory)(ModelContext(preset="tiny", seed=0))
    assert {*METHODS} <= {*spec.presets[0].offered()}
    assert spec.presets[0].offers[0] == RS_TOKENS
    others = {offer for offer in spec.presets[0].offered() if offer not in METHODS}
    assert all(offer.pooling or offer.layers for offer in others)
    assert all(callable(getattr(model, method)) for method in METHODS.values())
    recipe = spec.presets[0].recipe
    assert recipe is not None
    assert resolve(recipe.recipe) is pretrain_gair
    assert [preset.name for preset in spec.presets][:3] == ["tiny", "small", "base"]
    assert all(i.missing == "refuse" for preset in spec.presets for i in preset.inputs if isinstance(i, ImageInput))
