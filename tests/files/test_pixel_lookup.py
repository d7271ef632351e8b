"""Pixels at points and means over boxes, of one raster and of many."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from embedding_rasters import LONLAT, ramp, write
from rasterio.transform import from_bounds

from gairbench.errors import DataError
from gairbench.files import pixel_lookup
from gairbench.files.pixel_lookup import Mosaic, read_grid
from gairbench.georeference import WGS84, project


def looked_up(pattern: str, lonlat: Any, boxes: Any = None) -> np.ndarray[Any, Any]:
    """Look points or boxes up in the rasters of a pattern."""
    folder, name = Path(pattern).parent, Path(pattern).name
    mosaic = Mosaic([read_grid(path) for path in sorted(folder.glob(name))], np.asarray)
    found = mosaic.at(np.array(lonlat, dtype=float)) if boxes is None else mosaic.over(np.array(boxes, dtype=float))
    assert found.dtype == np.float32
    return found


# At points


def test_a_point_has_the_pixel_that_holds_it(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    points = [(10.1, 49.9), (12.9, 48.1), (10.75, 49.25), (10.5, 49.5), (9.9, 49.0), (11.0, 50.1), (np.nan, 49.0)]
    found = looked_up(path, points)
    np.testing.assert_array_equal(found[:4], [[0, 100], [35, 135], [11, 111], [11, 111]])
    assert np.isnan(found[4:]).all()


def test_points_are_projected_to_the_rasters_system(tmp_path: Path) -> None:
    transform = Affine(100, 0, 500_000, 0, -100, 5_000_000)
    path = write(tmp_path / "map.tif", ramp(2, 40, 60), transform, "EPSG:32633")
    columns, rows = np.array([0, 7, 59]), np.array([0, 12, 39])
    x, y = 500_000 + 100 * (columns + 0.5), 5_000_000 - 100 * (rows + 0.5)
    lonlat = project(Path(path), rasterio.CRS.from_epsg(32633), WGS84, x, y).T
    found = looked_up(path, lonlat)
    np.testing.assert_array_equal(found[:, 0], 10 * rows + columns)
    rng = np.random.default_rng(0)
    away = np.stack([rng.uniform(-180, 180, 300), rng.uniform(-90, 90, 300)], axis=1)
    found = looked_up(path, np.concatenate([away, lonlat]))
    assert np.isnan(found[:-3]).all(), "some of them no point of the projection"
    np.testing.assert_array_equal(found[-3:, 0], 10 * rows + columns)


def test_a_place_where_the_projection_leads_astray_is_outside(tmp_path: Path) -> None:
    cassini, point = "+proj=cass +lat_0=50 +lon_0=10 +datum=WGS84 +units=m", (148.5920078, -66.0165972)
    x, y = project(tmp_path, WGS84, rasterio.CRS.from_string(cassini), point[:1], point[1:])[:, 0]
    path = write(tmp_path / "map.tif", ramp(), Affine(1_000, 0, x - 2_000, 0, -1_000, y + 2_000), cassini)
    # Back from there lies another place, 2,862 km away.
    assert np.isnan(looked_up(path, [point])).all()


def test_exchanged_coordinates_are_outside(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    assert np.isnan(looked_up(path, [(49.9, 10.1)])).all()


def test_rows_may_run_north(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp(), Affine(0.5, 0, 10, 0, 0.5, 48))
    np.testing.assert_array_equal(looked_up(path, [(10.1, 48.1), (12.9, 49.9)])[:, 0], [0, 35])


def test_the_antimeridian_and_the_poles_are_reached(tmp_path: Path) -> None:
    across = write(tmp_path / "across.tif", ramp(), Affine(0.5, 0, 178.5, 0, -0.5, 50))
    found = looked_up(across, [(178.6, 49.9), (-178.6, 49.9), (180.0, 49.9), (-180.0, 49.9)])
    np.testing.assert_array_equal(found[:, 0], [0, 5, 3, 3])
    globe = write(tmp_path / "globe.tif", ramp(1, 18, 36), from_bounds(-180, -90, 180, 90, 36, 18))
    np.testing.assert_array_equal(looked_up(globe, [(0, 90), (0, -90), (180, 0), (-180, 0)])[:, 0], [18, 188, 125, 90])


# What is missing


def test_pixels_without_data_are_missing_and_not_zero(tmp_path: Path) -> None:
    values = ramp()
    values[0, 0, 0], values[1, 0, 1], values[0, 0, 2] = -9999, -9999, np.nan
    path = write(tmp_path / "map.tif", values, nodata=-9999)
    found = looked_up(path, [(10.1, 49.9), (10.6, 49.9), (11.1, 49.9), (11.6, 49.9)])
    assert np.isnan(found[:3]).all()
    np.testing.assert_array_equal(found[3], [3, 103])


def test_a_mask_beside_the_values_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
        mask = np.full((4, 6), 255, dtype=np.uint8)
        mask[0, 0] = 0
        file.write_mask(mask)
    found = looked_up(path, [(10.1, 49.9), (10.6, 49.9)])
    assert np.isnan(found[0]).all()
    np.testing.assert_array_equal(found[1], [1, 101])


def test_a_tile_of_which_half_is_missing_is_the_mean_of_the_rest_and_less_is_none(tmp_path: Path) -> None:
    values = ramp(1, 4, 4)
    values[0, :, :2] = np.nan
    path = write(tmp_path / "map.tif", values)
    np.testing.assert_allclose(looked_up(path, [(11, 49)], [[10, 50, 12, 48]]), [[values[0, :, 2:].mean()]])
    values[0, 0, 2] = np.nan
    path = write(tmp_path / "other.tif", values)
    assert np.isnan(looked_up(path, [(11, 49)], [[10, 50, 12, 48]])).all()


def test_what_of_a_tile_lies_outside_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp(1))
    # Two of four columns are outside, then three.
    np.testing.assert_allclose(looked_up(path, [(10, 49)], [[9, 50, 11, 49]]), [[(0 + 1 + 10 + 11) / 4]])
    assert np.isnan(looked_up(path, [(10, 49)], [[8.5, 50, 10.5, 49]])).all()
    assert np.isnan(looked_up(path, [(40, 49)], [[39, 50, 41, 48]])).all()


# Over tiles


def test_a_box_smaller_than_a_pixel_has_the_pixel_of_its_centre(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    np.testing.assert_array_equal(looked_up(path, [(0, 0)], [[10.55, 49.95, 10.65, 49.85]]), [[1, 101]])


@pytest.mark.parametrize("south", [False, True])
def test_the_pixels_of_a_projected_raster_are_those_whose_centres_lie_in_the_box(tmp_path: Path, south: bool) -> None:
    northing, epsg = (5_000_000, 32733) if south else (5_000_000, 32633)
    values = np.random.default_rng(0).normal(size=(3, 300, 300)).astype(np.float32)
    transform = Affine(100, 0, 700_000, 0, -100, northing)
    path = write(tmp_path / "map.tif", values, transform, f"EPSG:{epsg}")
    columns, rows = np.meshgrid(np.arange(300), np.arange(300))
    x, y = 700_000 + 100 * (columns.ravel() + 0.5), northing - 100 * (rows.ravel() + 0.5)
    lon, lat = project(Path(path), rasterio.CRS.from_epsg(epsg), WGS84, x, y)
    middle = np.array([lon.mean(), lat.mean()])
    box = [middle[0] - 0.05, middle[1] + 0.04, middle[0] + 0.03, middle[1] - 0.02]
    inside = (lon >= box[0]) & (lon <= box[2]) & (lat >= box[3]) & (lat <= box[1])
    assert inside.sum() > 1_000
    expected = values.reshape(3, -1)[:, inside].mean(axis=1)
    np.testing.assert_allclose(looked_up(path, [middle], [box])[0], expected, rtol=1e-5, atol=1e-7)


def test_a_tile_across_the_antimeridian_of_a_raster_beyond_180_degrees(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp(1), Affine(0.5, 0, 178.5, 0, -0.5, 50))
    np.testing.assert_allclose(looked_up(path, [(-179.5, 49.5)], [[-180, 50, -179, 49]]), [[(3 + 4 + 13 + 14) / 4]])


def test_parts_are_read_in_bounded_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "map.tif", ramp(2, 40, 40))
    whole = looked_up(path, [(11, 49)], [[10, 50, 20, 40]])
    monkeypatch.setattr(pixel_lookup, "_AT_ONCE", 100)
    np.testing.assert_array_equal(looked_up(path, [(11, 49)], [[10, 50, 20, 40]]), whole)
    monkeypatch.setattr(pixel_lookup, "_LARGEST_BOX", 100)
    with pytest.raises(DataError, match="the box 10, 50, 20, 40 holds more than 100 pixels"):
        looked_up(path, [(11, 49)], [[10, 50, 20, 40]])


def by_hand(path: str, box: tuple[float, float, float, float]) -> Any:
    """The mean over a box that is given from west to east, of all pixels of a raster."""
    with rasterio.open(path) as file:
        values, crs, t = file.read(), file.crs, file.transform
    rows, columns = (one.ravel() + 0.5 for one in np.indices(values.shape[1:]))
    x, y = t.c + t.a * columns + t.b * rows, t.f + t.d * columns + t.e * rows
    lon, lat = project(Path(path), crs, WGS84, x, y)
    west, north, east, south = box
    inside = ((lon - west) % 360 <= east - west) & (lat <= north) & (lat >= south)
    assert inside.sum() > 20
    return values.reshape(len(values), -1)[:, inside].mean(axis=1)


ACROSS = [(178.83, 50.0, 181.31, 46.0), (178.83, 50.0, -178.69, 46.0), (-181.17, 50.0, -178.69, 46.0)]
"""One box, written in three ways."""


@pytest.mark.parametrize("box", ACROSS)
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4267", "EPSG:3857", "EPSG:6933", "EPSG:3832"])
def test_a_box_across_the_antimeridian_has_the_pixels_of_both_sides(
    tmp_path: Path, crs: str, box: tuple[float, float, float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its outline is not the whole width of the raster.
    monkeypatch.setattr(pixel_lookup, "_LARGEST_BOX", 1_000)
    system = rasterio.CRS.from_string(crs)
    # EPSG:3832 is Mercator around 150 degrees east: cut elsewhere.
    middle = 150.0 if crs == "EPSG:3832" else 0.0
    edge = np.array([-179.9999, 179.9999])
    (left, right), _ = project(tmp_path, WGS84, system, edge + middle, np.zeros(2))
    _, (bottom, top) = project(tmp_path, WGS84, system, np.full(2, middle), np.array([40.0, 55.0]))
    if system.is_geographic:
        left, bottom, right, top = -180, 40, 180, 55
    values = np.random.default_rng(0).normal(size=(2, 40, 1800)).astype(np.float32)
    path = write(tmp_path / "globe.tif", values, from_bounds(left, bottom, right, top, 1800, 40), crs)
    expected = by_hand(path, ACROSS[0])
    np.testing.assert_allclose(looked_up(path, [], [box])[0], expected, rtol=1e-5, atol=1e-6)


def test_a_centre_on_the_meridian_where_a_box_is_cut_counts_once(tmp_path: Path) -> None:
    # Centres at whole degrees, -180 and 179 among them.
    values = np.arange(360, dtype=np.float32).reshape(1, 1, 360)
    path = write(tmp_path / "globe.tif", values, Affine(1, 0, -180.5, 0, -1, 0.5))
    found = looked_up(path, [], [(178.5, 0.2, -178.5, -0.2)])
    np.testing.assert_allclose(found, [[(359 + 0 + 1) / 3]])


def test_tiles_on_both_sides_of_the_antimeridian_share_a_box(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", np.full((1, 4, 4), 1.0), Affine(0.25, 0, 179, 0, -0.25, 50))
    write(tmp_path / "b.tif", np.full((1, 4, 4), 4.0), Affine(0.25, 0, -180, 0, -0.25, 50))
    found = looked_up(str(tmp_path / "?.tif"), [], [(179.5, 50, -179.75, 49), (179.5, 50, 180.25, 49)])
    np.testing.assert_allclose(found, [[2.0], [2.0]])


@pytest.mark.parametrize("turn", [Affine.rotation(20), Affine.rotation(90), Affine.shear(25, 10)])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32633"])
def test_a_turned_raster_has_its_own_pixels(tmp_path: Path, turn: Affine, crs: str) -> None:
    at = Affine(0.01, 0, 15, 0, -0.01, 50) if crs == "EPSG:4326" else Affine(900, 0, 500_000, 0, -900, 5_500_000)
    values = np.random.default_rng(0).normal(size=(2, 60, 80)).astype(np.float32)
    path = write(tmp_path / "turned.tif", values, at @ turn, crs)
    x, y = at @ turn @ (np.array([30.5, 70.5]), np.array([20.5, 50.5]))
    lonlat = project(Path(path), rasterio.CRS.from_string(crs), WGS84, x, y).T
    np.testing.assert_array_equal(looked_up(path, lonlat), values[:, [20, 50], [30, 70]].T)
    lon, lat = lonlat[0]
    box = (lon - 0.1, lat + 0.08, lon + 0.08, lat - 0.1)
    np.testing.assert_allclose(looked_up(path, [], [box])[0], by_hand(path, box), rtol=1e-5, atol=1e-6)


def test_a_parallel_near_the_pole_is_bent_and_all_of_it_counts(tmp_path: Path) -> None:
    rows, columns = np.indices((900, 900)) + 0.5
    away = 1_000 * np.hypot(rows - 450, columns - 450)
    system = rasterio.CRS.from_epsg(3413)
    for west, south in ((-155.5, 86.1), (-163.0, 87.0)):
        box = (west, 89.5, west + 340, south)
        (x,), (y,) = project(tmp_path, WGS84, system, [0.0], [south])
        # Only a ring along the southern edge is not zero.
        values = (away > 0.985 * np.hypot(x, y)).astype(np.float32)[None]
        path = write(tmp_path / "arctic.tif", values, Affine(1_000, 0, -450_000, 0, -1_000, 450_000), "EPSG:3413")
        np.testing.assert_allclose(looked_up(path, [], [box])[0], by_hand(path, box), rtol=1e-6)


def test_a_box_that_reaches_no_pixel_is_not_covered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    geographic = write(tmp_path / "degrees.tif", ramp(height=40, width=60), Affine(0.5, 0, -15, 0, -0.5, 10))
    zone = write(tmp_path / "zone.tif", ramp(), Affine(100, 0, 500_000, 0, -100, 5_000_000), "EPSG:32633")
    lon, lat = project(Path(zone), rasterio.CRS.from_epsg(32633), WGS84, [500_250.0], [4_999_850.0])[:, 0]
    # Its middle, taken without regard to the antimeridian, would be longitude 0.
    assert np.isnan(looked_up(geographic, [], [(179, 5, -179, -5), (100, 5, 101, 4), (0, 80, 1, 79)])).all()
    # A box of half the Earth is not the pixel at its centre.
    assert np.isnan(looked_up(zone, [], [(lon - 170, 85, lon + 170, -85)])).all()
    monkeypatch.setattr(pixel_lookup, "_LARGEST_BOX", 10)
    assert np.isnan(looked_up(geographic, [], [(20, 9, 25, 5)])).all()
    # Its frame in the system of the zone meets the raster, and the box does not.
    monkeypatch.setattr(pixel_lookup.Mosaic, "_reached_by", lambda self, _: list(self._grids))
    assert np.isnan(looked_up(zone, [], [(lon + 0.1, lat + 0.1, lon + 0.2, lat)])).all()


# Many files


def test_files_are_closed_when_they_were_read(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(1, 40, 40)).astype(np.float32)
    many = tiles(tmp_path, values)
    opened = len(list(Path("/dev/fd").iterdir()))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        # A hundred tiles, and room for ten.
        resource.setrlimit(resource.RLIMIT_NOFILE, (opened + 10, hard))
        found = looked_up(many, [(10.1 + 0.5 * i, 49.9 - 0.5 * i) for i in range(40)])
        mean = looked_up(many, [], [(10, 50, 30, 30)])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    np.testing.assert_array_equal(found[:, 0], values[0].diagonal())
    np.testing.assert_allclose(mean, [[values.mean()]], rtol=1e-4, atol=1e-6)


def tiles(folder: Path, values: np.ndarray[Any, Any], step: int = 4) -> str:
    for top in range(0, values.shape[1], step):
        for left in range(0, values.shape[2], step):
            part = values[:, top : top + step, left : left + step]
            write(folder / f"t{top:02d}-{left:02d}.tif", part, LONLAT * Affine.translation(left, top))
    return str(folder / "*.tif")


def test_tiles_are_looked_at_as_one(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 12, 12)).astype(np.float32)
    one = write(tmp_path / "one.tif", values)
    many = tiles(tmp_path / "tiles", values)
    rng = np.random.default_rng(1)
    points = np.stack([rng.uniform(9.5, 16.5, 60), rng.uniform(43.5, 50.5, 60)], axis=1)
    np.testing.assert_array_equal(looked_up(many, points), looked_up(one, points))
    boxes = np.stack([points[:, 0] - 0.8, points[:, 1] + 0.9, points[:, 0] + 0.7, points[:, 1] - 0.6], axis=1)
    expected = looked_up(one, points, boxes)
    np.testing.assert_allclose(looked_up(many, points, boxes), expected, rtol=1e-5, atol=1e-6)
    assert 0 < np.isnan(expected).any(axis=1).sum() < 60


def test_of_several_rasters_the_first_that_has_data_counts(tmp_path: Path) -> None:
    first, second = ramp(), ramp() + 1_000
    first[:, 0, 0] = np.nan
    write(tmp_path / "a.tif", first)
    write(tmp_path / "b.tif", second)
    found = looked_up(str(tmp_path / "[ab].tif"), [(10.1, 49.9), (10.6, 49.9)])
    np.testing.assert_array_equal(found[:, 0], [1_000, 1])
    mean = looked_up(str(tmp_path / "[ab].tif"), [(10.5, 49.5)], [[10, 50, 11, 49]])
    np.testing.assert_allclose(mean[0, 0], (1_000 + 1 + 10 + 11) / 4)


def test_tiles_of_two_zones_are_one(tmp_path: Path) -> None:
    for epsg, west in ((32632, 600_000), (32633, 300_000)):
        values = np.full((1, 2_000, 2_000), float(epsg), dtype=np.float32)
        write(tmp_path / f"{epsg}.tif", values, Affine(100, 0, west, 0, -100, 5_100_000), f"EPSG:{epsg}")
    found = looked_up(str(tmp_path / "*.tif"), [(11.0, 45.5), (13.5, 45.5), (20.0, 45.5)])
    np.testing.assert_array_equal(found[:2, 0], [32632, 32633])
    assert np.isnan(found[2]).all()
