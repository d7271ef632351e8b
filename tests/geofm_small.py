"""Geo-foundation models through TorchGeo's constructors with generated weights, at four blocks or at full size.

Their files have the layout of the published ones, which the constructors load strictly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import timm
import torch
import torchgeo.models
from torch import Tensor, nn

from gairbench import FileWeights, ModelContext, ModelSpec
from gairbench_models.torchgeo_models.entries import Entry, make_geofm_spec
from gairbench_models.torchgeo_models.geofm import GeoFM, build_geofm
from gairbench_models.torchgeo_models.table import ENTRIES

DEPTH = 4
WIDTH = 48
_BLOCKS = {"depth": DEPTH, "embed_dim": WIDTH, "num_heads": 4}


@contextmanager
def _smaller(module: Any, attribute: str, **changes: int) -> Iterator[None]:
    """Let a constructor of TorchGeo build fewer and narrower blocks."""
    whole = getattr(module, attribute)
    with mock.patch.object(module, attribute, lambda *args, **options: whole(*args, **{**options, **changes})):
        yield


def croma(**options: Any) -> nn.Module:
    with _smaller(torchgeo.models.croma, "CROMA", encoder_depth=DEPTH, encoder_dim=64):
        return torchgeo.models.croma_base(**options)


def dofa(**options: Any) -> nn.Module:
    with _smaller(torchgeo.models.dofa, "DOFA", **_BLOCKS):
        return torchgeo.models.dofa_base_patch16_224(**options)


def panopticon(**options: Any) -> nn.Module:
    with _smaller(timm, "create_model", **_BLOCKS):
        return torchgeo.models.panopticon_vitb14(attn_dim=96, embed_dim=WIDTH, **options)


def copernicus_fm(**options: Any) -> nn.Module:
    with _smaller(torchgeo.models.copernicusfm, "CopernicusFM", **_BLOCKS):
        return torchgeo.models.copernicusfm_base(**options)


def _reduced(entry: Entry) -> Entry:
    constructor = f"geofm_small:{entry.name.replace('-', '_')}"
    return replace(entry, sizes=(replace(entry.sizes[0], constructor=constructor, depth=DEPTH),))


def _of_few_pixels(entry: Entry) -> Entry:
    argument, edge = EDGES[entry.name]
    pixels = entry.inputs[0].image.size
    assert pixels is not None
    return replace(
        entry,
        inputs=tuple(replace(taken, image=replace(taken.image, size=edge)) for taken in entry.inputs),
        grid=entry.grid * edge // pixels,
        arguments={**entry.arguments, argument: edge},
    )


EDGES = {
    "croma": ("image_size", 48),
    "dofa": ("img_size", 64),
    "panopticon": ("img_size", 56),
    "copernicus-fm": ("img_size", 64),
}
"""How each constructor calls the size of images, and a small one."""

SMALL = {name: _reduced(entry) for name, entry in ENTRIES.items()}
TINY = {name: _of_few_pixels(entry) for name, entry in SMALL.items()}


def load(context: ModelContext) -> GeoFM:
    """Build a model at four blocks; the factory of :func:`small_spec`."""
    return _loaded(SMALL[context.model], context)


def load_tiny(context: ModelContext) -> GeoFM:
    """Build a model at four blocks for few pixels; the factory of :func:`tiny_spec`."""
    return _loaded(TINY[context.model], context)


def _loaded(entry: Entry, context: ModelContext) -> GeoFM:
    assert context.checkpoint is not None
    return build_geofm(entry, entry.size(context.preset), context.checkpoint)


def small_spec(name: str, folder: Path) -> ModelSpec:
    """Return a spec at four blocks, with generated weights in a file, and with known answers."""
    return replace(_spec(SMALL[name], folder, "load"), golden="geofm_answers:answers")


def tiny_spec(name: str, folder: Path) -> ModelSpec:
    """Return a spec at four blocks for images of few pixels, with generated weights in a file."""
    return _spec(TINY[name], folder, "load_tiny")


def _spec(entry: Entry, folder: Path, factory: str) -> ModelSpec:
    path = folder / f"{entry.name}-{factory}.pth"
    if not path.exists():
        torch.save(published(entry.name, randomized(untrained(entry))), path)
    spec = make_geofm_spec(entry)
    preset = replace(spec.presets[0], weights=FileWeights(path=path))
    return replace(spec, factory=f"geofm_small:{factory}", presets=(preset,))


def untrained(entry: Entry, number: int = 0) -> nn.Module:
    """Return TorchGeo's model of a size of an entry."""
    module, _, attribute = entry.sizes[number].constructor.partition(":")
    constructor = globals()[attribute] if module == "geofm_small" else getattr(torchgeo.models, attribute)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: nn.Module = constructor(**entry.arguments)
    return model


def randomized(model: nn.Module, seed: int = 0) -> nn.Module:
    """Move every parameter, those that begin as zeros among them, so that each of them counts."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # Norms that the published files lack stay what their constructors make of them.
            if "fc_norm" not in name:
                parameter.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def published(name: str, model: Any) -> dict[str, Any]:
    """Return the weights of a model in the layout of the published file."""
    if name == "croma":
        parts = ("s1_encoder", "s1_GAP_FFN", "s2_encoder", "s2_GAP_FFN", "joint_encoder")
        return {part: getattr(model, part).state_dict() for part in parts}
    if name == "panopticon":
        state: dict[str, Tensor] = model.model.state_dict()
        # Positions of 37 x 37 patches, from which TorchGeo makes those of 16 x 16, and the token of its pre-training.
        width = state["pos_embed"].shape[-1]
        generator = torch.Generator().manual_seed(1)
        positions = torch.randn(1, 1 + 37**2, width, generator=generator)
        return {**state, "pos_embed": positions, "mask_token": torch.zeros(1, width)}
    return {key: value for key, value in model.state_dict().items() if not key.startswith("fc_norm.")}


@partial(torch.no_grad())
def reference(name: str) -> Any:
    """Return TorchGeo's own model at four blocks with the weights of :func:`small_spec`'s file."""
    model: Any = randomized(untrained(SMALL[name]))
    if name == "panopticon":
        positions = published(name, model)["pos_embed"]
        model.model.pos_embed.copy_(torchgeo.models.copernicusfm.resize_abs_pos_embed(positions, 16, 37))
    return model
