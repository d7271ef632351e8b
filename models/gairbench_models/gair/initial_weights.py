"""Weights of other models that GAIR's pre-training may start from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gairbench.digests import file_sha256
from gairbench.errors import CheckpointError, UsageError
from gairbench.inputs import Modality
from gairbench.weights.tensors import check_tensors, check_types, read_file, state_dict
from gairbench_models.gair.initial_location_weights import start_location
from gairbench_models.gair.model import Gair
from gairbench_models.gair.released import croma_name

CROMA_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
"""Order of CROMA's optical input (arXiv 2311.00566)."""

TIMM = "timm:"


def apply_starts(
    model: Gair, *, rs: str | None, sv: str | None, location: str | None, bands: Sequence[str]
) -> dict[str, Any]:
    """Give encoders the weights of other models.

    Args:
        model: What to change, in place.
        rs: File of a CROMA checkpoint, whose ``s2_encoder`` is taken, its first layer for ``bands`` alone.
        sv: File of a timm ViT's state dict, or ``timm:<model name>``, which timm may download.
        location: File of GeoCLIP's location encoder, or of SatCLIP; last layers are taken if they have the model's
            width.
        bands: The model's overhead bands, in order.

    Returns:
        For each start its source, the SHA-256 of a file, and the names of tensors that stay as they were
        (``"new"``) or were left aside; JSON types, for the checkpoint's card.

    Raises:
        UsageError: The model has no such encoder or another one, or timm has no such model.
        CheckpointError: A file is broken or does not fit; all that is missing, unexpected or misshapen is listed.
    """
    about: dict[str, Any] = {}
    for name, source, modality in (
        ("rs", rs, Modality.RS),
        ("sv", sv, Modality.SV),
        ("location", location, Modality.LOCATION),
    ):
        if source is None:
            continue
        if modality not in model.config.modalities:
            raise UsageError(f"start.{name}: the model has no {modality} encoder", f"remove --set start.{name}")
        if name == "rs":
            about[name] = _start_rs(model.rs_encoder, source, bands)
        elif name == "sv":
            about[name] = _start_sv(model.sv_encoder.vit, source)
        else:
            about[name] = start_location(model.location_encoder, model.config.location, source)
    return about


def _start_rs(encoder: nn.Module, source: str, bands: Sequence[str]) -> dict[str, Any]:
    path = Path(source)
    found = _optical_encoder(read_file(path), path)
    strange = [band for band in bands if band not in CROMA_BANDS]
    if strange:
        raise UsageError(
            f"CROMA has no band {', '.join(strange)}", f"start it with bands of {', '.join(CROMA_BANDS)} only"
        )
    aside = sorted(name for name in found if name.startswith("transformer.norm_out."))
    found = {name: value for name, value in found.items() if name not in aside}
    ours = encoder.state_dict()
    first = "linear_input.weight"
    width, columns = ours["patch_embed.weight"].shape
    area = columns // len(bands)
    shapes = {croma_name(name): tuple(value.shape) for name, value in ours.items()}
    check_tensors(found, shapes | {first: (width, area * len(CROMA_BANDS))}, path)
    # A patch's features are channel-major: each band is a run of columns.
    kept = torch.cat([torch.arange(area) + CROMA_BANDS.index(band) * area for band in bands])
    found[first] = found[first][:, kept]
    encoder.load_state_dict({name: found[croma_name(name)] for name in ours})
    return {"source": path.name, "sha256": file_sha256(path), "left_aside": aside}


def _optical_encoder(content: Mapping[str, Any], path: Path) -> dict[str, Tensor]:
    """Take CROMA's encoder of Sentinel-2: a state dict of its own, or behind its prefix in that of the whole model."""
    inner = content.get("s2_encoder")
    if isinstance(inner, Mapping):
        return state_dict(inner, path)
    hint = "name a checkpoint of CROMA that holds its optical encoder"
    try:
        whole = state_dict(content, path)
    except CheckpointError as error:
        raise CheckpointError(f"{path} has no 's2_encoder'", hint) from error
    found = {name.removeprefix("s2_encoder."): v for name, v in whole.items() if name.startswith("s2_encoder.")}
    if not found:
        raise CheckpointError(f"{path} has no 's2_encoder'", hint)
    return found


def _start_sv(vit: nn.Module, source: str) -> dict[str, Any]:
    about: dict[str, Any] = {"source": source}
    if source.startswith(TIMM):
        found = _from_timm(source.removeprefix(TIMM))
    else:
        path = Path(source)
        found = state_dict(read_file(path), path)
        about = {"source": path.name, "sha256": file_sha256(path)}
    ours = vit.state_dict()
    aside = sorted(name for name in found if name.partition(".")[0] in {"head", "fc_norm", "pre_logits"})
    found = {name: value for name, value in found.items() if name not in aside}
    check_types({name: value for name, value in found.items() if name in ours}, source)
    if "pos_embed" in found and _other_grid(found["pos_embed"], ours["pos_embed"]):
        from timm.layers.pos_embed import resample_abs_pos_embed

        edge = round((ours["pos_embed"].shape[1] - 1) ** 0.5)
        found["pos_embed"] = resample_abs_pos_embed(found["pos_embed"], [edge, edge])
        about["resampled"] = ["pos_embed"]
    check_tensors(
        found,
        {name: tuple(value.shape) for name, value in ours.items()},
        source,
        "give weights of a ViT of the preset's width, depth and patch size",
    )
    vit.load_state_dict(found)
    return about | {"left_aside": aside, "new": ["pooler"]}


def _other_grid(theirs: Tensor, ours: Tensor) -> bool:
    """Whether position embeddings are of the model's width, for one class token and a square of another size."""
    if theirs.ndim != 3 or theirs.shape == ours.shape or theirs.shape[::2] != ours.shape[::2]:
        return False
    return theirs.shape[1] > 1 and math.isqrt(theirs.shape[1] - 1) ** 2 == theirs.shape[1] - 1


def _from_timm(name: str) -> dict[str, Tensor]:
    import timm

    if not timm.is_model(name.partition(".")[0]):
        raise UsageError(f"timm has no model {name!r}", "timm.list_models('vit*', pretrained=True) lists them")
    try:
        state: dict[str, Tensor] = timm.create_model(name, pretrained=True, num_classes=0).state_dict()
    # timm, its hub client and their HTTP library raise RuntimeError and OSError.
    except (RuntimeError, OSError) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"cannot get timm's {name}: {first}", "check the network, or name a file") from error
    return state
