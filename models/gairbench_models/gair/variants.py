"""GAIR and what is left of it without one of its ideas; light enough for the plugin hook to import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gairbench.inputs import Modality
from gairbench_models.gair.config import Localization

_ALL = (Modality.RS, Modality.SV, Modality.LOCATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One registered model made from GAIR's parts; everything not stated here is as in GAIR.

    Args:
        description: One line for the listings.
        localization: How a tile is looked up at a point.
        modalities: The encoders that it has.
        incl: It is trained with INCL.
        secl: It is trained with SECL, as far as it has the encoders.
        citation: Paper or URL.
        recipe: Version of its pre-training; raised when its outcome changes.
        distilled: It is trained with the preset's teachers.
        authors: It is trained as the authors' first public code does: SECL, and the schedule.
    """

    description: str
    localization: Localization = "nili"
    modalities: tuple[Modality, ...] = _ALL
    incl: bool = True
    secl: bool = True
    citation: str = "arXiv:2503.16683"
    recipe: int = 4
    distilled: bool = False
    authors: bool = False


VARIANTS: Mapping[str, Variant] = {
    "gair": Variant(description="Tri-modal contrastive model with localized overhead embeddings (NILI)"),
    "gair[no-inr]": Variant(description="GAIR whose tile embedding is the mean token", localization="none"),
    "gair[bilinear]": Variant(description="GAIR with bilinear sampling in place of NILI", localization="bilinear"),
    "gair[bicubic]": Variant(description="GAIR with bicubic sampling in place of NILI", localization="bicubic"),
    "gair-official": Variant(description="GAIR as its authors released it, the checkpoint of PingL/GAIR"),
    # Only SECL trains a location encoder: without SECL the variant has none.
    "gair[incl-only]": Variant(
        description="GAIR trained on RS-SV pairs alone", modalities=(Modality.RS, Modality.SV), secl=False, recipe=5
    ),
    "gair[secl-only]": Variant(description="GAIR without the RS-SV objective", incl=False),
    "gair[distilled]": Variant(
        description="GAIR that also learns from frozen image encoders, its teachers", distilled=True
    ),
    "gair[authors]": Variant(
        description="GAIR by the recipe of the authors' first public code, teachers included",
        distilled=True,
        authors=True,
    ),
    "satclip-style": Variant(
        description="Two-way contrast of overhead image and location, as SatCLIP",
        localization="none",
        modalities=(Modality.RS, Modality.LOCATION),
        incl=False,
        citation="arXiv:2311.17179",
    ),
    "geoclip-style": Variant(
        description="Two-way contrast of photo and location, as GeoCLIP",
        localization="none",
        modalities=(Modality.SV, Modality.LOCATION),
        incl=False,
        citation="arXiv:2309.16020",
    ),
}
"""By registered name."""
