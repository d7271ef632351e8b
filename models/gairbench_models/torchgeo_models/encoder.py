"""A model of TorchGeo as an encoder, with weights that its own constructor loads from a file."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torchvision.transforms.v2 as transforms
from torch import Tensor, nn
from torchgeo.models import get_model

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import CheckpointError
from gairbench.representation import Representation
from gairbench_models.timm_models.encoder import represent
from gairbench_models.torchgeo_models.catalogue import find_member
from gairbench_models.torchgeo_models.declaration import WHOLE
from gairbench_models.torchgeo_models.facts import fact_of
from gairbench_models.torchgeo_models.transform import read_transform


@dataclass(frozen=True)
class WeightsFile:
    """Stands for TorchGeo's weights where their constructor asks for them, and reads a file instead of an address.

    Args:
        meta: Of TorchGeo's weights.
        path: The file.
    """

    meta: Mapping[str, Any]
    path: Path

    def get_state_dict(self, *args: object, **kwargs: object) -> dict[str, Tensor]:  # noqa: ARG002  (TorchGeo's call)
        """Read the file, tensors alone, whatever is asked about fetching it: versions of TorchGeo differ.

        Raises:
            CheckpointError: It is not a file of weights.
        """
        try:
            state: dict[str, Tensor] = torch.load(self.path, map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(f"{self.path} is not a file of weights: {error}", "replace it") from error
        return state


class TorchGeoEncoder(nn.Module):
    """The vector before a model's head, of the part of the image that TorchGeo's transform cuts out; and token grids.

    Args:
        model: Built by TorchGeo.
        crop: Edge of the centre that is cut out for a vector; ``None``: all.
        mean: Of each band, where values are standardized after their declared normalization; empty: they are not.
        std: Likewise.
    """

    def __init__(
        self, model: Any, crop: int | None = None, mean: Sequence[float] = (), std: Sequence[float] = ()
    ) -> None:
        super().__init__()
        self.model = model
        self.standardized = transforms.Normalize(list(mean), list(std)) if mean else nn.Identity()
        self.crop = nn.Identity() if crop is None else transforms.CenterCrop(crop)

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed the one image that is wanted.

        Args:
            batch: Images ``(batch, band, height, width)``, resized and normalized.
            wanted: The vector or token grids.

        Returns:
            ``(batch, dim)``, ``(batch, dim, rows, columns)``, or ``(batch, layers, dim, rows, columns)``.
        """
        image = batch.images[wanted.of[0]]
        values = self.standardized(image.values)
        if not wanted.of[0].endswith(WHOLE):
            values = self.crop(values)
        if image.gsd_m is None:
            return self._represent(values, wanted)
        return self._by_gsd(values, image.gsd_m, wanted)

    def _by_gsd(self, images: Tensor, gsd_m: Tensor, wanted: Representation) -> Tensor:
        """Embed images in groups of one ground sample distance, which the model takes for all of a batch."""
        parts: dict[int, Tensor] = {}
        for distance in torch.unique(gsd_m).tolist():
            rows = (gsd_m == distance).nonzero()[:, 0]
            self.model.res = distance
            parts |= dict(zip(rows.tolist(), self._represent(images[rows], wanted), strict=True))
        return torch.stack([parts[row] for row in range(len(images))])

    def _represent(self, images: Tensor, wanted: Representation) -> Tensor:
        if hasattr(self.model, "forward_head"):
            return represent(self.model, images, wanted)
        if not hasattr(self.model, "permute"):
            whole: Tensor = self.model(images)
            return whole
        # torchvision's Swin ends in norm, permute, avgpool, flatten and head.
        grid: Tensor = self.model.permute(self.model.norm(self.model.features(images)))
        return grid if wanted.form == "tokens" else self.model.flatten(self.model.avgpool(grid))


def load(context: ModelContext) -> TorchGeoEncoder:
    """Build the model of the weights that the model's name says, through TorchGeo's constructor.

    Raises:
        CheckpointError: The file does not hold these weights, or none is given.
    """
    rest = context.model.partition(":")[2]
    member, model = find_member(rest)
    path = context.required_checkpoint()
    arguments = {"num_classes": 0} if model.startswith(("resnet", "vit_", "scalemae")) else {}
    constructor = partial(_whole_scalemae if model.startswith("scalemae") else get_model, model)
    built = constructed(constructor, path, f"torchgeo:{rest}", arguments, member.meta)
    fact = fact_of(rest)
    crop = read_transform(member.transforms, member.meta["in_chans"]).crop
    return TorchGeoEncoder(built, crop, fact.mean, fact.std)


def constructed(
    constructor: Callable[..., Any],
    path: Path,
    name: str,
    arguments: Mapping[str, Any],
    meta: Mapping[str, Any] = MappingProxyType({}),
) -> Any:
    """Build a model by a constructor of TorchGeo, which loads the weights of a file.

    Args:
        constructor: Takes TorchGeo's weights as ``weights``, and asserts that nothing is missing.
        path: The file.
        name: Of the model, for messages.
        arguments: Other arguments of the constructor.
        meta: Of TorchGeo's weights.

    Raises:
        CheckpointError: The file does not hold the weights.
    """
    try:
        with torch.random.fork_rng(devices=[]):
            return constructor(weights=WeightsFile(meta, path), **arguments)
    except (AssertionError, RuntimeError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} does not hold the weights of {name}: {type(error).__name__} {error}",
            "give the file that TorchGeo names",
        ) from error


def _whole_scalemae(model: str, weights: WeightsFile, **more: Any) -> Any:
    """Build a Scale-MAE, and require that the file has every tensor of it: its constructor does not look."""
    built: Any = get_model(model, weights=weights, **more)
    missing = sorted(built.state_dict().keys() - weights.get_state_dict().keys())
    if missing:
        raise KeyError(f"it lacks {', '.join(missing)}")
    return built
