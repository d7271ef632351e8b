"""``raster:PATH`` of many files: tables of paths, STAC, Zarr groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
from embedding_rasters import looked_up, ramp, write

from gairbench.errors import DataError, UsageError
from gairbench_models.precomputed import stac
from gairbench_models.precomputed.raster_declaration import make_raster_spec

# Indexes


def test_an_index_lists_rasters_in_its_order(tmp_path: Path) -> None:
    write(tmp_path / "tiles" / "a.tif", ramp())
    write(tmp_path / "tiles" / "b.tif", ramp() + 1_000)
    frame = pd.DataFrame({"location": ["tiles/b.tif", "tiles/a.tif"], "year": [2023, 2024]})
    frame.to_csv(tmp_path / "index.csv", index=False)
    frame.to_parquet(tmp_path / "index.parquet")
    for name in ("index.csv", "index.parquet"):
        np.testing.assert_array_equal(looked_up(str(tmp_path / name), [(10.1, 49.9)])[:, 0], [1_000])
    spec = make_raster_spec(str(tmp_path / "index.csv"))
    assert spec.name == "raster:index"
    assert spec.version == make_raster_spec(str(tmp_path / "index.parquet")).version
    frame["file"] = frame["location"]
    frame.to_csv(tmp_path / "two.csv", index=False)
    with pytest.raises(DataError, match="as an index it has 2 columns of the names path, location, file, href"):
        make_raster_spec(str(tmp_path / "two.csv"))
    assert make_raster_spec(f"{tmp_path}/two.csv:column=file").name == "raster:two.file"
    with pytest.raises(UsageError, match=r"column=x is of an index of rasters, and .*a.tif is not one"):
        make_raster_spec(f"{tmp_path}/tiles/a.tif:column=x")


def test_a_stac_item_collection_is_an_index(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", ramp())
    item: dict[str, Any] = {"assets": {"data": {"href": "./a.tif"}, "thumbnail": {"href": "a.png"}}}
    (tmp_path / "stac.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    np.testing.assert_array_equal(looked_up(f"{tmp_path}/stac.json", [(10.1, 49.9)]), [[0, 100]])
    item["assets"]["other"] = {"href": "a.tif"}
    (tmp_path / "stac.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    with pytest.raises(DataError, match=r"item 1 in .* has 2 GeoTIFFs among its assets data, thumbnail, other"):
        make_raster_spec(f"{tmp_path}/stac.json")
    assert make_raster_spec(f"{tmp_path}/stac.json:asset=other").name == "raster:stac.other"
    item["assets"]["data"]["href"] = "https://example.org/a.tif"
    (tmp_path / "stac.json").write_text(json.dumps({"type": "FeatureCollection", "features": [item]}))
    with pytest.raises(DataError, match=r"lists https://example.org/a.tif, which is an address"):
        make_raster_spec(f"{tmp_path}/stac.json:asset=data")


def item(*hrefs: str, **assets: str) -> dict[str, Any]:
    named = {"data": hrefs[0]} if hrefs else assets
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "assets": {name: {"href": href, "type": "image/tiff; application=geotiff"} for name, href in named.items()},
    }


def catalog(path: Path, **links: str) -> str:
    """Write a catalog whose links are ``child_1="..."``, ``item_1="..."`` and others."""
    path.parent.mkdir(parents=True, exist_ok=True)
    listed = [{"rel": name.partition("_")[0], "href": href} for name, href in links.items()]
    path.write_text(json.dumps({"type": "Catalog", "stac_version": "1.0.0", "id": "c", "links": listed}))
    return str(path)


def test_a_static_catalog_is_an_index_whose_paths_are_relative_to_their_own_file(tmp_path: Path) -> None:
    for number, name in enumerate(("2024/b.tif", "2024/a.tif", "2023/c.tif")):
        write(tmp_path / name, ramp() + 1_000 * number)
    (tmp_path / "2024" / "b.json").write_text(json.dumps(item("./b.tif")))
    (tmp_path / "2024" / "a.json").write_text(json.dumps(item("a.tif")))
    (tmp_path / "items").mkdir()
    (tmp_path / "items" / "c.json").write_text(json.dumps(item("../2023/c.tif")))
    above = {"root_1": "../catalog.json", "parent_1": "../catalog.json", "child_1": "../catalog.json"}
    catalog(tmp_path / "2024" / "catalog.json", item_1="./b.json", item_2="a.json", **above)
    root = catalog(
        tmp_path / "catalog.json", self_1="https://example.org/catalog.json", child_1="./2024/catalog.json",
        item_1="items/c.json",
    )  # fmt: skip
    spec: Any = make_raster_spec(root)
    assert [Path(path).name for path in spec.factory.paths] == ["b.tif", "a.tif", "c.tif"], "in the order of links"
    np.testing.assert_array_equal(looked_up(root, [(10.1, 49.9)]), [[0, 100]])
    only: Any = make_raster_spec(str(tmp_path / "2024" / "a.json"))
    assert [Path(path).name for path in only.factory.paths] == ["a.tif"], "an item alone is an index, too"


def test_a_catalog_leads_to_files_below_it_alone_and_to_no_address(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", ramp())
    (tmp_path / "a.json").write_text(json.dumps(item("a.tif")))
    for href, said in (
        ("https://example.org/a.json", "lists https://example.org/a.json, which is an address"),
        ("../a.json", "is outside of"),
        ("missing.json", "lists 'missing.json', and there is no such file"),
    ):
        with pytest.raises(DataError, match=said):
            make_raster_spec(catalog(tmp_path / "here" / "catalog.json", item_1=href))
    (tmp_path / "here" / "b.json").write_text(json.dumps(item("../a.tif")))
    with pytest.raises(DataError, match="is outside of"):
        make_raster_spec(catalog(tmp_path / "here" / "catalog.json", item_1="b.json"))
    with pytest.raises(DataError, match="lists no rasters"):
        make_raster_spec(catalog(tmp_path / "here" / "catalog.json"))


def test_an_index_of_many_files_is_bounded_in_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.tif", ramp())
    for name in "ab":
        (tmp_path / f"{name}.json").write_text(json.dumps(item("a.tif")))
    root = catalog(tmp_path / "catalog.json", item_1="a.json", item_2="b.json")
    assert make_raster_spec(root)
    sizes = [path.stat().st_size for path in tmp_path.glob("*.json")]
    monkeypatch.setattr(stac, "_LARGEST", sum(sizes) - 1)
    with pytest.raises(DataError, match="makes the index larger than"):
        make_raster_spec(root)


def test_stac_geoparquet_is_an_index(tmp_path: Path) -> None:
    write(tmp_path / "a.tif", ramp())
    write(tmp_path / "b.tif", ramp() + 1_000)
    asset = pa.struct({"href": pa.string(), "type": pa.string()})
    # Items have the assets of all, empty where they have none.
    rows = [
        {"data": {"href": "./b.tif", "type": "image/tiff"}, "preview": None},
        {"data": {"href": "a.tif", "type": None}, "preview": {"href": "a.png", "type": "image/png"}},
    ]
    assets = pa.array(rows, pa.struct({"data": asset, "preview": asset}))
    geometry = pa.array([shapely.to_wkb(shapely.box(10, 48, 13, 50))] * 2)
    table = pa.table({"id": ["b", "a"], "assets": assets, "geometry": geometry})
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    path = tmp_path / "items.parquet"
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), path)
    np.testing.assert_array_equal(looked_up(str(path), [(10.1, 49.9)])[:, 0], [1_000])
    with pytest.raises(UsageError, match=r"no asset 'overview' of item 1 in .*; there are: data"):
        make_raster_spec(f"{path}:asset=overview")


def test_a_geoparquet_of_paths_and_footprints_is_an_index(tmp_path: Path) -> None:
    write(tmp_path / "tiles" / "a.tif", ramp())
    geometry = pa.array([shapely.to_wkb(shapely.box(10, 48, 13, 50))])
    table = pa.table({"location": ["tiles/a.tif"], "geometry": geometry})
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": {"encoding": "WKB"}}}
    pq.write_table(table.replace_schema_metadata({"geo": json.dumps(geo)}), tmp_path / "index.parquet")
    np.testing.assert_array_equal(looked_up(f"{tmp_path}/index.parquet", [(10.1, 49.9)]), [[0, 100]])
    with pytest.raises(UsageError, match=r"asset=data is of a STAC index, and .*index.parquet is not one"):
        make_raster_spec(f"{tmp_path}/index.parquet:asset=data")


# Zarr


def group(path: Path, dims: tuple[str, ...] = ("band", "y", "x"), **arrays: Any) -> str:
    """Write a Zarr group as xarray and rioxarray do, whose system stands in a variable of its own."""
    import zarr

    found = zarr.open_group(str(path), mode="w", zarr_format=2)
    found.create_array("x", data=10.25 + 0.5 * np.arange(6), attributes={"_ARRAY_DIMENSIONS": ["x"]})
    found.create_array("y", data=49.75 - 0.5 * np.arange(4), attributes={"_ARRAY_DIMENSIONS": ["y"]})
    system = {"_ARRAY_DIMENSIONS": [], "crs_wkt": rasterio.CRS.from_epsg(4326).to_wkt()}
    found.create_array("spatial_ref", data=np.array(0), attributes=system)
    about = {"_ARRAY_DIMENSIONS": list(dims), "grid_mapping": "spatial_ref"}
    for name, values in arrays.items():
        found.create_array(name, data=values, fill_value=float("nan"), attributes=about)
    return str(path)


def test_the_only_array_of_pixels_in_a_zarr_group_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    path = group(tmp_path / "a.zarr", features=ramp())
    assert looked_up(path, [(10.1, 49.9), (12.9, 48.1)]).tolist() == [[0, 100], [35, 135]]
    both = group(tmp_path / "both.zarr", embedding=ramp(), score=ramp()[:1])
    assert looked_up(both, [(10.1, 49.9)]).tolist() == [[0, 100]]
    with pytest.raises(DataError, match="has several arrays of bands, rows and columns: features, score"):
        make_raster_spec(group(tmp_path / "two.zarr", features=ramp(), score=ramp()[:1]))
    with pytest.raises(DataError, match="has no array of three axes"):
        make_raster_spec(group(tmp_path / "none.zarr"))
    with pytest.raises(DataError, match="states no place"):
        make_raster_spec(group(tmp_path / "order.zarr", ("y", "x", "band"), features=ramp().transpose(1, 2, 0)))


@pytest.mark.parametrize("outside", ["../secret.tif", "missing.tif"])
def test_an_index_leads_to_files_beside_it_alone(tmp_path: Path, outside: str) -> None:
    write(tmp_path / "secret.tif", ramp())
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "index.csv").write_text(f"path\n{outside}\n")
    with pytest.raises(DataError, match=r"is outside of|there is no such file"):
        make_raster_spec(str(tmp_path / "here" / "index.csv"))
