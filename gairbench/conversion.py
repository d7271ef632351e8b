"""The sealed step from what a dataset delivers to what an encoder takes.

Every image and coordinate passes through here, in pre-training and in evaluation, so that normalization cannot be
forgotten and nothing is guessed: planning one needs only the two declarations and fails before any data is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gairbench.bands import SAME_BAND
from gairbench.errors import InputMismatchError
from gairbench.spec import ImageInput, Input, LocationInput, Normalization
from gairbench.units import ALLOWED

if TYPE_CHECKING:
    from torch import Tensor

CONVERSION_VERSION = 1
"""Part of every embedding's key: raise it when converted values change."""

_SCALE = {unit: allowed.one for unit, allowed in ALLOWED.items() if allowed.one is not None}
"""Value of reflectance 1 in each physical unit."""


@dataclass(frozen=True, slots=True)
class ImageConverter:
    """Turn image batches from one declaration into another.

    Args:
        delivered: What the dataset delivers.
        wanted: What the encoder takes.
        positions: For each wanted band its position in the delivered image, ``None`` where it is filled.
    """

    delivered: ImageInput
    wanted: ImageInput
    positions: tuple[int | None, ...]

    def __call__(self, images: Tensor) -> Tensor:
        """Select bands, convert the unit, normalize, fill what is missing with zero, resize.

        Args:
            images: ``(batch, delivered band, height, width)`` in the delivered unit, any numeric type.

        Returns:
            ``(batch, wanted band, wanted size, wanted size)`` float32 on the same device.

        Raises:
            InputMismatchError: The batch has another number of bands than was declared.
        """
        import torch
        from torch.nn import functional

        if images.ndim != 4 or images.shape[1] != len(self.delivered.bands):
            raise InputMismatchError(
                f"image batch of shape {tuple(images.shape)} does not hold the declared bands"
                f" {', '.join(self.delivered.bands)}",
                "correct the bands that the dataset declares",
            )
        present = [i for i, position in enumerate(self.positions) if position is not None]
        chosen = [position for position in self.positions if position is not None]
        values = images[:, chosen] if chosen != list(range(images.shape[1])) else images
        values = values.to(torch.float32)
        if self.delivered.unit != self.wanted.unit:
            values = values * (_SCALE[self.wanted.unit] / _SCALE[self.delivered.unit])
        values = _normalize(values, self.wanted, present)
        if len(present) < len(self.positions):
            filled = values.new_zeros(len(values), len(self.positions), *values.shape[2:])
            filled[:, present] = values
            values = filled
        size = self.wanted.size
        if size is not None and values.shape[2:] != (size, size):
            values = functional.interpolate(
                values,
                size=(size, size),
                mode=self.wanted.interpolation,
                align_corners=False,
                antialias=self.wanted.antialias and size < min(values.shape[2:]),
            )
        return values

    def describe(self) -> dict[str, Any]:
        """Say what is done, for the result record."""
        used = {
            wanted: self.delivered.bands[position]
            for wanted, position in zip(self.wanted.bands, self.positions, strict=True)
            if position is not None
        }
        return {
            "bands": used,
            "filled": [b for b, position in zip(self.wanted.bands, self.positions, strict=True) if position is None],
            "dropped": [b for b in self.delivered.bands if b not in used.values()],
            "unit": [str(self.delivered.unit), str(self.wanted.unit)],
            "size": [self.delivered.size, self.wanted.size],
            "normalization": str(self.wanted.normalization),
            "gsd_m": self.delivered.gsd_m,
        }


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
        bad = ~((values[:, lon].abs() <= 180) & (values[:, lat].abs() <= 90))
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
    if delivered.unit != wanted.unit and not {delivered.unit, wanted.unit} <= _SCALE.keys():
        raise InputMismatchError(
            f"{delivered.modality} images are in unit {delivered.unit} and the encoder takes {wanted.unit}",
            "display values and physical units cannot be converted into each other; use data in the model's unit",
        )
    positions = tuple(_position(band, delivered.bands) for band in wanted.bands)
    missing = [band for band, position in zip(wanted.bands, positions, strict=True) if position is None]
    if missing and not wanted.fill_missing:
        raise InputMismatchError(
            f"the encoder needs band {', '.join(missing)} and the dataset has {', '.join(delivered.bands)}",
            "use data with these bands, or a model that accepts missing ones",
        )
    if len(missing) == len(wanted.bands):
        raise InputMismatchError(
            f"none of the encoder's bands {', '.join(missing)} is among {', '.join(delivered.bands)}",
            "name the dataset's bands as the model does",
        )
    return ImageConverter(delivered, wanted, positions)


def _position(band: str, available: Sequence[str]) -> int | None:
    names = [SAME_BAND.get(name, name) for name in available]
    wanted = SAME_BAND.get(band, band)
    return names.index(wanted) if wanted in names else None


def _normalize(values: Tensor, wanted: ImageInput, present: Sequence[int]) -> Tensor:
    if wanted.normalization is Normalization.NONE:
        return values
    mean = values.new_tensor([wanted.mean[i] for i in present]).view(1, -1, 1, 1)
    std = values.new_tensor([wanted.std[i] for i in present]).view(1, -1, 1, 1)
    if wanted.normalization is Normalization.ZSCORE:
        return (values - mean) / std
    low = mean - 2 * std
    return ((values - low) / (4 * std) * 255).clamp(0, 255).floor() / 255
