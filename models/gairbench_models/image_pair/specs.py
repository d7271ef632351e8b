"""Declarations of the rivals: each at GAIR's steps, and at GAIR's compute."""

from __future__ import annotations

from gairbench import ModelSpec, Pretraining
from gairbench_models.gair.presets import DATASET, VERSION
from gairbench_models.image_pair.config import pair_preset_specs
from gairbench_models.image_pair.equal_compute import GIGAFLOPS, SUFFIX


def rival_specs(name: str, *, recipe_version: int, description: str, citation: str) -> tuple[ModelSpec, ModelSpec]:
    """Return a rival and the same at equal compute.

    Args:
        name: Of the rival, and of its package here.
        recipe_version: Of its pre-training; raised when its outcome changes.
        description: One line for the listings.
        citation: Paper or URL.
    """
    package = f"gairbench_models.{name}"
    presets = pair_preset_specs(
        Pretraining(
            recipe=f"{package}.pretraining:pretrain_{name}",
            version=recipe_version,
            dataset=DATASET,
            inputs=f"{package}.recipe:encoder_inputs",
        )
    )

    def spec(suffix: str, note: str) -> ModelSpec:
        return ModelSpec(
            name=name + suffix,
            version=VERSION,
            factory=f"{package}.model:load",
            presets=tuple(preset for preset in presets if not suffix or preset.name in GIGAFLOPS),
            configuration=f"{package}.recipe:{name}_configuration",
            read_checkpoint="gairbench_models.image_pair.checkpoint:read_checkpoint",
            seeded=True,
            description=description + note,
            licence="MIT",
            citation=citation,
            trained_on=frozenset({DATASET}),
        )

    return spec("", ""), spec(SUFFIX, ", trained with as many operations as GAIR")
