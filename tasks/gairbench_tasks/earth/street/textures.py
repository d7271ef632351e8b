"""Tileable noise and the shapes of things in street photos, made once per process."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness

TILE = 256
SPRITE_ROWS, SPRITE_COLUMNS = 32, 24
SPRITES = (
    "broadleaf",
    "bare tree",
    "conifer",
    "palm",
    "acacia",
    "shrub",
    "cactus",
    "lamp",
    "pole",
    "person",
    "car",
    "house",
)
(BROADLEAF, BARE_TREE, CONIFER, PALM, ACACIA, SHRUB, CACTUS, LAMP, POLE, PERSON, CAR, HOUSE) = range(len(SPRITES))


@functools.cache
def fractal() -> NDArray[np.float32]:
    """Return tileable 1/f noise of mean 0 and standard deviation 1, flattened ``(256 * 256,)``."""
    return _filtered_noise("fractal", exponent=1.5)


@functools.cache
def grain() -> NDArray[np.float32]:
    """Return tileable fine-grained noise of mean 0 and standard deviation 1, flattened ``(256 * 256,)``."""
    return _filtered_noise("grain", exponent=0.4)


@functools.cache
def white() -> NDArray[np.float32]:
    """Return white noise of mean 0 and standard deviation 1, flattened ``(256 * 256,)``."""
    return _filtered_noise("white", exponent=0.0)


def lookup(texture: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read a tileable texture at any coordinates, in texels, nearest neighbour."""
    index = y.astype(np.int32) & (TILE - 1)
    index = (index * TILE) + (x.astype(np.int32) & (TILE - 1))
    # Indexing with 32-bit integers is four times faster than take() here.
    values: NDArray[np.float32] = texture[index]
    return values


def _filtered_noise(name: str, exponent: float) -> NDArray[np.float32]:
    noise = randomness.normal(randomness.keys(name, np.arange(TILE)), "noise", TILE)
    frequency = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.rfftfreq(TILE)) * TILE
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(np.fft.rfft2(noise) * frequency**-exponent, (TILE, TILE)) if exponent else noise
    normalized: NDArray[np.float32] = ((field - field.mean()) / field.std()).astype(np.float32)
    return normalized.ravel()


@functools.cache
def sprites() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw the shapes.

    Returns:
        Opacity and shade, 0-1, each flattened from ``(sprite, row, column)``, the bottom row first. Shade below zero
        marks trunks and poles, which take no leaf colour.
    """
    height, width = SPRITE_ROWS, SPRITE_COLUMNS
    y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width * 2 - 1, indexing="ij")
    rough = 0.18 * fractal().reshape(TILE, TILE)[:height, :width]
    speckle = 0.10 * grain().reshape(TILE, TILE)[:height, :width]
    leaf_shade = np.clip(0.55 + 0.45 * y - 0.12 * x + speckle, 0.2, 1.2)
    alpha = np.zeros((len(SPRITES), height, width))
    shade = np.tile(leaf_shade, (len(SPRITES), 1, 1))

    def stem(kind: int, mask: NDArray[np.bool_]) -> None:
        free = mask & (alpha[kind] < 0.5)
        alpha[kind][free] = 1
        shade[kind][free] = -0.5

    alpha[BROADLEAF] = (x / 0.95) ** 2 + ((y - 0.63) / 0.37) ** 2 + rough < 1
    stem(BROADLEAF, (np.abs(x) < 0.10) & (y < 0.5))
    branches = (np.abs(np.abs(x) - 0.9 * (y - 0.3)) < 0.08) | (np.abs(np.abs(x) - 0.45 * (y - 0.45)) < 0.06)
    stem(BARE_TREE, (np.abs(x) < 0.09 * (1.2 - y)) | (branches & (y > 0.3) & (y < 0.95)))
    tiers = 0.8 * (1 - y) * (1 + 0.35 * ((y * 6) % 1 < 0.5)) + 0.3 * rough
    alpha[CONIFER] = (np.abs(x) < tiers) & (y > 0.1)
    stem(CONIFER, (np.abs(x) < 0.1) & (y < 0.12))
    radius, angle = np.hypot(x, (y - 0.82) * 2.4), np.arctan2((y - 0.82) * 2.4, x)
    alpha[PALM] = (radius < 0.35 + 0.6 * np.abs(np.cos(3.5 * angle)) ** 2) & (y > 0.55)
    stem(PALM, (np.abs(x - 0.1 * np.sin(3 * y)) < 0.08) & (y < 0.82))
    alpha[ACACIA] = (np.abs(x) < 0.98) & (np.abs(y - 0.84 + 0.08 * x**2) < 0.12 + 0.3 * rough)
    stem(ACACIA, (np.abs(np.abs(x) - np.maximum(y - 0.25, 0) * 0.55) < 0.07) & (y < 0.8))
    alpha[SHRUB] = x**2 + ((y - 0.1) / 0.85) ** 2 + 1.2 * rough < 0.95
    arm = (np.abs(np.abs(x) - 0.55) < 0.14) & (y > 0.42) & (y < 0.75)
    link = (np.abs(x) < 0.6) & (np.abs(y - 0.45) < 0.05)
    alpha[CACTUS] = ((np.abs(x) < 0.17) & (y < 0.97)) | arm | link
    stem(LAMP, (np.abs(x + 0.5) < 0.05) | ((np.abs(y - 0.96) < 0.02) & (x > -0.5) & (x < 0.5)))
    # The only bright thing: the lamp itself.
    bulb = (np.abs(x - 0.45) < 0.22) & (np.abs(y - 0.93) < 0.04)
    alpha[LAMP][bulb], shade[LAMP][bulb] = 1, 2.0
    stem(POLE, (np.abs(x) < 0.06) | ((np.abs(y - 0.9) < 0.02) & (np.abs(x) < 0.5)))
    head = (x / 0.35) ** 2 + ((y - 0.89) / 0.09) ** 2 < 1
    alpha[PERSON] = (np.abs(x) < 0.55) & (y > 0.42) & (y < 0.80)
    stem(PERSON, head | ((np.abs(np.abs(x) - 0.25) < 0.2) & (y <= 0.42)))
    alpha[CAR] = ((np.abs(x) < 0.95) & (y > 0.18) & (y < 0.6)) | ((np.abs(x) < 0.65) & (y > 0.18) & (y < 0.98))
    shade[CAR] = np.where((np.abs(x) < 0.55) & (y > 0.6) & (y < 0.9), 0.3, 0.95)
    stem(CAR, (np.hypot(np.abs(x) - 0.6, (y - 0.15) * 1.6) < 0.2))
    shade[CAR][shade[CAR] < 0] = -0.15
    alpha[HOUSE] = 1
    windows = ((x * 2.5) % 1 > 0.45) & ((y * 4) % 1 > 0.4) & (np.abs(x) < 0.92) & (y < 0.95)
    shade[HOUSE] = np.where(windows, 0.45, 0.95 + 0.5 * speckle)
    return alpha.astype(np.float32).ravel(), shade.astype(np.float32).ravel()
