"""MoCo v3 and MAE learn, keep their modalities apart, and train the encoders that are evaluated."""

from __future__ import annotations

import json
import runpy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import gairbench
from gairbench import ImageInput, Modality, ModelContext, cli
from gairbench.conversion import make_converter
from gairbench.errors import CheckpointError
from gairbench.pretraining.augmentation import Augmentation, random_resized_crop
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.objective import Objective
from gairbench_models.gair.config import VisionConfig
from gairbench_models.gair.presets import PRESETS
from gairbench_models.image_pair.checkpoint import read_checkpoint
from gairbench_models.image_pair.config import PairConfig
from gairbench_models.image_pair.equal_compute import GIGAFLOPS, SUFFIX, share_of
from gairbench_models.image_pair.model import untrained_pair
from gairbench_models.mae import model as mae_model
from gairbench_models.mae.pretraining import (
    MAE,
    Decoder,
    MAEConfig,
    choose_kept,
    encode_visible_photos,
    encode_visible_tiles,
    normalized_patches,
)
from gairbench_models.mae.recipe import make_mae_recipe
from gairbench_models.mocov3 import model as mocov3_model
from gairbench_models.mocov3.pretraining import MoCoConfig, MoCoV3, contrast
from gairbench_models.mocov3.recipe import make_moco_recipe
from gairbench_models.mocov3.views import augment_view, blur, saturate, solarize

RS = VisionConfig(bands=3, image_size=16, patch_size=4, width=32, depth=2, heads=4)
SV = VisionConfig(bands=3, image_size=24, patch_size=6, width=32, depth=2, heads=4)
PAIR = PairConfig(rs=RS, sv=SV)
BUDGET = Budget(epochs=1, batch_size=8, learning_rate=3e-3, warmup=0.02)
INPUTS = (ImageInput(modality=Modality.RS, size=16), ImageInput(modality=Modality.SV, size=24))
AUGMENTATION = Augmentation({i.modality: make_converter(i, i) for i in INPUTS}, BUDGET)


pytestmark = pytest.mark.usefixtures("one_thread")


def batch() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.nn.functional.interpolate(torch.randn(12, 3, 4, 4, generator=generator), (edge, edge))
        for name, edge in (("image", 16), ("street_view", 24))
    }


def moco() -> MoCoV3:
    return MoCoV3(untrained_pair(PAIR, 0), MoCoConfig(dim=16), BUDGET, augmentation=AUGMENTATION, steps=40, seed=0)


def mae() -> MAE:
    pair = untrained_pair(replace(PAIR, sv_pool="mean"), 0)
    return MAE(pair, MAEConfig(), BUDGET, augmentation=AUGMENTATION, steps=40, seed=0)


@pytest.mark.parametrize("make", [moco, mae])
def test_the_loss_falls(make: type[Objective]) -> None:
    objective, data = make(), batch()  # type: ignore[call-arg]
    optimizer = torch.optim.AdamW([p for p in objective.parameters() if p.requires_grad], lr=3e-3)
    losses: list[dict[str, float]] = []
    for step in range(40):
        found = objective.training_step(data, step)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        objective.after_step(step / 40)
        losses.append({name: float(value) for name, value in found["parts"].items()})
    for name in ("rs", "sv"):
        assert sum(loss[name] for loss in losses[-5:]) < 0.9 * sum(loss[name] for loss in losses[:5])


@pytest.mark.parametrize("make", [moco, mae])
def test_a_modality_does_not_depend_on_the_other(make: type[Objective]) -> None:
    objective = make()  # type: ignore[call-arg]
    branches: dict[str, nn.Module] = {"rs": objective.network.rs, "sv": objective.network.sv}  # type: ignore[dict-item]
    parts = objective.losses(batch(), torch.Generator().manual_seed(1)).parts
    parts["rs"].backward()
    assert all(p.grad is None for p in branches["sv"].parameters())
    optimizer = torch.optim.SGD(objective.parameters(), lr=1.0)
    for p in branches["rs"].parameters():
        if p.grad is not None:
            p.grad.mul_(1e4)
    for p in branches["sv"].parameters():
        p.grad = torch.full_like(p, 1e-6)
    objective.configure_gradient_clipping(optimizer)
    norms = {
        name: torch.cat([p.grad.flatten() for p in branch.parameters() if p.grad is not None]).norm()
        for name, branch in branches.items()
    }
    assert float(norms["rs"]) == pytest.approx(BUDGET.clip, rel=1e-3)
    assert float(norms["sv"]) < 0.01


def test_the_key_encoder_follows_without_gradients_and_patches_stay_frozen() -> None:
    objective = moco()
    objective.losses(batch(), torch.Generator().manual_seed(1)).total.backward()
    branch = objective.network.sv
    assert all(p.grad is None for p in (*branch.key_encoder.parameters(), *branch.key_projector.parameters()))
    assert objective.network.rs.encoder.patch_embed.weight.grad is None  # type: ignore[union-attr]
    with torch.no_grad():
        for p in branch.encoder.parameters():
            p.add_(1.0)
    before = [p.clone() for p in branch.key_encoder.parameters()]
    objective.after_step(0.0)
    moved = [float((now - old).abs().max()) for now, old in zip(branch.key_encoder.parameters(), before, strict=True)]
    assert moved == pytest.approx([0.01] * len(moved), rel=0.02)
    before = [p.clone() for p in branch.key_encoder.parameters()]
    objective.after_step(1.0)
    assert all(now.equal(old) for now, old in zip(branch.key_encoder.parameters(), before, strict=True))
    assert any(name.startswith("network.sv.key_encoder") for name in objective.state_dict())


def test_contrast_is_two_tau_times_cross_entropy() -> None:
    queries, keys = torch.eye(2), torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    half = 0.5**0.5
    logits = torch.tensor([[1.0, half], [0.0, half]]) / 0.2
    expected = 0.4 * torch.nn.functional.cross_entropy(logits, torch.arange(2))
    torch.testing.assert_close(contrast(queries, keys, 0.2), expected)


@pytest.mark.parametrize("smallest", [0.08, 0.4])
def test_crops_show_at_least_their_least_share_and_are_reproducible(smallest: float) -> None:
    ramp = torch.linspace(0, 1, 64).expand(400, 1, 64, 64)
    views = random_resized_crop(ramp, smallest, torch.Generator().manual_seed(0))
    assert views.equal(random_resized_crop(ramp, smallest, torch.Generator().manual_seed(0)))
    shown = views[:, 0, 0, -1] - views[:, 0, 0, 0]
    assert smallest**0.5 - 0.04 < float(shown.min()) < smallest**0.5 + 0.06
    assert float(shown.max()) < 1.01


def changed_share(images: Tensor, *, second: bool, colours: float = 0.0) -> float:
    views = augment_view(
        images,
        second=second,
        smallest=1.0,
        brightness=colours,
        contrast=colours,
        generator=torch.Generator().manual_seed(3),
    )
    assert views.shape == images.shape
    return float(((views - images).abs().flatten(1).amax(1) > 1e-4).float().mean())


def test_the_two_views_are_changed_as_often_as_the_paper_says() -> None:
    # On grey images, whose colours are not jittered, only blur and solarizing do anything; blur of all widths but the
    # smallest is seen.
    grey = torch.rand(100, 1, 32, 32, generator=torch.Generator().manual_seed(0)).expand(-1, 3, -1, -1)
    grey = functional.interpolate(grey, size=(224, 224))
    assert changed_share(grey, second=False) > 0.9
    assert changed_share(grey, second=True) == pytest.approx(1 - 0.9 * 0.8, abs=0.12)
    flat = torch.rand(600, 3, 1, 1, generator=torch.Generator().manual_seed(0)).expand(-1, -1, 8, 8)
    # Of one colour, nothing is blurred: four fifths are jittered, and a fifth of the rest is grey.
    assert changed_share(flat, second=False, colours=0.4) == pytest.approx(1 - 0.2 * 0.8, abs=0.05)


def test_colours_of_all_bands_move_towards_their_mean_or_away() -> None:
    images = torch.rand(50, 5, 4, 4)
    changed = saturate(images, torch.Generator().manual_seed(0))
    torch.testing.assert_close(changed.mean(1), images.mean(1))
    ratio = (changed - changed.mean(1, keepdim=True)) / (images - images.mean(1, keepdim=True))
    assert 0.8 <= float(ratio.min()) < 0.85 < 1.15 < float(ratio.max()) <= 1.2 + 1e-3


def test_solarizing_turns_what_is_above_the_middle() -> None:
    display = torch.tensor([0.0, 100.0, 130.0, 255.0]).view(1, 1, 2, 2)
    assert solarize(display).flatten().tolist() == [0.0, 100.0, 125.0, 0.0]


def test_blur_is_as_wide_as_in_the_paper_relative_to_the_image() -> None:
    point = torch.zeros(200, 1, 224, 224)
    point[:, :, 112, 112] = 1.0
    blurred = blur(point, torch.Generator().manual_seed(0))
    torch.testing.assert_close(blurred.sum(dim=(1, 2, 3)), torch.ones(200))
    rows = torch.arange(224.0) - 112
    sigma = (blurred.sum(dim=(1, 3)) * rows**2).sum(1).sqrt()
    assert float(sigma.min()) < 0.2
    assert 1.6 < float(sigma.max()) < 2.0
    small = blur(point[:, :, 88:136, 88:136], torch.Generator().manual_seed(0))
    assert float(small[:, 0, 24, 24].min()) > float(blurred[:, 0, 112, 112].min())


def test_rivals_are_trained_as_their_papers_say_in_gairs_passes_and_batches() -> None:
    gairs = PRESETS["base"].budget
    moco_, mae_ = make_moco_recipe("mocov3", "base", {}), make_mae_recipe("mae", "base", {})
    for recipe in (moco_, mae_):
        assert (recipe.budget.epochs, recipe.budget.batch_size) == (gairs.epochs, gairs.batch_size) == (10, 512)
        # 1.5e-4 for each 256 images of a step.
        assert recipe.budget.learning_rate == pytest.approx(3e-4)
    assert (moco_.budget.weight_decay, moco_.budget.beta2, moco_.budget.brightness) == (0.1, 0.999, 0.4)
    assert (mae_.budget.weight_decay, mae_.budget.beta2, mae_.budget.brightness) == (0.05, 0.95, 0.0)
    assert (mae_.objective.decoder_depth, mae_.objective.smallest_crop, moco_.objective.smallest_crop) == (8, 0.2, 0.08)


def test_all_patches_visible_give_the_whole_encoders_tokens() -> None:
    pair = untrained_pair(PAIR, 0).eval()
    images, photos = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 24, 24)
    everything = torch.arange(16).expand(2, -1)
    with torch.inference_mode():
        tiles = encode_visible_tiles(pair.rs_encoder, images, everything)
        torch.testing.assert_close(tiles, pair.encode_rs_tokens(images).flatten(2).transpose(1, 2))
        tokens = encode_visible_photos(pair.sv_encoder, photos, everything)
        torch.testing.assert_close(tokens, pair.sv_encoder.vit.forward_features(photos)[:, 1:])


def test_visible_patches_attend_by_their_true_distances() -> None:
    encoder = untrained_pair(PAIR, 0).rs_encoder
    kept = torch.tensor([[0, 3, 5], [1, 2, 15]])
    seen: list[Tensor] = []
    for block in encoder.blocks:
        block.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[1]))
    encode_visible_tiles(encoder, torch.randn(2, 3, 16, 16), kept)
    assert seen[0].shape == (2, 4, 3, 3)
    assert seen[0][1, 2, 0, 2].equal(encoder.bias[2, 1, 15])
    assert seen[0][0, 3, 1, 2].equal(encoder.bias[3, 3, 5])


def test_masks_keep_a_quarter_differently_in_each_image() -> None:
    kept = choose_kept(50, 16, 0.75, torch.Generator().manual_seed(0))
    assert kept.shape == (50, 4)
    assert all(len(set(row)) == 4 for row in kept.tolist())
    assert len({tuple(row) for row in kept.tolist()}) > 40
    assert choose_kept(1, 4, 0.99, torch.Generator()).shape == (1, 1)


def test_patches_are_normalized_row_by_row() -> None:
    images = torch.randn(2, 3, 16, 16)
    patches = normalized_patches(images, 4)
    assert patches.shape == (2, 16, 48)
    assert float(patches.mean(-1).abs().max()) < 1e-5
    corner = images[0, :, :4, 4:8].flatten()
    torch.testing.assert_close(patches[0, 1], (corner - corner.mean()) / (corner.var() + 1e-6).sqrt())


def test_the_decoder_puts_tokens_where_their_patches_are() -> None:
    torch.manual_seed(0)
    decoder = Decoder(RS, 1)
    tokens, kept = torch.randn(1, 2, 32), torch.tensor([[3, 9]])
    entered: list[Tensor] = []
    decoder.blocks.register_forward_pre_hook(lambda _module, inputs: entered.append(inputs[0]))
    decoder(tokens, kept)
    found = entered[0] - decoder.positions
    torch.testing.assert_close(found[0, 9], decoder.enter(tokens)[0, 1])
    torch.testing.assert_close(found[0, 4], decoder.masked[0, 0])


@pytest.mark.parametrize(("name", "factory"), [("mocov3", mocov3_model), ("mae", mae_model)])
def test_a_rival_is_trained_and_evaluated_from_its_checkpoint(tmp_path: Path, name: str, factory: object) -> None:
    settings = ["rs.depth=1", "sv.depth=1", "epochs=1", "batch_size=8"]
    arguments = ["pretrain", "--model", name, "--data", "earth-triplets", "--limit", "40", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as exit_:
        cli.app([*arguments, "--device", "cpu", *(w for s in settings for w in ("--set", s))])
    assert not exit_.value.code
    assert read_checkpoint(tmp_path).name == "tiny"
    context = ModelContext(model=name, preset="tiny", seed=0, checkpoint=tmp_path)
    model = factory.load(context)  # type: ignore[attr-defined]
    assert model.config.rs.depth == 1
    assert model.encode_rs(torch.zeros(2, 3, 48, 48)).shape == (2, 128)
    assert model.encode_sv(torch.zeros(2, 3, 64, 64)).shape == (2, 128)
    assert ("sv_encoder.pooler.weight" in model.state_dict()) == (name == "mocov3")
    assert json.loads((tmp_path / "checkpoint.json").read_text())["recipe"]["budget"]["batch_size"] == 8
    with pytest.raises(CheckpointError, match=f"checkpoint of '{name}', not of 'other'"):
        factory.load(replace(context, model="other"))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "steps"), [("mocov3", 8), ("mocov3[equal-compute]", 3), ("mae", 8), ("mae[equal-compute]", 5)]
)
def test_a_rival_at_equal_compute_trains_fewer_steps_and_is_the_same_otherwise(
    tmp_path: Path, name: str, steps: int
) -> None:
    settings = {"rs.depth": 1, "sv.depth": 1, "epochs": 1, "batch_size": 4}
    gairbench.pretrain(name, "earth-triplets", tmp_path, limit=32, set=settings, validate_every=0, device="cpu")
    card = json.loads((tmp_path / "checkpoint.json").read_text())
    assert (card["model"], card["steps"]) == (name, steps)
    make = make_moco_recipe if name.startswith("mocov3") else make_mae_recipe
    recipe = make(name, "tiny", {})
    assert replace(recipe, budget=replace(recipe.budget, share=1.0)) == make(name.partition("[")[0], "tiny", {})


@pytest.mark.parametrize("preset", GIGAFLOPS)
@pytest.mark.parametrize("rival", ["mocov3", "mae"])
def test_a_rival_at_equal_compute_takes_as_many_operations_as_gair(preset: str, rival: str) -> None:
    costs, gairs = GIGAFLOPS[preset], PRESETS[preset].budget
    # The study's 20,000 triplets.
    steps = gairs.epochs * (20_000 // gairs.batch_size)
    taken = round(share_of(f"{rival}{SUFFIX}", preset) * steps) * costs[rival]
    assert taken == pytest.approx(steps * costs["gair"], rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("preset", GIGAFLOPS)
@pytest.mark.parametrize("model", ["gair", "mocov3", "mae"])
def test_operations_of_a_step_are_what_torch_counts(preset: str, model: str) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "training_compute.py"))
    assert script["gigaflops_of_a_step"](model, preset) == pytest.approx(GIGAFLOPS[preset][model], rel=2e-3)
