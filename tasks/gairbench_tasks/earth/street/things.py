"""Paint upright things: plants, buildings, street furniture, people and cars, layer by layer from far to near.

At each distance the world is cut into cells some metres wide; a hash of the photo and the cell decides what stands in
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.street import textures
from gairbench_tasks.earth.street.look import ROWS, SIZE, Canvas, Floats, Look, chance, f32
from gairbench_tasks.earth.street.photo_arrays import PhotoArrays
from gairbench_tasks.earth.street.scene import DRIVING, FIELDS, WALKING, Scenes
from gairbench_tasks.earth.street.textures import (
    ACACIA,
    BARE_TREE,
    BROADLEAF,
    CACTUS,
    CAR,
    CONIFER,
    HOUSE,
    LAMP,
    PALM,
    PERSON,
    POLE,
    SHRUB,
    SPRITE_COLUMNS,
    SPRITE_ROWS,
)

DISTANCES = (70.0, 38.0, 22.0, 13.0, 8.0)
"""Metres from the camera to the layers, far to near."""

# By distance, the share of trees left standing, since near ones would hide everything.
_PLANT_SHARE = (0.90, 0.81, 0.68, 0.41, 0.23)
_WALLS = np.array([[0.80, 0.76, 0.68], [0.62, 0.38, 0.30], [0.70, 0.70, 0.72], [0.86, 0.84, 0.80], [0.50, 0.47, 0.45]])
_FURNITURE = np.array([LAMP, POLE, PERSON, CAR])
_FURNITURE_HEIGHT = np.array([6.5, 7.5, 1.75, 1.5])
# Width of a thing as a share of its cell's.
_FURNITURE_SHARE = np.array([0.5, 0.3, 0.28, 1.0])


@dataclass(frozen=True, slots=True)
class _Cells(PhotoArrays):
    """The cells of one layer that have something in them, by the columns of the pictures they span.

    Args:
        column: Index of the column in all photos' columns.
        photo: Index of the photo.
        far: Distance in metres.
        centre: Sideways position of the cell's centre in metres.
        within: Position of the column in the cell, 0-1.
        draw: ``(n, 4)`` the cell's random numbers, 0-1.
    """

    column: NDArray[np.int64]
    photo: NDArray[np.int64]
    far: Floats
    centre: Floats
    within: Floats
    draw: Floats


def paint_things(canvas: Canvas, s: Scenes, look: Look) -> None:
    """Paint all layers, each over the one behind it."""
    for layer, distance in enumerate(DISTANCES):
        _plants(canvas, s, look, layer, distance)
        if layer in (1, 2):
            _buildings(canvas, s, look, layer, distance)
        if layer >= 2:
            _furniture(canvas, s, look, layer, distance)


def _plants(canvas: Canvas, s: Scenes, look: Look, layer: int, distance: float) -> None:
    trees, shrubs = s.trees * _PLANT_SHARE[layer], 0.8 * s.shrubs
    # A crown is about half as wide as the tree is tall.
    cell = f32(np.clip(0.55 * s.tree_height, 2.5, 9))
    # The first random number is a tree's below the one bound and a shrub's above the other.
    cells = _occupied(s, look, f"plants {layer}", distance, cell, trees, shrubs, margin=2.0)
    p, draw = cells.photo, cells.draw
    is_tree = draw[:, 0] < trees[p]
    desert = (s.humidity < 0.1) & (s.warmth > 0.5)
    low = np.where(desert[p] & (draw[:, 1] < 0.35), CACTUS, SHRUB)
    sprite = np.where(is_tree, _tree_kinds(s, p, draw[:, 1]), low)
    tallness = 0.6 + 0.7 * draw[:, 2]
    height = tallness * np.where(is_tree, s.tree_height[p], np.where(low == CACTUS, 2.6, 1.3))
    slim = (sprite == CONIFER) | (sprite == CACTUS)
    share = np.where(slim, 0.45, 0.85) * (0.75 + 0.25 * draw[:, 3]) * np.where(is_tree, 1.0, 0.6)
    green = np.where((sprite == CONIFER)[:, None], look.needles[p], look.leaves[p])
    _draw(canvas, look, cells, sprite, share, height, green * (0.75 + 0.5 * draw[:, 3, None]))


def _tree_kinds(s: Scenes, photo: NDArray[np.int64], draw: Floats) -> NDArray[np.int64]:
    bare = (1 - s.foliage)[photo] > 0.3 + 0.6 * ((draw * 7) % 1)
    savanna = ((s.tropical & (s.humidity < 0.8)) | (s.arid & (s.warmth > 0.6)))[photo]
    kind = np.where(bare, BARE_TREE, BROADLEAF)
    kind = np.where(savanna & (draw > 0.45), ACACIA, kind)
    kind = np.where(s.tropical[photo] & (draw > 0.72), PALM, kind)
    return np.where(draw < s.needleleaf[photo], CONIFER, kind)


def _buildings(canvas: Canvas, s: Scenes, look: Look, layer: int, distance: float) -> None:
    # Farmhouses stand in the fields, but few.
    density = np.where(s.platform == FIELDS, 0.2, 0.85) * s.built
    cells = _occupied(s, look, f"houses {layer}", distance, np.full(len(s), 9.0), density, None, margin=3.5)
    p, draw = cells.photo, cells.draw
    floors = 1.2 + 9 * s.built[p] ** 2 * draw[:, 1] ** 1.5
    rgb = _WALLS[(draw[:, 2] * len(_WALLS)).astype(np.int64)] * (0.7 + 0.4 * draw[:, 3, None])
    _draw(canvas, look, cells, np.full(len(p), HOUSE), 0.75 + 0.25 * draw[:, 3], 3.0 * floors, rgb)


def _furniture(canvas: Canvas, s: Scenes, look: Look, layer: int, distance: float) -> None:
    weights = np.stack([0.18 * s.lamps, 0.06 * (0.3 + s.built), 0.28 * s.people, 0.30 * s.traffic], axis=1)
    bounds = weights.cumsum(axis=1)
    cells = _occupied(
        s, look, f"furniture {layer}", 0.92 * distance, np.full(len(s), 2.6), bounds[:, -1], None, margin=None
    )
    which = (cells.draw[:, 0, None] >= bounds[cells.photo, :-1]).sum(axis=1)
    # Cars keep to the road when it is one, people may walk on pavements; nothing else stands on the surface.
    platform = s.platform[cells.photo]
    allowed = ((_FURNITURE[which] == CAR) & (platform == DRIVING)) | (
        (_FURNITURE[which] == PERSON) & (platform == WALKING)
    )
    keep = np.flatnonzero(allowed | _beside_surface(look, cells, 0.4))
    cells, which = cells.take(keep), which[keep]
    p, draw = cells.photo, cells.draw
    night = np.clip(1 - s.sun_elevation[p] / 6, 0, 1)[:, None]
    bulb = np.array([0.55, 0.55, 0.5]) + night * np.array([2.5, 2.1, 1.2])
    body = 0.15 + 0.75 * np.stack([draw[:, 2], draw[:, 3], (draw[:, 2] * 5) % 1], axis=1)
    sprite = _FURNITURE[which]
    height = _FURNITURE_HEIGHT[which] * (0.9 + 0.2 * draw[:, 1])
    _draw(canvas, look, cells, sprite, _FURNITURE_SHARE[which], height, np.where((sprite == LAMP)[:, None], bulb, body))


def _occupied(
    s: Scenes,
    look: Look,
    name: str,
    distance: float,
    cell: NDArray[np.floating],
    below: NDArray[np.float64],
    above: NDArray[np.float64] | None,
    margin: float | None,
) -> _Cells:
    """Find the columns whose cell holds something: its first random number is below or above a photo's bounds.

    Args:
        s: Scenes.
        look: Their look.
        name: Seeds the cells.
        distance: Metres.
        cell: ``(photo,)`` width in metres.
        below: ``(photo,)`` share of the cells taken by the one kind of thing.
        above: ``(photo,)`` share taken by another kind.
        margin: Metres kept clear on either side of the surface; ``None``: not even the surface.
    """
    far = distance * chance(s.key, f"{name} distance", 0.85, 1.2)
    shift = 7 * chance(s.key, f"{name} shift")
    cell = f32(cell)
    position = look.ray * (far / cell)[:, None] + shift[:, None]
    index = np.floor(position)
    bits = randomness.hash64(
        randomness.hash64(s.key ^ randomness.name_hash(name))[:, None] + index.astype(np.int64).astype(np.uint64)
    )
    # Four numbers of 16 bits each: plenty for sizes and shades.
    first = (bits & np.uint64(0xFFFF)).astype(np.float32) / np.float32(65536)
    taken = first < f32(below)[:, None]
    if above is not None:
        taken |= first > 1 - f32(above)[:, None]
    column = np.flatnonzero(taken)
    photo = column // SIZE
    bits = bits.ravel()[column]
    draw = np.stack([bits >> np.uint64(shift) & np.uint64(0xFFFF) for shift in (0, 16, 32, 48)], axis=1)
    cells = _Cells(
        column=column,
        photo=photo,
        far=far[photo],
        centre=(index.ravel()[column] + np.float32(0.5) - shift[photo]) * cell[photo],
        within=(position - index).ravel()[column],
        draw=draw.astype(np.float32) / np.float32(65536),
    )
    return cells if margin is None else cells.take(np.flatnonzero(_beside_surface(look, cells, margin)))


def _beside_surface(look: Look, cells: _Cells, margin: float) -> NDArray[np.bool_]:
    p = cells.photo
    across = cells.centre * look.cos[p] - cells.far * look.sin[p] - look.offset[p]
    beside: NDArray[np.bool_] = np.abs(across) > look.half_width[p] + margin
    return beside


def _draw(
    canvas: Canvas,
    look: Look,
    cells: _Cells,
    sprite: NDArray[np.int64],
    share: NDArray[np.floating],
    height: NDArray[np.floating],
    rgb: NDArray[np.floating],
) -> None:
    """Paint one sprite per cell, standing on the ground, ``height`` metres tall and ``share`` of the cell wide."""
    opacity, shade = textures.sprites()
    across = (cells.within - 0.5) / share + 0.5
    seen = np.flatnonzero((across >= 0) & (across < 1))
    if not len(seen):
        return
    cells, across, sprite = cells.take(seen), across[seen], sprite[seen]
    p = cells.photo
    scale = look.focal[p] / cells.far
    base = look.horizon.ravel()[cells.column] + look.camera[p] * scale
    tall = (height[seen] * scale).astype(np.float32)
    first, last = max(int((base - tall).min()), 0), min(int(np.ceil(base.max())) + 1, SIZE)
    if first >= last:
        return
    up = (base[:, None] - ROWS[first:last]) * (SPRITE_ROWS / tall)[:, None]
    inside = (up >= 0) & (up < SPRITE_ROWS)
    texel = (up * inside).astype(np.int32) * SPRITE_COLUMNS
    texel += (sprite * (SPRITE_ROWS * SPRITE_COLUMNS) + (across * SPRITE_COLUMNS).astype(np.int64)).astype(np.int32)[
        :, None
    ]
    alpha = opacity[texel] * inside
    tone = shade[texel]
    stem = alpha * (tone < 0)
    tone = np.maximum(tone, 0) * alpha
    haze = (cells.far / (cells.far + look.visibility[p]))[:, None]
    air = haze * look.skyline[p]
    body = ((1 - haze) * rgb[seen] + air).astype(np.float32)
    bark = (1 - haze) * look.bark[p] + air
    for c in range(3):
        pixels = canvas[c].reshape(-1, SIZE)
        behind = pixels[cells.column, first:last]
        behind += stem * bark[:, c, None] + tone * body[:, c, None] - alpha * behind
        pixels[cells.column, first:last] = behind
