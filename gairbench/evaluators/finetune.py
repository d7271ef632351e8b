"""Full fine-tuning from the linear probe: the head starts as the probe, then all weights are trained (LP-FT).

Kumar et al., "Fine-Tuning can Distort Pretrained Features and Underperform Out-of-Distribution", ICLR 2022 (arXiv
2202.10054): a head that starts at random destroys good features before it is any use.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.backbone import Backbone
from gairbench.choosing import end_of_grid
from gairbench.errors import TrainingError
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.goals import Goal, goal_of
from gairbench.evaluators.linear import fit_linear
from gairbench.evaluators.ridge import choose_ridge
from gairbench.metrics import Array
from gairbench.spec import Kind

if TYPE_CHECKING:
    from torch import nn

LEARNING_RATES = (1e-5, 1e-4, 1e-3)
"""Peak rates tried, of the model and of the head."""

EPOCHS = 10
STEPS = 300
"""Steps of the optimizer at least: small datasets are trained for more epochs, so that the weights can move."""

BATCH = 32
WEIGHT_DECAY = 0.01
WARM_UP = 0.1
"""Share of the steps in which the rate rises."""

READERS = 4
"""Threads that read the next batches."""


def finetune(data: EvaluatorInput) -> EvaluatorOutput:
    """Train the model and a linear head at every learning rate, keep what is best on val (the least rate of equals).

    AdamW with a cosine schedule, in single precision. Each rate starts from the model as it was loaded and from the
    linear probe, fitted on the frozen features with the strength that is best on val. Best on val is the least loss:
    cross-entropy of classes and of labels, squared error.

    Raises:
        TrainingError: At no learning rate are the loss and the outputs of val and test finite.
    """
    import torch

    backbone = data.backbone
    assert backbone is not None  # noqa: S101  (its spec says that it needs one)
    goal, probe = goal_of(data), _probe(data)
    epochs = max(EPOCHS, -(-STEPS // len(backbone.loader("train", batch_size=BATCH))))
    start = deepcopy(backbone.module.state_dict())
    best: Array | None = None
    least, best_rate = np.inf, 0.0
    curve: dict[str, float] = {}
    for rate in LEARNING_RATES:
        torch.manual_seed(data.seed)
        backbone.module.load_state_dict(start)
        head = probe.head().to(data.device)
        if not _train(data, backbone, head, goal, rate, epochs):
            continue
        # The last step may have broken what its loss does not show, and the class of NaN would be the first one.
        val = _outputs(backbone, head, "val")
        if not np.isfinite(val).all():
            continue
        curve[f"{rate:g}"] = loss = goal.val_loss(val)
        if not loss < least:
            continue
        test = _outputs(backbone, head, "test")
        if np.isfinite(test).all():
            best, least, best_rate = test, loss, rate
    if best is None:
        raise TrainingError(
            "at no learning rate are the loss and the outputs of val and test finite",
            "freeze the model: name another evaluator",
        )
    params = {
        "learning_rate": best_rate,
        "val_loss": least,
        "curve": curve,
        "epochs": epochs,
        "batch_size": BATCH,
        "weight_decay": WEIGHT_DECAY,
        **probe.strength,
    }
    caveats = end_of_grid("learning_rate", best_rate, (LEARNING_RATES[0], LEARNING_RATES[-1]))
    return replace(goal.output(best, params), caveats=caveats)


def _train(data: EvaluatorInput, backbone: Backbone, head: nn.Module, goal: Goal, rate: float, epochs: int) -> bool:
    """Train model and head; return whether the loss stayed finite."""
    import torch

    module = backbone.module
    batches = backbone.loader("train", batch_size=BATCH, shuffle=True, seed=data.seed, workers=READERS)
    target = torch.as_tensor(goal.target, device=data.device)
    optimizer = torch.optim.AdamW([*module.parameters(), *head.parameters()], lr=rate, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, rate, total_steps=epochs * len(batches) + 1, pct_start=WARM_UP, cycle_momentum=False
    )
    module.train()
    for _ in range(epochs):
        for batch, rows in batches:
            outputs = head(backbone.standardize(backbone.encode(batch)))
            loss = goal.loss(outputs, target[torch.as_tensor(rows, device=data.device)])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
        if not bool(torch.isfinite(loss)):
            return False
    return True


def _outputs(backbone: Backbone, head: nn.Module, split: str) -> Array:
    import torch

    backbone.module.eval()
    # Not in inference mode: what a model keeps between calls must serve the training that follows.
    with torch.no_grad():
        parts = [
            head(backbone.standardize(backbone.encode(batch))).double().cpu().numpy()
            for batch, _ in backbone.loader(split, batch_size=BATCH, workers=READERS)
        ]
    return np.concatenate(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Probe:
    """The probe that the head starts as.

    Args:
        weight: ``(outputs, dim)``, on standardized features.
        bias: ``(outputs,)``.
        strength: Chosen on val, for the record.
    """

    weight: Array
    bias: Array
    strength: dict[str, Any]

    def head(self) -> nn.Module:
        """Return the head as it starts."""
        import torch
        from torch import nn

        head = nn.Linear(self.weight.shape[1], self.weight.shape[0])
        with torch.no_grad():
            head.weight.copy_(torch.from_numpy(self.weight))
            head.bias.copy_(torch.from_numpy(self.bias))
        return head


def _probe(data: EvaluatorInput) -> _Probe:
    probes = {Kind.CLASSIFICATION: _of_classes, Kind.MULTILABEL: _of_classes, Kind.REGRESSION: _of_a_value}
    # A network is trained on train alone, and so is what it starts from.
    return probes[data.kind](replace(data, protocol=replace(data.protocol, selection="val")))


def _of_classes(data: EvaluatorInput) -> _Probe:
    probe = fit_linear(data)
    return _Probe(weight=probe.map.weights.T, bias=probe.map.bias, strength={"C": probe.choice.value})


def _of_a_value(data: EvaluatorInput) -> _Probe:
    from sklearn.linear_model import Ridge

    (x, y, _), (choice,) = choose_ridge(data)
    probe = Ridge(alpha=choice.value, solver="cholesky").fit(x, y)
    # The goal's outputs are on the scale of train's targets.
    mean, std = y.mean(), y.std()
    return _Probe(
        weight=probe.coef_[None] / std,
        bias=np.array([(probe.intercept_ - mean) / std]),
        strength={"alpha": choice.value},
    )
