"""What the authors of TorchGeo's weights say of them, where TorchGeo does not, or says it otherwise."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gairbench import ImageInput, Modality, Normalization, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Values that become 8-bit ones, divided by 255.

    Args:
        unit: Of the values.
        ranges: What becomes 0 and 255, by band.
        gsd_m: Metres per pixel of the images.
    """

    unit: Unit
    ranges: Mapping[str, tuple[float, float]]
    gsd_m: float

    def image(self, name: str, bands: tuple[str, ...], size: int | None) -> ImageInput:
        """Return an input that does it, as the stretch between mean - 2 std and mean + 2 std."""
        ends = [self.ranges[band] for band in bands]
        return ImageInput(
            modality=Modality.RS,
            name=name,
            bands=bands,
            unit=self.unit,
            size=size,
            gsd_m=self.gsd_m,
            normalization=Normalization.TWO_SIGMA_8BIT,
            mean=tuple((low + high) / 2 for low, high in ends),
            std=tuple((high - low) / 4 for low, high in ends),
            interpolation="bilinear",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known of weights.

    Args:
        refused: Why they cannot be declared.
        photos: They take photos, of which their transform wants values from 0 to 1.
        stretch: How Sentinel-2 values become what they take.
        instead: The stretch is all that they take; otherwise it is one more way to feed them.
        mean: Of each band, of values from 0 to 1, where these are standardized after the stretch; empty: they are not.
        std: Likewise.
    """

    refused: str = ""
    photos: bool = False
    stretch: Stretch | None = None
    instead: bool = False
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()


# github.com/ServiceNow/seasonal-contrast: datasets/seco_downloader.py stores reflectances from 0 to 1 as bytes, of
# which datasets/seco_dataset.py stretches its QUANTILES to bytes again, by band; then follow ImageNet's statistics.
# TorchGeo's transform has these quantiles in the order blue, green, red, and its bands in the order red, green, blue.
# Here values are cut to bytes once, after the stretch.
_SECO = Fact(
    stretch=Stretch(
        unit=Unit.REFLECTANCE,
        ranges={"B4": (0 / 255, 129 / 255), "B3": (2 / 255, 103 / 255), "B2": (3 / 255, 88 / 255)},
        gsd_m=10.0,
    ),
    instead=True,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)

# github.com/allenai/satlas, Normalization.md: bytes, of which B4, B3 and B2 are ESA's true colour image of Level-1C
# (255 at a reflectance of 0.3558: Sentinel-2 user guide, definitions, TCI), the others digital numbers divided by 32.
_TRUE_COLOUR, _DIVIDED = (0.0, 3_558.0), (0.0, 8_160.0)
SATLAS = Stretch(
    unit=Unit.S2_DN,
    ranges={
        **dict.fromkeys(("B4", "B3", "B2"), _TRUE_COLOUR),
        **dict.fromkeys(("B5", "B6", "B7", "B8", "B11", "B12"), _DIVIDED),
    },
    gsd_m=10.0,
)
"""Of Sentinel-2 as SatlasPretrain has it."""

_FACTS = {
    r"ResNet(18|50)_Weights\.SENTINEL2_RGB_SECO": _SECO,
    r"(ResNet50|Swin_V2_[TB])_Weights\.SENTINEL2_(MI|SI)_(MS|RGB)_SATLAS": Fact(stretch=SATLAS),
    # Their values are divided by 255: github.com/facebookresearch/Mask2Former states the same statistics of bytes.
    r"Swin_[TSB]_Weights\.CITYSCAPES_SEMSEG": Fact(photos=True),
    r"Swin_V2_B_Weights\.LANDSAT_(MI|SI)_SATLAS": Fact(
        refused="it takes digital numbers of Landsat Level-1, whose reflectance depends on the sun in each scene"
    ),
    r"\w+\.SENTINEL1_GRD_(GEO)?CLOSP": Fact(
        refused="its radar images were mixed from four datasets, and their scale is not stated"
    ),
    r"Aurora_Weights\.\w+": Fact(refused="it forecasts states of the atmosphere, and takes no images"),
    r"Unet_Weights\.\w+": Fact(refused="a U-Net segments and has no embedding"),
}


def fact_of(member: str) -> Fact:
    """Return what is known of weights beyond what TorchGeo says, by TorchGeo's name of them."""
    return next((fact for pattern, fact in _FACTS.items() if re.fullmatch(pattern, member)), Fact())
