"""GAIR: overhead images, street views and locations in one space (arXiv 2503.16683)."""

from __future__ import annotations

from gairbench import Modality, ModelSpec, Pretraining, View
from gairbench_models.gair.presets import DATASET, MODEL, VERSION, listed

MODELS: tuple[ModelSpec, ...] = (
    ModelSpec(
        name=MODEL,
        version=VERSION,
        factory="gairbench_models.gair.model:load",
        presets=listed(),
        views=frozenset({View.RS_TOKENS, View.RS_QUERY, View.SV_PROJECTED}),
        aligned=frozenset({Modality.RS, Modality.SV, Modality.LOCATION}),
        pretraining=Pretraining(recipe="gairbench_models.gair.pretraining:pretrain", version=1, dataset=DATASET),
        seeded=True,
        description="Tri-modal contrastive model with localized overhead embeddings (NILI)",
        licence="MIT",
        citation="arXiv:2503.16683",
        trained_on=frozenset({DATASET}),
    ),
)
