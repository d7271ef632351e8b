"""Keep what a call of a plugin does to the process away from everything else.

A plugin shares the process with gairbench and with other plugins. What it raises is its caller's to handle; what it
*does* to the process is undone here when the call returns, so that a cell's numbers do not depend on which plugins ran
before, and ``sys.exit`` is an error of the plugin and not the end of a run. See :class:`Isolated`.

Undone and reported, because it would change later numbers:

- torch: default dtype and device, number of threads, inference and grad mode, autocast, deterministic algorithms,
  precision of float32 products, the switches of cuDNN, oneDNN and scaled dot-product attention, subnormal numbers;
- threads of numpy's and scipy's BLAS (where ``threadpoolctl`` is loaded, the usual way to set them).

Undone and reported, because it would break later cells or the command:

- the working folder (results have relative paths), numpy's treatment of floating-point errors, warnings that are turned
  into errors, handlers of SIGINT and SIGTERM (Ctrl-C would be lost), and environment variables that are changed or
  removed.

A call begins with float32 products in full precision, whatever the process has: TF32 rounds them to 10 bits, and is
cuDNN's default for convolutions.

Undone without a word, because every honest plugin does it: random numbers are drawn from the global generators of
Python, numpy and torch (a call begins with generators that its seed determines, and leaves them as they were), and text
is printed. Standard output is what commands are for (``--json``, leaderboards), so that inside a call it leads to
standard error, for subprocesses too.

Left alone: new environment variables (scikit-learn configures OpenMP by them while it is imported) but
``CUDA_VISIBLE_DEVICES``, those by which Lightning starts several processes, filters that hide warnings, ``sys.path``
(what is imported stays imported anyway), logging and the locale. Out of reach: ``os._exit``, a crash of native code,
functions that are replaced in other modules, and what threads do after the call. Worker processes (executors ``local``
with ``workers``, ``ray``, ``slurm``) confine those.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

from gairbench.errors import PluginError, PluginWarning
from gairbench.factories import code_address
from gairbench.process_state import LIBRARIES, Undoable, process_settings
from gairbench.spec import Factory, resolve


class Ended(SystemExit):
    """A signal asks this process to end, which is not a plugin's doing: no :class:`Isolated` call holds it up."""


class Blamed(AbstractContextManager[None]):
    """A block of a plugin's code that cannot end the process, and whose errors :func:`culprit` knows; in any thread.

    Args:
        who: Whom to name, as :func:`named` does.

    Raises:
        PluginError: The block called ``sys.exit``, or raised another ``BaseException`` that is not an ``Exception``.
            Interrupts and signals pass, and so does every ``Exception``.
    """

    def __init__(self, who: str) -> None:
        self.who = who

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is None:
            return
        _refuse_to_end(self.who, error)
        # The innermost block is the nearest to what is wrong.
        if not culprit(error):
            setattr(error, _CULPRIT, self.who)


class Isolated(AbstractContextManager["Isolated"]):
    """A block that calls a plugin: it cannot end the process, and what it changes in it is undone and reported.

    Blocks of several threads wait for each other, because what they protect is the process's.

    Args:
        who: Whom to name, as :func:`named` does.
        seed: Seed of the global random numbers of Python, numpy and torch at the start of the block; ``None``: as they
            are. They are as before after it.

    Attributes:
        changes: After the block, one sentence for what it changed, as ``"model 'x' (x:X) changed ..., which was
            undone"``; empty if nothing. The same sentence is a :class:`gairbench.errors.PluginWarning`, once in a
            process.

    Raises:
        PluginError: As for :class:`Blamed`.

    Example:
        >>> from gairbench.isolation import Isolated
        >>> with Isolated("model 'x'"):
        ...     raise SystemExit(3)
        Traceback (most recent call last):
        gairbench.errors.PluginError: model 'x' called sys.exit(3); raise an error that says what is wrong instead
    """

    def __init__(self, who: str, *, seed: int | None = 0) -> None:
        self.who = who
        self.seed = seed
        self._blamed = Blamed(who)
        self.changes = ""
        self._before: list[tuple[Undoable, Any, Any]] = []
        self._streams = contextlib.ExitStack()
        self._watch = _Watch({})

    def __enter__(self) -> Isolated:
        _LOCK.acquire()
        try:
            self._note(process_settings())
            if self.seed is not None:
                random.seed(self.seed)
            for name in LIBRARIES:
                if name in sys.modules:
                    self._begin(name)
            self._watch = _Watch({name: self._begin for name in LIBRARIES if name not in sys.modules})
            sys.meta_path.insert(0, self._watch)
            self._streams.enter_context(_output_to_stderr())
        except BaseException:
            self._undo()
            _LOCK.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            changed = self._undo()
        finally:
            _LOCK.release()
        if changed:
            self.changes = f"{self.who} changed {', '.join(changed)}, which was undone"
            if self.changes not in _reported:
                _reported.add(self.changes)
                warnings.warn(self.changes, PluginWarning, stacklevel=2)
        self._blamed.__exit__(kind, error, traceback)

    def _note(self, settings: Sequence[Undoable]) -> None:
        """Note what settings are in the process, and what the block begins with."""
        for setting in settings:
            before = begun = setting.read()
            if setting.begin is not None:
                setting.begin()
                begun = setting.read()
            self._before.append((setting, before, begun))

    def _begin(self, name: str) -> None:
        """Note the state of a library, now or just after a plugin has imported it."""
        library = LIBRARIES[name]
        self._note(library.settings())
        if self.seed is not None:
            library.seed(self.seed)

    def _undo(self) -> list[str]:
        """Set everything back; return what had been changed."""
        self._streams.close()
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self._watch)
        changed = []
        for setting, before, begun in self._before:
            if not setting.reported:
                setting.write(before)
                continue
            after = setting.read()
            if setting.difference(before, after):
                setting.write(before)
            if difference := setting.difference(begun, after):
                changed.append(setting.what.format(difference))
        return changed


def call_factory(who: str, factory: Factory, *arguments: Any, seed: int | None = 0) -> tuple[Any, str]:
    """Import a factory and call it, isolated.

    What its module does to the process while it is imported is undone before the call: otherwise only the first of a
    module's models would see it.

    Args:
        who: Whom to name.
        factory: What to call.
        arguments: What to call it with.
        seed: As for :class:`Isolated`.

    Returns:
        What it returns, and what it changed, one sentence each.

    Raises:
        PluginError: As for :class:`Isolated`.
        Exception: Whatever the factory raises, and what :func:`gairbench.spec.resolve` does.
    """
    with Isolated(who, seed=seed) as imported:
        function = resolve(factory)
    with Isolated(who, seed=seed) as called:
        made = function(*arguments)
    return made, "; ".join(dict.fromkeys(filter(None, [imported.changes, called.changes])))


def named(kind: str, name: str, factory: Factory) -> str:
    """Return how to name what a plugin provides, with the address of its code: ``"model 'x' (their_package:X)"``."""
    return f"{kind} {name!r} ({code_address(factory)})"


def culprit(error: BaseException) -> str:
    """Return who raised an error, as the block that it came through was named; empty if it came through none."""
    who: str = getattr(error, _CULPRIT, "")
    return who


_CULPRIT = "_gairbench_culprit"

# Calls within a call need not wait, those of other threads must: the settings are the process's.
_LOCK = threading.RLock()

_reported: set[str] = set()

_LIGHTNINGS = "SIGTERMException"
"""What Lightning raises on SIGTERM is a ``SystemExit``, too."""


def _refuse_to_end(who: str, error: BaseException) -> None:
    """Raise a plugin's error for what would end the process without being the user's or the system's wish."""
    if isinstance(error, Exception | KeyboardInterrupt | GeneratorExit | Ended):
        return
    if any(kind.__name__ == _LIGHTNINGS for kind in type(error).__mro__):
        return
    cause: BaseException | None = error
    while cause is not None:
        # Lightning makes a SystemExit of Ctrl-C, after which the user does not expect the next cell.
        if isinstance(cause, KeyboardInterrupt):
            return
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, SystemExit):
        code = "" if error.code is None else repr(error.code)
        what = f"called sys.exit({code})"
    else:
        what = f"raised {type(error).__name__}: {error}"
    raise PluginError(f"{who} {what}", "raise an error that says what is wrong instead") from error


@contextmanager
def _output_to_stderr() -> Iterator[None]:
    """Let what is printed go to standard error, by subprocesses and native code too; set both streams back."""
    streams = sys.stdout, sys.stderr
    saved: int | None = None
    # A process without one of the two, as a service may be, has nothing to protect.
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
        os.fstat(2)
        saved = os.dup(1)
        os.dup2(2, 1)
    sys.stdout = sys.stderr
    try:
        yield
    finally:
        sys.stdout, sys.stderr = streams
        if saved is not None:
            os.dup2(saved, 1)
            os.close(saved)


class _Watch(MetaPathFinder):
    """Calls a function just after a module is first imported, by whomever."""

    def __init__(self, waiting: Mapping[str, Callable[[str], None]]) -> None:
        self._waiting = dict(waiting)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the other finders' specification, whose loader calls the function when it is done."""
        del path, target
        then = self._waiting.pop(fullname, None)
        spec = importlib.util.find_spec(fullname) if then is not None else None
        if then is None or spec is None or spec.loader is None:
            return None
        loader, execute = spec.loader, spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            # Of nested calls, each has replaced it: the first that runs sets the loader back.
            vars(loader).pop("exec_module", None)
            execute(module)
            then(fullname)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
