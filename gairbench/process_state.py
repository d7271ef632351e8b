"""What of the process a plugin can change, and how it is read and set back: :mod:`gairbench.isolation` does so."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any


def _plain(before: Any, after: Any) -> str:
    return "" if before == after else f"from {before} to {after}"


def _unsaid(before: Any, after: Any) -> str:
    return "" if before == after else "."


@dataclass(frozen=True, slots=True)
class Undoable:
    """Something of the process that a plugin can change.

    Args:
        what: Names it, with ``{}`` for the difference where it says something.
        read: Returns its value.
        write: Sets it.
        difference: Says how two values differ; empty if they do not.
        reported: A change is compared and reported, rather than undone in any case.
        begin: Sets what every call of a plugin begins with, whatever it is in the process; ``None``: it stays.
    """

    what: str
    read: Callable[[], Any]
    write: Callable[[Any], object]
    difference: Callable[[Any, Any], str] = _plain
    reported: bool = True
    begin: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class WatchedLibrary:
    """A package with state of its own, of which nothing is asked before it is imported.

    Args:
        settings: Returns what of it can be set back.
        seed: Seeds its global generators.
    """

    settings: Callable[[], Sequence[Undoable]]
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
def process_settings() -> tuple[Undoable, ...]:
    """Return what of the process itself, libraries apart, can be set back."""
    return (
        Undoable("Python's random numbers", random.getstate, random.setstate, reported=False),
        Undoable("the working folder {}", _folder, _back_to_folder),
        Undoable("environment variables ({})", lambda: dict(os.environ), _set_variables, _variables),
        Undoable("warnings into errors", _warning_errors, _drop_warning_errors, _unsaid),
        Undoable("the handling of signals", lambda: [signal.getsignal(n) for n in _SIGNALS], _handle_signals, _unsaid),
    )


@lru_cache(maxsize=1)
def _numpy() -> tuple[Undoable, ...]:
    import numpy as np

    return (
        Undoable("numpy's random numbers", np.random.get_state, np.random.set_state, reported=False),
        Undoable("numpy's handling of floating-point errors", np.geterr, lambda before: np.seterr(**before), _unsaid),
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


def _blas() -> tuple[Undoable, ...]:
    controller = _blas_of(len(sys.modules))

    def write(before: list[int]) -> None:
        for library, threads in zip(controller.lib_controllers, before, strict=True):
            library.set_num_threads(threads)

    def read() -> list[int]:
        return [library.num_threads for library in controller.lib_controllers]

    return (Undoable("BLAS's number of threads {}", read, write),)


def blas_libraries() -> str:
    """Return the BLAS libraries that this process has loaded: version, kernels and threads, which decide last digits.

    Example:
        >>> import numpy
        >>> blas_libraries()  # doctest: +SKIP
        'openblas 0.3.30 SkylakeX, 2 threads'
    """
    found = {
        f"{library.internal_api} {library.version} {getattr(library, 'architecture', '')}".strip()
        + f", {library.num_threads} thread{'s' * (library.num_threads != 1)}"
        for library in _blas_of(len(sys.modules)).lib_controllers
    }
    return "; ".join(sorted(found))


@lru_cache(maxsize=1)
def _torch() -> tuple[Undoable, ...]:
    import torch

    return (
        Undoable("torch's random numbers", _torch_random, _set_torch_random, reported=False),
        Undoable("torch's default dtype {}", torch.get_default_dtype, torch.set_default_dtype),
        Undoable("torch's default device {}", torch.get_default_device, _set_default_device),
        Undoable("torch's number of threads {}", torch.get_num_threads, torch.set_num_threads),
        # Leaving inference mode turns gradients on.
        Undoable("torch's inference mode {}", torch.is_inference_mode_enabled, _set_inference_mode),
        Undoable("torch's grad mode {}", torch.is_grad_enabled, torch.set_grad_enabled),
        Undoable("torch's autocast", _autocast, _set_autocast, _unsaid),
        Undoable("torch's deterministic algorithms", _determinism, _set_determinism, _unsaid),
        Undoable(
            "torch's precision of float32 products", _precisions, _set_precisions, _unsaid, begin=_use_full_precision
        ),
        Undoable("torch's switches of backends", _switches, _set_switches, _unsaid),
        Undoable("how subnormal numbers are computed", _flushes_subnormal, torch.set_flush_denormal, _unsaid),
    )


@lru_cache(maxsize=1)
def _has_accelerator() -> bool:
    import torch

    # torch 2.6 knows of all kinds, also of those that a package adds.
    if (accelerator := getattr(torch, "accelerator", None)) is not None:
        return bool(accelerator.is_available())
    return any(one.is_available() for one in (torch.cuda, torch.backends.mps, torch.xpu))


def _seed_torch(seed: int) -> None:
    import torch

    if _has_accelerator():
        torch.manual_seed(seed)
    else:
        # It would remember the seed for each kind of device that may yet begin, and from where it was called: 2 ms for
        # each call of a plugin, for memory that is never given back, and two seconds for the compiler it imports.
        torch.default_generator.manual_seed(seed)


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


def _use_full_precision() -> None:
    """Compute float32 products in float32: TF32, with 10 bits, is cuDNN's default for convolutions."""
    import torch

    # The older names first: they set some of the newer ones, and cannot be read where those differ from them.
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    for holder in _precision_holders():
        holder.fp32_precision = "ieee"


@contextlib.contextmanager
def full_precision() -> Iterator[None]:
    """Compute float32 products as calls of plugins begin to, without TF32, and set the process's precision back.

    Example:
        >>> import torch
        >>> with full_precision():
        ...     torch.backends.cudnn.allow_tf32
        False
    """
    before = _precisions()
    _use_full_precision()
    try:
        yield
    finally:
        _set_precisions(before)


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


LIBRARIES: Mapping[str, WatchedLibrary] = {
    "numpy": WatchedLibrary(_numpy, _seed_numpy),
    "torch": WatchedLibrary(_torch, _seed_torch),
    "threadpoolctl": WatchedLibrary(_blas),
}
