"""GAIR's two image encoders without anything between them: the backbone of the rivals that see images alone."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gairbench.errors import CheckpointError
from gairbench.pretraining.overrides import FOLLOWS
from gairbench.spec import ImageInput, ModelContext, Preset
from gairbench_models.checkpoints import CARD, read_card, read_state
from gairbench_models.gair.config import VisionConfig
from gairbench_models.gair.presets import PRESETS
from gairbench_models.serialization import from_json
from gairbench_models.tensorfiles import check_shapes

if TYPE_CHECKING:
    from gairbench_models.vision_pair_model import VisionPair

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


def configured(preset: str, pool: Pool) -> PairConfig:
    """Return the encoders of GAIR's preset."""
    config = PRESETS[preset].config
    return PairConfig(rs=config.rs, sv=config.sv, sv_pool=pool)


def listed() -> tuple[Preset, ...]:
    """Return GAIR's presets with their images alone."""
    return tuple(
        Preset(
            name=name,
            inputs=tuple(i for i in preset.inputs if isinstance(i, ImageInput)),
            description=preset.description,
        )
        for name, preset in PRESETS.items()
    )


def read_checkpoint(path: Path) -> Preset:
    """Say which preset a checkpoint is of and what its encoders take.

    Raises:
        CheckpointError: It says nothing about itself.
    """
    card = read_card(path)
    known = next((preset for preset in listed() if preset.name == card.preset), Preset(name=card.preset, inputs=()))
    return replace(known, inputs=card.inputs)


def load(context: ModelContext, pool: Pool) -> VisionPair:
    """Build a preset, from its checkpoint where one is given.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or of another model or preset.
    """
    from gairbench_models.vision_pair_model import untrained

    if context.checkpoint is None:
        return untrained(configured(context.preset, pool), context.seed).eval()
    card = read_card(context.checkpoint)
    state = read_state(card, model=context.model, preset=context.preset)
    try:
        config = from_json(PairConfig, card.config)
    except ValueError as error:
        raise CheckpointError(
            f"{card.weights.parent / CARD}: config: {error}", "use the version of gairbench that made it"
        ) from error
    model = untrained(config, context.seed)
    check_shapes(state, {name: value.shape for name, value in model.state_dict().items()}, context.checkpoint)
    model.load_state_dict(state)
    return model.eval()
