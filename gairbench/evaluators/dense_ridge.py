"""Ridge regression on frozen patch tokens, for a measurement a pixel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.ridge import STRENGTHS
from gairbench.metrics import Array

if TYPE_CHECKING:
    from torch import Tensor

PIXELS = 256
"""Pixels with a value drawn per train image: neighbouring pixels say nearly the same."""

BATCH = 8
"""Images predicted at once, for every strength."""


def dense_ridge(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit the bilinearly upsampled tokens at drawn pixels in closed form; keep the strength with the least val error.

    A linear map and bilinear upsampling can change places, so that predictions are made on the token grid and
    upsampled. Pixels without a value take no part.
    """
    import torch

    weights, bias = _fit(data)
    errors, known_pixels = np.zeros(len(STRENGTHS)), 0
    truth = data.targets["val"]
    for start in range(0, len(truth), BATCH):
        guess = _predict(data.features["val"][start : start + BATCH], weights, bias, truth.shape[1:])
        wanted = torch.from_numpy(truth[start : start + BATCH].astype(np.float64))[:, None]
        known = wanted.isfinite()
        squared = torch.where(known, (guess - wanted.nan_to_num()) ** 2, 0.0)
        errors += squared.sum(dim=(0, 2, 3)).numpy()
        known_pixels += int(known.sum())
    best = int(np.argmin(errors))
    chosen = slice(best, best + 1)
    size = data.mask_size
    assert size is not None  # noqa: S101  (a task of pixels has masks)
    features = data.features["test"]
    prediction = data.new_array((len(features), *size), "float32")
    for start in range(0, len(features), BATCH):
        some = _predict(features[start : start + BATCH], weights[chosen], bias, size)
        prediction[start : start + BATCH] = some[:, 0].float().numpy()
    params = {"alpha": float(STRENGTHS[best]), "val_mse": float(errors[best] / max(known_pixels, 1))}
    return EvaluatorOutput(prediction=prediction, params=params)


def _fit(data: EvaluatorInput) -> tuple[Tensor, float]:
    """Return the weights and the constant for every strength, ``(strengths, dim + 1)``, and the mean of the target."""
    import torch
    from torch.nn import functional

    tokens, targets = data.features["train"], data.targets["train"]
    height, width = targets.shape[1:]
    dim = tokens.shape[1]
    rng = np.random.default_rng(data.seed)
    count, sum_x, sum_y = 0, torch.zeros(dim, dtype=torch.float64), 0.0
    gram, moment = torch.zeros(dim, dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
    for image, target in zip(tokens, targets, strict=True):
        known = np.flatnonzero(np.isfinite(target))
        if not len(known):
            continue
        drawn = rng.choice(known, size=min(PIXELS, len(known)), replace=False)
        rows, columns = torch.from_numpy(drawn // width).double(), torch.from_numpy(drawn % width).double()
        points = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], dim=-1) * 2 - 1
        grid = torch.from_numpy(image.astype(np.float64))[None]
        x = functional.grid_sample(grid, points[None, None], padding_mode="border", align_corners=False)[0, :, 0].T
        y = torch.from_numpy(target.reshape(-1)[drawn].astype(np.float64))
        count, sum_x, sum_y = count + len(y), sum_x + x.sum(dim=0), sum_y + float(y.sum())
        gram, moment = gram + x.T @ x, moment + x.T @ y
    mean_x, mean_y = sum_x / count, sum_y / count
    gram, moment = gram - count * torch.outer(mean_x, mean_x), moment - count * mean_x * mean_y
    identity = torch.eye(dim, dtype=torch.float64)
    weights = torch.stack([torch.linalg.solve(gram + alpha * identity, moment) for alpha in STRENGTHS])
    # Features are centred on train's tokens, and their mean at the drawn pixels is not quite zero.
    return torch.cat([weights, (-weights @ mean_x)[:, None]], dim=1), mean_y


def _predict(features: Array, weights: Tensor, bias: float, size: tuple[int, ...]) -> Tensor:
    """Return a prediction by image and strength, ``(images, strengths, height, width)``."""
    import torch
    from torch.nn import functional

    tokens = torch.from_numpy(features.astype(np.float64))
    on_grid = torch.einsum("ndhw,sd->nshw", tokens, weights[:, :-1]) + weights[:, -1].view(1, -1, 1, 1) + bias
    return functional.interpolate(on_grid, size=size, mode="bilinear", align_corners=False)
