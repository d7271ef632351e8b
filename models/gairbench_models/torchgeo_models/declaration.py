"""What weights of TorchGeo take, from their ``meta`` and ``transforms``, and from facts that their authors state.

What neither says is refused. A unit follows from the numbers of a transform only where they leave one meaning: values
of Sentinel-2 that are divided by 10,000 are digital numbers, statistics of backscatter below zero are decibels, and 255
is the most of 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torchgeo

from gairbench import RGB, ImageInput, Modality, ModelSpec, Normalization, Preset, TorchGeoWeights, Unit
from gairbench.errors import InputMismatchError, UsageError
from gairbench.representation import Representation
from gairbench.sensors import canonical, same_band
from gairbench_models.corpora import corpora_of
from gairbench_models.timm_models.architecture import outline
from gairbench_models.torchgeo_models.catalogue import find_member
from gairbench_models.torchgeo_models.entries import names_of
from gairbench_models.torchgeo_models.facts import fact_of
from gairbench_models.torchgeo_models.table import ENTRIES
from gairbench_models.torchgeo_models.transform import Scaling, Steps, read_transform

_VERSION = "1"
"""Raise it when embeddings change; TorchGeo's own version stands beside it."""

WHOLE = "-whole"
"""Ends the names of inputs of token grids where the transform cuts the centre out: they are of the whole image, resized
to as many pixels."""

REGISTERED = names_of(ENTRIES.values())
"""The model and preset of weights that need more said than TorchGeo does."""

_TIMM = ("resnet", "vit_")
"""What the names of models begin with that TorchGeo makes by timm."""

_TORCHVISION = ("swin_v2_",)

_LANDSAT = {"LANDSAT_TM": "landsat-5", "LANDSAT_ETM": "landsat-7", "LANDSAT_OLI": "landsat-8"}
"""Sensors of TorchGeo's names, whose bands are those of Earth Engine's collections LT05, LE07 and LC08."""

_COLOURS = {"R": "red", "G": "green", "B": "blue"}

_SHOWN = {"red": "B4", "green": "B3", "blue": "B2"}

_S2_LEAST = 1_000.0
"""Digital numbers with the offset of processing baseline 04.00 are not below it."""

_8BIT = 255.0


def make_torchgeo_spec(rest: str) -> ModelSpec:
    """Return the spec of ``torchgeo:<enum>.<member>``.

    Args:
        rest: As TorchGeo writes it: ``"ResNet18_Weights.SENTINEL2_ALL_MOCO"``.

    Returns:
        The spec, with the transform of the weights as its conversion.

    Raises:
        UsageError: TorchGeo has no such weights, or they are those of a model that is registered.
        InputMismatchError: TorchGeo does not say exactly what they take.
    """
    member, model = find_member(rest)
    if rest in REGISTERED:
        name, size = REGISTERED[rest]
        raise UsageError(
            f"torchgeo:{rest} is the model {name}", f"--model {name}{f' --preset {size}' * (size != 'default')}"
        )
    try:
        declared = declare(member, model)
    except InputMismatchError as error:
        raise InputMismatchError(
            f"torchgeo:{rest} cannot be declared exactly: {error.what}", "write a plugin that says it (docs/plugins.md)"
        ) from error
    meta = member.meta
    licence = meta.get("license") or f"not stated by TorchGeo; see {meta.get('repo', member.url)}"
    preset = replace(declared, weights=TorchGeoWeights(member=rest, licence=licence))
    return ModelSpec(
        name=f"torchgeo:{rest}",
        version=f"{_VERSION}+torchgeo{torchgeo.__version__}",
        factory="gairbench_models.torchgeo_models.encoder:load",
        presets=(preset,),
        description=f"TorchGeo's {model} with its weights {rest}",
        licence=licence,
        citation=meta.get("publication", "https://torchgeo.readthedocs.io/en/stable/api/models.html"),
        trained_on=corpora_of(meta.get("dataset", "")),
    )


def declare(member: Any, model: str) -> Preset:
    """Return what weights take and give.

    Args:
        member: TorchGeo's weights.
        model: TorchGeo's name of their model.

    Raises:
        InputMismatchError: TorchGeo does not say it exactly.
    """
    fact = fact_of(str(member))
    if fact.refused:
        raise InputMismatchError(fact.refused, "")
    channels = member.meta.get("in_chans")
    steps = read_transform(member.transforms, channels or 1)
    if not steps.scalings:
        raise InputMismatchError("its transform has no normalization, so the scale of its values is not stated", "")
    if channels is None:
        raise InputMismatchError("its bands are not stated", "")
    bands = _bands(member, channels)
    if fact.photos:
        return _of_photos(steps)
    if fact.stretch is not None and fact.instead:
        return _centred(model, steps, [partial(fact.stretch.image, bands=bands)])
    units = _units(bands, steps.scalings[0])
    if steps.shifted_frame:
        raise InputMismatchError("its transform frames small images in values that are not zero", "")
    if set(units) == {Unit.UINT8} and _is_picture(bands):
        bands = RGB
    image = _image(bands, units, steps, steps.size)
    if model == "scalemae_large_patch16":
        # The transform resizes nothing, and the model takes one size.
        image = _image(bands, units, steps, member.meta["img_size"])
        return Preset(name="default", inputs=(image,), offers=_grids(model, "rs"), needs=frozenset({"gsd"}))
    if steps.crop is None:
        return Preset(
            name="default", inputs=(image,), offers=(*_grids(model, image.name), *_vectors(model, image.name))
        )
    ways = [partial(_image, bands, units, steps)]
    if fact.stretch is not None:
        ways.append(partial(fact.stretch.image, bands=_measured(bands)))
    return _centred(model, steps, ways)


def _centred(model: str, steps: Steps, ways: Sequence[Callable[..., ImageInput]]) -> Preset:
    """Return what takes the centre of an image for vectors and the whole of it for token grids, in one way or more."""
    inputs: list[ImageInput] = []
    offers: list[Representation] = []
    for name, way in zip(("rs", "s2"), ways, strict=False):
        whole = f"{name}{WHOLE}"
        inputs += [way(name=name, size=steps.size), way(name=whole, size=steps.crop)]
        offers += [*_grids(model, whole), *_vectors(model, name)]
    return Preset(
        name="default",
        inputs=tuple(inputs),
        accepts=tuple((image.name,) for image in inputs),
        offers=tuple(offers),
        description=f"vectors of the centre of {steps.crop} pixels, token grids of the whole image",
    )


def _of_photos(steps: Steps) -> Preset:
    (scaling,) = steps.scalings
    image = ImageInput(
        modality=Modality.SV,
        normalization=Normalization.ZSCORE,
        mean=tuple(_8BIT * mean for mean in scaling.mean),
        std=tuple(_8BIT * std for std in scaling.std),
        interpolation="bilinear",
    )
    return Preset(name="default", inputs=(image,), description="photos of any size, as they are")


def _measured(bands: tuple[str, ...]) -> tuple[str, ...]:
    """Return bands of Sentinel-2 that are shown as colours."""
    return tuple(_SHOWN.get(name, name) for name in bands)


def _image(
    bands: tuple[str, ...], units: tuple[Unit, ...], steps: Steps, size: int | None, name: str = ""
) -> ImageInput:
    scaling = steps.scalings[0]
    for following in steps.scalings[1:]:
        scaling = scaling.then(following)
    return ImageInput(
        modality=Modality.RS,
        name=name,
        bands=bands,
        unit=units[0] if len(set(units)) == 1 else units,
        size=size,
        normalization=Normalization.ZSCORE,
        mean=scaling.mean,
        std=scaling.std,
        interpolation="bilinear",
    )


def _bands(member: Any, channels: int) -> tuple[str, ...]:
    stated = member.meta.get("bands")
    if stated is None:
        if channels != len(RGB):
            raise InputMismatchError("its bands are not stated", "")
        # Its statistics are ImageNet's, of red, green and blue.
        return RGB
    sensor = next((s for key, s in _LANDSAT.items() if member.name.startswith(key)), None)
    if sensor is None and member.name.startswith("LANDSAT"):
        sensor = "landsat-8"
    names = [canonical(f"{sensor}:{name.removeprefix('SR_')}") if sensor else name for name in stated]
    bands = tuple(canonical(_COLOURS.get(name, name)) for name in names)
    if len(set(bands)) != len(bands):
        raise InputMismatchError(f"its bands are those of several images: {', '.join(bands)}", "")
    if "NDVI" in bands:
        raise InputMismatchError("NDVI is computed from two bands, and its scale is not stated", "")
    return bands


def _units(bands: tuple[str, ...], scaling: Scaling) -> tuple[Unit, ...]:
    """Return the unit of each band, as the first normalization leaves no other.

    Raises:
        InputMismatchError: Its numbers do not say it.
    """
    radar = {"VV", "VH"} >= {*bands}
    optical = all(name.startswith("B") for name in bands)
    numbers = list(zip(scaling.mean, scaling.std, strict=True))
    if radar and max(scaling.mean) < 0:
        return (Unit.DB,) * len(bands)
    # Whole numbers do not deviate by less than 1: bands of another scale stand between them.
    if optical and max(scaling.mean) > _8BIT and min(scaling.mean) < _S2_LEAST and min(scaling.std) > 1:
        return (Unit.S2_DN,) * len(bands)
    units = []
    for mean, std in numbers:
        if mean == 0 and std == _8BIT:
            units.append(Unit.UINT8)
        elif mean == 0 and std > _8BIT and optical:
            units.append(Unit.S2_DN)
        else:
            shown = ", ".join(f"({m:g}, {s:g})" for m, s in dict.fromkeys(numbers))
            raise InputMismatchError(
                f"the unit of its values does not follow from their scale: (mean, std) {shown}", ""
            )
    return tuple(units)


def _is_picture(bands: tuple[str, ...]) -> bool:
    return len(bands) == len(RGB) and all(same_band(*pair) for pair in zip(bands, RGB, strict=True))


def _grids(model: str, of: str) -> tuple[Representation, ...]:
    if model.startswith(_TIMM):
        return outline(model).token_grids(of)
    if model.startswith(_TORCHVISION) or model == "scalemae_large_patch16":
        return (Representation("tokens", (of,)),)
    return ()


def _vectors(model: str, of: str) -> tuple[Representation, ...]:
    return outline(model).vectors(of) if model.startswith(_TIMM) else ()
