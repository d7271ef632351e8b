"""The sealed step from what a dataset delivers to what an encoder takes.

Every image and coordinate passes through here, in pre-training and in evaluation, so that normalization cannot be
forgotten and nothing is guessed: planning one needs only the two declarations and fails before any data is read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, overload

from gairbench import sensors, units
from gairbench.degrees import are_degrees
from gairbench.errors import InputMismatchError
from gairbench.inputs import ANY, RGB, Band, ImageInput, Input, LocationInput, Normalization, Rendering, Unit

if TYPE_CHECKING:
    from torch import Tensor

CONVERSION_VERSION = 2
"""Part of every embedding's key: raise it when converted values change."""

MASK_VERSION = 2
"""Part of the keys of embeddings by models that are given masks: raise it when masks of converted images change."""

GSD_FACTOR = 2.0
"""An encoder that is fed with images coarser or finer by more than this factor than it was trained with is marked."""


@dataclass(frozen=True, slots=True)
class ImageConverter:
    """Turn batches of images, or of series of images, from one declaration into another.

    Args:
        delivered: What the dataset delivers.
        wanted: What the encoder takes.
        bands: What it is fed with: its bands in its order, those that are dropped left out.
        positions: For each of them its position in the delivered image, ``None`` where it is filled.
        wanted_units: The unit of each of them.
        rendering: How measured values become the display values that the encoder takes.
    """

    delivered: ImageInput
    wanted: ImageInput
    bands: tuple[Band, ...]
    positions: tuple[int | None, ...]
    wanted_units: tuple[Unit, ...]
    rendering: Rendering | None = None

    def __call__(self, images: Tensor) -> Tensor:
        """Select bands, convert the units, normalize, fill what is missing with zero, resize.

        Args:
            images: ``(batch, delivered band, height, width)``, or ``(batch, time, delivered band, height, width)`` of
                series, in the delivered units, any numeric type.

        Returns:
            ``(batch, [time,] band, size, size)`` float32 on the same device.

        Raises:
            InputMismatchError: The batch has another number of bands than was declared, or holds values that the
                wanted unit does not have.
        """
        series = self.delivered.frames is not None
        if images.ndim != (5 if series else 4) or images.shape[-3] != len(self.delivered.bands):
            raise InputMismatchError(
                f"image batch of shape {tuple(images.shape)} does not hold the declared bands"
                f" {', '.join(self.delivered.bands)}{' as a series' if series else ''}",
                "correct the bands or the frames that the dataset declares",
            )
        return self.by_frame(images, self._frame)

    def by_frame(self, images: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
        """Change every image of a batch, or of its series, and return them with the axes that the encoder takes.

        Args:
            images: ``(batch, band, height, width)``, or ``(batch, time, band, height, width)`` of series, as delivered.
            change: Of ``(images, band, height, width)``.
        """
        if self.delivered.frames is None:
            values = change(images)
            return values if self.wanted.frames is None else values[:, None]
        flat = change(images.flatten(0, 1))
        values = flat.view(*images.shape[:2], *flat.shape[1:])
        return values if self.wanted.frames is not None else values[:, 0]

    def _frame(self, images: Tensor) -> Tensor:
        import torch

        present = [i for i, position in enumerate(self.positions) if position is not None]
        chosen = [position for position in self.positions if position is not None]
        values = images[:, chosen] if chosen != list(range(images.shape[1])) else images
        values = self._in_wanted_units(values.to(torch.float32), present, chosen)
        values = self._normalized(values, present)
        if len(present) < len(self.positions):
            filled = values.new_zeros(len(values), len(self.positions), *values.shape[2:])
            filled[:, present] = values
            values = filled
        return self._resized(values)

    def _in_wanted_units(self, values: Tensor, present: Sequence[int], chosen: Sequence[int]) -> Tensor:
        import torch

        if self.rendering is not None:
            return rendered(values, self.rendering)
        have = [self.delivered.units()[position] for position in chosen]
        want = [self.wanted_units[i] for i in present]
        quantities = [self.bands[i].quantity for i in present]
        steps = list(zip(have, want, quantities, strict=True))
        try:
            if len({(d, w) if d == w else (d, w, q) for d, w, q in steps}) == 1:
                return units.convert(values, *steps[0])
            return torch.stack([units.convert(values[:, i], *step) for i, step in enumerate(steps)], dim=1)
        except ValueError as error:
            raise InputMismatchError(
                f"{self.delivered.name} images: {error}",
                "correct the declared unit, or mark such pixels as missing in the files",
            ) from error

    def _normalized(self, values: Tensor, present: Sequence[int]) -> Tensor:
        wanted = self.wanted
        if wanted.normalization is Normalization.NONE:
            return values
        if wanted.normalization is Normalization.NOMINAL:
            means, stds = zip(*(units.NOMINAL[self.wanted_units[i]] for i in present), strict=True)
        else:
            # Statistics stand in the order that the encoder declares, bands that are dropped included.
            names = [wanted.bands.index(self.bands[i].name) for i in present]
            means, stds = tuple(wanted.mean[i] for i in names), tuple(wanted.std[i] for i in names)
        mean = values.new_tensor(means).view(1, -1, 1, 1)
        std = values.new_tensor(stds).view(1, -1, 1, 1)
        if wanted.normalization is not Normalization.TWO_SIGMA_8BIT:
            return (values - mean) / std
        low = mean - 2 * std
        return ((values - low) / (4 * std) * 255).clamp(0, 255).floor() / 255

    def _resized(self, values: Tensor) -> Tensor:
        from torch.nn import functional

        size = self.target_size(values.shape[2], values.shape[3])
        if size != tuple(values.shape[2:]):
            values = functional.interpolate(
                values,
                size=size,
                mode=self.wanted.interpolation,
                align_corners=False,
                antialias=self.low_pass(values.shape[2], values.shape[3]),
            )
        return self.centre(values)

    def low_pass(self, height: int, width: int) -> bool:
        """Whether images of so many pixels are low-passed when they are resized."""
        return self.wanted.antialias and min(self.target_size(height, width)) < min(height, width)

    def centre(self, values: Tensor) -> Tensor:
        """Cut the part that the encoder takes out of resized images ``(images, band, height, width)``."""
        cut = self.wanted.size
        if cut is None:
            return values
        top, left = (values.shape[2] - cut) // 2, (values.shape[3] - cut) // 2
        return values[:, :, top : top + cut, left : left + cut]

    def target_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the height and width in pixels that an image is resized to, before its centre is cut.

        Raises:
            InputMismatchError: At the encoder's ground sample distance the image is smaller than what it takes.
        """
        size = self.wanted.size
        if self.wanted.resampling == "size":
            return (height, width) if size is None else (size, size)
        factor = _resampling_factor(self.delivered, self.wanted)
        resized = (round(height * factor), round(width * factor))
        if size is not None and min(resized) < size:
            raise InputMismatchError(
                f"images of {height} x {width} pixels at {self.delivered.gsd_m:g} m cover less ground than the"
                f" {size} pixels at {self.wanted.gsd_m:g} m that the encoder takes",
                "use larger images, or a model that resizes them",
            )
        return resized

    def gsd_m(self, height: int) -> float:
        """Return the ground sample distance in metres of what the encoder is fed with; NaN where it is not known.

        Args:
            height: Of the delivered image, in pixels.
        """
        if self.delivered.gsd_m is None:
            return float("nan")
        return self.delivered.gsd_m * height / self.target_size(height, height)[0]

    def gsd_problem(self) -> str:
        """Return what is wrong with the ground sample distance that the encoder is fed with; empty if nothing is.

        Where images are resized whose size is not declared, their own distance is compared, and the sentence says so.
        """
        made_for, delivered, size = self.wanted.gsd_m, self.delivered.gsd_m, self.delivered.size
        if made_for is None or delivered is None or self.wanted.resampling == "gsd":
            return ""
        unknown = size is None and self.wanted.size is not None
        fed = delivered if unknown else self.gsd_m(size or 1)
        if 1 / GSD_FACTOR <= fed / made_for <= GSD_FACTOR:
            return ""
        if unknown:
            resized = f"resized from an undeclared size to {self.wanted.size} pixels"
            return f"images of {in_metres(fed)} per pixel, {resized}, made for {in_metres(made_for)}"
        return f"fed with {in_metres(fed)} per pixel, made for {in_metres(made_for)}"

    def describe(self) -> dict[str, Any]:
        """Say what is done, for the result record."""
        used = {
            band.name: self.delivered.bands[position]
            for band, position in zip(self.bands, self.positions, strict=True)
            if position is not None
        }
        wanted = self.wanted.bands if self.wanted.bands != ANY else tuple(used)
        lacking = [b for b in wanted if b not in used]
        dropping = self.wanted.missing == "drop"
        have = [self.delivered.units()[position] for position in self.positions if position is not None]
        want = [unit for unit, position in zip(self.wanted_units, self.positions, strict=True) if position is not None]
        return {
            "input": self.delivered.name,
            "bands": used,
            "filled": [] if dropping else lacking,
            "lacking": lacking if dropping else [],
            "dropped": [b for b in self.delivered.bands if b not in used.values()],
            "unit": [_said(have), _said(want)],
            "size": [self.delivered.size, self.wanted.size],
            "frames": [self.delivered.frames, self.wanted.frames],
            "rendering": None if self.rendering is None else asdict(self.rendering),
            "normalization": str(self.wanted.normalization),
            "resampling": self.wanted.resampling,
            "gsd_m": [self.delivered.gsd_m, self.wanted.gsd_m],
        }


def rendered(values: Tensor, rendering: Rendering) -> Tensor:
    """Return the bands of a rendering ``(..., 3, height, width)`` as display values, from 0 to 255."""
    shares = ((values - rendering.low) / (rendering.high - rendering.low)).clamp(0, 1)
    return (shares ** (1 / rendering.gamma) * 255).round()


def in_metres(length: float) -> str:
    """Return a length in metres as text, as ``"7,412 m"`` or ``"0.6 m"``."""
    return f"{length:,.0f} m" if length >= 100 else f"{length:.3g} m"


def _said(of_bands: Sequence[Unit]) -> str | list[str]:
    return str(of_bands[0]) if len(set(of_bands)) == 1 else [str(unit) for unit in of_bands]


def _resampling_factor(delivered: ImageInput, wanted: ImageInput) -> float:
    if delivered.gsd_m is None or wanted.gsd_m is None:
        raise InputMismatchError(
            f"{delivered.name} images are to be resampled to the encoder's ground sample distance, and"
            f" {'the dataset' if delivered.gsd_m is None else 'the model'} does not declare its own",
            "declare gsd_m",
        )
    return delivered.gsd_m / wanted.gsd_m


@dataclass(frozen=True, slots=True)
class LocationConverter:
    """Turn coordinate batches from one order into another.

    Args:
        delivered: What the dataset delivers.
        wanted: What the encoder takes.
    """

    delivered: LocationInput
    wanted: LocationInput

    def __call__(self, coordinates: Tensor) -> Tensor:
        """Check the ranges and reorder.

        Args:
            coordinates: ``(batch, 2)`` degrees in the delivered order.

        Returns:
            ``(batch, 2)`` float64 degrees in the wanted order.

        Raises:
            InputMismatchError: A coordinate is not a number or outside -180..180 or -90..90.
        """
        import torch

        values = coordinates.to(torch.float64)
        lon, lat = (0, 1) if self.delivered.order == "lonlat" else (1, 0)
        bad = ~are_degrees(values[:, lon], values[:, lat])
        if bool(bad.any()):
            first = values[bad][0].tolist()
            raise InputMismatchError(
                f"coordinates {first} are not {self.delivered.order} in degrees",
                "check that longitude and latitude are not swapped and that the CRS is EPSG:4326",
            )
        return values if self.delivered.order == self.wanted.order else values.flip(1)

    def describe(self) -> dict[str, Any]:
        """Say what is done, for the result record."""
        return {"order": [self.delivered.order, self.wanted.order]}


Converter = ImageConverter | LocationConverter


@overload
def make_converter(delivered: ImageInput, wanted: ImageInput) -> ImageConverter: ...


@overload
def make_converter(delivered: LocationInput, wanted: LocationInput) -> LocationConverter: ...


@overload
def make_converter(delivered: Input, wanted: Input) -> Converter: ...


def make_converter(delivered: Input, wanted: Input) -> Converter:
    """Plan the conversion between two declarations of one modality, without reading data.

    Args:
        delivered: What the dataset delivers.
        wanted: What the encoder takes.

    Returns:
        A callable on batches.

    Raises:
        InputMismatchError: It cannot be done without guessing; the message says why.
    """
    if isinstance(delivered, LocationInput) and isinstance(wanted, LocationInput):
        return LocationConverter(delivered, wanted)
    if not isinstance(delivered, ImageInput) or not isinstance(wanted, ImageInput):
        raise InputMismatchError(f"{delivered.modality} cannot become {wanted.modality}", "compare the declarations")
    _check_frames(delivered, wanted)
    rendering = _rendering(delivered, wanted)
    positions = _positions(delivered, wanted) if rendering is None else _shown(delivered, wanted, rendering)
    bands = tuple(
        _known(name, None if position is None else delivered.bands[position]) for name, position in positions.items()
    )
    places = tuple(positions.values())
    converter = ImageConverter(
        delivered, wanted, bands, places, _wanted_units(delivered, wanted, bands, places), rendering
    )
    _check_units(converter)
    if wanted.resampling == "gsd":
        _resampling_factor(delivered, wanted)
        if delivered.size is not None:
            converter.target_size(delivered.size, delivered.size)
    return converter


def takes_pictures(wanted: ImageInput) -> bool:
    """Whether an encoder's input is an RGB picture in display values."""
    return wanted.unit is Unit.UINT8 and set(wanted.bands) == {*RGB}


def _positions(delivered: ImageInput, wanted: ImageInput) -> dict[str, int | None]:
    """Return the encoder's bands with their positions in the data, those that are dropped left out."""
    if wanted.bands == ANY:
        return {name: position for position, name in enumerate(delivered.bands)}
    found = {name: _position(name, delivered.bands) for name in wanted.bands}
    _check_missing(delivered, wanted, [name for name, position in found.items() if position is None])
    return {name: at for name, at in found.items() if at is not None or wanted.missing == "zero"}


def _shown(delivered: ImageInput, wanted: ImageInput, rendering: Rendering) -> dict[str, int | None]:
    """Return the positions in the data of what is shown as the encoder's colours, in its order."""
    at = {colour: _position(name, delivered.bands) for colour, name in zip(RGB, rendering.bands, strict=True)}
    return {name: at[name] for name in wanted.bands}


def _rendering(delivered: ImageInput, wanted: ImageInput) -> Rendering | None:
    """Return how the data are shown to an encoder of RGB pictures, where they are measurements and it takes pictures.

    Raises:
        InputMismatchError: The rendering shows a band that the data lack.
    """
    if delivered.rendering is None or not takes_pictures(wanted) or set(delivered.units()) == {Unit.UINT8}:
        return None
    lacking = [name for name in delivered.rendering.bands if _position(name, delivered.bands) is None]
    if lacking:
        raise InputMismatchError(
            f"the rendering of {delivered.name} shows {', '.join(lacking)}, and the images have"
            f" {', '.join(delivered.bands)}",
            "correct the rendering",
        )
    return delivered.rendering


def shares_bands(delivered: ImageInput, wanted: ImageInput) -> bool:
    """Whether an image has a band that an encoder takes, in whatever unit."""
    return wanted.bands == ANY or any(_position(name, delivered.bands) is not None for name in wanted.bands)


def _position(band: str, available: Sequence[str]) -> int | None:
    if band in available:
        return available.index(band)
    return next((i for i, name in enumerate(available) if sensors.same_band(band, name)), None)


def _known(wanted: str, delivered: str | None) -> Band:
    """Return what is known of a band under the encoder's name of it: by the more specific of two names."""
    band = sensors.band(wanted)
    if delivered is not None and band.name in sensors.band(delivered).aliases:
        band = sensors.band(delivered)
    return replace(band, name=wanted)


def _check_missing(delivered: ImageInput, wanted: ImageInput, missing: Sequence[str]) -> None:
    if missing and wanted.missing == "refuse":
        raise InputMismatchError(
            f"the encoder needs band {', '.join(missing)} and the dataset has {', '.join(delivered.bands)}",
            "use data with these bands, or a model that accepts missing ones",
        )
    if len(missing) == len(wanted.bands):
        raise InputMismatchError(
            f"none of the encoder's bands {', '.join(missing)} is among {', '.join(delivered.bands)}",
            "name the dataset's bands as the model does",
        )


def _wanted_units(
    delivered: ImageInput, wanted: ImageInput, bands: Sequence[Band], positions: Sequence[int | None]
) -> tuple[Unit, ...]:
    if wanted.unit is None:
        have = delivered.units()
        return tuple(have[0 if position is None else position] for position in positions)
    if isinstance(wanted.unit, Unit):
        return (wanted.unit,) * len(bands)
    return tuple(wanted.unit[wanted.bands.index(band.name)] for band in bands)


def check_delivered(delivered: ImageInput) -> None:
    """Refuse a dataset's declaration of an image that contradicts itself, whoever is fed with it.

    Raises:
        InputMismatchError: It states no unit, or a band is in a unit of something else.
    """
    if delivered.unit is None:
        raise InputMismatchError(
            f"{delivered.name} images are declared without a unit", "declare one unit for all bands, or one for each"
        )
    for name, unit in zip(delivered.bands, delivered.units(), strict=True):
        if problem := units.band_problem(name, sensors.band(name).quantity, unit):
            raise InputMismatchError(problem, "correct the unit that the dataset declares")


def _check_units(converter: ImageConverter) -> None:
    delivered = converter.delivered
    check_delivered(delivered)
    for band, position, wanted in zip(converter.bands, converter.positions, converter.wanted_units, strict=True):
        if position is None or converter.rendering is not None:
            continue
        have = delivered.units()[position]
        if not units.convertible(have, wanted, band.quantity):
            raise InputMismatchError(
                f"{delivered.name} images are in unit {have} and the encoder takes {wanted}",
                _unit_hint(have, wanted),
            )
        if problem := units.band_problem(band.name, band.quantity, wanted):
            raise InputMismatchError(problem, "correct the unit that the model declares")


def _unit_hint(have: Unit, want: Unit) -> str:
    if Unit.RAW in {have, want}:
        return "raw values are never converted; declare what they measure"
    if Unit.UINT8 in {have, want}:
        return "display values and physical units cannot be converted into each other; use data in the model's unit"
    return "they measure different things; use data in the model's unit"


def _check_frames(delivered: ImageInput, wanted: ImageInput) -> None:
    have, want = delivered.frame_range, wanted.frame_range
    least, most = have or (1, 1)
    if want is None:
        if most > 1:
            raise InputMismatchError(
                f"{delivered.name} is a series of {_count(least, most)} and the encoder takes single images",
                "use a model that takes series, or a dataset of single images",
            )
        return
    if least < want[0]:
        raise InputMismatchError(
            f"{delivered.name} has {_count(least, most)} and the encoder takes {_count(*want)}", "use longer series"
        )
    if most > want[1] and wanted.surplus_frames == "refuse":
        raise InputMismatchError(
            f"{delivered.name} has {_count(least, most)} and the encoder takes {_count(*want)}",
            "use shorter series, or a model that leaves frames out",
        )


def _count(least: int, most: int) -> str:
    return f"{least} frame{'s' * (least != 1)}" if least == most else f"{least} to {most} frames"
