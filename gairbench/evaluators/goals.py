"""What a vector a sample is trained for: the targets as numbers, the loss of train and of val, and the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.logistic import sigmoid_loss
from gairbench.metrics import Array
from gairbench.spec import Kind

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a kind of task trains for, where a sample has a vector.

    Args:
        target: What train's outputs are compared with: classes ``(samples,)``, or floats ``(samples, outputs)``.
        outputs: Numbers that the head computes for a sample.
        loss: Of outputs ``(batch, outputs)`` and targets.
        val_loss: Of val's outputs ``(samples, outputs)``: the mean loss, by which epochs and rates are chosen.
        output: Makes the prediction of test's outputs and of hyper-parameters.
    """

    target: Array
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    val_loss: Callable[[Array], float]
    output: Callable[[Array, dict[str, Any]], EvaluatorOutput]


def goal_of(data: EvaluatorInput) -> Goal:
    """Return what a task with a target a sample trains for.

    The loss is the cross-entropy of classes, ordered or not, and of each label, or the squared error.

    Args:
        data: Of a classification, ordinal, multi-label, regression or multi-regression task.
    """
    goals = {
        Kind.CLASSIFICATION: _classes,
        Kind.ORDINAL: _classes,
        Kind.MULTILABEL: _labels,
        Kind.REGRESSION: _values,
        Kind.MULTI_REGRESSION: _values,
    }
    return goals[data.kind](data)


def _classes(data: EvaluatorInput) -> Goal:
    from scipy.special import log_softmax
    from torch.nn import functional

    # Only classes that train has are ever expected, and val has no others.
    present, target = np.unique(data.targets["train"], return_inverse=True)
    truth = np.searchsorted(present, data.targets["val"])

    def val_loss(outputs: Array) -> float:
        return -float(log_softmax(outputs, axis=1)[np.arange(len(truth)), truth].mean())

    def output(outputs: Array, params: dict[str, Any]) -> EvaluatorOutput:
        likely = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities = np.zeros((len(outputs), data.classes))
        probabilities[:, present] = likely / likely.sum(axis=1, keepdims=True)
        return EvaluatorOutput(
            prediction=present[outputs.argmax(axis=1)].astype(np.int64),
            scores=probabilities,
            scores_are="probabilities",
            params=params,
        )

    return Goal(
        target=target.astype(np.int64),
        outputs=len(present),
        loss=functional.cross_entropy,
        val_loss=val_loss,
        output=output,
    )


def _labels(data: EvaluatorInput) -> Goal:
    from scipy.special import expit
    from torch.nn import functional

    target, truth = data.targets["train"], data.targets["val"]
    return Goal(
        target=target.astype(np.float32),
        outputs=target.shape[1],
        loss=functional.binary_cross_entropy_with_logits,
        val_loss=lambda outputs: sigmoid_loss(outputs, truth)[0] / truth.size,
        output=lambda outputs, params: EvaluatorOutput(
            prediction=outputs > 0, scores=expit(outputs), scores_are="probabilities", params=params
        ),
    )


def _values(data: EvaluatorInput) -> Goal:
    from torch.nn import functional

    target, truth = data.targets["train"], data.targets["val"]
    # Of any unit, the loss and so the gradients have one scale, and each of several measurements counts alike.
    mean, std = target.mean(axis=0), target.std(axis=0)
    std = np.where(std > 0, std, 1.0)
    scaled = ((target - mean) / std).astype(np.float32)

    def values(outputs: Array) -> Array:
        found: Array = (outputs if target.ndim == 2 else outputs[:, 0]) * std + mean
        return found

    return Goal(
        target=scaled if target.ndim == 2 else scaled[:, None],
        outputs=target.shape[1] if target.ndim == 2 else 1,
        loss=functional.mse_loss,
        val_loss=lambda outputs: float(np.mean(((values(outputs) - truth) / (1 if target.ndim == 1 else std)) ** 2)),
        output=lambda outputs, params: EvaluatorOutput(prediction=values(outputs), params=params),
    )
