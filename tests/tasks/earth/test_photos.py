"""Rendered street photos follow the real values, vary with chance, and are the same every time."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from gairbench_tasks.earth import points, randomness
from gairbench_tasks.earth.classes import IGBP, KOEPPEN
from gairbench_tasks.earth.street import perception
from gairbench_tasks.earth.street.render import render_photos
from gairbench_tasks.earth.street.scene import (
    CLEAR,
    DRIVING,
    FRONT_BACK,
    RAILWAY,
    SIDE,
    TUNNEL,
    Surroundings,
    compose,
    sun_position,
)

N = 96


def surroundings(**changes) -> Surroundings:
    values = {
        "latitude": 45.0,
        "land_cover": IGBP.index("grassland"),
        "climate": KOEPPEN.index("Cfb"),
        "rgb": (70.0, 90.0, 50.0),
        "elevation": 200.0,
        "relief": 20.0,
        "lights": 0.0,
    } | changes
    dtype = {"land_cover": np.int64, "climate": np.int64}
    return Surroundings(**{k: np.array([v] * N, dtype=dtype.get(k, np.float64)) for k, v in values.items()})


KEY = randomness.keys("photos", np.arange(N))


def photos(**changes) -> np.ndarray:
    return render_photos(compose(KEY, surroundings(**changes))).astype(float)


@pytest.fixture(scope="module")
def real():
    where = points.sample("photos", N, region="globe", placement="anywhere", role="evaluation", prefer_lit=True)
    return compose(randomness.keys("photos", where.numbers), Surroundings.at(where))


def test_rendering_twice_gives_the_same_photos(real):
    first, second = render_photos(real), render_photos(real)
    assert first.shape == (N, 3, 64, 64)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("size", [1, 7, 40])
def test_a_photo_does_not_depend_on_its_batch(real, size: int):
    whole = render_photos(real)
    chosen = np.arange(N)[::-1][:size].copy()
    np.testing.assert_array_equal(render_photos(real.take(chosen)), whole[chosen])


def test_no_photo_is_empty(real):
    assert (render_photos(real).reshape(N, -1).std(axis=1) > 2).mean() > 0.95


def test_the_same_place_looks_different_each_time():
    shots = photos()
    difference = np.abs(shots[:, None] - shots[None]).mean(axis=(2, 3, 4))
    assert np.median(difference[np.triu_indices(N, 1)]) > 15


@pytest.mark.parametrize(
    "change",
    [
        {"land_cover": IGBP.index("evergreen needleleaf forest")},
        {"climate": KOEPPEN.index("BWh")},
        {"rgb": (200.0, 170.0, 120.0)},
        {"elevation": 4000.0},
        {"relief": 600.0},
        {"lights": 100.0},
        {"latitude": -60.0},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_real_value_shows(change):
    # The same chances, so that nothing but the value differs.
    changed = np.abs(photos(**change) - photos()).mean(axis=(1, 2, 3))
    assert (changed > 0.5).mean() > 0.3


def test_forests_are_darker_and_greener_than_deserts():
    forest = photos(
        land_cover=IGBP.index("evergreen broadleaf forest"), climate=KOEPPEN.index("Af"), rgb=(20.0, 50.0, 15.0)
    )
    desert = photos(land_cover=IGBP.index("barren"), climate=KOEPPEN.index("BWh"), rgb=(220.0, 180.0, 130.0))

    def green(x: np.ndarray) -> float:
        red, green, blue = x[:, :, 32:].mean(axis=(0, 2, 3))
        return float(2 * green - red - blue)

    assert green(forest) > green(desert) + 10


def test_lights_raise_buildings():
    dark, bright = (compose(KEY, surroundings(lights=light)) for light in (0.0, 100.0))
    assert bright.built.mean() > dark.built.mean() + 0.5
    assert bright.people.mean() > dark.people.mean()


def test_snow_lies_in_the_north_and_never_in_the_tropics():
    north = compose(KEY, surroundings(latitude=68.0, climate=KOEPPEN.index("Dfc")))
    tropics = compose(KEY, surroundings(latitude=0.0, climate=KOEPPEN.index("Af")))
    assert north.snow.mean() > 0.25
    assert tropics.snow.max() == 0


def test_a_side_view_turns_the_road(real):
    # The same scenes but for the view: along a road columns differ from each other, across it rows do.
    def road(view: int) -> np.ndarray:
        n = len(real)
        changes = {"view": view, "platform": DRIVING, "weather": CLEAR}
        scenes = dataclasses.replace(real, **{k: np.full(n, v, dtype=np.int64) for k, v in changes.items()})
        return render_photos(
            dataclasses.replace(scenes, wear=np.zeros(n), litter=np.zeros(n), snow=np.zeros(n))
        ).astype(float)

    def upright(x: np.ndarray) -> float:
        bottom = x.mean(axis=1)[:, 44:]
        return float(
            np.abs(np.diff(bottom.mean(axis=1), axis=1)).mean() / np.abs(np.diff(bottom.mean(axis=2), axis=1)).mean()
        )

    assert upright(road(FRONT_BACK)) > 1.1 * upright(road(SIDE))


def test_pixel_statistics_do_not_tell_the_view():
    where = points.sample("view", 900, region="globe", placement="anywhere", role="evaluation", prefer_lit=True)
    scenes = compose(randomness.keys("view", where.numbers), Surroundings.at(where))
    x = render_photos(scenes).reshape(900, 3, -1).astype(float)
    levels = [(x // 64 == level).mean(axis=2) for level in range(4)]
    statistics = StandardScaler().fit_transform(np.concatenate([x.mean(axis=2), x.std(axis=2), *levels], axis=1))
    probe = LogisticRegression(C=0.1, max_iter=500).fit(statistics[:600], scenes.view[:600])
    chance = np.bincount(scenes.view[600:]).max() / 300
    assert probe.score(statistics[600:], scenes.view[600:]) < chance + 0.12


def test_platforms_look_different(real):
    def on(platform: int) -> np.ndarray:
        return render_photos(dataclasses.replace(real, platform=np.full(len(real), platform, dtype=np.int64))).astype(
            float
        )

    driving, railway, tunnel = on(DRIVING), on(RAILWAY), on(TUNNEL)
    assert np.abs(driving - railway).mean() > 3
    assert np.abs(driving - tunnel).mean() > 15


def test_ratings_follow_their_definition_up_to_the_raters(real):
    for name in perception.WEIGHTS:
        score = perception.score(name, real)
        assert score.std() > perception.DISAGREEMENT
        np.testing.assert_array_equal(score, perception.score(name, real))
    with_people = dataclasses.replace(real, people=np.ones(len(real)))
    gain = perception.score("lively", with_people) - perception.score("lively", real)
    np.testing.assert_allclose(gain, perception.WEIGHTS["lively"]["people"] * (1 - real.people))


def test_no_two_ratings_share_their_noise(real):
    noise = [randomness.normal(real.key, f"raters {name}") for name in perception.WEIGHTS]
    assert np.abs(np.corrcoef(noise) - np.eye(len(noise))).max() < 0.4


@pytest.mark.parametrize(
    ("latitude", "declination", "hour", "elevation", "azimuth"),
    [
        (0.0, 0.0, 12.0, 90.0, None),
        (50.0, 0.0, 12.0, 40.0, 180.0),
        (-30.0, 0.0, 12.0, 60.0, 0.0),
        (0.0, 0.0, 6.0, 0.0, 90.0),
    ],
)
def test_the_sun_stands_where_astronomy_puts_it(latitude, declination, hour, elevation, azimuth):
    height, bearing = sun_position(np.array([latitude]), np.array([declination]), np.array([hour]))
    assert height[0] == pytest.approx(elevation, abs=1e-6)
    if azimuth is not None:
        assert np.cos(np.radians(bearing[0] - azimuth)) == pytest.approx(1, abs=1e-6)


def test_random_numbers_are_uniform_and_independent_between_streams():
    key = randomness.keys("check", np.arange(20_000))
    a, b = randomness.uniform(key, "a"), randomness.uniform(key, "b")
    assert a.min() >= 0
    assert a.max() < 1
    np.testing.assert_allclose(np.histogram(a, 10, (0, 1))[0] / len(a), 0.1, atol=0.01)
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.03
    normal = randomness.normal(key, "n")
    assert abs(normal.mean()) < 0.03
    assert abs(normal.std() - 1) < 0.03


def test_weighted_choices_follow_their_weights():
    key = randomness.keys("check", np.arange(20_000))
    shares = np.bincount(randomness.choice(key, "c", (1, 0, 3)), minlength=3) / len(key)
    np.testing.assert_allclose(shares, (0.25, 0, 0.75), atol=0.02)
