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
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType, TracebackType
from typing import Any

from gairbench.errors import PluginError, PluginWarning
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
        self._before: list[tuple[_Setting, Any]] = []
        self._streams = contextlib.ExitStack()
        self._watch = _Watch({})

    def __enter__(self) -> Isolated:
        _LOCK.acquire()
        try:
            self._note(_process())
            if self.seed is not None:
                random.seed(self.seed)
            for name in _LIBRARIES:
                if name in sys.modules:
                    self._begin(name)
            self._watch = _Watch({name: self._begin for name in _LIBRARIES if name not in sys.modules})
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

    def _note(self, settings: Sequence[_Setting]) -> None:
        self._before += [(setting, setting.read()) for setting in settings]

    def _begin(self, name: str) -> None:
        """Note the state of a library, now or just after a plugin has imported it."""
        library = _LIBRARIES[name]
        self._note(library.settings())
        if self.seed is not None:
            library.seed(self.seed)

    def _undo(self) -> list[str]:
        """Set everything back; return what had been changed."""
        self._streams.close()
        with contextlib.suppress(ValueError):
            sys.meta_path.remove(self._watch)
        changed = []
        for setting, before in self._before:
            if not setting.reported:
                setting.write(before)
                continue
            after = setting.read()
            if difference := setting.difference(before, after):
                setting.write(before)
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
    if isinstance(factory, str):
        return f"{kind} {name!r} ({factory})"
    code = factory if hasattr(factory, "__qualname__") else type(factory)
    return f"{kind} {name!r} ({code.__module__}:{code.__qualname__})"


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


# What can be set back.


def _plain(before: Any, after: Any) -> str:
    return "" if before == after else f"from {before} to {after}"


def _unsaid(before: Any, after: Any) -> str:
    return "" if before == after else "."


@dataclass(frozen=True, slots=True)
class _Setting:
    """Something of the process that a plugin can change.

    Args:
        what: Names it, with ``{}`` for the difference where it says something.
        read: Returns its value.
        write: Sets it.
        difference: Says how two values differ; empty if they do not.
        reported: A change is compared and reported, rather than undone in any case.
    """

    what: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    difference: Callable[[Any, Any], str] = _plain
    reported: bool = True


@dataclass(frozen=True, slots=True)
class _Library:
    """A package with state of its own, of which nothing is asked before it is imported.

    Args:
        settings: Returns what of it can be set back.
        seed: Seeds its global generators.
    """

    settings: Callable[[], Sequence[_Setting]]
    seed: Callable[[int], object] = field(default=lambda _: None)


def _folder() -> str:
    try:
        return os.getcwd()  # noqa: PTH109 (it is compared and set back as it is)
    except OSError:
        return ""  # somebody has removed it


def _back_to_folder(before: str) -> None:
    # Whoever has removed it has removed more than can be set back.
    with contextlib.suppress(OSError):
        os.chdir(before)


_DECISIVE = ("CUDA_VISIBLE_DEVICES",)
"""Environment variables that no library sets for itself and that decide where later cells compute."""


_LAUNCHED = frozenset({"WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT"})
"""Environment variables by which Lightning starts the processes of one training, and which it removes at its end."""


def _variables(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    names = [name for name in before if after.get(name) != before[name] and name not in _LAUNCHED]
    names += [name for name in _DECISIVE if name in after and name not in before]
    return ", ".join(names)


def _set_variables(before: Mapping[str, str]) -> None:
    for name, value in before.items():
        if os.environ.get(name) != value and name not in _LAUNCHED:
            os.environ[name] = value
    for name in _DECISIVE:
        if name not in before:
            os.environ.pop(name, None)


def _warning_errors() -> list[Any]:
    return [entry for entry in warnings.filters if entry[0] == "error"]


def _drop_warning_errors(before: list[Any]) -> None:
    kept = [entry for entry in warnings.filters if entry[0] != "error" or entry in before]
    warnings.filters[:] = kept  # type: ignore[index]


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def _handle_signals(before: Sequence[Any]) -> None:
    # Only the main thread may set them, and only there can a plugin have done so.
    if threading.current_thread() is threading.main_thread():
        for number, handler in zip(_SIGNALS, before, strict=True):
            if handler is not None:
                signal.signal(number, handler)


@lru_cache(maxsize=1)
def _process() -> tuple[_Setting, ...]:
    return (
        _Setting("Python's random numbers", random.getstate, random.setstate, reported=False),
        _Setting("the working folder {}", _folder, _back_to_folder),
        _Setting("environment variables ({})", lambda: dict(os.environ), _set_variables, _variables),
        _Setting("warnings into errors", _warning_errors, _drop_warning_errors, _unsaid),
        _Setting("the handling of signals", lambda: [signal.getsignal(n) for n in _SIGNALS], _handle_signals, _unsaid),
    )


@lru_cache(maxsize=1)
def _numpy() -> tuple[_Setting, ...]:
    import numpy as np

    return (
        _Setting("numpy's random numbers", np.random.get_state, np.random.set_state, reported=False),
        _Setting("numpy's handling of floating-point errors", np.geterr, lambda before: np.seterr(**before), _unsaid),
    )


def _seed_numpy(seed: int) -> None:
    import numpy as np

    np.random.seed(seed % 2**32)  # noqa: NPY002


@lru_cache(maxsize=1)
def _blas_of(modules: int) -> Any:
    """Return what is known of the loaded BLAS libraries, which only an import can add to; looking takes 10 ms."""
    del modules
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


def _blas() -> tuple[_Setting, ...]:
    controller = _blas_of(len(sys.modules))

    def write(before: list[int]) -> None:
        for library, threads in zip(controller.lib_controllers, before, strict=True):
            library.set_num_threads(threads)

    def read() -> list[int]:
        return [library.num_threads for library in controller.lib_controllers]

    return (_Setting("BLAS's number of threads {}", read, write),)


@lru_cache(maxsize=1)
def _torch() -> tuple[_Setting, ...]:
    import torch

    return (
        _Setting("torch's random numbers", _torch_random, _set_torch_random, reported=False),
        _Setting("torch's default dtype {}", torch.get_default_dtype, torch.set_default_dtype),
        _Setting("torch's default device {}", torch.get_default_device, _set_default_device),
        _Setting("torch's number of threads {}", torch.get_num_threads, torch.set_num_threads),
        # Leaving inference mode turns gradients on.
        _Setting("torch's inference mode {}", torch.is_inference_mode_enabled, _set_inference_mode),
        _Setting("torch's grad mode {}", torch.is_grad_enabled, torch.set_grad_enabled),
        _Setting("torch's autocast", _autocast, _set_autocast, _unsaid),
        _Setting("torch's deterministic algorithms", _determinism, _set_determinism, _unsaid),
        _Setting("torch's precision of float32 products", _precisions, _set_precisions, _unsaid),
        _Setting("torch's switches of backends", _switches, _set_switches, _unsaid),
        _Setting("how subnormal numbers are computed", _flushes_subnormal, torch.set_flush_denormal, _unsaid),
    )


def _seed_torch(seed: int) -> None:
    import torch

    torch.manual_seed(seed)


def _torch_random() -> Any:
    import torch

    # Where CUDA has not begun, its generators have no state yet.
    begun = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if begun else None


def _set_torch_random(before: Any) -> None:
    import torch

    cpu, cuda = before
    torch.set_rng_state(cpu)
    if cuda is not None:
        torch.cuda.set_rng_state_all(cuda)


def _set_default_device(before: Any) -> None:
    import torch

    # To set the CPU, which is the default, would slow every later call of torch down.
    torch.set_default_device(None if before == torch.device("cpu") else before)


_modes: list[Any] = []
"""Inference modes that were left on by a plugin and are covered by these: a mode that is freed sets back its own."""


def _set_inference_mode(before: bool) -> None:
    import torch

    mode = torch.inference_mode(before)
    mode.__enter__()
    _modes.append(mode)


_DEVICES = ("cpu", "cuda")


def _autocast() -> list[Any]:
    import torch

    return [(torch.is_autocast_enabled(name), torch.get_autocast_dtype(name)) for name in _DEVICES]


def _set_autocast(before: list[Any]) -> None:
    import torch

    for name, (enabled, dtype) in zip(_DEVICES, before, strict=True):
        torch.set_autocast_enabled(name, enabled)
        torch.set_autocast_dtype(name, dtype)
    torch.clear_autocast_cache()


def _determinism() -> tuple[bool, bool]:
    import torch

    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_determinism(before: tuple[bool, bool]) -> None:
    import torch

    enabled, warn_only = before
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)


@lru_cache(maxsize=1)
def _precision_holders() -> tuple[Any, ...]:
    """Return the objects whose ``fp32_precision`` newer versions of torch compute by."""
    import torch

    backends = torch.backends
    holders = [backends, backends.cuda.matmul]
    for backend in (backends.cudnn, backends.mkldnn):
        holders += [getattr(backend, name) for name in ("conv", "rnn", "matmul") if hasattr(backend, name)]
    return tuple(holder for holder in holders if hasattr(holder, "fp32_precision"))


def _precisions() -> tuple[str, bool | None, list[str]]:
    import torch

    # A newer setting may have neither of the older names: torch raises.
    overall, convolutions = "", None
    with contextlib.suppress(RuntimeError):
        overall = torch.get_float32_matmul_precision()
    with contextlib.suppress(RuntimeError):
        convolutions = torch.backends.cudnn.allow_tf32
    return overall, convolutions, [holder.fp32_precision for holder in _precision_holders()]


def _set_precisions(before: tuple[str, bool | None, list[str]]) -> None:
    import torch

    overall, convolutions, each = before
    if overall:
        torch.set_float32_matmul_precision(overall)
    if convolutions is not None:
        torch.backends.cudnn.allow_tf32 = convolutions
    for holder, precision in zip(_precision_holders(), each, strict=True):
        holder.fp32_precision = precision


_SWITCHES = ("cudnn.enabled", "cudnn.deterministic", "cudnn.benchmark", "mkldnn.enabled")
_ATTENTION = ("flash", "mem_efficient", "math")


def _switches() -> list[bool]:
    import torch

    named = [name.split(".") for name in _SWITCHES]
    values = [getattr(getattr(torch.backends, backend), switch) for backend, switch in named]
    return values + [getattr(torch.backends.cuda, f"{name}_sdp_enabled")() for name in _ATTENTION]


def _set_switches(before: list[bool]) -> None:
    import torch

    for name, value in zip(_SWITCHES, before, strict=False):
        backend, switch = name.split(".")
        setattr(getattr(torch.backends, backend), switch, value)
    for name, value in zip(_ATTENTION, before[len(_SWITCHES) :], strict=True):
        getattr(torch.backends.cuda, f"enable_{name}_sdp")(value)


def _flushes_subnormal() -> bool:
    return sys.float_info.min / 2 == 0


_LIBRARIES: Mapping[str, _Library] = {
    "numpy": _Library(_numpy, _seed_numpy),
    "torch": _Library(_torch, _seed_torch),
    "threadpoolctl": _Library(_blas),
}
