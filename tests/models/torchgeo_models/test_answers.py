"""Known answers of TorchGeo's weights, generated: its own transform and model, or what the authors publish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torchgeo.models
from geofm_answers import as_bytes, between_bytes, column, scene, tensor
from geofm_small import randomized
from numpy.typing import NDArray
from torch import Tensor, nn
from torchgeo.models import get_model

from gairbench import ImageInput, Modality, ModelContext, Preset, Unit
from gairbench.batch import Batch
from gairbench.golden import Golden, GoldenImage
from gairbench.representation import Representation
from gairbench.spec import resolve
from gairbench.testing.known_answers import known_answer_problem
from gairbench_models.torchgeo_models.catalogue import catalogue
from gairbench_models.torchgeo_models.declaration import make_torchgeo_spec

L1C = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
RGB = ("red", "green", "blue")


pytestmark = pytest.mark.usefixtures("one_thread")


def built(name: str, path: Path) -> Any:
    """Save generated weights as the published file has them, and return TorchGeo's model of them."""
    member, model = catalogue()[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if model.startswith("swin"):
            made: Any = get_model(model)
            first = made.features[0][0]
            made.features[0][0] = nn.Conv2d(member.meta["in_chans"], first.out_channels, 4, 4)
        elif model == "earthloc":
            made = get_model(model, in_channels=3, image_size=320, desc_dim=4096, backbone="resnet50", pretrained=False)
        else:
            classes = {"num_classes": 0} if model.startswith("scalemae") else {}
            size = {"img_size": 224} if "dinov2" in model else {}
            made = get_model(model, **({} if classes else {"in_chans": member.meta["in_chans"]}), **classes, **size)
    randomized(made)
    torch.save(made.state_dict(), path)
    return made


def vector(model: Any, images: Tensor) -> NDArray[np.float32]:
    """Return what TorchGeo's model makes of an image before its head."""
    with torch.inference_mode():
        if hasattr(model, "forward_head"):
            found = model.forward_head(model.forward_features(images), pre_logits=True)
        else:
            head, model.head = getattr(model, "head", None), nn.Identity()
            found = model(images)
            model.head = head
        return found[0].flatten().numpy()  # type: ignore[no-any-return]


def problem(name: str, path: Path, answer: Golden, preset: Preset | None = None) -> str:
    """Return what the conformance suite says of a known answer; the preset is what a wrapper declares."""
    spec = make_torchgeo_spec(name)
    context = ModelContext(model=spec.name, preset="default", seed=0, checkpoint=path)
    encoder = resolve(spec.factory)(context).eval()

    def encode(wanted: Representation, batch: Batch) -> Tensor:
        with torch.inference_mode():
            return encoder.encode(batch, wanted)  # type: ignore[no-any-return]

    return known_answer_problem(spec.name, preset or spec.presets[0], answer, encode)


def optical(size: int, names: tuple[str, ...] = L1C) -> tuple[GoldenImage, Tensor]:
    """Return a scene of Sentinel-2 as reflectance, and its digital numbers."""
    digital = 6_000 * scene(len(names), size, seed=1)
    image = GoldenImage(bands=dict(zip(names, digital / 10_000, strict=True)), unit=Unit.REFLECTANCE, gsd_m=10.0)
    return image, tensor(digital)


def radar(size: int) -> tuple[GoldenImage, Tensor]:
    decibels = column([-25, -32]) + 25 * scene(2, size, seed=2)
    bands = dict(zip(("VV", "VH"), 10 ** (decibels / 10), strict=True))
    return GoldenImage(bands=bands, unit=Unit.POWER, gsd_m=10.0), tensor(decibels)


def picture(size: int) -> tuple[GoldenImage, Tensor]:
    shown = (255 * scene(3, size, seed=3)).round()
    return GoldenImage(bands=dict(zip(RGB, shown, strict=True)), unit=Unit.UINT8, gsd_m=1.0), tensor(shown)


@pytest.mark.parametrize(
    ("name", "sample"),
    [
        ("ResNet50_Weights.SENTINEL2_ALL_MOCO", optical(264)),
        ("ResNet50_Weights.SENTINEL1_ALL_DECUR", radar(264)),
        ("ViTSmall16_Weights.SENTINEL2_ALL_DINO", optical(264)),
        ("ViTSmall16_Weights.SENTINEL2_ALL_FGMAE", optical(264)),
        ("ViTSmall14_DINOv2_Weights.SENTINEL2_ALL_SOFTCON", optical(264)),
        ("ResNet50_Weights.SENTINEL2_ALL_CLOSP", optical(224)),
        ("ResNet50_Weights.FMOW_RGB_GASSL", picture(224)),
        ("Swin_V2_T_Weights.SENTINEL2_SI_RGB_SATLAS", picture(256)),
        ("EarthLoc_Weights.SENTINEL2_RESNET50", picture(320)),
    ],
)
def test_the_embedding_is_that_of_torchgeo_s_transform_and_model(
    name: str, sample: tuple[GoldenImage, Tensor], tmp_path: Path
) -> None:
    image, values = sample
    member, _ = catalogue()[name]
    model = built(name, tmp_path / "w.pth")
    expected = vector(model, member.transforms(values.clone()))
    # Resizing adds in another order.
    answer = Golden(name="scene", images={"rs": image}, expected=expected, tolerance=1e-3)
    assert problem(name, tmp_path / "w.pth", answer) == ""


def test_scalemae_is_given_the_ground_sample_distance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "ScaleMAELarge16_Weights.FMOW_RGB"
    member, _ = catalogue()[name]
    whole = torchgeo.models.scale_mae.ScaleMAE

    def smaller(*args: Any, **options: Any) -> Any:
        return whole(*args, **{**options, "depth": 2, "embed_dim": 64, "num_heads": 4})

    with mock.patch.object(torchgeo.models.scale_mae, "ScaleMAE", smaller):
        model = built(name, tmp_path / "w.pth")
        image, values = picture(224)
        model.res = 0.7
        expected = vector(model, member.transforms(values.clone()))
        answer = Golden(name="scene", images={"rs": replace(image, gsd_m=0.7)}, expected=expected)
        assert problem(name, tmp_path / "w.pth", answer) == ""
        assert problem(name, tmp_path / "w.pth", replace(answer, images={"rs": image})) != ""


def test_satlas_takes_digital_numbers_as_its_authors_make_bytes_of_them(tmp_path: Path) -> None:
    """Normalization.md of github.com/allenai/satlas; ESA's true colour image is white at a reflectance of 0.3558."""
    name = "Swin_V2_T_Weights.SENTINEL2_SI_MS_SATLAS"
    names = ("B4", "B3", "B2", "B5", "B6", "B7", "B8", "B11", "B12")
    white = column([3_558] * 3 + [8_160] * 6)
    digital = between_bytes(scene(9, 256, seed=4), 0, white)
    bytes_ = as_bytes(digital, 0, white)
    model = built(name, tmp_path / "w.pth")
    expected = vector(model, tensor(bytes_ / 255))
    image = GoldenImage(bands=dict(zip(names, digital / 10_000, strict=True)), unit=Unit.REFLECTANCE)
    answer = Golden(name="scene", images={"s2": image}, expected=expected)
    assert problem(name, tmp_path / "w.pth", answer) == ""
    # The same as with the true colour image itself.
    true_colour = dict(zip(("B4", "B3", "B2"), bytes_[:3], strict=True))
    mixed = {**true_colour, **dict(zip(names[3:], 32 * bytes_[3:], strict=True))}
    units = dict.fromkeys(true_colour, Unit.UINT8) | dict.fromkeys(names[3:], Unit.S2_DN)
    answer = Golden(name="bytes", images={"rs": GoldenImage(bands=mixed, unit=units)}, expected=expected)
    assert problem(name, tmp_path / "w.pth", answer) == ""


def test_seco_stretches_each_band_by_its_own_quantiles(tmp_path: Path) -> None:
    """datasets/seco_dataset.py of github.com/ServiceNow/seasonal-contrast: QUANTILES by band."""
    name = "ResNet18_Weights.SENTINEL2_RGB_SECO"
    low, high = column([0, 2, 3]) / 255, column([129, 103, 88]) / 255
    reflectance = between_bytes(scene(3, 256, seed=5), low, high)
    stretched = as_bytes(reflectance, low, high) / 255
    values = tensor((stretched - column([0.485, 0.456, 0.406])) / column([0.229, 0.224, 0.225]))
    model = built(name, tmp_path / "w.pth")
    digital = dict(zip(("B4", "B3", "B2"), 10_000 * reflectance, strict=True))
    answer = Golden(
        name="scene",
        images={"rs": GoldenImage(bands=digital, unit=Unit.S2_DN)},
        expected=vector(model, values[..., 16:-16, 16:-16]),
    )
    assert problem(name, tmp_path / "w.pth", answer) == ""


def test_swin_of_street_scenes_takes_photos(tmp_path: Path) -> None:
    name = "Swin_T_Weights.CITYSCAPES_SEMSEG"
    member, _ = catalogue()[name]
    model = built(name, tmp_path / "w.pth")
    shown, values = picture(224)
    expected = vector(model, member.transforms(values / 255))
    photo = replace(shown, modality=Modality.SV, gsd_m=None)
    assert problem(name, tmp_path / "w.pth", Golden(name="photo", images={"sv": photo}, expected=expected)) == ""


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bands": ("B1", "B4", "B3", "B2", *L1C[4:])}, "bands B4 and B2 of 'rs' were declared the other way round"),
        ({"unit": Unit.REFLECTANCE}, "'rs' were in unit s2_dn: the model declares reflectance"),
    ],
)
@pytest.mark.slow  # as test_geofm.py shows of smaller models
def test_what_a_wrapper_declares_wrong_is_named(changes: dict[str, Any], says: str, tmp_path: Path) -> None:
    name = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    member, _ = catalogue()[name]
    image, values = optical(264)
    model = built(name, tmp_path / "w.pth")
    expected = vector(model, member.transforms(values.clone()))
    (rs, whole) = make_torchgeo_spec(name).presets[0].inputs
    assert isinstance(rs, ImageInput)
    preset = replace(make_torchgeo_spec(name).presets[0], inputs=(replace(rs, **changes), whole))
    answer = Golden(name="scene", images={"rs": image}, expected=expected, tolerance=1e-3)
    assert f"right if {says}" in problem(name, tmp_path / "w.pth", answer, preset)
