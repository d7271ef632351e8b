"""How each architecture of TorchGeo is called, and where its tokens are: one function each."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gairbench.batch import Batch, Images
from gairbench.errors import InputMismatchError
from gairbench.inputs import Band, Quantity
from gairbench_models.torchgeo_models.entries import Entry


class Read(NamedTuple):
    """What a model makes of a batch.

    Args:
        vector: Its own ``(batch, dim)``.
        tokens: Where it ends ``(batch, token, dim)``, the class token first where there is one.
        layers: The same of the blocks that were asked for.
    """

    vector: Tensor
    tokens: Tensor
    layers: Mapping[int, Tensor]


Reader = Callable[[Any, Entry, Batch, Sequence[str], Collection[int]], Read]
"""``reader(model, entry, batch, names, layers)``: reads the named images of a batch, normalized."""


@contextmanager
def watched(
    modules: Sequence[nn.Module], numbers: Collection[int], *, before: bool = False
) -> Iterator[dict[int, Any]]:
    """Note what modules return, or with ``before`` what they are called with, by their numbers."""
    seen: dict[int, Any] = {}

    def note(number: int) -> Callable[..., None]:
        def hook(module: nn.Module, arguments: tuple[Any, ...], output: Any = None) -> None:  # noqa: ARG001
            seen[number] = arguments[0] if before else output

        return hook

    with ExitStack() as hooks:
        for number in numbers:
            module = modules[number]
            register = module.register_forward_pre_hook if before else module.register_forward_hook
            hooks.enter_context(register(note(number)))
        yield seen


def channels_nm(entry: Entry, name: str, image: Images) -> list[float]:
    """Return the wavelength of each band of an image in nanometres, or what stands for it.

    Raises:
        InputMismatchError: The model does not know a radar band, or the wavelength of another is not known.
    """
    taken = entry.taken(name)
    stated = dict(zip(taken.image.bands, taken.wavelengths_nm, strict=False))
    return [_number(entry, band, entry.radar.get(band.name), stated, band.wavelength_um) for band in image.bands]


def _bandwidths_nm(entry: Entry, name: str, image: Images) -> list[float]:
    taken = entry.taken(name)
    stated = dict(zip(taken.image.bands, taken.bandwidths_nm, strict=False))
    return [_number(entry, band, entry.radar_bandwidth_nm, stated, band.bandwidth_um) for band in image.bands]


def _number(
    entry: Entry, band: Band, radar: float | None, stated: Mapping[str, float], micrometres: float | None
) -> float:
    """Return what a model is given for a band: of radar, as it was trained, or as the band has it."""
    if band.quantity is Quantity.BACKSCATTER:
        if radar is None:
            raise InputMismatchError(
                f"{entry.name} knows the radar bands {', '.join(entry.radar)}, and not {band.name}",
                "leave it out of the dataset's bands",
            )
        return radar
    if band.name in stated:
        return stated[band.name]
    if micrometres is None:
        raise InputMismatchError(
            f"{entry.name} needs wavelength and bandwidth of all bands, and those of {band.name} are not known",
            "register the sensor with them",
        )
    return micrometres * 1_000


def _read_croma(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:  # noqa: ARG001
    bias, images = model.attn_bias, batch.images
    encoders = {"s2": model.s2_encoder, "s1": model.s1_encoder}
    if len(names) == 1:
        (name,) = names
        encoder = encoders[name]
        with watched(_after_each(encoder.transformer), layers, before=True) as seen:
            tokens: Tensor = encoder(imgs=images[name].values, attn_bias=bias)
        network = {"s2": model.s2_GAP_FFN, "s1": model.s1_GAP_FFN}[name]
        return Read(network(tokens.mean(dim=1)), tokens, seen)
    # Its own forward wants both images always, or fails, by version.
    optical, radar = (encoders[name](imgs=images[name].values, attn_bias=bias) for name in ("s2", "s1"))
    with watched(_after_each(model.joint_encoder), layers, before=True) as seen:
        tokens = model.joint_encoder(x=radar, context=optical, relative_position_bias=bias)
    return Read(tokens.mean(dim=1), tokens, seen)


def _after_each(transformer: Any) -> list[nn.Module]:
    """Return the modules that are called with what each block returns: a block itself is a list of modules."""
    return [*(block[0] for block in transformer.layers[1:]), transformer.norm_out]


def _read_dofa(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:
    (name,) = names
    image, last = batch.images[name], len(model.blocks) - 1
    waves = [wave / 1_000 for wave in channels_nm(entry, name, image)]
    with watched(model.blocks, {*layers, last}) as seen:
        vector = model.forward_features(image.values, waves)
    return Read(vector, seen[last], seen)


def _read_panopticon(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:
    present = [name for name in names if name in batch.images]
    images = torch.cat([batch.images[name].values for name in present], dim=1)
    known = [channel for name in present for channel in channels_nm(entry, name, batch.images[name])]
    # The model writes into them.
    channels = images.new_tensor(known).repeat(len(images), 1)
    network = model.model
    with watched([*network.blocks, network.norm], {*layers, len(network.blocks)}) as seen:
        vector = model({"imgs": images, "chn_ids": channels})
    # As its authors' get_intermediate_layers does.
    return Read(vector, seen[len(network.blocks)], {number: network.norm(seen[number]) for number in layers})


_AREA_KM2 = (1e-3, 5.1e8)
"""Areas of a patch that Copernicus-FM encodes."""

_DEGREES = 1e-4
"""Degrees beside longitude -180 and latitude -90 that it does not encode, unless they are 0."""


def _read_copernicus_fm(model: Any, entry: Entry, batch: Batch, names: Sequence[str], layers: Collection[int]) -> Read:
    (name,) = names
    image, last = batch.images[name], len(model.blocks) - 1
    spectrum = {"wavelengths": channels_nm(entry, name, image), "bandwidths": _bandwidths_nm(entry, name, image)}
    metadata = _metadata(batch, image, image.values.shape[-1] / entry.grid)
    # What one sample of a batch lacks, the model takes from none of them: longitude and latitude lack together.
    kinds = (metadata[:, 1:].isnan() * metadata.new_tensor([1, 2, 4])).sum(dim=1)
    parts: list[Read] = []
    order: list[Tensor] = []
    for kind in torch.unique(kinds):
        rows = (kinds == kind).nonzero()[:, 0]
        with watched(model.blocks, {*layers, last}) as seen:
            vector = model.forward_features(image.values[rows], metadata[rows], **spectrum)
        parts.append(Read(vector, seen[last], seen))
        order.append(rows)
    back = torch.cat(order).argsort()
    return Read(
        torch.cat([part.vector for part in parts])[back],
        torch.cat([part.tokens for part in parts])[back],
        {number: torch.cat([part.layers[number] for part in parts])[back] for number in layers},
    )


def _metadata(batch: Batch, image: Images, patch: float) -> Tensor:
    """Return longitude, latitude, days since 1970-01-01, and km2 of a patch ``(batch, 4)``; NaN where not known."""
    count = len(image.values)
    unknown = torch.full((count,), float("nan"), dtype=torch.float64, device=image.values.device)
    lonlat = torch.stack([unknown, unknown], dim=1) if batch.lonlat is None else batch.lonlat
    # Both or neither is known, and what lies between 0 and the least angle is 0.
    lonlat = torch.where(lonlat.isnan().any(dim=1, keepdim=True), float("nan"), lonlat)
    least = lonlat.new_tensor([-180.0, -90.0])
    lonlat = torch.where(lonlat - least < _DEGREES, least, lonlat)
    dates = unknown if image.dates is None else image.dates
    area = unknown if image.gsd_m is None else (patch * image.gsd_m / 1_000) ** 2
    area = torch.where((area >= _AREA_KM2[0]) & (area <= _AREA_KM2[1]), area, unknown)
    return torch.cat([lonlat, dates[:, None], area[:, None]], dim=1).to(image.values.dtype)


READERS: Mapping[str, Reader] = {
    "croma": _read_croma,
    "dofa": _read_dofa,
    "panopticon": _read_panopticon,
    "copernicus-fm": _read_copernicus_fm,
}
