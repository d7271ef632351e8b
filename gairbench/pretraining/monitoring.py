"""Watch a run: losses, spread, alignment and uniformity of embeddings, and a warning when they collapse."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.nn import functional

from gairbench.errors import TrainingError
from gairbench.pretraining.objective import Objective

COLLAPSED = 0.05
"""Spread below which embeddings count as collapsed; independent directions have 1."""

EVERY = 10
"""Optimizer steps between two measurements."""

PATIENCE = 3
"""Measurements in a row that must find a collapse before it is reported; untrained encoders start near one."""


class CollapseWarning(UserWarning):
    """Embeddings of different samples have become nearly the same."""


def directional_spread(embeddings: Tensor) -> Tensor:
    """Return how far embeddings point in different directions.

    Args:
        embeddings: ``(batch, dim)``, of any length.

    Returns:
        Scalar in 0 ... 1: standard deviation per dimension of the normalized embeddings, averaged, times the square
        root of ``dim``; 1 for directions that fill the sphere, 0 when all are the same (SimSiam, arXiv 2011.10566).
    """
    unit = functional.normalize(embeddings.float(), dim=-1)
    found: Tensor = unit.std(dim=0, unbiased=False).mean() * unit.shape[1] ** 0.5
    return found


def alignment(left: Tensor, right: Tensor) -> Tensor:
    """Return the mean squared distance of normalized pairs, 0 ... 4 (Wang and Isola, arXiv 2005.10242)."""
    unit = (functional.normalize(side.float(), dim=-1) for side in (left, right))
    distance: Tensor = torch.sub(*unit).square().sum(-1).mean()
    return distance


def uniformity(embeddings: Tensor) -> Tensor:
    """Return log of the mean Gaussian potential of normalized pairs, 0 (collapsed) down to -4 (Wang and Isola)."""
    unit = functional.normalize(embeddings.float(), dim=-1)
    return torch.pdist(unit).square().mul(-2).exp().mean().log()


class Monitor(lightning.Callback):
    """Log losses every step and embeddings every few; report progress; stop when the loss is not finite.

    Args:
        report: Called as ``report(done, total, note)``.
    """

    def __init__(self, report: Callable[[int, int, str], None]) -> None:
        self.report = report
        self._step = 0
        self._low: dict[str, int] = {}
        self._told: set[str] = set()

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:  # noqa: ARG002
        """Note where a resumed run starts."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,  # noqa: ARG002 - Lightning names them
        batch_idx: int,  # noqa: ARG002
    ) -> None:
        """Log one batch, and look at the embeddings of the one that completes a step."""
        if not isinstance(pl_module, Objective):
            raise TypeError(f"monitors an Objective, not a {type(pl_module).__name__}")
        total: Tensor = outputs["total"]
        if not bool(torch.isfinite(total)):
            raise TrainingError(
                f"the loss of step {trainer.global_step} is {float(total)}",
                "lower the learning rate, lengthen the warm-up, or use a wider precision",
            )
        parts: Mapping[str, Tensor] = outputs["parts"]
        pl_module.log_dict({f"train/{name}": value for name, value in parts.items()}, sync_dist=trainer.world_size > 1)
        pl_module.log("train/loss", total, sync_dist=trainer.world_size > 1)
        if trainer.loggers and trainer.optimizers:
            pl_module.log("train/learning_rate", trainer.optimizers[0].param_groups[0]["lr"])
        stepped, self._step = trainer.global_step > self._step, trainer.global_step
        if stepped and trainer.is_global_zero and (self._step % EVERY == 0 or self._step == trainer.max_steps):
            self._look_at(pl_module, outputs["embeddings"], trainer)
        if trainer.is_global_zero:
            shown = ", ".join(f"{name} {value:.2f}" for name, value in parts.items())
            self.report(trainer.global_step, pl_module.steps, f"loss {total:.2f}" + (f" ({shown})" if shown else ""))

    def _look_at(self, objective: Objective, embeddings: Mapping[str, Tensor], trainer: lightning.Trainer) -> None:
        if not embeddings or len(next(iter(embeddings.values()))) < 2:
            return
        spreads = {name: directional_spread(values) for name, values in embeddings.items()}
        values = {f"train/spread/{name}": value for name, value in spreads.items()}
        values |= {f"train/uniformity/{name}": uniformity(value) for name, value in embeddings.items()}
        for left, right in objective.pairs:
            values[f"train/alignment/{left}-{right}"] = alignment(embeddings[left], embeddings[right])
        # Lightning would repeat a logged value in every row until the next one is logged. It counts steps from 0.
        row = {name: float(value) for name, value in values.items()}
        for logger in trainer.loggers:
            logger.log_metrics(row | {"epoch": trainer.current_epoch}, step=trainer.global_step - 1)
        # An untrained network embeds all samples nearly alike; only warm-up leads out of that.
        if trainer.global_step < objective.budget.warmup * objective.steps:
            return
        for name, value in spreads.items():
            self._low[name] = self._low.get(name, 0) + 1 if value < COLLAPSED else 0
            if self._low[name] >= PATIENCE and name not in self._told:
                self._told.add(name)
                warnings.warn(
                    f"step {trainer.global_step}: the {name} embeddings have collapsed (spread {value:.3f} of 1): all"
                    " samples look alike to the model; lower the learning rate, enlarge the batch, or look at the data",
                    CollapseWarning,
                    stacklevel=2,
                )
