"""What a recipe minimizes, as Lightning runs it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer

from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Batch
from gairbench.pretraining.distributed import gather, rank
from gairbench.pretraining.optimizer import make_optimizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What one batch gives.

    Args:
        total: Scalar to minimize.
        parts: Scalars to report, by name.
        embeddings: ``(batch, dim)`` embeddings to watch for collapse, by name.
    """

    total: Tensor
    parts: Mapping[str, Tensor] = field(default_factory=dict)
    embeddings: Mapping[str, Tensor] = field(default_factory=dict)


class Objective(lightning.LightningModule, ABC):
    """An objective over a network; a subclass says what a batch costs.

    Every random number of a batch comes from seed, batch number and process number, so that a resumed run draws what an
    uninterrupted one would. The network, with everything that training must remember, is saved in every checkpoint.

    Args:
        network: What is optimized.
        budget: Optimizer and schedule.
        steps: Optimizer steps in all.
        seed: Of everything random in a step.
    """

    pairs: Sequence[tuple[str, str]] = ()
    """Names of embeddings that belong together row by row: alignment and retrieval are measured on them."""

    def __init__(self, network: nn.Module, budget: Budget, *, steps: int, seed: int) -> None:
        super().__init__()
        self.network = network
        self.budget = budget
        self.steps = steps
        self.seed = seed
        self.batches = 0
        self._held_out: list[Mapping[str, Tensor]] = []

    @abstractmethod
    def losses(self, batch: Batch, generator: torch.Generator) -> Losses:
        """Return what a training batch costs; ``generator``, on the CPU, is the source of all augmentation."""

    def embed_pairs(self, batch: Batch) -> Mapping[str, Tensor]:
        """Return the embeddings of :attr:`pairs` for a held-out batch, without augmentation."""
        del batch
        return {}

    def after_step(self, progress: float) -> None:
        """Update what is not optimized (a momentum encoder); ``progress`` is the share of the run that is done."""

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """Return the batch's ``loss``, the same as ``total``, its parts and embeddings."""
        seed = ((self.seed << 48) + (rank() << 32) + batch_idx) % 2**63
        # Layers with randomness of their own (patch dropout) draw from the global generators.
        torch.manual_seed(seed)
        losses = self.losses(batch, torch.Generator().manual_seed(seed))
        self.batches = batch_idx + 1
        return {
            "loss": losses.total,
            # Lightning divides what it is given as the loss by the number of accumulated batches.
            "total": losses.total.detach(),
            "parts": {name: value.detach() for name, value in losses.parts.items()},
            "embeddings": {name: value.detach() for name, value in losses.embeddings.items()},
        }

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then update what follows the network."""
        super().optimizer_step(*args, **kwargs)
        self.after_step((self.global_step) / max(self.steps, 1))

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip to the budget's norm."""
        del gradient_clip_val
        self.clip_gradients(
            optimizer, gradient_clip_val=self.budget.clip, gradient_clip_algorithm=gradient_clip_algorithm or "norm"
        )

    def validation_step(self, batch: Batch, batch_idx: int) -> None:  # noqa: ARG002 - Lightning names it
        """Keep the batch's embeddings."""
        self._held_out.append({name: value.detach().float() for name, value in self.embed_pairs(batch).items()})

    def on_validation_epoch_end(self) -> None:
        """Log recall and mean reciprocal rank of every pair over the held-out samples."""
        found, self._held_out = self._held_out, []
        if not found or not self.pairs:
            return
        values = {name: torch.cat([part[name] for part in found]) for name in found[0]}
        for left, right in self.pairs:
            ranks = retrieval_ranks(values[left], values[right])
            recall = {k: (ranks <= k).float().mean() for k in (1, 10)}
            self.log_dict(
                {
                    f"val/{left}-{right}/recall@1": recall[1],
                    f"val/{left}-{right}/recall@10": recall[10],
                    f"val/{left}-{right}/mrr": (1 / ranks.float()).mean(),
                },
                # Every process has embedded all held-out samples: the mean over processes is each one's own value.
                sync_dist=True,
            )

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return AdamW and its schedule."""
        return make_optimizer(self, self.budget, self.steps)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember how many batches are done; everything else is in the state dict."""
        checkpoint["batches"] = self.batches


def retrieval_ranks(queries: Tensor, gallery: Tensor) -> Tensor:
    """Return at which place, from 1, each query's own partner comes.

    Args:
        queries: ``(n, dim)``.
        gallery: ``(n, dim)``; row i belongs to query i. Ties count against the query.
    """
    similarity = nn.functional.normalize(queries, dim=-1) @ nn.functional.normalize(gallery, dim=-1).T
    return (similarity >= similarity.diagonal()[:, None]).sum(1)


def info_nce(
    left: Tensor,
    right: Tensor,
    temperature: Tensor | float,
    right_negatives: Tensor | None = None,
    alike: Tensor | None = None,
) -> Tensor:
    """Return the symmetric InfoNCE loss (van den Oord et al., arXiv 1807.03748).

    In distributed training each process takes its own rows against the rows of all, so that the mean over processes is
    the loss of the joint batch.

    Args:
        left: ``(batch, dim)``; row i belongs to row i of ``right``, all other rows are negatives.
        right: ``(batch, dim)``.
        temperature: Divides the cosine similarities.
        right_negatives: ``(n, dim)`` further negatives for ``left``, of ``right``'s modality, alike in all processes.
        alike: ``(batch, all processes' batches + n)`` bool: what is the same as the row's own sample, itself included,
            and so not a negative of it; ``None``: nothing else is.

    Returns:
        Scalar: the mean of left to right and right to left.
    """
    # In single precision under autocast too: a temperature of 0.07 multiplies rounding errors by fourteen.
    left, right = (nn.functional.normalize(side.float(), dim=-1) for side in (left, right))
    target = torch.arange(len(left), device=left.device) + rank() * len(left)
    with torch.autocast(left.device.type, enabled=False):
        forward = left @ gather(right).T / temperature
        backward = right @ gather(left).T / temperature
        if right_negatives is not None and len(right_negatives):
            extra = left @ nn.functional.normalize(right_negatives.float(), dim=-1).T / temperature
            forward = torch.cat([forward, extra], dim=1)
        if alike is not None:
            others = alike.scatter(1, target[:, None], False)
            forward = forward.masked_fill(others, -torch.inf)
            backward = backward.masked_fill(others[:, : backward.shape[1]], -torch.inf)
        return (nn.functional.cross_entropy(forward, target) + nn.functional.cross_entropy(backward, target)) / 2
