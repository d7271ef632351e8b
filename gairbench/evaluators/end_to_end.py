"""Training on the task alone: a model and a head from where they start, the epoch that is best on val.

What PANGAEA (arXiv 2412.04204) calls supervised baselines, where the model has no weights before, and what anything
that was pre-trained has to beat.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.backbone import Backbone
from gairbench.errors import TrainingError
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.goals import Goal, goal_of
from gairbench.evaluators.pixel_goals import PixelGoal, pixel_goal_of
from gairbench.kinds import DENSE
from gairbench.metrics import Array

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LEARNING_RATES = (1e-4, 1e-3)
"""Peak rates tried, of the model and of the head."""

EPOCHS = 50
STEPS = 500
"""Steps of the optimizer at least: small datasets are trained for more epochs."""

BATCH = 32
WEIGHT_DECAY = 0.05
WARM_UP = 0.1
"""Share of the steps in which the rate rises."""

READERS = 4
"""Threads that read the next batches."""

DIGITS = 6
"""Of the losses on val in the record."""


def end_to_end(data: EvaluatorInput) -> EvaluatorOutput:
    """Train the model and a linear head on train at every rate, keep the rate and the epoch that are best on val.

    AdamW with a cosine schedule; bfloat16 on CUDA, single precision elsewhere. Each rate starts from the model as it
    was made and from a head that is drawn by the seed: a linear layer, or a 1x1 convolution on the token grid whose
    output is upsampled to the masks. All pixels count alike, and so do all samples. Best is the least loss; of equal
    ones the least rate and the first epoch are kept. Test is predicted once.

    Raises:
        TrainingError: At no learning rate are the loss and the outputs finite.
    """
    import torch

    backbone = data.backbone
    assert backbone is not None  # noqa: S101  (its spec says that it needs one)
    goal = pixel_goal_of(data) if data.kind in DENSE else _VectorGoal(goal_of(data), data.device)
    start = deepcopy(backbone.module.state_dict())
    best: _Best | None = None
    for rate in LEARNING_RATES:
        torch.manual_seed(data.seed)
        backbone.module.load_state_dict(start)
        head = _head(data, backbone, goal.outputs)
        found = _train(data, backbone, head, goal, rate)
        if found is not None and (best is None or found.loss < best.loss):
            best = found
    if best is None:
        raise _not_finite("train and val at any learning rate")
    backbone.module.load_state_dict(best.model)
    head.load_state_dict(best.head)
    params = {
        "learning_rate": best.rate,
        "epochs": len(best.curve),
        "best_epoch": best.epoch,
        "val_loss": best.loss,
        "val_curve": [round(loss, DIGITS) for loss in best.curve],
        "batch_size": BATCH,
        "weight_decay": WEIGHT_DECAY,
        "precision": "bfloat16" if torch.device(data.device).type == "cuda" else "float32",
        "parameters": sum(parameter.numel() for parameter in backbone.module.parameters()),
    }
    try:
        return goal.output(_outputs(data, backbone, head, "test"), params)
    except _NotFiniteError:
        raise _not_finite("test") from None


class _NotFiniteError(Exception):
    """The model has computed infinity or no number."""


def _not_finite(where: str) -> TrainingError:
    return TrainingError(f"the loss or the outputs are not finite on {where}", "check the values of the samples")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The best epoch of a training.

    Args:
        rate: The learning rate.
        epoch: Its number, from 1.
        loss: On val.
        curve: The loss on val of every epoch.
        model: State of the model, on the CPU.
        head: State of the head, on the CPU.
    """

    rate: float
    epoch: int
    loss: float
    curve: list[float]
    model: dict[str, Tensor]
    head: dict[str, Tensor]


class _VectorGoal:
    """A goal of vectors, asked batch by batch as those of pixels are.

    Args:
        goal: What is trained for.
        device: Where outputs are.
    """

    def __init__(self, goal: Goal, device: str) -> None:
        import torch

        self.outputs = goal.outputs
        self._goal = goal
        self._target = torch.as_tensor(goal.target, device=device)

    def loss(self, outputs: Tensor, rows: Array) -> Tensor | None:
        """Return the loss of outputs ``(batch, outputs)`` of samples of train."""
        import torch

        return self._goal.loss(outputs, self._target[torch.as_tensor(rows, device=outputs.device)])

    def val_loss(self, outputs: Iterable[Tensor]) -> float:
        """Return the mean loss of the outputs of val's batches, in order."""
        return self._goal.val_loss(_joined(outputs))

    def output(self, outputs: Iterable[Tensor], params: dict[str, Any]) -> EvaluatorOutput:
        """Return the prediction of the outputs of test's batches, in order."""
        return self._goal.output(_joined(outputs), params)


def _joined(outputs: Iterable[Tensor]) -> Array:
    return np.concatenate([some.cpu().double().numpy() for some in outputs])


def _head(data: EvaluatorInput, backbone: Backbone, outputs: int) -> nn.Module:
    """Return a linear head of the width that the model has, which a first batch shows."""
    import torch
    from torch import nn

    backbone.module.eval()
    batch, _ = next(iter(backbone.loader("val", batch_size=1)))
    with torch.no_grad():
        width = backbone.encode(batch).shape[1]
    head = nn.Conv2d(width, outputs, 1) if data.kind in DENSE else nn.Linear(width, outputs)
    return head.to(data.device)


def _train(
    data: EvaluatorInput, backbone: Backbone, head: nn.Module, goal: _VectorGoal | PixelGoal, rate: float
) -> _Best | None:
    """Train model and head; return the best epoch before the loss or val's outputs were not finite, if there is one."""
    import torch

    module = backbone.module
    batches = backbone.loader("train", batch_size=BATCH, shuffle=True, seed=data.seed, workers=READERS)
    epochs = max(EPOCHS, -(-STEPS // len(batches)))
    optimizer = torch.optim.AdamW([*module.parameters(), *head.parameters()], lr=rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=epochs * len(batches) + 1, pct_start=WARM_UP, cycle_momentum=False
    )
    best: _Best | None = None
    curve: list[float] = []
    for epoch in range(1, epochs + 1):
        module.train()
        for batch, rows in batches:
            with _precision(data):
                outputs = head(backbone.encode(batch))
            loss = goal.loss(outputs.float(), rows)
            if loss is not None:
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
            schedule.step()
        try:
            val_loss = goal.val_loss(_outputs(data, backbone, head, "val"))
        except _NotFiniteError:
            break
        curve.append(val_loss)
        if best is None or val_loss < best.loss:
            best = _Best(rate=rate, epoch=epoch, loss=val_loss, curve=curve, model=_state(module), head=_state(head))
    return best


def _state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().to("cpu", copy=True) for name, value in module.state_dict().items()}


def _precision(data: EvaluatorInput) -> torch.autocast:
    import torch

    kind = torch.device(data.device).type
    return torch.autocast(kind, dtype=torch.bfloat16, enabled=kind == "cuda")


def _outputs(data: EvaluatorInput, backbone: Backbone, head: nn.Module, split: str) -> Iterator[Tensor]:
    """Yield the head's outputs for the batches of a split, in order.

    Raises:
        _NotFiniteError: One is infinite or no number.
    """
    import torch

    backbone.module.eval()
    for batch, _ in backbone.loader(split, batch_size=BATCH, workers=READERS):
        # Not in inference mode: what a model keeps between calls must serve the training that follows.
        with torch.no_grad(), _precision(data):
            outputs = head(backbone.encode(batch)).float()
        if not bool(outputs.isfinite().all()):
            raise _NotFiniteError
        yield outputs
