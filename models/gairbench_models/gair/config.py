"""The sizes GAIR comes in; light enough for the plugin hook to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval

from gairbench.field_types import ADDED_LATER
from gairbench.inputs import Input, Modality
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.overrides import FOLLOWS
from gairbench_models.location.config import LocationConfig

Localization = Literal["nili", "bilinear", "bicubic", "none"]
"""How a tile is looked up at a point: see :mod:`gairbench_models.gair.localization`."""

SeclForm = Literal["symmetric", "queue"]
"""``"symmetric"`` as in the paper, ``"queue"`` as in the authors' first public code: see
:func:`gairbench_models.gair.losses.gair_losses`."""


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

    bands: int = field(metadata={FOLLOWS: "the names of the bands"})
    image_size: Annotated[int, Ge(1)]
    patch_size: Annotated[int, Ge(1)]
    width: Annotated[int, Ge(1)]
    depth: Annotated[int, Ge(1)]
    heads: Annotated[int, Ge(1)]

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
class GairConfig:
    """One configured GAIR.

    Args:
        dim: Length of the embeddings that the encoders share; the RS encoder's tokens have this width.
        rs: Overhead-image encoder.
        sv: Street-view encoder.
        location: Location encoder.
        localization: How a tile is looked up at a point; the paper's is ``"nili"``.
        modalities: The encoders that it has.
    """

    dim: Annotated[int, Ge(1)]
    rs: VisionConfig
    sv: VisionConfig
    location: LocationConfig
    localization: Localization = "nili"
    modalities: tuple[Modality, ...] = field(
        default=(Modality.RS, Modality.SV, Modality.LOCATION), metadata={FOLLOWS: "the variant"}
    )

    def __post_init__(self) -> None:
        if self.rs.width != self.dim:
            raise ValueError(f"RS tokens of width {self.rs.width} are the embedding, whose length is {self.dim}")


COLDEST = 0.01
"""A learned temperature is at least this (CLIP, arXiv 2103.00020)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContrastiveConfig:
    """GAIR's objectives.

    Args:
        incl: Contrast localized RS with SV (Implicit Neural Contrastive Learning).
        secl: Contrast SV with location and localized RS with location (Spatially Explicit Contrastive Learning).
        temperature: Of every term; 0.07 in the paper.
        learn_temperature: Learn it, starting there and never below 0.01, as CLIP does; fixed in the paper.
        queue_size: Past coordinates kept as further negatives for location; 4,096 in the paper.
        coordinate_jitter: Standard deviation in degrees of the noise on the coordinates that the location encoder sees.
        sv_patch_drop: Share of street-view patches left out at random in training.
        secl_form: Both directions with the batch and the queue as negatives, or half of the direction from image to
            location with the queue alone, which then starts full of random coordinates.

    Raises:
        ValueError: The queue is to hold all negatives, and holds nothing; or a learned temperature starts below its
            floor.
    """

    incl: bool = True
    secl: bool = True
    temperature: Annotated[float, Interval(gt=0, le=1)] = 0.07
    learn_temperature: bool = False
    queue_size: Annotated[int, Ge(0)] = 4096
    coordinate_jitter: Annotated[float, Ge(0)] = 0.0
    sv_patch_drop: Annotated[float, Interval(ge=0, lt=1)] = 0.0
    secl_form: SeclForm = field(default="symmetric", metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        if self.learn_temperature and self.temperature < COLDEST:
            raise ValueError(
                f"a temperature of {self.temperature:g}, which is to be learned and never below {COLDEST:g}"
            )
        if self.secl_form == "queue" and not self.queue_size:
            raise ValueError("secl_form 'queue' contrasts with the queue alone, which holds 0 coordinates")


@dataclass(frozen=True, slots=True, kw_only=True)
class InitialWeights:
    """Weights that training starts from instead of random ones; see ``docs/checkpoints.md``.

    Args:
        rs: File of a CROMA checkpoint.
        sv: File of a timm ViT's weights, or ``timm:<model name>``, which may download them.
        location: File of GeoCLIP's location encoder, or of SatCLIP.
    """

    rs: str | None = None
    sv: str | None = None
    location: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherConfig:
    """A frozen model whose embeddings an encoder learns from.

    Args:
        model: Name of the model, any that ``--model`` takes; ``None``: no teacher.
        preset: Its preset; ``None``: that of its checkpoint, or its first.
    """

    model: str | None = None
    preset: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillationConfig:
    """Teachers of the encoders; the authors' first public code has those of images.

    Args:
        rs: Of the overhead encoder: its mean token learns from the teacher's vector.
        sv: Of the photo encoder, before its projection into the shared space.
        location: Of the location encoder.
        weight: Of each teacher's term, minus the cosine similarity; 0.2 in the authors' code.
    """

    rs: TeacherConfig = TeacherConfig()
    sv: TeacherConfig = TeacherConfig()
    location: TeacherConfig = TeacherConfig()
    weight: Annotated[float, Gt(0)] = 0.2

    def of(self, modality: Modality) -> TeacherConfig:
        """Return the teacher of one encoder."""
        return {Modality.RS: self.rs, Modality.SV: self.sv, Modality.LOCATION: self.location}[modality]


@dataclass(frozen=True, slots=True, kw_only=True)
class GairPreset:
    """Everything that one ``--preset`` name stands for.

    Args:
        description: One line for the listings.
        config: The model.
        inputs: What its encoders take, one per modality.
        budget: Passes, batch, optimizer and augmentation, the same for every model that is compared.
        objective: What is minimized.
        distillation: The teachers of the variants that have some.
        authors_budget: Of ``gair[authors]``; ``None``: as ``budget``.
    """

    description: str
    config: GairConfig
    inputs: tuple[Input, ...]
    budget: Budget
    objective: ContrastiveConfig
    distillation: DistillationConfig = DistillationConfig()
    authors_budget: Budget | None = None
