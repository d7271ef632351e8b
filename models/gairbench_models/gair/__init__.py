"""GAIR: overhead images, street views and locations in one space (arXiv 2503.16683), and its ablations."""

from __future__ import annotations

from gairbench import Modality, ModelSpec, Pretraining, View
from gairbench_models.gair.presets import DATASET, RECIPE, VERSION, listed
from gairbench_models.gair.variants import VARIANTS

_VIEWS = {
    Modality.RS: {View.RS_TOKENS, View.RS_QUERY},
    Modality.SV: {View.SV_PROJECTED},
    Modality.LOCATION: set[View](),
}

MODELS: tuple[ModelSpec, ...] = tuple(
    ModelSpec(
        name=name,
        version=VERSION,
        factory="gairbench_models.gair.model:load",
        presets=listed(name),
        views=frozenset().union(*(_VIEWS[modality] for modality in variant.modalities)),
        aligned=frozenset(variant.modalities),
        pretraining=Pretraining(recipe="gairbench_models.gair.pretraining:pretrain", version=RECIPE, dataset=DATASET),
        seeded=True,
        description=variant.description,
        licence="MIT",
        citation=variant.citation,
        trained_on=frozenset({DATASET}),
    )
    for name, variant in VARIANTS.items()
)
