"""How a new plugin's package, module and spec are called, and why they cannot be called so."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from gairbench.errors import UsageError
from gairbench.plugins import Registry

LONGEST = 40
"""Most characters of a name: lines of the template are made for it."""

KINDS = ("model", "task", "evaluator")
"""What a new plugin may add."""


@dataclass(frozen=True, slots=True)
class PluginName:
    """The names that follow from one.

    Args:
        distribution: Of the package, as pip and PyPI know it, and of the plugin.
    """

    distribution: str

    @property
    def package(self) -> str:
        """The name that is imported."""
        return self.distribution.replace("-", "_")

    @property
    def slug(self) -> str:
        """The name of the model or the evaluator, and the first part of a task's."""
        return self.distribution.removeprefix("gairbench-")


def normalized(text: str) -> PluginName:
    """Return the names of a new plugin: those of PyPI, in lower case with ``-`` between words.

    Raises:
        UsageError: It cannot be the name of a package and of its module.

    Example:
        >>> normalized("Gairbench_Fields").distribution
        'gairbench-fields'
        >>> normalized("Gairbench_Fields").slug
        'fields'
    """
    name = PluginName(re.sub(r"[-_.\s]+", "-", text.strip()).lower())
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name.distribution):
        raise UsageError(
            f"{text!r} cannot be the name of a package",
            "begin with a letter, and join words of letters and digits with '-', for instance gairbench-fields",
        )
    if len(name.distribution) > LONGEST:
        raise UsageError(f"{name.distribution} has {len(name.distribution)} characters", f"{LONGEST} are the most")
    if keyword.iskeyword(name.package) or name.package in sys.stdlib_module_names:
        raise UsageError(
            f"{name.package} is a name of Python's own", f"call the package gairbench-{name.distribution}, for instance"
        )
    return name


def check_free(name: PluginName, kind: str, registry: Registry) -> None:
    """Refuse names that something installed has: a plugin with such a name would be left out, or hide another package.

    Args:
        name: The names of the plugin.
        kind: One of :data:`KINDS`.
        registry: What is installed.

    Raises:
        UsageError: A package, plugin, model, task, dataset or evaluator is called so.
    """
    hint = "choose another name, or uninstall it"
    found = importlib.util.find_spec(name.package)
    # A mere folder of that name, as the plugin's own may be, is not a package that is installed.
    if found is not None and found.origin is not None:
        raise UsageError(f"a package {name.package} is installed, in {found.origin}", hint)
    for origin in (*registry.loaded, *registry.failed):
        if origin.plugin == name.distribution:
            raise UsageError(f"a plugin {origin.plugin} is installed, in {origin.distribution}", hint)
    taken: Mapping[str, Mapping[str, object]] = {
        "model": {"model": registry.model_origins},
        "task": {"dataset": registry.dataset_origins, "task": registry.task_origins},
        "evaluator": {"evaluator": registry.evaluator_origins},
    }[kind]
    for noun, origins in taken.items():
        called = f"{name.slug}-cover" if noun == "task" else name.slug
        if called in origins:
            raise UsageError(f"{noun} {called!r} is already provided by {origins[called]}", hint)
