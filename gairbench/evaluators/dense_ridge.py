"""Ridge regression on frozen patch tokens, for a measurement a pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from gairbench.choosing import CONSTANT, folds_of
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.ridge import STRENGTHS, choose_strengths
from gairbench.metrics import Array

PIXELS = 256
"""Pixels with a value drawn per image: neighbouring pixels say nearly the same."""

BATCH = 8
"""Images predicted at once."""


def dense_ridge(data: EvaluatorInput) -> EvaluatorOutput:
    """Fit the bilinearly upsampled tokens at drawn pixels in closed form, with the strength of the least squared error.

    What is drawn of an image does not depend on the round, so that all rounds are sums of the same moments. A linear
    map and bilinear upsampling can change places, so that predictions are made on the token grid and upsampled. Pixels
    without a value take no part.
    """
    folds = folds_of(data)
    images = len(data.targets["train"]) + len(data.targets["val"])
    # Every image is in one part: a round's fit is the sum of all parts but the held one.
    part = np.zeros(images, dtype=np.int64)
    for number, fold in enumerate(folds.rounds, start=1):
        part[fold.held] = number
    moments = _moments(data, part, len(folds.rounds) + 1)
    losses, trivial = [], []
    for held in moments[1:]:
        fit = _sum([one for one in moments if one is not held])
        weights, bias = fit.fits(STRENGTHS)
        losses.append(held.errors(weights, bias))
        trivial.append(held.errors(np.zeros((1, len(fit.x))), np.array([fit.mean]))[0])
    (choice,) = choose_strengths(np.array(losses)[:, :, None], np.array(trivial)[:, None], folds)
    final = _sum(moments if len(folds.final) == images else moments[:1])
    weights, bias = final.fits((choice.value,))
    prediction = _predict(data, weights[0], float(bias[0]))
    return EvaluatorOutput(prediction=prediction, params=choice.params, caveats=choice.caveats)


@dataclass(frozen=True, slots=True)
class _Moments:
    """Sums over the drawn pixels of some images, and over all of their tokens.

    Args:
        pixels: How many pixels.
        x: ``(dim,)``: features at the pixels.
        y: The target, less :attr:`off`.
        xx: ``(dim, dim)``.
        xy: ``(dim,)``.
        yy: A number.
        tokens: How many tokens.
        token: ``(dim,)``.
        token_squares: ``(dim,)``.
        off: What is taken off every target, so that squares keep their digits; the same for all.
    """

    pixels: int
    x: Array
    y: float
    xx: Array
    xy: Array
    yy: float
    tokens: int
    token: Array
    token_squares: Array
    off: float

    @classmethod
    def none(cls, dim: int, off: float) -> _Moments:
        """Return those of no images."""
        zeros = np.zeros(dim)
        return cls(0, zeros, 0.0, np.zeros((dim, dim)), zeros, 0.0, 0, zeros, zeros, off)

    @property
    def mean(self) -> float:
        """Of the target."""
        return self.y / self.pixels + self.off

    def errors(self, weights: Array, bias: Array) -> Array:
        """Return the mean squared error of linear maps, ``(maps,)``.

        Args:
            weights: ``(maps, dim)``.
            bias: ``(maps,)``.
        """
        bias = bias - self.off
        squares = np.einsum("md,md->m", weights @ self.xx, weights) + self.pixels * bias**2 + self.yy
        products = bias * (weights @ self.x) - weights @ self.xy - bias * self.y
        return np.asarray((squares + 2 * products) / self.pixels)

    def fits(self, strengths: Sequence[float]) -> tuple[Array, Array]:
        """Return the ridge regression of each strength, the tokens standardized: weights and biases as they are."""
        mean = self.token / self.tokens
        deviation = np.sqrt(np.maximum(self.token_squares / self.tokens - mean**2, 0))
        scale = np.where(deviation < CONSTANT, 1.0, deviation)
        centre_x, centre_y = self.x / self.pixels, self.y / self.pixels
        gram = (self.xx - self.pixels * np.outer(centre_x, centre_x)) / np.outer(scale, scale)
        squares, axes = np.linalg.eigh(gram)
        along = axes.T @ ((self.xy - self.pixels * centre_x * centre_y) / scale)
        shrunk = along / (np.maximum(squares, 0) + np.asarray(strengths)[:, None])
        weights = shrunk @ axes.T / scale
        # Tokens and drawn pixels have not quite the same mean.
        return weights, self.mean - weights @ centre_x


def _sum(some: Sequence[_Moments]) -> _Moments:
    names = [field.name for field in fields(_Moments) if field.name != "off"]
    return _Moments(**{name: sum(getattr(one, name) for one in some) for name in names}, off=some[0].off)


def _moments(data: EvaluatorInput, part: Array, parts: int) -> list[_Moments]:
    """Return the moments of each part of the images of train and val."""
    rng = np.random.default_rng(data.seed)
    drawn = [_draw(target, rng) for split in ("train", "val") for target in data.targets[split]]
    values = np.concatenate([y for _, y in drawn])
    off = float(values.mean()) if len(values) else 0.0
    dim = data.features["train"].shape[1]
    found = [_Moments.none(dim, off)] * parts
    images = (image for split in ("train", "val") for image in data.features[split])
    for image, (points, values), number in zip(images, drawn, part, strict=True):
        if not len(values):
            continue
        tokens = image.astype(np.float64)
        x, y, flat = _at(tokens, points), values - off, tokens.reshape(dim, -1)
        own = _Moments(
            pixels=len(y),
            x=x.sum(axis=0),
            y=float(y.sum()),
            xx=x.T @ x,
            xy=x.T @ y,
            yy=float(y @ y),
            tokens=flat.shape[1],
            token=flat.sum(axis=1),
            token_squares=(flat**2).sum(axis=1),
            off=off,
        )
        found[number] = _sum([found[number], own])
    return found


def _draw(target: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw pixels that have a value: where they are in the image, ``(pixels, 2)`` from -1 to 1, and their values."""
    height, width = target.shape
    known = np.flatnonzero(np.isfinite(target))
    drawn = rng.choice(known, size=min(PIXELS, len(known)), replace=False) if len(known) else known
    points = np.stack([(drawn % width + 0.5) / width, (drawn // width + 0.5) / height], axis=-1) * 2 - 1
    return points, target.reshape(-1)[drawn].astype(np.float64)


def _at(tokens: Array, points: Array) -> Array:
    """Return the features at points as bilinear upsampling would, ``(points, dim)``."""
    import torch
    from torch.nn import functional

    grid, at = torch.from_numpy(tokens)[None], torch.from_numpy(points)[None, None]
    found = functional.grid_sample(grid, at, padding_mode="border", align_corners=False)[0, :, 0].T
    return np.asarray(found.numpy())


def _predict(data: EvaluatorInput, weights: Array, bias: float) -> Array:
    """Return the prediction of test, ``(images, height, width)``."""
    import torch
    from torch.nn import functional

    size = data.mask_size
    assert size is not None  # noqa: S101  (a task of pixels has masks)
    features = data.features["test"]
    prediction = data.new_array((len(features), *size), "float32")
    for start in range(0, len(features), BATCH):
        tokens = torch.from_numpy(features[start : start + BATCH].astype(np.float64))
        on_grid = torch.einsum("ndhw,d->nhw", tokens, torch.from_numpy(weights))[:, None] + bias
        upsampled = functional.interpolate(on_grid, size=size, mode="bilinear", align_corners=False)
        prediction[start : start + BATCH] = upsampled[:, 0].float().numpy()
    return prediction
