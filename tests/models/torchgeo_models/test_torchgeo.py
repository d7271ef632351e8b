"""TorchGeo's weights by name: a declaration that does what their transform does, or a refusal with its reason."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import torchvision.transforms
import torchvision.transforms.v2 as transforms
from rasterio.transform import from_origin
from torch import Tensor, nn
from torchgeo.models import ScaleMAE, get_model
from torchgeo_layouts import SINCE_0_10
from typer.testing import CliRunner

from gairbench import RGB, ImageInput, Modality, ModelContext, Preset, Unit
from gairbench.batch import Batch
from gairbench.cli import app
from gairbench.errors import CheckpointError, InputMismatchError, UsageError
from gairbench.feeding import feed_for
from gairbench.published import TorchGeoWeights
from gairbench.representation import Representation
from gairbench.spec import resolve
from gairbench.testing.declarations import require_inputs, require_model_name, require_value_object
from gairbench.weights.catalogues import ListedFile
from gairbench.weights.sources import find_file
from gairbench.weights.torchhub import torch_hub_file
from gairbench_models.torchgeo_models.catalogue import catalogue
from gairbench_models.torchgeo_models.declaration import REGISTERED, WHOLE, declare, make_torchgeo_spec
from gairbench_models.torchgeo_models.encoder import TorchGeoEncoder, WeightsFile, load
from gairbench_models.torchgeo_models.transform import read_transform

NO_SCALE = "its transform has no normalization, so the scale of its values is not stated"
NO_UNIT = "the unit of its values does not follow from their scale"
REFUSED = {
    r"Aurora_Weights\.\w+": "it forecasts states of the atmosphere, and takes no images",
    r"(ResNet50|ViTSmall16|ViTLarge16)_Weights\.SENTINEL1_GRD_(GEO)?CLOSP": "its radar images were mixed from four",
    r"Swin_V2_B_Weights\.LANDSAT_(MI|SI)_SATLAS": "it takes digital numbers of Landsat Level-1, whose reflectance",
    r"ResNet50_Weights\.SENTINEL2_ALL_NDVI_SECO_ECO": "NDVI is computed from two bands, and its scale is not stated",
    r"Unet_Weights\.\w+": "a U-Net segments and has no embedding",
}
"""Members that cannot be declared exactly, and what is missing."""

if SINCE_0_10:
    REFUSED |= {
        r"DEO_Weights\.DEO_SWIN": NO_UNIT,
        r"OlmoEarthV1_Weights\.\w+": NO_SCALE,
        r"Presto_Weights\.PRESTO": NO_SCALE,
        r"SatCLIP_Weights\.\w+": NO_SCALE,
        r"Tessera_Weights\.\w+": "its transform has a step that is not known",
    }


STRETCHED = r"ResNet(18|50)_Weights\.SENTINEL2_RGB_SECO"
"""Members whose values are not what TorchGeo's transform says."""


def preset_of(name: str) -> Preset:
    return declare(*catalogue()[name])


def refusal(name: str) -> str | None:
    found = [reason for pattern, reason in REFUSED.items() if re.fullmatch(pattern, name)]
    return found[0] if found else None


DECLARED = sorted(name for name in catalogue() if refusal(name) is None and name not in REGISTERED)
TURNED = [
    name for name in DECLARED if not re.fullmatch(STRETCHED, name) and preset_of(name).inputs[0].modality is Modality.RS
]


def families() -> list[str]:
    """Return one member of each kind of bands and transform."""
    found: dict[tuple[str, str], str] = {}
    for name in TURNED:
        member, model = catalogue()[name]
        kind = "scalemae" if model.startswith("scalemae") else re.sub(r"\d+|_.*", "", model)
        found.setdefault((f"{member.meta.get('bands')}{member.transforms}", kind), name)
    return sorted(found.values())


FAMILIES = families()


def rs(preset: Preset) -> ImageInput:
    found = preset.input("rs")
    assert isinstance(found, ImageInput)
    return found


def file_values(image: ImageInput, edge: int, count: int = 2) -> Tensor:
    """Return random values as files hold them, in the declared units."""
    generator = torch.Generator().manual_seed(0)
    ranges = {Unit.UINT8: (0, 255), Unit.S2_DN: (0, 9_000), Unit.DB: (-30, 5)}
    bands = []
    for unit in image.units():
        least, most = ranges[unit]
        values = torch.rand(count, edge, edge, generator=generator) * (most - least) + least
        bands.append(values if unit is Unit.DB else values.round())
    return torch.stack(bands, dim=1)


def fed(preset: Preset, wanted: Representation, values: Tensor, **more: object) -> Batch:
    """Return what the runner feeds the encoder with for images of a dataset."""
    image = rs(preset)
    delivered = ImageInput(modality=Modality.RS, bands=image.bands, unit=image.unit, size=values.shape[-1], gsd_m=10.0)
    delivered = replace(delivered, **more)  # type: ignore[arg-type]
    feed = feed_for(preset, wanted, [delivered], [delivered])
    return feed.batch([{"image": value} for value in values])


class Flat(nn.Module):
    """A model whose vector is its input, thinned out."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, :, ::5, ::7].flatten(1)


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(catalogue()))
def test_every_member_is_declared_or_refused_with_the_reason(name: str) -> None:
    reason = refusal(name)
    if name in REGISTERED:
        model, preset = REGISTERED[name]
        with pytest.raises(UsageError, match=rf"is the model {model}; --model {model}( --preset {preset})?"):
            make_torchgeo_spec(name)
        return
    if reason is not None:
        with pytest.raises(InputMismatchError) as caught:
            make_torchgeo_spec(name)
        assert f"torchgeo:{name} cannot be declared exactly: {reason}" in str(caught.value)
        return
    spec = make_torchgeo_spec(name)
    require_model_name(spec.name)
    require_value_object(spec)
    require_inputs(spec.presets[0].inputs, name, encoder=True)
    assert spec.presets[0].weights == TorchGeoWeights(member=name, licence=spec.licence)
    assert spec.licence
    assert spec.citation
    member, _ = catalogue()[name]
    image = spec.presets[0].inputs[0]
    assert isinstance(image, ImageInput)
    assert len(image.bands) == member.meta["in_chans"]


def test_no_refusal_is_left_over() -> None:
    for pattern in REFUSED:
        assert any(re.fullmatch(pattern, name) for name in catalogue()), pattern
    assert len(DECLARED) > 0.7 * len(catalogue()) - 20 * SINCE_0_10


def test_an_unknown_member_names_near_ones() -> None:
    with pytest.raises(UsageError, match=r"did you mean ResNet18_Weights\.SENTINEL2_ALL_MOCO"):
        make_torchgeo_spec("ResNet18_Weights.SENTINEL2_ALL_MOKO")


@pytest.mark.parametrize(
    ("name", "bands", "unit", "size"),
    [
        ("ResNet18_Weights.SENTINEL2_RGB_MOCO", ("B4", "B3", "B2"), Unit.S2_DN, 256),
        ("ViTSmall16_Weights.SENTINEL1_GRD_MAE", ("VV", "VH"), Unit.DB, 256),
        ("Swin_V2_T_Weights.SENTINEL2_SI_RGB_SATLAS", RGB, Unit.UINT8, None),
        ("ResNet50_Weights.FMOW_RGB_GASSL", RGB, Unit.UINT8, 224),
        ("EarthLoc_Weights.SENTINEL2_RESNET50", RGB, Unit.UINT8, 320),
    ],
)
def test_bands_units_and_sizes_are_as_published(
    name: str, bands: tuple[str, ...], unit: Unit, size: int | None
) -> None:
    image = rs(preset_of(name))
    assert (image.bands, image.unit, image.size) == (bands, unit, size)


def test_bands_of_landsat_are_those_of_their_satellite() -> None:
    image = rs(preset_of("ResNet18_Weights.LANDSAT_ETM_SR_MOCO"))
    assert image.bands == tuple(f"landsat-7:B{n}" for n in (1, 2, 3, 4, 5, 7))
    assert rs(preset_of("ViTSmall16_Weights.LANDSAT_OLI_SR_MOCO")).bands[-1] == "landsat-8:B7"


def test_bands_of_one_member_may_have_different_units() -> None:
    image = rs(preset_of("Swin_V2_B_Weights.SENTINEL2_SI_MS_SATLAS"))
    assert image.bands[:4] == ("B4", "B3", "B2", "B5")
    assert image.units()[2:4] == (Unit.UINT8, Unit.S2_DN)


# --- transforms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edge", [64, 224, 300])
@pytest.mark.parametrize("name", FAMILIES)
def test_conversion_and_model_equal_torchgeo_s_transform_and_model(name: str, edge: int) -> None:
    member, model = catalogue()[name]
    preset = preset_of(name)
    image = rs(preset)
    if model.startswith("scalemae"):
        # Its transform leaves images as large as they are, and the model takes one size.
        edge = 224
    values = file_values(image, edge)
    crop = read_transform(member.transforms, len(image.bands)).crop
    wanted = Representation("pooled", ("rs",))
    batch = fed(preset, wanted, values)
    # The ground sample distance is the model's matter, see below.
    batch = replace(batch, images={"rs": replace(batch.images["rs"], gsd_m=None)})
    found = TorchGeoEncoder(Flat(), crop).encode(batch, wanted)
    expected = Flat()(member.transforms(values.clone()))
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)


def test_other_units_of_the_same_quantity_give_the_same() -> None:
    preset = preset_of("ResNet18_Weights.SENTINEL2_ALL_MOCO")
    wanted = Representation("pooled", ("rs",))
    digital = file_values(rs(preset), 64)
    expected = fed(preset, wanted, digital).images["rs"].values
    for unit, values in ((Unit.REFLECTANCE, digital / 10_000), (Unit.S2_DN_OFFSET, digital + 1_000)):
        found = fed(preset, wanted, values, unit=unit).images["rs"].values
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_token_grids_are_of_the_whole_image_where_the_transform_cuts_the_centre_out() -> None:
    preset = preset_of("ResNet18_Weights.SENTINEL2_ALL_MOCO")
    grids = [offer for offer in preset.offers if offer.form == "tokens"]
    whole = f"rs{WHOLE}"
    assert grids == [Representation("tokens", (whole,)), *(Representation("tokens", (whole,), (n,)) for n in range(5))]
    # Vectors of layers are of the centre, as the model's own is.
    assert {offer.of for offer in preset.offers if offer.form == "pooled"} == {("rs",)}
    values = file_values(rs(preset), 64)
    values[..., :2, :] = 60_000  # the northern edge, which the centre has not
    batch = fed(preset, preset.offers[0], values)
    model: Any = get_model("resnet18", in_chans=13, num_classes=0)
    encoder = TorchGeoEncoder(model, 224).eval()
    with torch.inference_mode():
        grid = encoder.encode(batch, preset.offers[0])
    assert grid.shape == (2, 512, 7, 7)
    assert batch.images[whole].values[..., 0, :].min() > 5


@pytest.mark.parametrize(
    "step", ["RandomHorizontalFlip()", "CenterCrop((224, 200))", "Resize((9, 9), antialias=False)"]
)
def test_steps_that_cannot_be_said_are_refused(step: str) -> None:

    with pytest.raises(InputMismatchError):
        read_transform(nn.Sequential(eval(f"transforms.{step}", {"transforms": transforms})), 3)


def test_both_generations_of_torchvision_s_normalization_are_the_same() -> None:
    mean, std = [0.5, 1.0], [2.0, 4.0]
    old, new = torchvision.transforms.Normalize(mean, std), transforms.Normalize(mean, std)
    assert read_transform(old, 2) == read_transform(new, 2)


def test_bands_of_another_scale_among_digital_numbers_are_refused() -> None:
    meta = {"bands": ["B4", "B8"], "in_chans": 2}
    digital = SimpleNamespace(name="X", meta=meta, transforms=transforms.Normalize([900.0, 2_000.0], [800.0, 900.0]))
    assert rs(declare(digital, "resnet18")).unit is Unit.S2_DN
    mixed = SimpleNamespace(name="X", meta=meta, transforms=transforms.Normalize([0.4, 2_000.0], [0.3, 900.0]))
    with pytest.raises(InputMismatchError, match=NO_UNIT):
        declare(mixed, "resnet18")


def test_a_model_that_takes_a_ground_sample_distance_is_given_each_image_s_own() -> None:
    torch.manual_seed(0)
    model = ScaleMAE(img_size=224, patch_size=16, embed_dim=32, depth=1, num_heads=2, num_classes=0).eval()
    name = "ScaleMAELarge16_Weights.FMOW_RGB"
    preset = preset_of(name)
    assert preset.needs == {"gsd"}
    wanted = Representation("pooled", ("rs",))
    batch = fed(preset, wanted, file_values(rs(preset), 448, count=3), gsd_m=5.0)
    image = batch.images["rs"]
    assert image.gsd_m is not None
    assert image.gsd_m.tolist() == [10.0] * 3  # resized to half as many pixels
    mixed = replace(batch, images={"rs": replace(image, gsd_m=torch.tensor([10.0, 1.0, 10.0]).double())})
    with torch.inference_mode():
        found = TorchGeoEncoder(model).encode(mixed, wanted)
        for row, distance in enumerate((10.0, 1.0, 10.0)):
            model.res = distance
            features = model.forward_features(image.values[row : row + 1])
            torch.testing.assert_close(found[row : row + 1], model.forward_head(features, pre_logits=True))
    assert not torch.allclose(found[1], model.forward_features(image.values[1:2])[:, 0])


def test_a_file_is_read_whatever_torchgeo_asks_about_fetching_it(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    file = WeightsFile({}, tmp_path / "w.pth")
    assert file.get_state_dict(progress=True, check_hash=True, weights_only=True) == {"a": torch.ones(1)}


# --- weights ----------------------------------------------------------------------------------------------------------


def saved(name: str, path: Path) -> nn.Module:
    """Save the weights of an untrained model of the member's kind, and return it."""
    member, model = catalogue()[name]
    torch.manual_seed(0)
    if model.startswith("swin"):
        built: Any = get_model(model)
        first = built.features[0][0]
        built.features[0][0] = nn.Conv2d(member.meta["in_chans"], first.out_channels, 4, 4)
    elif model == "earthloc":
        built = get_model(model, in_channels=3, image_size=320, desc_dim=4096, backbone="resnet50", pretrained=False)
    else:
        built = get_model(model, in_chans=member.meta["in_chans"])
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(built.state_dict(), path)
    return built.eval()  # type: ignore[no-any-return]


def expected_vector(model: Any, images: Tensor) -> Tensor:
    if hasattr(model, "forward_head"):
        return model.forward_head(model.forward_features(images), pre_logits=True)  # type: ignore[no-any-return]
    if hasattr(model, "head"):
        model.head = nn.Identity()
    return model(images)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "name",
    [
        "ResNet18_Weights.SENTINEL2_ALL_MOCO",
        "ViTSmall16_Weights.SENTINEL1_GRD_MAE",
        "ViTSmall14_DINOv2_Weights.SENTINEL2_ALL_SOFTCON",
        "Swin_V2_T_Weights.SENTINEL2_SI_RGB_SATLAS",
        "ResNet50_Weights.FMOW_RGB_GASSL",
    ],
)
def test_a_published_file_is_found_and_loaded_by_torchgeo_s_constructor(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    spec = make_torchgeo_spec(name)
    source = spec.presets[0].weights
    assert isinstance(source, TorchGeoWeights)
    path = torch_hub_file(catalogue()[name][0].url)
    assert find_file(source, tmp_path) is None
    assert path.parent == tmp_path / "hub" / "checkpoints"
    if "DINOv2" in name:
        member, model = catalogue()[name]
        torch.manual_seed(0)
        built: Any = get_model(model, in_chans=13, img_size=224).eval()
        path.parent.mkdir(parents=True)
        torch.save(built.state_dict(), path)
    else:
        built = saved(name, path)
    encoder = resolve(spec.factory)(ModelContext(model=spec.name, preset="default", seed=0, checkpoint=path)).eval()
    preset = spec.presets[0]
    values = file_values(rs(preset), 240, count=1)
    member, _ = catalogue()[name]
    wanted = Representation("pooled", ("rs",))
    with torch.inference_mode():
        found = encoder.encode(fed(preset, wanted, values), wanted)
        expected = expected_vector(built, member.transforms(values.clone()))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-3)
        for offer in preset.offers:
            if offer.of[0].startswith("s2"):
                continue
            output = encoder.encode(fed(preset, offer, values), offer)
            if offer.form == "pooled":
                assert output.ndim == 2
                continue
            assert output.ndim == (5 if len(offer.layers) > 1 else 4)
            assert output.shape[-2] == output.shape[-1] > 1


def test_a_file_of_other_weights_is_refused(tmp_path: Path) -> None:
    name = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    path = tmp_path / "w.pth"
    saved("ResNet18_Weights.SENTINEL2_RGB_MOCO", path)
    context = ModelContext(model=f"torchgeo:{name}", preset="default", seed=0, checkpoint=path)
    with pytest.raises(CheckpointError, match=r"w\.pth does not hold the weights of torchgeo:ResNet18"):
        load(context)
    state = get_model("resnet18", in_chans=13).state_dict()
    torch.save({key: value for key, value in state.items() if key != "bn1.bias"}, path)
    with pytest.raises(CheckpointError, match="does not hold"):
        load(context)
    path.write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match="is not a file of weights"):
        load(context)
    with pytest.raises(CheckpointError, match="are not here"):
        load(replace(context, checkpoint=None))


class Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (Path("ran"), "x"))


def test_a_file_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "w.pth"
    torch.save({"x": Code()}, path)
    context = ModelContext(
        model="torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO", preset="default", seed=0, checkpoint=path
    )
    with pytest.raises(CheckpointError, match="is not a file of weights"):
        load(context)
    assert not Path("ran").exists()


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Tiles of Sentinel-2, and a task over them."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    rng = np.random.default_rng(0)
    bands = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12")
    for number in range(24):
        label = "ab"[number % 2]
        values = rng.integers(200, 1500 + 1500 * (label == "b"), (13, 16, 16)).astype(np.uint16)
        path = tmp_path / "tiles" / label / f"{number}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        place = {"crs": "EPSG:32632", "transform": from_origin(500_000 + 400 * number, 5_000_000, 10, 10)}
        with rasterio.open(path, "w", driver="GTiff", count=13, height=16, width=16, dtype="uint16", **place) as file:
            file.write(values)
            file.descriptions = bands
    (tmp_path / "tiles.yaml").write_text(
        f"""
datasets:
  tiles:
    licence: CC0-1.0
    synthetic: true
    images: {{modality: rs, folder: tiles, pattern: "*/*.tif", unit: s2_dn, bands: [{", ".join(bands)}], size: 16}}
    split: {{by: random, stratify: folder}}
tasks:
  - {{name: tile-type, dataset: tiles, label: folder, kind: classification}}
"""
    )
    return tmp_path


def test_run_skips_missing_weights_and_evaluates_them_once_they_are_here(
    tiles: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "ResNet18_Weights.SENTINEL2_ALL_MOCO"
    arguments = ["run", "--model", f"torchgeo:{name}", "--task-file", str(tiles / "tiles.yaml"), "--data-root"]
    arguments += [str(tiles), "--results", str(tiles / "results"), "--device", "cpu"]
    skipped = CliRunner().invoke(app, arguments)
    assert skipped.exit_code == 1
    assert "its weights are not here; add --download to fetch https://hf.co/torchgeo/" in skipped.output
    assert not (tiles / "torch").exists()
    url = catalogue()[name][0].url
    saved(name, torch_hub_file(url))
    other = CliRunner().invoke(app, arguments)
    assert "is not the declared file" in other.output
    # The published file cannot be had here: one of ours is declared instead, by its own content.
    ours = f"https://example.org/ours-{hashlib.sha256(torch_hub_file(url).read_bytes()).hexdigest()}.pth"
    torch_hub_file(url).rename(torch_hub_file(ours))
    listed = ListedFile(url=ours, licence="MIT")
    monkeypatch.setattr("gairbench.weights.sources.torchgeo_file", lambda source, cache: listed)
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert "2 ok" in done.output


def test_run_refuses_what_torchgeo_does_not_describe(tiles: Path) -> None:
    name = "torchgeo:Swin_V2_B_Weights.LANDSAT_SI_SATLAS"
    error = CliRunner().invoke(app, ["run", "--model", name, "--results", str(tiles / "results")]).exception
    assert "it takes digital numbers of Landsat Level-1" in str(error)
