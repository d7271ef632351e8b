"""What all entries of the suite have in common."""

from __future__ import annotations

from gairbench import Category, DatasetSpec, ImageInput, Kind, Modality, TaskSpec, Unit
from gairbench.inputs import Rendering
from gairbench.kinds import DEFAULT_METRICS, HEADLINE
from gairbench_tasks.torchgeo.source import Label

TORCHGEO = "torchgeo.datasets:"
"""Where the classes are."""

PER_SAMPLE = "gairbench_tasks.suite.per_sample:"
"""Where functions are of what the classes do not give."""

OURS = "gairbench_tasks.suite.classes."
"""Where classes are that TorchGeo does not have."""

NOT_STATED = "not stated (TorchGeo)"
"""Of a dataset for which TorchGeo's documentation names no licence."""

LONLAT = (".table.lon", ".table.lat")
"""Where our classes of places have them."""

S2_RGB = ("B4", "B3", "B2")


def aerial(size: int | None, gsd_m: float | None = None) -> ImageInput:
    """Return an aerial photo or a picture of one: red, green and blue display values.

    Args:
        size: Edge in pixels; ``None``: it varies.
        gsd_m: Ground sample distance in metres; ``None``: it varies.
    """
    return ImageInput(modality=Modality.RS, size=size, gsd_m=gsd_m)


def sentinel2(
    bands: tuple[str, ...],
    size: int,
    *,
    name: str = "",
    white: float = 3_000,
    unit: Unit = Unit.S2_DN,
    gsd_m: float = 10.0,
    frames: tuple[int, int] | None = None,
) -> ImageInput:
    """Return an image of Sentinel-2, which encoders of pictures are shown in true colours.

    Args:
        bands: In the order of the class.
        size: Edge in pixels.
        name: Where a sample has several images.
        white: The value that is shown as white: that of TorchGeo's ``plot``, where it is one number, and EuroSAT's
            where it is a percentile of the image.
        unit: Of the values.
        gsd_m: Ground sample distance in metres.
        frames: Of a series: the least and the greatest number of images.
    """
    return ImageInput(
        modality=Modality.RS,
        name=name,
        bands=bands,
        unit=unit,
        size=size,
        gsd_m=gsd_m,
        frames=frames,
        rendering=Rendering(bands=S2_RGB, low=0, high=white),
    )


# What BigEarthNet's and TreeSatAI's papers and their users report first.
_METRICS = {**DEFAULT_METRICS, Kind.MULTILABEL: ("map", ("micro_f1",))}


def ask(
    dataset: DatasetSpec,
    what: str,
    family: str,
    description: str,
    *,
    kind: Kind = Kind.CLASSIFICATION,
    target: str = "label",
    inputs: tuple[str, ...] = (Modality.RS,),
    category: Category = Category.RS,
    group: str = "",
    extra_metrics: tuple[str, ...] = (),
) -> TaskSpec:
    """Return a task on a dataset, named ``<dataset>-<what>``, with the metrics of its kind.

    Where places are all that is given, what the nearest places say stands beside the probe: an encoder that does not do
    better has learned no more.

    Args:
        dataset: Its samples.
        what: What is asked.
        family: Tasks of one family are one vote.
        description: One line.
        kind: Of the target.
        target: Its name in the dataset.
        inputs: What the models are given.
        category: The table it stands in.
        group: What neighbouring samples have in common; published splits may have one group in several of them.
        extra_metrics: Beside those of the kind.
    """
    metric, more = _METRICS[kind]
    return TaskSpec(
        name=f"{dataset.name}-{what}",
        version=1,
        category=category,
        family=family,
        kind=kind,
        dataset=dataset,
        target=target,
        inputs=inputs,
        metric=metric,
        extra_metrics=(*more, *extra_metrics),
        evaluators=(HEADLINE[kind], "knn", "interpolation") if inputs == (Modality.LOCATION,) else (),
        group=group,
        synthetic=False,
        description=description,
    )


def measured(*names: str) -> dict[str, Label]:
    """Return measurements that our classes of places have in their tables."""
    return {name: Label(f".table.{name}", kind=Kind.REGRESSION) for name in names}


def ask_of_place(
    dataset: DatasetSpec,
    what: str,
    target: str,
    description: str,
    *,
    kind: Kind = Kind.REGRESSION,
    group: str = "blocks:10",
    extra_metrics: tuple[str, ...] = (),
) -> TaskSpec:
    """Return a task that asks what is known of a place, from its coordinates alone.

    Args:
        dataset: Its places.
        what: What is asked.
        target: Its name in the dataset.
        description: One line.
        kind: A measurement or a class.
        group: What neighbouring places have in common.
        extra_metrics: Beside those of the kind.
    """
    return ask(
        dataset,
        what,
        f"geo-aware {kind}",
        description,
        kind=kind,
        target=target,
        inputs=(Modality.LOCATION,),
        category=Category.LOCATION,
        group=group,
        extra_metrics=extra_metrics,
    )
