"""The weights that TorchGeo lists, by its own names: ``torchgeo:<enum>.<member>``."""

from __future__ import annotations

from gairbench import ModelPattern, ModelSpec

MODELS: tuple[ModelSpec, ...] = ()

PATTERNS = (
    ModelPattern(
        prefix="torchgeo",
        factory="gairbench_models.torchgeo_models.declaration:make_torchgeo_spec",
        listed="gairbench_models.torchgeo_models.listing:list_torchgeo",
        rest="WEIGHTS",
        description="Weights of TorchGeo with their transform, as torchgeo:ResNet18_Weights.SENTINEL2_ALL_MOCO",
    ),
)
