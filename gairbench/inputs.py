"""What datasets deliver and encoders take: sensors, bands, units, images and coordinates."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, isfinite
from typing import Literal

from gairbench.field_types import ADDED_LATER, field_problem


class Modality(StrEnum):
    """The three modalities that GAIR aligns (arXiv 2503.16683)."""

    RS = "rs"
    SV = "sv"
    LOCATION = "location"


class Quantity(StrEnum):
    """What a band measures; values convert between the units of one quantity only."""

    REFLECTANCE = "reflectance"
    BACKSCATTER = "backscatter"
    TEMPERATURE = "temperature"
    LENGTH = "length"


class Unit(StrEnum):
    """The scale of a band's values. It is declared and never guessed from the values.

    ``UINT8``: display values 0-255. ``REFLECTANCE``: surface or top-of-atmosphere reflectance, nominally 0-1.
    ``S2_DN``: Sentinel-2 digital numbers, reflectance x 10,000. ``S2_DN_OFFSET``: the same plus 1,000, as products of
    processing baseline 04.00 (January 2022) and later hold. ``LANDSAT_C2_DN``: Landsat Collection 2 Level-2 digital
    numbers, of reflectance or of surface temperature as the band measures. ``DB``, ``POWER``, ``AMPLITUDE``: SAR
    backscatter in decibels (10 log10 of power), linear power, and its square root. ``KELVIN``, ``METRES``. ``RAW``:
    anything else; such values are never converted.
    """

    UINT8 = "uint8"
    REFLECTANCE = "reflectance"
    S2_DN = "s2_dn"
    S2_DN_OFFSET = "s2_dn_offset"
    LANDSAT_C2_DN = "landsat_c2_dn"
    DB = "db"
    POWER = "power"
    AMPLITUDE = "amplitude"
    KELVIN = "kelvin"
    METRES = "metres"
    RAW = "raw"


MissingPixels = Literal["fill", "refuse"]
"""What becomes of an overhead image's missing pixels: filled with the mean of the others, or the image is refused."""


class Normalization(StrEnum):
    """How an encoder wants its image values scaled, from ``mean`` and ``std`` in the declared unit.

    ``NONE``: as declared. ``ZSCORE``: (x - mean) / std. ``TWO_SIGMA_8BIT``: mean +- 2 std stretched to 0-255, truncated
    to an 8-bit integer, divided by 255 (the released GAIR checkpoint and SatMAE do this). ``NOMINAL``: as ``ZSCORE``,
    by a round mean and deviation of each band's unit (``gairbench.units.NOMINAL``), for encoders that take any bands.
    """

    NONE = "none"
    ZSCORE = "zscore"
    NOMINAL = "nominal"
    TWO_SIGMA_8BIT = "two_sigma_8bit"


@dataclass(frozen=True, slots=True)
class Band:
    """A band of a sensor.

    Args:
        name: Unique name, as ``"B4"`` (Sentinel-2), ``"VV"`` or ``"landsat-8:B4"``.
        wavelength_um: Centre wavelength in micrometres; ``None``: it has none, or nobody said.
        bandwidth_um: Full width in micrometres.
        quantity: What it measures; ``None``: whatever its unit says.
        aliases: More general names of it: data of this band may be fed where one of these is asked for, and the other
            way round.
    """

    name: str
    wavelength_um: float | None = None
    bandwidth_um: float | None = None
    quantity: Quantity | None = None
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """A sensor and its bands.

    Args:
        name: Unique lower-case name, as ``"landsat-8"``.
        bands: Its bands, in the order of its product, each called ``"<sensor>:<band>"``.
        description: One line, with the source of the wavelengths.
    """

    name: str
    bands: tuple[Band, ...]
    description: str = ""


RGB = ("red", "green", "blue")


ANY = ("*",)
"""Bands of an encoder that takes whatever a dataset has, in the dataset's order."""


EVERY = "every"
"""Name of the input of an encoder that takes all images of a modality, each under the dataset's name of it.

Where it is an alternative to RGB pictures, a run takes it for data that have more bands or images than they show.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """How measured values become display values, for encoders that were trained on pictures.

    ``255 * clip((value - low) / (high - low), 0, 1) ** (1 / gamma)``, rounded, of three bands.

    Args:
        bands: The bands shown as red, green and blue.
        low: The value shown as black, in the unit of the data.
        high: The value shown as white.
        gamma: Above 1 brightens dark pixels.

    Raises:
        ValueError: A field is not of its type, there are not three bands, the range is empty or endless, or gamma is
            not positive.

    Example:
        >>> Rendering(bands=("B4", "B3", "B2"), low=0, high=3000).gamma
        1.0
    """

    bands: tuple[str, ...] = RGB
    low: float
    high: float
    gamma: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what renders nothing."""
        if problem := field_problem(self):
            raise ValueError(f"a rendering{problem}")
        if len(self.bands) != len(RGB):
            raise ValueError(f"a rendering shows {len(RGB)} bands, got {', '.join(self.bands)}")
        if not -inf < self.low < self.high < inf:
            raise ValueError(f"a rendering from {self.low:g} to {self.high:g} shows nothing")
        if not 0 < self.gamma < inf:
            raise ValueError(f"a rendering's gamma is above 0, got {self.gamma:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageInput:
    """An image, or a series of images, as a dataset delivers it or as an encoder takes it.

    Args:
        modality: ``Modality.RS`` or ``Modality.SV``.
        name: What it is called where a sample has, or an encoder takes, several images, as ``"s2"``, ``"s1"``,
            ``"dem"``, ``"before"``; the modality's name where there is one.
        bands: Names of the channels, in order, as :mod:`gairbench.sensors` knows them: ``"red"``, ``"B8A"``
            (Sentinel-2), ``"VV"``, ``"landsat-8:B4"`` or others. :data:`ANY`, model side only: whatever the dataset
            has.
        unit: Scale of the values: one, or one for each band. ``None``, model side only: whatever the dataset has.
        size: Height and width in pixels; ``None``: a dataset's images vary, or an encoder takes any size.
        gsd_m: Ground sample distance in metres per pixel: of the data where it is one number, or that an encoder was
            trained with; one that is fed with another is marked in the record and in the table.
        frames: Images of a series ``(time, band, height, width)``: a number, or the least and the greatest one;
            ``None``: a single image. A series of pixels ``(time, band)`` is one of images of ``size=1``.
        dated: Dataset side only: its samples hold the dates, see :data:`gairbench.data.Sample`.
        masked: Dataset side only: its samples say which pixels have a value, see :data:`gairbench.data.Sample`.
        normalization: Model side only: applied by the runner after unit conversion and band selection.
        mean: Model side only: per-band mean in ``unit``.
        std: Model side only: per-band standard deviation in ``unit``.
        interpolation: Model side only: how images are resized to ``size`` (``align_corners=False``).
        antialias: Model side only: low-pass before shrinking; the released GAIR checkpoint was trained without.
        resampling: Model side only. ``"size"``: the whole image is resized to ``size``. ``"gsd"``: it is resampled to
            ``gsd_m``, and its centre is cut to ``size``; images that cover less ground are refused.
        missing: Model side only: what becomes of bands that a dataset lacks, and of the image itself where an encoder
            takes several. ``"refuse"``: a visible skip. ``"zero"``: set to zero after normalization. ``"drop"``: left
            out, and the encoder sees which are there. The result records it.
        surplus_frames: Model side only: what becomes of series with more than the greatest number of frames.
            ``"refuse"``: a visible skip. ``"even"``: as many as that are taken, evenly spaced, the first and the last
            among them.
        rendering: Dataset side only: how the values become display values for encoders that take RGB pictures;
            ``None``: such encoders are skipped where the data are not pictures.
        synthetic: Dataset side only: the images are rendered, not taken.

    Raises:
        ValueError: No plan could serve it: a field is not of its type, a number is not positive, a band is listed
            twice, or units or statistics are not one for each band.
    """

    modality: Modality
    name: str = ""
    bands: tuple[str, ...] = RGB
    unit: Unit | tuple[Unit, ...] | None = Unit.UINT8
    size: int | None = None
    gsd_m: float | None = None
    frames: int | tuple[int, int] | None = None
    dated: bool = False
    normalization: Normalization = Normalization.NONE
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    interpolation: Literal["bilinear", "bicubic"] = "bicubic"
    antialias: bool = True
    resampling: Literal["size", "gsd"] = "size"
    missing: Literal["refuse", "zero", "drop"] = "refuse"
    surplus_frames: Literal["refuse", "even"] = "refuse"
    rendering: Rendering | None = None
    synthetic: bool = False
    masked: bool = field(default=False, metadata=ADDED_LATER)

    def __post_init__(self) -> None:
        """Call an image that has no name by its modality, and refuse what no plan could serve."""
        if not self.name:
            object.__setattr__(self, "name", str(self.modality))
        if problem := field_problem(self) or _image_problem(self):
            raise ValueError(f"image {self.name!r}{problem}")

    @property
    def frame_range(self) -> tuple[int, int] | None:
        """The least and the greatest number of frames; ``None`` for a single image."""
        return (self.frames, self.frames) if isinstance(self.frames, int) else self.frames

    def units(self) -> tuple[Unit, ...]:
        """Return the unit of every band, of an image whose unit is stated."""
        if isinstance(self.unit, tuple):
            return self.unit
        return () if self.unit is None else (self.unit,) * len(self.bands)


def _image_problem(image: ImageInput) -> str:
    """Return which numbers or bands of an image contradict each other or mean nothing; empty if none do."""
    count, bands = len(image.bands), f"{len(image.bands)} band{'s' * (len(image.bands) != 1)}"
    if image.modality is Modality.LOCATION:
        return ": modality=Modality.LOCATION is not one of images; a place is a LocationInput"
    if not count or "" in image.bands:
        return f": bands={image.bands!r}: name at least one band; names are strings"
    if twice := [name for name in dict.fromkeys(image.bands) if image.bands.count(name) > 1]:
        return f": bands= lists {twice[0]!r} twice"
    if isinstance(image.unit, tuple) and len(image.unit) != count:
        return f": unit={tuple(map(str, image.unit))!r} for {bands}; give one unit, or one for each band"
    if image.size is not None and image.size < 1:
        return f": size={image.size} is not a number of pixels; it is 1 or more"
    if image.gsd_m is not None and not 0 < image.gsd_m < inf:
        return f": gsd_m={image.gsd_m:g} is not a distance; it is metres per pixel, above 0"
    least, most = image.frame_range or (1, 1)
    if not 1 <= least <= most:
        return f": frames={image.frames} is not a number of images, 1 or more, or the least and the greatest one"
    if image.resampling == "gsd" and image.gsd_m is None:
        return ": resampling='gsd' without gsd_m; state the ground sample distance that the encoder wants"
    return _statistics_problem(image, bands)


def _statistics_problem(image: ImageInput, bands: str) -> str:
    wanted = image.normalization in {Normalization.ZSCORE, Normalization.TWO_SIGMA_8BIT}
    how = f"normalization {image.normalization}"
    if wanted and image.bands == ANY:
        return f": {how} needs mean and std of each band, and its bands are any; name them, or use NOMINAL"
    for name, values in (("mean", image.mean), ("std", image.std)):
        if wanted and not values:
            return f": {how} needs {name}, one number for each band"
        if values and len(values) != len(image.bands):
            return f": {name}={values!r} for {bands}; give one number for each band"
        if not all(map(isfinite, values)) or (name == "std" and min(values, default=1) <= 0):
            return f": {name}={values!r} is not a {'positive ' * (name == 'std')}number for each band"
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationInput:
    """Coordinates in WGS 84 degrees.

    Args:
        order: ``"lonlat"`` (longitude first) or ``"latlon"``.

    Raises:
        ValueError: The order is not valid.
    """

    order: Literal["lonlat", "latlon"] = "lonlat"
    modality: Literal[Modality.LOCATION] = field(default=Modality.LOCATION, init=False)

    def __post_init__(self) -> None:
        """Refuse an unknown order."""
        if problem := field_problem(self):
            raise ValueError(f"a location{problem}")

    @property
    def name(self) -> str:
        """What it is called among the inputs: a sample has one place."""
        return str(self.modality)


@dataclass(frozen=True, slots=True)
class SampleInput:
    """Model side only: a sample that a model looks up, because its embeddings exist already.

    A model of existing embeddings takes no values, so that an image or a place is not what it is fed with: declaring
    one would read and convert pixels for nothing, and refuse data whose bands or sizes differ. It takes the sample
    itself, in place of one of a task's inputs. What it is given of the sample is in the ``needs`` and ``wants`` of its
    preset: ``"id"``, ``"lonlat"``, ``"bbox"``; so it is an encoder like any other, and its cells are planned, cached
    and evaluated as others are. See :class:`gairbench.protocols.LooksUp`.

    Args:
        modality: Which of a task's inputs it stands for.

    Raises:
        ValueError: It is not a modality.

    Example:
        >>> SampleInput(Modality.RS).name
        'rs'
    """

    modality: Modality

    def __post_init__(self) -> None:
        """Refuse what is not a modality."""
        if problem := field_problem(self):
            raise ValueError(f"a sample{problem}")

    @property
    def name(self) -> str:
        """What it is called among the inputs: that of its modality."""
        return str(self.modality)


Input = ImageInput | LocationInput
"""What datasets deliver and encoders compute from."""

EncoderInput = ImageInput | LocationInput | SampleInput
"""What a model takes."""


Need = Literal["lonlat", "bbox", "dates", "wavelengths", "gsd", "mask", "id"]
"""What an encoder may be given beside the values.

``lonlat``: the sample's longitude and latitude. ``bbox``: the box of its overhead image. ``dates``: when each image was
taken. ``wavelengths``: of each band. ``gsd``: ground sample distance in metres. ``mask``: which pixels have a value.
``id``: the sample's identifier in its dataset, given where a sample is looked up (:class:`SampleInput`) and nowhere
else.
"""
