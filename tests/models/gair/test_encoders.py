"""The three encoders do what the paper says, whatever global random state and batch they meet."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch.nn import functional

from gairbench.errors import DataError
from gairbench.inputs import RGB, ImageInput
from gairbench_models.gair.config import GairConfig, VisionConfig
from gairbench_models.gair.model import Gair, untrained
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.rs_encoder import Attention, RSEncoder, alibi_bias
from gairbench_models.location.config import LocationConfig
from gairbench_models.location.fourier import FourierEncoder, equal_earth

MINI = GairConfig(
    dim=32,
    rs=VisionConfig(bands=4, image_size=24, patch_size=8, width=32, depth=2, heads=4),
    sv=VisionConfig(bands=3, image_size=32, patch_size=16, width=16, depth=2, heads=2),
    location=LocationConfig(frequencies=8, hidden=16),
)


@pytest.fixture
def mini() -> Gair:
    return untrained(MINI, 0).eval()


def test_alibi_bias_is_minus_distance_times_a_slope_per_head() -> None:
    bias = alibi_bias(2, 3, heads=4)
    assert bias.shape == (4, 6, 6)
    assert bias.dtype == torch.float32
    # Patches 0 = (0, 0) and 5 = (1, 2); patches 1 = (0, 1) and 4 = (1, 1).
    for head, slope in enumerate((2**-2, 2**-4, 2**-6, 2**-8)):
        assert bias[head, 0, 5].item() == pytest.approx(-slope * math.sqrt(5))
        assert bias[head, 1, 4].item() == pytest.approx(-slope)
    assert torch.equal(bias, bias.transpose(1, 2))
    assert torch.equal(bias.diagonal(dim1=1, dim2=2), torch.zeros(4, 6))


def test_attention_equals_softmax_of_scaled_scores_plus_bias() -> None:
    torch.manual_seed(0)
    attention, tokens, bias = Attention(12, 3), torch.randn(2, 5, 12), torch.randn(3, 5, 5)
    query, key, value = attention.qkv(tokens).chunk(3, dim=-1)
    heads = []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        scores = query[..., part] @ key[..., part].transpose(1, 2) / 2 + bias[head]
        heads.append(scores.softmax(-1) @ value[..., part])
    torch.testing.assert_close(attention(tokens, bias), attention.proj(torch.cat(heads, dim=-1)))


def test_rs_patches_are_flattened_by_channel_row_column(mini: Gair) -> None:
    images = torch.randn(2, 4, 24, 24)
    captured = []
    mini.rs_encoder.patch_embed.register_forward_hook(lambda _module, args, _output: captured.append(args[0]))
    mini.encode_rs_tokens(images)
    # Patch 5 of a 3 x 3 grid is in row 1, column 2.
    torch.testing.assert_close(captured[0][1, 5], images[1, :, 8:16, 16:24].flatten())


def test_rs_embedding_is_the_mean_token(mini: Gair) -> None:
    images = torch.randn(2, 4, 24, 24)
    tokens = mini.encode_rs_tokens(images)
    assert tokens.shape == (2, 32, 3, 3)
    torch.testing.assert_close(mini.encode_rs(images), tokens.mean((2, 3)))


def test_rs_token_grid_is_north_up(mini: Gair) -> None:
    images = torch.zeros(1, 4, 24, 24)
    changed = images.clone()
    changed[:, :, :8, 16:] = 3.0
    difference = (mini.encode_rs_tokens(changed) - mini.encode_rs_tokens(images)).norm(dim=1)[0]
    assert difference.argmax().item() == 2


def test_rs_encoder_takes_other_sizes_and_refuses_what_does_not_fit(mini: Gair) -> None:
    assert mini.encode_rs_tokens(torch.randn(1, 4, 16, 40)).shape == (1, 32, 2, 5)
    with pytest.raises(ValueError, match=r"\(3, 24, 24\): expected 4 bands"):
        mini.encode_rs(torch.randn(1, 3, 24, 24))
    with pytest.raises(ValueError, match="multiples of 8"):
        mini.encode_rs(torch.randn(1, 4, 24, 20))


def test_alibi_bias_is_no_part_of_the_weights(mini: Gair) -> None:
    assert "bias" in dict(mini.rs_encoder.named_buffers())
    assert "bias" not in mini.rs_encoder.state_dict()


def test_rs_encoder_has_no_qkv_bias_class_token_position_embedding_or_final_norm() -> None:
    names = {name for name, _ in RSEncoder(MINI.rs).named_parameters()}
    assert {name.split(".")[0] for name in names} == {"patch_embed", "blocks"}
    assert "blocks.0.attn.qkv.bias" not in names


def test_sv_embedding_is_pooled_by_tanh_from_the_class_token(mini: Gair) -> None:
    photos = torch.randn(3, 3, 32, 32)
    state = mini.sv_encoder.vit.forward_features(photos)[:, 0]
    expected = functional.linear(state, mini.sv_encoder.pooler.weight, mini.sv_encoder.pooler.bias).tanh()
    torch.testing.assert_close(mini.encode_sv(photos), expected)
    assert mini.encode_sv(photos).shape == (3, 16)
    assert mini.project_sv(photos).shape == (3, 32)


def test_sv_norms_use_the_published_epsilon(mini: Gair) -> None:
    assert {m.eps for m in mini.sv_encoder.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-12}


def test_equal_earth_agrees_with_the_projection_library() -> None:
    # rasterio carries PROJ; +R gives PROJ's unit-sphere metres the same unit as ours.
    from rasterio.warp import transform

    lon, lat = [-179.0, -60.0, 0.0, 12.5, 100.0, 179.0], [-80.0, 33.0, 0.0, 48.2, -12.0, 70.0]
    x, y = transform("+proj=longlat +R=1 +no_defs", "+proj=eqearth +R=1 +no_defs", lon, lat)
    found = equal_earth(torch.tensor([lon, lat], dtype=torch.float64).T)
    expected = torch.tensor([x, y], dtype=torch.float64).T * 66.50336 / 180
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-7)


def test_location_embedding_is_the_sum_of_its_capsules() -> None:
    torch.manual_seed(0)
    encoder = FourierEncoder(LocationConfig(frequencies=8, hidden=16), 12)
    lonlat = torch.tensor([[10.0, 50.0], [-70.0, -30.0]], dtype=torch.float64)
    position = equal_earth(lonlat).float()
    torch.testing.assert_close(encoder(lonlat), torch.stack([c(position) for c in encoder.capsules]).sum(0))
    assert encoder(lonlat).dtype == torch.float32
    spread = [
        capsule.frequency.std().item()
        for capsule in FourierEncoder(LocationConfig(frequencies=500, hidden=4), 4).capsules
    ]
    assert spread == pytest.approx([1, 16, 256], rel=0.1)


def test_frequencies_are_stored_with_the_weights(mini: Gair) -> None:
    assert "location_encoder.capsules.2.frequency" in mini.state_dict()


def test_query_depends_on_the_point_and_refuses_one_outside(mini: Gair) -> None:
    images = torch.randn(2, 4, 24, 24)
    bbox = torch.tensor([[10.0, 50.0, 11.0, 49.0]] * 2)
    inside = torch.tensor([[10.2, 49.2], [10.8, 49.9]])
    found = mini.query_rs(images, inside, bbox)
    assert found.shape == (2, 32)
    assert not torch.allclose(found, mini.query_rs(images, inside.flip(0), bbox), atol=1e-4)
    with pytest.raises(DataError, match=r"\[12\.0, 49\.5\].*outside its tile.*; correct the point"):
        mini.query_rs(images, torch.tensor([[10.5, 49.5], [12.0, 49.5]]), bbox)


def test_untrained_weights_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = untrained(MINI, 7).state_dict()
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    second = untrained(MINI, 7).state_dict()
    other = untrained(MINI, 8).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["sv_projection.weight"], other["sv_projection.weight"])
    torch.manual_seed(1)
    untrained(MINI, 9)
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("name", ["tiny", "small"])
def test_presets_for_the_embedded_data_take_rgb(name: str) -> None:
    preset = PRESETS[name]
    assert [i.bands for i in preset.inputs if isinstance(i, ImageInput)] == [RGB, RGB]
    assert preset.config.localization == "nili"
    assert preset.config.location.sigmas == (1, 16, 256)


def test_base_is_the_published_size() -> None:
    with torch.device("meta"):
        base = Gair(PRESETS["base"].config)
    shapes = {name: tuple(value.shape) for name, value in base.state_dict().items()}
    assert shapes["rs_encoder.patch_embed.weight"] == (768, 640)
    assert shapes["rs_encoder.blocks.11.attn.qkv.weight"] == (2304, 768)
    assert shapes["sv_encoder.vit.pos_embed"] == (1, 197, 768)
    assert shapes["localizer.neighbourhood.weight"] == (768, 768, 3, 3)
    assert [shapes[f"location_encoder.capsules.{i}.frequency"] for i in range(3)] == [(256, 2)] * 3
    assert shapes["location_encoder.capsules.0.hidden.4.weight"] == (1024, 1024)
    assert shapes["sv_projection.weight"] == (768, 768)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rs": dataclasses.replace(MINI.rs, width=16, heads=2)}, "RS tokens of width 16"),
        ({"dim": 64}, "RS tokens of width 32"),
    ],
)
def test_a_configuration_that_cannot_be_built_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(MINI, **change)  # type: ignore[arg-type]


def test_an_image_encoder_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of patch size"):
        dataclasses.replace(MINI.rs, image_size=30)
    with pytest.raises(ValueError, match="split into 3 heads"):
        dataclasses.replace(MINI.rs, heads=3)
