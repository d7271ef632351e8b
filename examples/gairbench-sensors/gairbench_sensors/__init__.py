"""A gairbench plugin of the wider cases, one module each.

- ``joint``: a model of Sentinel-2 and Sentinel-1 together, or of either;
- ``spectrum``: a model that takes any bands and is given their wavelengths;
- ``seasons``: a model of series, which is given dates and the place;
- ``golden``: known answers of all three, which the conformance suite compares;
- ``fields``: a generated dataset that all of them can be run on;
- ``heads``: an evaluator and a metric.

The models have no weights: they are examples of the contract, and show how little each case needs. This module holds
specs only; torch, numpy and the like are imported when something is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from gairbench import (
    ANY,
    Category,
    DatasetSpec,
    EvaluatorSpec,
    ImageInput,
    Kind,
    LocationInput,
    MetricSpec,
    Modality,
    ModelSpec,
    Preset,
    TaskSpec,
    Unit,
    hookimpl,
)
from gairbench_tasks.torchgeo.source import TorchGeoSource

# --- models -----------------------------------------------------------------------------------------------------------

S2 = ImageInput(
    modality=Modality.RS, name="s2", bands=("B2", "B3", "B4", "B8"), unit=Unit.REFLECTANCE, size=16, gsd_m=10.0
)
S1 = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=16, gsd_m=10.0)

JOINT = ModelSpec(
    name="example-joint",
    version="1",
    factory="gairbench_sensors.joint:Joint",
    presets=(Preset(name="default", inputs=(S2, S1), accepts=(("s2", "s1"), ("s2",), ("s1",))),),
    golden="gairbench_sensors.golden:of_joint",
    description="Means of quarters of Sentinel-2 and Sentinel-1 images, together or of either",
    licence="MIT",
    citation="gairbench's plugin guide",
)

SPECTRUM = ModelSpec(
    name="example-spectrum",
    version="1",
    factory="gairbench_sensors.spectrum:Spectrum",
    presets=(
        Preset(
            name="default",
            inputs=(ImageInput(modality=Modality.RS, bands=ANY, unit=Unit.REFLECTANCE, size=16),),
            needs=frozenset({"wavelengths"}),
            wants=frozenset({"mask"}),
        ),
    ),
    golden="gairbench_sensors.golden:of_spectrum",
    description="Reflectance at six wavelengths, from whatever bands there are",
    licence="MIT",
    citation="gairbench's plugin guide",
)

SEASONS = ModelSpec(
    name="example-seasons",
    version="1",
    factory="gairbench_sensors.seasons:Seasons",
    presets=(
        Preset(
            name="default",
            inputs=(
                ImageInput(
                    modality=Modality.RS,
                    name="s2_year",
                    bands=("B4", "B8"),
                    unit=Unit.REFLECTANCE,
                    size=1,
                    frames=(3, 24),
                    surplus_frames="even",
                ),
            ),
            needs=frozenset({"dates", "lonlat"}),
        ),
    ),
    golden="gairbench_sensors.golden:of_seasons",
    description="Mean and yearly cycle of red and near infrared, and the place",
    licence="MIT",
    citation="gairbench's plugin guide",
)


@hookimpl
def register_models() -> Iterator[ModelSpec]:
    """Name the models and say what they take."""
    yield from (JOINT, SPECTRUM, SEASONS)


# --- datasets and tasks -----------------------------------------------------------------------------------------------

FIELDS = DatasetSpec(
    name="example-fields",
    version=1,
    factory="gairbench_sensors.fields:Fields",
    delivers=(
        ImageInput(
            modality=Modality.RS, name="s2", bands=("B2", "B3", "B4", "B8"), unit=Unit.S2_DN, size=16, gsd_m=10.0
        ),
        ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.POWER, size=16, gsd_m=10.0),
        ImageInput(
            modality=Modality.RS,
            name="s2_year",
            bands=("B4", "B8"),
            unit=Unit.S2_DN,
            size=1,
            gsd_m=10.0,
            frames=6,
            dated=True,
        ),
        LocationInput(order="lonlat"),
    ),
    description="Generated fields of six crops: an image in summer, a radar image, and a year of one pixel",
    licence="CC0-1.0",
    citation="gairbench's plugin guide",
)

EUROSAT = DatasetSpec(
    name="example-eurosat",
    version=1,
    folder="eurosat",
    factory=TorchGeoSource("torchgeo.datasets:EuroSAT", target="label", lonlat=".samples.0"),
    delivers=(
        ImageInput(
            modality=Modality.RS,
            # The class's order: B8A comes last.
            bands=("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A"),
            unit=Unit.S2_DN,
            size=64,
            gsd_m=10.0,
        ),
        LocationInput(order="lonlat"),
    ),
    description="Land cover of Sentinel-2 tiles, read by TorchGeo",
    licence="MIT",
    citation="https://arxiv.org/abs/1709.00029",
)


@hookimpl
def register_tasks() -> Iterator[TaskSpec]:
    """Join each dataset with a target, the plugin's evaluator and its metric."""
    yield TaskSpec(
        name="example-fields-crop",
        version=1,
        category=Category.RS,
        family="crop type mapping",
        kind=Kind.CLASSIFICATION,
        dataset=FIELDS,
        target="crop",
        inputs=(Modality.RS,),
        metric="accuracy",
        synthetic=True,
        evaluators=("example-mlp",),
        extra_metrics=("example-top5",),
        description="Crop of a generated field",
    )
    yield TaskSpec(
        name="example-eurosat-cover",
        version=1,
        category=Category.RS,
        family="land cover",
        kind=Kind.CLASSIFICATION,
        dataset=EUROSAT,
        target="label",
        inputs=(Modality.RS,),
        metric="accuracy",
        synthetic=False,
        evaluators=("example-mlp",),
        extra_metrics=("example-top5",),
        description="Land cover of a Sentinel-2 tile",
    )


# --- evaluators and metrics -------------------------------------------------------------------------------------------


@hookimpl
def register_evaluators() -> Iterator[EvaluatorSpec]:
    """Name the evaluator and the kinds of task that it serves."""
    yield EvaluatorSpec(
        name="example-mlp",
        version=1,
        factory="gairbench_sensors.heads:mlp",
        kinds=frozenset({Kind.CLASSIFICATION}),
        description="One hidden layer; the weight decay is chosen on val",
    )


@hookimpl
def register_metrics() -> Iterator[MetricSpec]:
    """Name the metric, what it is given and its direction."""
    yield MetricSpec(
        name="example-top5",
        version=1,
        factory="gairbench_sensors.heads:top5",
        kinds=frozenset({Kind.CLASSIFICATION}),
        higher_is_better=True,
        needs="scores",
        description="Share of samples whose class has one of the five highest scores",
    )
