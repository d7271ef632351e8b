"""Render street photos of scenes: a pinhole camera over a ground plane, with terrain, plants, buildings and weather.

Everything is computed for a batch at once. Pictures are held column by column, ``(photo, column, row)`` per channel, since
terrain, plants and buildings are upright: what is constant along a column is computed once for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness, textures
from gairbench_tasks.earth.scene import (
    CYCLING,
    DRIVING,
    FIELDS,
    FOGGY,
    RAILWAY,
    RAINY,
    SNOWY,
    TUNNEL,
    WALKING,
    Scenes,
)
from gairbench_tasks.earth.textures import (
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

SIZE = 64
# Photos rendered together: their channels fit the processor's cache.
CHUNK = 32
# Half the carriageway, path or track bed, in metres, by platform; fields have none.
_HALF_WIDTH = np.array([3.4, 1.1, 1.4, 1.9, 0.0, 3.8])
_VISIBILITY = np.array([30_000.0, 12_000.0, 500.0, 300.0, 70.0])

Floats = NDArray[np.float32]


def render(scenes: Scenes) -> NDArray[np.uint8]:
    """Render photos.

    Args:
        scenes: What each photo shows.

    Returns:
        ``(n, 3, 64, 64)`` RGB, 0-255. A photo depends on its own scene only, not on the others in the batch.
    """
    photos = np.empty((len(scenes), 3, SIZE, SIZE), dtype=np.uint8)
    for start in range(0, len(scenes), CHUNK):
        chunk = slice(start, start + CHUNK)
        photos[chunk] = _Renderer(scenes.take(chunk)).photos()
    return photos


@dataclass(slots=True)
class _Layer:
    """Upright things at one distance, by column of the picture, ``(columns,)`` each.

    ``active``: the columns that have one, as indices into all columns of all photos; the other arrays align with it.
    """

    active: NDArray[np.int64]
    sprite: NDArray[np.int64]
    across: Floats
    base: Floats
    height: Floats
    rgb: Floats
    stem_rgb: Floats


class _Renderer:
    """One batch of photos in the making."""

    def __init__(self, scenes: Scenes) -> None:
        self.s = scenes
        self.n = len(scenes)
        column = np.arange(SIZE, dtype=np.float32) - (SIZE - 1) / 2
        self.focal = _f32(SIZE / 2 / np.tan(np.radians(self._chance("field of view", 60, 95) / 2)))
        self.camera = _f32(self._chance("camera height", 1.5, 2.6))
        roll = _f32(np.radians(2.5 * self._normal("roll")))
        self.ray = column / self.focal[:, None]
        self.horizon = _f32(self._chance("horizon", 0.38, 0.58) * SIZE)[:, None] + roll[:, None] * column
        self.rows = np.arange(SIZE, dtype=np.float32) + 0.5
        self.visibility = _f32(_VISIBILITY[scenes.weather] * self._chance("visibility", 0.6, 1.6))
        self.half_width = _f32(_HALF_WIDTH[scenes.platform] * self._chance("width", 0.75, 1.35))
        side = scenes.view == 1
        turn = np.where(side, 90 + self._chance("turn", -14, 14), self._chance("turn", -11, 11))
        turn = np.radians(turn)
        self.sin, self.cos = _f32(np.sin(turn)), _f32(np.cos(turn))
        # Looking along it, the camera stands on the surface; looking across, just beside it.
        self.offset = _f32(
            np.where(
                side,
                -(self.half_width * self._chance("stand", 1.0, 1.5) + self._chance("back", 0.6, 3.0)),
                self.half_width * self._chance("stand", -0.6, 0.6),
            )
        )
        self._mix_colours()
        self.canvas = [np.empty((self.n, SIZE, SIZE), dtype=np.float32) for _ in range(3)]

    def photos(self) -> NDArray[np.uint8]:
        """Paint from far to near, then expose."""
        self._sky()
        self._terrain()
        self._ground()
        for index, distance in enumerate((70.0, 38.0, 22.0, 13.0, 8.0)):
            self._plants(index, distance)
            if index in (1, 2):
                self._buildings(index, distance)
            if index >= 2:
                self._furniture(index, distance)
        self._tunnels()
        return self._expose()

    def _chance(self, stream: str, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
        return low + (high - low) * randomness.uniform(self.s.key, stream)

    def _normal(self, stream: str) -> NDArray[np.float64]:
        return randomness.normal(self.s.key, stream)

    def _mix_colours(self) -> None:
        s = self.s
        overcast = s.clouds[:, None]
        grey = np.array([0.74, 0.76, 0.79]) * self._chance("grey", 0.75, 1.1)[:, None]
        blue = np.array([0.30, 0.50, 0.82]) * self._chance("blue", 0.85, 1.15)[:, None]
        pale = np.array([0.72, 0.82, 0.92]) - 0.12 * (1 - s.humidity)[:, None] * np.array([0.0, 0.3, 1.0])
        low_sun = np.clip(1 - s.sun_elevation / 18, 0, 1)[:, None]
        pale = pale * (1 - 0.5 * low_sun) + 0.5 * low_sun * np.array([0.95, 0.66, 0.42])
        self.zenith = _f32(blue * (1 - 0.85 * overcast) + 0.85 * overcast * grey)
        self.skyline = _f32(pale * (1 - 0.8 * overcast) + 0.8 * overcast * grey * 1.05)
        self.cloud = _f32(np.array([0.96, 0.96, 0.97]) * (1 - 0.35 * overcast * self._chance("dark clouds")[:, None]))

        # Blue Marble is dark: lift the pixel to the brightness of a sunlit surface, keep its hue.
        rgb = s.surface_rgb + 0.04
        soil = rgb / rgb.max(axis=1, keepdims=True) * self._chance("soil", 0.45, 0.75)[:, None]
        soil = 0.7 * soil + 0.3 * np.array([0.55, 0.45, 0.33]) * self._chance("soil tone", 0.7, 1.3)[:, None]
        lush = np.clip(0.25 + 0.5 * s.greenness + 0.3 * s.humidity + self._chance("lush", -0.3, 0.3), 0, 1)[:, None]
        lush = lush * (0.45 + 0.55 * s.foliage[:, None])
        grass = (1 - lush) * np.array([0.62, 0.55, 0.33]) + lush * np.array([0.30, 0.46, 0.16])
        grass = grass * (1 + 0.12 * self._normals("grass tone", 3))
        leaves = (1 - lush) * np.array([0.42, 0.42, 0.22]) + lush * np.array([0.17, 0.34, 0.11])
        autumn = (np.abs(s.foliage - 0.5) < 0.2)[:, None] * self._chance("autumn", 0, 0.8)[:, None]
        leaves = leaves * (1 - autumn) + autumn * np.array([0.60, 0.36, 0.12])
        leaves = leaves * (1 + 0.15 * self._normals("leaf tone", 3))
        white = np.array([0.90, 0.92, 0.96])
        snow, bare = s.snow[:, None], s.bare[:, None]
        self.soil = _f32(soil * (1 - 0.9 * snow) + 0.9 * snow * white)
        plain = (1 - bare) * grass + bare * soil
        self.turf = _f32(plain * (1 - snow) + snow * white)
        self.leaves = _f32(np.clip(leaves * (1 - 0.5 * snow) + 0.5 * snow * white, 0.03, 1))
        self.needles = _f32(np.array([0.12, 0.22, 0.13]) * (1 - 0.35 * snow) + 0.35 * snow * white)
        self.bark = _f32(np.array([0.30, 0.23, 0.17]) * self._chance("bark", 0.6, 1.5)[:, None])
        hills = 0.55 * soil + 0.45 * leaves
        self.hills = _f32(hills * (1 - snow) + 0.9 * snow * white)

        light = np.clip((s.sun_elevation + 7) / 22, 0.10, 1)[:, None]
        warm = np.array([0.10, 0.0, -0.14]) * low_sun * (1 - overcast)
        self.light = _f32(light * (1 - 0.25 * overcast * self._chance("gloom")[:, None]) * (1 + warm))

    def _normals(self, stream: str, size: int) -> NDArray[np.float64]:
        return randomness.normal(self.s.key, stream, size)

    def _sky(self) -> None:
        last = int(np.ceil(self.horizon.max())) + 1
        focal = self.focal[:, None, None]
        up = np.maximum(self.horizon[:, :, None] - self.rows[:last], 0) / focal
        blend = up / (up + 0.35)
        # Clouds lie on a plane, seen in perspective and turned with the heading.
        far = 34 / (up + 0.12)
        drift = _f32(self._chance("cloud x", 0, 256)), _f32(self._chance("cloud y", 0, 256))
        noise = textures.lookup(
            textures.fractal(), far * self.ray[:, :, None] + drift[0][:, None, None], far + drift[1][:, None, None]
        )
        cover = _f32(3.2 * self.s.clouds - 1.9)[:, None, None]
        clouds = np.clip(1.4 * (noise + cover), 0, 1) * np.minimum(6 * up, 1) * 0.9
        sun = np.radians(self.s.sun_bearing)
        towards = np.abs(self.s.sun_bearing) < 60
        dx = self.ray - _f32(np.tan(np.where(towards, sun, 0)))[:, None]
        dy = up - _f32(np.tan(np.radians(np.clip(self.s.sun_elevation, 0, 70))))[:, None, None]
        glow = _f32(0.02 * towards * (1 - 0.9 * self.s.clouds) * (self.s.sun_elevation > -2))[:, None, None] / (
            dx[:, :, None] ** 2 + dy**2 + 0.012
        )
        for c in range(3):
            low, high = self.skyline[:, c, None, None], self.zenith[:, c, None, None]
            sky = low + blend * (high - low)
            sky += clouds * (self.cloud[:, c, None, None] - sky)
            sky += glow
            self.canvas[c][:, :, :last] = sky

    def _terrain(self) -> None:
        rugged = np.clip(self.s.relief / 500, 0, 1) * 0.75 + np.clip(self.s.elevation / 4500, 0, 1) * 0.25
        azimuth = np.degrees(np.arctan(self.ray)) + _f32(self.s.heading)[:, None]
        skyline = self._chance("ridges", 0, 256)
        last = int(np.ceil(self.horizon.max())) + 1
        above = self.horizon[:, :, None] - self.rows[:last]
        for ridge, (distance, share) in enumerate(((9000.0, 1.0), (3500.0, 0.55), (400.0, 0.0))):
            frequency = 1.3 + 1.1 * ridge
            row = _f32(skyline + 37 * ridge)[:, None]
            profile = textures.lookup(textures.fractal(), azimuth.astype(np.float32) * frequency, row)
            if share:
                tangent = 0.02 + 0.42 * share * rugged[:, None] * np.clip(0.55 + 0.45 * profile, 0.05, 2)
            else:
                # The edge of the woods, some hundred metres away.
                jagged = textures.lookup(textures.white(), azimuth.astype(np.float32) * 2.6, row)
                tangent = (self.s.trees * self.s.tree_height / 260)[:, None] * (1 + 0.22 * jagged + 0.2 * profile)
            crest = _f32(tangent * self.focal[:, None])[:, :, None]
            mask = np.clip(crest - above + 0.5, 0, 1)
            haze = _f32(distance / (distance + self.visibility * (0.5 if share else 1.0)))[:, None]
            body = self.hills if share else self.leaves
            rgb = (1 - haze) * body * (0.85 if share else 0.75) + haze * self.skyline
            cap = _f32(share * np.clip((self.s.elevation - 4800 * self.s.warmth - 600) / 1500, 0, 1))
            white = np.clip((above / np.maximum(crest, 1) - 0.75) * 4, 0, 1) * cap[:, None, None] if share else None
            for c in range(3):
                paint: Floats = rgb[:, c, None, None]
                if white is not None:
                    paint = paint + white * (0.93 - paint)
                layer = self.canvas[c][:, :, :last]
                layer += mask * (paint - layer)

    def _ground(self) -> None:
        s = self.s
        first = max(int(np.floor(self.horizon.min())), 0)
        down = self.rows[first:] - self.horizon[:, :, None]
        is_ground = down > 0
        depth = (self.camera * self.focal)[:, None, None] / np.maximum(down, 0.35)
        x = self.ray[:, :, None] * depth
        # One pixel's footprint on the ground: detail finer than that fades.
        footprint = depth / self.focal[:, None, None]
        shift_x, shift_z = (_f32(self._chance(f"ground {a}", 0, 256))[:, None, None] for a in "xz")
        fine = textures.lookup(textures.grain(), 9 * x + shift_x, 9 * depth + shift_z)
        fine *= 0.10 / (1 + 6 * footprint)
        patches = textures.lookup(textures.fractal(), 1.6 * x + shift_z, 1.6 * depth + shift_x)

        sin, cos = self.sin[:, None, None], self.cos[:, None, None]
        across = x * cos - depth * sin - self.offset[:, None, None]
        along = x * sin + depth * cos

        spacing = _f32(self._chance("rows", 0.8, 2.2))[:, None, None]
        bearing = self._chance("furrows", 0, np.pi)
        furrow = x * _f32(np.cos(bearing))[:, None, None] + depth * _f32(np.sin(bearing))[:, None, None]
        furrows = np.sin(furrow * (2 * np.pi / spacing)) / (1 + (3 * footprint / spacing) ** 2)
        furrows *= _f32(0.5 * s.crops * (s.snow < 0.6))[:, None, None]
        mix = np.clip(0.5 + 0.55 * patches + furrows - _f32(0.45 - 0.5 * s.bare)[:, None, None], 0, 1)
        pools = np.clip(3 * (patches - 0.3), 0, 1) * _f32(0.9 * s.wetland)[:, None, None]

        surface, marks = self._surface(across, along, footprint)
        haze = depth / (depth + self.visibility[:, None, None])
        litter = textures.lookup(textures.white(), 6 * x + shift_z, 6 * depth + shift_z)
        litter = (litter > _f32(3.4 - 1.5 * s.litter)[:, None, None]) * np.clip(1.2 - 3 * footprint, 0, 1)
        cracks = textures.lookup(textures.fractal(), 14 * across + shift_x, 5 * along + shift_x)
        cracks = np.clip(1 - 9 * np.abs(cracks), 0, 1) * _f32(0.55 * s.wear)[:, None, None] / (1 + 8 * footprint)
        pavement = self._pavement()
        paint = self._paint()
        for c in range(3):
            turf, soil = self.turf[:, c, None, None], self.soil[:, c, None, None]
            colour = turf + mix * (0.9 * soil - turf)
            colour += pools * (0.8 * self.zenith[:, c, None, None] - colour)
            road = pavement[:, c, None, None] * (1 - cracks)
            road = road + marks * (paint[:, c, None, None] - road)
            colour += surface * (road - colour)
            colour *= 1 + fine
            colour += litter * (0.85 - colour)
            colour += haze * (self.skyline[:, c, None, None] - colour)
            layer = self.canvas[c][:, :, first:]
            np.copyto(layer, colour, where=is_ground)

    def _pavement(self) -> Floats:
        s = self.s
        tone = self._chance("pavement", 0.24, 0.55)[:, None]
        rgb = tone * np.array([1.0, 0.99, 0.97]) * (1 + 0.03 * self._normals("pavement tone", 3))
        dirt = (self._chance("paved") > 0.45 + 0.9 * s.built)[:, None] & np.isin(
            s.platform, (DRIVING, WALKING, CYCLING)
        )[:, None]
        rgb = np.where(dirt, self.soil * self._chance("dirt", 0.85, 1.1)[:, None], rgb)
        tinted = (s.platform == CYCLING) & (self._chance("tinted") < 0.35)
        hues = np.array([[0.52, 0.25, 0.20], [0.25, 0.42, 0.27], [0.26, 0.32, 0.50]])
        hue = hues[randomness.choice(s.key, "hue", (1, 1, 1))]
        rgb = np.where(tinted[:, None], hue, rgb)
        rgb = np.where((s.platform == RAILWAY)[:, None], np.array([0.42, 0.39, 0.36]) * (0.6 + 1.1 * tone), rgb)
        wet = (0.75 * (s.weather == RAINY) + (s.weather != RAINY))[:, None]
        cover = 0.75 * (s.snow * (1 - 0.5 * s.built) * self._chance("ploughed"))[:, None]
        return _f32(rgb * wet * (1 - cover) + cover * 0.88)

    def _paint(self) -> Floats:
        white = np.array([0.86, 0.86, 0.84]) * self._chance("paint", 0.7, 1.05)[:, None]
        rail = np.array([0.66, 0.64, 0.62]) * self._chance("paint", 0.8, 1.2)[:, None]
        return _f32(np.where((self.s.platform == RAILWAY)[:, None], rail, white))

    def _surface(self, across: Floats, along: Floats, footprint: Floats) -> tuple[Floats, Floats]:
        """Return where the road, path or track lies, and where it is marked, each 0-1."""
        platform = self.s.platform
        half = self.half_width[:, None, None]
        offside = np.abs(across)
        surface = np.clip((half - offside) / footprint + 0.5, 0, 1)
        surface *= _f32(platform != FIELDS)[:, None, None]
        marks = np.zeros_like(surface)
        phase = self._chance("phase", 0, 6)
        for kind in (DRIVING, WALKING, CYCLING, RAILWAY, TUNNEL):
            photos = np.flatnonzero(platform == kind)
            if not len(photos):
                continue
            a, o, z = across[photos], offside[photos], along[photos] + _f32(phase[photos])[:, None, None]
            h, px = half[photos], footprint[photos]
            if kind in (DRIVING, TUNNEL, CYCLING):
                line = 0.14 if kind != CYCLING else 0.09
                edge = _stripe(o - (h - 0.3), line, px)
                dash = _stripe(a, line, px) * (z % 6 < 3)
                style = randomness.choice(self.s.key[photos], "style", (2, 1, 1, 2))[:, None, None]
                drawn = np.maximum(edge * (style >= 1), dash * (style != 1)) * (style < 3)
            elif kind == WALKING:
                tile = _f32(self._chance("tiles", 0.45, 0.9)[photos])[:, None, None]
                joints = np.maximum((a % tile < 0.06), (z % tile < 0.06)) / (1 + 10 * px)
                drawn = np.maximum(
                    -0.6 * joints * (self._chance("tiled")[photos] < 0.6)[:, None, None], _stripe(o - h, 0.2, px)
                )
            else:
                sleepers = (z % 0.65 < 0.28) * (o < 1.3) / (1 + 2 * px)
                drawn = np.where(o < 1.3, -0.35 * sleepers, 0)
                drawn = np.maximum(drawn, 0) + np.minimum(drawn, 0)
                rails = _stripe(o - 0.72, 0.11, px)
                drawn = drawn * (1 - rails) + rails
            marks[photos] = drawn
        return surface, marks

    def _columns(self, layer: str, distance: float, cell: float) -> tuple[NDArray[np.float64], ...]:
        """Cut the picture into cells of some metres at a distance; return distance, centre, position in cell, and chances."""
        far = distance * self._chance(f"{layer} distance", 0.85, 1.2)
        position = self.ray * far[:, None] / cell + self._chance(f"{layer} shift")[:, None] * 7
        index = np.floor(position)
        within = position - index
        centre = (index + 0.5 - self._chance(f"{layer} shift")[:, None] * 7) * cell
        key = randomness.hash64(self.s.key[:, None] + (index.astype(np.int64) + 1000).astype(np.uint64))
        draws = randomness.uniform(key.ravel(), layer, 4).reshape(self.n, SIZE, 4)
        return far, centre, within, draws

    def _off_surface(self, far: NDArray[np.float64], centre: NDArray[np.float64], margin: float) -> NDArray[np.bool_]:
        across = centre * self.cos[:, None] - (far * self.sin)[:, None] - self.offset[:, None]
        clear: NDArray[np.bool_] = np.abs(across) > self.half_width[:, None] + margin
        return clear

    def _stand(
        self,
        far: NDArray[np.float64],
        centre: NDArray[np.float64],
        within: NDArray[np.float64],
        present: NDArray[np.bool_],
        sprite: NDArray[np.int64],
        share: NDArray[np.float64],
        height: NDArray[np.float64],
        rgb: NDArray[np.floating],
    ) -> None:
        """Paint things standing on the ground at one distance; arrays are ``(photo, column)``, colours with channels last."""
        across = (within - 0.5) / share + 0.5
        active = np.flatnonzero(present & (across >= 0) & (across < 1))
        if not len(active):
            return
        photo = active // SIZE
        scale = self.focal[photo] / far[photo]
        haze = _f32(far / (far + self.visibility))[photo, None]
        sky = self.skyline[photo]
        self._draw(
            _Layer(
                active=active,
                sprite=sprite.ravel()[active],
                across=_f32(across.ravel()[active]),
                base=_f32(self.horizon.ravel()[active] + self.camera[photo] * scale),
                height=_f32(height.ravel()[active] * scale),
                rgb=_f32((1 - haze) * rgb.reshape(-1, 3)[active] + haze * sky),
                stem_rgb=_f32((1 - haze) * self.bark[photo] + haze * sky),
            )
        )

    def _draw(self, layer: _Layer) -> None:
        opacity, shade = textures.sprites()
        up = ((layer.base[:, None] - self.rows) * (SPRITE_ROWS / layer.height[:, None])).astype(np.int32)
        inside = (up >= 0) & (up < SPRITE_ROWS) & (self.rows <= layer.base[:, None])
        column = (layer.across * SPRITE_COLUMNS).astype(np.int32)
        texel = np.where(inside, up, 0) * SPRITE_COLUMNS
        texel += (layer.sprite.astype(np.int32) * (SPRITE_ROWS * SPRITE_COLUMNS) + column)[:, None]
        alpha = opacity.take(texel) * inside
        tone = shade.take(texel)
        stem = tone < 0
        for c in range(3):
            pixels = self.canvas[c].reshape(-1, SIZE)
            behind = pixels[layer.active]
            colour = np.where(stem, layer.stem_rgb[:, c, None], layer.rgb[:, c, None] * tone)
            behind += alpha * (colour - behind)
            pixels[layer.active] = behind

    def _plants(self, index: int, distance: float) -> None:
        s = self.s
        cell = (7.0, 6.0, 5.0, 4.0, 3.5)[index]
        far, centre, within, draw = self._columns(f"plants {index}", distance, cell)
        trees, shrubs = s.trees[:, None], s.shrubs[:, None]
        # Near trees would hide everything.
        thin = (1.0, 0.9, 0.75, 0.45, 0.25)[index]
        is_tree = draw[..., 0] < trees * thin * 0.9
        is_shrub = ~is_tree & (draw[..., 0] > 1 - shrubs * 0.8)
        kind = self._tree_kinds(draw[..., 1])
        dry = (s.humidity < 0.1) & (s.warmth > 0.5)
        low = np.where(dry[:, None] & (draw[..., 1] < 0.35), CACTUS, SHRUB)
        sprite = np.where(is_tree, kind, low)
        height = np.where(
            is_tree,
            s.tree_height[:, None] * (0.6 + 0.7 * draw[..., 2]),
            np.where(low == CACTUS, 2.6, 1.3) * (0.6 + 0.8 * draw[..., 2]),
        )
        slim = np.isin(sprite, (CONIFER, CACTUS))
        share = np.where(slim, 0.45, 0.85) * (0.75 + 0.25 * draw[..., 3]) * np.where(is_tree, 1.0, 0.6)
        green = np.where((sprite == CONIFER)[..., None], self.needles[:, None], self.leaves[:, None])
        green = green * (0.75 + 0.5 * draw[..., 3, None])
        present = (is_tree | is_shrub) & self._off_surface(far, centre, 0.8 + 0.25 * cell)
        self._stand(far, centre, within, present, sprite, share, height, green)

    def _tree_kinds(self, draw: NDArray[np.float64]) -> NDArray[np.int64]:
        s = self.s
        leafless = (1 - s.foliage)[:, None] > 0.3 + 0.6 * ((draw * 7) % 1)
        broad = np.where(leafless, BARE_TREE, BROADLEAF)
        savanna = (s.tropical & (s.humidity < 0.8)) | (s.arid & (s.warmth > 0.6))
        broad = np.where(savanna[:, None] & (draw > 0.45), ACACIA, broad)
        broad = np.where(s.tropical[:, None] & (draw > 0.72), PALM, broad)
        return np.where(draw < s.needleleaf[:, None], CONIFER, broad)

    def _buildings(self, index: int, distance: float) -> None:
        s = self.s
        far, centre, within, draw = self._columns(f"houses {index}", distance, 9.0)
        present = (draw[..., 0] < 0.85 * s.built[:, None]) & self._off_surface(far, centre, 3.5)
        present &= (s.platform != FIELDS)[:, None] | (draw[..., 0] < 0.2 * s.built[:, None])
        floors = 1.2 + 9 * (s.built**2)[:, None] * draw[..., 1] ** 1.5
        tones = np.array(
            [[0.80, 0.76, 0.68], [0.62, 0.38, 0.30], [0.70, 0.70, 0.72], [0.86, 0.84, 0.80], [0.50, 0.47, 0.45]]
        )
        rgb = tones[np.minimum((draw[..., 2] * len(tones)).astype(np.int64), len(tones) - 1)]
        rgb = rgb * (0.7 + 0.4 * draw[..., 3, None])
        sprite = np.full(draw.shape[:2], HOUSE)
        self._stand(far, centre, within, present, sprite, 0.75 + 0.25 * draw[..., 3], 3.0 * floors, rgb)

    def _furniture(self, index: int, distance: float) -> None:
        s = self.s
        far, centre, within, draw = self._columns(f"furniture {index}", distance * 0.92, 2.6)
        weights = np.stack([0.18 * s.lamps, 0.06 * (0.3 + s.built), 0.28 * s.people, 0.30 * s.traffic], axis=1)
        bounds = np.cumsum(weights, axis=1)
        which = (draw[..., 0, None] >= bounds[:, None]).sum(axis=-1)
        present = which < 4
        which = np.minimum(which, 3)
        sprite = np.array([LAMP, POLE, PERSON, CAR])[which]
        height = np.array([6.5, 7.5, 1.75, 1.5])[which] * (0.9 + 0.2 * draw[..., 1])
        share = np.array([0.5, 0.3, 0.28, 1.0])[which]
        clothes = np.stack([draw[..., 2], draw[..., 3], (draw[..., 2] * 5) % 1], axis=-1)
        night = np.clip(1 - self.s.sun_elevation / 6, 0, 1)[:, None, None]
        bulb = np.array([0.55, 0.55, 0.5]) + night * np.array([2.5, 2.1, 1.2]) * np.ones_like(clothes)
        rgb = np.where((sprite == LAMP)[..., None], bulb, 0.15 + 0.75 * clothes)
        on_road = (sprite == CAR) | (sprite == PERSON)
        clear = self._off_surface(far, centre, 0.4)
        driving = (s.platform == DRIVING)[:, None]
        present &= (
            clear | (on_road & driving & (sprite == CAR)) | ((sprite == PERSON) & (s.platform == WALKING)[:, None])
        )
        self._stand(far, centre, within, present, sprite, share, height, rgb)

    def _tunnels(self) -> None:
        photos = np.flatnonzero(self.s.platform == TUNNEL)
        if not len(photos):
            return
        key = self.s.key[photos]

        def chance(stream: str, low: float, high: float) -> Floats:
            return _f32(low + (high - low) * randomness.uniform(key, stream))[:, None, None]

        focal, camera = self.focal[photos, None, None], self.camera[photos, None, None]
        ray = self.ray[photos, :, None]
        drop = (self.rows - self.horizon[photos, :, None]) / focal
        sin, cos, offset = (v[photos, None, None] for v in (self.sin, self.cos, self.offset))
        half = self.half_width[photos, None, None] + chance("ledge", 0.3, 1.2)
        roof = chance("roof", 3.2, 5.5) + camera * 0
        # Distance along each ray to the walls (across = +-half), the roof and the floor.
        slope = ray * cos - sin
        wall = np.where(slope > 0, offset + half, offset - half) / np.where(np.abs(slope) < 1e-3, 1e-3, slope)
        wall = np.where(wall > 0, wall, np.float32(1e4))
        ceiling = np.where(drop < 0, (roof - camera) / np.maximum(-drop, 1e-3), np.float32(1e4))
        floor = np.where(drop > 0, camera / np.maximum(drop, 1e-3), np.float32(1e4))
        depth = np.minimum(np.minimum(wall, ceiling), floor)
        along = ray * depth * sin + depth * cos
        height = camera - drop * depth
        exit_at = chance("exit", 25, 160)
        inside = along < exit_at
        gap = chance("lamp gap", 5, 14)
        lamps = (np.abs(height - 0.93 * roof) < 0.25) & ((along + chance("lamp phase", 0, 5)) % gap < 1.3)
        seams = ((along % chance("panels", 1.5, 4)) < 0.12) | (np.abs(height - 1.2) < 0.08)
        dim = chance("dim", 0.25, 0.75) / (1 + depth / 60)
        rough = textures.lookup(textures.grain(), 8 * along, 8 * height)
        # Lamps and headlights, not the sun, light it.
        light = np.maximum(self.light[photos], 0.05)
        glow = chance("sodium", 0, 1)
        for c, warm in enumerate((1.0, 0.82, 0.55)):
            tint = 1 - glow[..., 0] * (1 - warm)
            tone = (dim * (1 + 0.08 * rough) * np.where(seams & (wall <= depth), 0.7, 1)) * tint[..., None]
            canvas = self.canvas[c][photos]
            tone = np.where(floor <= depth, canvas * dim * 1.6 * tint[..., None], tone / light[:, c, None, None])
            tone = np.where(lamps, 1.1 * tint[..., None] / light[:, c, None, None], tone)
            self.canvas[c][photos] = np.where(inside, tone, canvas)

    def _expose(self) -> NDArray[np.uint8]:
        s = self.s
        exposure = _f32(np.exp(0.22 * self._normal("exposure"))) * _f32(
            1 / np.sqrt(np.maximum(self.light.mean(axis=1), 0.2))
        )
        cast = _f32(np.exp(0.07 * self._normals("cast", 3)))
        contrast = _f32(self._chance("contrast", 0.8, 1.2))[:, None, None]
        soft = _f32(np.maximum(self._chance("blur", -0.4, 0.7), 0))[:, None, None]
        noise = _f32(0.012 + 0.05 * self._chance("noise") ** 3)[:, None, None]
        falling = _f32(np.isin(s.weather, (RAINY, SNOWY)) * self._chance("falling", 0.15, 0.5) * (s.platform != TUNNEL))
        column = np.arange(SIZE, dtype=np.float32)[:, None]
        seed = _f32(self._chance("sensor", 0, 256))[:, None, None]
        snowing = _f32(s.weather == SNOWY)[:, None, None]
        # Rain falls in streaks, snow in flakes.
        slanted = column + seed + 0.15 * self.rows
        drops = textures.lookup(textures.white(), slanted, np.floor(self.rows / (7 - 6 * snowing)) + 3 * seed)
        drops = (drops > 2.0) * falling[:, None, None]
        grain = textures.lookup(textures.white(), column + 5 * seed, self.rows + 7 * seed) * noise
        photos = np.empty((self.n, 3, SIZE, SIZE), dtype=np.uint8)
        for c in range(3):
            gain = (exposure * cast[:, c] * self.light[:, c])[:, None, None]
            picture = self.canvas[c] * gain
            picture += drops * (0.8 - picture)
            picture[:, 1:-1] += soft * (0.5 * (picture[:, 2:] + picture[:, :-2]) - picture[:, 1:-1]) * 0.66
            picture[:, :, 1:-1] += soft * (0.5 * (picture[:, :, 2:] + picture[:, :, :-2]) - picture[:, :, 1:-1]) * 0.66
            picture = (picture - 0.45) * contrast + 0.45 + grain
            photos[:, c] = (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8).transpose(0, 2, 1)
        return photos


def _stripe(offset: Floats, width: float, footprint: Floats) -> Floats:
    """Return how much of each pixel a painted line covers, 0-1."""
    covered: Floats = np.clip((width / 2 - np.abs(offset)) / footprint + 0.5, 0, 1) * np.minimum(
        2 * width / footprint, 1
    )
    return covered


def _f32(values: NDArray[np.floating] | NDArray[np.bool_]) -> Floats:
    return np.asarray(values, dtype=np.float32)
