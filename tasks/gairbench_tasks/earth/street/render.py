"""Render street photos: a pinhole camera over a ground plane, with terrain, plants, buildings and weather."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth.street.backdrop import paint_sky, paint_terrain, paint_woods
from gairbench_tasks.earth.street.exposure import expose
from gairbench_tasks.earth.street.ground import paint_ground
from gairbench_tasks.earth.street.look import SIZE, look_at
from gairbench_tasks.earth.street.scene import Scenes
from gairbench_tasks.earth.street.things import paint_things
from gairbench_tasks.earth.street.tunnel import paint_tunnels

# Photos painted together: enough to hide NumPy's overhead, few enough for the processor's cache.
CHUNK = 128


def render_photos(scenes: Scenes) -> NDArray[np.uint8]:
    """Render photos.

    Args:
        scenes: What each photo shows.

    Returns:
        ``(n, 3, 64, 64)`` RGB, 0-255. A photo depends on its own scene only, not on the others in the batch.
    """
    photos = np.empty((len(scenes), 3, SIZE, SIZE), dtype=np.uint8)
    look = look_at(scenes)
    # Photos with the horizon at the same height share the rows that are sky and the rows that are ground.
    order = look.horizon.mean(axis=1).argsort(kind="stable")
    for start in range(0, len(scenes), CHUNK):
        chosen = order[start : start + CHUNK]
        s, seen = scenes.take(chosen), look.take(chosen)
        red, green, blue = np.zeros((3, len(chosen), SIZE, SIZE), dtype=np.float32)
        canvas = red, green, blue
        paint_sky(canvas, s, seen)
        paint_terrain(canvas, s, seen)
        paint_woods(canvas, s, seen)
        paint_ground(canvas, s, seen)
        paint_things(canvas, s, seen)
        paint_tunnels(canvas, s, seen)
        photos[chosen] = expose(canvas, s, seen)
    return photos
