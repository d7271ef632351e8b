"""What a result depends on outside its configuration: package versions, device."""

from __future__ import annotations

import importlib.metadata as md
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gairbench.errors import UsageError
from gairbench.process_state import blas_libraries, full_precision

if TYPE_CHECKING:
    import torch

PACKAGES = ("gairbench", "lightning", "numpy", "pandas", "pillow", "rasterio", "scikit-learn", "scipy", "timm", "torch")
"""Packages whose version can move a number."""


def versions(*distributions: str) -> dict[str, str]:
    """Return the versions of Python, of the packages that can move a number, and of further distributions."""
    found = {"python": platform.python_version()}
    for name in [*PACKAGES, *distributions]:
        try:
            found[name] = md.version(name)
        except md.PackageNotFoundError:
            found[name] = "not installed"
    return found


def computing(device: torch.device) -> dict[str, str]:
    """Return what can move the last digits of a number that is computed here.

    Args:
        device: Where it is computed.

    Returns:
        Device, instructions of the CPU, threads, version of torch, and the precision that every call of a plugin begins
        with: products of float32 are rounded to nothing shorter, as TF32 would, unless the plugin wants it so.
    """
    import torch

    with full_precision():
        precision = (
            f"{str(torch.get_default_dtype()).removeprefix('torch.')}, matmul {torch.get_float32_matmul_precision()}"
        )
        if device.type == "cuda" and torch.backends.cudnn.allow_tf32:
            precision += ", convolution tf32"
    return {
        "device": device_name(device),
        "cpu": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "threads": str(torch.get_num_threads()),
        "precision": precision,
        "torch": md.version("torch"),
    }


def evaluating(device: torch.device) -> dict[str, str]:
    """Return what can move the last digits of what an evaluator computes here: device, threads and BLAS.

    Args:
        device: Where an evaluator computes that uses torch; the others compute on the CPU.
    """
    import torch

    return {"device": device_name(device), "threads": str(torch.get_num_threads()), "blas": blas_libraries()}


def use_threads(threads: int) -> None:
    """Compute with so many threads in torch and in the BLAS libraries that are loaded: last digits depend on it."""
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(threads)
    threadpool_limits(threads)


@contextmanager
def threads_for(threads: int) -> Iterator[None]:
    """Compute with so many threads while a block runs.

    Args:
        threads: How many.
    """
    import sklearn.utils  # noqa: F401  (brings the BLAS that evaluators compute with)
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    with threadpool_limits(threads):
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def device_name(device: torch.device) -> str:
    """Return a device as records name it."""
    import torch

    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    # On a CPU the order of floating-point sums, and so the last digits of weights, depends on the number of threads.
    return f"cpu ({threads} thread{'s' * (threads > 1)})" if device.type == "cpu" else device.type


def choose_device(name: str) -> torch.device:
    """Return the device to compute on.

    Args:
        name: As torch names it, or ``"auto"``: CUDA, else Apple's MPS, else the CPU.

    Raises:
        UsageError: There is no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"no device {name!r}: {reason}", "use --device auto, cpu, cuda, cuda:1 or mps") from error
    return device
