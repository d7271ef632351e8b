"""What an encoder is handed that asks for more than pixels: named images with what is known about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gairbench.inputs import Band, Unit
from gairbench.sensors import band

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """One named input of a batch.

    Args:
        values: ``(batch, band, height, width)`` float32, or ``(batch, time, band, height, width)`` of a series, in the
            unit and normalization that the encoder declares.
        bands: What each band is, in the order of ``values``; without those that the data lack if the encoder declares
            ``missing="drop"``.
        units: The unit of each band before normalization.
        valid: Bool, ``(batch, time)`` of a series, otherwise ``(batch,)``: false for frames that pad a shorter series.
        dates: Where asked for: days since 1970-01-01, float64, of the shape of ``valid``; NaN where unknown.
        gsd_m: Where asked for: ``(batch,)`` float64, metres per pixel of ``values``; NaN where unknown.
        mask: Where asked for: bool, of the shape of ``values``, true where the data have a value; of a resized image,
            where all pixels have one that the pixel covers. Padding frames, and bands and images that the data lack,
            are false. ``None`` where it is only wanted, and the dataset does not know.
    """

    values: Tensor
    bands: tuple[Band, ...]
    units: tuple[Unit, ...]
    valid: Tensor
    dates: Tensor | None = None
    gsd_m: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What an encoder is fed with.

    Args:
        images: The images by the encoder's names of its inputs, those alone that are there.
        coordinates: ``(batch, 2)`` float64 degrees in the order of the encoder's location input, where it has one.
        lonlat: ``(batch, 2)`` float64 degrees, longitude first, where asked for; NaN where unknown.
        bbox: ``(batch, 4)`` float64 (lon_min, lat_max, lon_max, lat_min) of the overhead image, where asked for; NaN
            where unknown.
        ids: The identifiers of the samples, where a model that looks samples up asks for them.
    """

    images: Mapping[str, Images]
    coordinates: Tensor | None = None
    lonlat: Tensor | None = None
    bbox: Tensor | None = None
    ids: tuple[str, ...] | None = None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(next(iter(self._tensors()))) if self.ids is None else len(self.ids)

    def _tensors(self) -> list[Tensor]:
        others = [tensor for tensor in (self.coordinates, self.lonlat, self.bbox) if tensor is not None]
        return [image.values for image in self.images.values()] + others

    def map(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """Return a batch of which every tensor is changed, for instance moved to a device; identifiers stay."""

        def maybe(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else change(tensor)

        images = {
            name: Images(
                values=change(image.values),
                bands=image.bands,
                units=image.units,
                valid=change(image.valid),
                dates=maybe(image.dates),
                gsd_m=maybe(image.gsd_m),
                mask=maybe(image.mask),
            )
            for name, image in self.images.items()
        }
        return Batch(
            images=images,
            coordinates=maybe(self.coordinates),
            lonlat=maybe(self.lonlat),
            bbox=maybe(self.bbox),
            ids=self.ids,
        )

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on a device."""
        # Asynchronous only from pinned memory, and then the copy and the computation stay in order.
        return self.map(lambda tensor: tensor.to(device, non_blocking=True))

    def __getitem__(self, rows: slice) -> Batch:
        """Return some of its samples."""
        return replace(self.map(lambda tensor: tensor[rows]), ids=self.ids and self.ids[rows])


def concatenate(batches: Sequence[Batch]) -> Batch:
    """Join batches of one encoder; shorter series are padded at their end.

    Raises:
        ValueError: They differ in inputs, in bands or in the size of their images.
    """
    import torch

    first = batches[0]
    if len(batches) == 1:
        return first
    if any(batch.images.keys() != first.images.keys() for batch in batches):
        raise ValueError("samples differ in which images they have")

    def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
        present = [part for part in parts if part is not None]
        return torch.cat(present) if present else None

    return Batch(
        images={name: _joined_images([batch.images[name] for batch in batches]) for name in first.images},
        coordinates=joined([batch.coordinates for batch in batches]),
        lonlat=joined([batch.lonlat for batch in batches]),
        bbox=joined([batch.bbox for batch in batches]),
        ids=None if first.ids is None else tuple(one for batch in batches for one in batch.ids or ()),
    )


def _joined_images(parts: Sequence[Images]) -> Images:
    import torch

    first = parts[0]
    names = [known.name for known in first.bands]
    if any([known.name for known in part.bands] != names or part.units != first.units for part in parts):
        raise ValueError("images differ in their bands")
    # Files may say more or less about one band (red, or Sentinel-2's B4): of all together the encoder's name is true.
    bands = first.bands
    if any(part.bands != bands for part in parts):
        bands = tuple(replace(band(name), name=name) for name in names)
    if len({part.values.shape[-2:] for part in parts}) > 1:
        raise ValueError("images differ in size")
    series = first.values.ndim == 5
    frames = max(part.values.shape[1] for part in parts)

    def padded(tensor: Tensor, fill: float) -> Tensor:
        if not series or tensor.shape[1] == frames:
            return tensor
        rest = tensor.new_full((len(tensor), frames - tensor.shape[1], *tensor.shape[2:]), fill)
        return torch.cat([tensor, rest], dim=1)

    dates = [padded(part.dates, float("nan")) for part in parts if part.dates is not None]
    sizes = [part.gsd_m for part in parts if part.gsd_m is not None]
    masks = [padded(part.mask, 0) for part in parts if part.mask is not None]
    return Images(
        values=torch.cat([padded(part.values, 0) for part in parts]),
        bands=bands,
        units=first.units,
        valid=torch.cat([padded(part.valid, 0) for part in parts]),
        dates=torch.cat(dates) if dates else None,
        gsd_m=torch.cat(sizes) if sizes else None,
        mask=torch.cat(masks) if masks else None,
    )
