"""Where a factory's code is: behind a lazy address, in the callable itself, or in a file that holds its class."""

from __future__ import annotations

import inspect
from functools import partial
from typing import Any

from gairbench.file_models import FileFactory
from gairbench.spec import Factory


def code_address(factory: Factory) -> str:
    """Return how messages name a factory's code: ``"their_package:X"``, or ``"/path/to/mine.py:X"`` of a file.

    Example:
        >>> code_address("their_package.models:load")
        'their_package.models:load'
    """
    if isinstance(factory, str):
        return factory
    code = definition(factory)
    if isinstance(code, FileFactory):
        return f"{code.path}:{code.attribute}"
    return f"{code.__module__}:{code.__qualname__}"


def code_module(factory: Factory) -> str:
    """Return the name of the module that defines a factory; empty for a class in a file, which has no name of its own.

    Example:
        >>> code_module("their_package.models:load")
        'their_package.models'
    """
    code = definition(factory)
    if isinstance(code, FileFactory):
        return ""
    return code.partition(":")[0] if isinstance(code, str) else str(code.__module__)


def definition(factory: Any) -> Any:
    """Return what says what a factory does: its class or function, its lazy address, or the class's place in a file."""
    while isinstance(factory, partial):
        factory = factory.func
    if isinstance(factory, str | FileFactory) or inspect.isclass(factory) or hasattr(factory, "__qualname__"):
        return factory
    return type(factory)
