"""Checkpoints of the pair of image encoders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.errors import CheckpointError
from gairbench.spec import ModelContext, Preset
from gairbench.weights.card import CARD, read_card, read_state
from gairbench.weights.serialization import from_json
from gairbench.weights.tensors import check_tensors
from gairbench_models.image_pair.config import PairConfig, Pool, pair_config_of, pair_preset_specs

if TYPE_CHECKING:
    from gairbench_models.image_pair.model import VisionPair


def read_checkpoint(path: Path) -> Preset:
    """Say which preset a checkpoint is of and what its encoders take.

    Raises:
        CheckpointError: It says nothing about itself.
    """
    card = read_card(path)
    known = next(
        (preset for preset in pair_preset_specs() if preset.name == card.preset), Preset(name=card.preset, inputs=())
    )
    return replace(known, inputs=card.inputs)


def load_pair(context: ModelContext, pool: Pool) -> VisionPair:
    """Build a preset, from its checkpoint where one is given.

    Raises:
        CheckpointError: The checkpoint is missing, broken, or of another model or preset.
    """
    from gairbench_models.image_pair.model import untrained_pair

    if context.checkpoint is None:
        return untrained_pair(pair_config_of(context.preset, pool), context.seed).eval()
    card = read_card(context.checkpoint)
    state = read_state(card, model=context.model, preset=context.preset)
    try:
        config = from_json(PairConfig, card.config)
    except ValueError as error:
        raise CheckpointError(
            f"{card.weights.parent / CARD}: config: {error}", "use the version of gairbench that made it"
        ) from error
    model = untrained_pair(config, context.seed)
    check_tensors(state, {name: value.shape for name, value in model.state_dict().items()}, context.checkpoint)
    model.load_state_dict(state)
    return model.eval()
