"""Which models a listing shows: by name, weights, modality and sensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gairbench.inputs import ANY, ImageInput, Modality
from gairbench.model_names import EVERYTHING, is_glob, known_model, matching, models_of
from gairbench.plugins import Origin, Registry
from gairbench.selection import split_names, unknown
from gairbench.sensors import canonical, sensors
from gairbench.spec import ModelSpec, Pretraining

_SHORT = {"s1": "sentinel-1", "s2": "sentinel-2"}
"""What sensors are called in speech."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFilter:
    """Which models to show; what is empty or false leaves none out.

    Args:
        names: Names, globs, or ``all``; several in one value stand between commas. ``"timm:*"`` matches the names that
            a pattern lists.
        with_weights: Show only models with weights that others have published.
        modality: Show only models that take this input.
        sensor: Show only models that take a band of this sensor in one of their images, or any bands.
    """

    names: Sequence[str] = ()
    with_weights: bool = False
    modality: str = ""
    sensor: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked."""
        return not (self.names or self.with_weights or self.modality or self.sensor)


def listed_models(registry: Registry, wanted: ModelFilter) -> list[tuple[ModelSpec, Origin]]:
    """Return the models that a filter leaves, each with where it is from.

    Args:
        registry: What is installed.
        wanted: The filter.

    Raises:
        UsageError: A name, a modality or a sensor does not exist.
        PluginError: A pattern cannot list its models.
    """
    bands = _bands(wanted.sensor)
    if wanted.modality and wanted.modality not in list(Modality):
        raise unknown("modality", wanted.modality, map(str, Modality))
    found = {spec.name: (spec, origin) for spec, origin in _named(registry, wanted.names)}
    return [
        (spec, origin)
        for spec, origin in found.values()
        if (not wanted.with_weights or _has_weights(spec))
        and (not wanted.modality or any(wanted.modality in preset.modalities for preset in spec.presets))
        and (bands is None or _takes(spec, bands))
    ]


def _named(registry: Registry, names: Sequence[str]) -> Iterator[tuple[ModelSpec, Origin]]:
    known = {name: (spec, registry.model_origins[name]) for name, spec in registry.models.items()}
    for name in split_names(names) or known:
        if name == EVERYTHING:
            yield from known.values()
            continue
        if name in known:
            yield known[name]
            continue
        prefix, colon, _ = name.partition(":")
        of_pattern = _of_pattern(registry, prefix) if colon else {}
        listed = {**of_pattern, **known}
        chosen = matching(name, listed) or [name] * (name in listed)
        if not chosen and (of_pattern or is_glob(name)):
            raise unknown("model", name, listed)
        if not chosen:
            # As --model finds it, and with its hints where there is none.
            added = known_model(name, registry)
            yield registry.models[added], registry.model_origins[added]
        yield from (listed[one] for one in chosen)


def _of_pattern(registry: Registry, prefix: str) -> dict[str, tuple[ModelSpec, Origin]]:
    if prefix not in registry.model_patterns:
        return {}
    origin = registry.model_pattern_origins[prefix]
    return {spec.name: (spec, origin) for spec in models_of(registry.model_patterns[prefix], origin)}


def _bands(sensor: str) -> frozenset[str] | None:
    if not sensor:
        return None
    found = sensors().get(_SHORT.get(sensor.casefold(), sensor.casefold()))
    if found is None:
        raise unknown("sensor", sensor, [*sensors(), *_SHORT])
    return frozenset(band.name for band in found.bands)


def _has_weights(spec: ModelSpec) -> bool:
    return any(preset.weights is not None and not isinstance(preset.weights, Pretraining) for preset in spec.presets)


def _takes(spec: ModelSpec, bands: frozenset[str]) -> bool:
    images = (image for preset in spec.presets for image in preset.inputs if isinstance(image, ImageInput))
    return any(image.bands == ANY or bands & set(map(canonical, image.bands)) for image in images)
