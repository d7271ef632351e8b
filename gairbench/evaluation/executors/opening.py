"""From an executor's name and the keys of a run config to an executor."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gairbench.errors import PluginError, UsageError
from gairbench.isolation import Blamed, named
from gairbench.plugins import Registry
from gairbench.protocols import Executor
from gairbench.selection import unknown
from gairbench.spec import ExecutorContext, ExecutorOption, ExecutorSpec, resolve

_WORDS = {int: "a whole number", float: "a number", str: "a word", list: "a list of words", dict: "a mapping"}


def check_executor(registry: Registry, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return an executor's options as their declared types; nothing of the executor is imported.

    Raises:
        UsageError: There is no such executor or option, or a value has the wrong type.
    """
    if name not in registry.executors:
        raise unknown("executor", name, registry.executors)
    spec = registry.executors[name]
    declared = {option.name: option for option in spec.options}
    for key in options:
        if key not in declared:
            raise unknown("key", key, declared, of=f"of executor {name!r}")
    return {key: _value(spec, declared[key], value) for key, value in options.items() if value is not None}


def _value(spec: ExecutorSpec, option: ExecutorOption, value: Any) -> Any:
    fits = {
        int: isinstance(value, int) and not isinstance(value, bool),
        float: isinstance(value, int | float) and not isinstance(value, bool),
        str: isinstance(value, str),
        list: isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(v, str) for v in value)),
        dict: isinstance(value, Mapping),
    }
    where = f"key {option.name!r} of executor {spec.name!r}"
    if not fits[option.kind]:
        raise UsageError(f"{where}: {value!r} is not {_WORDS[option.kind]}", f"it is the {option.description}")
    if option.least is not None and value < option.least:
        raise UsageError(f"{where}: {value:g} is less than {option.least:g}", f"write {option.least:g} or more")
    if option.kind is list:
        return [value] if isinstance(value, str) else list(value)
    return dict(value) if option.kind is dict else value


def open_executor(registry: Registry, name: str, options: Mapping[str, Any], folder: Path) -> Executor:
    """Return an executor that is ready for calls.

    Args:
        registry: What is installed.
        name: Its name.
        options: Values of its options.
        folder: Where it may keep files; workers on other machines see it too.

    Raises:
        UsageError: There is no such executor or option, or it cannot run here.
        PluginError: A package that it needs is not installed.
    """
    context = ExecutorContext(options=check_executor(registry, name, options), folder=folder.absolute())
    spec = registry.executors[name]
    try:
        with Blamed(named("executor", name, spec.factory)):
            executor: Executor = resolve(spec.factory)(context)
    except ModuleNotFoundError as error:
        hint = f"pip install '{spec.extra}'" if spec.extra else f"pip install {error.name}"
        raise PluginError(f"executor {name!r} needs the package {error.name!r}", hint) from error
    return executor
