"""What a timm model takes, gives and is licensed under, as timm itself states it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, cast

import timm
from timm.models import get_pretrained_cfg, is_model, list_pretrained

from gairbench import ImageInput, Modality, ModelSpec, Normalization, Preset, TimmWeights, Unit
from gairbench.errors import UsageError
from gairbench.selection import unknown
from gairbench_models.timm_models.architecture import outline
from gairbench_models.timm_models.offers import Outline
from gairbench_models.timm_models.packaged import PACKAGED, UNTRAINED, VERSION, make_packaged_spec
from gairbench_models.timm_models.provenance import datasets_of, paper_of

_MOST = 255.0


def make_timm_spec(rest: str) -> ModelSpec:
    """Return the spec of ``timm:<name>[.<tag>]``.

    Args:
        rest: A name of timm's, alone or with the tag of weights.

    Returns:
        Without a tag the untrained architecture, of which weights follow ``--seed``; with one the published weights.
        Of :data:`gairbench_models.timm_models.packaged.PACKAGED`, whose names alone stand for the weights of a
        package, the tag ``untrained`` is the architecture.

    Raises:
        UsageError: timm has no such model or weights, or it takes no square RGB images.
    """
    if rest in PACKAGED:
        return make_packaged_spec(rest)
    name, _, tag = rest.partition(".")
    if not is_model(name):
        raise unknown("timm model", name, timm.list_models())
    if _is_trained(rest) and rest not in list_pretrained(f"{name}.*"):
        tags = [known.partition(".")[2] for known in list_pretrained(f"{name}.*")]
        if not tags:
            raise UsageError(f"timm has no weights of {name}", f"timm:{name} is the untrained architecture")
        raise unknown("weights", tag, tags, of=f"of timm:{name}")
    return _spec(rest, outline(name))


def list_timm() -> Iterator[ModelSpec]:
    """Yield a spec of every architecture and of all weights that timm has, without what they can be read out by."""
    for rest in sorted([*timm.list_models(), *list_pretrained(), *(f"{name}.{UNTRAINED}" for name in PACKAGED)]):
        # Those that take no square RGB images are refused by name, too.
        with suppress(UsageError):
            yield make_packaged_spec(rest) if rest in PACKAGED else _spec(rest, Outline())


def _is_trained(rest: str) -> bool:
    name, _, tag = rest.partition(".")
    return tag != (UNTRAINED if name in PACKAGED else "")


def _spec(rest: str, readable: Outline) -> ModelSpec:
    name, _, tag = rest.partition(".")
    trained = _is_trained(rest)
    # Of an architecture without weights at all timm states what it takes by the architecture alone.
    config: Any = (
        get_pretrained_cfg(rest if trained else name) or timm.create_model(name, pretrained=False).pretrained_cfg
    )
    config = config if isinstance(config, dict) else config.to_dict()
    rs, sv = (_images(modality, rest, config) for modality in (Modality.RS, Modality.SV))
    preset = Preset(
        name="default",
        inputs=(rs, sv),
        offers=(*readable.token_grids(rs.name), *readable.vectors(rs.name), *readable.vectors(sv.name)),
        description="weights of timm" if trained else "untrained weights",
        weights=TimmWeights(tag=rest, licence=_licence(config)) if trained else None,
    )
    what = f"weights {tag!r}" if trained else "untrained, random weights"
    notes = "".join(f"; timm notes: {note}" for note in config.get("notes") or () if trained)
    return ModelSpec(
        name=f"timm:{rest}",
        version=VERSION,
        factory="gairbench_models.timm_models.encoder:load",
        presets=(preset,),
        seeded=not trained,
        description=f"timm's {name}, {what}; of other bands through a dataset's rendering{notes}",
        licence=_licence(config) if trained else "Apache-2.0",
        citation=config.get("paper_ids")
        or config.get("origin_url")
        or paper_of(rest)
        or "https://github.com/huggingface/pytorch-image-models",
        trained_on=datasets_of(tag) if trained else frozenset(),
    )


def _images(modality: Modality, rest: str, config: dict[str, Any]) -> ImageInput:
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise UsageError(
            f"timm:{rest} takes {channels} bands of {height} x {width} pixels", "choose a model of square RGB images"
        )
    if config["interpolation"] not in {"bilinear", "bicubic"}:
        raise UsageError(
            f"timm:{rest} was trained with interpolation {config['interpolation']!r}", "choose another model"
        )
    return ImageInput(
        modality=modality,
        unit=Unit.UINT8,
        size=height,
        normalization=Normalization.ZSCORE,
        # timm's statistics are of values 0 to 1.
        mean=tuple(value * _MOST for value in config["mean"]),
        std=tuple(value * _MOST for value in config["std"]),
        interpolation=cast(Literal["bilinear", "bicubic"], config["interpolation"]),
    )


def _licence(config: dict[str, Any]) -> str:
    return config.get("license") or "not stated by timm"
