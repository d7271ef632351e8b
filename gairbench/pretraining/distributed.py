"""Embeddings of all processes, so that negatives come from the whole batch and not from one device's part."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn import functional as distributed_functional


def rank() -> int:
    """Return this process's number, 0 where training is not distributed."""
    return distributed.get_rank() if distributed.is_available() and distributed.is_initialized() else 0


def gather(tensor: Tensor) -> Tensor:
    """Concatenate a tensor of equal shape over all processes, in the order of their ranks.

    Gradients flow back to the process that a row came from. With a loss that each process takes over its own rows, the
    mean over processes, which distributed training takes, is the loss of the joint batch, and so is its gradient.

    Args:
        tensor: ``(batch, ...)``, of the same shape in every process.

    Returns:
        ``(processes * batch, ...)``; the tensor itself where training is not distributed.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return tensor
    if not tensor.requires_grad:
        parts = [torch.empty_like(tensor) for _ in range(distributed.get_world_size())]
        distributed.all_gather(parts, tensor.contiguous())
        return torch.cat(parts)
    linked: tuple[Tensor, ...] = distributed_functional.all_gather(tensor.contiguous())  # type: ignore[no-untyped-call]
    return torch.cat(linked)
