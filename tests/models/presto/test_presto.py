"""Presto equals the published code, is fed as it was trained, and loads the published file alone."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from saved_weights import at_a_path, at_its_address
from torch import Tensor

from gairbench import DatasetSpec, ImageInput, LocationInput, Modality, ModelContext, Unit
from gairbench.batch import Batch, concatenate
from gairbench.data import ArraySplit
from gairbench.embedding import compute, embed_samples
from gairbench.errors import CheckpointError, InputMismatchError
from gairbench.feeding import Feed, plan_feed
from gairbench.inputs import Input
from gairbench.testing import inputs, parametrize_with_model_checks
from gairbench.testing.model_checks import check_known_answers
from gairbench.weights.sources import find_file
from gairbench_models.location.features import xyz
from gairbench_models.presto import MODELS
from gairbench_models.presto.encoder import Presto, load
from gairbench_models.presto.network import LAND_COVER
from gairbench_models.satellite_groups import DYNAMIC_WORLD, GROUPS

SPEC = MODELS[0]
PRESET = SPEC.presets[0]
TOLERANCE = 2e-4
NAME = "presto-default-model.pt"

STACK = ("VV", "VH", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12")
STACK += ("temperature", "precipitation", "elevation", "slope", "NDVI")
"""The bands of shared/data/presto_fuel_moisture in their order."""

UNITS = (*(Unit.DB,) * 2, *(Unit.S2_DN,) * 11, Unit.KELVIN, Unit.METRES, Unit.METRES, Unit.RAW, Unit.RAW)


def stack(*bands: str, frames: int = 3) -> ImageInput:
    """Return the declaration of a series of some bands of the stack, or of all; of land cover too where it is asked."""
    chosen = bands or STACK
    units = tuple(Unit.RAW if band in DYNAMIC_WORLD else UNITS[STACK.index(band)] for band in chosen)
    return ImageInput(modality=Modality.RS, bands=chosen, unit=units, frames=frames, dated=True)


def dataset(*delivers: Input) -> DatasetSpec:
    return DatasetSpec(name="d", version=1, factory="a:b", delivers=delivers)


def feed_of(*delivers: Input) -> Feed:
    return plan_feed("presto", PRESET, dataset(*delivers), "rs")


def raw_samples(count: int = 3, frames: int = 3) -> dict[str, NDArray[Any]]:
    """Generate plausible series of the whole stack."""
    rng = np.random.default_rng(0)
    levels = [-11, -18, *[1_500] * 11, 290, 0.05, 800, 10, 0.3]
    spreads = [2, 2, *[400] * 11, 8, 0.02, 200, 4, 0.1]
    values = rng.normal(levels, spreads, (count, frames, 18)).astype(np.float32)
    return {
        "image": values,
        "dates": 17_181.0 + 30 * np.arange(frames) + np.zeros((count, 1)),
        "lonlat": rng.uniform((-120, 30), (-100, 45), (count, 2)),
    }


def embedded(model: Presto, feed: Feed, columns: Mapping[str, NDArray[Any]]) -> Tensor:
    split = ArraySplit([str(i) for i in range(len(columns["image"]))], columns, {})
    return torch.from_numpy(
        embed_samples(model, feed, split, range(len(split)), torch.device("cpu"), lambda done, total: None)
    )


@pytest.fixture(scope="module")
def untrained() -> Presto:
    torch.manual_seed(0)
    return Presto().eval()


@pytest.fixture(scope="module")
def published(shared: Path) -> Presto:
    """The model with its published weights."""
    return load(context(shared / "weights" / "presto" / "default_model.pt")).eval()


@pytest.fixture(scope="module")
def reference(shared: Path) -> dict[str, Tensor]:
    """What the published code computed from given arrays, with the published weights."""
    with np.load(shared / "parity" / "presto_reference.npz") as arrays:
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def context(path: Path | None) -> ModelContext:
    return ModelContext(model="presto", preset="default", seed=0, checkpoint=path)


# --- parity -----------------------------------------------------------------------------------------------------------


def grouped(x: Tensor) -> dict[str, Tensor]:
    """Cut arrays of the reference into groups: its 17 channels are the groups' bands, one group after the other."""
    return dict(zip(GROUPS, x.split([len(bands) for bands in GROUPS.values()], dim=2), strict=True))


def months_of(reference: Mapping[str, Tensor]) -> dict[str, Tensor]:
    months = (reference["month"][:, None] + torch.arange(reference["x"].shape[1])) % 12
    return dict.fromkeys([*GROUPS, LAND_COVER], months)


def test_every_group_and_land_cover_embed_as_in_the_published_code(
    published: Presto, reference: Mapping[str, Tensor]
) -> None:
    place = xyz(reference["latlon"].flip(1).double()).float()
    groups = grouped(reference["x"]) | {LAND_COVER: reference["dynamic_world"]}
    found = published.encoder(groups, months_of(reference), place)
    torch.testing.assert_close(found, reference["full"], atol=TOLERANCE, rtol=0)


def test_absent_groups_embed_as_masked_ones_in_the_published_code(
    published: Presto, reference: Mapping[str, Tensor]
) -> None:
    masked = {name for name, values in grouped(reference["mask"]).items() if values.all()}
    assert masked == {"S1", "ERA5"}
    groups = {name: values for name, values in grouped(reference["x"]).items() if name not in masked}
    place = xyz(reference["latlon"].flip(1).double()).float()
    found = published.encoder(groups, months_of(reference), place)
    torch.testing.assert_close(found, reference["masked"], atol=TOLERANCE, rtol=0)


def fuel_moisture(shared: Path) -> dict[str, NDArray[Any]]:
    """The first rows of the real series, as files hold them, but for land cover: there it is a class a month."""
    folder = shared / "data" / "presto_fuel_moisture" / "npy"
    months = np.load(folder / "month.npy")[:8].astype(np.int64)
    years = np.cumsum(np.diff(months, axis=1, prepend=months[:, :1]) < 0, axis=1)
    dates = (47 * 12 + 12 * years + months).astype("datetime64[M]").astype("datetime64[D]")
    cover = np.eye(9)[np.load(folder / "dynamic_world.npy")[:8].astype(np.int64)]
    return {
        "image": np.concatenate([np.load(folder / "s1_s2_era5_srtm.npy")[:8], cover], axis=2).astype(np.float32),
        "dates": dates.astype(np.float64) + 14,
        "lonlat": np.load(folder / "latlon.npy")[:8].astype(np.float64),
    }


def test_real_rows_of_one_stack_are_normalized_as_by_the_published_code(
    shared: Path, reference: Mapping[str, Tensor]
) -> None:
    feed = feed_of(stack(*STACK, *DYNAMIC_WORLD), LocationInput(order="latlon"))
    rows = fuel_moisture(shared)
    batch = feed.batch([{key: torch.from_numpy(column[i]) for key, column in rows.items()} for i in range(8)])
    values = torch.cat([image.values for image in batch.images.values()], dim=2)[:, :, :16, 0, 0]
    torch.testing.assert_close(values, reference["real_normalized"][..., :16], atol=1e-5, rtol=1e-5)


def test_real_rows_of_one_stack_embed_as_in_the_published_code(
    shared: Path, published: Presto, reference: Mapping[str, Tensor]
) -> None:
    feed = feed_of(stack(*STACK, *DYNAMIC_WORLD), LocationInput(order="latlon"))
    found = embedded(published, feed, fuel_moisture(shared))
    torch.testing.assert_close(found, reference["real"], atol=TOLERANCE, rtol=0)


def test_fixed_encodings_are_the_stored_ones(shared: Path) -> None:
    stored = torch.load(shared / "weights" / "presto" / "default_model.pt", map_location="cpu", weights_only=True)
    made = Presto().state_dict()
    for name in ("encoder.pos_embed", "encoder.month_embed.weight"):
        torch.testing.assert_close(made[name], stored[name], atol=1e-6, rtol=0)


def test_known_answers_are_given(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(shared / "weights" / "presto" / "default_model.pt", tmp_path, monkeypatch)
    assert find_file(weights_of(SPEC), tmp_path / "cache") is not None
    check_known_answers(SPEC, PRESET)


# --- weights ----------------------------------------------------------------------------------------------------------


def put(path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a file where the published one is looked for."""
    monkeypatch.setenv("TORCH_HOME", str(folder / "torch"))
    place = folder / "torch" / "hub" / "checkpoints" / NAME
    place.parent.mkdir(parents=True)
    place.write_bytes(path.read_bytes())
    return place


def weights_of(spec: Any) -> Any:
    return spec.presets[0].weights


def saved(model: Presto, path: Path, **changes: Tensor | None) -> Path:
    """Save a state dict in the published layout, with a decoder; ``None`` leaves a tensor out."""
    state = model.state_dict() | {"decoder.mask_token": torch.zeros(128), "decoder.decoder_embed.bias": torch.ones(128)}
    state |= {name: tensor for name, tensor in changes.items() if tensor is not None}
    torch.save(
        {name: tensor for name, tensor in state.items() if name not in changes or changes[name] is not None}, path
    )
    return path


def test_a_file_at_the_published_name_is_loaded_and_its_decoder_left_aside(
    untrained: Presto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = put(saved(untrained, tmp_path / "any.pt"), tmp_path, monkeypatch)
    found = find_file(weights_of(at_its_address(SPEC, place)), tmp_path / "cache")
    assert found == place
    model = load(context(found))
    assert all(model.state_dict()[name].equal(tensor) for name, tensor in untrained.state_dict().items())
    assert sum(parameter.numel() for parameter in model.parameters()) == 404_160


def test_another_file_at_the_published_name_is_refused(
    untrained: Presto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(saved(untrained, tmp_path / "any.pt"), tmp_path, monkeypatch)
    with pytest.raises(CheckpointError, match="is not the declared file"):
        find_file(weights_of(SPEC), tmp_path / "cache")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"encoder.norm.weight": None}, r"missing encoder\.norm\.weight"),
        ({"encoder.blocks.2.norm1.bias": torch.zeros(128)}, r"unexpected encoder\.blocks\.2\.norm1\.bias"),
        ({"mask_token": torch.zeros(128)}, "unexpected mask_token"),
        ({"encoder.latlon_embed.weight": torch.zeros(128, 2)}, r"misshapen encoder\.latlon_embed\.weight \(128, 2\)"),
    ],
)
def test_other_tensors_are_refused(
    untrained: Presto, tmp_path: Path, changes: dict[str, Tensor | None], problem: str
) -> None:
    with pytest.raises(CheckpointError, match=problem):
        load(context(saved(untrained, tmp_path / "w.pt", **changes)))


def test_without_a_file_there_is_no_model() -> None:
    with pytest.raises(CheckpointError, match="the weights of presto are not here"):
        load(context(None))


# --- what it is fed with ----------------------------------------------------------------------------------------------


def test_one_stack_of_all_bands_serves_every_input_and_the_rest_is_left_aside() -> None:
    feed = feed_of(stack(), LocationInput())
    assert {name: [known.name for known in image.bands] for name, image in feed.images.items()} == {
        "s1": ["VV", "VH"],
        "s2": ["B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"],
        "era5": ["temperature", "precipitation"],
        "srtm": ["elevation", "slope"],
    }


def test_images_apart_and_one_stack_embed_alike(untrained: Presto) -> None:
    columns = raw_samples()
    together = embedded(untrained, feed_of(stack(), LocationInput()), columns)
    radar, rest = STACK[:2], STACK[2:]
    apart = feed_of(replace(stack(*radar), name="radar"), stack(*rest), LocationInput())
    parts = {
        **columns,
        "image": columns["image"][..., 2:],
        "radar": columns["image"][..., :2],
        "radar_dates": columns["dates"],
    }
    torch.testing.assert_close(embedded(untrained, apart, parts), together, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dated", [True, False])
def test_relief_needs_no_date(untrained: Presto, dated: bool) -> None:
    columns = raw_samples()
    together = embedded(untrained, feed_of(stack(), LocationInput()), columns)
    relief = ImageInput(
        modality=Modality.RS, name="dem", bands=STACK[15:17], unit=(Unit.METRES, Unit.RAW), size=1, dated=dated
    )
    parts = {
        **columns,
        "image": columns["image"][..., :15],
        "dem": columns["image"][:, 0, 15:17],
        "dem_dates": np.full(3, np.nan),
    }
    apart = embedded(untrained, feed_of(stack(*STACK[:15]), relief, LocationInput()), parts)
    torch.testing.assert_close(apart, together, atol=1e-5, rtol=1e-5)
    without = embedded(untrained, feed_of(stack(*STACK[:15]), LocationInput()), parts)
    assert (apart - without).abs().max() > 1e-3


def test_other_units_of_the_same_quantities_embed_alike(untrained: Presto) -> None:
    columns = raw_samples()
    together = embedded(untrained, feed_of(stack(), LocationInput()), columns)
    image = columns["image"].copy()
    image[..., :2] = 10 ** (image[..., :2] / 10)
    image[..., 2:13] /= 10_000
    units = (*(Unit.POWER,) * 2, *(Unit.REFLECTANCE,) * 11, *UNITS[13:])
    feed = feed_of(replace(stack(), unit=units), LocationInput())
    found = embedded(untrained, feed, {**columns, "image": image})
    torch.testing.assert_close(found, together, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("lacking", "groups"),
    [
        ({"VV", "VH"}, {"S1"}),
        ({"B6"}, {"S2_Red_Edge"}),
        ({"B8"}, {"S2_NIR_10m", "NDVI"}),
        ({"precipitation", "slope"}, {"ERA5", "SRTM"}),
    ],
)
def test_a_group_without_one_of_its_bands_has_no_token(
    untrained: Presto, monkeypatch: pytest.MonkeyPatch, lacking: set[str], groups: set[str]
) -> None:
    kept = tuple(band for band in STACK if band not in lacking)
    columns = raw_samples()
    columns["image"] = columns["image"][..., [STACK.index(band) for band in kept]]
    seen: list[set[str]] = []
    original = untrained.encoder.forward

    def forward(values: dict[str, Tensor], *more: Any) -> Tensor:
        seen.append({*values})
        return original(values, *more)

    monkeypatch.setattr(untrained.encoder, "forward", forward)
    embedded(untrained, feed_of(stack(*kept), LocationInput()), columns)
    assert seen == [{*GROUPS} - groups]


def test_the_stored_ndvi_is_not_used(untrained: Presto) -> None:
    columns = raw_samples()
    feed = feed_of(stack(), LocationInput())
    before = embedded(untrained, feed, columns)
    columns["image"][..., STACK.index("NDVI")] = 7
    assert embedded(untrained, feed, columns).equal(before)


@pytest.mark.parametrize(
    ("delivers", "reason"),
    [
        ((stack(),), "the encoder needs coordinates, and the dataset delivers none"),
        (
            (replace(stack(), dated=False), LocationInput()),
            "the encoder needs the dates of s1, and the dataset has none",
        ),
        ((ImageInput(modality=Modality.RS, dated=True), LocationInput()), "rs images are in unit uint8"),
        (
            (ImageInput(modality=Modality.RS, bands=("landsat-8:B4",), unit=Unit.REFLECTANCE), LocationInput()),
            "the dataset has none of the images s1, s2, era5, srtm, dynamic-world",
        ),
    ],
)
def test_data_without_what_it_needs_are_refused_at_planning(delivers: tuple[Input, ...], reason: str) -> None:
    with pytest.raises(InputMismatchError, match=reason):
        feed_of(*delivers)


def test_frames_of_unknown_date_are_left_out(untrained: Presto) -> None:
    columns = raw_samples(frames=4)
    columns["dates"][:, 1] = np.nan
    feed = feed_of(stack(*STACK[:13], frames=4), LocationInput())
    columns["image"] = columns["image"][..., :13]
    found = embedded(untrained, feed, columns)
    columns["image"][:, 1] *= 2
    assert embedded(untrained, feed, columns).equal(found)
    columns["image"][:, 2] *= 2
    assert not embedded(untrained, feed, columns).equal(found)


def test_a_sample_without_any_date_is_an_error(untrained: Presto) -> None:
    columns = raw_samples()
    columns["dates"][1] = np.nan
    with pytest.raises(InputMismatchError, match="no image of s1 of a sample has a date"):
        embedded(untrained, feed_of(stack(), LocationInput()), columns)


# --- behaviour --------------------------------------------------------------------------------------------------------


def generated(frames: int, seed: int = 0) -> Batch:
    return inputs.generate(PRESET, PRESET.offered()[0], 3, seed=seed, frames=frames)


def test_padded_months_and_the_rest_of_a_batch_do_not_count(untrained: Presto) -> None:
    wanted = PRESET.offered()[0]
    short, long = generated(2), generated(24, seed=1)
    with torch.inference_mode():
        alone = torch.cat([compute(untrained, wanted, one) for one in (short, long)])
        together = compute(untrained, wanted, concatenate([short, long]))
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_month_place_and_order_of_months_count(untrained: Presto) -> None:
    columns = raw_samples()
    feed = feed_of(stack(), LocationInput())
    before = embedded(untrained, feed, columns)
    for changed in (
        {"dates": columns["dates"] + 90},
        {"lonlat": columns["lonlat"] + 5},
        {"image": columns["image"][:, ::-1].copy()},
    ):
        assert (embedded(untrained, feed, {**columns, **changed}) - before).abs().max() > 1e-3
    # It was trained on calendar months: the day and the year do not count.
    assert embedded(untrained, feed, {**columns, "dates": columns["dates"] + 10}).equal(before)


def test_the_number_of_a_month_in_its_series_counts(untrained: Presto) -> None:
    groups, place = {"S1": torch.tensor([[[0.5, 0.2], [0.1, 0.4]]])}, torch.tensor([[1.0, 0, 0]])
    months = {"S1": torch.tensor([[3, 4]])}
    first = untrained.encoder(groups, months, place)
    assert untrained.encoder(groups, months, place, {"S1": torch.tensor([0, 1])}).equal(first)
    assert (untrained.encoder(groups, months, place, {"S1": torch.tensor([0, 2])}) - first).abs().max() > 1e-3


def test_a_month_without_land_cover_has_no_token_and_the_others_keep_their_places(
    untrained: Presto, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = raw_samples(frames=4)
    cover = np.zeros((3, 4, 9))
    cover[:, [0, 2, 3], [4, 1, 7]] = 0.6
    cover[:, [0, 2, 3], 5] = 0.4
    cover[2] = 0  # of one sample none is known
    columns["image"] = np.concatenate([columns["image"], cover], axis=2).astype(np.float32)
    seen: list[tuple[Any, Any, Any]] = []
    original = untrained.encoder.forward

    def forward(
        values: dict[str, Tensor], months: dict[str, Tensor], place: Tensor, steps: dict[str, Tensor]
    ) -> Tensor:
        if LAND_COVER in values:
            seen.append((values[LAND_COVER].tolist(), months[LAND_COVER].tolist(), steps[LAND_COVER].tolist()))
        return original(values, months, place, steps)

    monkeypatch.setattr(untrained.encoder, "forward", forward)
    embedded(untrained, feed_of(stack(*STACK, *DYNAMIC_WORLD, frames=4), LocationInput()), columns)
    assert seen == [([[4, 1, 7]] * 2, [[0, 2, 3]] * 2, [0, 2, 3])]


FILE = Path(tempfile.mkdtemp()) / NAME


@pytest.fixture(scope="module", autouse=True)
def random_weights() -> Iterator[None]:
    """Save what the conformance suite loads."""
    torch.manual_seed(1)
    saved(Presto(), FILE)
    yield
    FILE.unlink()
    FILE.parent.rmdir()


@pytest.mark.usefixtures("little_work")
@parametrize_with_model_checks([at_a_path(SPEC, FILE)])
def test_conformance(check: Callable[[], None]) -> None:
    check()
