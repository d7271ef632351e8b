"""Known answers of a model: raw samples, and the embeddings that they must have.

They come from the code that the model was published with, and reveal what no other check can see: exchanged bands,
units, axes, frames and coordinates. Importing this module imports neither torch nor numpy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gairbench.inputs import Modality, Unit
from gairbench.representation import Representation

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenImage:
    """An image, or a series of images, of a known answer.

    Args:
        bands: Values by the name of the band: ``(height, width)``, north up, or ``(time, height, width)`` of a series;
            of a single pixel a number, or ``(time,)``.
        unit: Of all bands, or by the name of the band.
        dates: When each image was taken, in days since 1970-01-01.
        gsd_m: Ground sample distance in metres.
        mask: Which pixels have a value in all bands, of the shape of one; ``None``: all.
        modality: ``Modality.RS`` or ``Modality.SV``.
    """

    bands: Mapping[str, ArrayLike]
    unit: Unit | Mapping[str, Unit]
    dates: Sequence[float] | None = None
    gsd_m: float | None = None
    mask: ArrayLike | None = None
    modality: Modality = Modality.RS


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A sample and the embedding that it must have.

    Args:
        name: For messages.
        expected: The embedding, without the batch: ``(dim,)``, or ``([layers,] dim, rows, columns)`` of tokens.
        images: The sample's images, each under the name of the model's input.
        lonlat: The sample's place in degrees, longitude first.
        bbox: (lon_min, lat_max, lon_max, lat_min) of its overhead image.
        representation: What is expected, one of what the preset offers; ``None``: the vector of the images, or of the
            place where there are no images.
        tolerance: Greatest difference from ``expected``, as a share of its largest value.
    """

    name: str
    expected: ArrayLike
    images: Mapping[str, GoldenImage] = field(default_factory=dict)
    lonlat: tuple[float, float] | None = None
    bbox: tuple[float, float, float, float] | None = None
    representation: Representation | None = None
    tolerance: float = 1e-4
