"""The optimizer and schedule of every recipe."""

from __future__ import annotations

import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import nn

from gairbench.pretraining.budget import Budget


def make_optimizer(network: nn.Module, budget: Budget, steps: int) -> OptimizerLRSchedulerConfig:
    """Return AdamW, with decay of matrices only, and a cosine schedule with linear warm-up.

    Args:
        network: Its parameters that require a gradient are optimized.
        budget: Learning rate, decays and warm-up.
        steps: Optimizer steps in all.
    """
    decayed = _decayed(network)
    weights = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if id(p) in decayed], "weight_decay": budget.weight_decay},
        {"params": [p for p in weights if id(p) not in decayed], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=budget.learning_rate, betas=(0.9, budget.beta2))
    warmup = max(1, round(budget.warmup * steps))
    schedules: list[torch.optim.lr_scheduler.LRScheduler] = [
        torch.optim.lr_scheduler.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup),
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=max(1, steps - warmup)),
    ]
    schedule = torch.optim.lr_scheduler.SequentialLR(optimizer, schedules, milestones=[warmup])
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _decayed(network: nn.Module) -> set[int]:
    """Return the ids of the weights of linear and convolution layers."""
    layers = (module for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    return {id(layer.weight) for layer in layers}
