"""Paint tunnels over everything outside them."""

from __future__ import annotations

import numpy as np

from gairbench_tasks.earth.street import textures
from gairbench_tasks.earth.street.look import ROWS, Canvas, Floats, Look, chance, cycle, spread
from gairbench_tasks.earth.street.scene import TUNNEL, Scenes

_FAR = np.float32(1e4)


def paint_tunnels(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint walls, roof and lamps of a box-shaped tube, open to the outside at its end; the floor is already there."""
    photos = np.flatnonzero(s.platform == TUNNEL)
    if not len(photos):
        return
    look = look.take(photos)
    key = s.key[photos]

    def draw(stream: str, low: float, high: float) -> Floats:
        return spread(chance(key, stream, low, high))

    ray, camera = look.ray[:, :, None], spread(look.camera)
    drop = (ROWS - look.horizon[:, :, None]) / spread(look.focal)
    sin, cos, offset = spread(look.sin), spread(look.cos), spread(look.offset)
    half, roof = spread(look.half_width) + draw("ledge", 0.3, 1.2), draw("roof", 3.2, 5.5)
    # Looking across, the camera stands beside the carriageway, which must not put it behind the wall.
    offset = np.clip(offset, 0.3 - half, half - 0.3)
    # Distance along each ray to the walls, the roof and the floor.
    slope = ray * cos - sin
    wall = (np.sign(slope) * half + offset) / np.where(np.abs(slope) < 1e-3, np.float32(1e-3), slope)
    wall = np.where(wall > 0, wall, _FAR)
    ceiling = np.where(drop < 0, (roof - camera) / np.maximum(-drop, 1e-3), _FAR)
    floor = np.where(drop > 0, camera / np.maximum(drop, 1e-3), _FAR)
    depth = np.minimum(np.minimum(wall, ceiling), floor)
    along = depth * (ray * sin + cos)
    height = camera - drop * depth
    inside = along < draw("exit", 25, 160)
    lamps = (np.abs(height - 0.93 * roof) < 0.25) & (
        cycle(along + draw("lamp phase", 0, 5), draw("lamp gap", 5, 14)) < 0.14
    )
    seams = ((cycle(along, draw("panels", 1.5, 4)) < 0.05) | (np.abs(height - 1.2) < 0.08)) & (wall <= depth)
    dim = draw("dim", 0.25, 0.75) / (1 + depth / 60)
    walls = dim * (1 + 0.08 * textures.lookup(textures.grain(), 8 * along, 8 * height)) * np.where(seams, 0.7, 1)
    sodium = draw("sodium", 0, 1)
    is_floor = floor <= depth
    for c, warm in enumerate((1.0, 0.82, 0.55)):
        # Lamps and headlights light it, not the day, which the exposure will multiply with.
        tint = (1 - sodium * (1 - warm)) / np.maximum(spread(look.light[:, c]), 0.05)
        outside = canvas[c][photos]
        tone = np.where(is_floor, outside * dim * 1.6, walls)
        canvas[c][photos] = np.where(inside, np.where(lamps, 1.1, tone) * tint, outside)
