"""One's own encoder in a Python file, without a package: ``--model path/to/file.py:Class``.

Its code is known by the content of the file: that is its version, so that a changed file is computed again, and another
process that finds another content refuses to go on.
"""

from __future__ import annotations

import hashlib
import importlib.abc
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gairbench.errors import PluginError, UsageError
from gairbench.inputs import ImageInput, LocationInput, SampleInput
from gairbench.representation import Representation
from gairbench.spec import ModelContext, ModelSpec, Preset

_REFERENCE = re.compile(r"(.+\.py):(\w*)")
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(:[\w.-]+)?")

LINE = "inputs = (ImageInput(modality=Modality.RS, size=224),)"
"""The line that a class cannot do without, for messages."""

OF_PRESET = ("accepts", "offers", "needs", "wants", "static")
"""Attributes of a class that become its only preset's, beside ``inputs``."""

OF_MODEL = ("aligned", "seeded", "description", "licence", "citation", "trained_on")
"""Attributes of a class that become its spec's."""

_SETS = {"needs", "wants", "static", "aligned", "trained_on"}


def as_reference(name: str) -> tuple[Path, str] | None:
    """Return the file and the class that a name means; ``None`` where it is the name of something else.

    Example:
        >>> as_reference("models/mine.py:Encoder")[1]
        'Encoder'
    """
    found = _REFERENCE.fullmatch(name)
    return None if found is None else (Path(found[1]), found[2])


@dataclass(frozen=True, slots=True)
class FileFactory:
    """Makes the model of a class in a file; it can be pickled, and reads the file where it is called.

    Args:
        path: The file, absolute.
        attribute: The class.
        sha256: Of the file's content.
    """

    path: str
    attribute: str
    sha256: str

    def __call__(self, context: ModelContext) -> object:
        """Load the file unless this process has, and call the class.

        Raises:
            PluginError: The file is gone, was changed, or cannot be loaded.
        """
        return _attribute(Path(self.path), self.attribute, self.sha256)(context)


def model_in_file(path: Path, attribute: str) -> ModelSpec:
    """Load a file and return the spec of a class in it, which declares itself by its attributes.

    Args:
        path: The Python file. It runs as a module of its own; ``sys.path`` is left as it is.
        attribute: Name of a class whose objects are made as ``Class(context)``, with ``inputs``, and optionally
            ``accepts``, ``offers``, ``needs``, ``wants``, ``static``; or with ``preset``, a whole
            :class:`gairbench.Preset`. Its ``name``, ``aligned``, ``seeded``, ``description``, ``licence``, ``citation``
            and ``trained_on`` are the spec's.

    Returns:
        A spec called ``"<file>:<Class>"`` unless the class has a ``name``; its version is the digest of the file.

    Raises:
        UsageError: There is no such file.
        PluginError: The file cannot be loaded, or the class is missing or declares nothing.
    """
    sha256 = hashlib.sha256(_read(path)).hexdigest()
    made = _attribute(path.absolute(), attribute, sha256)
    where = f"{path}:{attribute}"
    stem = re.sub(r"[^\w.-]+", "-", path.stem)
    name = getattr(made, "name", None) or f"{stem}:{attribute}"
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PluginError(f"{where} is called {name!r}", "letters, digits, '-', '_' and '.' make a name")
    declared: dict[str, Any] = {key: _value(made, key) for key in OF_MODEL if hasattr(made, key)}
    declared.setdefault("description", (getattr(made, "__doc__", None) or "").strip().partition("\n")[0])
    return ModelSpec(
        name=name,
        version=sha256[:12],
        factory=FileFactory(str(path.absolute()), attribute, sha256),
        presets=(_preset(made, where),),
        **declared,
    )


def _preset(made: object, where: str) -> Preset:
    preset = getattr(made, "preset", None)
    if isinstance(preset, Preset):
        return preset
    inputs = getattr(made, "inputs", None)
    if isinstance(inputs, ImageInput | LocationInput | SampleInput):
        inputs = (inputs,)
    if not isinstance(inputs, tuple | list) or not inputs:
        raise PluginError(f"{where} does not say what it takes", f"add to the class, for instance: {LINE}")
    if wrong := [one for one in inputs if not isinstance(one, ImageInput | LocationInput | SampleInput)]:
        raise PluginError(f"{where} takes {wrong[0]!r}", f"write for instance {LINE}")
    more: Mapping[str, Any] = {key: _value(made, key) for key in OF_PRESET if hasattr(made, key)}
    return Preset(name="default", inputs=tuple(inputs), **more)


def _value(made: object, key: str) -> Any:
    value = getattr(made, key)
    if isinstance(value, str | Representation) and key in {*OF_PRESET, *_SETS}:
        value = (value,)
    try:
        if key in _SETS:
            return frozenset(value)
        if key == "accepts":
            return tuple((one,) if isinstance(one, str) else tuple(one) for one in value)
    except TypeError:
        # What is not several values is refused by its field's type, as it is written.
        return value
    return tuple(value) if isinstance(value, list) else value


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise UsageError(f"no file {path}", "correct --model, which is path/to/file.py:Class") from None
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "fix its permissions") from error


def _attribute(path: Path, attribute: str, sha256: str) -> Any:
    module = _module(path, sha256)
    found = getattr(module, attribute, None)
    if not callable(found):
        own = [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        there = f"its classes are {', '.join(own)}" if own else "it has no class"
        raise PluginError(f"{path} has no class {attribute!r}", f"{there}; write {path.name}:Class")
    return found


_ALONE = "a file stands alone: it imports installed packages only, and runs nothing when it is imported"


class _Content(importlib.abc.SourceLoader):
    """Loads a module from content that was read already: what runs is what the digest is of, and is not kept."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path, self._content = path, content

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:  # noqa: ARG002  (importlib's name for it)
        return self._content


def _module(path: Path, sha256: str) -> Any:
    """Return the module of a file's content, run once a process.

    Raises:
        PluginError: The content is not the one that was planned with, or it raises.
    """
    place = hashlib.sha256(str(path).encode(errors="surrogateescape")).hexdigest()
    name = f"_gairbench_file_{place[:16]}_{sha256[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    content = _read(path)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise PluginError(f"{path} was changed while it was in use", "run the same command again")
    # With a location: a class may look for its weights beside __file__.
    spec = importlib.util.spec_from_file_location(name, path, loader=_Content(path, content))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  (of a loader of ours)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    # A user's script: whatever it raises, and if it leaves the process, is its own.
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        # A declaration says itself what is wrong with it.
        hint = "" if isinstance(error, ValueError) else _ALONE
        raise PluginError(f"{path} cannot be loaded: {type(error).__name__}: {error}", hint) from error
    return module
