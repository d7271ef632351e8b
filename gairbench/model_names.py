"""Names of models: registered ones, those of patterns, and classes in files. The one place that gives them specs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from gairbench.composition import compose_model, is_composition, parts_asked
from gairbench.errors import GairbenchError, PluginError, UsageError
from gairbench.file_models import as_reference, model_in_file
from gairbench.plugins import Origin, Registry, check_declared
from gairbench.selection import unknown
from gairbench.spec import ModelPattern, ModelSpec, resolve
from gairbench.spec_names import model_name_problem

EVERYTHING = "all"
"""Stands for all registered models."""


def known_models(values: Sequence[str], registry: Registry) -> list[str]:
    """Return the names of the models asked for, each of which is registered then.

    Args:
        values: Registered names, globs of them (``"gair*"``), ``"all"``, ``"<prefix>:<rest>"`` of a registered pattern,
            ``"file.py:Class"``, ``"compose(rs=..., sv=...)"`` of such models.
        registry: What is registered; models that are not are added, with where they come from.

    Returns:
        Their names in tables and records: of ``"path/to/mine.py:Encoder"`` it is ``"mine:Encoder"``, of
        ``"table:path/to/mine.parquet"`` it is ``"table:mine"``.

    Raises:
        UsageError: There is no such model.
        PluginError: A file or a pattern gives no model, or a name is taken.
    """
    return [known for name in values for known in matching(name, registry.models) or [known_model(name, registry)]]


def _composition(name: str, registry: Registry) -> str:
    """Return the name of a composition, which is registered then, as its parts are."""
    parts = {modality: known_model(model, registry) for modality, model in parts_asked(name).items()}
    if EVERYTHING in parts.values():
        raise UsageError(f"{name}: {EVERYTHING!r} is not one model", "name a model for each modality")
    spec = compose_model({modality: registry.models[model] for modality, model in parts.items()})
    return _added(spec, Origin("compose", "gairbench", version("gairbench")), registry)


def matching(glob: str, names: Iterable[str]) -> list[str]:
    """Return the names that a glob is of; those of variants have brackets, which stand for themselves.

    Args:
        glob: With ``*`` for any characters, ``?`` for one.
        names: The names.

    Example:
        >>> matching("gair[*", ["gair", "gair[no-inr]", "gair[bilinear]"])
        ['gair[no-inr]', 'gair[bilinear]']
    """
    if not is_glob(glob):
        return []
    return fnmatch.filter(names, glob.replace("[", "[[]"))


def is_glob(name: str) -> bool:
    """Whether a name stands for those that it matches."""
    return bool(set("*?") & set(name))


def known_model(name: str, registry: Registry) -> str:
    """Return the name of one model asked for, as :func:`known_models` does of several."""
    if name in registry.models or name == EVERYTHING:
        return name
    if is_composition(name):
        return _composition(name, registry)
    reference = as_reference(name)
    if reference is not None:
        spec = model_in_file(*reference)
        return _added(spec, Origin("file", reference[0].name, spec.version), registry)
    prefix, colon, rest = name.partition(":")
    pattern = registry.model_patterns.get(prefix)
    if not colon or pattern is None:
        raise _no_model(name, registry)
    origin = registry.model_pattern_origins[prefix]
    return _added(_made(pattern, rest, origin), origin, registry)


def _added(spec: ModelSpec, origin: Origin, registry: Registry) -> str:
    # Whoever made it: a field of another type would fail cells of other models.
    check_declared(spec)
    if registry.models.get(spec.name) != spec:
        registry.add(origin, models=[spec])
    return spec.name


def _made(pattern: ModelPattern, rest: str, origin: Origin) -> ModelSpec:
    name = f"{pattern.prefix}:{rest}"
    try:
        spec: object = resolve(pattern.factory)(rest)
    except GairbenchError:
        raise
    # A pattern may be a third party's: whatever it raises is named.
    except Exception as error:
        raise PluginError(f"model {name!r} of plugin {origin}: {type(error).__name__}: {error}", "") from error
    if isinstance(spec, ModelSpec) and pattern.files:
        name = spec.name if spec.name.startswith(f"{pattern.prefix}:") else f"{pattern.prefix}:NAME"
        if problem := model_name_problem(spec.name):
            raise PluginError(f"plugin {origin}: {problem}", "make a name of the path that has no other characters")
    if not isinstance(spec, ModelSpec) or spec.name != name:
        raise PluginError(
            f"plugin {origin} made {getattr(spec, 'name', spec)!r} of the name {name!r}",
            f"its factory must return a ModelSpec of the name {name!r}",
        )
    return spec


def models_of(pattern: ModelPattern, origin: Origin) -> list[ModelSpec]:
    """Return the models of a pattern that are known beforehand, as far as listings show them.

    Args:
        pattern: It may list none.
        origin: Where it comes from, for messages.

    Raises:
        PluginError: It cannot list them.
    """
    if pattern.listed is None:
        return []
    try:
        return list(resolve(pattern.listed)())
    except GairbenchError:
        raise
    except Exception as error:
        raise PluginError(f"the list of {pattern} of plugin {origin}: {type(error).__name__}: {error}", "") from error


def _no_model(name: str, registry: Registry) -> UsageError:
    error = unknown("model", name, [*registry.models, EVERYTHING])
    others = ", ".join([*map(str, registry.model_patterns.values()), "path/to/file.py:Class for one of your own"])
    hint = error.hint if error.hint.endswith("?") else f"{error.hint};"
    return UsageError(error.what, f"{hint} models are also {others} (docs/models.md, docs/plugins.md)")
