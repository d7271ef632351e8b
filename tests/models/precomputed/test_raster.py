"""``raster:PATH``: the pixel that holds a point, the mean over a tile, and what is not covered."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from affine import Affine
from embedding_rasters import LONLAT, loaded, looked_up, ramp, write

import gairbench as gb
from gairbench import ModelContext
from gairbench.errors import CheckpointError, DataError, GairbenchError, UsageError
from gairbench.georeference import WGS84, project
from gairbench.model_names import known_models
from gairbench.plugins import load_registry
from gairbench.representation import LOCATION, RS_QUERY, SV
from gairbench.testing.model_declaration_checks import DECLARATION
from gairbench_models.precomputed.raster_declaration import make_raster_spec

# At points


def test_all_inputs_of_a_task_have_the_point_and_images_their_tile(tmp_path: Path) -> None:
    path = write(tmp_path / "map.tif", ramp())
    for view in (SV, LOCATION, RS_QUERY):
        np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[10, 50, 11, 49]], view), [[0, 100]])
    np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[10, 50, 11, 49]]), [[5.5, 105.5]])
    np.testing.assert_array_equal(looked_up(path, [(10.1, 49.9)], [[np.nan] * 4]), [[0, 100]])


def test_where_a_raster_across_the_antimeridian_lies_is_said_from_west_to_east(tmp_path: Path) -> None:
    transform = Affine(50_000, 0, 650_000, 0, -50_000, 5_000_000)
    holds = loaded(write(tmp_path / "map.tif", ramp(), transform, "EPSG:32660")).holds
    assert "map.tif in 179.167 ... 182.374, " in holds


# Many files


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
