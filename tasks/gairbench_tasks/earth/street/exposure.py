"""Take the picture: daylight, falling rain and snow, the camera's exposure, colour cast, blur and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.street import textures
from gairbench_tasks.earth.street.look import ROWS, SIZE, Canvas, Look, chance, f32, spread
from gairbench_tasks.earth.street.scene import RAINY, SNOWY, TUNNEL, Scenes


def expose(canvas: Canvas, s: Scenes, look: Look) -> NDArray[np.uint8]:
    """Turn painted scenes into photos, ``(n, 3, 64, 64)`` RGB 0-255."""
    key = s.key
    automatic = 1 / np.sqrt(np.maximum(look.light.mean(axis=1), 0.2))
    exposure = f32(np.exp(0.22 * randomness.normal(key, "exposure"))) * automatic
    cast = f32(np.exp(0.05 * randomness.normal(key, "cast", 3)))
    contrast = spread(chance(key, "contrast", 0.8, 1.2))
    noise = spread(0.012 + 0.05 * chance(key, "noise") ** 3)
    sensor = np.floor(spread(chance(key, "sensor", 0, 65_536)))
    column = np.arange(SIZE, dtype=np.float32)[:, None]
    grain = textures.lookup(textures.white(), column + sensor, ROWS + np.floor(sensor / textures.TILE)) * noise
    falling = np.flatnonzero(((s.weather == RAINY) | (s.weather == SNOWY)) & (s.platform != TUNNEL))
    # Rain falls in streaks, snow in flakes.
    stretch = np.where(s.weather[falling] == SNOWY, 1.0, 7.0)[:, None, None].astype(np.float32)
    drops = textures.lookup(
        textures.white(), column + sensor[falling] + 0.15 * ROWS, np.floor(ROWS / stretch) + 3 + sensor[falling]
    )
    drops = (drops > 2.0) * spread(chance(key[falling], "falling", 0.15, 0.5))
    soft = spread(0.66 * np.maximum(chance(key, "blur", -0.4, 0.7), 0))
    photos = np.empty((len(s), 3, SIZE, SIZE), dtype=np.uint8)
    for c in range(3):
        picture = canvas[c] * spread(exposure * cast[:, c] * look.light[:, c])
        picture[falling] += drops * (0.8 - picture[falling])
        picture[:, 1:-1] += soft * (0.5 * (picture[:, 2:] + picture[:, :-2]) - picture[:, 1:-1])
        picture[:, :, 1:-1] += soft * (0.5 * (picture[:, :, 2:] + picture[:, :, :-2]) - picture[:, :, 1:-1])
        picture = (picture - 0.45) * contrast + 0.45 + grain
        photos[:, c] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(0, 2, 1)
    return photos
