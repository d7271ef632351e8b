"""A contact sheet of what a dataset delivers and what the encoder gets of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.batch import Images
from gairbench.conversion import ImageConverter
from gairbench.data import Sample
from gairbench.inputs import RGB, Unit
from gairbench.inspection.fed import delivered_values
from gairbench.sensors import same_band
from gairbench.storage import atomic_file

if TYPE_CHECKING:
    from torch import Tensor

SHOWN = 8
"""At most so many samples are drawn."""

EDGE_OF_ONE = 160
"""Edge of a sample's picture in pixels."""

_GAP = 4


def draw_contact_sheet(
    path: Path, converter: ImageConverter, samples: Sequence[Sample], image: Images
) -> tuple[str, ...]:
    """Draw samples as they are delivered in the upper row, and as the encoder gets them in the lower one.

    The bands red, green and blue are shown where there are such, else the first one in grey; of a series the image in
    the middle. Display values are drawn as they are; others from the 2nd to the 98th percentile of their row.

    Args:
        path: PNG to write.
        converter: How samples are converted.
        samples: As the dataset delivers them.
        image: What the encoder gets.

    Returns:
        The names of the bands that are shown, in the encoder's words; none where an image is a single pixel, which is
        not drawn.

    Raises:
        StorageError: It cannot be written.
    """
    from PIL import Image

    shown = _shown(converter)
    first = image.values[:SHOWN]
    after = [middle(values if values.ndim == 4 else values[None])[list(shown)] for values in first]
    chosen = [converter.positions[number] for number in shown]
    before = [
        middle(delivered_values(converter, sample))[[p for p in chosen if p is not None]] for sample in samples[:SHOWN]
    ]
    if all(tuple(values.shape[-2:]) == (1, 1) for values in (*before, *after)):
        return ()
    display = all(converter.delivered.units()[p] is Unit.UINT8 for p in chosen if p is not None)
    rows = [stretched(before, (0.0, 255.0) if display else None), stretched(after, None)]
    step = EDGE_OF_ONE + _GAP
    sheet = Image.new("RGB", (step * len(after) + _GAP, step * len(rows) + _GAP), "white")
    for row, pictures in enumerate(rows):
        for column, values in enumerate(pictures):
            picture = Image.fromarray(values)
            scale = EDGE_OF_ONE / max(picture.size)
            size = [max(1, round(edge * scale)) for edge in picture.size]
            # Pixels stay visible as squares.
            resized = picture.resize((size[0], size[1]), Image.Resampling.NEAREST if scale > 1 else None)
            sheet.paste(resized, (_GAP + step * column, _GAP + step * row))
    with atomic_file(path) as file:
        sheet.save(file, format="PNG")
    return tuple(converter.bands[number].name for number in shown)


def _shown(converter: ImageConverter) -> tuple[int, ...]:
    """Return the positions of red, green and blue among what the encoder gets, or of its first band with values."""
    there = [number for number, position in enumerate(converter.positions) if position is not None]
    return tuple(there[position] for position in shown_bands([converter.bands[number].name for number in there]))


def shown_bands(names: Sequence[str], wanted: Sequence[str] = RGB) -> tuple[int, ...]:
    """Return the positions of the bands that are shown as red, green and blue, else of the first band alone.

    Args:
        names: All bands.
        wanted: Those that are shown if all of them are there.

    Example:
        >>> shown_bands(("B2", "B3", "B4", "B8")), shown_bands(("VV", "VH"))
        ((2, 1, 0), (0,))
    """
    found = [next((n for n, name in enumerate(names) if same_band(name, colour)), None) for colour in wanted]
    there = tuple(position for position in found if position is not None)
    return there if len(there) == len(wanted) else tuple(range(len(names)))[:1]


def middle(frames: Tensor) -> Tensor:
    """Return the image in the middle of a series ``(time, band, height, width)``."""
    return frames[len(frames) // 2]


def stretched(pictures: Sequence[Tensor], limits: tuple[float, float] | None) -> list[NDArray[np.uint8]]:
    """Return pictures ``(height, width, 3)`` of images ``(band, height, width)`` of three bands, or one, which is grey.

    Args:
        pictures: The images.
        limits: The values that are black and white; ``None``: the 2nd and 98th percentile of all images together.
    """
    arrays = [np.asarray(picture, dtype=np.float64) for picture in pictures]
    if limits is None:
        values = np.concatenate([array.reshape(-1) for array in arrays])
        known = values[np.isfinite(values)]
        low, high = np.percentile(known, [2, 98]) if len(known) else (0.0, 1.0)
    else:
        low, high = limits
    span = high - low or 1.0
    found = []
    for array in arrays:
        shares = np.nan_to_num((array - low) / span).clip(0, 1)
        coloured = np.repeat(shares, len(RGB), axis=0) if len(shares) == 1 else shares
        found.append(np.rint(coloured * 255).astype(np.uint8).transpose(1, 2, 0))
    return found
