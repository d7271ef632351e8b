"""Compositions: how they are written, what they declare, and which part serves what."""

from __future__ import annotations

from dataclasses import replace

import pytest
from generated import DATASET, IMAGE, PHOTO, SHADES, TRAINED

from gairbench import ImageInput, LocationInput, Modality, ModelSpec, Preset, Representation, Unit
from gairbench.composition import (
    ComposedModel,
    ComposedPreset,
    compose_model,
    compose_preset,
    composed_name,
    encoders_of,
    model_for,
    parts_asked,
    preset_for,
)
from gairbench.errors import GairbenchError, UsageError
from gairbench.feeding import plan_feed
from gairbench.model_names import known_models
from gairbench.plugins import Registry, load_registry
from gairbench.requests import command_line
from gairbench.selection import select_models, split_names

RS, SV, LOCATION = Modality.RS, Modality.SV, Modality.LOCATION
NAME = "compose(rs=mae,sv=mocov3,location=xyz)"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.mark.parametrize(
    "written", [NAME, "compose( location = xyz, sv=mocov3 ,rs=mae )", "compose(sv=mocov3, rs=mae, location=xyz)"]
)
def test_however_it_is_written_its_name_is_the_same(written: str, registry: Registry) -> None:
    assert known_models([written], registry) == [NAME]
    assert composed_name(parts_asked(written)) == NAME
    assert select_models([NAME], registry.models) == [registry.models[NAME]]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("compose(rs=mae", "has no closing parenthesis"),
        ("compose(mae, sv=mocov3)", "'mae' is not MODALITY=MODEL"),
        ("compose(rs=, sv=mocov3)", "'rs=' is not MODALITY=MODEL"),
        ("compose()", "'' is not MODALITY=MODEL"),
        ("compose(sar=mae, sv=mocov3)", "no modality 'sar'; the modalities are rs, sv, location"),
        ("compose(rs=mae, rs=gair)", "names rs twice"),
        ("compose(rs=mae)", "has one part; name two or three, or run mae itself"),
        ("compose(rs=nobody, sv=mocov3)", "no model 'nobody'"),
        ("compose(rs=mae, location=mocov3)", "mocov3 has no location encoder; it has rs, sv"),
        ("compose(rs=unet, location=xyz)", "unet is trained on each task and has no embeddings to compose"),
        ("compose(rs=all, sv=mae)", "'all' is not one model"),
        ("compose(rs=ma*, sv=mae)", "no model 'ma*'"),
        ("compose(rs=compose(sv=mae), sv=mae)", "a part cannot be made of parts itself"),
    ],
)
def test_what_cannot_be_composed_is_refused_in_one_line(written: str, problem: str, registry: Registry) -> None:
    with pytest.raises(UsageError) as error:
        known_models([written], registry)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_commas_in_parentheses_separate_no_names() -> None:
    text = "gair, compose(rs=mae, sv=mocov3),mae"
    assert split_names([text]) == ["gair", "compose(rs=mae, sv=mocov3)", "mae"]


def test_the_recorded_command_asks_for_the_same() -> None:
    from gairbench.commands.run import RunRequest

    line = command_line("run", RunRequest(model=("gair", NAME)))
    assert split_names([line.split("'")[1]]) == [NAME]


def spec(name: str, *inputs: ImageInput | LocationInput, **more: object) -> ModelSpec:
    preset = Preset(name="default", inputs=inputs)
    return replace(SHADES, name=name, presets=(replace(preset, **more),), aligned=frozenset())  # type: ignore[arg-type]


S2 = ImageInput(modality=RS, name="s2", bands=("B4", "B3", "B2"), unit=Unit.S2_DN, size=16)


def test_each_part_offers_what_it_offers_by_itself_of_its_modalities() -> None:
    composed = compose_model({RS: SHADES, SV: replace(SHADES, name="other"), LOCATION: SHADES})
    (preset,) = composed.presets
    assert isinstance(preset, ComposedPreset)
    assert {*preset.offered()} == {*SHADES.presets[0].offered()}
    assert preset.modalities == {RS, SV, LOCATION}
    assert [part.model.name for part in composed.parts] == ["shades", "other"]
    assert [part.modalities for part in composed.parts] == [(RS, LOCATION), (SV,)]
    for entry in ("rs", "sv", "location"):
        assert plan_feed("m", preset, DATASET, entry) == plan_feed("m", SHADES.presets[0], DATASET, entry)


def test_what_one_part_needs_is_not_asked_of_another() -> None:
    dated = spec("dated", S2, needs=frozenset({"dates"}))
    composed = compose_model({RS: dated, SV: spec("photos", PHOTO)})
    (preset,) = composed.presets
    assert plan_feed("m", preset, DATASET, "sv").given == frozenset()
    with pytest.raises(GairbenchError):
        plan_feed("m", preset, DATASET, "rs")


def test_an_input_that_does_not_change_needs_no_date_in_a_composition() -> None:
    relief = spec("dated", IMAGE, needs=frozenset({"dates"}), static=frozenset({IMAGE.name}))
    (preset,) = compose_model({RS: relief, SV: spec("photos", PHOTO)}).presets
    assert preset.static == {IMAGE.name}
    assert plan_feed("m", preset, DATASET, "rs").given == {"dates"}


def test_the_part_of_a_representation_is_found_by_its_inputs() -> None:
    composed = compose_model({RS: SHADES, SV: (photos := spec("photos", PHOTO))})
    (preset,) = composed.presets
    assert model_for(composed, preset, Representation("pooled", ("rs",))) is SHADES
    assert model_for(composed, preset, Representation("pooled", ("sv",))) is photos
    assert preset_for(preset, Representation("pooled", ("sv",))).inputs == (PHOTO,)
    assert model_for(SHADES, SHADES.presets[0], Representation("pooled", ("rs",))) is SHADES


def test_inputs_of_one_name_are_refused() -> None:
    same = replace(PHOTO, name=IMAGE.name)
    with pytest.raises(UsageError, match="both call an input"):
        compose_model({RS: spec("a", IMAGE), SV: spec("b", same)})


@pytest.mark.parametrize(
    ("models", "aligned"),
    [
        ({RS: SHADES, SV: SHADES}, {RS, SV}),
        ({RS: SHADES, SV: SHADES, LOCATION: TRAINED}, {RS, SV}),
        ({RS: SHADES, SV: TRAINED}, set()),
        ({RS: SHADES, LOCATION: SHADES}, set()),
    ],
)
def test_modalities_share_a_space_only_within_a_part(models: dict[Modality, ModelSpec], aligned: set[Modality]) -> None:
    assert compose_model(models).aligned == aligned


def test_presets_are_named_for_those_of_the_parts(registry: Registry) -> None:
    mae, xyz = registry.models["mae"], registry.models["xyz"]
    assert [preset.name for preset in compose_model({RS: mae, LOCATION: xyz}).presets] == ["tiny", "small", "base"]
    composed = compose_model({RS: mae, SV: registry.models["mocov3"]})
    chosen = [mae.preset("small"), registry.models["mocov3"].preset("tiny")]
    assert compose_preset(composed.parts, chosen).name == "small-tiny"


def test_models_are_listed_by_their_parts_each_once() -> None:
    composed = compose_model({RS: SHADES, SV: TRAINED})
    assert isinstance(composed, ComposedModel)
    assert encoders_of([composed, SHADES]) == [SHADES, TRAINED]
    assert composed.seeded
