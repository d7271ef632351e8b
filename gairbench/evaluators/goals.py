"""What a vector a sample is trained for: the targets as numbers, the loss, the score on val, and the prediction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
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
        score: Of val's outputs ``(samples, outputs)``; more is better.
        output: Makes the prediction of test's outputs and of hyper-parameters.
    """

    target: Array
    outputs: int
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Array], float]
    output: Callable[[Array, dict[str, Any]], EvaluatorOutput]


def goal_of(data: EvaluatorInput) -> Goal:
    """Return what a task with a target a sample trains for.

    Val is scored by accuracy of classes, of ordered ones the error in ranks, micro F1 over labels,
    squared error.

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
    from torch.nn import functional

    truth = data.targets["val"]
    # Only classes that train has are ever expected.
    present, target = np.unique(data.targets["train"], return_inverse=True)

    def score(outputs: Array) -> float:
        found = present[outputs.argmax(axis=1)]
        if data.kind is Kind.ORDINAL:
            return -float(np.mean(np.abs(found - truth)))
        return float(np.mean(found == truth))

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
        score=score,
        output=output,
    )


def _labels(data: EvaluatorInput) -> Goal:
    from scipy.special import expit
    from sklearn.metrics import f1_score
    from torch.nn import functional

    target, truth = data.targets["train"], data.targets["val"]
    return Goal(
        target=target.astype(np.float32),
        outputs=target.shape[1],
        loss=functional.binary_cross_entropy_with_logits,
        score=lambda outputs: float(f1_score(truth, outputs > 0, average="micro", zero_division=0)),
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
        score=lambda outputs: -float(np.mean(((values(outputs) - truth) / (1 if target.ndim == 1 else std)) ** 2)),
        output=lambda outputs, params: EvaluatorOutput(prediction=values(outputs), params=params),
    )
