"""A linear classifier on frozen patch tokens, upsampled to the mask: the linear segmentation probe of DINOv2."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.evaluators.prediction_metrics import miou
from gairbench.metrics import IGNORED, Array

if TYPE_CHECKING:
    from torch import Tensor, nn

WEIGHT_DECAYS = (1e-4, 1e-2, 1e-1)
"""Decays tried."""

EPOCHS = 10
BATCH = 32
LEARNING_RATE = 1e-2
PIXELS = 256
"""Mask pixels drawn per image and step: neighbouring pixels say nearly the same, and a step costs a tenth."""


def linear_segmentation(data: EvaluatorInput) -> EvaluatorOutput:
    """Train a 1x1 convolution on the token grid with cross-entropy of its bilinearly upsampled logits.

    AdamW with a one-cycle schedule; weight decay is chosen by mIoU on val. Ignored pixels take no part.
    """
    best, best_score, best_decay = None, -np.inf, 0.0
    for decay in WEIGHT_DECAYS:
        head = _train(data, decay)
        score = miou(data.targets["val"], _predict(data, head, "val", data.targets["val"].shape[1:]))
        if score > best_score:
            best, best_score, best_decay = head, score, decay
    assert best is not None  # noqa: S101  (WEIGHT_DECAYS is not empty)
    assert data.mask_size is not None  # noqa: S101  (of segmentation tasks)
    prediction = _predict(data, best, "test", data.mask_size)
    return EvaluatorOutput(prediction=prediction, params={"weight_decay": best_decay, "val_score": float(best_score)})


def _train(data: EvaluatorInput, decay: float) -> nn.Module:
    import torch
    from torch import nn
    from torch.nn import functional

    tokens, masks = data.features["train"], data.targets["train"]
    generator = torch.Generator().manual_seed(data.seed)
    head = nn.Conv2d(tokens.shape[1], data.classes, 1)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)  # type: ignore[arg-type]
    optimizer = torch.optim.AdamW(head.parameters(), lr=LEARNING_RATE, weight_decay=decay)
    steps = EPOCHS * -(-len(tokens) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    height, width = masks.shape[1:]
    for _ in range(EPOCHS):
        for batch in torch.split(torch.randperm(len(tokens), generator=generator), BATCH):
            rows = torch.randint(height, (len(batch), PIXELS), generator=generator)
            columns = torch.randint(width, (len(batch), PIXELS), generator=generator)
            # Masks may be larger than the memory: only the drawn pixels are taken.
            labels = torch.from_numpy(masks[batch[:, None].numpy(), rows.numpy(), columns.numpy()].astype(np.int64))
            for ignored in IGNORED:
                labels[labels == ignored] = -1
            if not bool((labels >= 0).any()):
                schedule.step()
                continue
            some = torch.from_numpy(tokens[batch.numpy()].astype(np.float32, copy=False))
            logits = _logits_at(head(some), rows, columns, height, width)
            loss = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-1)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return head


def _logits_at(grid: Tensor, rows: Tensor, columns: Tensor, height: int, width: int) -> Tensor:
    """Sample a logit grid at mask pixels, exactly as bilinear upsampling to the mask would.

    Returns:
        ``(batch, pixels, classes)``.
    """
    import torch
    from torch.nn import functional

    points = torch.stack([(columns + 0.5) / width, (rows + 0.5) / height], dim=-1) * 2 - 1
    sampled = functional.grid_sample(grid, points[:, None], padding_mode="border", align_corners=False)
    return sampled[:, :, 0].transpose(1, 2)


def _predict(data: EvaluatorInput, head: nn.Module, split: str, size: tuple[int, ...]) -> Array:
    import torch
    from torch.nn import functional

    features = data.features[split]
    prediction = data.new_array((len(features), *size), "uint8")
    with torch.inference_mode():
        for start in range(0, len(features), BATCH):
            tokens = torch.from_numpy(features[start : start + BATCH].astype(np.float32))
            logits = functional.interpolate(head(tokens), size=size, mode="bilinear", align_corners=False)
            prediction[start : start + BATCH] = logits.argmax(1).to(torch.uint8).numpy()
    return prediction
