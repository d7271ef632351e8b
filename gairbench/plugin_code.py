"""Which code a factory runs, as a digest: what a plugin's changed code computes is never taken for what it was.

Code of gairbench itself counts by the versions that its specs declare, and by the configuration that its models state:
its own tests hold its numbers against them, and an edit of one module does not make all others compute again.
Third-party code is read whole, without importing it.
"""

from __future__ import annotations

import importlib.metadata as md
import importlib.util
import inspect
import os
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gairbench.digests import digest
from gairbench.factories import code_module, definition
from gairbench.memo import content_sha256
from gairbench.spec import Factory

OURS = frozenset({"gairbench", "gairbench_models", "gairbench_tasks", "gairbench_leaderboard"})
"""Packages whose code counts by declared versions."""

_BEGAN = time.time()
_PROCESS = uuid.uuid4().hex
"""Stands for code that cannot be known: results of it serve the process that made them, and no other."""


def code_digest(factory: Factory, distribution: str, cache: Path) -> str:
    """Return a digest of the code that a factory stands for; empty for gairbench's own, and for a class in a file.

    It covers the name and version of the distribution and the content of the factory's top-level package or module,
    with the other top-level packages that the distribution says it holds: they may make the factory of a part of
    gairbench and arguments of their own. Code that lies in no file, and code that was edited after this process may
    have loaded it, gets a digest that no other process has. A class in a file has that of its file as its version.

    Args:
        factory: A callable or its address.
        distribution: Name of the distribution that the plugin came from, if it came from one.
        cache: The cache folder, for hashes of large files.

    Raises:
        OSError: A file of the package cannot be read.
    """
    module = code_module(factory)
    names = {*filter(None, [module]), *_top_levels(distribution)}
    third_party = sorted(name for name in names if name.partition(".")[0] not in OURS)
    if not third_party:
        return ""
    roots = {root for name in third_party for root in _roots(name, factory if name == module else None)}
    files = [(root, path) for root in sorted(roots) for path in _files(root)]
    loaded = any(name.partition(".")[0] in sys.modules for name in third_party)
    edited = loaded and any(path.stat().st_mtime >= _BEGAN for _, path in files)
    return digest(
        distribution=[distribution, _version(distribution)],
        content=[(path.relative_to(root.parent).as_posix(), content_sha256(path, cache)) for root, path in files],
        process=_PROCESS if edited or not files else "",
    )


def is_third_party(factory: Factory) -> bool:
    """Whether a factory's code is not gairbench's own."""
    return code_module(factory).partition(".")[0] not in OURS


def _roots(module: str, factory: Factory | None) -> Iterator[Path]:
    """Yield the files of top-level modules, and the folders of top-level packages, that a module lies in."""
    if factory is not None and not isinstance(factory, str):
        file = getattr(sys.modules.get(module), "__file__", None) or _source(factory)
        if file is not None:
            yield _top(Path(file).resolve())
        return
    # A namespace package holds no code of its own: what lies in it does.
    names = module.split(".")
    for depth in range(1, len(names) + 1):
        try:
            spec = importlib.util.find_spec(".".join(names[:depth]))
        except (ImportError, ValueError, AttributeError):
            spec = None
        if spec is None:
            return
        if spec.origin is not None and spec.has_location:
            yield _top(Path(spec.origin).resolve())
            return


def _source(factory: Any) -> str | None:
    try:
        return inspect.getsourcefile(definition(factory))
    except (TypeError, OSError):
        return None


def _top(file: Path) -> Path:
    """Return the topmost folder of packages around a module, or the module's file if it is in none."""
    root = file
    while (root.parent / "__init__.py").is_file():
        root = root.parent
    return root


def _files(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "__pycache__" and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if not name.startswith(".") and not _compiled(name))


def _compiled(name: str) -> bool:
    return name.endswith((".pyc", ".pyo"))


def _top_levels(distribution: str) -> Iterable[str]:
    try:
        return (md.distribution(distribution).read_text("top_level.txt") or "").split()
    except (md.PackageNotFoundError, ValueError):
        return ()


def _version(distribution: str) -> str:
    try:
        return md.version(distribution)
    except (md.PackageNotFoundError, ValueError):
        return ""  # a caller's own class, or a checkout that was never installed
