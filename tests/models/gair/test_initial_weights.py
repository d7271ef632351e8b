"""Weights that training starts from end up where they belong, or are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torchgeo.models import CROMA

from gairbench.errors import CheckpointError, UsageError
from gairbench.inputs import Modality
from gairbench_models.gair.config import GairConfig, VisionConfig
from gairbench_models.gair.initial_weights import CROMA_BANDS, apply_starts
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.released import capsule_name, croma_name
from gairbench_models.location.config import LocationConfig

BANDS = ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")
MINI = GairConfig(
    dim=64,
    rs=VisionConfig(bands=10, image_size=32, patch_size=8, width=64, depth=2, heads=16),
    sv=VisionConfig(bands=3, image_size=32, patch_size=8, width=64, depth=2, heads=4),
    location=LocationConfig(frequencies=8, hidden=16),
)


@pytest.fixture
def croma() -> CROMA:
    torch.manual_seed(0)
    return CROMA(modalities=["optical"], encoder_dim=64, encoder_depth=2, image_size=32)


def save_croma(croma: CROMA, folder: Path) -> str:
    torch.save({"s2_encoder": croma.s2_encoder.state_dict(), "s2_GAP_FFN": {}}, folder / "CROMA.pt")
    return str(folder / "CROMA.pt")


def start(model: Gair, rs: str | None = None, sv: str | None = None, location: str | None = None) -> dict[str, object]:
    return apply_starts(model, rs=rs, sv=sv, location=location, bands=BANDS)


def test_tokens_are_cromas_where_its_other_bands_are_dark(croma: CROMA, tmp_path: Path) -> None:
    model = untrained(MINI, 1).eval()
    told = start(model, rs=save_croma(croma, tmp_path))
    assert told["rs"]["left_aside"] == ["transformer.norm_out.bias", "transformer.norm_out.weight"]  # type: ignore[index]
    twelve = torch.randn(2, 12, 32, 32)
    kept = [CROMA_BANDS.index(band) for band in BANDS]
    twelve[:, [i for i in range(12) if i not in kept]] = 0
    encoder = croma.s2_encoder.eval()
    encoder.transformer.norm_out = torch.nn.Identity()
    with torch.inference_mode():
        expected: Tensor = encoder(twelve, croma.attn_bias)
        found = model.encode_rs_tokens(twelve[:, kept]).flatten(2).transpose(1, 2)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_bands_are_taken_by_name(croma: CROMA, tmp_path: Path) -> None:
    file = save_croma(croma, tmp_path)
    model = untrained(replace(MINI, rs=replace(MINI.rs, bands=2)), 1)
    apply_starts(model, rs=file, sv=None, location=None, bands=("B8A", "B1"))
    columns = croma.s2_encoder.linear_input.weight
    assert model.rs_encoder.patch_embed.weight[:, :64].equal(columns[:, 8 * 64 : 9 * 64])
    assert model.rs_encoder.patch_embed.weight[:, 64:].equal(columns[:, :64])
    with pytest.raises(UsageError, match="CROMA has no band red"):
        apply_starts(model, rs=file, sv=None, location=None, bands=("red", "B1"))


def test_a_checkpoint_of_another_size_or_model_is_refused(croma: CROMA, tmp_path: Path) -> None:
    other = CROMA(modalities=["optical"], encoder_dim=64, encoder_depth=4, image_size=32)
    with pytest.raises(CheckpointError, match=r"unexpected transformer\.layers\.2"):
        start(untrained(MINI, 1), rs=save_croma(other, tmp_path))
    torch.save({"weights": torch.zeros(1)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="has no 's2_encoder'"):
        start(untrained(MINI, 1), rs=str(tmp_path / "x.pt"))
    with pytest.raises(CheckpointError, match="No such file"):
        start(untrained(MINI, 1), rs=str(tmp_path / "nowhere.pt"))


def vit(**changes: int) -> VisionTransformer:
    arguments = {"img_size": 32, "patch_size": 8, "num_classes": 5, "embed_dim": 64, "depth": 2, "num_heads": 4}
    return VisionTransformer(**(arguments | changes))


def test_a_vit_of_timm_becomes_the_photo_encoder(tmp_path: Path) -> None:
    weights = vit().state_dict()
    torch.save(weights, tmp_path / "vit.pth")
    model = untrained(MINI, 1)
    told = start(model, sv=str(tmp_path / "vit.pth"))
    assert told["sv"]["left_aside"] == ["head.bias", "head.weight"]  # type: ignore[index]
    assert told["sv"]["new"] == ["pooler"]  # type: ignore[index]
    assert all(value.equal(weights[name]) for name, value in model.sv_encoder.vit.state_dict().items())


def test_positions_of_another_image_size_are_resampled(tmp_path: Path) -> None:
    weights = vit(img_size=64).state_dict()
    torch.save(weights, tmp_path / "vit.pth")
    model = untrained(MINI, 1)
    assert start(model, sv=str(tmp_path / "vit.pth"))["sv"]["resampled"] == ["pos_embed"]  # type: ignore[index]
    assert model.sv_encoder.vit.pos_embed[:, :1].equal(weights["pos_embed"][:, :1])
    assert model.sv_encoder.vit.pos_embed.shape == (1, 17, 64)


def test_a_vit_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    torch.save(vit(patch_size=16).state_dict(), tmp_path / "vit.pth")
    with pytest.raises(CheckpointError, match=r"misshapen patch_embed.proj.weight.*ViT of the preset's width"):
        start(untrained(MINI, 1), sv=str(tmp_path / "vit.pth"))
    with pytest.raises(UsageError, match="timm has no model 'vit_gigantic'"):
        start(untrained(MINI, 1), sv="timm:vit_gigantic")


def geoclip(width: int) -> dict[str, Tensor]:
    torch.manual_seed(3)
    state: dict[str, Tensor] = {}
    for i in range(3):
        state[f"LocEnc{i}.capsule.0.b"] = torch.randn(8, 2)
        for layer, inputs in ((1, 16), (3, 16), (5, 16)):
            state[f"LocEnc{i}.capsule.{layer}.weight"] = torch.randn(16, inputs)
            state[f"LocEnc{i}.capsule.{layer}.bias"] = torch.randn(16)
        state[f"LocEnc{i}.head.0.weight"], state[f"LocEnc{i}.head.0.bias"] = torch.randn(width, 16), torch.randn(width)
    return state


@pytest.mark.parametrize("width", [64, 48])
def test_geoclips_capsules_are_taken_and_its_heads_if_they_fit(tmp_path: Path, width: int) -> None:
    torch.save(geoclip(width), tmp_path / "location_encoder.pth")
    model = untrained(MINI, 1)
    before = {name: value.clone() for name, value in model.location_encoder.state_dict().items()}
    told = start(model, location=str(tmp_path / "location_encoder.pth"))["location"]
    state = geoclip(width)
    assert model.location_encoder.capsules[1].frequency.equal(state["LocEnc1.capsule.0.b"])
    assert model.location_encoder.capsules[2].hidden[4].weight.equal(state["LocEnc2.capsule.5.weight"])
    head = model.location_encoder.capsules[0].head.weight
    assert head.equal(state["LocEnc0.head.0.weight"] if width == 64 else before["capsules.0.head.weight"])
    assert len(told["new"]) == (0 if width == 64 else 6)  # type: ignore[index]


def test_an_encoder_that_the_model_lacks_cannot_be_started(tmp_path: Path) -> None:
    model = untrained(replace(MINI, modalities=(Modality.RS, Modality.SV)), 1)
    with pytest.raises(UsageError, match="no location encoder"):
        start(model, location=str(tmp_path / "x.pth"))


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module._orig_mod.", "module.", "model."])
def test_photo_encoder_starts_from_weights_in_a_wrapper(tmp_path: Path, prefix: str) -> None:
    weights = vit().state_dict()
    torch.save({"epoch": 3, "state_dict": {prefix + k: v for k, v in weights.items()}}, tmp_path / "vit.pth")
    model = untrained(MINI, 0)
    start(model, sv=str(tmp_path / "vit.pth"))
    assert all(value.equal(weights[name]) for name, value in model.sv_encoder.vit.state_dict().items())


@pytest.mark.parametrize("encoder", ["rs", "sv", "location"])
@pytest.mark.parametrize(("change", "message"), [("int8", "is int8"), ("nan", "NaN or infinite numbers")])
def test_quantized_and_broken_weights_are_refused_before_anything_is_trained(
    tmp_path: Path, encoder: str, change: str, message: str
) -> None:
    model = untrained(MINI, 0)
    ours = {"rs": model.rs_encoder, "sv": model.sv_encoder.vit, "location": model.location_encoder}[
        encoder
    ].state_dict()
    renamed: Callable[[str], str] = {"rs": croma_name, "sv": str, "location": capsule_name}[encoder]
    theirs = {renamed(name): value.clone() for name, value in ours.items()}
    if encoder == "rs":
        first = theirs["linear_input.weight"]
        theirs["linear_input.weight"] = first[:, : first.shape[1] // len(BANDS)].repeat(1, 12)
    broken = {k: (v * 100).to(torch.int8) if change == "int8" else v * float("nan") for k, v in theirs.items()}
    path = tmp_path / "start.pth"
    torch.save({"s2_encoder": theirs} if encoder == "rs" else theirs, path)
    start(model, **{encoder: str(path)})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.save({"s2_encoder": broken} if encoder == "rs" else broken, path)
    with pytest.raises(CheckpointError, match=rf"start\.pth.*{message}"):
        start(model, **{encoder: str(path)})
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_optical_encoder_in_a_flat_file_is_found_by_its_prefix(croma: CROMA, tmp_path: Path) -> None:
    flat = {f"s2_encoder.{name}": value for name, value in croma.s2_encoder.state_dict().items()}
    torch.save({"_orig_mod." + name: value for name, value in flat.items()}, tmp_path / "flat.pt")
    first, second = untrained(MINI, 0), untrained(MINI, 0)
    start(first, rs=str(tmp_path / "flat.pt"))
    start(second, rs=save_croma(croma, tmp_path))
    assert all(value.equal(second.state_dict()[name]) for name, value in first.state_dict().items())


def test_position_embeddings_of_another_form_are_refused_as_misshapen(tmp_path: Path) -> None:
    weights = vit().state_dict()
    for positions in (weights["pos_embed"][0], weights["pos_embed"][:, :-1], weights["pos_embed"][..., :-1]):
        torch.save(weights | {"pos_embed": positions.clone()}, tmp_path / "vit.pth")
        with pytest.raises(CheckpointError, match="misshapen pos_embed"):
            start(untrained(MINI, 0), sv=str(tmp_path / "vit.pth"))
