"""``raster:PATH``: the pixel that holds a point, the mean over a tile, and what is not covered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from embedding_rasters import LONLAT, looked_up, ramp, write
from rasterio.transform import from_bounds

import gairbench as gb
from gairbench import ModelContext
from gairbench.errors import CheckpointError, DataError, GairbenchError, UsageError
from gairbench.files import pixel_lookup
from gairbench.georeference import WGS84, project
from gairbench.model_names import known_models
from gairbench.plugins import load_registry
from gairbench.representation import LOCATION, RS_QUERY, SV
from gairbench.testing.model_declaration_checks import DECLARATION
from gairbench_models.precomputed.raster_declaration import make_raster_spec

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


def test_all_inputs_of_a_task_have_the_point_and_images_their_tile(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    for view in (SV, LOCATION, RS_QUERY):
        np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[10, 50, 11, 49]], view), [[0, 100]])
    np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[10, 50, 11, 49]]), [[5.5, 105.5]])
    np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[np.nan] * 4]), [[0, 100]])


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


# Many files


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


def test_tiles_of_two_products_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", ramp(2))
    write(tmp_path / "b.tif", ramp(3))
    with pytest.raises(DataError, match=r"b.tif and .*a.tif differ in bands"):
        make_raster_spec(str(tmp_path / "*.tif"))
    with pytest.raises(DataError, match=r"no file in .* matches '\*.tiff'"):
        make_raster_spec(str(tmp_path / "*.tiff"))
    with pytest.raises(DataError, match="is a folder, and not a Zarr group; name the files in it"):
        make_raster_spec(str(tmp_path))


# Numbers


def test_whole_numbers_need_a_declaration_of_what_they_stand_for(tmp_path: Path) -> None:
    values = np.array([[[-127, 0, 127, -128]], [[64, 1, -64, 5]]], dtype=np.int8)
    path = write(tmp_path / "ae.tif", values)
    with pytest.raises(DataError, match=r"holds whole numbers \(int8\)"):
        make_raster_spec(path)
    points = [(10.1 + 0.5 * i, 49.9) for i in range(4)]
    found = looked_up(f"{path}:dequantize=alphaearth", points)
    held = values[:, 0, :3].astype(np.float64).T
    np.testing.assert_allclose(found[:3], np.sign(held) * (held / 127.5) ** 2, rtol=1e-6)
    assert np.isnan(found[3]).all(), "-128 in one band"
    np.testing.assert_array_equal(looked_up(f"{path}:dequantize=none", points)[0], [-127, 64])
    name = make_raster_spec(f"{path}:dequantize=alphaearth").name
    assert name == "raster:ae.alphaearth"


def test_scale_and_offset_that_a_file_states_are_applied(tmp_path: Path) -> None:
    values = np.array([[[10, 20, 0]], [[30, 40, 50]]], dtype=np.int16)
    path = write(tmp_path / "q.tif", values, nodata=0, scales=(0.5, 0.25), offsets=(1.0, -1.0))
    found = looked_up(path, [(10.1, 49.9), (10.6, 49.9), (11.1, 49.9)])
    np.testing.assert_allclose(found[:2], [[6, 6.5], [11, 9]])
    assert np.isnan(found[2]).all(), "nodata is of the stored values"
    with pytest.raises(UsageError, match="states its own scale and offset, beside dequantize=alphaearth"):
        make_raster_spec(f"{path}:dequantize=alphaearth")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int16", "uint16"])
def test_every_type_of_real_numbers_is_read(tmp_path: Path, dtype: str) -> None:
    path = write(tmp_path / "map.tif", ramp().astype(dtype))
    rule = "" if dtype.startswith("float") else ":dequantize=none"
    np.testing.assert_array_equal(looked_up(path + rule, [(10.6, 49.4)]), [[11, 111]])


# Wrong files, identity


def test_what_is_not_a_raster_of_embeddings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no image"):
        make_raster_spec(str(tmp_path / "missing.tif"))
    (tmp_path / "text.tif").write_text("<VRTDataset/>")
    with pytest.raises(DataError, match="is not a GeoTIFF"):
        make_raster_spec(str(tmp_path / "text.tif"))
    with pytest.raises(DataError, match="states no place"):
        make_raster_spec(write(tmp_path / "nowhere.tif", ramp(), Affine.identity(), None))
    with pytest.raises(DataError, match="is rotated"):
        make_raster_spec(write(tmp_path / "rotated.tif", ramp(), LONLAT * Affine.rotation(20)))
    with pytest.raises(DataError, match="holds complex64"):
        make_raster_spec(write(tmp_path / "complex.tif", ramp().astype(np.complex64)))
    rgba = write(tmp_path / "rgba.tif", ramp(4).astype(np.uint8), photometric="RGB", alpha="YES")
    with pytest.raises(DataError, match="has an alpha band"):
        make_raster_spec(f"{rgba}:dequantize=none")
    building = 'LOCAL_CS["site",UNIT["metre",1]]'
    with pytest.raises(GairbenchError):
        looked_up(write(tmp_path / "site.tif", ramp(), LONLAT, building), [(10.1, 49.9)])


def test_an_overview_elsewhere_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    (tmp_path / "map.tif.ovr").write_text("<VRTDataset/>")
    with pytest.raises(DataError, match="beside the image is not a TIFF"):
        make_raster_spec(path)


def test_the_version_is_of_the_content_and_the_order(tmp_path: Path) -> None:
    one = make_raster_spec(write(tmp_path / "one" / "map.tif", ramp()))
    moved = make_raster_spec(write(tmp_path / "two" / "map.tif", ramp()))
    other = make_raster_spec(write(tmp_path / "three" / "map.tif", ramp() + 1))
    assert one.name == moved.name == other.name == "raster:map"
    assert one.version == moved.version != other.version
    write(tmp_path / "set" / "a.tif", ramp())
    write(tmp_path / "set" / "b.tif", ramp() + 1)
    before = make_raster_spec(str(tmp_path / "set" / "*.tif"))
    (tmp_path / "set" / "a.tif").rename(tmp_path / "set" / "c.tif")
    after = make_raster_spec(str(tmp_path / "set" / "*.tif"))
    assert before.name == after.name == "raster:set"
    assert before.version != after.version, "where both have data, another one counts"
    context = ModelContext(preset="default", seed=0, model=one.name)
    write(tmp_path / "one" / "map.tif", ramp() + 2)
    with pytest.raises(DataError, match="was changed while it was in use"):
        one.factory(context)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match="takes no checkpoint"):
        moved.factory(ModelContext(preset="default", seed=0, model="raster:map", checkpoint=tmp_path))  # type: ignore[operator]


def test_the_declaration_is_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    assert known_models([f"raster:{path}"], load_registry()) == ["raster:map"]
    spec = make_raster_spec(path)
    hash(spec)
    for check in DECLARATION:
        if check.__name__ != "check_registering_imports_nothing_heavy":  # nothing is registered
            check(spec)


# End to end


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A scene, and a task over points and chips of it."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    values = rng.integers(0, 255, (3, 192, 192)).astype(np.uint8)
    values[:, :96] //= 3
    transform = Affine(10, 0, 500_000, 0, -10, 5_000_000)
    path = Path(write(tmp_path / "scene.tif", values, transform, "EPSG:32633"))
    with rasterio.open(path, "r+") as file:
        file.descriptions = ("red", "green", "blue")
    rows = []
    for i in range(48):
        column, row = (int(n) for n in rng.integers(20, 160, 2))
        chip = values[:, row : row + 12, column : column + 12]
        place = transform * Affine.translation(column, row)
        written = Path(write(tmp_path / "chips" / f"c{i:02d}.tif", chip, place, "EPSG:32633"))
        with rasterio.open(written, "r+") as file:
            file.descriptions = ("red", "green", "blue")
        part = "train" if i < 28 else "val" if i < 36 else "test"
        rows.append({"chip": f"c{i:02d}", "bright": float(chip.mean()) / 50, "part": part})
    pd.DataFrame(rows).to_csv(tmp_path / "chips.csv", index=False)
    (tmp_path / "chips.yaml").write_text(
        """
datasets:
  chips:
    licence: CC0-1.0
    synthetic: true
    table: {path: chips.csv, id: chip}
    images: {modality: rs, folder: chips, file: "{chip}.tif", unit: uint8}
    split: {by: column, column: part}
tasks:
  - {name: chips-bright, dataset: chips, label: bright, kind: regression}
  - {name: chips-point, dataset: chips, label: bright, kind: regression, localized: true}
  - {name: chips-place, dataset: chips, label: bright, kind: regression, input: location}
"""
    )
    return tmp_path


@pytest.mark.parametrize("suffix", ["tif", "zarr"])
def test_a_map_of_gairbench_is_a_model(scene: Path, suffix: str) -> None:
    out = scene / f"map.{suffix}"
    gb.map(image=scene / "scene.tif", out=out, model="random", preset="tiny", unit="uint8", resolution=20, quiet=True)
    found = gb.run(
        model=f"raster:{out}",
        task_file=scene / "chips.yaml",
        data_root=scene,
        results=scene / "results",
        quiet=True,
    )
    records = {record.task: record for record in found.records}
    assert {record.status for record in records.values()} == {"ok"}, [record.reason for record in records.values()]
    assert records["chips-bright"].conversion["rs"]["looked up by"] == ["bbox", "lonlat"]
    assert records["chips-point"].conversion["rs:query"]["looked up by"] == ["bbox", "lonlat"]
    assert records["chips-place"].embedding_dim == 128
    # A chip of two tones is known by the map of its scene.
    assert records["chips-bright"].metrics["r2"].value > 0.5
    assert make_raster_spec(str(out)).name == "raster:map"


def test_zarr_and_geotiff_of_one_map_are_sampled_alike(scene: Path) -> None:
    for suffix in ("tif", "zarr"):
        gb.map(
            image=scene / "scene.tif", out=scene / f"map.{suffix}", model="random", preset="tiny", unit="uint8",
            resolution=40, quiet=True,
        )  # fmt: skip
    lonlat = project(scene, rasterio.CRS.from_epsg(32633), WGS84, [500_333.0, 501_111.0], [4_999_111.0, 4_998_222.0]).T
    boxes = [[lon - 0.003, lat + 0.002, lon + 0.003, lat - 0.002] for lon, lat in lonlat]
    tif, group = (looked_up(str(scene / f"map.{suffix}"), lonlat) for suffix in ("tif", "zarr"))
    np.testing.assert_array_equal(tif, group)
    with rasterio.open(scene / "map.tif") as file:
        expected = np.array([*file.sample([(500_333.0, 4_999_111.0)])])
    np.testing.assert_array_equal(tif[:1], expected)
    means = [looked_up(str(scene / f"map.{suffix}"), lonlat, boxes) for suffix in ("tif", "zarr")]
    np.testing.assert_array_equal(*means)
    before = make_raster_spec(str(scene / "map.zarr")).version
    chunk = next(path for path in (scene / "map.zarr" / "embedding").iterdir() if path.name.startswith("0"))
    chunk.rename(chunk.with_name("0.9.9"))
    assert make_raster_spec(str(scene / "map.zarr")).version != before, "names of chunks are where they lie"


def test_a_raster_that_does_not_reach_all_samples_is_a_counted_skip(scene: Path) -> None:
    with rasterio.open(scene / "scene.tif") as file:
        values = file.read().astype(np.float32)
    values[:, :, 150:] = np.nan
    path = write(scene / "part.tif", values, Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
    found = gb.run(
        model=f"raster:{path}", task="chips-place", task_file=scene / "chips.yaml", data_root=scene,
        results=scene / "results", quiet=True,
    )  # fmt: skip
    (record,) = found.records
    assert record.status == "skipped"
    assert record.reason.startswith("no embedding of some samples (train: ")
    assert "there are 1 raster of 3 bands, part.tif in 15" in record.reason


def test_a_raster_and_encoders_are_compared_where_it_reaches(scene: Path) -> None:
    with rasterio.open(scene / "scene.tif") as file:
        values = file.read().astype(np.float32)
    values[:, :, 150:] = np.nan
    path = write(scene / "part.tif", values, Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
    found = gb.run(
        model=[f"raster:{path}", "pixel-stats"], task=["chips-bright", "chips-point"], task_file=scene / "chips.yaml",
        data_root=scene, results=scene / "results", covered_by=f"raster:{path}", quiet=True,
    )  # fmt: skip
    assert {record.status for record in found.records} == {"ok"}, [record.reason for record in found.records]
    for task in ("chips-bright", "chips-point"):
        sizes = {(*record.n.values(), record.subset) for record in found.records if record.task == task}
        assert len(sizes) == 1, "both models have the same samples"
    assert all(0 < record.n["test"] < record.n_whole["test"] == 12 for record in found.records)


def test_points_of_a_table_are_embedded_by_a_raster(scene: Path) -> None:
    path = write(scene / "map.tif", ramp())
    (scene / "points.csv").write_text("id,lon,lat\na,10.1,49.9\nb,12.9,48.1\nc,40,40\n")
    out = scene / "points.parquet"
    gb.embed(model=f"raster:{path}", input=scene / "points.csv", out=out, on_error="skip", quiet=True)
    frame = pd.read_parquet(out)
    assert frame["id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(np.stack(frame["location"].tolist()), [[0, 100], [35, 135]])
