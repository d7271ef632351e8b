"""Which channels of a TorchGeo sample become an input, and whether they are the declared bands."""

from __future__ import annotations

from typing import Any

from gairbench.errors import PluginError
from gairbench.inputs import ImageInput
from gairbench.sensors import SEPARATOR, canonical, is_known, same_band
from gairbench_tasks.torchgeo.addresses import found
from gairbench_tasks.torchgeo.declaration import Part

ATTRIBUTES = ("bands", "all_bands", "all_band_names", "band_names")
"""Where TorchGeo's classes name the bands of ``image``; the first are those that were chosen."""


def band_names(dataset: Any, part: Part) -> tuple[str, ...]:
    """Return the names of a tensor's bands as the dataset has them; empty where it names none.

    Raises:
        PluginError: The declared address of the names leads nowhere.
    """
    if part.names:
        return tuple(map(str, found(dataset, part.names, f"names of the bands of {part.key!r}")))
    # Of other tensors the class's bands say nothing.
    if part.key == "image":
        for attribute in ATTRIBUTES:
            names = getattr(dataset, attribute, None)
            if isinstance(names, list | tuple) and names and all(isinstance(name, str) for name in names):
                return tuple(names)
    return ()


def channels(dataset: Any, part: Part) -> tuple[int, ...]:
    """Return the positions of the channels to take; empty: all.

    Raises:
        PluginError: The dataset has no such bands, or both bands and channels are declared.
    """
    if not part.bands:
        return part.channels
    if part.channels:
        raise PluginError(f"{part.key!r} is declared with bands and channels", "declare one of them")
    names = band_names(dataset, part)
    missing = [name for name in part.bands if name not in names]
    if missing:
        raise PluginError(
            f"{type(dataset).__name__} has no band {', '.join(missing)} in {part.key!r}",
            f"its bands are {', '.join(names)}" if names else "give 'channels', or the address of 'names'",
        )
    return tuple(names.index(name) for name in part.bands)


def check_band_names(dataset: Any, part: Part, declared: ImageInput) -> None:
    """Refuse declared bands that are not those of the class, where both are names that mean something.

    Raises:
        PluginError: They differ in number or order.
    """
    names = part.bands or band_names(dataset, part)
    if part.channels and names:
        if max(part.channels) >= len(names):
            return  # not the tensor's: ETCI 2021 names two polarizations, each of which has three channels
        names = tuple(names[channel] for channel in part.channels)
    if not names:
        return
    alike = len(names) == len(declared.bands) and all(map(_may_be_same, names, declared.bands))
    if not alike:
        raise PluginError(
            f"{type(dataset).__name__} gives bands {', '.join(names)} in {part.key!r}, and {', '.join(declared.bands)}"
            " are declared",
            "declare the bands of the class, in its order",
        )


def _may_be_same(name: str, declared: str) -> bool:
    # So2Sat's names begin with the sensor's; the others are those of the class's one sensor, which is declared.
    theirs, ours = canonical(name.removeprefix("S2_")), canonical(declared.rpartition(SEPARATOR)[2])
    return theirs == ours or same_band(theirs, declared) or not (is_known(theirs) and is_known(ours))
