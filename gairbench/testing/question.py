"""Feed a model with the sample of a known answer, through the same sealed conversion as real data.

The bands are handed over in another order than the answer has them, and the place as latitude and longitude: whoever
goes by position and not by name is found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gairbench.batch import Batch
from gairbench.data import dates_key, mask_key, sample_key
from gairbench.feeding import Feed, feed_for, plan_feed
from gairbench.golden import Golden, GoldenImage
from gairbench.inputs import ANY, ImageInput, Input, LocationInput, Modality, Unit
from gairbench.representation import Representation
from gairbench.spec import DatasetSpec, Preset

if TYPE_CHECKING:
    from torch import Tensor

Encode = Callable[[Representation, Batch], "Tensor"]
"""Computes a representation by the model that is checked."""


@dataclass(frozen=True, slots=True)
class Question:
    """A known answer, and how a model is asked for it.

    Args:
        model: The model's name.
        preset: What the model takes.
        answer: The known answer.
        in_order: Hand the bands over in the order of the answer, and the place longitude first.
        change: What is done to the batch, to find out what is wrong with the model.
    """

    model: str
    preset: Preset
    answer: Golden
    in_order: bool = False
    change: Callable[[Batch], Batch] | None = None

    def feed(self) -> Feed:
        """Plan how the model is fed with the sample.

        Raises:
            GairbenchError: It cannot be.
        """
        delivers = tuple(self._delivers())
        wanted = self.answer.representation or self._vector()
        if wanted is not None:
            return feed_for(self.preset, wanted, delivers, delivers)
        modality = next((image.modality for image in self.answer.images.values()), Modality.LOCATION)
        sample = DatasetSpec(name=self.answer.name, version=1, factory="", delivers=delivers)
        return plan_feed(self.model, self.preset, sample, modality)

    def batch(self) -> Batch:
        """Return what the model is fed with.

        Raises:
            GairbenchError: It cannot be.
        """
        import torch

        sample: dict[str, Tensor] = {}
        for name, image in self.answer.images.items():
            sample[sample_key(name)] = values_of(image, self._bands(name))
            sample[mask_key(name)] = mask_of(image)
            if image.dates is not None:
                dates = torch.tensor(list(image.dates), dtype=torch.float64)
                sample[dates_key(name)] = dates if frames_of(image) is not None else dates.reshape(())
        if self.answer.lonlat is not None:
            lonlat = torch.tensor(self.answer.lonlat, dtype=torch.float64)
            sample["lonlat"] = lonlat if self.in_order else lonlat.flip(0)
        if self.answer.bbox is not None:
            sample["bbox"] = torch.tensor(self.answer.bbox, dtype=torch.float64)
        batch = self.feed().batch([sample])
        return batch if self.change is None else self.change(batch)

    def difference(self, encode: Encode) -> float:
        """Return how far the embedding is from the answer, as a share of the answer's largest value.

        Raises:
            AssertionError: It has another shape, or cannot be computed.
            GairbenchError: The model cannot be fed with the sample.
        """
        import numpy as np
        import torch

        output = encode(self.feed().representation, self.batch())[0].double()
        expected = torch.from_numpy(np.asarray(self.answer.expected, dtype=np.float64))
        if output.shape != expected.shape:
            raise AssertionError(f"the embedding has shape {tuple(output.shape)}, expected {tuple(expected.shape)}")
        return float((output - expected).abs().max() / expected.abs().max().clamp(min=1e-12))

    def _vector(self) -> Representation | None:
        """Return the vector of exactly the answer's images, where the preset has one."""
        vectors = (offer for offer in self.preset.offered() if offer.form == "pooled")
        return next((vector for vector in vectors if {*vector.of} == {*self.answer.images}), None)

    def _delivers(self) -> list[Input]:
        found: list[Input] = [
            ImageInput(
                modality=image.modality,
                name=name,
                bands=self._bands(name),
                unit=tuple(unit_of(image, band) for band in self._bands(name)),
                size=size_of(image),
                gsd_m=image.gsd_m,
                frames=frames_of(image),
                dated=image.dates is not None,
                masked=True,
            )
            for name, image in self.answer.images.items()
        ]
        if self.answer.lonlat is not None:
            found.append(LocationInput(order="lonlat" if self.in_order else "latlon"))
        return found

    def _bands(self, name: str) -> tuple[str, ...]:
        bands = tuple(self.answer.images[name].bands)
        return bands if self.in_order or self._goes_by_position(name) else bands[::-1]

    def _goes_by_position(self, name: str) -> bool:
        """Whether the model takes any bands and knows them by their order alone."""
        taken = [i for i in self.preset.inputs if isinstance(i, ImageInput)]
        wanted = [i for i in taken if i.name == name] or taken
        return "wavelengths" not in self.preset.needs and any(i.bands == ANY for i in wanted)


def values_of(image: GoldenImage, bands: tuple[str, ...]) -> Tensor:
    """Return an image's values with its bands in an order, as a dataset delivers them."""
    import numpy as np
    import torch

    arrays = [np.asarray(image.bands[band], dtype=np.float32) for band in bands]
    return torch.from_numpy(np.stack(arrays, axis=0 if frames_of(image) is None else 1))


def mask_of(image: GoldenImage) -> Tensor:
    """Return which pixels of an image have a value, with one band for all, as a dataset delivers it."""
    import numpy as np
    import torch

    mask = np.ones(_shape(image)) if image.mask is None else np.asarray(image.mask)
    return torch.from_numpy(np.expand_dims(mask != 0, 0 if frames_of(image) is None else 1))


def unit_of(image: GoldenImage, band: str) -> Unit:
    """Return the unit of a band."""
    return image.unit if isinstance(image.unit, Unit) else image.unit[band]


def frames_of(image: GoldenImage) -> int | None:
    """Return the number of images of a series; ``None`` of a single image."""
    shape = _shape(image)
    return shape[0] if len(shape) in {1, 3} else None


def size_of(image: GoldenImage) -> int | None:
    """Return the height and width of a square image; ``None`` of another one."""
    height, width = (*_shape(image)[-2:],) if len(_shape(image)) > 1 else (1, 1)
    return height if height == width else None


def _shape(image: GoldenImage) -> tuple[int, ...]:
    import numpy as np

    return np.shape(next(iter(image.bands.values())))


def changed_image(answer: Golden, name: str, **changes: object) -> Golden:
    """Return a known answer with an image of it changed."""
    image = replace(answer.images[name], **changes)  # type: ignore[arg-type]
    return replace(answer, images={**answer.images, name: image})
