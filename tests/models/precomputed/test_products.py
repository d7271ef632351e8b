"""Published products of embeddings in their layouts, as docs/embeddings-as-models.md names them.

The layouts are those that TorchGeo's classes read; where it has them (0.9 and later), both must give the same values.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
import torch
from affine import Affine
from embedding_rasters import looked_up, write

from gairbench import ModelContext
from gairbench.batch import Batch
from gairbench.errors import DataError, UsageError
from gairbench.georeference import WGS84, project
from gairbench.representation import RS
from gairbench_models.precomputed.raster_declaration import make_raster_spec
from gairbench_models.precomputed.table_declaration import make_table_spec

UTM = "EPSG:32631"
CORNER = (500_000.0, 5_400_000.0)


def torchgeo_class(name: str) -> Any:
    import torchgeo.datasets

    if not hasattr(torchgeo.datasets, name):
        pytest.skip(f"this TorchGeo has no {name}")
    return getattr(torchgeo.datasets, name)


def centres(path: Path) -> np.ndarray[Any, Any]:
    """Return longitude and latitude of all pixels of a file, ``(height * width, 2)``, row by row from the north."""
    with rasterio.open(path) as file:
        rows, columns = np.mgrid[: file.height, : file.width]
        x, y = rasterio.transform.xy(file.transform, rows.ravel(), columns.ravel())
        lonlat = project(path, file.crs, WGS84, x, y).T
    order = np.lexsort((x, -np.asarray(y)))
    return np.asarray(lonlat[order])


def by_torchgeo(name: str, folder: Path) -> np.ndarray[Any, Any]:
    """Return all pixels as TorchGeo's class gives them, ``(height * width, bands)``, row by row from the north."""
    dataset = torchgeo_class(name)(folder)
    image = dataset[dataset.bounds]["image"].numpy()
    return np.asarray(image.reshape(len(image), -1).T)


def vectors(rest: str, lonlat: Any) -> np.ndarray[Any, Any]:
    spec = make_table_spec(rest)
    factory: Any = spec.factory
    places = torch.tensor(np.asarray(lonlat), dtype=torch.float64)
    found = factory(ModelContext(preset="default", seed=0, model=spec.name)).encode(Batch(images={}, lonlat=places), RS)
    return np.asarray(found.numpy())


def alphaearth(folder: Path, *, south_up: bool) -> tuple[Path, np.ndarray[Any, Any]]:
    """Write a tile of AlphaEarth's bucket: 64 channels of 8 bits, -128 for masked pixels in all of them."""
    values = np.random.default_rng(0).integers(-127, 128, (64, 5, 7)).astype(np.int8)
    values[:, 1, 2] = -128
    step = 10.0 if south_up else -10.0
    place = Affine(10, 0, CORNER[0], 0, step, CORNER[1])
    path = folder / "2024" / "31N" / "x086q72fv2f9q1x4a-0000000000-0000000000.tiff"
    write(path, values, place, UTM, nodata=-128, tiled=True, blockxsize=16, blockysize=16)
    with rasterio.open(path, "r+") as file:
        file.descriptions = tuple(f"A{number:02d}" for number in range(64))
    return path, values


@pytest.mark.parametrize("south_up", [True, False])
def test_google_satellite_embedding(tmp_path: Path, south_up: bool) -> None:
    path, values = alphaearth(tmp_path, south_up=south_up)
    found = looked_up(f"{tmp_path}/2024/**/*.tiff:dequantize=alphaearth", centres(path))
    stored = (values[:, ::-1] if south_up else values).reshape(64, -1).T.astype(np.float64)
    expected = np.sign(stored) * (stored / 127.5) ** 2
    there = ~(stored == -128).any(axis=1)
    np.testing.assert_allclose(found[there], expected[there], rtol=1e-6)
    assert np.isnan(found[~there]).all()
    assert (~there).sum() == 1
    with pytest.raises(DataError, match="int8"):
        make_raster_spec(f"{tmp_path}/2024/**/*.tiff")


def test_google_satellite_embedding_is_what_torchgeo_reads_dequantized(tmp_path: Path) -> None:
    path, _ = alphaearth(tmp_path, south_up=False)
    stored = by_torchgeo("GoogleSatelliteEmbedding", tmp_path)
    found = looked_up(f"{tmp_path}/2024/**/*.tiff:dequantize=alphaearth", centres(path))
    there = ~(stored == -128).any(axis=1)
    np.testing.assert_allclose(found[there], np.sign(stored[there]) * (stored[there] / 127.5) ** 2, rtol=1e-6)
    assert np.isnan(found[~there]).all()


@pytest.mark.parametrize(
    ("name", "file", "pattern"),
    [
        ("TesseraEmbeddings", "grid_3.05_48.75_2024.tiff", "grid_*.tiff"),
        ("PrestoEmbeddings", "Togo_Presto_embeddings_v2025_06_19-0000000000-0000000000.tif", "*.tif"),
    ],
)
def test_rasters_of_numbers_with_a_decimal_point_are_read_as_torchgeo_does(
    tmp_path: Path, name: str, file: str, pattern: str
) -> None:
    values = np.random.default_rng(0).normal(size=(128, 4, 6)).astype(np.float32)
    path = Path(write(tmp_path / file, values, Affine(10, 0, CORNER[0], 0, -10, CORNER[1]), UTM))
    found = looked_up(f"{tmp_path}/{pattern}", centres(path))
    np.testing.assert_array_equal(found, values.reshape(128, -1).T)
    np.testing.assert_array_equal(found, by_torchgeo(name, tmp_path))


def copernicus(folder: Path) -> tuple[Path, np.ndarray[Any, Any]]:
    """Write a map of the globe whose pixels' centres lie on the poles and the antimeridian; where nothing is, zeros."""
    values = np.random.default_rng(0).normal(size=(8, 19, 36)).astype(np.float32)
    values[3, 9, 18] = 0
    values[:, 4, 5] = 0
    path = write(folder / "embed_map_310k.tif", values, Affine(10, 0, -185, 0, -10, 95), "EPSG:4326")
    return Path(path), values


def test_copernicus_embed(tmp_path: Path) -> None:
    path, values = copernicus(tmp_path)
    points = [(-180, 90), (0, 0), (179.9, -0.1), (-130, 50), (-130.0, -90)]
    found = looked_up(f"{path}:missing=zeros", points)
    expected = values[:, [0, 9, 9, 4, 18], [0, 18, 0, 5, 5]].T
    np.testing.assert_array_equal(found[[0, 1, 2, 4]], expected[[0, 1, 2, 4]], "a number that is zero is a number")
    assert np.isnan(found[3]).all()
    assert (looked_up(str(path), points)[3] == 0).all(), "no file says that zeros are missing"
    box = [[-136.0, 46.0, -124.0, 38.0]]
    np.testing.assert_array_equal(looked_up(f"{path}:missing=zeros", [(-130, 42)], box), values[:, 5, [5]].T)


def test_what_is_missing_is_part_of_the_version_and_other_words_are_refused(tmp_path: Path) -> None:
    path, _ = copernicus(tmp_path)
    plain, zeros = make_raster_spec(str(path)), make_raster_spec(f"{path}:missing=zeros")
    assert (plain.version != zeros.version, zeros.name) == (True, "raster:embed-map-310k.zeros")
    with pytest.raises(UsageError, match="missing='0' is not known; write missing=zeros"):
        make_raster_spec(f"{path}:missing=0")


def test_copernicus_embed_is_what_torchgeo_reads(tmp_path: Path) -> None:
    path, _ = copernicus(tmp_path)
    np.testing.assert_array_equal(looked_up(str(path), centres(path)), by_torchgeo("CopernicusEmbed", tmp_path))


def patches(vector: str, **columns: Any) -> gpd.GeoDataFrame:
    """Return four patches of a Parquet file, in a square around 3 degrees east and 48 north."""
    lon, lat = np.array([3.0, 3.05, 3.0, 3.05]), np.array([48.0, 48.0, 48.05, 48.05])
    values = list(np.random.default_rng(0).normal(size=(4, 16)).astype(np.float32))
    geometry = gpd.points_from_xy(lon, lat)
    return gpd.GeoDataFrame({vector: values, **columns}, geometry=geometry, crs="OGC:CRS84")


def clay(path: Path) -> None:
    frame = patches("embeddings", index=range(4), source_url="s3://a", date=pd.date_range("2020-01-01", periods=4))
    # A chip is a square of its UTM zone, and not of longitude and latitude.
    frame.geometry = frame.to_crs(UTM).buffer(2_560, cap_style="square").to_crs("OGC:CRS84")
    frame.to_parquet(path)


def earth_index(path: Path) -> None:
    patches("embedding", id=[f"01GDM-{number}" for number in range(4)]).to_parquet(path)


def major_tom(path: Path) -> None:
    frame = patches("embedding", unique_id=list("abcd"), timestamp="20230119T161811", utm_crs=UTM)
    frame["centre_lon"], frame["centre_lat"] = (np.float32(frame.geometry.x), np.float32(frame.geometry.y))
    frame["pixel_bbox"] = [[0, 0, 224, 224]] * 4
    frame.geometry = frame.geometry.buffer(0.01).envelope
    frame.to_parquet(path)


def earth_embeddings(path: Path) -> None:
    frame = patches("embedding", timestamp="2023-01-19")
    frame["centre_lon"], frame["centre_lat"] = frame.geometry.x, frame.geometry.y
    pd.DataFrame(frame.drop(columns="geometry")).to_parquet(path)


TABLES: tuple[tuple[str, Any, str], ...] = (
    ("ClayEmbeddings", clay, "within=3km"),
    ("EarthIndexEmbeddings", earth_index, "by=place:within=300m"),
    ("MajorTOMEmbeddings", major_tom, "column=embedding:within=2km"),
    ("EarthEmbeddings", earth_embeddings, "within=2km"),
)


@pytest.mark.parametrize(("name", "make", "options"), TABLES)
def test_tables_of_patches(tmp_path: Path, name: str, make: Any, options: str) -> None:
    del name
    make(tmp_path / "patches.parquet")
    stored = patches("v")
    lonlat = np.stack([stored.geometry.x, stored.geometry.y], axis=1)
    found = vectors(f"{tmp_path}/patches.parquet:{options}", [*(lonlat + 0.001), (3.5, 48.0)])
    np.testing.assert_array_equal(found[:4], np.stack(stored["v"]))
    assert np.isnan(found[4]).all()


@pytest.mark.parametrize(("name", "make", "options"), TABLES)
def test_patches_are_where_torchgeo_says(tmp_path: Path, name: str, make: Any, options: str) -> None:
    opened = torchgeo_class(name)
    make(tmp_path / "patches.parquet")
    dataset = opened(tmp_path / "patches.parquet")
    near = ":".join([*options.split(":")[:-1], "within=2m"])
    for sample in (dataset[index] for index in range(4)):
        found = vectors(f"{tmp_path}/patches.parquet:{near}", [(float(sample["x"]), float(sample["y"]))])
        np.testing.assert_array_equal(found[0], sample["embedding"].numpy())


def test_the_centre_of_a_polygon_is_its_place_in_its_own_system(tmp_path: Path) -> None:
    square = shapely.box(CORNER[0], CORNER[1], CORNER[0] + 1_000, CORNER[1] + 1_000)
    corners = [(9_000, 0), (9_900, 0), (9_000, 900)]
    triangle = shapely.Polygon([(CORNER[0] + east, CORNER[1] + north) for east, north in corners])
    frame = gpd.GeoDataFrame({"v": [[1.0, 2.0], [3.0, 4.0]]}, geometry=[square, triangle], crs=UTM)
    frame.to_parquet(tmp_path / "chips.parquet")
    x, y = [CORNER[0] + 500, CORNER[0] + 9_300], [CORNER[1] + 500, CORNER[1] + 300]
    lonlat = project(tmp_path, rasterio.CRS.from_string(UTM), WGS84, x, y).T
    assert vectors(f"{tmp_path}/chips.parquet:within=1m", lonlat).tolist() == [[1, 2], [3, 4]]


def test_a_polygon_across_the_antimeridian_has_no_centre(tmp_path: Path) -> None:
    across = shapely.Polygon([(179.9, 0), (-179.9, 0), (-179.9, 0.1), (179.9, 0.1)])
    frame = gpd.GeoDataFrame({"v": [[1.0, 2.0]]}, geometry=[across], crs="OGC:CRS84")
    frame.to_parquet(tmp_path / "chips.parquet")
    with pytest.raises(DataError, match="across the antimeridian"):
        vectors(f"{tmp_path}/chips.parquet:within=1km", [(180, 0)])
