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
"""

from gairbench.hookspecs import hookimpl
from gairbench.spec import (
    RGB,
    Category,
    DataContext,
    DatasetSpec,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    ModelContext,
    ModelSpec,
    Normalization,
    Preset,
    Pretraining,
    TaskSpec,
    Unit,
    View,
)

__version__ = "0.1.0"

__all__ = [
    "RGB",
    "Category",
    "DataContext",
    "DatasetSpec",
    "ImageInput",
    "Kind",
    "LocationInput",
    "Modality",
    "ModelContext",
    "ModelSpec",
    "Normalization",
    "Preset",
    "Pretraining",
    "TaskSpec",
    "Unit",
    "View",
    "hookimpl",
]
