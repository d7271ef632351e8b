"""What every spec must state, whatever it describes."""

from __future__ import annotations

import importlib.metadata as md
import json
import pickle
import subprocess
import sys
import unittest
from collections.abc import Iterable
from functools import cache, partial

from gairbench.factories import code_module
from gairbench.inputs import ANY, EncoderInput, ImageInput, Normalization
from gairbench.plugins import BUILTIN, GROUP, Origin, Registry, load_registry
from gairbench.sensors import band as sensor_band
from gairbench.spec import (
    DatasetSpec,
    EvaluatorSpec,
    Factory,
    MetricSpec,
    ModelSpec,
    SplitPolicySpec,
    TaskSpec,
    resolve,
)
from gairbench.spec_names import model_name_problem, slug_problem
from gairbench.testing.isolated import call_isolated, unreported
from gairbench.units import band_problem

Spec = ModelSpec | DatasetSpec | TaskSpec | EvaluatorSpec | MetricSpec | SplitPolicySpec

HEAVY = (
    *("PIL", "lightning", "matplotlib", "numpy", "pandas", "rasterio", "scipy"),
    *("sklearn", "tensorflow", "timm", "torch", "torchgeo", "torchvision", "transformers"),
)
"""What no plugin may import before a factory is called: ``gairbench list`` would wait for it."""


def require(holds: bool, message: str) -> None:
    """Raise an ``AssertionError`` unless the condition holds, under ``python -O`` too."""
    if not holds:
        raise AssertionError(message)


def require_slug(name: str, what: str) -> None:
    """Require a name that is safe in file names, tables and on the command line."""
    problem = slug_problem(name, what)
    require(not problem, problem)


def require_model_name(name: str) -> None:
    """Require a slug, one with its variant in brackets (``gair[bilinear]``), or a name of a pattern (``timm:vit``)."""
    problem = model_name_problem(name)
    require(not problem, problem)


def require_value_object(spec: Spec) -> None:
    """Require that a spec can be a dictionary key, compared, and sent to another process."""
    hash(spec)
    if not any(callable(factory) for factory in _factories(spec)):
        require(pickle.loads(pickle.dumps(spec)) == spec, f"{spec.name}: a pickled copy differs from the spec")  # noqa: S301


def require_inputs(inputs: Iterable[EncoderInput], where: str, *, encoder: bool) -> None:
    """Require image and location declarations that leave nothing to guess.

    Args:
        inputs: What an encoder takes or a dataset delivers.
        where: Whom to name.
        encoder: They belong to a model: normalization is for these only.
    """
    inputs = list(inputs)
    names = [i.name for i in inputs]
    require(bool(inputs), f"{where} declares no inputs")
    require(len(set(names)) == len(names), f"{where} declares an input twice: {names}")
    for image in inputs:
        if not isinstance(image, ImageInput):
            continue
        name = f"{where}, {image.name}"
        require_slug(image.name, f"{where}: input")
        _require_image(image, name, encoder=encoder)


def _require_image(image: ImageInput, name: str, *, encoder: bool) -> None:
    if encoder:
        require(not image.synthetic, f"{name}: 'synthetic' is for datasets")
        require(not image.dated, f"{name}: 'dated' is for datasets; a model says what it 'needs'")
        require(not image.masked, f"{name}: 'masked' is for datasets; a model says what it 'needs'")
    else:
        require(image.normalization is Normalization.NONE, f"{name}: 'normalization' is for models")
        require(image.bands != ANY, f"{name}: ANY is for models; name the bands")
        require(image.unit is not None, f"{name}: no unit")
    if image.bands != ANY:
        for band, unit in zip(image.bands, image.units(), strict=False):
            problem = band_problem(band, sensor_band(band).quantity, unit)
            require(not problem, f"{name}: {problem}")


def require_cheap(spec: Spec) -> None:
    """Require that registering the spec's plugin imports no heavy package, in a fresh process.

    Raises:
        unittest.SkipTest: No installed plugin registers the spec, nor does the package of its factory.
    """
    address = _plugin_address(spec)
    if not address:
        address = _package(spec)
        # A package that is not installed may hold its hooks in any module, or none; a class in a file has no package.
        if not address or spec.name not in _loaded(address, installed=False)[1]:
            raise unittest.SkipTest(f"no installed plugin registers {spec.name!r}, nor does {address or 'its file'}")
    imported = _loaded(address, installed=True)[0]
    require(not imported, f"registering {address} imports {', '.join(imported)}; import them inside the factory")


def _factories(spec: Spec) -> list[Factory]:
    if isinstance(spec, TaskSpec):
        return [spec.dataset.factory]
    if isinstance(spec, ModelSpec):
        recipes = [preset.recipe for preset in spec.presets if preset.recipe]
        named = [one for recipe in recipes for one in (recipe.inputs, recipe.teachers)]
        optional = [spec.configuration, spec.golden, *named]
        return [spec.factory, *(r.recipe for r in recipes), *(factory for factory in optional if factory is not None)]
    return [spec.factory]


def require_factories(spec: Spec) -> None:
    """Require that every lazy address leads to something callable, and that importing it leaves the process alone."""
    for factory in _factories(spec):
        made, changes = call_isolated(f"importing {factory!r} of {spec.name!r}", partial(resolve, factory))
        require(callable(made), f"{spec.name}: {factory!r} is not callable")
        require(not changes, changes)


def _plugin_address(spec: Spec) -> str:
    """Return the entry point that registers the spec; empty if none does."""
    registry = installed()
    for specs, origins in (
        (registry.models, registry.model_origins),
        (registry.datasets, registry.dataset_origins),
        (registry.tasks, registry.task_origins),
        (registry.evaluators, registry.evaluator_origins),
        (registry.metrics, registry.metric_origins),
        (registry.split_policies, registry.split_policy_origins),
    ):
        if specs.get(spec.name) == spec:
            return _entry_point(origins[spec.name])
    return ""


def _package(spec: Spec) -> str:
    return code_module(_factories(spec)[0]).partition(".")[0]


def _entry_point(origin: Origin) -> str:
    for entry in md.entry_points(group=GROUP, name=origin.plugin):
        if entry.dist and entry.dist.name == origin.distribution:
            return entry.value
    # A checkout that was never installed; otherwise the plugin has been removed since.
    return BUILTIN.get(origin.plugin, "")


@cache
def installed() -> Registry:
    """Return what the installed plugins provide, loaded once; a broken one is left out."""
    # Other plugins may be broken or change what they like: that is not this suite's matter.
    with unreported():
        return load_registry(strict=False)


_PROBE = """
import importlib.metadata, json, sys
address, group, heavy, sys.path[:] = json.loads(sys.argv[1])
from gairbench.plugins import Origin, Registry, register
plugin = importlib.metadata.EntryPoint("probe", address, group).load()
registry = Registry()
register(registry, plugin, Origin("probe", "probe", "0"))
registered = [*registry.models, *registry.datasets, *registry.tasks]
print(json.dumps([[name for name in heavy if name in sys.modules], registered]))
"""


@cache
def _loaded(address: str, *, installed: bool) -> tuple[list[str], list[str]]:
    """Return the heavy packages that a plugin imports, and what it registers; nothing if it need not be one."""
    arguments = json.dumps([address, GROUP, HEAVY, sys.path])
    done = subprocess.run([sys.executable, "-c", _PROBE, arguments], capture_output=True, text=True, check=False)
    if done.returncode and not installed:
        return [], []
    require(done.returncode == 0, f"{address} cannot be loaded in a fresh process:\n{done.stderr}")
    heavy, registered = json.loads(done.stdout.splitlines()[-1])
    return heavy, registered
