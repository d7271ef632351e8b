"""Weights of other location encoders that GAIR's pre-training may start from: GeoCLIP's and SatCLIP's."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from gairbench.digests import file_sha256
from gairbench.errors import CheckpointError, UsageError
from gairbench.weights.tensors import check_tensors, first_names, read_file, state_dict
from gairbench_models.geoclip.encoder import capsule_name
from gairbench_models.location.config import LocationConfig, LocationEncoderName
from gairbench_models.satclip.layout import check_released, satclip_factors, satclip_name

_Author = Literal["GeoCLIP", "SatCLIP"]

_ENCODERS: Mapping[_Author, LocationEncoderName] = {"GeoCLIP": "rff", "SatCLIP": "sh-siren"}


def start_location(encoder: nn.Module, config: LocationConfig, source: str) -> dict[str, Any]:
    """Give a location encoder the weights of GeoCLIP or SatCLIP; the names in the file show which.

    Args:
        encoder: What to change, in place.
        config: What it was built from.
        source: File of GeoCLIP's location encoder, of a whole SatCLIP, or of SatCLIP's location encoder.

    Returns:
        Source, SHA-256, and the names of tensors that stay as they were (``"new"``) or were left aside; JSON types.

    Raises:
        UsageError: The weights are for another location encoder than the model's.
        CheckpointError: The file is broken or does not fit; all that is missing, unexpected or misshapen is listed.
    """
    path = Path(source)
    content = read_file(path)
    found = _location_encoder(state_dict(content, path))
    author = _author(found, path)
    if config.encoder != _ENCODERS[author]:
        raise UsageError(
            f"start.location: {path} holds {author}'s weights, which are for the location encoder"
            f" {_ENCODERS[author]}, not for {config.encoder}",
            f"--set model.location.encoder={_ENCODERS[author]}, or remove one of the two settings",
        )
    ours = encoder.state_dict()
    if author == "GeoCLIP":
        theirs = {name: capsule_name(name) for name in ours}
        hint = "give GeoCLIP's location encoder, and a model with capsules of its size"
    else:
        check_released(content.get("hyper_parameters"), path)
        theirs = {name: satclip_name(name, config.layers) for name in ours}
        hint = _satclip_hint(found)
    expected = {theirs[name]: tuple(value.shape) for name, value in ours.items()}
    heads = {name for name in expected if ".head." in name or ".last_layer." in name}
    # GeoCLIP's space has 512 dimensions and SatCLIP's 256; where ours differs, their last layers mean nothing in it.
    fits = all(name in found and tuple(found[name].shape) == expected[name] for name in heads)
    aside = [] if fits else sorted(name for name in found if name in heads)
    found = {name: value for name, value in found.items() if name not in aside}
    check_tensors(found, {n: shape for n, shape in expected.items() if fits or n not in heads}, path, hint)
    if author == "SatCLIP":
        found["nnet.layers.0.weight"] = found["nnet.layers.0.weight"].double() * satclip_factors(config.degrees)
    taken = {name: found[theirs[name]] for name in ours if theirs[name] in found}
    encoder.load_state_dict(ours | taken)
    return {
        "source": path.name,
        "sha256": file_sha256(path),
        "left_aside": aside,
        "new": sorted(name for name in ours if name not in taken),
    }


def _location_encoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a location encoder alone, out of a whole SatCLIP or from behind the prefix that GeoCLIP's may have."""
    for prefix in ("model.location.", "location."):
        inner = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
        if inner:
            return inner
    return {name.removeprefix("location_encoder."): value for name, value in state.items()}


def _author(names: Mapping[str, Tensor], path: Path) -> _Author:
    if any(name.startswith("LocEnc") for name in names):
        return "GeoCLIP"
    if any(name.startswith("nnet.") for name in names):
        return "SatCLIP"
    raise CheckpointError(
        f"{path} holds no location encoder of GeoCLIP (LocEnc*) or SatCLIP (nnet.*), but {first_names(sorted(names))}",
        "give a file of GeoCLIP or SatCLIP",
    )


def _satclip_hint(found: Mapping[str, Tensor]) -> str:
    first = found.get("nnet.layers.0.weight")
    if first is None or first.ndim != 2:
        return "give a whole SatCLIP"
    hidden, features = first.shape
    layers = sum(re.fullmatch(r"nnet\.layers\.\d+\.weight", name) is not None for name in found)
    size = {"degrees": math.isqrt(features), "hidden": hidden, "layers": layers}
    return f"its size is {' '.join(f'--set model.location.{name}={value}' for name, value in size.items())}"
