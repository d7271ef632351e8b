"""How a scene is seen: optics, position of the camera, and the colours of light and surfaces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.street.photo_arrays import PhotoArrays
from gairbench_tasks.earth.street.scene import (
    CYCLING,
    RAILWAY,
    RAINY,
    SIDE,
    TUNNEL,
    WALKING,
    Scenes,
)

SIZE = 64
"""Height and width of a photo in pixels."""

Floats = NDArray[np.float32]
Canvas = tuple[Floats, Floats, Floats]
"""Red, green and blue, each ``(photo, column, row)``: upright things are contiguous."""

ROWS = np.arange(SIZE, dtype=np.float32) + np.float32(0.5)
COLUMNS = np.arange(SIZE, dtype=np.float32) - np.float32((SIZE - 1) / 2)

# Half the carriageway, pavement, cycle track, track bed, farm track or tube, in metres, by platform.
_HALF_WIDTH = np.array([3.4, 1.1, 1.4, 1.9, 1.1, 3.8])
# Distance in metres at which half the colour is the air's, by weather.
_VISIBILITY = np.array([30_000.0, 12_000.0, 500.0, 300.0, 70.0])
_WHITE = np.array([0.90, 0.92, 0.96])


@dataclass(frozen=True, slots=True)
class Look(PhotoArrays):
    """Camera, geometry and palette, one entry per photo; colours are ``(n, 3)`` in daylight, 0-1.

    Args:
        focal: Focal length in pixels.
        camera: Height of the camera in metres.
        ray: ``(n, 64)`` sideways offset per metre of depth, by column.
        horizon: ``(n, 64)`` row of the horizon, by column.
        visibility: Metres.
        half_width: Half the width in metres of the surface the camera stands on or beside.
        sin: Sine of the angle between the view direction and the surface's direction.
        cos: Its cosine.
        offset: Sideways distance in metres of the camera from the surface's middle line.
        zenith: Sky overhead.
        skyline: Sky at the horizon, and of far things.
        cloud: Clouds.
        soil: Bare ground.
        turf: Covered ground.
        leaves: Broad leaves.
        needles: Conifers.
        bark: Trunks, poles, dark things.
        hills: Far terrain.
        pavement: The surface.
        paint: Markings, rails.
        light: Brightness and tint of the daylight.
    """

    focal: Floats
    camera: Floats
    ray: Floats
    horizon: Floats
    visibility: Floats
    half_width: Floats
    sin: Floats
    cos: Floats
    offset: Floats
    zenith: Floats
    skyline: Floats
    cloud: Floats
    soil: Floats
    turf: Floats
    leaves: Floats
    needles: Floats
    bark: Floats
    hills: Floats
    pavement: Floats
    paint: Floats
    light: Floats


def chance(key: NDArray[np.uint64], stream: str, low: float = 0.0, high: float = 1.0) -> Floats:
    """Draw one uniform number per photo."""
    return f32(low + (high - low) * randomness.uniform(key, stream))


def f32(values: NDArray[np.floating] | NDArray[np.bool_]) -> Floats:
    """Return single-precision values."""
    return np.asarray(values, dtype=np.float32)


def spread(values: NDArray[np.floating] | NDArray[np.bool_]) -> Floats:
    """Shape one value per photo to broadcast over ``(photo, column, row)``."""
    shaped: Floats = f32(values)[:, None, None]
    return shaped


def cycle(position: Floats, period: Floats | float) -> Floats:
    """Return the position within a period, 0-1; many times faster than the remainder."""
    turns = position / period
    phase: Floats = turns - np.floor(turns)
    return phase


def look_at(s: Scenes) -> Look:
    """Choose the camera and mix the colours of scenes."""
    key = s.key
    column = COLUMNS
    focal = SIZE / 2 / np.tan(np.radians(chance(key, "field of view", 60, 95) / 2))
    roll = np.radians(2.5 * randomness.normal(key, "roll"))
    half_width = _HALF_WIDTH[s.platform] * chance(key, "width", 0.75, 1.35)
    side = s.view == SIDE
    turn = np.radians(np.where(side, 90 + chance(key, "turn", -14, 14), chance(key, "turn", -11, 11)))
    # Looking along the surface, the camera stands on it; looking across, just beside it.
    offset = np.where(
        side,
        -(half_width * chance(key, "stand", 1.0, 1.5) + chance(key, "back", 0.6, 3.0)),
        half_width * chance(key, "stand", -0.6, 0.6),
    )

    overcast, low_sun = s.clouds[:, None], np.clip(1 - s.sun_elevation / 18, 0, 1)[:, None]
    grey = np.array([0.74, 0.76, 0.79]) * chance(key, "grey", 0.75, 1.1)[:, None]
    blue = np.array([0.30, 0.50, 0.82]) * chance(key, "blue", 0.85, 1.15)[:, None]
    pale = np.array([0.72, 0.82, 0.92]) - 0.12 * (1 - s.humidity)[:, None] * np.array([0.0, 0.3, 1.0])
    pale = pale * (1 - 0.5 * low_sun) + 0.5 * low_sun * np.array([0.95, 0.66, 0.42])

    snow, bare = s.snow[:, None], s.bare[:, None]
    # Blue Marble is dark: lift the pixel to the brightness of a sunlit surface, keep its hue.
    rgb = s.surface_rgb + 0.04
    ground = rgb / rgb.max(axis=1, keepdims=True) * chance(key, "soil", 0.45, 0.75)[:, None]
    ground = 0.7 * ground + 0.3 * np.array([0.55, 0.45, 0.33]) * chance(key, "soil tone", 0.7, 1.3)[:, None]
    soil = ground * (1 - 0.9 * snow) + 0.9 * snow * _WHITE
    lush = np.clip(0.25 + 0.5 * s.greenness + 0.3 * s.humidity + chance(key, "lush", -0.3, 0.3), 0, 1)
    lush = (lush * (0.45 + 0.55 * s.foliage))[:, None]
    grass = (1 - lush) * np.array([0.62, 0.55, 0.33]) + lush * np.array([0.30, 0.46, 0.16])
    grass = grass * (1 + 0.12 * randomness.normal(key, "grass tone", 3))
    leaves = (1 - lush) * np.array([0.42, 0.42, 0.22]) + lush * np.array([0.17, 0.34, 0.11])
    autumn = ((np.abs(s.foliage - 0.5) < 0.2) * chance(key, "autumn", 0, 0.8))[:, None]
    leaves = leaves * (1 - autumn) + autumn * np.array([0.60, 0.36, 0.12])
    leaves = leaves * (1 + 0.15 * randomness.normal(key, "leaf tone", 3))
    light = np.clip((s.sun_elevation + 7) / 22, 0.10, 1)[:, None]
    warm = np.array([0.10, 0.0, -0.14]) * low_sun * (1 - overcast)
    gloom = 0.25 * overcast * chance(key, "gloom")[:, None]
    return Look(
        focal=f32(focal),
        camera=chance(key, "camera height", 1.5, 2.6),
        ray=column / f32(focal)[:, None],
        horizon=(chance(key, "horizon", 0.38, 0.58) * SIZE)[:, None] + f32(roll)[:, None] * column,
        visibility=f32(_VISIBILITY[s.weather] * chance(key, "visibility", 0.6, 1.6)),
        half_width=f32(half_width),
        sin=f32(np.sin(turn)),
        cos=f32(np.cos(turn)),
        offset=f32(offset),
        zenith=f32(blue * (1 - 0.85 * overcast) + 0.85 * overcast * grey),
        skyline=f32(pale * (1 - 0.8 * overcast) + 0.8 * overcast * grey * 1.05),
        cloud=f32(np.array([0.96, 0.96, 0.97]) * (1 - 0.35 * overcast * chance(key, "dark clouds")[:, None])),
        soil=f32(soil),
        turf=f32(((1 - bare) * grass + bare * ground) * (1 - snow) + snow * _WHITE),
        leaves=f32(np.clip(leaves * (1 - 0.5 * snow) + 0.5 * snow * _WHITE, 0.03, 1)),
        needles=f32(np.array([0.12, 0.22, 0.13]) * (1 - 0.35 * snow) + 0.35 * snow * _WHITE),
        bark=f32(np.array([0.30, 0.23, 0.17]) * chance(key, "bark", 0.6, 1.5)[:, None]),
        hills=f32((0.55 * ground + 0.45 * leaves) * (1 - snow) + 0.9 * snow * _WHITE),
        pavement=f32(_pavement(s, ground)),
        paint=f32(_paint(s)),
        light=f32(light * (1 - gloom) * (1 + warm)),
    )


def _pavement(s: Scenes, ground: NDArray[np.float64]) -> NDArray[np.float64]:
    tone = chance(s.key, "pavement", 0.24, 0.55)[:, None]
    rgb = tone * np.array([1.0, 0.99, 0.97]) * (1 + 0.03 * randomness.normal(s.key, "pavement tone", 3))
    unpaved = (chance(s.key, "paved") > 0.45 + 0.9 * s.built) & (s.platform < RAILWAY)
    rgb = np.where(unpaved[:, None], ground * chance(s.key, "dirt", 0.85, 1.1)[:, None], rgb)
    hues = np.array([[0.52, 0.25, 0.20], [0.25, 0.42, 0.27], [0.26, 0.32, 0.50]])
    hue = hues[randomness.choice(s.key, "hue", (1, 1, 1))]
    tinted = np.isin(s.platform, (WALKING, CYCLING)) & (chance(s.key, "tinted") < 0.3)
    rgb = np.where(tinted[:, None], hue, rgb)
    ballast = np.array([0.42, 0.39, 0.36]) * (0.6 + 1.1 * tone)
    rgb = np.where((s.platform == RAILWAY)[:, None], ballast, rgb)
    rgb = np.where((s.platform > RAILWAY)[:, None] & (s.platform < TUNNEL)[:, None], 0.85 * ground, rgb)
    wet = np.where(s.weather == RAINY, 0.75, 1.0)[:, None]
    cover = (0.75 * s.snow * (1 - 0.5 * s.built) * chance(s.key, "ploughed"))[:, None]
    pavement: NDArray[np.float64] = rgb * wet * (1 - cover) + cover * 0.88
    return pavement


def _paint(s: Scenes) -> Floats:
    shade = chance(s.key, "paint", 0.7, 1.05)[:, None]
    rail = (s.platform == RAILWAY)[:, None]
    return shade * f32(np.where(rail, np.array([0.72, 0.70, 0.68]), np.array([0.86, 0.86, 0.84])))
