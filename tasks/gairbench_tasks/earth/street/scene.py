"""What a street photo shows: the real values at its point, and seeded nuisance that no map shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gairbench_tasks.earth import randomness
from gairbench_tasks.earth.classes import IGBP, KOEPPEN
from gairbench_tasks.earth.points import Points
from gairbench_tasks.earth.rasters import blue_marble, elevation, koeppen, land_cover, night_lights, relief
from gairbench_tasks.earth.street.photo_arrays import PhotoArrays

Floats = NDArray[np.float64]

VIEW_DIRECTIONS = ("front/back", "side")
FRONT_BACK, SIDE = range(2)
PLATFORMS = ("driving surface", "walking surface", "cycling surface", "railway", "fields", "tunnel")
WEATHERS = ("clear", "cloudy", "rainy", "snowy", "foggy")
DRIVING, WALKING, CYCLING, RAILWAY, FIELDS, TUNNEL = range(6)
CLEAR, CLOUDY, RAINY, SNOWY, FOGGY = range(5)

# Trees per place, shrubs per place, height of the trees in metres, how much of the ground is bare, by IGBP class.
_COVER = np.array(
    [
        (0.10, 0.20, 8, 0.1),  # water: shores
        (0.85, 0.20, 16, 0.0),
        (0.90, 0.45, 19, 0.0),
        (0.75, 0.25, 13, 0.0),
        (0.80, 0.25, 15, 0.0),
        (0.80, 0.25, 16, 0.0),
        (0.12, 0.85, 5, 0.1),
        (0.03, 0.45, 4, 0.5),
        (0.50, 0.40, 10, 0.0),
        (0.25, 0.35, 8, 0.1),
        (0.04, 0.12, 7, 0.1),
        (0.12, 0.40, 8, 0.0),
        (0.08, 0.06, 9, 0.0),
        (0.18, 0.15, 9, 0.0),
        (0.28, 0.20, 10, 0.0),
        (0.00, 0.00, 3, 1.0),
        (0.00, 0.05, 3, 1.0),
    ]
)
_CROPS = np.isin(IGBP, ("cropland", "cropland and natural vegetation mosaic"))
_URBAN = IGBP.index("urban and built-up")
_ICE = IGBP.index("permanent snow and ice")
_WETLAND = IGBP.index("permanent wetland")
_NEEDLELEAF = np.isin(IGBP, ("evergreen needleleaf forest", "deciduous needleleaf forest"))

# Mean temperature and humidity of a Koeppen zone on scales of 0 (polar, desert) to 1 (tropical, rainforest).
_WARMTH_OF_GROUP = {"A": 1.0, "B": 0.7, "C": 0.6, "D": 0.3, "E": 0.0}
_WARMTH = np.array(
    [
        _WARMTH_OF_GROUP[z[0]]
        + {"h": 0.2, "k": -0.25}.get(z[-1], 0.0)
        + ({"a": 0.12, "b": 0.0, "c": -0.15, "d": -0.25}.get(z[-1], 0.0) if z[0] in "CD" else 0.0)
        for z in KOEPPEN[:-1]
    ]
    + [0.5]
).clip(0, 1)
_HUMIDITY = np.array(
    [
        0.0
        if z.startswith("BW")
        else 0.25
        if z.startswith("BS")
        else 0.5
        if z[0] == "E"
        else {"f": 1.0, "m": 0.9, "w": 0.6, "s": 0.5}[z[1]]
        for z in KOEPPEN[:-1]
    ]
    + [0.8]
)
_TROPICAL, _ARID = (np.array([z[0] == group for z in KOEPPEN]) for group in "AB")
_SEASONAL = np.array([z[0] in "CD" for z in KOEPPEN])


@dataclass(frozen=True, slots=True)
class Scenes(PhotoArrays):
    """Everything the renderer needs, one entry per photo; shares and densities are between 0 and 1.

    Args:
        key: ``(n,)`` the photo's key for all further random numbers.
        surface_rgb: ``(n, 3)`` Blue Marble's colour at the point, 0-1.
        greenness: Excess green of that colour, 0 (desert) to 1 (forest).
        warmth: Of the climate zone, 0 polar to 1 tropical.
        humidity: Of the climate zone, 0 desert to 1 rainforest.
        tropical: The zone is one of group A.
        arid: The zone is one of group B.
        needleleaf: Share of the trees that are conifers.
        elevation: Metres.
        relief: Local standard deviation of the elevation in metres.
        lights: Light at night, 0-126.
        trees: Density of trees.
        shrubs: Density of shrubs.
        tree_height: Metres.
        bare: Share of bare ground.
        crops: The ground is tilled in rows.
        wetland: The ground has pools.
        snow: Share of the ground under snow.
        foliage: Leaves on deciduous trees, 0 bare to 1 summer.
        built: Density of buildings.
        lamps: Density of street lamps.
        people: Density of people.
        traffic: Density of cars.
        litter: Density of litter.
        wear: Cracks and stains of the surface.
        sun_elevation: Degrees above the horizon.
        sun_bearing: Degrees clockwise from the view direction to the sun, -180 to 180.
        heading: Degrees clockwise from north.
        weather: Index into :data:`WEATHERS`.
        clouds: Share of the sky.
        view: Index into :data:`VIEW_DIRECTIONS`.
        platform: Index into :data:`PLATFORMS`.
    """

    key: NDArray[np.uint64]
    surface_rgb: Floats
    greenness: Floats
    warmth: Floats
    humidity: Floats
    tropical: NDArray[np.bool_]
    arid: NDArray[np.bool_]
    needleleaf: Floats
    elevation: Floats
    relief: Floats
    lights: Floats
    trees: Floats
    shrubs: Floats
    tree_height: Floats
    bare: Floats
    crops: NDArray[np.bool_]
    wetland: NDArray[np.bool_]
    snow: Floats
    foliage: Floats
    built: Floats
    lamps: Floats
    people: Floats
    traffic: Floats
    litter: Floats
    wear: Floats
    sun_elevation: Floats
    sun_bearing: Floats
    heading: Floats
    weather: NDArray[np.int64]
    clouds: Floats
    view: NDArray[np.int64]
    platform: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True, slots=True)
class Surroundings(PhotoArrays):
    """The real values at photo points, ``(n,)`` each: what a scene is made from besides chance.

    Args:
        latitude: Degrees.
        land_cover: IGBP class.
        climate: Koeppen zone.
        rgb: ``(n, 3)`` Blue Marble, 0-255.
        elevation: Metres.
        relief: Metres.
        lights: Relative radiance, 0-126.
    """

    latitude: Floats
    land_cover: NDArray[np.int64]
    climate: NDArray[np.int64]
    rgb: Floats
    elevation: Floats
    relief: Floats
    lights: Floats

    @classmethod
    def at(cls, points: Points) -> Surroundings:
        """Look the grids up at points."""
        where = points.row, points.column
        return cls(
            latitude=points.lonlat[:, 1],
            land_cover=land_cover()[where].astype(np.int64),
            climate=koeppen()[where].astype(np.int64),
            rgb=blue_marble()[where].astype(np.float64),
            elevation=elevation()[where].astype(np.float64),
            relief=relief()[where].astype(np.float64),
            lights=night_lights()[where].astype(np.float64),
        )


def compose(key: NDArray[np.uint64], real: Surroundings) -> Scenes:
    """Make the scenes of photos.

    Args:
        key: ``(n,)`` one key per photo; it alone decides everything that is not real.
        real: What is there.
    """

    def chance(stream: str, low: float = 0.0, high: float = 1.0) -> Floats:
        return low + (high - low) * randomness.uniform(key, stream)

    zone, cover = real.climate, real.land_cover
    warmth, humidity = _WARMTH[zone], _HUMIDITY[zone]
    red, green, blue = real.rgb.T
    greenness = np.clip(2.5 * (2 * green - red - blue) / (red + green + blue + 30), 0, 1)
    trees, shrubs, tree_height, bare = _COVER[cover].T

    built = np.clip(np.log1p(real.lights) / np.log(80) + 0.35 * (cover == _URBAN) + chance("built", -0.25, 0.12), 0, 1)
    day = chance("day", 0, 365)
    declination = 23.44 * np.sin(2 * np.pi * (day - 81) / 365)
    # -1 in midwinter, 1 in midsummer, little in the tropics.
    season = np.sign(real.latitude) * declination / 23.44 * np.minimum(np.abs(real.latitude) / 40, 1)
    hour = np.where(chance("late") < 0.1, chance("hour", 4, 21), chance("hour", 8, 17))
    sun_elevation, sun_azimuth = sun_position(real.latitude, declination, hour)
    heading = chance("heading", 0, 360)

    cold = np.clip(0.62 - warmth - 0.3 * season + real.elevation / 9000, 0, 1)
    snow = np.clip(4 * (cold - 0.42) + chance("snow", -0.5, 0.5), 0, 1)
    snow = np.where(cover == _ICE, np.maximum(snow, 0.85), snow) * (warmth < 0.75)
    foliage = np.where(_SEASONAL[zone], np.clip(0.55 + 0.9 * season + chance("foliage", -0.25, 0.25), 0, 1), 1.0)
    needleleaf = np.where(
        _NEEDLELEAF[cover], 0.95, np.where((warmth < 0.4) & (humidity > 0.3), 0.6, np.where(_ARID[zone], 0.05, 0.15))
    ) * (1 - _TROPICAL[zone])

    weather = randomness.choice(
        key,
        "weather",
        np.stack(
            [
                1.1 - 0.7 * humidity,
                0.3 + 0.5 * humidity,
                (0.05 + 0.25 * humidity) * (snow < 0.4),
                0.6 * snow,
                0.04 + 0.10 * humidity,
            ],
            axis=1,
        ),
    )
    clouds = np.select(
        [weather == CLEAR, weather == CLOUDY], [chance("clouds", 0, 0.45), chance("clouds", 0.5, 1)], 1.0
    )

    platform = randomness.choice(
        key,
        "platform",
        np.stack(
            [
                np.full(len(key), 0.34),
                0.14 + 0.10 * built,
                0.14 + 0.04 * built,
                np.full(len(key), 0.14),
                0.18 - 0.12 * built,
                np.full(len(key), 0.10),
            ],
            axis=1,
        ),
    )
    street = np.isin(platform, (DRIVING, WALKING, CYCLING))
    return Scenes(
        key=key,
        surface_rgb=real.rgb / 255,
        greenness=greenness,
        warmth=warmth,
        humidity=humidity,
        tropical=_TROPICAL[zone],
        arid=_ARID[zone],
        needleleaf=needleleaf,
        elevation=real.elevation,
        relief=real.relief,
        lights=real.lights,
        trees=np.clip(trees * chance("trees", 0.55, 1.15) + built * chance("street trees", 0, 0.25), 0, 1),
        shrubs=np.clip(shrubs * chance("shrubs", 0.5, 1.3), 0, 1),
        tree_height=tree_height * chance("tree height", 0.7, 1.3),
        bare=np.clip(bare + (1 - humidity) * 0.35 - 0.5 * greenness + chance("bare", -0.1, 0.1), 0, 1),
        crops=_CROPS[cover] & (chance("crops") < 0.8),
        wetland=cover == _WETLAND,
        snow=snow,
        foliage=foliage,
        built=built,
        lamps=np.clip(0.9 * built * chance("lamps", 0.4, 1.2), 0, 1) * street,
        people=np.clip((0.08 + 0.7 * built) * chance("people", 0, 1.2) * np.where(platform == WALKING, 1.3, 0.8), 0, 1),
        traffic=np.clip((0.08 + 0.7 * built) * chance("traffic", 0, 1.2), 0, 1) * street,
        litter=chance("litter") ** 2,
        wear=chance("wear"),
        sun_elevation=sun_elevation,
        sun_bearing=(sun_azimuth - heading + 180) % 360 - 180,
        heading=heading,
        weather=weather,
        clouds=clouds,
        view=(chance("view") < 0.45).astype(np.int64),
        platform=platform,
    )


def sun_position(latitude: Floats, declination: Floats, hour: Floats) -> tuple[Floats, Floats]:
    """Return the sun's elevation and its azimuth, clockwise from north, in degrees.

    Args:
        latitude: Degrees.
        declination: Degrees.
        hour: Local solar time, 12 at noon.
    """
    phi, delta = np.radians(latitude), np.radians(declination)
    angle = np.radians(15 * (hour - 12))
    sine = np.sin(phi) * np.sin(delta) + np.cos(phi) * np.cos(delta) * np.cos(angle)
    azimuth = np.arctan2(
        -np.cos(delta) * np.sin(angle), np.sin(delta) * np.cos(phi) - np.cos(delta) * np.sin(phi) * np.cos(angle)
    )
    return np.degrees(np.arcsin(np.clip(sine, -1, 1))), np.degrees(azimuth) % 360
