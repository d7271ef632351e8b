"""Tasks of every kind over generated data, for every set of inputs that a preset accepts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations

from gairbench.inputs import ImageInput, Input, LocationInput, Modality, SampleInput
from gairbench.kinds import DEFAULT_METRICS, DENSE
from gairbench.mock_run.generated_data import GeneratedData
from gairbench.spec import Category, DatasetSpec, Kind, ModelSpec, Preset, TaskSpec
from gairbench.testing.inputs import delivered_for

_CATEGORIES = {Modality.RS: Category.RS, Modality.SV: Category.SV, Modality.LOCATION: Category.LOCATION}


def generated_tasks(spec: ModelSpec, preset: Preset) -> list[TaskSpec]:
    """Return tasks of every kind that can be asked of a preset.

    Args:
        spec: The model.
        preset: Its preset.

    Returns:
        For each set of inputs that the preset accepts, a task of each kind that is learned; with overhead images, those
        of pixels, and where points can be looked up, each at the sample's point too. Retrieval between all modalities
        that the model aligns, and one task of all modalities together.
    """
    tasks: list[TaskSpec] = []
    firsts: dict[Modality, tuple[str, ...]] = {}
    for modality in Modality:
        for names in preset.accepted(modality):
            # What is looked up exists of real samples alone.
            if any(isinstance(preset.input(name), SampleInput) for name in names):
                continue
            firsts.setdefault(modality, names)
            tasks += _of_one(preset, modality, names)
    for query, gallery in permutations(sorted(spec.aligned & firsts.keys()), 2):
        dataset = _dataset(preset, [*firsts[query], *firsts[gallery]])
        localized = Modality.RS in {query, gallery} and _looks_up(preset)
        tasks.append(_task(dataset, Kind.RETRIEVAL, (query, gallery), localized=localized))
    if len(firsts) > 1:
        dataset = _dataset(preset, [name for names in firsts.values() for name in names])
        tasks.append(_task(dataset, Kind.REGRESSION, tuple(firsts)))
    return tasks


def _of_one(preset: Preset, modality: Modality, names: Sequence[str]) -> Iterator[TaskSpec]:
    dataset = _dataset(preset, names)
    for kind in Kind:
        dense = kind in DENSE
        if kind is Kind.RETRIEVAL or (dense and modality is not Modality.RS):
            continue
        # A place is what a location encoder is given.
        if kind is Kind.GEOLOCALIZATION and modality is Modality.LOCATION:
            continue
        yield _task(dataset, kind, (modality,))
        if modality is Modality.RS and not dense and kind is not Kind.GEOLOCALIZATION and _looks_up(preset):
            yield _task(dataset, kind, (modality,), localized=True)


def _looks_up(preset: Preset) -> bool:
    return any(offer.form == "query" for offer in preset.offered())


def _dataset(preset: Preset, names: Sequence[str]) -> DatasetSpec:
    wanted = [preset.input(name) for name in names]
    images: list[Input] = [delivered_for(one) for one in wanted if isinstance(one, ImageInput)]
    return DatasetSpec(
        name="-".join(["mock", *names]).lower(),
        version=1,
        factory=GeneratedData,
        delivers=(*images, LocationInput()),
        licence="CC0-1.0",
        description="generated",
    )


def _task(dataset: DatasetSpec, kind: Kind, inputs: tuple[Modality, ...], *, localized: bool = False) -> TaskSpec:
    metric, more = DEFAULT_METRICS[kind]
    words = [dataset.name, kind.replace("_", "-"), *inputs, *(["point"] if localized else [])]
    return TaskSpec(
        name="-".join(words),
        version=1,
        category=Category.CROSS_MODAL if len(inputs) > 1 else _CATEGORIES[inputs[0]],
        family="generated",
        kind=kind,
        dataset=dataset,
        target="" if kind is Kind.RETRIEVAL else str(kind),
        inputs=inputs,
        metric=metric,
        extra_metrics=more,
        synthetic=True,
        localized=localized,
    )
