"""Checks that commands share and that need nothing heavy: they come before torch is imported."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from gairbench.composition import is_composition
from gairbench.errors import CheckpointError, StorageError, UsageError
from gairbench.inputs import Rendering
from gairbench.memo import default_cache
from gairbench.model_names import known_models
from gairbench.plugins import Registry
from gairbench.requests import flag
from gairbench.selection import split_names, unknown
from gairbench.sensors import canonical
from gairbench.spec import ModelSpec, Preset
from gairbench.weights.loading import choose_preset
from gairbench.weights.origin import Weights, model_code, required_weights
from gairbench.weights.sources import fetch_missing

DEVICES = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def find_model(name: str, registry: Registry, preset: str | None = None) -> ModelSpec:
    """Return the one model of a name.

    Args:
        name: Registered, of a pattern, or ``file.py:Class``.
        registry: What is registered; models that are not are added.
        preset: A preset that it must have, if any.

    Raises:
        UsageError: There is no such model, or it has no such preset.
        PluginError: The file or the pattern gives no model.
    """
    known = known_models([name], registry)
    if len(known) > 1:
        raise UsageError(f"--model {name} names several models", "name one")
    if is_composition(known[0]):
        raise UsageError(f"{known[0]} is a model of 'gairbench run' alone", "name one of its parts")
    (name,) = known
    spec = registry.models[name]
    names = [known.name for known in spec.presets]
    if preset is not None and preset not in names:
        raise unknown("preset", preset, names, of=f"of model {name!r}")
    return spec


def rendering_of(pairs: Mapping[str, str]) -> Rendering | None:
    """Return the rendering that options state; ``None`` if there are none.

    Args:
        pairs: Texts by the names of :class:`gairbench.inputs.Rendering`'s arguments; bands are separated by commas.

    Raises:
        UsageError: A name is unknown, ``low`` or ``high`` is missing, or a value is not possible.

    Example:
        >>> rendering_of({"bands": "B4,B3,B2", "low": "0", "high": "3000"})
        Rendering(bands=('B4', 'B3', 'B2'), low=0.0, high=3000.0, gamma=1.0)
    """
    if not pairs:
        return None
    known = ("bands", "low", "high", "gamma")
    for name in pairs:
        if name not in known:
            raise unknown("key of --rendering", name, known)
    example = "write for instance --rendering bands=B4,B3,B2 --rendering low=0 --rendering high=3000"
    try:
        numbers = {name: float(pairs[name]) for name in ("low", "high", "gamma") if name in pairs}
    except ValueError as error:
        raise UsageError(f"--rendering: {error}", example) from error
    if missing := {"low", "high"} - pairs.keys():
        raise UsageError(f"--rendering lacks {' and '.join(sorted(missing))}", example)
    bands = {"bands": tuple(canonical(name) for name in split_names([pairs["bands"]]))} if "bands" in pairs else {}
    try:
        return Rendering(**bands, **numbers)  # type: ignore[arg-type]
    except ValueError as error:
        raise UsageError(f"--rendering: {error}", example) from error


def model_weights(
    spec: ModelSpec,
    registry: Registry,
    *,
    preset: str | None,
    checkpoint: Path | None,
    seed: int,
    download: bool,
    untrained: bool = False,
) -> tuple[Preset, Weights]:
    """Return the preset and the weights of a command that works with one model.

    Args:
        spec: The model.
        registry: What is installed.
        preset: The preset asked for.
        checkpoint: The checkpoint that is given.
        seed: Seed of untrained weights.
        download: Fetch published weights that are not here.
        untrained: Take a model that gairbench trains as it is before, where no checkpoint is given.

    Raises:
        UsageError: The model must be pre-trained first.
        CheckpointError: The weights are not here, cannot be fetched, or are of another preset.
    """
    cache = default_cache()
    if download:
        fetch_missing(spec, preset, checkpoint, cache)
    chosen = choose_preset(spec, preset, checkpoint)
    code = model_code(spec, chosen, registry.model_origins[spec.name].distribution, cache)
    source = replace(chosen, weights=None) if untrained and chosen.recipe is not None else chosen
    return chosen, required_weights(spec, source, checkpoint, seed=seed, code=code, cache=cache)


def check_device_name(name: str) -> None:
    """Refuse what cannot be a device; whether there is one is seen when torch is there.

    Raises:
        UsageError: It is not a device's name.
    """
    if not DEVICES.fullmatch(name):
        raise UsageError(f"no device {name!r}", "use --device auto, cpu, cuda, cuda:1 or mps")


def check_checkpoint(path: Path | None) -> None:
    """Refuse a checkpoint that is not there.

    Raises:
        CheckpointError: There is no such file or folder.
    """
    if path is not None and not path.exists():
        raise CheckpointError(f"no checkpoint {path}", "correct the path of --checkpoint")


def check_readable(field: str, path: Path) -> None:
    """Refuse an input that is not there or cannot be read.

    Args:
        field: The field of the request that names it.
        path: A file or folder.

    Raises:
        UsageError: There is none.
        StorageError: It may not be read.
    """
    try:
        if path.is_dir():
            next(os.scandir(path), None)
        else:
            with path.open("rb"):
                pass
    except FileNotFoundError:
        raise UsageError(f"{flag(field)} {path} does not exist", "correct the path") from None
    except OSError as error:
        raise StorageError(f"cannot read {flag(field)} {path}: {error.strerror}", "fix its permissions") from error


def check_writable(field: str, folder: Path) -> None:
    """Find out now, not after an hour of work, that nothing can be written; nothing is made.

    Args:
        field: The field of the request that names it.
        folder: The folder, which may be missing.

    Raises:
        StorageError: It cannot be made or written.
    """
    there = folder.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror}", f"choose another {flag(field)}") from error
