"""Paint the ground plane and the road, path or track on it."""

from __future__ import annotations

import numpy as np

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.street import textures
from gairbench_tasks.earth.street.look import ROWS, Canvas, Floats, Look, chance, cycle, f32, spread
from gairbench_tasks.earth.street.scene import CYCLING, DRIVING, FIELDS, RAILWAY, TUNNEL, WALKING, Scenes


def paint_ground(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint turf, soil, furrows, pools, litter, and the surface with its markings and cracks."""
    first = max(int(np.floor(look.horizon.min())), 0)
    down = ROWS[first:] - look.horizon[:, :, None]
    depth = (look.camera * look.focal)[:, None, None] / np.maximum(down, 0.35)
    x = look.ray[:, :, None] * depth
    # One pixel's footprint on the ground in metres: detail finer than that fades.
    footprint = depth / look.focal[:, None, None]
    shift_x, shift_z = spread(chance(s.key, "ground x", 0, 256)), spread(chance(s.key, "ground z", 0, 256))
    grains = textures.lookup(textures.grain(), 9 * x + shift_x, 9 * depth + shift_z)
    patches = textures.lookup(textures.fractal(), 1.6 * x + shift_z, 1.6 * depth + shift_x)
    fade = 1 / (1 + 6 * footprint)

    mix = 0.55 * patches + spread(0.05 + 0.5 * s.bare)
    tilled = np.flatnonzero(s.crops & (s.snow < 0.6))
    mix[tilled] += 0.5 * _furrows(s.take(tilled), x[tilled], depth[tilled], footprint[tilled])
    np.clip(mix, 0, 1, out=mix)
    pools = np.flatnonzero(s.wetland)
    wet = np.clip(2.7 * patches[pools] - 0.8, 0, 0.9)

    sin, cos = spread(look.sin), spread(look.cos)
    across = x * cos - depth * sin - spread(look.offset)
    along = x * sin + depth * cos
    surface, marks = _surface(s, look, across, along, footprint)
    cracks = textures.lookup(textures.fractal(), 14 * across + shift_x, 5 * along + shift_x)
    intact = 1 - np.clip(1 - 9 * np.abs(cracks), 0, 1) * (spread(0.55 * s.wear) * fade)
    litter = (grains > spread(3.0 - 1.3 * s.litter)) * np.clip(1.2 - 3 * footprint, 0, 1)
    relative = 1 + 0.10 * fade * grains
    haze = depth / (depth + spread(look.visibility))
    is_ground = down > 0
    for c in range(3):
        turf = spread(look.turf[:, c])
        colour = turf + mix * (0.9 * spread(look.soil[:, c]) - turf)
        colour[pools] += wet * (0.8 * spread(look.zenith[pools, c]) - colour[pools])
        road = spread(look.pavement[:, c]) * intact
        road += marks * (spread(look.paint[:, c]) - road)
        colour += surface * (road - colour)
        colour *= relative
        colour += litter * (0.85 - colour)
        colour += haze * (spread(look.skyline[:, c]) - colour)
        layer = canvas[c][:, :, first:]
        layer += is_ground * (colour - layer)


def _furrows(s: Scenes, x: Floats, depth: Floats, footprint: Floats) -> Floats:
    spacing = spread(chance(s.key, "rows", 0.8, 2.2))
    bearing = chance(s.key, "furrows", 0, np.pi)
    position = x * spread(np.cos(bearing)) + depth * spread(np.sin(bearing))
    furrows: Floats = np.sin(position * (2 * np.pi / spacing)) / (1 + (3 * footprint / spacing) ** 2)
    return furrows


def _surface(s: Scenes, look: Look, across: Floats, along: Floats, footprint: Floats) -> tuple[Floats, Floats]:
    """Return where the surface lies, 0-1, and its marks: 1 in the colour of paint or rails, below 0 darkened."""
    offside = np.abs(across)
    half = spread(look.half_width)
    surface = np.clip((half - offside) / footprint + 0.5, 0, 1)
    marks = np.zeros_like(surface)
    phase = spread(chance(s.key, "phase", 0, 6))
    for kind in (DRIVING, WALKING, CYCLING, RAILWAY, FIELDS, TUNNEL):
        photos = np.flatnonzero(s.platform == kind)
        if not len(photos):
            continue
        key, px, h = s.key[photos], footprint[photos], half[photos]
        a, o, z = across[photos], offside[photos], along[photos] + phase[photos]
        if kind in (DRIVING, CYCLING, TUNNEL):
            width = 0.09 if kind == CYCLING else 0.14
            edges, dashes = _stripe(f32(o - h + 0.3), width, px), _stripe(a, width, px) * (cycle(z, 6) < 0.5)
            style = randomness.choice(key, "style", (2, 1, 1, 2))[:, None, None]  # dashes, edges, both, none
            drawn = np.maximum(edges * ((style == 1) | (style == 2)), dashes * ((style == 0) | (style == 2)))
        elif kind == WALKING:
            tile = spread(chance(key, "tiles", 0.45, 0.9))
            joints = ((cycle(a, tile) < 0.1) | (cycle(z, tile) < 0.1)) / (1 + 10 * px)
            kerbs = _stripe(o - h, 0.2, px)
            drawn = kerbs - (0.6 * joints) * (1 - kerbs) * spread(chance(key, "tiled") < 0.6)
        elif kind == RAILWAY:
            rails = _stripe(f32(o - 0.72), 0.11, px)
            sleepers = ((cycle(z, 0.65) < 0.43) & (o < 1.3)) / (1 + 2 * px)
            drawn = rails - (0.35 * sleepers) * (1 - rails)
        else:
            # Two wheel tracks, often faint.
            ruts = np.maximum(_stripe(a - 0.75, 0.5, px), _stripe(a + 0.75, 0.5, px))
            surface[photos] *= ruts * spread(np.maximum(chance(key, "ruts", -0.1, 1), 0))
            continue
        marks[photos] = drawn
    return surface, marks


def _stripe(offset: Floats, width: float, footprint: Floats) -> Floats:
    """Return how much of each pixel a line covers, 0-1."""
    covered: Floats = np.clip((width / 2 - np.abs(offset)) / footprint + 0.5, 0, 1)
    covered *= np.minimum(2 * width / footprint, 1)
    return covered
