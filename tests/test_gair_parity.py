"""Preset ``base`` computes what the public implementation computes."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from gairbench.tiles import relative_position
from gairbench_models.gair.localization import Sampled
from gairbench_models.gair.model import Gair
from gairbench_models.gair.presets import PRESETS
from gairbench_models.gair.rs_encoder import alibi_bias

TOLERANCE = 2e-4

RS_LAYER = {
    "norm1": "0.input_norm",
    "attn.qkv": "0.to_qkv",
    "attn.proj": "0.to_out",
    "norm2": "1.input_norm",
    "mlp.fc1": "1.net.0",
    "mlp.fc2": "1.net.3",
}
SV_LAYER = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
RENAMED = {
    r"rs_encoder\.patch_embed\.": "rs_encoder.s2_encoder.linear_input.",
    r"sv_encoder\.vit\.cls_token": "sv_encoder.embeddings.cls_token",
    r"sv_encoder\.vit\.pos_embed": "sv_encoder.embeddings.position_embeddings",
    r"sv_encoder\.vit\.patch_embed\.proj\.": "sv_encoder.embeddings.patch_embeddings.projection.",
    r"sv_encoder\.vit\.norm\.": "sv_encoder.layernorm.",
    r"sv_encoder\.pooler\.": "sv_encoder.pooler.dense.",
    r"sv_projection\.": "optical_proj.",
    r"location_encoder\.capsules\.(\d)\.frequency": r"location_encoder.LocEnc\1.capsule.0.b",
    r"location_encoder\.capsules\.(\d)\.head\.": r"location_encoder.LocEnc\1.head.0.",
}


def published(ours: str) -> list[str]:
    """Return the published names of one of our tensors, several where ours stacks them."""
    layer = re.fullmatch(r"(rs|sv)_encoder\.(?:vit\.)?blocks\.(\d+)\.(.+)\.(weight|bias)", ours)
    if layer and layer[1] == "rs":
        return [f"rs_encoder.s2_encoder.transformer.layers.{layer[2]}.{RS_LAYER[layer[3]]}.{layer[4]}"]
    if layer:
        start = f"sv_encoder.encoder.layer.{layer[2]}."
        if layer[3] == "attn.qkv":
            return [f"{start}attention.attention.{part}.{layer[4]}" for part in ("query", "key", "value")]
        return [f"{start}{SV_LAYER[layer[3]]}.{layer[4]}"]
    if hidden := re.fullmatch(r"location_encoder\.capsules\.(\d)\.hidden\.(\d)\.(.+)", ours):
        return [f"location_encoder.LocEnc{hidden[1]}.capsule.{int(hidden[2]) + 1}.{hidden[3]}"]
    for pattern, name in RENAMED.items():
        if re.match(pattern, ours):
            return [re.sub(pattern, name, ours)]
    raise KeyError(ours)


def drawn(key: str, shape: tuple[int, ...]) -> Tensor:
    """Draw a tensor by the rule that the reference was made with."""
    values = np.random.RandomState(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    if capsule := re.fullmatch(r"location_encoder\.LocEnc(\d)\.capsule\.0\.b", key):
        values *= (1, 16, 256)[int(capsule[1])]
    elif key.endswith(("norm.weight", "norm_out.weight", "layer_norm.weight")) or re.search(r"layernorm.*weight$", key):
        values = 1 + 0.1 * values
    elif len(shape) >= 2 and not key.endswith(("position_embeddings", "cls_token")):
        values /= np.sqrt(np.prod(shape[1:]))
    else:
        values *= 0.02
    return torch.from_numpy(values.astype(np.float32))


def reference_model() -> Gair:
    with torch.device("meta"):
        model = Gair(PRESETS["base"].config)
    weights: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not name.startswith("localizer."):
            sources = published(name)
            shape = (value.shape[0] // len(sources), *value.shape[1:])
            weights[name] = torch.cat([drawn(source, shape) for source in sources])
    shared_layer = drawn("imnet.weight", (768, 768 * 9 + 2))
    weights["localizer.neighbourhood.weight"] = shared_layer[:, : 768 * 9].reshape(768, 768, 3, 3)
    weights["localizer.neighbourhood.bias"] = drawn("imnet.bias", (768,))
    weights["localizer.offset.weight"] = shared_layer[:, 768 * 9 :]
    model.load_state_dict(weights, assign=True)
    # The attention bias is no weight: it is computed, which the meta device does not do.
    model.rs_encoder.bias = alibi_bias(12, 12, heads=16)
    return model.eval()


def test_base_agrees_with_the_public_implementation(shared: Path) -> None:
    file = shared / "parity" / "gair_reference.npz"
    if not file.is_file():
        pytest.skip(f"no numerical reference at {file}")
    with np.load(file, allow_pickle=False) as archive:
        reference = {name: archive[name] for name in archive.files}
    n, generator = int(reference["n"]), np.random.RandomState(int(reference["seed"]))
    rs = torch.from_numpy(generator.uniform(0, 1, (n, 10, 96, 96)).astype(np.float32))
    sv = torch.from_numpy(generator.standard_normal((n, 3, 224, 224)).astype(np.float32))
    lonlat, bbox = torch.from_numpy(reference["coords"]), torch.from_numpy(reference["bbox"])

    model = reference_model()
    with torch.inference_mode():
        tokens = model.encode_rs_tokens(rs)
        position = relative_position(lonlat, bbox)
        found = {
            "rs": model.encode_rs(rs),
            "sv": model.encode_sv(sv),
            "proj_sv": model.project_sv(sv),
            "location": model.encode_location(lonlat),
            "localized_nili": model.query_rs(rs, lonlat, bbox),
            "localized_bilinear": Sampled("bilinear")(tokens, position),
            "localized_bicubic": Sampled("bicubic")(tokens, position),
            "rs_tokens_first": tokens[:1].flatten(2).transpose(1, 2),
        }
    difference = {name: float(np.abs(value.numpy() - reference[name]).max()) for name, value in found.items()}
    assert {name: value for name, value in difference.items() if not value <= TOLERANCE} == {}
