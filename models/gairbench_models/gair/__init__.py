"""GAIR: overhead images, street views and locations in one space (arXiv 2503.16683), its ablations and its release."""

from __future__ import annotations

from gairbench import Modality, ModelSpec, Pretraining, View
from gairbench.spec import HubWeights
from gairbench_models.gair.presets import DATASET, OFFICIAL, RECIPE, VERSION, listed
from gairbench_models.gair.variants import VARIANTS, Variant

_VIEWS = {
    Modality.RS: frozenset({View.RS_TOKENS, View.RS_QUERY}),
    Modality.SV: frozenset({View.SV_PROJECTED}),
    Modality.LOCATION: frozenset[View](),
}
_RELEASED = HubWeights(repo="PingL/GAIR", filename="checkpoint.pth", licence="CC BY-NC 4.0")


def _spec(name: str, variant: Variant) -> ModelSpec:
    official = name == OFFICIAL
    return ModelSpec(
        name=name,
        version=VERSION,
        factory="gairbench_models.gair.model:load",
        presets=tuple(p for p in listed(name) if not official or p.name == "base"),
        views=frozenset[View]().union(*(_VIEWS[modality] for modality in variant.modalities)),
        aligned=frozenset(variant.modalities),
        pretraining=None
        if official
        else Pretraining(recipe="gairbench_models.gair.pretraining:pretrain", version=RECIPE, dataset=DATASET),
        hub=_RELEASED if official else None,
        read_checkpoint="gairbench_models.gair.checkpoint:read_checkpoint",
        seeded=True,
        description=variant.description,
        licence=_RELEASED.licence if official else "MIT",
        citation=variant.citation,
        # Streetscapes1M, which the released weights have seen, is no dataset of ours.
        trained_on=frozenset() if official else frozenset({DATASET}),
    )


MODELS: tuple[ModelSpec, ...] = tuple(_spec(name, variant) for name, variant in VARIANTS.items())
