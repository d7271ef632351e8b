"""gairbench: one runner, many geo-foundation models, many tasks, identical frozen-feature probes.

A plugin is a module with one decorated function, named in its distribution's ``gairbench`` entry points::

    # pyproject.toml:  [project.entry-points.gairbench]
    #                  mine = "my_package"
    from gairbench import LocationInput, ModelSpec, Preset, hookimpl


    @hookimpl
    def register_models():
        yield ModelSpec(
            name="mine",
            version="1",
            factory="my_package.model:Mine",
            presets=(Preset(name="default", inputs=(LocationInput(),)),),
        )

The commands are functions, too: ``gairbench.run(model="gair", task="earth-*")``, ``reproduce``, ``embed``, ``map``,
``pretrain`` (:mod:`gairbench.api`).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gairbench.hookspecs import hookimpl
from gairbench.inputs import (
    ANY,
    RGB,
    Band,
    ImageInput,
    LocationInput,
    Modality,
    Normalization,
    Quantity,
    SampleInput,
    Sensor,
    Unit,
)
from gairbench.published import (
    Download,
    FileWeights,
    HubWeights,
    PackageWeights,
    RemoteFile,
    TimmWeights,
    TorchGeoWeights,
    UrlWeights,
)
from gairbench.representation import Representation
from gairbench.spec import (
    Category,
    DataContext,
    DatasetSpec,
    EvaluatorSpec,
    Kind,
    MetricSpec,
    ModelContext,
    ModelPattern,
    ModelSpec,
    Preset,
    Pretraining,
    SplitParameter,
    SplitPolicySpec,
    TaskSpec,
)

if TYPE_CHECKING:
    from gairbench.api import embed as embed
    from gairbench.api import map as map  # noqa: A004 (the command's name)
    from gairbench.api import pretrain as pretrain
    from gairbench.api import reproduce as reproduce
    from gairbench.api import run as run

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "RGB",
    "Band",
    "Category",
    "DataContext",
    "DatasetSpec",
    "Download",
    "EvaluatorSpec",
    "FileWeights",
    "HubWeights",
    "ImageInput",
    "Kind",
    "LocationInput",
    "MetricSpec",
    "Modality",
    "ModelContext",
    "ModelPattern",
    "ModelSpec",
    "Normalization",
    "PackageWeights",
    "Preset",
    "Pretraining",
    "Quantity",
    "RemoteFile",
    "Representation",
    "SampleInput",
    "Sensor",
    "SplitParameter",
    "SplitPolicySpec",
    "TaskSpec",
    "TimmWeights",
    "TorchGeoWeights",
    "Unit",
    "UrlWeights",
    "hookimpl",
]

_COMMANDS = ("embed", "map", "pretrain", "reproduce", "run")


def __getattr__(name: str) -> Any:
    # The contract is imported by every plugin; the functions that run commands only by those who call them.
    if name in _COMMANDS:
        return getattr(import_module("gairbench.api"), name)
    raise AttributeError(f"module 'gairbench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_COMMANDS])
