"""GAIR: overhead images, street views and locations in one space (arXiv 2503.16683), its ablations and its release."""

from __future__ import annotations

from dataclasses import replace

from gairbench import Modality, ModelSpec, Pretraining
from gairbench.published import HubWeights
from gairbench.representation import RS_QUERY, SV_PROJECTED, Representation
from gairbench_models.corpora import STREETSCAPES_1M
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.offers import rs_offers, sv_offers
from gairbench_models.gair.presets import DATASET, OFFICIAL, PRESETS, TEACHERS_TRAINED_ON, VERSION, preset_specs
from gairbench_models.gair.variants import VARIANTS, Variant

_RELEASED = HubWeights(repo="PingL/GAIR", filename="checkpoint.pth", licence="CC BY-NC 4.0")


def _spec(name: str, variant: Variant) -> ModelSpec:
    official = name == OFFICIAL
    weights = (
        _RELEASED
        if official
        else Pretraining(
            recipe="gairbench_models.gair.pretraining:pretrain_gair",
            version=variant.recipe,
            dataset=DATASET,
            inputs="gairbench_models.gair.recipe:encoder_inputs",
            teachers="gairbench_models.gair.recipe:teachers_of",
        )
    )
    return ModelSpec(
        name=name,
        version=VERSION,
        factory="gairbench_models.gair.checkpoint:load",
        presets=tuple(
            replace(preset, offers=_offers(variant, PRESETS[preset.name].config))
            for preset in preset_specs(name, weights)
            if not official or preset.name == "base"
        ),
        aligned=frozenset(variant.modalities),
        configuration="gairbench_models.gair.recipe:gair_configuration",
        read_checkpoint="gairbench_models.gair.checkpoint:read_checkpoint",
        seeded=True,
        description=variant.description,
        licence=_RELEASED.licence if official else "MIT",
        citation=variant.citation,
        trained_on=frozenset({STREETSCAPES_1M} if official else {DATASET}) | _seen_by_teachers(variant),
    )


def _seen_by_teachers(variant: Variant) -> frozenset[str]:
    return TEACHERS_TRAINED_ON if variant.distilled else frozenset()


def _offers(variant: Variant, config: GairConfig) -> tuple[Representation, ...]:
    # The mean token is the same at every point: there is nothing to look up.
    looks_up = Modality.RS in variant.modalities and variant.localization != "none"
    return (
        *(rs_offers(config.rs) if Modality.RS in variant.modalities else ()),
        *((RS_QUERY,) if looks_up else ()),
        *((SV_PROJECTED, *sv_offers(config.sv)) if Modality.SV in variant.modalities else ()),
    )


MODELS: tuple[ModelSpec, ...] = tuple(_spec(name, variant) for name, variant in VARIANTS.items())
