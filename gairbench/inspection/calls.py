"""Calls of the inspected model: isolated as in a run, counted, and a mistake of its code in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gairbench.batch import Batch
from gairbench.embedding import compute
from gairbench.errors import GairbenchError, PluginError
from gairbench.isolation import Isolated, culprit
from gairbench.representation import Representation

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@contextmanager
def in_one_line(what: str) -> Iterator[None]:
    """Make an error of a plugin's code in the block one line that names it.

    Args:
        what: What fails, where nobody who is to blame is known.

    Raises:
        PluginError: The block raised another error than gairbench's own.
    """
    try:
        yield
    except GairbenchError:
        raise
    # A model or a dataset may be a third party's code.
    except Exception as error:
        raise PluginError(f"{culprit(error) or what}: {type(error).__name__}: {error}", "") from error


def counted_call(
    model: object, representation: Representation, batch: Batch, device: torch.device, who: str
) -> tuple[Tensor, int]:
    """Compute a representation once, as the model returns it, and count the floating-point operations.

    Args:
        model: On the device and in evaluation mode.
        representation: What to compute.
        batch: What the model takes.
        device: Where to compute.
        who: Whom to name.

    Returns:
        The model's tensor, and the operations of products of matrices, convolutions and attention, in which a
        multiplication and an addition are two.

    Raises:
        Exception: Whatever the model raises.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    fast = torch.backends.mha.get_fastpath_enabled()
    with Isolated(who):
        # Fused kernels are one operation to the counter, which it does not know on every device.
        torch.backends.mha.set_fastpath_enabled(False)
        try:
            with sdpa_kernel(SDPBackend.MATH), torch.inference_mode(), FlopCounterMode(display=False) as counter:
                output = compute(model, representation, batch.to(device))
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
    if not isinstance(output, torch.Tensor):
        raise PluginError(f"{who} returned {type(output).__name__} as {representation}", "return a tensor")
    return output, counter.get_total_flops()
