"""``gairbench embed`` on small tables of small images."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
import torch
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import from_bounds

from gairbench import cli
from gairbench.conversion import make_converter
from gairbench.embed_table import parts as embed_parts
from gairbench.files.geometry import BBOX
from gairbench.files.overhead import read_place
from gairbench.files.tables import read_table
from gairbench.inputs import RGB, ImageInput, LocationInput, Modality, Unit
from gairbench.isolation import Ended
from gairbench.locks import exclusive, lock_beside
from gairbench.spec import ModelContext
from gairbench_models.controls.random import load
from gairbench_models.gair.presets import PRESETS

VIEWS = ["rs", "rs_query", "sv", "sv_projected", "location"]
N = 11


def stack(path: Path, values: NDArray[Any], crs: str | None, bounds: tuple[float, ...], names: tuple[str, ...]) -> None:
    bands, height, width = values.shape
    place = {"crs": crs, "transform": from_bounds(*bounds, width, height)} if crs else {}
    with rasterio.open(
        path, "w", driver="GTiff", count=bands, height=height, width=width, dtype=values.dtype, **place
    ) as file:
        file.write(values)
        for number, name in enumerate(names, 1):
            file.set_band_description(number, name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A table of eleven samples: RGB GeoTIFFs in longitude and latitude, photos of several sizes."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(N):
        lon, lat = float(rng.uniform(-170, 170)), float(rng.uniform(-60, 60))
        bounds = (lon - 0.02, lat - 0.01, lon + 0.01, lat + 0.03)
        stack(tmp_path / f"{i}.tif", rng.integers(0, 255, (3, 20, 24), np.uint8), "EPSG:4326", bounds, RGB)
        photo = rng.integers(0, 255, (30 + i, 40, 3), np.uint8)
        Image.fromarray(photo).save(tmp_path / f"{i}.png")
        rows.append({"id": f"00{i}", "lon": lon, "lat": lat, "rs": f"{i}.tif", "sv": f"{i}.png"})
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed_parts, "BATCH", 2)
    monkeypatch.setattr(embed_parts, "PART_ROWS", 4)


def embed(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *more: str, table: str = "table.csv", model: str = "random"
) -> int:
    """Run the command as typed; return the exit status."""
    arguments = ["embed", "--model", model, "--input", str(folder / table), "--out", str(folder / "out.parquet")]
    unit = [] if "--rs-unit" in more or "no-unit" in more else ["--rs-unit", "uint8"]
    more = tuple(word for word in more if word != "no-unit")
    monkeypatch.setattr(sys, "argv", ["gairbench", *arguments, "--device", "cpu", *unit, *more])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def named(columns: Iterable[tuple[str, str]]) -> list[str]:
    return [word for ours, theirs in columns for word in ("--column", f"{ours}={theirs}")]


def provenance(path: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads(pq.read_schema(path).metadata[b"gairbench"])
    return about


def test_every_view_equals_the_model_called_on_converted_inputs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder) == 0
    frame = geopandas.read_parquet(folder / "out.parquet")
    table = pd.read_csv(folder / "table.csv", dtype={"id": str})
    model = load(ModelContext(preset="tiny", seed=0))
    wanted = {i.modality: i for i in PRESETS["tiny"].inputs}
    overhead = make_converter(ImageInput(modality=Modality.RS), wanted[Modality.RS])
    street = make_converter(ImageInput(modality=Modality.SV), wanted[Modality.SV])
    place = make_converter(LocationInput(), wanted[Modality.LOCATION])
    assert list(frame.columns) == ["id", "geometry", *VIEWS]
    for i, row in enumerate(table.itertuples()):
        with rasterio.open(folder / str(row.rs)) as file:
            image = overhead(torch.from_numpy(file.read())[None])
            left, bottom, right, top = file.bounds
        photo = street(torch.from_numpy(np.asarray(Image.open(folder / str(row.sv)))).permute(2, 0, 1)[None])
        lonlat = torch.tensor([[row.lon, row.lat]], dtype=torch.float64)
        box = torch.tensor([[left, top, right, bottom]], dtype=torch.float64)
        with torch.inference_mode():
            expected = {
                "rs": model.encode_rs(image),
                "rs_query": model.query_rs(image, lonlat, box),
                "sv": model.encode_sv(photo),
                "sv_projected": model.project_sv(photo),
                "location": model.encode_location(place(lonlat)),
            }
        for view, values in expected.items():
            np.testing.assert_allclose(frame[view][i], values[0].numpy(), atol=2e-6, err_msg=f"{view} of row {i}")
    assert not np.allclose(frame["rs"][0], frame["rs"][1], atol=1e-3)


def test_file_is_geoparquet_with_points_and_provenance(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder, "--views", "location,sv") == 0
    frame = geopandas.read_parquet(folder / "out.parquet")
    table = pd.read_csv(folder / "table.csv", dtype={"id": str})
    assert frame["id"].tolist() == table["id"].tolist()
    assert frame.geometry.x.tolist() == table["lon"].tolist()
    assert frame.geometry.y.tolist() == table["lat"].tolist()
    assert frame.crs == "OGC:CRS84"
    assert frame.columns.tolist() == ["id", "geometry", "sv", "location"]
    schema = pq.read_schema(folder / "out.parquet")
    assert str(schema.field("sv").type) == "fixed_size_list<element: float>[128]"
    geo = json.loads(schema.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    assert geo["columns"]["geometry"]["bbox"] == frame.total_bounds.tolist()
    assert geo["columns"]["geometry"]["geometry_types"] == ["Point"]
    about = provenance(folder / "out.parquet")
    assert about["identity"]["model"] == "random"
    assert len(about["identity"]["weights"]) == len(about["identity"]["input"]) == 64
    assert about["columns"]["sv"] == {"view": "sv", "shape": [128]}
    assert about["conversion"]["sv"][0]["size"] == [None, 64]
    assert "--views location,sv" in about["command"]
    assert pq.ParquetFile(folder / "out.parquet").num_row_groups == 3
    assert not (folder / "out.parquet.parts").exists()


def test_poolings_and_layers_are_computed_where_they_are_named_and_not_by_default(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(monkeypatch, folder, "--views", "rs,rs_mean,rs_mean_1,rs_tokens_1,rs_tokens_0_1_2_3,sv_cls") == 0
    frame = pd.read_parquet(folder / "out.parquet")
    assert {*frame.columns} == {
        "id", "geometry", "rs", "rs_mean", "rs_mean_1", "rs_tokens_1", "rs_tokens_0_1_2_3", "sv_cls"
    }  # fmt: skip
    assert provenance(folder / "out.parquet")["columns"]["rs_tokens_0_1_2_3"]["shape"] == [4, 128, 6, 6]
    grids = np.stack(frame["rs_tokens_0_1_2_3"].tolist()).reshape(-1, 4, 128, 36)
    np.testing.assert_allclose(grids[:, 1], np.stack(frame["rs_tokens_1"].tolist()).reshape(-1, 128, 36), atol=2e-6)
    np.testing.assert_allclose(grids[:, 1].mean(-1), np.stack(frame["rs_mean_1"].tolist()), atol=2e-6)
    np.testing.assert_allclose(frame["rs"].tolist(), frame["rs_mean"].tolist(), atol=2e-6)
    assert embed(monkeypatch, folder, "--fresh") == 0
    assert {*pd.read_parquet(folder / "out.parquet").columns} == {"id", "geometry", *VIEWS}
    assert f"views: {', '.join(VIEWS)}\n" in capsys.readouterr().err


def test_a_call_that_fails_before_its_first_part_leaves_nothing_in_the_way_of_a_corrected_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "0.png").rename(folder / "away.png")
    assert embed(monkeypatch, folder) == 1
    assert "0.png" in capsys.readouterr().err
    assert not (folder / "out.parquet.parts").exists()
    (folder / "away.png").rename(folder / "0.png")
    (folder / "out.parquet.parts").mkdir()
    (folder / "out.parquet.parts" / "manifest.json").write_text("{}")  # of a call that was killed
    assert embed(monkeypatch, folder) == 0


def test_parquet_table_gives_the_same_as_csv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder) == 0
    first = pd.read_parquet(folder / "out.parquet", columns=["id", *VIEWS])
    pd.read_csv(folder / "table.csv", dtype={"id": str}).to_parquet(folder / "table.parquet", row_group_size=3)
    assert embed(monkeypatch, folder, "--fresh", table="table.parquet") == 0
    second = pd.read_parquet(folder / "out.parquet", columns=["id", *VIEWS])
    assert first["id"].tolist() == second["id"].tolist()
    for view in VIEWS:
        np.testing.assert_array_equal(np.stack(first[view].tolist()), np.stack(second[view].tolist()))


def test_token_grid_is_embedded_when_it_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder, "--views", "rs,rs_tokens") == 0
    frame = pd.read_parquet(folder / "out.parquet", columns=["rs", "rs_tokens"])
    shape = provenance(folder / "out.parquet")["columns"]["rs_tokens"]["shape"]
    assert shape == [128, 6, 6]
    tokens = np.stack(frame["rs_tokens"].tolist()).reshape(-1, *shape)
    np.testing.assert_allclose(tokens.mean(axis=(2, 3)), np.stack(frame["rs"].tolist()), atol=1e-5)


def test_without_coordinates_the_geometry_is_null_and_ids_are_row_numbers(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv(folder / "table.csv")[["sv"]].to_csv(folder / "photos.csv", index=False)
    assert embed(monkeypatch, folder, table="photos.csv") == 0
    frame = geopandas.read_parquet(folder / "out.parquet")
    assert frame.geometry.isna().all()
    assert frame["id"].tolist() == [str(i + 1) for i in range(N)]
    assert list(frame.columns) == ["id", "geometry", "sv", "sv_projected"]
    assert "no location: the table has no columns 'lon' and 'lat'" in capsys.readouterr().err


def test_a_killed_run_is_continued_after_its_last_whole_part(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder) == 0
    whole = (folder / "out.parquet").read_bytes()
    (folder / "out.parquet").unlink()
    encode, calls = embed_parts.encode_batch, []

    def dying(*arguments: Any) -> Any:
        calls.append(len(arguments[2]))
        if len(calls) == 5 * len(VIEWS) + 1:
            raise Ended(143)
        return encode(*arguments)

    monkeypatch.setattr(embed_parts, "encode_batch", dying)
    assert embed(monkeypatch, folder) == 143
    parts = sorted(path.name for path in (folder / "out.parquet.parts").glob("*.parquet"))
    assert parts == ["000000.parquet", "000001.parquet"]
    assert not (folder / "out.parquet").exists()
    (folder / "out.parquet.parts" / ".000002.parquet.x").write_bytes(b"half")
    calls.clear()
    monkeypatch.setattr(embed_parts, "encode_batch", lambda *a: calls.append(len(a[2])) or encode(*a))
    assert embed(monkeypatch, folder) == 0
    assert sum(calls) == (N - 8) * len(VIEWS), "parts that were whole are not computed again"
    assert (folder / "out.parquet").read_bytes() == whole
    calls.clear()
    photo = (folder / "8.png").read_bytes()
    (folder / "8.png").write_bytes(photo[:100])
    assert embed(monkeypatch, folder, "--fresh") == 1
    (folder / "8.png").write_bytes(photo)
    assert (folder / "out.parquet").read_bytes() == whole, "the old file stays until the new one is whole"
    assert embed(monkeypatch, folder) == 0
    assert sum(calls) == N * len(VIEWS), "a replacement is continued too"
    calls.clear()
    assert embed(monkeypatch, folder) == 0
    assert not calls, "a finished file is left as it is"


def test_other_settings_do_not_continue_or_replace_an_earlier_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert embed(monkeypatch, folder) == 0
    before = (folder / "out.parquet").read_bytes()
    assert embed(monkeypatch, folder, "--seed", "1") == 1
    assert "out.parquet exists and was made with other settings (checkpoint, weights)" in capsys.readouterr().err
    assert (folder / "out.parquet").read_bytes() == before
    assert embed(monkeypatch, folder, "--seed", "1", "--fresh") == 0
    assert (folder / "out.parquet").read_bytes() != before

    (folder / "out.parquet").unlink()
    photo = (folder / "7.png").read_bytes()
    (folder / "7.png").write_bytes(photo[:100])
    assert embed(monkeypatch, folder) == 1
    (folder / "7.png").write_bytes(photo)
    text = (folder / "table.csv").read_text()
    (folder / "table.csv").write_text(text.replace("000,", "changed,"))
    assert embed(monkeypatch, folder) == 1
    assert "out.parquet.parts was begun with other settings (input)" in capsys.readouterr().err
    assert embed(monkeypatch, folder, "--fresh") == 0
    (folder / "out.parquet").write_bytes(b"PAR1 something else")
    assert embed(monkeypatch, folder) == 1
    assert "cannot read" in capsys.readouterr().err


def test_bad_rows_are_left_out_and_listed_when_that_is_asked_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (folder / "table.csv").read_text().splitlines()
    lines[2] = "001,200,10,1.tif,1.png"
    for row in range(5, 9):  # a whole part
        lines[row] = f"00{row - 1},1,2,,x.png"
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    (folder / "10.png").write_bytes((folder / "10.png").read_bytes()[:200])
    assert embed(monkeypatch, folder, "--on-error", "skip") == 1
    frame = geopandas.read_parquet(folder / "out.parquet")
    assert frame["id"].tolist() == ["000", "002", "003", "008", "009"]
    assert frame["sv"].map(len).tolist() == [128] * 5
    errors = pd.read_csv(folder / "out.parquet.errors.csv", dtype=str)
    assert errors["line"].tolist() == ["3", "6", "7", "8", "9", "12"]
    assert errors["id"].tolist() == ["001", "004", "005", "006", "007", "0010"]
    assert "longitude 200" in errors["reason"][0]
    assert "column 'rs' is empty" in errors["reason"][1]
    assert "10.png" in errors["reason"][5]
    assert "6 rows were left out" in capsys.readouterr().err
    assert provenance(folder / "out.parquet")["rows left out"] == 6
    assert embed(monkeypatch, folder, "--on-error", "skip") == 1, "nothing to do, and still not all rows"


def test_no_good_row_at_all_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "bad.csv").write_text("id,sv\na,x.png\nb,y.png\n")
    assert embed(monkeypatch, folder, "--on-error", "skip", table="bad.csv") == 1
    assert "none of the 2 rows could be embedded" in capsys.readouterr().err
    assert len((folder / "out.parquet.errors.csv").read_text().splitlines()) == 3
    assert not (folder / "out.parquet").exists()


@pytest.mark.parametrize(
    ("change", "more", "status", "message"),
    [
        (None, ("no-unit",), 2, "add --rs-unit uint8, reflectance, s2_dn"),
        (None, ("--rs-unit", "reflectence"), 2, "did you mean reflectance?"),
        (None, ("--column", "sv=svv"), 1, "has no column 'svv'; did you mean 'sv'?"),
        (None, ("--views", "rs_querry"), 2, "did you mean rs_query"),
        (None, ("--views", "rs", "--rs-bands", "green,red,blue"), 1, "says that its band 1 is red"),
        (None, ("--column", "lonn=a"), 2, "no --column 'lonn'; did you mean lon or lon_min"),
        (None, ("--on-error", "skipp"), 2, "did you mean skip?"),
        (None, ("--preset", "tinny"), 2, "did you mean tiny?"),
        (("lon,lat", "x,y"), ("--views", "location"), 2, "the table has no columns 'lon' and 'lat'"),
        (("lon,lat", "lon,y"), (), 1, "has a column 'lon' and none for 'lat'"),
        (("lon,lat", "lat,lon"), (), 1, "line 3: longitude 14.3, latitude 150 is out of range"),
        ((",3.png", ",missing.png"), (), 1, "line 5: no file"),
        ((",3.png", ","), (), 1, "line 5: column 'sv' is empty"),
        ((",3.png", ",3.png,x"), (), 1, "line 5: has 6 fields and the header 5"),
        (("rs,sv", "rs,rs"), (), 1, "has column 'rs' more than once"),
    ],
)
def test_a_mistake_is_one_clear_line(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str] | None,
    more: tuple[str, ...],
    status: int,
    message: str,
) -> None:
    text = (folder / "table.csv").read_text()
    lines = text.splitlines()
    if change == ("lon,lat", "lat,lon"):
        lines[2] = "001,150,14.3,1.tif,1.png"
    text = "\n".join(lines) + "\n"
    if change is not None:
        assert change[0] in text
        text = text.replace(*change, 1)
    (folder / "table.csv").write_text(text)
    assert embed(monkeypatch, folder, *more) == status
    told = capsys.readouterr().err
    assert message in told, told
    assert "Traceback" not in told
    assert not (folder / "out.parquet").exists()


def test_swapped_coordinates_are_called_swapped(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "points.csv").write_text("lon,lat\n51.5,-100.25\n48.9,102.5\n")
    assert embed(monkeypatch, folder, table="points.csv") == 1
    told = capsys.readouterr().err
    assert "2 of 2 rows cannot be used (2 x bad coordinates)" in told
    assert "line 2: longitude 51.5, latitude -100.25 is out of range" in told
    assert "longitude and latitude look swapped" in told


def test_a_model_that_encodes_nothing_of_the_table_is_an_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pd.read_csv(folder / "table.csv")[["sv"]].to_csv(folder / "photos.csv", index=False)
    assert embed(monkeypatch, folder, table="photos.csv", model="lonlat") == 2
    assert "lonlat can embed nothing of" in capsys.readouterr().err
    assert embed(monkeypatch, folder, table="photos.csv", model="lonlatt") == 2
    assert "no model 'lonlatt'; did you mean lonlat?" in capsys.readouterr().err


def test_bands_are_taken_by_name_in_any_order_and_spelling(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).integers(0, 255, (4, 20, 24), np.uint8)
    bounds = (10.0, 50.0, 10.1, 50.1)
    stack(folder / "a.tif", values, "EPSG:4326", bounds, ("B02", "B8A", "B04", "B03"))
    stack(folder / "b.tif", values[[2, 3, 0]], "EPSG:4326", bounds, ("red", "green", "blue"))
    (folder / "bands.csv").write_text("rs,lon,lat\na.tif,10.05,50.02\nb.tif,10.05,50.02\n")
    assert embed(monkeypatch, folder, "--views", "rs,rs_query", table="bands.csv") == 0
    frame = pd.read_parquet(folder / "out.parquet", columns=["rs", "rs_query"])
    np.testing.assert_allclose(frame["rs"][0], frame["rs"][1], atol=1e-6)
    ways = provenance(folder / "out.parquet")["conversion"]["rs"]
    assert sorted(way["dropped"] for way in ways) == [[], ["B8A"]]


def test_a_box_that_is_not_the_georeferences_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(folder / "table.csv", dtype={"id": str})
    for name, shift in zip(BBOX, (-0.02, 0.03, 0.01, -0.01), strict=True):
        table[name] = table["lat" if name.startswith("lat") else "lon"] + shift
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, "--views", "rs_query", table="boxes.csv") == 0
    boxed = pd.read_parquet(folder / "out.parquet", columns=["rs_query"])["rs_query"]
    assert embed(monkeypatch, folder, "--views", "rs_query", "--fresh") == 0
    placed = pd.read_parquet(folder / "out.parquet", columns=["rs_query"])["rs_query"]
    np.testing.assert_array_equal(np.stack(boxed), np.stack(placed))
    table.loc[2, ["lon_min", "lon_max"]] += 0.01
    table.to_csv(folder / "boxes.csv", index=False)
    capsys.readouterr()
    assert embed(monkeypatch, folder, "--views", "rs_query", "--fresh", table="boxes.csv") == 1
    told = capsys.readouterr().err
    assert "boxes.csv, line 4: the box " in told
    assert "2.tif, which lies in lon_min " in told
    # The box is no matter where nothing is looked up in it.
    assert embed(monkeypatch, folder, "--views", "rs", "--fresh", table="boxes.csv") == 0


def test_the_box_columns_of_images_without_georeference_must_hold_the_point(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(folder / "table.csv", dtype={"id": str})
    for i in range(N):
        with rasterio.open(folder / f"{i}.tif") as file:
            values = file.read()
        stack(folder / f"{i}.tif", values, None, (), RGB)
    for name, shift in zip(("w", "n", "e", "s"), (-0.1, 0.1, 0.3, -0.4), strict=True):
        table[name] = table["lat" if name in "ns" else "lon"] + shift
    table.to_csv(folder / "boxes.csv", index=False)
    names = (*named(zip(BBOX, "wnes", strict=True)), "--views", "rs_query")
    assert embed(monkeypatch, folder, *names, table="boxes.csv") == 0
    boxed = pd.read_parquet(folder / "out.parquet", columns=["rs_query"])["rs_query"][0]
    table["w"] -= 0.1
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, *names, "--fresh", table="boxes.csv") == 0
    moved = pd.read_parquet(folder / "out.parquet", columns=["rs_query"])["rs_query"][0]
    assert not np.allclose(boxed, moved, atol=1e-5)
    table["e"] = table["w"] + 0.01
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, *names, "--fresh", table="boxes.csv") == 1
    assert "lies outside its box" in capsys.readouterr().err
    table["e"] = table["w"] - 0.01
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, *names, "--fresh", table="boxes.csv") == 1
    assert "11 of 11 rows cannot be used (11 x bad bounding box)" in capsys.readouterr().err


def test_the_real_triplets_go_through(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    triplets = shared / "data" / "gair_official_triples"
    if not triplets.is_dir():
        pytest.skip(f"no real triplets at {triplets}")
    table = triplets / "examples" / "extract_embeddings" / "examples.csv"
    boxes = [f"rs_bbox_{name}" for name in BBOX]
    names = ("--root", str(triplets), "--column", "rs=rs_image", "--column", "sv=sv_image", "--rs-unit", Unit.S2_DN)
    embed_it = ("--preset", "base", "--input", str(table), *names)
    assert embed(monkeypatch, tmp_path, *embed_it, *named(zip(BBOX, boxes, strict=True))) == 0
    frame = geopandas.read_parquet(tmp_path / "out.parquet")
    assert frame["id"].tolist() == ["detroit", "sacramento", "tokyo"]
    for view in VIEWS:
        assert np.stack(frame[view].tolist()).shape == (3, 768)
    for row in pd.read_csv(table).itertuples():
        path = triplets / str(row.rs_image)
        place = read_place(path)
        assert place is not None
        stated = [getattr(row, name) for name in boxes]
        np.testing.assert_allclose(place.box(path, row.lon, row.lat), stated, atol=1e-9)


@pytest.mark.parametrize(
    ("views", "cells"),
    [
        ("location", {"rs": "", "sv": ""}),
        ("location", {"rs": "gone.tif", "sv": "../x"}),
        ("sv", {"rs": "", "lon": ""}),
        ("rs", {"sv": "", "lon": "", "lat": "north"}),
        ("sv,location", {"rs": ""}),
    ],
)
def test_cells_that_no_view_needs_stop_nothing_and_drop_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, views: str, cells: dict[str, str]
) -> None:
    table = pd.read_csv(folder / "table.csv", dtype=str)
    for name in BBOX:
        table[name] = "" if name == "lon_min" else "x"
    for name, value in cells.items():
        table.loc[1, name] = value
    table.to_csv(folder / "holes.csv", index=False)
    for more in ((), ("--on-error", "skip")):
        assert embed(monkeypatch, folder, "--views", views, "--fresh", *more, table="holes.csv") == 0
        frame = geopandas.read_parquet(folder / "out.parquet")
        assert frame["id"].tolist() == table["id"].tolist()
        assert frame.geometry.isna().tolist() == [i == 1 and "lon" in cells for i in range(N)]
    np.testing.assert_array_equal(frame.geometry.drop(1).x, table["lon"].drop(1).astype(float))


def test_a_model_without_images_needs_no_images(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (folder / "table.csv").read_text().replace("3.tif", "").replace("4.png", "")
    (folder / "table.csv").write_text(text)
    assert embed(monkeypatch, folder, model="lonlat") == 0
    assert len(pd.read_parquet(folder / "out.parquet", columns=["id"])) == N


def test_coordinates_that_no_view_needs_and_that_are_unusable_are_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(folder / "table.csv", dtype=str)
    table.loc[[1, 4], "lon"] = ["", "999"]
    table.to_csv(folder / "holes.csv", index=False)
    assert embed(monkeypatch, folder, "--views", "sv", table="holes.csv") == 0
    assert (
        "2 of them have no usable coordinates, which no view needs: their geometry is null" in capsys.readouterr().err
    )


def test_the_first_row_without_an_image_does_not_decide_what_is_possible(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (folder / "table.csv").read_text().splitlines()
    lines[1] = lines[1].replace("0.tif", "")
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    assert embed(monkeypatch, folder, "--on-error", "skip") == 1
    frame = pd.read_parquet(folder / "out.parquet", columns=["id", "rs_query"])
    assert len(frame) == N - 1


@pytest.mark.parametrize("ext", ["gpkg", "geojson", "shp", "geoparquet"])
def test_a_table_with_projected_points_gives_the_embeddings_of_the_csv(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ext: str
) -> None:
    rows = "".join(f"{i},{13 + i / 7},{52 - i / 9}\n" for i in range(5))
    (folder / "points.csv").write_text("id,lon,lat\n" + rows)
    assert embed(monkeypatch, folder, table="points.csv", model="lonlat") == 0
    first = geopandas.read_parquet(folder / "out.parquet")
    source = pd.read_csv(folder / "points.csv", dtype={"id": str})
    points = geopandas.points_from_xy(source["lon"], source["lat"], crs=4326)
    projected = geopandas.GeoDataFrame(source[["id"]], geometry=points).to_crs(32633)
    if ext == "geoparquet":
        projected.to_parquet(folder / f"points.{ext}")
    else:
        projected.to_file(folder / f"points.{ext}")
    assert embed(monkeypatch, folder, "--fresh", table=f"points.{ext}", model="lonlat") == 0
    second = geopandas.read_parquet(folder / "out.parquet")
    assert first["id"].tolist() == second["id"].tolist()
    np.testing.assert_allclose(np.stack(first["location"]), np.stack(second["location"]), atol=1e-9)
    np.testing.assert_allclose(first.geometry.x, second.geometry.x, atol=1e-9)


def test_its_own_file_can_be_embedded_and_joined_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert embed(monkeypatch, folder, "--views", "sv,location") == 0
    (folder / "out.parquet").rename(folder / "first.parquet")
    assert embed(monkeypatch, folder, table="first.parquet", model="lonlat") == 0
    first, second = (geopandas.read_parquet(folder / name) for name in ("first.parquet", "out.parquet"))
    assert first.geometry.geom_equals(second.geometry).all()
    table, found = read_table(folder / "table.csv").join(read_table(folder / "first.parquet"), "id")
    assert found.all()
    assert table.column("lon").values.tolist() == read_table(folder / "table.csv").column("lon").values.tolist()


def test_links_that_leave_the_folder_are_followed_only_when_asked(
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "p.png"
    (folder / "3.png").rename(elsewhere)
    (folder / "3.png").symlink_to(elsewhere)
    assert embed(monkeypatch, folder, "--views", "sv") == 1
    assert "that leads out of" in capsys.readouterr().err
    assert embed(monkeypatch, folder, "--views", "sv", "--follow-links") == 0


def test_a_ragged_line_is_left_out_like_any_bad_row(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (folder / "table.csv").read_text().splitlines()
    lines[3] += ",more"
    (folder / "table.csv").write_text("\n".join(lines) + "\n")
    assert embed(monkeypatch, folder, "--views", "location", "--on-error", "skip") == 1
    errors = pd.read_csv(folder / "out.parquet.errors.csv", dtype=str)
    assert errors.loc[0, ["line", "kind"]].tolist() == ["4", "broken row"]
    assert "has 6 fields and the header 5" in errors.loc[0, "reason"]


def test_two_calls_into_one_file_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(lock_beside(folder / "out.parquet"), taken="", hint=""):
        assert embed(monkeypatch, folder) == 1
    assert "out.parquet; wait until it has finished, or choose another --out" in capsys.readouterr().err
    assert not (folder / "out.parquet").exists()
    assert embed(monkeypatch, folder) == 0
    assert not [path for path in folder.iterdir() if path.name.startswith(".") or path.name.endswith(".parts")]


def test_only_images_without_georeference_need_a_box(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(folder / "table.csv", dtype=str)
    for name, shift in zip(BBOX, (-0.02, 0.03, 0.01, -0.01), strict=True):
        table[name] = ""
        table.loc[3, name] = str(float(table.loc[3, "lat" if name.startswith("lat") else "lon"]) + shift)
    with rasterio.open(folder / "3.tif") as file:
        values = file.read()
    stack(folder / "3.tif", values, None, (), RGB)
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, "--views", "rs_query", table="boxes.csv") == 0
    table.loc[3, [*BBOX]] = ""
    table.to_csv(folder / "boxes.csv", index=False)
    assert embed(monkeypatch, folder, "--views", "rs_query", "--fresh", table="boxes.csv") == 1
    assert "boxes.csv, line 5: " in (told := capsys.readouterr().err)
    assert "3.tif has no georeference; state its box in columns" in told
