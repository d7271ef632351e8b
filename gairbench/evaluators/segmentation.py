"""A linear classifier on frozen patch tokens, upsampled to the mask: the linear segmentation probe of DINOv2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.choosing import CONSTANT, choose, folds_of
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.metrics import IGNORED, Array

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHT_DECAYS = (10.0, 1.0, 0.1, 0.0)
"""Decays tried, in descending order. AdamW takes ``rate * decay`` of a weight off at each step: below 0.1 little."""

FOLDS = 3
"""Folds of cross-validation: fewer than other probes have, since each costs a training."""

EPOCHS = 10
BATCH = 32
LEARNING_RATE = 1e-2
PIXELS = 64
"""Mask pixels drawn per image and step: neighbouring pixels say nearly the same, and the loss is most of the cost."""


def linear_segmentation(data: EvaluatorInput) -> EvaluatorOutput:
    """Train a 1x1 convolution on the token grid with cross-entropy of its bilinearly upsampled logits.

    AdamW with a one-cycle schedule; the weight decay, which spares the biases, is that of the least cross-entropy at
    drawn pixels of held-out images. Ignored pixels take no part.
    """
    images, folds = _Images(data), folds_of(data, FOLDS)
    losses, trivial = [], []
    for fit, held in folds.rounds:
        heads = _train(data, images, fit, WEIGHT_DECAYS)
        own, without = _cross_entropy(data, images, heads, fit, held)
        losses.append(own)
        trivial.append(without)
    # Less decay than none cannot be tried.
    name, ends = "weight_decay", WEIGHT_DECAYS[:1]
    choice = choose(name, WEIGHT_DECAYS, losses, trivial, folds, loss="cross-entropy", ends=ends)
    heads = _train(data, images, folds.final, (choice.value,))
    return EvaluatorOutput(prediction=_predict(data, heads), params=choice.params, caveats=choice.caveats)


class _Images:
    """The images of train and val one after the other, without a copy."""

    def __init__(self, data: EvaluatorInput) -> None:
        self._tokens = [data.features[name] for name in ("train", "val")]
        self._masks = [data.targets[name] for name in ("train", "val")]
        self._train = len(self._tokens[0])
        self.shape = self._tokens[0].shape[1:]
        """Of an image's tokens: dim, rows and columns."""
        axes = (2, 3)
        # In double precision, an image at a time: token grids may be larger than what is left of the memory.
        each = (image.astype(np.float64)[None] for array in self._tokens for image in array)
        sums = [(image.sum(axes)[0], (image**2).sum(axes)[0]) for image in each]
        self._sums, self._squares = (np.stack(one) for one in zip(*sums, strict=True))

    def tokens(self, rows: Array) -> Array:
        """Return the tokens of some images in single precision."""
        first = rows < self._train
        found = np.empty((len(rows), *self.shape), np.float32)
        found[first] = self._tokens[0][rows[first]]
        found[~first] = self._tokens[1][rows[~first] - self._train]
        return found

    def labels(self, rows: Array, at: Array) -> Array:
        """Return the classes at points of some images, -1 where they are ignored.

        Args:
            rows: ``(images,)``.
            at: ``(images, points, 2)``: row and column as shares of the height and width.
        """
        found = np.empty(at.shape[:2], np.int64)
        # Masks may be larger than the memory: only the drawn pixels are taken.
        for array, of, chosen in zip(
            self._masks, (0, self._train), (rows < self._train, rows >= self._train), strict=True
        ):
            pixel = (at[chosen] * array.shape[1:]).astype(np.int64)
            found[chosen] = array[(rows[chosen] - of)[:, None], pixel[:, :, 0], pixel[:, :, 1]]
        found[np.isin(found, IGNORED)] = -1
        return found

    def centres(self, rows: Array, at: Array) -> Array:
        """Return the centres of the pixels that points are in, as ``grid_sample`` takes them: x, y from -1 to 1."""
        found = np.empty(at.shape, np.float32)
        for array, chosen in zip(self._masks, (rows < self._train, rows >= self._train), strict=True):
            size = np.array(array.shape[1:])
            found[chosen] = ((np.floor(at[chosen] * size) + 0.5) / size * 2 - 1)[:, :, ::-1]
        return found

    def standard(self, rows: Array) -> tuple[Array, Array]:
        """Return mean and deviation of the tokens of some images, each ``(dim,)``."""
        count = len(rows) * self.shape[1] * self.shape[2]
        mean = self._sums[rows].sum(axis=0) / count
        deviation = np.sqrt(np.maximum(self._squares[rows].sum(axis=0) / count - mean**2, 0))
        return mean, np.where(deviation < CONSTANT, 1.0, deviation)


@dataclass(frozen=True, slots=True)
class _Heads:
    """Heads of several decays, which see the same batches.

    Args:
        convolutions: One each.
        classes: How many.
        mean: By which tokens are standardized, ``(dim, 1, 1)``.
        deviation: ``(dim, 1, 1)``.
    """

    convolutions: Sequence[nn.Conv2d]
    classes: int
    mean: Tensor
    deviation: Tensor

    def grids(self, tokens: Array) -> Tensor:
        """Return the logits of tokens, ``(images, heads * classes, rows, columns)``."""
        import torch
        from torch.nn import functional

        weight, bias = (torch.cat([getattr(one, name) for one in self.convolutions]) for name in ("weight", "bias"))
        return functional.conv2d((torch.from_numpy(tokens) - self.mean) / self.deviation, weight, bias)

    def logits(self, tokens: Array, centres: Array) -> Tensor:
        """Return the logits at centres of pixels, ``(heads, images * points, classes)``."""
        import torch

        at = sampled_logits(self.grids(tokens), torch.from_numpy(centres)).flatten(0, 1)
        return torch.stack(torch.split(at, self.classes, dim=1))


def _train(data: EvaluatorInput, images: _Images, rows: Array, decays: Sequence[float]) -> _Heads:
    """Train a head for each decay; each is as if it were trained alone."""
    import torch
    from torch import nn
    from torch.nn import functional

    generator = torch.Generator().manual_seed(data.seed)
    convolutions = [nn.Conv2d(images.shape[0], data.classes, 1) for _ in decays]
    for one in convolutions:
        nn.init.zeros_(one.weight)
        nn.init.zeros_(one.bias)  # type: ignore[arg-type]
    mean, deviation = (torch.from_numpy(one.astype(np.float32))[:, None, None] for one in images.standard(rows))
    heads = _Heads(convolutions, data.classes, mean, deviation)
    groups: list[dict[str, Any]] = [
        {"params": [one.weight], "weight_decay": decay} for one, decay in zip(convolutions, decays, strict=True)
    ]
    groups.append({"params": [one.bias for one in convolutions], "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE)
    steps = EPOCHS * -(-len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for some in torch.split(torch.randperm(len(rows), generator=generator), BATCH):
            batch = rows[some.numpy()]
            at = torch.rand(len(batch), PIXELS, 2, dtype=torch.float64, generator=generator).numpy()
            labels = torch.from_numpy(images.labels(batch, at)).flatten()
            if not bool((labels >= 0).any()):
                schedule.step()
                continue
            logits = heads.logits(images.tokens(batch), images.centres(batch, at))
            # The sum over the heads: none has a part in the loss of another.
            loss = torch.stack([functional.cross_entropy(one, labels, ignore_index=-1) for one in logits]).sum()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return heads


def _cross_entropy(
    data: EvaluatorInput, images: _Images, heads: _Heads, fit: Array, held: Array
) -> tuple[list[float], float]:
    """Return the mean cross-entropy of every head at drawn pixels of held-out images, and that of the class shares."""
    import torch
    from torch.nn import functional

    generator = np.random.default_rng(data.seed)
    seen = np.zeros(data.classes)
    for start in range(0, len(fit), BATCH):
        batch = fit[start : start + BATCH]
        labels = images.labels(batch, generator.random((len(batch), PIXELS, 2)))
        seen += np.bincount(labels[labels >= 0], minlength=data.classes)
    # A class that is not seen is as likely as the next pixel, by Laplace's rule.
    shares = torch.from_numpy(np.log((seen + 1) / (seen.sum() + data.classes)))
    sums, count = torch.zeros(len(heads.convolutions) + 1, dtype=torch.float64), 0
    with torch.inference_mode():
        for start in range(0, len(held), BATCH):
            batch = held[start : start + BATCH]
            at = generator.random((len(batch), PIXELS, 2))
            wanted = torch.from_numpy(images.labels(batch, at)).flatten()
            logits = heads.logits(images.tokens(batch), images.centres(batch, at)).double()
            every = torch.cat([logits, shares.expand(1, len(wanted), -1)])
            sums += torch.stack(
                [functional.cross_entropy(one, wanted, ignore_index=-1, reduction="sum") for one in every]
            )
            count += int((wanted >= 0).sum())
    *losses, trivial = (sums / (count or np.nan)).tolist()
    return losses, trivial


def sampled_logits(grid: Tensor, centres: Tensor) -> Tensor:
    """Sample a logit grid at mask pixels, exactly as bilinear upsampling to the mask would.

    Args:
        grid: ``(batch, channels, rows, columns)``.
        centres: ``(batch, pixels, 2)``: x and y of the pixels' centres, from -1 to 1.

    Returns:
        ``(batch, pixels, channels)``.
    """
    from torch.nn import functional

    sampled = functional.grid_sample(grid, centres[:, None], padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


def _predict(data: EvaluatorInput, heads: _Heads) -> Array:
    import torch
    from torch.nn import functional

    size = data.mask_size
    assert size is not None  # noqa: S101  (of segmentation tasks)
    features = data.features["test"]
    prediction = data.new_array((len(features), *size), "uint8")
    with torch.inference_mode():
        for start in range(0, len(features), BATCH):
            grid = heads.grids(features[start : start + BATCH].astype(np.float32))
            logits = functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)
            prediction[start : start + BATCH] = logits.argmax(1).to(torch.uint8).numpy()
    return prediction
