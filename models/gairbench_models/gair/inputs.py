"""What the encoders take where ``--set`` changes it: other bands, units and sizes than a preset's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Gt

from gairbench.errors import UsageError
from gairbench.inputs import ImageInput, Input, Modality, Unit
from gairbench.sensors import canonical
from gairbench_models.gair.config import VisionConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class TileInput:
    """What the overhead encoder takes.

    Args:
        bands: Names in order, as :mod:`gairbench.sensors` knows them.
        unit: Scale of the values; images of another unit are converted or refused.
        mean: Per band, in ``unit``; empty: what the presets have for these bands.
        std: Standard deviation per band, in ``unit``; empty: what the presets have for these bands.
    """

    bands: tuple[str, ...]
    unit: Unit
    mean: tuple[float, ...] = ()
    std: tuple[Annotated[float, Gt(0)], ...] = ()


def tile_input(inputs: Sequence[Input]) -> TileInput:
    """Return the overhead input among those of a preset."""
    image = _overhead(inputs)
    return TileInput(bands=image.bands, unit=image.units()[0])


def adapted(inputs: Sequence[Input], tile: TileInput, rs: VisionConfig, sv: VisionConfig) -> tuple[Input, ...]:
    """Return a preset's inputs with other bands and sizes.

    Args:
        inputs: The preset's.
        tile: What the overhead encoder takes.
        rs: The overhead encoder, for its size.
        sv: The photo encoder, for its size.

    Raises:
        UsageError: A band is named twice, or there is not one mean and one deviation for each.
    """
    bands = tuple(canonical(band) for band in tile.bands)
    if not all(bands) or len({*bands}) != len(bands):
        raise UsageError(f"input.bands={','.join(bands)} names a band twice or not at all", "name each once")
    adapted_inputs: list[Input] = []
    for taken in inputs:
        if not isinstance(taken, ImageInput):
            adapted_inputs.append(taken)
        elif taken.modality is Modality.SV:
            adapted_inputs.append(replace(taken, size=sv.image_size))
        else:
            mean, std = _statistics(taken, replace(tile, bands=bands))
            adapted_inputs.append(replace(taken, bands=bands, unit=tile.unit, size=rs.image_size, mean=mean, std=std))
    return tuple(adapted_inputs)


def _overhead(inputs: Sequence[Input]) -> ImageInput:
    return next(i for i in inputs if isinstance(i, ImageInput) and i.modality is Modality.RS)


def _statistics(preset: ImageInput, tile: TileInput) -> tuple[tuple[float, ...], tuple[float, ...]]:
    mean, std = tile.mean, tile.std
    if not mean and not std:
        if (tile.bands, tile.unit) == (preset.bands, preset.unit):
            return preset.mean, preset.std
        known = _known()
        missing = [band for band in tile.bands if (tile.unit, band) not in known]
        if missing:
            raise UsageError(
                f"no mean and deviation of {', '.join(missing)} in {tile.unit} are known",
                f"give both for all {len(tile.bands)} bands with --set input.mean=... --set input.std=...",
            )
        mean, std = zip(*(known[tile.unit, band] for band in tile.bands), strict=True)
    if not len(mean) == len(std) == len(tile.bands):
        raise UsageError(
            f"{len(mean)} means and {len(std)} deviations for {len(tile.bands)} bands",
            "give one of each a band, with --set input.mean=... --set input.std=...",
        )
    return mean, std


def _known() -> dict[tuple[Unit, str], tuple[float, float]]:
    """Return mean and deviation of every band that a preset takes, by unit and band."""
    from gairbench_models.gair.presets import PRESETS

    return {
        (unit, band): (mean, std)
        for image in (_overhead(preset.inputs) for preset in PRESETS.values())
        for band, unit, mean, std in zip(image.bands, image.units(), image.mean, image.std, strict=True)
    }
