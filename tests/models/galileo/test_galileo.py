"""Galileo-nano equals the published code, is fed as it was trained, and loads the published file alone."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from saved_weights import at_a_path, at_its_address
from torch import Tensor
from torch.nn.functional import interpolate

from gairbench import DatasetSpec, ImageInput, LocationInput, Modality, ModelContext, ModelSpec, Unit
from gairbench.batch import Batch, concatenate
from gairbench.embedding import compute
from gairbench.errors import CheckpointError, InputMismatchError
from gairbench.feeding import plan_feed
from gairbench.inputs import Input
from gairbench.representation import Form
from gairbench.testing import inputs, parametrize_with_model_checks
from gairbench.testing.model_checks import check_known_answers
from gairbench.weights.sources import find_file
from gairbench_models.galileo import MODELS
from gairbench_models.galileo.encoder import Galileo, load
from gairbench_models.galileo.groups import GROUPS, SPACE, SPACE_TIME, STATIC, TIME, galileo_inputs, scale
from gairbench_models.galileo.network import PATCH, GalileoEncoder, Tokens, kernel_resizing
from gairbench_models.galileo.presets import PATCHES
from gairbench_models.satellite_groups import S2, bands_of_groups
from gairbench_models.satellite_series import month_of_year, with_ndvi

SPEC = MODELS[0]
PRESET = SPEC.presets[0]
TOLERANCE = 2e-4
NAME = "galileo-nano-encoder.pt"

OPTICAL = ImageInput(
    modality=Modality.RS, bands=bands_of_groups(S2), unit=Unit.S2_DN, gsd_m=10.0, frames=(1, 24), dated=True
)
RADAR = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, frames=(1, 24), dated=True)
PLACE = LocationInput()


def batch_of(sample: Mapping[str, Tensor], *delivers: Input, form: Form = "pooled") -> Batch:
    """Return what the runner feeds the model with for one sample."""
    spec = DatasetSpec(name="d", version=1, factory="a:b", delivers=delivers)
    return plan_feed("galileo-nano", PRESET, spec, "rs", form=form).batch([dict(sample)])


def optical(height: int, width: int, frames: int = 2, seed: int = 0) -> dict[str, Tensor]:
    """Generate a series of Sentinel-2 and its dates, one a month from January on."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.rand(frames, 10, height, width, generator=generator) * 3_000,
        "dates": 18_262.0 + 30.5 * torch.arange(frames, dtype=torch.float64),
    }


def embed(model: Galileo, batch: Batch, form: Form = "pooled") -> Tensor:
    wanted = next(offer for offer in PRESET.offered() if offer.form == form)
    with torch.inference_mode():
        return compute(model, wanted, batch)


@pytest.fixture(scope="module")
def untrained() -> Galileo:
    torch.manual_seed(0)
    return Galileo(PATCH).eval()


def context(path: Path | None, preset: str = "default") -> ModelContext:
    return ModelContext(model="galileo-nano", preset=preset, seed=0, checkpoint=path)


# --- parity -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def published(shared: Path) -> GalileoEncoder:
    """The network with its published weights."""
    return load(context(shared / "weights" / "galileo_nano" / "encoder.pt")).eval().encoder


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Tensor]:
    """What the published code computed from given arrays, with the published weights."""
    with np.load(shared / "parity" / "galileo_nano_reference.npz") as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def grouped(reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cut the four arrays of the reference into groups: their channels are the bands, one group after the other."""
    arrays = (
        (SPACE_TIME, reference["s_t_x"].permute(0, 3, 4, 1, 2), 2),
        (SPACE, reference["sp_x"].permute(0, 3, 1, 2), 1),
        (TIME, reference["t_x"], 2),
        (STATIC, reference["st_x"], 1),
    )
    found: dict[str, Tensor] = {}
    for groups, values, axis in arrays:
        found |= dict(zip(groups, values.split([len(bands) for bands in groups.values()], dim=axis), strict=True))
    return found


def mean_of(tokens: Tokens) -> Tensor:
    return torch.cat([tokens.patches.flatten(1, 3), tokens.others], dim=1).mean(dim=1)


def mean_of_patches(tokens: Tokens) -> Tensor:
    patches = tokens.patches.flatten(1, 2)
    others = tokens.others[:, None].expand(-1, patches.shape[1], -1, -1)
    return torch.cat([patches, others], dim=2).mean(dim=2)


OPTICAL_GROUPS = {*S2, "NDVI"}


@pytest.mark.parametrize(
    ("case", "names", "patch", "metres", "edge"),
    [
        ("all", {*GROUPS}, 4, 10, 8),
        ("s2", OPTICAL_GROUPS, 4, 10, 8),
        ("s2_patch2", OPTICAL_GROUPS, 2, 10, 8),
        ("s2_patch8_30m", OPTICAL_GROUPS, 8, 30, 8),
        ("s1_location", {"S1", "location"}, 8, 10, 8),
        ("pixel", OPTICAL_GROUPS, 1, 10, 1),
    ],
)
def test_tokens_are_those_of_the_published_code(
    published: GalileoEncoder,
    reference: Mapping[str, Tensor],
    case: str,
    names: set[str],
    patch: int,
    metres: float,
    edge: int,
) -> None:
    groups = {
        name: values[..., :edge, :edge] if name in SPACE_TIME or name in SPACE else values
        for name, values in grouped(reference).items()
        if name in names
    }
    with torch.inference_mode():
        tokens = published(groups, dict.fromkeys(groups, reference["months"]), patch, torch.full((2,), float(metres)))
    torch.testing.assert_close(mean_of(tokens), reference[f"{case}_mean"], atol=TOLERANCE, rtol=0)
    torch.testing.assert_close(mean_of_patches(tokens), reference[f"{case}_patches"], atol=TOLERANCE, rtol=0)


def test_scales_are_those_of_the_published_statistics(shared: Path) -> None:
    stated = json.loads((shared / "weights" / "galileo_nano" / "normalization.json").read_text())
    kinds = {"13": SPACE_TIME, "16": SPACE, "6": TIME, "18": STATIC}
    plain = {"NDVI", "DW", "WC", "location", "DW_static", "WC_static"}
    checked = 0
    for key, groups in kinds.items():
        numbers = iter(zip(stated[key]["mean"], stated[key]["std"], strict=True))
        for name, bands in groups.items():
            for band in bands:
                mean, std = next(numbers)
                if name not in plain:
                    assert scale(band) == pytest.approx((mean - 2 * std, 4 * std), rel=1e-12)
                    checked += 1
    assert checked == 21
    assert scale("NDVI") == scale("dynamic-world:built") == scale("x") == (0, 1)
    assert scale("worldcereal:maize") == (0, 100)


def test_fixed_encodings_are_the_stored_ones(shared: Path) -> None:
    path = shared / "weights" / "galileo_nano" / "encoder.pt"
    stored = torch.load(path, map_location="cpu", weights_only=True)
    made = GalileoEncoder().state_dict()
    for name in ("pos_embed", "month_embed.weight"):
        torch.testing.assert_close(made[name], stored[name], atol=1e-5, rtol=0)


@pytest.mark.parametrize("preset", SPEC.presets, ids=lambda preset: preset.name)
def test_known_answers_are_given(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: Any) -> None:
    put(shared / "weights" / "galileo_nano" / "encoder.pt", tmp_path, monkeypatch)
    assert find_file(preset.weights, tmp_path / "cache") is not None
    check_known_answers(SPEC, preset)


@pytest.mark.parametrize("patch", [1, 2, 3, 4, 5, 6, 7])
def test_kernels_are_resized_by_the_inverse_of_bicubic_resizing(patch: int) -> None:
    enlarged = kernel_resizing(patch).T.view(-1, 1, 8, 8)  # of patches that have one pixel each
    shrunk = interpolate(enlarged, patch, mode="bicubic", antialias=True, align_corners=False)
    torch.testing.assert_close(shrunk.flatten(1), torch.eye(patch * patch, dtype=torch.float64))
    # Of all patches that shrink so, these are the smallest: pixels that resizing weights alike are alike.
    torch.testing.assert_close(enlarged.sum(dim=0), enlarged.sum(dim=0).flip(-1))


# --- weights ----------------------------------------------------------------------------------------------------------


def put(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file where the published one is looked for."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    place = folder / "torch" / "hub" / "checkpoints" / NAME
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    return place


def saved(model: Galileo, path: Path, **changes: Tensor | None) -> Path:
    """Save a state dict in the published layout; ``None`` leaves a tensor out."""
    state = model.encoder.state_dict() | changes
    torch.save({name: tensor for name, tensor in state.items() if tensor is not None}, path)
    return path


@pytest.mark.parametrize("preset", [*PATCHES])
def test_a_file_at_the_published_name_is_loaded_by_every_preset(
    untrained: Galileo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preset: str
) -> None:
    place = put(saved(untrained, tmp_path / "any.pt"), tmp_path, monkeypatch)
    weights: Any = at_its_address(SPEC, place).preset(preset).weights
    found = find_file(weights, tmp_path / "cache")
    assert found == place
    model = load(context(found, preset))
    assert model.patch == PATCHES[preset]
    assert all(model.state_dict()[name].equal(tensor) for name, tensor in untrained.state_dict().items())
    assert sum(parameter.numel() for parameter in model.parameters()) == 1_037_856


def test_another_file_at_the_published_name_is_refused(
    untrained: Galileo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(saved(untrained, tmp_path / "any.pt"), tmp_path, monkeypatch)
    weights: Any = PRESET.weights
    with pytest.raises(CheckpointError, match="is not the declared file"):
        find_file(weights, tmp_path / "cache")


def test_names_with_what_the_authors_training_adds_are_read(untrained: Galileo, tmp_path: Path) -> None:
    state = untrained.encoder.state_dict()
    torch.save({name.replace("blocks.", "blocks.backbone."): tensor for name, tensor in state.items()}, tmp_path / "w")
    model = load(context(tmp_path / "w"))
    assert model.encoder.state_dict()["blocks.3.attn.q.weight"].equal(state["blocks.3.attn.q.weight"])


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"norm.weight": None}, r"missing norm\.weight"),
        ({"blocks.4.norm1.bias": torch.zeros(128)}, r"unexpected blocks\.4\.norm1\.bias"),
        ({"pos_embed": torch.zeros(12, 32)}, r"misshapen pos_embed \(12, 32\) for \(24, 32\)"),
    ],
)
def test_other_tensors_are_refused(
    untrained: Galileo, tmp_path: Path, changes: dict[str, Tensor | None], problem: str
) -> None:
    with pytest.raises(CheckpointError, match=problem):
        load(context(saved(untrained, tmp_path / "w.pt", **changes)))


def test_without_a_file_there_is_no_model() -> None:
    with pytest.raises(CheckpointError, match="the weights of galileo-nano are not here"):
        load(context(None))


# --- what it is fed with ----------------------------------------------------------------------------------------------

STACK = ImageInput(
    modality=Modality.RS,
    bands=(
        *("VV", "VH", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"),
        *("temperature", "precipitation", "elevation", "slope", "NDVI"),
    ),
    unit=(*(Unit.DB,) * 2, *(Unit.S2_DN,) * 11, Unit.KELVIN, Unit.METRES, Unit.METRES, Unit.RAW, Unit.RAW),
    gsd_m=10.0,
    frames=3,
    dated=True,
)


def seen_by(model: Galileo, batch: Batch, monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Tensor], Any]]:
    """Return what the network is given: groups, and months, patch and metres."""
    calls: list[tuple[dict[str, Tensor], Any]] = []
    original = model.encoder.forward

    def forward(groups: dict[str, Tensor], *more: Any) -> Tokens:
        calls.append((groups, more))
        return original(groups, *more)

    monkeypatch.setattr(model.encoder, "forward", forward)
    embed(model, batch)
    return calls


def test_one_stack_of_all_bands_gives_every_group_its_values(
    untrained: Galileo, monkeypatch: pytest.MonkeyPatch
) -> None:
    levels = torch.tensor([-11.0, -18, *range(500, 1_600, 100), 288, 0.04, 700, 5, 9])
    sample = {
        "image": levels.expand(3, -1),
        "dates": torch.tensor([18_262.0, 18_300, 18_330]),
        "lonlat": torch.tensor([90.0, 0.0]),
    }
    ((groups, (months, patch, metres, _)),) = seen_by(untrained, batch_of(sample, STACK, PLACE), monkeypatch)
    assert {*groups} == {*SPACE_TIME, "SRTM", "ERA5", "location"}
    assert groups["NDVI"][0, 0, 0, 0, 0].item() == pytest.approx((1_100 - 700) / (1_100 + 700))
    zero, one = scale("B8A")
    assert groups["S2_NIR_20m"][0, 0, 0, 0, 0].item() == pytest.approx((1_200 - zero) / one)
    assert groups["ERA5"].shape == (1, 3, 2)
    assert groups["SRTM"].shape == (1, 2, 1, 1)
    zero, one = scale("slope")
    assert groups["SRTM"][0, 1, 0, 0].item() == pytest.approx((5 - zero) / one)
    torch.testing.assert_close(groups["location"], torch.tensor([[0.0, 1, 0]]), atol=1e-6, rtol=0)
    assert months["S1"].tolist() == [[0, 1, 2]]
    assert (patch, metres.tolist()) == (1, [10.0])


def test_reflectance_and_power_embed_as_digital_numbers_and_decibels(untrained: Galileo) -> None:
    sample = optical(16, 16)
    radar = {"s1": -10 - sample["image"][:, :2] / 300, "s1_dates": sample["dates"]}
    expected = embed(untrained, batch_of(sample | radar, OPTICAL, RADAR))
    other = {**sample, "image": sample["image"] / 10_000, "s1": 10 ** (radar["s1"] / 10), "s1_dates": sample["dates"]}
    optics = replace(OPTICAL, unit=Unit.REFLECTANCE)
    found = embed(untrained, batch_of(other, optics, replace(RADAR, unit=Unit.POWER)))
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_july_stands_for_an_unknown_date_and_ten_metres_for_an_unknown_size(
    untrained: Galileo, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = {"image": optical(8, 8, frames=1)["image"][0]}
    declared = replace(OPTICAL, frames=None, dated=False, gsd_m=None)
    ((groups, (months, _, metres, _)),) = seen_by(untrained, batch_of(sample, declared), monkeypatch)
    assert months["S2_RGB"].tolist() == [[6]]
    assert metres.tolist() == [10.0]
    assert "location" not in groups


def test_pictures_are_refused_at_planning() -> None:
    with pytest.raises(InputMismatchError, match="rs images are in unit uint8 and the encoder takes s2_dn"):
        batch_of({}, ImageInput(modality=Modality.RS))


@pytest.mark.parametrize(
    ("most", "size", "patch", "grid"),
    [
        (8, (64, 64), 8, (8, 8)),
        (4, (64, 64), 4, (16, 16)),
        (8, (1, 1), 1, (1, 1)),
        (8, (20, 20), 5, (4, 4)),
        (8, (24, 16), 8, (3, 2)),
        (8, (11, 11), 1, (11, 11)),
    ],
)
def test_patches_are_as_large_as_divides_the_images(
    untrained: Galileo,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    size: tuple[int, int],
    patch: int,
    grid: tuple[int, int],
) -> None:
    model = Galileo(most).eval()
    model.encoder = untrained.encoder
    batch = batch_of(optical(*size, frames=1), OPTICAL, form="tokens")
    assert embed(model, batch, "tokens").shape == (1, 128, *grid)
    assert {call[1][1] for call in seen_by(model, batch, monkeypatch)} == {patch}


def test_images_of_one_sample_and_different_size_are_an_error(untrained: Galileo) -> None:
    sample = optical(16, 16) | {"s1": torch.full((2, 2, 8, 8), -12.0), "s1_dates": optical(8, 8)["dates"]}
    with pytest.raises(InputMismatchError, match="differ in size: 8 x 8, 16 x 16 pixels"):
        embed(untrained, batch_of(sample, OPTICAL, RADAR))


def test_weather_alone_has_a_vector_and_no_tokens(untrained: Galileo) -> None:
    weather = ImageInput(
        modality=Modality.RS,
        bands=("temperature", "precipitation"),
        unit=(Unit.KELVIN, Unit.METRES),
        frames=2,
        dated=True,
    )
    sample = {"image": torch.tensor([[280.0, 0.03], [285.0, 0.05]]), "dates": torch.tensor([18_262.0, 18_300])}
    assert embed(untrained, batch_of(sample, weather)).shape == (1, 128)
    with pytest.raises(InputMismatchError, match="none of the images has a grid of pixels"):
        embed(untrained, batch_of(sample, weather, form="tokens"), "tokens")


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "edge", "windows"),
    [(1, 128, 1), (1, 136, 4), (3, 96, 1), (3, 104, 4), (12, 48, 1), (12, 56, 4), (24, 40, 4)],
)
def test_no_more_patches_and_months_are_encoded_together_than_in_the_pretraining(
    untrained: Galileo, monkeypatch: pytest.MonkeyPatch, frames: int, edge: int, windows: int
) -> None:
    sizes: list[tuple[int, ...]] = []

    def forward(groups: dict[str, Tensor], *more: Any) -> Tokens:
        sizes.append(tuple(groups["S2_RGB"].shape[-2:]))
        return Tokens(torch.zeros(1, 1, 1, 1, 128), torch.zeros(1, 0, 128))

    monkeypatch.setattr(untrained.encoder, "forward", forward)
    embed(untrained, batch_of(optical(edge, edge, frames), OPTICAL))
    assert len(sizes) == windows
    assert sum(height * width for height, width in sizes) == edge * edge
    assert max(max(size) for size in sizes) - min(min(size) for size in sizes) <= 8


def test_windows_of_a_large_image_are_joined_where_they_were_cut(untrained: Galileo) -> None:
    sample = optical(136, 136, frames=1)
    whole = embed(untrained, batch_of(sample, OPTICAL, form="tokens"), "tokens")
    assert whole.shape == (1, 128, 17, 17)
    parts = []
    for rows in (slice(0, 72), slice(72, 136)):
        for columns in (slice(0, 72), slice(72, 136)):
            window = {**sample, "image": sample["image"][..., rows, columns]}
            parts.append(embed(untrained, batch_of(window, OPTICAL, form="tokens"), "tokens"))
    joined = torch.cat([torch.cat(parts[:2], dim=3), torch.cat(parts[2:], dim=3)], dim=2)
    torch.testing.assert_close(whole, joined, atol=1e-5, rtol=1e-5)
    vector = embed(untrained, batch_of(sample, OPTICAL))
    torch.testing.assert_close(vector, joined.mean(dim=(2, 3)), atol=1e-5, rtol=1e-5)


# --- behaviour --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["pooled", "tokens"])
def test_padded_months_and_the_rest_of_a_batch_do_not_count(untrained: Galileo, form: Form) -> None:
    # The larger window of the shorter series is its own, too.
    short, long = (batch_of(optical(80, 80, frames, seed=frames), OPTICAL, form=form) for frames in (1, 9))
    alone = torch.cat([embed(untrained, one, form) for one in (short, long)])
    together = embed(untrained, concatenate([short, long]), form)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)
    back = embed(untrained, concatenate([long, short]), form)
    torch.testing.assert_close(back, alone.flip(0), atol=1e-5, rtol=1e-5)


def test_months_keep_their_places_in_a_series_of_which_one_is_missing(untrained: Galileo) -> None:
    whole = batch_of(optical(8, 8, frames=3), OPTICAL)
    image = whole.images["s2"]
    gap = replace(whole, images={"s2": replace(image, valid=torch.tensor([[True, False, True]]))})
    there = torch.tensor([0, 2])
    assert image.dates is not None
    closed = replace(image, values=image.values[:, there], valid=image.valid[:, there], dates=image.dates[:, there])
    months = month_of_year(closed.dates)  # type: ignore[arg-type]
    part = with_ndvi(closed)
    names = [band.name for band in part.bands]
    groups, steps, by_group = {}, {}, {}
    for name, bands in SPACE_TIME.items():
        if {*bands} <= {*names}:
            zero, one = zip(*map(scale, bands), strict=True)
            values = part.values[:, :, [names.index(band) for band in bands]]
            groups[name] = (values - torch.tensor(zero).view(-1, 1, 1)) / torch.tensor(one).view(-1, 1, 1)
            steps[name], by_group[name] = there, months
    with torch.no_grad():
        wanted = untrained.encoder(groups, by_group, 8, image.gsd_m, steps).patches.flatten(1, 3).mean(1)
    torch.testing.assert_close(embed(untrained, gap), wanted, atol=1e-5, rtol=1e-5)
    assert (embed(untrained, gap) - embed(untrained, replace(whole, images={"s2": closed}))).abs().max() > 1e-4


def test_a_known_and_an_unknown_place_stand_in_one_batch(untrained: Galileo) -> None:
    here = batch_of(optical(8, 8) | {"lonlat": torch.tensor([7.0, 46.0])}, OPTICAL, PLACE)
    nowhere = replace(here, lonlat=torch.full((1, 2), float("nan"), dtype=torch.float64))
    alone = torch.cat([embed(untrained, one) for one in (here, nowhere)])
    assert (alone[0] - alone[1]).abs().max() > 1e-3
    torch.testing.assert_close(embed(untrained, concatenate([here, nowhere])), alone, atol=1e-5, rtol=1e-5)


def test_month_place_and_ground_sample_distance_count(untrained: Galileo) -> None:
    sample = optical(16, 16) | {"lonlat": torch.tensor([7.0, 46.0])}
    before = embed(untrained, batch_of(sample, OPTICAL, PLACE))
    for changed, declared in (
        ({"dates": sample["dates"] + 100}, OPTICAL),
        ({"lonlat": torch.tensor([46.0, 7.0])}, OPTICAL),
        ({}, replace(OPTICAL, gsd_m=20.0)),
    ):
        found = embed(untrained, batch_of({**sample, **changed}, declared, PLACE))
        assert (found - before).abs().max() > 1e-4


FILE = Path(tempfile.mkdtemp()) / NAME


@pytest.fixture(scope="module", autouse=True)
def random_weights() -> Iterator[None]:
    """Save what the conformance suite loads."""
    torch.manual_seed(1)
    saved(Galileo(PATCH), FILE)
    yield
    FILE.unlink()
    FILE.parent.rmdir()


def small(spec: ModelSpec) -> ModelSpec:
    """Return the model for images of 2 x 2 patches: of any size, the suite takes 64 pixels, which are many more."""
    presets = (replace(preset, inputs=galileo_inputs(2 * PATCHES[preset.name])) for preset in spec.presets)
    return replace(spec, presets=tuple(presets))


@pytest.mark.usefixtures("little_work")
@parametrize_with_model_checks([small(at_a_path(SPEC, FILE))])
def test_conformance(check: Callable[[], None]) -> None:
    check()


def test_the_suite_generates_every_input() -> None:
    batch = inputs.generate(PRESET, PRESET.offered()[0], 1, seed=0)
    assert [*batch.images] == [image.name for image in PRESET.inputs]
