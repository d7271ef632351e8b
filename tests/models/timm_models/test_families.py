"""DINOv3, CLIP and SigLIP through timm: their own pooling, statistics, licence and data."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch
from timm.models import get_pretrained_cfg, list_pretrained
from torch import Tensor

from gairbench import ImageInput, ModelContext
from gairbench.batch import Batch, Images
from gairbench.representation import RS, Representation
from gairbench_models.timm_models.declaration import make_timm_spec
from gairbench_models.timm_models.encoder import load
from gairbench_models.timm_models.provenance import datasets_of

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
HALF = (0.5,) * 3, (0.5,) * 3
SATELLITE = (0.430, 0.411, 0.296), (0.213, 0.156, 0.143)
"""What the authors of each feed it with, from 0 to 1: dinov3/README.md, CLIP's clip.py, big_vision's value_range."""


@pytest.mark.parametrize(
    ("name", "size", "statistics", "licence", "data", "paper"),
    [
        ("vit_small_patch16_dinov3.lvd1689m", 256, IMAGENET, "dinov3-license", "LVD-1689M", "2508.10104"),
        ("vit_large_patch16_dinov3.sat493m", 256, SATELLITE, "dinov3-license", "SAT-493M", "2508.10104"),
        ("convnext_tiny.dinov3_lvd1689m", 224, IMAGENET, "dinov3-license", "LVD-1689M", "2508.10104"),
        ("vit_base_patch32_clip_quickgelu_224.openai", 224, CLIP, "apache-2.0", "WIT-400M", "2103.00020"),
        ("vit_base_patch16_clip_224.laion2b", 224, CLIP, "apache-2.0", "LAION-2B", "2212.07143"),
        ("vit_large_patch14_clip_224.laion2b", 224, HALF, "apache-2.0", "LAION-2B", "2212.07143"),
        ("vit_base_patch16_siglip_224.webli", 224, HALF, "apache-2.0", "WebLI", "2303.15343"),
        ("vit_base_patch16_siglip_224.v2_webli", 224, HALF, "apache-2.0", "WebLI", "2502.14786"),
    ],
)
def test_weights_are_declared_as_their_authors_state(
    name: str, size: int, statistics: tuple[Any, Any], licence: str, data: str, paper: str
) -> None:
    spec = make_timm_spec(name)
    for image in spec.presets[0].inputs:
        assert isinstance(image, ImageInput)
        assert (image.size, image.interpolation) == (size, "bicubic")
        for found, stated in zip((image.mean, image.std), statistics, strict=True):
            assert [number / 255 for number in found] == pytest.approx(stated)
    assert spec.licence == licence
    assert spec.trained_on == {data}
    assert paper in spec.citation


def test_a_note_of_timm_s_on_weights_is_shown() -> None:
    said = "natively QuickGELU, use quickgelu model variant for original results"
    assert said in make_timm_spec("vit_base_patch32_clip_224.openai").description
    assert said not in make_timm_spec("vit_base_patch32_clip_224").description


@pytest.mark.parametrize(
    ("tag", "names"),
    [
        ("a1_in1k", {"ImageNet-1k"}),
        ("augreg_in21k_ft_in1k", {"ImageNet-21k", "ImageNet-1k"}),
        ("clip_laion2b_augreg_ft_in12k_in1k_384", {"LAION-2B", "ImageNet-12k", "ImageNet-1k"}),
        ("metaclip_2pt5b", {"MetaCLIP-2.5B"}),
        ("dfn2b_s39b", {"DFN-2B"}),
        ("untrained", set()),
    ],
)
def test_a_tag_names_the_data_of_all_steps(tag: str, names: set[str]) -> None:
    assert datasets_of(tag) == names


def test_every_name_of_data_is_one_of_timm_s_tags() -> None:
    tags = {name.partition(".")[2] for name in list_pretrained()}
    found = frozenset().union(*map(datasets_of, tags))
    assert {"SAT-493M", "LVD-1689M", "WIT-400M", "LAION-2B", "WebLI", "MetaCLIP-400M"} <= found
    assert sum(map(bool, map(datasets_of, tags))) > 0.8 * len(tags)


def encoder_of(name: str) -> Any:
    return load(ModelContext(model=f"timm:{name}", preset="default", seed=0)).eval()


def encode(encoder: Any, images: Tensor, wanted: Representation) -> Tensor:
    image = Images(values=images, bands=(), units=(), valid=torch.ones(len(images), dtype=torch.bool))
    with torch.inference_mode():
        return encoder.encode(Batch(images={"rs": image}), wanted)  # type: ignore[no-any-return]


def images_of(name: str) -> Tensor:
    size = timm.get_pretrained_cfg(name).input_size
    return torch.randn(2, *size, generator=torch.Generator().manual_seed(0))


def pooled(pooling: str) -> Representation:
    return Representation("pooled", ("rs",), pooling=pooling)


def test_dinov3_is_averaged_by_timm_and_has_the_class_token_of_its_authors() -> None:
    """timm averages the patches; facebookresearch/dinov3 returns ``x_norm_clstoken``: ``--readout cls``."""
    name = "vit_small_patch16_dinov3"
    preset = make_timm_spec(name).presets[0]
    assert [o.pooling for o in preset.offered() if o.form == "pooled" and o.of == ("rs",)][:3] == ["", "mean", "cls"]
    encoder, images = encoder_of(name), images_of(name)
    with torch.inference_mode():
        tokens = encoder.model.forward_features(images)
    # A class token, four registers, 16 x 16 patches, all after the last norm.
    assert tokens.shape == (2, 1 + 4 + 256, 384)
    torch.testing.assert_close(encode(encoder, images, RS), tokens[:, 5:].mean(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encode(encoder, images, pooled("mean")), tokens[:, 5:].mean(1), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encode(encoder, images, pooled("cls")), tokens[:, 0], atol=1e-5, rtol=1e-4)


def test_clip_is_its_class_token_before_the_projection() -> None:
    """``ln_post`` of the class token, as openai/CLIP's VisionTransformer before ``@ self.proj``."""
    name = "vit_base_patch32_clip_quickgelu_224"
    encoder, images = encoder_of(name), images_of(name)
    model = encoder.model
    with torch.inference_mode():
        tokens = torch.cat([model.cls_token.expand(2, -1, -1), model.patch_embed(images)], dim=1) + model.pos_embed
        tokens = model.blocks(model.norm_pre(tokens))
        expected = model.norm(tokens[:, 0])
    assert get_pretrained_cfg(f"{name}.openai").num_classes == 512
    gate = model.blocks[0].mlp.act
    x = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(gate(x), x * torch.sigmoid(1.702 * x))
    torch.testing.assert_close(encode(encoder, images, RS), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encode(encoder, images, pooled("cls")), expected, atol=1e-5, rtol=1e-4)


def test_siglip_is_pooled_by_its_own_attention() -> None:
    """One learned query over the patches, then a residual network: MAPHead of google-research/big_vision."""
    name = "vit_base_patch16_siglip_224"
    encoder, images = encoder_of(name), images_of(name)
    pool = encoder.model.attn_pool
    with torch.inference_mode():
        tokens = encoder.model.forward_features(images)
        query = pool.q(pool.latent.expand(2, -1, -1)).view(2, 1, 12, 64).transpose(1, 2)
        key, value = pool.kv(tokens).view(2, -1, 2, 12, 64).permute(2, 0, 3, 1, 4)
        weights = (query @ key.mT / 8).softmax(-1)
        probe = pool.proj((weights @ value).transpose(1, 2).flatten(2))
        expected = (probe + pool.mlp(pool.norm(probe)))[:, 0]
    assert tokens.shape == (2, 196, 768)
    torch.testing.assert_close(encode(encoder, images, RS), expected, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encode(encoder, images, pooled("mean")), tokens.mean(1), atol=1e-5, rtol=1e-4)
    assert not any(o.pooling == "cls" for o in make_timm_spec(name).presets[0].offered())
