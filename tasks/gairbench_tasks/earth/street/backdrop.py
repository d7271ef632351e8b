"""Paint the sky, the hills and the edge of the woods."""

from __future__ import annotations

import numpy as np

from gairbench_tasks.earth.street import textures
from gairbench_tasks.earth.street.look import ROWS, Canvas, Floats, Look, chance, f32, spread
from gairbench_tasks.earth.street.scene import Scenes


def paint_sky(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint a gradient from the skyline to the zenith, clouds in perspective and the sun."""
    last = _last_row(look)
    up = f32(np.maximum(look.horizon[:, :, None] - ROWS[:last], 0) / spread(look.focal))
    blend = up / (up + 0.35)
    # Clouds lie on a plane, seen in perspective.
    far = f32(34 / (up + 0.12))
    noise = textures.lookup(
        textures.fractal(),
        far * look.ray[:, :, None] + spread(chance(s.key, "cloud x", 0, 256)),
        far + spread(chance(s.key, "cloud y", 0, 256)),
    )
    clouds = np.clip(1.4 * noise + spread(4.5 * s.clouds - 2.7), 0, 1) * np.minimum(6 * up, 1) * 0.9
    # The disc itself is seldom in the picture; its glow often is.
    ahead = np.abs(s.sun_bearing) < 60
    dx = look.ray - f32(np.tan(np.radians(np.where(ahead, s.sun_bearing, 0))))[:, None]
    dy = up - spread(np.tan(np.radians(np.clip(s.sun_elevation, 0, 70))))
    glow = spread(0.02 * ahead * (1 - 0.9 * s.clouds) * (s.sun_elevation > -2)) / (dx[:, :, None] ** 2 + dy**2 + 0.012)
    for c in range(3):
        low, high = spread(look.skyline[:, c]), spread(look.zenith[:, c])
        sky = low + blend * (high - low)
        sky += clouds * (spread(look.cloud[:, c]) - sky)
        sky += glow
        canvas[c][:, :, :last] = sky


def paint_terrain(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint two ridges, high where relief and elevation are, with snow caps above the snow line."""
    rugged = 0.75 * np.clip(s.relief / 500, 0, 1) + 0.25 * np.clip(s.elevation / 4500, 0, 1)
    snow_line = 600 + 4800 * s.warmth
    cap = spread(np.clip((s.elevation - snow_line) / 1500, 0, 1))
    last = _last_row(look)
    above = look.horizon[:, :, None] - ROWS[:last]
    azimuth = _azimuth(s, look)
    for ridge, (distance, share) in enumerate(((9000.0, 1.0), (3500.0, 0.55))):
        row = f32(chance(s.key, "ridges", 0, 256) + 37 * ridge)[:, None]
        profile = textures.lookup(textures.fractal(), azimuth * (1.3 + 1.1 * ridge), row)
        tangent = 0.02 + 0.42 * share * f32(rugged)[:, None] * np.clip(0.55 + 0.45 * profile, 0.05, 2)
        crest = (tangent * look.focal[:, None])[:, :, None]
        mask = np.clip(crest - above + 0.5, 0, 1)
        haze = (distance / (distance + 0.5 * look.visibility))[:, None]
        rgb = (1 - haze) * look.hills * 0.85 + haze * look.skyline
        white = np.clip(4 * above / np.maximum(crest, 1) - 3, 0, 1) * (cap * share)
        for c in range(3):
            body = spread(rgb[:, c])
            layer = canvas[c][:, :, :last]
            layer += mask * (body + white * (0.93 - body) - layer)


def paint_woods(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint the edge of the woods, some hundred metres away."""
    distance = 400.0
    last = _last_row(look)
    azimuth = _azimuth(s, look)
    row = chance(s.key, "woods", 0, 256)[:, None]
    jagged = 0.2 * textures.lookup(textures.fractal(), azimuth * 3.5, row)
    jagged += 0.22 * textures.lookup(textures.white(), azimuth * 2.6, row)
    crest = f32(s.trees * s.tree_height / 260)[:, None] * (1 + jagged) * look.focal[:, None]
    mask = np.clip((crest - look.horizon)[:, :, None] + (ROWS[:last] + 0.5), 0, 1)
    haze = (distance / (distance + look.visibility))[:, None]
    rgb = (1 - haze) * look.leaves * 0.75 + haze * look.skyline
    for c in range(3):
        layer = canvas[c][:, :, :last]
        layer += mask * (spread(rgb[:, c]) - layer)


def _last_row(look: Look) -> int:
    return int(np.ceil(look.horizon.max())) + 1


def _azimuth(s: Scenes, look: Look) -> Floats:
    return np.degrees(np.arctan(look.ray)) + f32(s.heading)[:, None]
