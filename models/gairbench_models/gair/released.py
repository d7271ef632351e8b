"""The key layout of the released checkpoint (``PingL/GAIR``, ``checkpoint.pth``), turned into ours."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.weights.tensors import check_tensors, read_file, state_dict
from gairbench_models.gair.presets import PRESETS, RELEASED_PRESET
from gairbench_models.geoclip.encoder import capsule_name

if TYPE_CHECKING:
    from torch import Tensor

UNUSED = (
    "rs_encoder.layer_norm.*",
    "rs_encoder.head.*",
    "rs_encoder.s2_encoder.transformer.norm_out.*",
    "radar_proj.*",
    "location_proj.*",
    "logit_scale",
    "queue_for_location",
    "queue_ptr_location",
    "nerf_fn.*",
    "query_feature",
    "rs_patch_pos_encoding",
)
"""Keys that the published embeddings do not depend on."""

CROMA_LAYER = {
    "norm1": "0.input_norm",
    "attn.qkv": "0.to_qkv",
    "attn.proj": "0.to_out",
    "norm2": "1.input_norm",
    "mlp.fc1": "1.net.0",
    "mlp.fc2": "1.net.3",
}
"""Parts of a block of our RS encoder and of CROMA's."""

_SV_LAYER = {
    "norm1": "layernorm_before",
    "attn.proj": "attention.output.dense",
    "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}
_RENAMED = {
    r"sv_encoder\.vit\.cls_token": "sv_encoder.embeddings.cls_token",
    r"sv_encoder\.vit\.pos_embed": "sv_encoder.embeddings.position_embeddings",
    r"sv_encoder\.vit\.patch_embed\.proj\.": "sv_encoder.embeddings.patch_embeddings.projection.",
    r"sv_encoder\.vit\.norm\.": "sv_encoder.layernorm.",
    r"sv_encoder\.pooler\.": "sv_encoder.pooler.dense.",
    r"sv_projection\.": "optical_proj.",
}


def load_released(path: Path) -> dict[str, Tensor]:
    """Read the released checkpoint, or one of the same layout, and name its tensors as ours are.

    Args:
        path: What ``torch.save`` wrote (the state dict, or ``{"model": state dict}``, names with or without the prefix
            ``module.``), or a ``.safetensors`` file of the same names. Nothing in it is run (``weights_only=True``).

    Returns:
        The state dict of a :class:`gairbench_models.gair.model.Gair` of preset ``base``, float32.

    Raises:
        CheckpointError: It is not a checkpoint, or its tensors are not exactly the released ones.
    """
    return convert_released(state_dict(read_file(path), path), path)


def convert_released(state: Mapping[str, Tensor], source: Path) -> dict[str, Tensor]:
    """Rename, stack and reshape; every encoder tensor is consumed exactly once.

    Args:
        state: The released layout, without ``module.`` prefix.
        source: Where it is from, for messages.

    Returns:
        The state dict of preset ``base``, float32.

    Raises:
        CheckpointError: Tensors are missing, left over or misshapen; the message names them all.
    """
    import torch

    from gairbench_models.gair.model import Gair

    with torch.device("meta"):
        model = Gair(PRESETS[RELEASED_PRESET].config)
    ours = {name: value.shape for name, value in model.state_dict().items() if not name.startswith("localizer.")}
    dim = model.config.dim
    expected: dict[str, tuple[int, ...]] = {"imnet.weight": (dim, 9 * dim + 2), "imnet.bias": (dim,)}
    for name, shape in ours.items():
        names = released_names(name)
        expected |= dict.fromkeys(names, (shape[0] // len(names), *shape[1:]))

    aside = {key: pattern for key in state for pattern in UNUSED if fnmatch(key, pattern)}
    check_tensors(
        {key: value for key, value in state.items() if key not in aside},
        expected,
        source,
        "give the released checkpoint.pth of PingL/GAIR, or a whole checkpoint of its layout",
    )
    if aside:
        logging.getLogger(__name__).warning(
            "%s: left aside, as no embedding depends on them: %s", source, ", ".join(sorted(set(aside.values())))
        )
    converted = {
        name: torch.cat([state[key].float() for key in keys]) if len(keys := released_names(name)) > 1
        else state[keys[0]].float()
        for name in ours
    }  # fmt: skip
    # One linear layer on [3x3 neighbourhood as torch's unfold orders it, offset] is a convolution and a linear layer.
    shared = state["imnet.weight"].float()
    converted["localizer.neighbourhood.weight"] = shared[:, : 9 * dim].reshape(dim, dim, 3, 3)
    converted["localizer.neighbourhood.bias"] = state["imnet.bias"].float()
    converted["localizer.offset.weight"] = shared[:, 9 * dim :]
    return converted


def croma_name(ours: str) -> str:
    """Return CROMA's name of a tensor of our RS encoder, both without their encoder's prefix."""
    layer = re.fullmatch(r"blocks\.(\d+)\.(.+)\.(weight|bias)", ours)
    if layer:
        return f"transformer.layers.{layer[1]}.{CROMA_LAYER[layer[2]]}.{layer[3]}"
    return ours.replace("patch_embed.", "linear_input.")


def released_names(ours: str) -> list[str]:
    """Return the released names of one of our tensors, several where ours stacks them."""
    encoder, _, rest = ours.partition(".")
    if encoder == "rs_encoder":
        return [f"rs_encoder.s2_encoder.{croma_name(rest)}"]
    if encoder == "location_encoder":
        return [f"location_encoder.{capsule_name(rest)}"]
    layer = re.fullmatch(r"sv_encoder\.vit\.blocks\.(\d+)\.(.+)\.(weight|bias)", ours)
    if layer:
        start = f"sv_encoder.encoder.layer.{layer[1]}."
        if layer[2] == "attn.qkv":
            return [f"{start}attention.attention.{part}.{layer[3]}" for part in ("query", "key", "value")]
        return [f"{start}{_SV_LAYER[layer[2]]}.{layer[3]}"]
    for pattern, name in _RENAMED.items():
        if re.match(pattern, ours):
            return [re.sub(pattern, name, ours)]
    raise KeyError(ours)
