"""Where a point lies in a tile, by the tile's own georeference."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.warp import transform, transform_bounds

from gairbench.errors import DataError
from gairbench.georeference import Georeference, georeference

TILE = Path("tile.tif")
UTM = rasterio.CRS.from_epsg(32633)


@pytest.mark.parametrize(("left", "top"), [(200_000.0, 7_600_000.0), (499_000.0, 20_000.0), (790_000.0, 5_000_000.0)])
def test_place_in_the_box_is_the_place_in_a_projected_image(left: float, top: float) -> None:
    edge = 2_560.0
    place = Georeference(UTM, (left, top - edge, left + edge, top), (96, 96))
    for column, row in [(0.5, 0.5), (0.1, 0.9), (0.97, 0.02)]:
        lons, lats = transform(UTM, "EPSG:4326", [left + column * edge], [top - row * edge])
        west, north, east, south = place.box(TILE, lons[0], lats[0])
        # A tenth of a pixel of a 96-pixel image; the rectangle around the corners would be off by up to 5 pixels.
        assert (lons[0] - west) / (east - west) == pytest.approx(column, abs=1e-3)
        assert (lats[0] - north) / (south - north) == pytest.approx(row, abs=1e-3)


def test_box_of_an_image_in_degrees_is_its_bounds() -> None:
    place = Georeference(rasterio.CRS.from_epsg(4326), (10.0, 50.0, 11.0, 52.0), (100, 200))
    assert place.box(TILE, 10.25, 51.0) == (10.0, 52.0, 11.0, 50.0)


@pytest.mark.parametrize(("lon", "lat"), [(9.99, 51.0), (10.5, 52.01)])
def test_point_outside_the_image_is_an_error(lon: float, lat: float) -> None:
    place = Georeference(rasterio.CRS.from_epsg(4326), (10.0, 50.0, 11.0, 52.0), (100, 200))
    with pytest.raises(DataError, match="lies outside"):
        place.box(TILE, lon, lat)


@pytest.mark.parametrize(
    ("shift", "refused"), [((0, 0, 0, 0), False), ((0.009, -0.009, 0, 0), False), ((0.011, 0, 0.011, 0), True)]
)
def test_a_box_that_is_told_must_be_the_images_to_a_pixel(shift: tuple[float, ...], refused: bool) -> None:
    place = Georeference(rasterio.CRS.from_epsg(4326), (10.0, 50.0, 11.0, 52.0), (100, 200))
    west, north, east, south = (value + by for value, by in zip((10.0, 52.0, 11.0, 50.0), shift, strict=True))
    if not refused:
        place.check(TILE, (west, north, east, south))
        return
    with pytest.raises(
        DataError, match=r"not that of tile\.tif, which lies in lon_min 10, lat_max 52, lon_max 11, lat"
    ):
        place.check(TILE, (west, north, east, south))


@pytest.mark.parametrize(("left", "top"), [(200_000.0, 7_600_000.0), (499_000.0, 20_000.0), (790_000.0, 5_000_000.0)])
def test_the_box_through_a_point_and_the_one_around_all_corners_are_a_projected_images(left: float, top: float) -> None:
    edge = 2_560.0
    bounds = (left, top - edge, left + edge, top)
    place = Georeference(UTM, bounds, (96, 96))
    west, south, east, north = transform_bounds(UTM, "EPSG:4326", *bounds)
    place.check(TILE, (west, north, east, south))
    lons, lats = transform(UTM, "EPSG:4326", [left + 0.1 * edge], [top - 0.9 * edge])
    place.check(TILE, place.box(TILE, lons[0], lats[0]))
    for by in (-0.01, 0.01):
        with pytest.raises(DataError, match="is not that of"):
            place.check(TILE, (west + by, north, east + by, south))


def test_image_across_the_antimeridian_is_an_error() -> None:
    crs = rasterio.CRS.from_epsg(32660)
    (x,), (y,) = transform("EPSG:4326", crs, [179.999], [10.0])
    with pytest.raises(DataError, match="antimeridian"):
        Georeference(crs, (x - 2000, y - 2000, x + 2000, y + 2000), (40, 40)).box(TILE, 179.999, 10.0)


@pytest.mark.parametrize(
    ("turn", "refused"),
    [(Affine.rotation(20), True), (Affine.scale(1, -1), True), (Affine.identity(), False)],
)
def test_only_north_up_images_are_placed(tmp_path: Path, turn: Affine, refused: bool) -> None:
    path = tmp_path / "tile.tif"
    placed = Affine.translation(500_000, 5_000_000) * turn * Affine.scale(10, -10)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=4, width=4, dtype="uint8", crs=UTM, transform=placed
    ) as file:
        file.write(np.zeros((1, 4, 4), np.uint8))
    with rasterio.open(path) as file:
        if refused:
            with pytest.raises(DataError, match="not north up"):
                georeference(path, file)
        else:
            found = georeference(path, file)
            assert found is not None
            assert found.bounds == (500_000, 5_000_000 - 40, 500_040, 5_000_000)
            assert found.size == (4, 4)


def test_centre_is_the_middle_of_the_image_wherever_it_lies() -> None:
    place = Georeference(UTM, (500_000.0, 4_999_000.0, 501_000.0, 5_000_000.0), (100, 100))
    (lon,), (lat,) = transform(UTM, "EPSG:4326", [500_500], [4_999_500])
    assert place.centre(TILE) == (lon, lat)
    around = Georeference(rasterio.CRS.from_epsg(32601), (165_000.0, 0.0, 170_000.0, 5_000.0), (100, 100))
    assert abs(around.centre(TILE)[0]) <= 180
    assert Georeference(rasterio.CRS.from_epsg(4326), (10.0, 50.0, 11.0, 52.0), (9, 9)).centre(TILE) == (10.5, 51.0)


def test_centre_that_is_no_place_on_earth_is_an_error() -> None:
    # Pixels counted as degrees.
    place = Georeference(rasterio.CRS.from_epsg(4326), (0.0, 0.0, 512.0, 512.0), (512, 512))
    with pytest.raises(DataError, match=r"the middle of tile\.tif is at 256, 256, which is not a place on Earth"):
        place.centre(TILE)


def test_image_contains_points_up_to_its_edge() -> None:
    place = Georeference(UTM, (500_000.0, 4_999_000.0, 501_000.0, 5_000_000.0), (100, 100))

    def at(x: float, y: float) -> tuple[float, float]:
        (lon,), (lat,) = transform(UTM, "EPSG:4326", [x], [y])
        return lon, lat

    for x, y, inside in [(500_500, 4_999_500, True), (500_000, 5_000_000, True), (501_001, 4_999_500, False)]:
        assert place.contains(TILE, *at(x, y)) is inside
    assert not place.contains(TILE, *at(500_500, 4_999_500)[::-1])
