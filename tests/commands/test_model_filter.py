"""``gairbench list models`` by name, weights, modality and sensor."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from gairbench import ANY, ImageInput, LocationInput, Modality, ModelPattern, ModelSpec, PackageWeights, Preset
from gairbench.cli import app
from gairbench.commands.model_filter import ModelFilter, listed_models
from gairbench.errors import PluginError, UsageError
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.spec import Pretraining

WEIGHTS = PackageWeights(distribution="d", path="w.pth", sha256="0" * 64, licence="MIT")
S2 = ImageInput(modality=Modality.RS, bands=("B4", "B3", "B2"))
RADAR = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"))
RGB_PHOTO = ImageInput(modality=Modality.SV)


def model(name: str, *presets: Preset) -> ModelSpec:
    return ModelSpec(name=name, version="1", factory="nowhere:load", presets=presets)


def preset(*inputs: ImageInput | LocationInput, name: str = "default", trained: bool = False) -> Preset:
    return Preset(name=name, inputs=inputs, weights=WEIGHTS if trained else None)


def listed() -> Iterator[ModelSpec]:
    yield model("many:own", preset(LocationInput()))
    yield model("many:one", preset(RADAR, trained=True))
    yield model("many:two", preset(RGB_PHOTO))


def broken() -> Iterator[ModelSpec]:
    raise RuntimeError("out of order")


@pytest.fixture
def registry() -> Registry:
    found = Registry()
    models = [
        model("optical", preset(S2), preset(S2, name="base", trained=True)),
        model("optical[small]", preset(S2)),
        model("photo", preset(RGB_PHOTO)),
        model("place", preset(LocationInput(), trained=True)),
        model("whatever", preset(ImageInput(modality=Modality.RS, bands=ANY))),
        model("many:own", preset(LocationInput(), trained=True)),
    ]
    patterns = [
        ModelPattern(prefix="many", factory="nowhere:make", rest="N", listed=listed),
        ModelPattern(prefix="silent", factory="nowhere:make", rest="N"),
        ModelPattern(prefix="broken", factory="nowhere:make", rest="N", listed=broken),
    ]
    found.add(Origin("p", "d", "1"), models=models, model_patterns=patterns)
    return found


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        (ModelFilter(), ["optical", "optical[small]", "photo", "place", "whatever", "many:own"]),
        (ModelFilter(names=["all"]), ["optical", "optical[small]", "photo", "place", "whatever", "many:own"]),
        (ModelFilter(names=["all"], with_weights=True), ["optical", "place", "many:own"]),
        (ModelFilter(names=["opt*"]), ["optical", "optical[small]"]),
        (ModelFilter(names=["optical[*,photo", "optical"]), ["optical[small]", "photo", "optical"]),
        (ModelFilter(names=["photo", "*"]), ["photo", "optical", "optical[small]", "place", "whatever", "many:own"]),
        (ModelFilter(with_weights=True), ["optical", "place", "many:own"]),
        (ModelFilter(modality="location"), ["place", "many:own"]),
        (ModelFilter(modality="rs"), ["optical", "optical[small]", "whatever"]),
        (ModelFilter(sensor="s2"), ["optical", "optical[small]", "whatever"]),
        (ModelFilter(sensor="Sentinel-2", with_weights=True), ["optical"]),
        (ModelFilter(sensor="rgb"), ["photo", "whatever"]),
        (ModelFilter(sensor="s1", names=["many:*", "photo"]), ["many:one"]),
        (ModelFilter(names=["many:*"]), ["many:own", "many:one", "many:two"]),
        (ModelFilter(names=["many:one"]), ["many:one"]),
    ],
)
def test_a_filter_leaves_what_it_asks_for(registry: Registry, wanted: ModelFilter, names: list[str]) -> None:
    assert [spec.name for spec, _ in listed_models(registry, wanted)] == names


def test_what_is_registered_goes_before_what_a_pattern_lists(registry: Registry) -> None:
    (own, *_), _ = zip(*listed_models(registry, ModelFilter(names=["many:*"])), strict=True)
    assert own.presets[0].weights == WEIGHTS


@pytest.mark.parametrize(
    ("wanted", "error", "why"),
    [
        (
            ModelFilter(names=["optics"]),
            UsageError,
            r"no model 'optics'; did you mean optical\?.*many:N.*py:Class",
        ),
        (ModelFilter(names=["z*"]), UsageError, r"no model 'z\*'; there are:"),
        (ModelFilter(names=["silent:*"]), UsageError, r"no model 'silent:\*'"),
        (ModelFilter(names=["many:three"]), UsageError, "no model 'many:three'; did you mean"),
        (ModelFilter(names=["broken:*"]), PluginError, r"the list of broken:N of plugin .*RuntimeError: out of order"),
        (ModelFilter(modality="radar"), UsageError, "no modality 'radar'"),
        (ModelFilter(sensor="s3"), UsageError, "no sensor 's3'; did you mean s"),
    ],
)
def test_what_there_is_not_is_named(registry: Registry, wanted: ModelFilter, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        listed_models(registry, wanted)


def test_a_name_that_no_pattern_lists_is_made_as_for_a_run(registry: Registry) -> None:
    pattern = ModelPattern(prefix="own", factory=lambda rest: model(f"own:{rest}", preset(S2)), rest="N")
    registry.add(Origin("own-plugin", "d", "1"), model_patterns=[pattern])
    ((spec, origin),) = listed_models(registry, ModelFilter(names=["own:seven"]))
    assert (spec.name, origin.plugin) == ("own:seven", "own-plugin")


def test_weights_that_gairbench_trains_itself_are_not_published_ones() -> None:
    registry = load_registry()
    trained = {spec.name for spec, _ in listed_models(registry, ModelFilter(with_weights=True))}
    assert any(isinstance(one.weights, Pretraining) for one in registry.models["gair"].presets)
    assert "gair" not in trained
    assert {"gair-official", "geoclip-location"} <= trained


def shown(*arguments: str) -> list[str]:
    done = CliRunner().invoke(app, ["list", "models", *arguments, "--json"])
    assert done.exit_code == 0, done.output
    return [row["model"] for row in json.loads(done.output)]


def test_the_command_line_filters_and_lists_patterns() -> None:
    assert "timm:NAME[.TAG]" in shown()
    assert set(shown("all")) == {name for name in shown() if name in load_registry().models}
    assert shown("gair[b*", "--modality", "rs") == ["gair[bilinear]", "gair[bicubic]"]
    resnets = shown("timm:resnet18*", "--sensor", "rgb", "--with-weights")
    assert "timm:resnet18.a1_in1k" in resnets
    assert "timm:resnet18" not in resnets
    moco = shown("torchgeo:ResNet18*", "--sensor", "s2", "--with-weights")
    assert "torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO" in moco


def test_nothing_left_is_said() -> None:
    done = CliRunner().invoke(app, ["list", "models", "gair", "--sensor", "naip"])
    assert (done.exit_code, done.output) == (0, "none\n")


def test_timm_lists_what_it_makes() -> None:
    from gairbench_models.timm_models.declaration import list_timm, make_timm_spec

    specs = {spec.name: spec for spec in list_timm()}
    assert len(specs) > 1_000
    for rest in ("resnet18", "resnet18.a1_in1k", "tf_efficientnet_lite0", "tf_efficientnet_lite0.untrained"):
        made, found = make_timm_spec(rest), specs[f"timm:{rest}"]
        assert (made.presets[0].inputs, made.presets[0].weights) == (found.presets[0].inputs, found.presets[0].weights)
        assert (made.version, made.description) == (found.version, found.description)
