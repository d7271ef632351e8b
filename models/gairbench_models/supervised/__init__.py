"""Supervised baselines: architectures without weights, which ``end_to_end`` trains on each task's own train split."""

from __future__ import annotations

from gairbench import ANY, ImageInput, Modality, ModelSpec, Normalization, Preset
from gairbench.inputs import EVERY
from gairbench.representation import Representation
from gairbench_models.supervised.presets import PRESETS, SupervisedConfig

_LONGEST = 1_000
"""Frames of the longest series."""

_GRID = Representation("tokens", (EVERY,))


def _preset(name: str, config: SupervisedConfig) -> Preset:
    overhead = ImageInput(
        modality=Modality.RS,
        name=EVERY,
        bands=ANY,
        unit=None,
        size=config.size,
        frames=(1, _LONGEST),
        normalization=Normalization.NOMINAL,
    )
    photo = ImageInput(modality=Modality.SV, size=config.size, normalization=Normalization.NOMINAL)
    dense = config.kind != "cnn"
    return Preset(
        name=name,
        # A U-Net is for pixels, of which photos have no tasks.
        inputs=(overhead,) if config.kind == "unet" else (overhead, photo),
        offers=(_GRID,) if dense else (),
        description=config.description,
    )


def _spec(name: str, description: str, citation: str) -> ModelSpec:
    return ModelSpec(
        name=name,
        version="1",
        factory="gairbench_models.supervised.encoder:load",
        presets=tuple(_preset(size, config) for size, config in PRESETS[name].items()),
        configuration="gairbench_models.supervised.presets:supervised_configuration",
        seeded=True,
        description=f"{description}, trained end to end on each task; takes any bands, units and series",
        licence="MIT",
        citation=citation,
        evaluator="end_to_end",
    )


MODELS: tuple[ModelSpec, ...] = (
    _spec("unet", "U-Net", "arXiv:1505.04597"),
    _spec("vit", "Plain vision transformer", "arXiv:2205.01580"),
    _spec("cnn", "ResNet", "arXiv:1512.03385"),
)
