"""GAIR's two image encoders without anything between them: the backbone of the rivals that see images alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from gairbench.inputs import ImageInput
from gairbench.pretraining.overrides import FOLLOWS
from gairbench.spec import Preset, Pretraining
from gairbench_models.gair.config import VisionConfig
from gairbench_models.gair.offers import rs_offers, sv_offers
from gairbench_models.gair.presets import PRESETS

Pool = Literal["pooler", "mean"]
"""How the photo encoder's tokens become one vector: GAIR's pooler on the class token, or the mean patch token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairConfig:
    """One configured pair.

    Args:
        rs: Overhead-image encoder.
        sv: Street-view encoder.
        sv_pool: How the photo encoder's tokens become one vector.
    """

    rs: VisionConfig
    sv: VisionConfig
    sv_pool: Pool = field(default="pooler", metadata={FOLLOWS: "the objective"})


def pair_config_of(preset: str, pool: Pool) -> PairConfig:
    """Return the encoders of GAIR's preset."""
    config = PRESETS[preset].config
    return PairConfig(rs=config.rs, sv=config.sv, sv_pool=pool)


def pair_preset_specs(weights: Pretraining | None = None) -> tuple[Preset, ...]:
    """Return GAIR's presets with their images alone, trained by a recipe."""
    return tuple(
        Preset(
            name=name,
            inputs=tuple(i for i in preset.inputs if isinstance(i, ImageInput)),
            offers=(*rs_offers(preset.config.rs), *sv_offers(preset.config.sv)),
            description=preset.description,
            weights=weights,
        )
        for name, preset in PRESETS.items()
    )
