"""Known answers reveal exchanged bands, units, axes, frames and coordinates, and name what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gairbench import ANY, ImageInput, LocationInput, Modality, ModelContext, ModelSpec, Preset, Unit
from gairbench.batch import Batch
from gairbench.golden import Golden, GoldenImage
from gairbench.representation import LOCATION, Representation
from gairbench.testing.model_checks import check_known_answers
from gairbench.testing.model_declaration_checks import check_factories_can_be_imported

S2 = ImageInput(modality=Modality.RS, name="s2", bands=("B2", "B4", "B8"), unit=Unit.REFLECTANCE, frames=(1, 9), size=4)
S1 = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=4)
TOKENS = Representation("tokens", ("s2", "s1"))


class Model:
    """The mean of each quarter of the image and band, for all frames and for the first; wavelengths; the place."""

    def __init__(self, context: ModelContext) -> None:
        pass

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        if batch.coordinates is not None:
            return self.place(batch.coordinates)
        grid = torch.cat([self.quarters(name, image) for name, image in batch.images.items()], dim=1)
        if wanted.form == "tokens":
            return grid
        parts = [grid.flatten(1)]
        if batch.lonlat is not None:
            parts.append(self.place(batch.lonlat))
        return torch.cat(parts, dim=1)

    def place(self, lonlat: Tensor) -> Tensor:
        return lonlat.float() / 10

    def quarters(self, name: str, image: Any) -> Tensor:
        values = image.values
        if values.ndim == 5:
            values = torch.cat([values.mean(1), values[:, 0]], dim=1)
        return torch.nn.functional.avg_pool2d(values, 2)


def ramp(*levels: float, low: float = 0.0, high: float = 0.1) -> Any:
    """A grid that is the same in no other orientation, once for each level."""
    grid = np.arange(16.0).reshape(4, 4) / 15 * (high - low) + low
    return np.stack([grid + level for level in levels]) if len(levels) > 1 else grid + levels[0]


def quarters(grid: Any) -> Any:
    return grid.reshape(*grid.shape[:-2], 2, 2, 2, 2).mean((-3, -1))


BANDS = {"B8": ramp(0.4, 0.5), "B4": ramp(0.2, 0.1), "B2": ramp(0.05, 0.03)}
SAR = {"VH": ramp(-20.0), "VV": ramp(-12.0)}
S2_IMAGE = GoldenImage(bands={name: 10_000 * values for name, values in BANDS.items()}, unit=Unit.S2_DN)
S1_IMAGE = GoldenImage(bands={name: 10 ** (values / 10) for name, values in SAR.items()}, unit=Unit.POWER)

_SERIES = [BANDS[name] for name in S2.bands]
_GRID = np.stack(
    [quarters(b.mean(0)) for b in _SERIES] + [quarters(b[0]) for b in _SERIES] + [quarters(SAR[b]) for b in S1.bands]
)
PLACE = (12.0, -34.0)

BOTH = Golden(
    name="field",
    images={"s2": S2_IMAGE, "s1": S1_IMAGE},
    lonlat=PLACE,
    expected=np.concatenate([_GRID.ravel(), np.array(PLACE) / 10]),
)
GRID = Golden(name="grid", images={"s2": S2_IMAGE, "s1": S1_IMAGE}, lonlat=PLACE, representation=TOKENS, expected=_GRID)
WHERE = Golden(name="where", lonlat=PLACE, representation=LOCATION, expected=np.array(PLACE[::-1]) / 10)
ALONE = Golden(
    name="radar alone",
    images={"s1": S1_IMAGE},
    lonlat=PLACE,
    expected=np.concatenate([_GRID[-2:].ravel(), np.array(PLACE) / 10]),
)

answers: list[Golden] = []


def golden(model: str, preset: str) -> list[Golden]:
    assert (model, preset) == ("known", "default")
    return answers


PRESET = Preset(
    name="default",
    inputs=(S2, S1, LocationInput(order="latlon")),
    accepts=(("s2", "s1"), ("s1",)),
    offers=(TOKENS,),
    needs=frozenset({"lonlat"}),
)
SPEC = ModelSpec(name="known", version="1", factory=Model, presets=(PRESET,), golden=golden)


@pytest.fixture(autouse=True)
def known() -> Iterator[None]:
    answers[:] = [BOTH, GRID, WHERE, ALONE]
    yield
    answers.clear()


def check(spec: ModelSpec) -> None:
    check_known_answers(spec, spec.presets[0])


def test_bands_in_reverse_order_are_named() -> None:
    four = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4", "B8"), unit=Unit.REFLECTANCE, size=4)
    bands = {name: ramp(level / 10) for level, name in enumerate(four.bands)}
    image = GoldenImage(bands=bands, unit=Unit.REFLECTANCE)
    answers[:] = [
        Golden(name="four", images={"rs": image}, expected=np.stack([quarters(b) for b in bands.values()]).ravel())
    ]
    spec = replace(SPEC, presets=(Preset(name="default", inputs=(four,)),))
    check(spec)
    wrong = replace(four, bands=four.bands[::-1])
    with pytest.raises(AssertionError, match=r"right if the bands of 'rs' were declared in reverse order$"):
        check(replace(spec, presets=(Preset(name="default", inputs=(wrong,)),)))


class Layered:
    """Means of each quarter and band, of every other layer twice as large; the first asked for is the second."""

    def __init__(self, context: ModelContext) -> None:
        pass

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        (image,) = batch.images.values()
        return torch.nn.functional.avg_pool2d(image.values, 2) * (2 - wanted.layers[0])


def test_a_wrong_layer_is_named() -> None:
    image = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=4)
    layers = tuple(Representation("tokens", ("s1",), layers=(number,)) for number in range(2))
    preset = Preset(name="default", inputs=(image,), offers=layers)
    answers[:] = [
        Golden(name="block", images={"s1": S1_IMAGE}, representation=layers[0], expected=_GRID[-2:]),
    ]
    spec = replace(SPEC, factory=Layered, presets=(preset,))
    with pytest.raises(AssertionError, match=r"right if 's1:tokens@0' were what the model returns as 's1:tokens@1'$"):
        check(spec)


def test_a_right_model_gives_its_answers_in_any_order_of_bands_and_coordinates() -> None:
    check(SPEC)


def test_a_model_without_known_answers_is_not_asked() -> None:
    check(replace(SPEC, golden=None))


def test_the_address_of_the_answers_must_lead_somewhere() -> None:
    with pytest.raises(AttributeError, match="nowhere"):
        check_factories_can_be_imported(replace(SPEC, golden="gairbench.golden:nowhere"))


class Transposes(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, replace(image, values=image.values.mT))


class SouthUp(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, replace(image, values=image.values.flip(-2)))


class MirrorsTheRadar(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, replace(image, values=image.values.flip(-1)) if name == "s1" else image)


class GoesBackwards(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, replace(image, values=image.values.flip(1)) if name == "s2" else image)


class ExchangesThePlace(Model):
    def place(self, lonlat: Tensor) -> Tensor:
        return super().place(lonlat.flip(1))


class ExchangesBands(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, replace(image, values=image.values.flip(1)) if name == "s1" else image)


class Scales(Model):
    def quarters(self, name: str, image: Any) -> Tensor:
        return super().quarters(name, image) * 1.001


class Flattens(Model):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        return super().encode(batch, wanted).flatten(1)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Transposes, "field': .*right if rows and columns of 's2' and 's1' were exchanged$"),
        (SouthUp, "'s2' and 's1' were upside down"),
        (MirrorsTheRadar, "right if 's1' were mirrored$"),
        (GoesBackwards, "field': .*right if the images of 's2' were in reverse order"),
        (ExchangesThePlace, "field': .*right if longitude and latitude of the place that the model is given"),
        (ExchangesBands, "field': .*right if bands VV and VH of 's1' were declared the other way round$"),
        (Scales, "field': the embedding differs by 0.00.*, allowed 0.0001; compare bands, units"),
        (Flattens, r"grid': the embedding has shape \(32,\), expected \(8, 2, 2\)"),
    ],
)
def test_what_a_model_does_wrong_is_named(model: type, why: str) -> None:
    with pytest.raises(AssertionError, match=f"^known-default, known answer '.*{why}"):
        check(replace(SPEC, factory=model))


def declaring(old: Any, new: Any, **changes: Any) -> ModelSpec:
    inputs = tuple(new if wanted is old else wanted for wanted in PRESET.inputs)
    return replace(SPEC, presets=(replace(PRESET, inputs=inputs, **changes),))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        (declaring(S1, replace(S1, unit=Unit.POWER)), "'s1' were in unit db: the model declares power"),
        (declaring(S2, replace(S2, unit=Unit.S2_DN)), "'s2' were in unit reflectance: the model declares s2_dn"),
        (declaring(S2, replace(S2, bands=("B4", "B2", "B8"))), "bands B4 and B2 of 's2' were declared the other"),
        (
            declaring(PRESET.inputs[2], LocationInput(order="lonlat")),
            "where': .*right if longitude and latitude were exchanged: the model declares lonlat, and not latlon",
        ),
        (
            declaring(S2, replace(S2, frames=(3, 9))),
            "cannot be fed with it: s2 has 2 frames and the encoder takes 3 to",
        ),
        (declaring(S1, replace(S1, bands=("HH", "HV"))), "cannot be fed with it: the encoder needs band HH, HV"),
    ],
)
def test_what_a_declaration_says_wrong_is_named(spec: ModelSpec, why: str) -> None:
    with pytest.raises(AssertionError, match=why):
        check(spec)


class Spectrum:
    """Reflectance times wavelength, of whatever bands."""

    def __init__(self, context: ModelContext) -> None:
        pass

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        (image,) = batch.images.values()
        waves = torch.tensor([self.wavelength(band) for band in image.bands])
        return (image.values.mean((2, 3)) * waves).sum(1, keepdim=True)

    def wavelength(self, band: Any) -> float:
        return float(band.wavelength_um)


class Nanometres(Spectrum):
    def wavelength(self, band: Any) -> float:
        return float(band.wavelength_um) / 1000


class ByPosition(Spectrum):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        (image,) = batch.images.values()
        return (image.values.mean((2, 3)) * torch.tensor([0.4924, 0.8328])).sum(1, keepdim=True)


class OtherWayRound(Spectrum):
    def wavelength(self, band: Any) -> float:
        return float(0.4924 if band.name == "B8" else 0.8328)


ANY_BANDS = replace(S2, name="rs", bands=ANY, size=None, frames=None)
TWO = GoldenImage(bands={"B2": ramp(0.1), "B8": ramp(0.4)}, unit=Unit.REFLECTANCE)
SPECTRUM = replace(
    SPEC,
    factory=Spectrum,
    presets=(Preset(name="default", inputs=(ANY_BANDS,), needs=frozenset({"wavelengths"})),),
)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Nanometres, "it would be right if wavelengths were in nanometres, and they are in micrometres$"),
        (ByPosition, "right if the data had their bands, and the coordinates, in the order of the answer: it goes by"),
        (OtherWayRound, "right if bands B2 and B8 of 'rs' were exchanged"),
    ],
)
def test_a_model_of_any_bands_goes_by_their_wavelengths(model: type, why: str) -> None:
    answers[:] = [Golden(name="two", images={"rs": TWO}, expected=[0.15 * 0.4924 + 0.45 * 0.8328])]
    check(SPECTRUM)
    with pytest.raises(AssertionError, match=why):
        check(replace(SPECTRUM, factory=model))


def test_a_model_of_any_bands_that_is_given_no_wavelengths_may_go_by_position() -> None:
    answers[:] = [Golden(name="two", images={"rs": TWO}, expected=[0.15 * 0.4924 + 0.45 * 0.8328])]
    check(replace(SPECTRUM, factory=ByPosition, presets=(replace(SPECTRUM.presets[0], needs=frozenset()),)))


def test_a_series_of_pixels_is_a_sample_too() -> None:
    class Pixels(Model):
        def encode(self, batch: Batch, wanted: Representation) -> Tensor:
            image = batch.images["s2"]
            assert image.dates is not None
            return (image.values[..., 0, 0] * image.dates[..., None]).sum(1).float()

    inputs = (replace(S2, size=1),)
    spec = replace(SPEC, factory=Pixels, presets=(Preset(name="default", inputs=inputs, needs=frozenset({"dates"})),))
    series = {"B2": [0.1, 0.2], "B4": [0.3, 0.1], "B8": [0.5, 0.0]}
    pixel = GoldenImage(bands=series, unit=Unit.REFLECTANCE, dates=(100, 200))
    answers[:] = [Golden(name="pixel", images={"s2": pixel}, expected=[50, 50, 50])]
    check(spec)
    answers[:] = [replace(answers[0], images={"s2": replace(pixel, dates=(200, 100))})]
    with pytest.raises(AssertionError, match="right if the images of 's2' were in reverse order"):
        check(spec)


class MeanOfWhatIsThere(Model):
    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        image = batch.images["s2"]
        there = self.there(image)
        return (image.values * there).sum((1, 3, 4)) / there.sum((1, 3, 4))

    def there(self, image: Any) -> Tensor:
        return image.mask  # type: ignore[no-any-return]


class MeanOfWhatIsMissing(MeanOfWhatIsThere):
    def there(self, image: Any) -> Tensor:
        return ~super().there(image)


class TransposedMask(MeanOfWhatIsThere):
    def there(self, image: Any) -> Tensor:
        return super().there(image).mT


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (MeanOfWhatIsThere, ""),
        (MeanOfWhatIsMissing, r"; it would be right if the mask that the model is given were false where a pixel has"),
        (TransposedMask, r"; compare bands, units"),
    ],
)
def test_a_mask_is_part_of_a_sample(model: type, why: str) -> None:
    mask = np.ones((2, 4, 4), dtype=bool)
    mask[0, :3, 1] = mask[1, 0, :2] = False
    preset = Preset(name="default", inputs=(S2,), needs=frozenset({"mask"}))
    held = [BANDS[name][mask].mean() for name in S2.bands]
    answers[:] = [Golden(name="holed", images={"s2": replace(S2_IMAGE, mask=mask)}, expected=held)]
    with pytest.raises(AssertionError, match=why) if why else contextlib.nullcontext():
        check(replace(SPEC, factory=model, presets=(preset,)))


def test_a_sample_without_a_mask_lacks_no_pixel() -> None:
    preset = Preset(name="default", inputs=(S2,), needs=frozenset({"mask"}))
    answers[:] = [Golden(name="whole", images={"s2": S2_IMAGE}, expected=[BANDS[name].mean() for name in S2.bands])]
    check(replace(SPEC, factory=MeanOfWhatIsThere, presets=(preset,)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"images": {}, "lonlat": None}, "neither images nor a place"),
        ({"lonlat": (10.0, 10.0)}, "longitude and latitude are equal"),
        (
            {"images": {"s1": replace(S1_IMAGE, bands={"VV": ramp(1.0), "VH": ramp(1.0)})}},
            "s1: bands VV and VH are equal, so that their exchange would not show",
        ),
        (
            {"images": {"s1": replace(S1_IMAGE, bands={"VV": ramp(1.0) * 0 + 1, "VH": ramp(1.0) * 0 + 2})}},
            "s1: it is symmetric, so that exchanged axes would not show",
        ),
        (
            {"images": {"s2": replace(S2_IMAGE, bands={name: ramp(level, level) for level, name in enumerate(BANDS)})}},
            "s2: the series is the same backwards",
        ),
        (
            {"images": {"s1": replace(S1_IMAGE, bands={"VV": ramp(1.0), "VH": ramp(1.0, 2.0)})}},
            "s1: its bands have no common shape",
        ),
        (
            {"images": {"s1": replace(S1_IMAGE, mask=np.ones((2, 4)))}},
            "s1: its mask has another shape than its bands",
        ),
        ({"images": {"s1": replace(S1_IMAGE, unit={"VV": Unit.POWER})}}, "s1: no unit of band VH"),
        ({"representation": Representation("tokens", ("s1",))}, "it is of s1:tokens, which the preset does not offer"),
        ({"images": {**BOTH.images, "dem": S1_IMAGE}}, "its image dem is not one that the model is fed with"),
        (
            {"images": {"s1": replace(S1_IMAGE, bands=SAR)}},
            "s1: band VH has values -20 to -19.9, which are not in unit",
        ),
    ],
)
def test_an_answer_that_reveals_nothing_or_is_wrong_itself_is_refused(changes: dict[str, Any], why: str) -> None:
    answers[:] = [replace(BOTH, **changes)]
    with pytest.raises(AssertionError, match=f"known answer 'field': .*{why}"):
        check(SPEC)
