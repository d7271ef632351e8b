"""Geo-foundation models of the table: they load published files strictly, conform, and answer as published."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import geofm_small
import pytest
import torch
import torchgeo.models.croma
from geofm_small import DEPTH, SMALL, published, randomized, reference, small_spec, tiny_spec, untrained
from typer.testing import CliRunner

from gairbench import (
    DatasetSpec,
    ImageInput,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Normalization,
    Preset,
    Unit,
)
from gairbench.batch import Batch, Images
from gairbench.cli import app
from gairbench.errors import CheckpointError, InputMismatchError
from gairbench.feeding import Feed, plan_feed
from gairbench.published import TorchGeoWeights
from gairbench.representation import Representation
from gairbench.sensors import band
from gairbench.testing.model_checks import BEHAVIOUR, check_known_answers
from gairbench.weights.sources import find_file
from gairbench.weights.torchhub import torch_hub_file
from gairbench_models.corpora import corpora_of
from gairbench_models.torchgeo_models import MODELS, geofm, readers
from gairbench_models.torchgeo_models.catalogue import catalogue
from gairbench_models.torchgeo_models.entries import make_geofm_spec
from gairbench_models.torchgeo_models.table import ENTRIES

NAMES = sorted(ENTRIES)
SPECS = {spec.name: spec for spec in MODELS}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


# --- declarations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_entries_are_of_weights_that_torchgeo_lists(name: str) -> None:
    entry = ENTRIES[name]
    for size, preset in zip(entry.sizes, SPECS[name].presets, strict=True):
        member, _ = catalogue()[size.member]
        assert preset.weights == TorchGeoWeights(member=size.member, licence=entry.licence, url=size.url)
        assert entry.citation == member.meta["publication"]
        assert corpora_of(member.meta.get("dataset", "")) <= entry.trained_on
        # Its address may move, from one version of TorchGeo to the next.
        assert torch_hub_file(size.url) == torch_hub_file(member.url)
        for taken in entry.inputs:
            for numbers in (taken.wavelengths_nm, taken.bandwidths_nm, taken.mean, taken.std):
                assert len(numbers) in {0, len(taken.image.bands)}


def test_depths_are_those_of_the_published_models(monkeypatch: pytest.MonkeyPatch) -> None:
    # CROMA's biases are computed number by number, which takes 20 s on tensors without data, and are not looked at.
    monkeypatch.setattr(torchgeo.models.croma, "get_2dalibi", lambda num_heads, num_patches: torch.zeros(1))
    for entry in ENTRIES.values():
        for number, size in enumerate(entry.sizes):
            with torch.device("meta"):
                model: Any = untrained(entry, number)
            if entry.name == "croma":
                depths = {
                    ("s2", "s1"): len(model.joint_encoder.layers),
                    ("s2",): len(model.s2_encoder.transformer.layers),
                    ("s1",): len(model.s1_encoder.transformer.layers),
                }
                assert {a.of: int(size.depth * a.depth) for a in entry.accepts} == depths
            else:
                assert size.depth == len(getattr(model, "model", model).blocks)


def test_stated_wavelengths_are_those_of_the_bands() -> None:
    for entry in ENTRIES.values():
        for taken in entry.inputs:
            for name, wave in zip(taken.image.bands, taken.wavelengths_nm, strict=False):
                known = band(name).wavelength_um
                assert known is not None
                assert wave == pytest.approx(1_000 * known, rel=0.025), (entry.name, name)


def delivered(*bands: str, unit: Unit, name: str = "rs", **more: Any) -> ImageInput:
    return ImageInput(modality=Modality.RS, name=name, bands=bands, unit=unit, size=64, **more)


def planned(name: str, *images: ImageInput, preset: int = 0) -> Feed:
    data = DatasetSpec(name="d", version=1, factory="", delivers=(*images, LocationInput()))
    return plan_feed(name, SPECS[name].presets[preset], data, "rs")


EUROSAT = delivered("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A", unit=Unit.S2_DN)
RADAR = delivered("VV", "VH", unit=Unit.POWER, name="s1")
PICTURE = delivered("red", "green", "blue", unit=Unit.UINT8)
OTHER_RADAR = delivered("HH", "HV", unit=Unit.DB)
LANDSAT = delivered("landsat-8:B4", "landsat-8:B5", unit=Unit.LANDSAT_C2_DN)


@pytest.mark.parametrize(
    ("name", "images", "of"),
    [
        ("croma", [EUROSAT], ("s2",)),
        ("croma", [RADAR], ("s1",)),
        ("croma", [EUROSAT, RADAR], ("s2", "s1")),
        ("dofa", [EUROSAT], ("s2",)),
        ("dofa", [RADAR], ("s1",)),
        ("dofa", [delivered("VV", "HH", unit=Unit.DB)], ("any",)),
        ("dofa", [PICTURE], ("rgb",)),
        ("dofa", [LANDSAT], ("any",)),
        ("panopticon", [EUROSAT], ("s2", "s1")),
        ("panopticon", [RADAR], ("s2", "s1")),
        ("panopticon", [EUROSAT, RADAR], ("s2", "s1")),
        ("panopticon", [delivered("VV", unit=Unit.DB)], ("s2", "s1")),
        ("panopticon", [OTHER_RADAR], ("any",)),
        ("panopticon", [PICTURE], ("rgb",)),
        ("panopticon", [LANDSAT], ("any",)),
        ("copernicus-fm", [EUROSAT], ("s2",)),
        ("copernicus-fm", [RADAR], ("s1",)),
        ("copernicus-fm", [LANDSAT], ("any",)),
    ],
)
def test_data_are_fed_as_the_sensor_that_they_are_of(name: str, images: list[ImageInput], of: tuple[str, ...]) -> None:
    feed = planned(name, *images)
    assert feed.representation.of == of
    assert len(feed.images) == len(images)
    nominal = {c.wanted.normalization is Normalization.NOMINAL for c in feed.images.values()}
    assert nominal == {of == ("any",)}


def test_bands_that_a_model_was_not_trained_on_are_left_out_and_said() -> None:
    said = planned("dofa", EUROSAT).describe()["s2"]
    assert said["dropped"] == ["B1", "B9", "B10", "B8A"]
    said = planned("panopticon", delivered("B4", "B3", "B2", unit=Unit.REFLECTANCE)).describe()["s2"]
    assert len(said["lacking"]) == 10
    said = planned("panopticon", delivered("VV", "VH", "HH", "HV", unit=Unit.DB)).describe()["s1"]
    assert said["dropped"] == ["HH", "HV"]


def test_what_cannot_be_fed_is_refused() -> None:
    with pytest.raises(InputMismatchError, match="the encoder needs band B1, B5"):
        planned("croma", delivered("B2", "B3", "B4", "B8", unit=Unit.S2_DN))
    for name in ("dofa", "panopticon", "copernicus-fm"):
        with pytest.raises(InputMismatchError, match="the wavelengths of all bands, and that of mystery is not known"):
            planned(name, delivered("mystery", unit=Unit.REFLECTANCE))
    with pytest.raises(InputMismatchError, match="in unit uint8 and the encoder takes"):
        planned("croma", replace(EUROSAT, unit=Unit.UINT8))


# --- conformance ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("little_work")
@pytest.mark.parametrize("check", BEHAVIOUR, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_models_of_four_blocks_conform(name: str, check: Callable[[ModelSpec, Preset], None], folder: Path) -> None:
    spec = tiny_spec(name, folder)
    check(spec, spec.presets[0])


@pytest.mark.parametrize("name", NAMES)
def test_models_answer_as_their_authors_code(name: str, folder: Path) -> None:
    spec = small_spec(name, folder)
    check_known_answers(spec, spec.presets[0])


# --- wrong wrappers ---------------------------------------------------------------------------------------------------


def wrong(name: str, folder: Path, image: str, **changes: Any) -> ModelSpec:
    """Return a spec that declares an input otherwise."""
    spec = small_spec(name, folder)
    (preset,) = spec.presets
    inputs = tuple(replace(i, **changes) if i.name == image else i for i in preset.inputs)
    return replace(spec, presets=(replace(preset, inputs=inputs),))


def complaint(spec: ModelSpec) -> str:
    with pytest.raises(AssertionError) as caught:
        check_known_answers(spec, spec.presets[0])
    return str(caught.value)


def test_exchanged_bands_are_named(folder: Path) -> None:
    bands = list(ENTRIES["croma"].taken("s2").image.bands)
    bands[1], bands[3] = bands[3], bands[1]
    said = complaint(wrong("croma", folder, "s2", bands=tuple(bands)))
    assert "it would be right if bands B4 and B2 of 's2' were declared the other way round" in said


@pytest.mark.parametrize(
    ("name", "image", "unit", "says"),
    [
        ("copernicus-fm", "s2", Unit.REFLECTANCE, "'s2' were in unit s2_dn: the model declares reflectance"),
        ("croma", "s1", Unit.POWER, "'s1' were in unit db: the model declares power"),
        ("dofa", "s1", Unit.AMPLITUDE, "'s1' were in unit db: the model declares amplitude"),
    ],
)
def test_wrong_units_are_named(name: str, image: str, unit: Unit, says: str, folder: Path) -> None:
    assert f"right if {says}" in complaint(wrong(name, folder, image, unit=unit))


@pytest.mark.parametrize("name", ["dofa", "panopticon", "copernicus-fm"])
def test_a_wrong_wavelength_unit_is_named(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = small_spec(name, folder)
    whole = readers._number

    def in_micrometres(entry: Any, one: Any, *more: Any) -> float:
        # Nanometres are those of the table alone.
        number = whole(entry, one, *more)
        return number / 1_000 if one.name.startswith("landsat") else number

    monkeypatch.setattr(readers, "_number", in_micrometres)
    if name == "copernicus-fm":  # it encodes no wavelength below 100 nm
        with pytest.raises(AssertionError, match="not within the configured range"):
            check_known_answers(spec, spec.presets[0])
        return
    assert "right if wavelengths were in nanometres, and they are in micrometres" in complaint(spec)


def test_exchanged_coordinates_are_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = readers._metadata
    monkeypatch.setattr(readers, "_metadata", lambda *of: whole(*of)[:, [1, 0, 2, 3]])
    said = complaint(small_spec("copernicus-fm", folder))
    assert "right if longitude and latitude of the place that the model is given were exchanged" in said


def test_a_wrong_layer_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_after_each", lambda transformer: [block[0] for block in transformer.layers])
    assert "right if 's2:tokens@0' were what the model returns as 's2:tokens@1'" in complaint(
        small_spec("croma", folder)
    )


def test_batch_statistics_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tiny_spec("croma", folder)
    whole = geofm._standardized

    def by_batch(taken: Any, image: Images) -> Any:
        values = whole(taken, image)
        return (values - values.mean((0, 2, 3), keepdim=True)) / values.std((0, 2, 3), keepdim=True)

    monkeypatch.setattr(geofm, "_standardized", by_batch)
    check = next(check for check in BEHAVIOUR if check.__name__ == "check_embeddings_do_not_depend_on_the_batch")
    with pytest.raises(AssertionError, match="another embedding alone than in a batch"):
        check(spec, spec.presets[0])


# --- what is given beside the values ----------------------------------------------------------------------------------


def loaded(name: str, folder: Path) -> Any:
    spec = tiny_spec(name, folder)
    weights: Any = spec.presets[0].weights
    context = ModelContext(model=name, preset=spec.presets[0].name, seed=0, checkpoint=weights.path)
    return geofm_small.load_tiny(context).eval()


@pytest.mark.parametrize(
    ("name", "image"),
    [(name, taken.image.name) for name in NAMES for taken in ENTRIES[name].inputs if taken.image.name != "any"],
)
def test_every_declared_band_shows_in_the_embedding(name: str, image: str, folder: Path) -> None:
    bands = ENTRIES[name].taken(image).image.bands
    assert isinstance(bands, tuple)
    one = image_of(name, bands, 1)
    # The first sample is as it is; in each other one, one band is otherwise.
    values = one.values.repeat(1 + len(bands), 1, 1, 1)
    for number in range(len(bands)):
        values[1 + number, number] = -values[1 + number, number]
    batch = Batch(images={image: replace(one, values=values, valid=torch.ones(len(values), dtype=torch.bool))})
    # Alone where it is accepted alone, else with what may be missing.
    of = min((accepted.of for accepted in ENTRIES[name].accepts if image in accepted.of), key=len)
    with torch.inference_mode():
        found = loaded(name, folder).encode(batch, Representation("pooled", of))
    changed = (found[1:] - found[0]).abs().amax(dim=1) / found[0].abs().amax()
    assert (changed > 1e-4).all(), dict(zip(bands, changed.tolist(), strict=True))


def test_panopticons_marks_of_radar_are_those_of_the_polarizations() -> None:
    """What VV and VH differ by is how they are received, and so it is of HV and HH."""
    marks = ENTRIES["panopticon"].radar
    model = reference("panopticon").model
    with torch.inference_mode():
        found = model.patch_embed.chnfus.chnemb(torch.tensor([[marks[band] for band in ("VV", "VH", "HV", "HH")]]))[0]
    vv, vh, hv, hh = found
    torch.testing.assert_close(vv - vh, hv - hh)
    torch.testing.assert_close(vv - hv, vh - hh)
    assert (vv - vh).abs().max() > 1e-3
    assert (vv - hv).abs().max() > 1e-3


def image_of(name: str, bands: tuple[str, ...], count: int, **more: Any) -> Images:
    entry = geofm_small.TINY[name]
    edge = entry.inputs[0].image.size
    assert edge is not None
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(count, len(bands), edge, edge, generator=generator)
    valid = torch.ones(count, dtype=torch.bool)
    return Images(
        values=values, bands=tuple(map(band, bands)), units=(Unit.REFLECTANCE,) * len(bands), valid=valid, **more
    )


def test_samples_of_which_less_is_known_take_nothing_from_the_others(folder: Path) -> None:
    encoder = loaded("copernicus-fm", folder)
    nan = float("nan")
    lonlat = torch.tensor([[11.5, 48.0], [nan, nan], [-70.0, 5.0], [11.5, nan]], dtype=torch.float64)
    dates = torch.tensor([18_000.0, 19_000.0, nan, nan], dtype=torch.float64)
    gsd = torch.tensor([10.0, 30.0, 10.0, nan], dtype=torch.float64)
    batch = Batch(images={"s2": image_of("copernicus-fm", ("B4", "B8"), 4, dates=dates, gsd_m=gsd)}, lonlat=lonlat)
    wanted = Representation("pooled", ("s2",))
    with torch.inference_mode():
        together = encoder.encode(batch, wanted)
        for row in range(4):
            alone = encoder.encode(batch[row : row + 1], wanted)
            torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-4)
        elsewhere = replace(batch, lonlat=lonlat + 1)
        moved = (encoder.encode(elsewhere, wanted) - together).abs().amax(1) > 1e-4
    # A place of which half is known is not known.
    assert moved.tolist() == [True, False, True, False]


def test_places_and_areas_that_are_not_encoded_are_none(folder: Path) -> None:
    encoder = loaded("copernicus-fm", folder)
    edges = torch.tensor([[-180.0, -90.0], [-180 + 1e-6, -90 + 1e-6], [180.0, 90.0]], dtype=torch.float64)
    gsd = torch.tensor([10.0, 10.0, 0.1], dtype=torch.float64)
    image = image_of("copernicus-fm", ("B4", "B8"), 3, gsd_m=gsd)
    image = replace(image, values=image.values[:1].expand(3, -1, -1, -1))
    wanted = Representation("pooled", ("s2",))
    with torch.inference_mode():
        found = encoder.encode(Batch(images={"s2": image}, lonlat=edges), wanted)
        unknown = replace(image, gsd_m=torch.full((3,), float("nan"), dtype=torch.float64))
        without = encoder.encode(Batch(images={"s2": unknown}, lonlat=edges), wanted)
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[2], without[2])


@pytest.mark.parametrize(("name", "bands"), [("dofa", ("HH",)), ("copernicus-fm", ("VV", "HV"))])
def test_radar_that_a_model_does_not_know_is_refused(name: str, bands: tuple[str, ...], folder: Path) -> None:
    encoder = loaded(name, folder)
    with pytest.raises(InputMismatchError, match=f"{name} knows the radar bands VV, VH, and not {bands[-1]}"):
        encoder.encode(Batch(images={"any": image_of(name, bands, 1)}), Representation("pooled", ("any",)))


def test_a_bandwidth_that_is_not_known_is_refused(folder: Path) -> None:
    image = image_of("copernicus-fm", ("B4",), 1)
    image = replace(image, bands=(replace(band("landsat-8:B4"), bandwidth_um=None),))
    with pytest.raises(InputMismatchError, match="needs wavelength and bandwidth of all bands"):
        loaded("copernicus-fm", folder).encode(Batch(images={"any": image}), Representation("pooled", ("any",)))


def test_bands_of_any_sensors_are_read_together(folder: Path) -> None:
    encoder = loaded("panopticon", folder)
    wanted = Representation("pooled", ("any",))
    image = image_of("panopticon", ("B4", "VV", "landsat-8:B10"), 2)
    with torch.inference_mode():
        found = encoder.encode(Batch(images={"any": image}), wanted)
        order = [2, 0, 1]
        other = replace(image, values=image.values[:, order], bands=tuple(image.bands[i] for i in order))
        torch.testing.assert_close(encoder.encode(Batch(images={"any": other}), wanted), found, atol=1e-5, rtol=1e-4)


# --- weights ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_published_file_is_found_under_its_name_and_loaded_strictly(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    source = SPECS[name].presets[0].weights
    assert isinstance(source, TorchGeoWeights)
    assert find_file(source, tmp_path) is None
    path = torch_hub_file(source.url)
    path.parent.mkdir(parents=True)
    state = published(name, randomized(untrained(SMALL[name])))
    torch.save(state, path)
    context = ModelContext(model=name, preset=SPECS[name].presets[0].name, seed=0, checkpoint=path)
    expected = reference(name).state_dict()
    found = geofm_small.load(context).model.state_dict()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, msg=key)
    some = next(iter(_tensors(state)))
    for broken in (_without(state, some), _without(state, some) | {"other.weight": torch.zeros(2)}, {"x": 1}):
        torch.save(broken, path)
        with pytest.raises(CheckpointError, match=rf"{path.name} does not hold the weights of {name}"):
            geofm_small.load(context)
    with pytest.raises(CheckpointError, match=f"the weights of {name} are not here"):
        geofm.load(replace(context, checkpoint=None))


def test_weights_that_are_not_here_are_a_skip_that_names_file_and_licence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    arguments = [
        "run",
        "--model",
        "croma,dofa,panopticon",
        "--preset",
        "large",
        "--task",
        "earth-rs-koeppen",
        "--dry-run",
    ]
    done = CliRunner().invoke(app, [*arguments, "--results", str(tmp_path / "results")])
    assert re.search(
        r"croma +large .*skipped: the encoder needs band B1, B5, .* the dataset has red, green, blue", done.output
    )
    assert re.search(r"dofa +large .*add --download to fetch .*/dofa_large_patch16_224-0ff904d3.pth \(CC-", done.output)
    assert "panopticon_vitb14_teacher.pth (Apache-2.0)" in done.output
    assert list(tmp_path.iterdir()) == []


def _tensors(state: Mapping[str, Any]) -> list[str]:
    return [f"{key}/{inner}" for key, part in state.items() if isinstance(part, dict) for inner in part] or [*state]


def _without(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    part, _, inner = name.partition("/")
    if not inner:
        return {key: value for key, value in state.items() if key != name}
    return {**state, part: {key: value for key, value in state[part].items() if key != inner}}


# --- full size --------------------------------------------------------------------------------------------------------


OF_SIZES = {
    "check_network_is_left_alone",
    "check_embeddings_have_the_declared_shape",
    "check_nothing_runs_in_training_mode",
    "check_embeddings_do_not_depend_on_the_batch",
    "check_token_grid_is_north_up",
}
"""What may differ from four blocks; the others would take an hour."""


@pytest.mark.slow
@pytest.mark.parametrize(("name", "preset"), [(spec.name, preset.name) for spec in MODELS for preset in spec.presets])
def test_published_sizes_conform(name: str, preset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    entry = ENTRIES[name]
    number = [size.name for size in entry.sizes].index(preset)
    path = torch_hub_file(entry.sizes[number].url)
    path.parent.mkdir(parents=True)
    torch.save(published(name, randomized(untrained(entry, number))), path)
    spec = make_geofm_spec(entry)
    chosen = spec.preset(preset)
    # The published file's hash stands in its name, and these weights are generated.
    weights = geofm_small.FileWeights(path=path)
    # Beside the vectors of all sets, grids of the first one: where it ends, and of several layers.
    first = chosen.accepts[0]
    offers = tuple(o for o in chosen.offers if o.form == "tokens" and o.of == first and len(o.layers) != 1)
    spec = replace(spec, presets=(replace(chosen, weights=weights, offers=offers),))
    for check in BEHAVIOUR:
        if check.__name__ in OF_SIZES:
            check(spec, spec.presets[0])


def test_four_blocks_are_a_part_of_every_size() -> None:
    assert all(size.depth > DEPTH for entry in ENTRIES.values() for size in entry.sizes)
