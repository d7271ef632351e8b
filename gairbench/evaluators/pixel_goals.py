"""What token grids are trained for: classes or values of pixels, batch by batch, as masks may exceed the memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.metrics import IGNORED, Array
from gairbench.sample_blocks import sample_blocks
from gairbench.spec import Kind

if TYPE_CHECKING:
    from torch import Tensor


class PixelClasses:
    """Cross-entropy of all pixels that are not ignored, of logits upsampled to the mask.

    Args:
        data: Of a segmentation task.
    """

    def __init__(self, data: EvaluatorInput) -> None:
        self.outputs = data.classes
        self._data = data

    def loss(self, grid: Tensor, rows: Array) -> Tensor | None:
        """Return the loss of a grid ``(batch, outputs, rows, columns)`` of samples of train, if a pixel counts."""
        total, pixels = _cross_entropy(grid, self._data.targets["train"][rows])
        return total / pixels if pixels else None

    def val_loss(self, grids: Iterable[Tensor]) -> float:
        """Return the mean cross-entropy of all pixels that count, of the grids of val's batches, in order."""
        truth, start = self._data.targets["val"], 0
        found: list[tuple[float, int]] = []
        for grid in grids:
            total, pixels = _cross_entropy(grid.float(), truth[start : start + len(grid)])
            found.append((float(total), pixels))
            start += len(grid)
        return sum(total for total, _ in found) / max(sum(pixels for _, pixels in found), 1)

    def output(self, grids: Iterable[Tensor], params: dict[str, Any]) -> EvaluatorOutput:
        """Return the prediction of the grids of test's batches, in order."""
        size = self._data.mask_size
        assert size is not None  # noqa: S101  (a task of pixels has masks)
        shape = (len(self._data.features["test"]), *size)
        return EvaluatorOutput(prediction=self._predicted(grids, shape), params=params)

    def _predicted(self, grids: Iterable[Tensor], shape: tuple[int, ...]) -> Array:
        import torch

        found = self._data.new_array(shape, "uint8")
        start = 0
        for grid in grids:
            classes = _upsampled(grid, shape[1:]).argmax(1).to(torch.uint8).cpu().numpy()
            found[start : start + len(classes)] = classes
            start += len(classes)
        return found


class PixelValues:
    """Squared error of all pixels that have a value, of values upsampled to the map, on the scale of train's.

    Args:
        data: Of a dense regression task.
    """

    outputs = 1

    def __init__(self, data: EvaluatorInput) -> None:
        self._data = data
        self._mean, self._std = _scale(data.targets["train"])

    def loss(self, grid: Tensor, rows: Array) -> Tensor | None:
        """Return the loss of a grid ``(batch, 1, rows, columns)`` of samples of train, if a pixel counts."""
        import torch

        wanted = torch.from_numpy(self._data.targets["train"][rows].astype(np.float64))
        known = wanted.isfinite()
        if not bool(known.any()):
            return None
        scaled = ((wanted.nan_to_num() - self._mean) / self._std).float().to(grid.device)
        errors = (_upsampled(grid, wanted.shape[1:])[:, 0] - scaled) ** 2
        return errors[known.to(grid.device)].mean()

    def val_loss(self, grids: Iterable[Tensor]) -> float:
        """Return the mean squared error of the grids of val's batches, in order."""
        truth = self._data.targets["val"]
        errors, count, start = 0.0, 0, 0
        for found in self._found(grids, truth.shape[1:]):
            wanted = truth[start : start + len(found)].astype(np.float64)
            known = np.isfinite(wanted)
            errors += float(np.sum((found[known] - wanted[known]) ** 2))
            count += int(known.sum())
            start += len(found)
        return errors / max(count, 1)

    def output(self, grids: Iterable[Tensor], params: dict[str, Any]) -> EvaluatorOutput:
        """Return the prediction of the grids of test's batches, in order."""
        size = self._data.mask_size
        assert size is not None  # noqa: S101  (a task of pixels has maps)
        prediction = self._data.new_array((len(self._data.features["test"]), *size), "float32")
        start = 0
        for found in self._found(grids, size):
            prediction[start : start + len(found)] = found
            start += len(found)
        return EvaluatorOutput(prediction=prediction, params=params)

    def _found(self, grids: Iterable[Tensor], size: tuple[int, ...]) -> Iterable[Array]:
        for grid in grids:
            yield _upsampled(grid, size)[:, 0].cpu().double().numpy() * self._std + self._mean


PixelGoal = PixelClasses | PixelValues


def pixel_goal_of(data: EvaluatorInput) -> PixelGoal:
    """Return what a task of pixels trains for."""
    return PixelClasses(data) if data.kind is Kind.SEGMENTATION else PixelValues(data)


def _cross_entropy(grid: Tensor, masks: Array) -> tuple[Tensor, int]:
    """Return the sum of the cross-entropy over all pixels of some masks that count, and how many these are."""
    import torch
    from torch.nn import functional

    labels = torch.from_numpy(masks.astype(np.int64))
    for ignored in IGNORED:
        labels[labels == ignored] = -1
    logits = _upsampled(grid, labels.shape[1:])
    total = functional.cross_entropy(logits, labels.to(grid.device), ignore_index=-1, reduction="sum")
    return total, int((labels >= 0).sum())


def _upsampled(grid: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return a grid at the pixels of masks; one that has their size already is left as it is."""
    from torch.nn import functional

    if tuple(grid.shape[-2:]) == tuple(size):
        return grid
    return functional.interpolate(grid, size=tuple(size), mode="bilinear", align_corners=False)


def _scale(targets: Array) -> tuple[float, float]:
    """Return mean and deviation of the pixels that have a value."""
    count, total, squares = 0, 0.0, 0.0
    for block in sample_blocks(targets):
        values = targets[block].astype(np.float64)
        values = values[np.isfinite(values)]
        count, total = count + len(values), total + float(values.sum())
    mean = total / count
    for block in sample_blocks(targets):
        values = targets[block].astype(np.float64)
        squares += float(np.sum((values[np.isfinite(values)] - mean) ** 2))
    return mean, float(np.sqrt(squares / count)) or 1.0
