"""The sizes GAIR comes in; light enough for the plugin hook to import."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gairbench.spec import Input

Localization = Literal["nili", "bilinear", "bicubic", "none"]
"""How a tile is looked up at a point: see :mod:`gairbench_models.gair.localization`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionConfig:
    """Size of an image encoder.

    Args:
        bands: Input channels.
        image_size: Height and width in pixels, a multiple of ``patch_size``.
        patch_size: Edge of a patch in pixels.
        width: Length of a token.
        depth: Number of transformer blocks.
        heads: Attention heads, a divisor of ``width``.
    """

    bands: int
    image_size: int
    patch_size: int
    width: int
    depth: int
    heads: int

    def __post_init__(self) -> None:
        if self.image_size % self.patch_size:
            raise ValueError(f"image size {self.image_size} is not a multiple of patch size {self.patch_size}")
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be split into {self.heads} heads")

    @property
    def grid_size(self) -> int:
        """Tokens along one edge of the image."""
        return self.image_size // self.patch_size


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationConfig:
    """Size of the location encoder.

    Args:
        sigmas: Standard deviation of the random frequencies, one per capsule; large ones resolve small distances.
        frequencies: Random frequencies per capsule.
        hidden: Width of a capsule's hidden layers.
    """

    sigmas: tuple[float, ...] = (1.0, 16.0, 256.0)
    frequencies: int
    hidden: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GairConfig:
    """One configured GAIR.

    Args:
        dim: Length of the embeddings that the three encoders share; the RS encoder's tokens have this width.
        rs: Overhead-image encoder.
        sv: Street-view encoder.
        location: Location encoder.
        localization: How a tile is looked up at a point; the paper's is ``"nili"``.
    """

    dim: int
    rs: VisionConfig
    sv: VisionConfig
    location: LocationConfig
    localization: Localization = "nili"

    def __post_init__(self) -> None:
        if self.rs.width != self.dim:
            raise ValueError(f"RS tokens of width {self.rs.width} are the embedding, whose length is {self.dim}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """How a preset is pre-trained.

    Args:
        epochs: Passes over the triplets.
        batch_size: Triplets per step, which are each other's negatives.
        learning_rate: Peak of the schedule.
        weight_decay: AdamW's decay of matrices; biases, norms and embeddings have none.
        warmup: Share of the steps over which the learning rate rises from zero before its cosine decay.
        temperature: Of every contrastive loss; fixed, 0.07 in the paper.
        queue_size: Past coordinates kept as further negatives for location; 4,096 in the paper.
        coordinate_jitter: Standard deviation in degrees of the noise on the coordinates that the location encoder sees.
        brightness: Images are multiplied by a random factor in 1 +- this.
        contrast: Deviations from an image's mean are multiplied by a random factor in 1 +- this.
        sv_patch_drop: Share of street-view patches left out at random in training.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    warmup: float = 0.1
    temperature: float = 0.07
    queue_size: int = 4096
    coordinate_jitter: float = 0.0
    brightness: float = 0.2
    contrast: float = 0.2
    sv_patch_drop: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GairPreset:
    """Everything that one ``--preset`` name stands for.

    Args:
        description: One line for the listings.
        config: The model.
        inputs: What its encoders take, one per modality.
        training: Its recipe; ``None`` where no registered data can train it.
    """

    description: str
    config: GairConfig
    inputs: tuple[Input, ...]
    training: TrainingConfig | None
