"""Presto as a model of the benchmark, with the weights that its authors published."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import InputMismatchError
from gairbench.representation import Representation
from gairbench.weights.exact_loading import load_exactly
from gairbench_models.location.features import xyz
from gairbench_models.presto import RELIEF
from gairbench_models.presto.network import LAND_COVER, PrestoEncoder
from gairbench_models.satellite_groups import DYNAMIC_WORLD, GROUPS
from gairbench_models.satellite_series import Steps, encode_alike, whole_groups, with_ndvi

_DECODER = "decoder."
"""What the names of the other half of the file begin with, which was for pre-training."""

_GROUPS = {**GROUPS, LAND_COVER: DYNAMIC_WORLD}


class Presto(nn.Module):
    """One vector of a pixel's series, of the groups of bands that are there."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = PrestoEncoder()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Embed series; frames of which the date is not known are left out, but of relief without any date.

        The n-th frame of every image of a sample is month n of its series. The land cover of a month is the class of
        the largest share; where all shares are zero it is not known.

        Args:
            batch: Normalized series ``(batch, time, band, 1, 1)`` with dates, and places.
            wanted: The vector.

        Returns:
            ``(batch, 128)``.

        Raises:
            InputMismatchError: No group of bands is whole, or a sample has no date or no place.
        """
        del wanted  # there is one
        images = {}
        for name, image in batch.images.items():
            known = image.valid if image.dates is None else image.valid & image.dates.isfinite()
            if name == RELIEF:
                known = known.where(known.any(dim=1, keepdim=True), image.valid)
            elif image.dates is None or not bool(known.any(dim=1).all()):
                raise InputMismatchError(
                    f"no image of {name} of a sample has a date", "leave the sample out, or state the dates"
                )
            if image.bands[0].name in DYNAMIC_WORLD:
                known = known & (image.values.flatten(2) > 0).any(dim=2)
            images[name] = replace(with_ndvi(image), valid=known)
        return encode_alike(replace(batch, images=images), self._encode)

    def _encode(self, batch: Batch, steps: Steps) -> Tensor:
        if batch.lonlat is None:
            raise InputMismatchError("the place of a sample is not known", "leave the sample out, or state its place")
        groups = whole_groups(batch, steps, _GROUPS)
        values = {name: group.values.flatten(2) for name, group in groups.items()}
        if LAND_COVER in values:
            values[LAND_COVER] = values[LAND_COVER].argmax(dim=2)
        months = {name: group.months for name, group in groups.items() if group.months is not None}
        numbers = {name: group.steps for name, group in groups.items()}
        return self.encoder(values, months, xyz(batch.lonlat).float(), numbers)  # type: ignore[no-any-return]


def load(context: ModelContext) -> Presto:
    """Build Presto with its published weights.

    Raises:
        CheckpointError: No file is given, or it does not hold exactly these weights.
    """
    model = Presto()
    load_exactly(
        model,
        context.required_checkpoint(),
        hint="give Presto's default_model.pt",
        taken=lambda name: "" if name.startswith(_DECODER) else name,
    )
    return model
