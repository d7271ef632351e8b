"""``table:PATH``: embeddings in tables, found by id or by the nearest place, or refused with the reason."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
import torch
from rasterio.transform import from_bounds
from typer.testing import CliRunner

import gairbench as gb
from gairbench import ModelContext, ModelSpec
from gairbench.batch import Batch
from gairbench.cli import app
from gairbench.errors import CheckpointError, DataError, GairbenchError, InputMismatchError, PluginError, UsageError
from gairbench.model_names import known_model, known_models
from gairbench.plugin_code import is_third_party
from gairbench.plugins import load_registry
from gairbench.representation import LOCATION, RS, RS_QUERY, SV, Representation
from gairbench.results import Result, read_result
from gairbench.testing.model_declaration_checks import DECLARATION
from gairbench_models.precomputed.table_declaration import make_table_spec

IDS = ["a", "b", "c", "d"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)


def lists(values: Any, kind: pa.DataType | None = None) -> pa.Array:
    return pa.array([None if row is None else list(row) for row in values], pa.list_(kind or pa.float32()))


def write(folder: Path, name: str = "own.parquet", **columns: Any) -> str:
    pq.write_table(pa.table(columns), folder / name)
    return str(folder / name)


def loaded(rest: str) -> Any:
    spec = make_table_spec(rest)
    factory: Any = pickle.loads(pickle.dumps(spec.factory))
    return factory(ModelContext(preset="default", seed=0, model=spec.name))


def by_ids(rest: str, *ids: str, view: Representation = RS) -> np.ndarray[Any, Any]:
    found: np.ndarray[Any, Any] = loaded(rest).encode(Batch(images={}, ids=ids), view).numpy()
    return found


def by_places(rest: str, *lonlat: tuple[float, float]) -> np.ndarray[Any, Any]:
    batch = Batch(images={}, lonlat=torch.tensor(lonlat, dtype=torch.float64))
    found: np.ndarray[Any, Any] = loaded(rest).encode(batch, RS).numpy()
    return found


# By id


def test_rows_are_found_by_their_ids_in_any_order(tmp_path: Path) -> None:
    path = write(tmp_path, id=IDS, vector=lists(VECTORS))
    np.testing.assert_array_equal(by_ids(path, "c", "a", "c"), VECTORS[[2, 0, 2]])
    for view in (RS, SV, LOCATION):
        np.testing.assert_array_equal(by_ids(path, "b", view=view), VECTORS[[1]])


def test_what_is_not_there_and_rows_that_are_not_wholly_numbers_are_not_a_number(tmp_path: Path) -> None:
    rows = [[1, 2, 3], [4, np.nan, 6], None, [7, np.inf, 9]]
    path = write(tmp_path, id=IDS, vector=lists(rows))
    found = by_ids(path, "a", "b", "c", "d", "e")
    assert np.isfinite(found).all(axis=1).tolist() == [True, False, False, False, False]
    model = loaded(path)
    model.encode(Batch(images={}, ids=("a",)), RS)
    assert model.holds == "4 rows with ids 'a', 'b', 'c', ... (3 of which hold no finite vector)"


def test_ids_are_text_and_compared_like_every_name(tmp_path: Path) -> None:
    path = write(tmp_path, id=["007", " b ", "e\u0301", "x"], vector=lists(VECTORS))
    found = by_ids(path, "007", "b", "\u00e9", "7")
    assert np.isfinite(found).all(axis=1).tolist() == [True, True, True, False]
    whole = write(tmp_path, "whole.parquet", id=[7, 8, 9, 10], vector=lists(VECTORS))
    np.testing.assert_array_equal(by_ids(whole, "8"), VECTORS[[1]])


@pytest.mark.parametrize("ids", [["a", "b", "a", "c"], ["a", "b", " a", "c"]])
def test_an_id_that_is_there_twice_is_refused(tmp_path: Path, ids: list[str]) -> None:
    with pytest.raises(DataError, match=r"id 'a' is there twice in column 'id' of .*own.parquet"):
        loaded(write(tmp_path, id=ids, vector=lists(VECTORS)))


def test_an_id_that_is_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is empty"):
        loaded(write(tmp_path, id=["a", None, "c", "d"], vector=lists(VECTORS)))


def test_bad_rows_of_a_models_table_are_to_be_removed_for_no_command_leaves_them_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        loaded(write(tmp_path, id=["a", None, "c", "d"], vector=lists(VECTORS)))
    assert str(error.value).endswith("; fix these rows, or remove them from the table")
    assert "--on-error" not in str(error.value)


# Vectors


def test_several_columns_of_vectors_need_a_choice(tmp_path: Path) -> None:
    path = write(tmp_path, id=IDS, one=lists(VECTORS), other=lists(VECTORS + 1))
    with pytest.raises(DataError, match=r"several columns of vectors: one, other; name one with :column=COLUMN"):
        make_table_spec(path)
    np.testing.assert_array_equal(by_ids(f"{path}:column=other", "a"), VECTORS[[0]] + 1)
    with pytest.raises(UsageError, match=r"no column of vectors 'others' in .*; did you mean other\?"):
        make_table_spec(f"{path}:column=others")
    assert make_table_spec(f"{path}:column=one").version != make_table_spec(f"{path}:column=other").version


def test_vectors_in_later_rows_alone_are_read(tmp_path: Path) -> None:
    count = 5_000  # more than are read at a time
    rows: list[Any] = [None] * count
    rows[-1] = [1.0, 2.0]
    path = write(tmp_path, id=[str(i) for i in range(count)], vector=lists(rows))
    np.testing.assert_array_equal(by_ids(path, str(count - 1), "0")[0], [1, 2])


def test_whole_numbers_need_a_declaration_of_what_they_stand_for(tmp_path: Path) -> None:
    values = np.array([[-128, 0, 1], [127, -127, 64], [1, 2, 3], [0, 0, 0]], dtype=np.int8)
    path = write(tmp_path, id=IDS, vector=lists(values, pa.int8()))
    with pytest.raises(DataError, match=r"holds whole numbers \(int8\).*:dequantize=NAME, one of alphaearth, none"):
        make_table_spec(path)
    np.testing.assert_array_equal(by_ids(f"{path}:dequantize=none", "b"), values[[1]].astype(np.float32))
    found = by_ids(f"{path}:dequantize=alphaearth", *IDS)
    expected = np.sign(values[1]) * (values[1] / 127.5) ** 2
    np.testing.assert_allclose(found[1], expected.astype(np.float32), rtol=1e-6)
    assert np.isnan(found[0]).all(), "-128 is missing, and so is its row"
    with pytest.raises(UsageError, match="no dequantization 'alphearth'; did you mean alphaearth"):
        make_table_spec(f"{path}:dequantize=alphearth")
    floats = write(tmp_path, "floats.parquet", id=IDS, vector=lists(VECTORS))
    with pytest.raises(UsageError, match="holds float32, which is not quantized"):
        make_table_spec(f"{floats}:dequantize=alphaearth")


def test_other_numbers_are_not_taken_for_alphaearths(tmp_path: Path) -> None:
    path = write(tmp_path, id=IDS, vector=lists(VECTORS.astype(np.int16) + 250, pa.int16()))
    with pytest.raises(DataError, match="values from 250 to 261 are not AlphaEarth's 8-bit embeddings"):
        by_ids(f"{path}:dequantize=alphaearth", "a")


# By place

PLACES = np.array([[10.0, 50.0], [10.01, 50.0], [179.9995, 0.0], [30.0, 90.0]])


def placed(folder: Path, name: str = "own.parquet", **more: Any) -> str:
    return write(folder, name, **({"lon": PLACES[:, 0], "lat": PLACES[:, 1], "vector": lists(VECTORS)} | more))


def test_the_nearest_place_is_taken_by_great_circle(tmp_path: Path) -> None:
    # 0.0005 degrees of longitude are 36 m at 50 degrees north, and 0.001 of latitude 111 m.
    found = by_places(placed(tmp_path), (10.0005, 50.0), (10.0, 50.001), (10.0, 50.0005), (np.nan, 50.0))
    np.testing.assert_array_equal(found[[0, 2]], VECTORS[[0, 0]])
    assert np.isnan(found[[1, 3]]).all()


def test_the_antimeridian_and_the_poles_are_places_like_others(tmp_path: Path) -> None:
    found = by_places(placed(tmp_path), (-180.0, 0.0), (-150.0, 89.9999), (120.0, 90.0))
    np.testing.assert_array_equal(found, VECTORS[[2, 3, 3]])


def test_a_distance_can_be_declared(tmp_path: Path) -> None:
    path = placed(tmp_path)
    np.testing.assert_array_equal(by_places(f"{path}:within=1km", (10.0, 50.001)), VECTORS[[0]])
    assert np.isnan(by_places(f"{path}:within=30m", (10.0005, 50.0))).all()
    for wrong in ("within=1", "within=0m", "within=-1m", "within=1mile"):
        with pytest.raises(UsageError, match="is not a distance"):
            make_table_spec(f"{path}:{wrong}")


def test_a_place_without_a_vector_does_not_hide_the_next(tmp_path: Path) -> None:
    path = placed(tmp_path, vector=lists([None, *VECTORS[1:]]))
    np.testing.assert_array_equal(by_places(f"{path}:within=1km", (10.0, 50.0)), VECTORS[[1]])


def test_the_id_comes_first_and_the_place_by_request(tmp_path: Path) -> None:
    path = placed(tmp_path, id=IDS)
    assert make_table_spec(path).presets[0].needs == {"id"}
    spec = make_table_spec(f"{path}:by=place")
    assert (spec.presets[0].needs, spec.name) == ({"lonlat"}, "table:own.place")
    with pytest.raises(UsageError, match="within=5km is of places, and the table is joined by id"):
        make_table_spec(f"{path}:within=5km")


@pytest.mark.parametrize(
    "places",
    [[[1, 2], [1, 2], [3, 4], [5, 6]], [[180, 2], [-180, 2], [3, 4], [5, 6]], [[1, -90], [2, -90], [3, 4], [5, 6]]],
)
def test_a_place_that_is_there_twice_is_refused(tmp_path: Path, places: list[list[float]]) -> None:
    lonlat = np.array(places, dtype=np.float64)
    with pytest.raises(DataError, match=r"has the place .* more than once"):
        loaded(placed(tmp_path, lon=lonlat[:, 0], lat=lonlat[:, 1]))


def test_exchanged_coordinates_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="longitude and latitude look swapped"):
        loaded(placed(tmp_path, lon=[10.0, 11, 12, 13], lat=[170.0, 171, 172, 173]))


def test_columns_of_coordinates_are_known_by_name_and_never_guessed(tmp_path: Path) -> None:
    lon, lat = PLACES[:, 0], PLACES[:, 1]
    usual = write(tmp_path, Latitude=lat, Longitude=lon, vector=lists(VECTORS))
    np.testing.assert_array_equal(by_places(usual, (10.0, 50.0)), VECTORS[[0]])
    both = write(tmp_path, "both.parquet", lon=lon, longitude=lon, lat=lat, vector=lists(VECTORS))
    with pytest.raises(DataError, match=r"lon and longitude of .* could both be the lon; name one with :lon=COLUMN"):
        make_table_spec(both)
    np.testing.assert_array_equal(by_places(f"{both}:lon=longitude", (10.0, 50.0)), VECTORS[[0]])
    letters = write(tmp_path, "letters.parquet", x=lon, y=lat, vector=lists(VECTORS))
    with pytest.raises(
        DataError, match=r"no column 'id', and none of longitude and latitude.*columns are x, y, vector"
    ):
        make_table_spec(letters)
    np.testing.assert_array_equal(by_places(f"{letters}:lon=x:lat=y", (10.0, 50.0)), VECTORS[[0]])
    half = write(tmp_path, "half.parquet", lon=lon, vector=lists(VECTORS))
    with pytest.raises(DataError, match="has no column 'lat'"):
        make_table_spec(half)


# Names, identity and wrong files


def test_the_name_is_of_the_file_and_the_version_of_its_content(tmp_path: Path) -> None:
    spec = make_table_spec(write(tmp_path, "my table v2.parquet", id=IDS, vector=lists(VECTORS)))
    (tmp_path / "elsewhere").mkdir()
    again = make_table_spec(write(tmp_path / "elsewhere", "my table v2.parquet", id=IDS, vector=lists(VECTORS)))
    other = make_table_spec(write(tmp_path, "my table v2.parquet", id=IDS, vector=lists(VECTORS + 1)))
    assert spec.name == again.name == "table:my-table-v2"
    assert spec.version == again.version != other.version
    assert not is_third_party(spec.factory)
    hash(spec)


def test_a_file_that_changes_after_the_plan_is_refused(tmp_path: Path) -> None:
    spec = make_table_spec(write(tmp_path, id=IDS, vector=lists(VECTORS)))
    write(tmp_path, id=IDS, vector=lists(VECTORS + 1))
    context = ModelContext(preset="default", seed=0, model=spec.name)
    with pytest.raises(DataError, match="was changed while it was in use"):
        spec.factory(context)  # type: ignore[operator]
    with pytest.raises(CheckpointError, match="takes no checkpoint"):
        spec.factory(replace(context, checkpoint=tmp_path))  # type: ignore[operator]


def test_what_is_not_a_table_of_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no table"):
        make_table_spec(str(tmp_path / "missing.parquet"))
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match="cannot read table"):
        make_table_spec(str(tmp_path / "broken.parquet"))
    with pytest.raises(DataError, match="has no vectors"):
        make_table_spec(write(tmp_path, id=IDS, words=[["a"], ["b"], ["c"], ["d"]], year=[1, 2, 3, 4]))
    with pytest.raises(UsageError, match=r"no option 'colum' of table:PATH; did you mean column\?"):
        make_table_spec(f"{tmp_path}/own.parquet:colum=x")
    with pytest.raises(UsageError, match="option 'by' is there twice"):
        make_table_spec(f"{tmp_path}/own.parquet:by=id:by=place")


def test_the_declaration_is_whole(tmp_path: Path) -> None:
    spec = make_table_spec(write(tmp_path, id=IDS, vector=lists(VECTORS)))
    for check in DECLARATION:
        if check.__name__ != "check_registering_imports_nothing_heavy":  # nothing is registered
            check(spec)


def test_models_by_name_are_registered_under_names_of_their_files(tmp_path: Path) -> None:
    registry = load_registry()
    path = write(tmp_path, id=IDS, vector=lists(VECTORS))
    assert known_models([f"table:{path}", "lonlat"], registry) == ["table:own", "lonlat"]
    (tmp_path / "other").mkdir()
    same = write(tmp_path / "other", id=IDS, vector=lists(VECTORS + 1))
    with pytest.raises(PluginError, match="model 'table:own' is already provided"):
        known_model(f"table:{same}", registry)
    with pytest.raises(DataError, match="no table"):
        known_model("table:nothing.parquet", registry)


# What 'gairbench embed' writes

TASK = """
datasets:
  fields:
    licence: CC0-1.0
    synthetic: true
    table: {path: fields.csv, id: field, lon: lon, lat: lat}
    images: {modality: rs, folder: images, file: "{field}.tif", unit: uint8}
    split: {by: column, column: part}
tasks:
  - {name: fields-kind, dataset: fields, label: kind, kind: classification}
  - {name: fields-height, dataset: fields, label: height, kind: regression, localized: true}
  - {name: fields-place, dataset: fields, label: height, kind: regression, input: location}
  - {name: fields-both, dataset: fields, label: height, kind: regression, input: [rs, location]}
"""


@pytest.fixture
def fields(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A task of sixty fields, whose images show what is asked for."""
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for i in range(60):
        lon, lat, kind = float(rng.uniform(-170, 170)), float(rng.uniform(-60, 60)), i % 2
        image = np.clip(rng.normal(90 + 60 * kind, 25, (3, 16, 16)), 0, 255).astype(np.uint8)
        profile = {"driver": "GTiff", "count": 3, "height": 16, "width": 16, "dtype": "uint8", "crs": "EPSG:4326"}
        place = from_bounds(lon - 0.02, lat - 0.01, lon + 0.01, lat + 0.03, 16, 16)
        with rasterio.open(tmp_path / "images" / f"f{i:02d}.tif", "w", transform=place, **profile) as file:
            file.write(image)
            file.descriptions = ("red", "green", "blue")
        part = "train" if i < 36 else "val" if i < 46 else "test"
        height = 3 * float(image.mean()) + lat + float(rng.normal())
        rows.append({"field": f"f{i:02d}", "lon": lon, "lat": lat, "kind": "ab"[kind], "height": height, "part": part})
    pd.DataFrame(rows).to_csv(tmp_path / "fields.csv", index=False)
    frame = pd.DataFrame(rows).rename(columns={"field": "id"})
    frame["rs"] = [f"images/{name}.tif" for name in frame["id"]]
    # In another order, as whoever embeds a table need not know the splits.
    frame[["id", "lon", "lat", "rs"]].sample(frac=1, random_state=1).to_csv(tmp_path / "sites.csv", index=False)
    (tmp_path / "fields.yaml").write_text(TASK)
    return tmp_path


def evaluated(folder: Path, *models: str | ModelSpec, **more: Any) -> dict[str, dict[tuple[str, str], Result]]:
    found: dict[str, dict[tuple[str, str], Result]] = {}
    chosen = gb.run(
        model=list(models),
        task_file=folder / "fields.yaml",
        data_root=folder,
        results=folder / "results",
        preset="tiny" if "random" in models else None,
        quiet=True,
        **more,
    )
    for record in chosen.records:
        found.setdefault(record.model, {})[record.task, record.probe] = record
    return found


def test_a_table_of_a_models_embeddings_gives_the_models_own_metrics(fields: Path) -> None:
    out = fields / "random.parquet"
    gb.embed(model="random", preset="tiny", input=fields / "sites.csv", out=out, rs_unit="uint8", quiet=True)
    found = evaluated(fields, "random", f"table:{out}")
    own, table = found["random"], found["table:random"]
    assert own.keys() == table.keys()
    assert {task for task, _ in own} == {"fields-kind", "fields-height", "fields-place", "fields-both"}
    for which, record in own.items():
        assert table[which].status == "ok", table[which].reason
        for name, value in record.metrics.items():
            assert table[which].metrics[name].value == pytest.approx(value.value, abs=1e-5), (which, name)
    assert found["table:random"]["fields-height", "ridge"].conversion == {"rs:query": {"looked up by": ["id"]}}
    assert make_table_spec(str(out)).description.startswith("Embeddings in random.parquet of random 1")


def test_token_grids_and_layers_of_a_table_have_their_shapes(fields: Path) -> None:
    out = fields / "tokens.parquet"
    views = "rs_tokens,rs_mean_1"
    gb.embed(
        model="random", preset="tiny", input=fields / "sites.csv", out=out, rs_unit="uint8", views=views, quiet=True
    )
    spec = make_table_spec(str(out))
    about = json.loads(pq.read_schema(out).metadata[b"gairbench"])["columns"]
    tokens, layer = (Representation.parse(text) for text in ("rs:tokens", "rs:mean@1"))
    assert {*spec.presets[0].offers} == {tokens, layer}
    assert list(by_ids(str(out), "f03", view=tokens).shape) == [1, *about["rs_tokens"]["shape"]]
    with pytest.raises(InputMismatchError, match="has no rs; it has "):
        by_ids(str(out), "f03")
    with pytest.raises(UsageError, match="has no token grid and cannot make maps"):
        gb.map(
            image=fields / "images" / "f03.tif", out=fields / "map.tif", unit="uint8", model=f"table:{out}", quiet=True
        )
    found = evaluated(fields, "random", f"table:{out}", task="fields-kind", readout="mean@1")
    values = [found[name]["fields-kind", "linear"].metrics["accuracy"].value for name in ("random", "table:tokens")]
    assert values[0] == pytest.approx(values[1], abs=1e-6)


def test_a_view_can_be_chosen_and_another_column_not(fields: Path) -> None:
    out = fields / "all.parquet"
    gb.embed(model="random", preset="tiny", input=fields / "sites.csv", out=out, rs_unit="uint8", quiet=True)
    assert make_table_spec(f"{out}:column=rs_query").presets[0].offers == (RS_QUERY,)
    with pytest.raises(UsageError, match="no column of vectors 'geometry'"):
        make_table_spec(f"{out}:column=geometry")
    placed_by = make_table_spec(f"{out}:by=place")
    assert placed_by.presets[0].needs == {"lonlat"}
    broken = pq.read_table(out)
    pq.write_table(broken.replace_schema_metadata({b"gairbench": b'{"columns": 3}'}), fields / "broken.parquet")
    with pytest.raises(DataError, match=r"what 'gairbench embed' says in the metadata of .* is broken"):
        make_table_spec(str(fields / "broken.parquet"))


def test_a_table_that_lacks_samples_is_a_skip_that_names_ids_of_both_sides(fields: Path) -> None:
    frame = pd.read_csv(fields / "sites.csv").sort_values("id")
    ids = [f"site-{name}" if name > "f40" else name for name in frame["id"]]
    path = write(fields, "colleague.parquet", id=ids, vector=lists(np.random.default_rng(0).normal(size=(60, 4))))
    record = evaluated(fields, f"table:{path}", task="fields-kind")["table:colleague"]["fields-kind", "linear"]
    assert record.status == "skipped"
    assert record.reason.startswith(
        "no embedding of some samples (val: 5 of 10, as 'f41', 'f42', 'f43'; test: 14 of 14, as 'f46', 'f47', 'f48');"
        " there are 60 rows with ids 'f00', 'f01', 'f02', ...; "
    )


def test_what_is_missing_shows_in_a_dry_run_and_rows_without_a_vector_when_they_are_looked_up(fields: Path) -> None:
    frame = pd.read_csv(fields / "sites.csv").sort_values("id")
    vectors = [*np.random.default_rng(0).normal(size=(59, 4)), [1.0, np.nan, 1.0, 1.0]]
    path = write(fields, "holes.parquet", id=frame["id"], vector=lists(vectors))
    short = write(fields, "short.parquet", id=frame["id"][:59], vector=lists(vectors[:59]))
    asked = ["run", "--dry-run", "--model", f"table:{path},table:{short}", "--task", "fields-kind"]
    where = ["--task-file", str(fields / "fields.yaml"), "--data-root", str(fields)]
    shown = CliRunner().invoke(app, [*asked, *where])
    assert "skipped: no embedding of some samples (test: 1 of 14, as 'f59'); there are 59 rows" in shown.output
    assert "2 todo, 0 cached, 2 skipped, 0 failed" in shown.output
    record = evaluated(fields, f"table:{path}", task="fields-kind")["table:holes"]["fields-kind", "linear"]
    assert record.status == "skipped"
    assert "(1 of which hold no finite vector); " in record.reason


def test_all_models_can_be_run_on_what_a_table_has(fields: Path) -> None:
    frame = pd.read_csv(fields / "sites.csv").sort_values("id")
    vectors = [[1.0, np.nan, 1.0, 1.0], *np.random.default_rng(0).normal(size=(56, 4))]
    path = write(fields, "short.parquet", id=frame["id"][:57], vector=lists(vectors))
    where = ["--task-file", str(fields / "fields.yaml"), "--data-root", str(fields)]
    asked = ["run", "--model", f"table:{path},pixel-stats", "--task", "fields-kind", "--covered-by", f"table:{path}"]
    shown = CliRunner().invoke(app, [*asked, *where, "--results", str(fields / "results")])
    assert shown.exit_code == 0, shown.output
    assert "## Samples covered by table:short" in shown.output
    assert "n = 11 of 14" in shown.output
    records = [read_result(one) for one in (fields / "results").rglob("linear.json")]
    assert sorted(record.model for record in records) == ["pixel-stats", "table:short"]
    assert {(record.n["train"], record.n["test"]) for record in records} == {(35, 11)}
    few = write(fields, "few.parquet", id=frame["id"][:50], vector=lists(vectors[:50]))
    asked = ["run", "--dry-run", "--model", "pixel-stats", "--task", "fields-kind", "--covered-by", f"table:{few}"]
    shown = CliRunner().invoke(app, [*asked, *where])
    assert "skipped: table:few covers 4 of 14 samples of split 'test', fewer than 7" in shown.output
    assert "0 todo" in shown.output


def test_a_plain_table_serves_whatever_a_task_feeds(fields: Path) -> None:
    frame = pd.read_csv(fields / "sites.csv")
    vectors = np.random.default_rng(0).normal(size=(60, 4))
    path = write(fields, "plain.parquet", lon=frame["lon"], lat=frame["lat"], vector=lists(vectors))
    found = evaluated(fields, f"table:{path}")["table:plain"]
    assert {record.status for record in found.values()} == {"ok"}
    assert {record.embedding_dim for (task, _), record in found.items() if task == "fields-both"} == {8}


def test_nothing_but_gairbench_errors_comes_of_bytes_at_random(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.parquet"
    good = Path(write(tmp_path, "good.parquet", id=IDS, vector=lists(VECTORS))).read_bytes()
    for _ in range(60):
        noise = bytearray(good)
        for place in rng.integers(4, len(noise) - 8, 6):
            noise[place] = rng.integers(0, 256)
        path.write_bytes(noise)
        try:
            by_ids(str(path), "a")
        except GairbenchError:
            continue
