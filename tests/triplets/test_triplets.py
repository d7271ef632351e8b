"""Manifests and shards: tiles that hold their photo, problems counted, shards that give back what went in."""

from __future__ import annotations

import csv
import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform

from gairbench import cli
from gairbench.commands.data import ShardRequest, shard_command
from gairbench.errors import BusyError, DataError, GairbenchError, UsageError
from gairbench.files.overhead import read_overhead
from gairbench.georeference import relative_position
from gairbench.inputs import ImageInput, Unit
from gairbench.locks import exclusive, lock_beside
from gairbench.maps.scene import open_scene as open_map
from gairbench.maps.tiling import Tile
from gairbench.triplets.balance import balance_weights
from gairbench.triplets.manifest import ManifestTriplets
from gairbench.triplets.options import TripletOptions
from gairbench.triplets.shards import ShardedTriplets
from gairbench.triplets.source import open_triplets

BANDS = ("B2", "B3", "B4")
SIZE = 16


def write_scene(
    path: Path,
    lonlat: tuple[float, float],
    *,
    crs: str | None = "EPSG:4326",
    pixel: float = 1e-4,
    edge: int = 60,
    **changes: Any,
) -> None:
    """Write a scene around a point, whose pixel under the point is bright."""
    (x,), (y,) = transform("EPSG:4326", crs or "EPSG:4326", [lonlat[0]], [lonlat[1]])
    column, row = edge // 3, edge // 2
    grid = from_origin(x - (column + 0.5) * pixel, y + (row + 0.5) * pixel, pixel, pixel)
    bands = changes.pop("bands", BANDS)
    values = np.full((len(bands), edge, edge), 100, dtype=np.uint16)
    values[:, row, column] = 9000
    profile = {"driver": "GTiff", "count": len(bands), "dtype": "uint16", "height": edge, "width": edge, "crs": crs}
    hole = changes.pop("hole", None)
    if hole is not None:
        values[:, hole, hole] = 0
        changes["nodata"] = 0
    with rasterio.open(path, "w", **(profile | {"transform": grid} | changes)) as file:
        file.write(values)
        file.descriptions = bands


def break_pixels(path: Path) -> None:
    """Break a file so that its header stays sound."""
    content = path.read_bytes()
    if path.suffix == ".jpg":
        # The scan's header, after which there should be pixels, is 14 bytes long.
        path.write_bytes(content[: content.index(b"\xff\xda") + 14])
        return
    with rasterio.open(path) as file:
        for row, column in (place for place, _ in file.block_windows(1)):
            at, length = (
                int(file.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", 1)) for what in ("OFFSET", "SIZE")
            )
            content = content[:at] + b"\xff" * length + content[at + length :]
    path.write_bytes(content)


def write_photo(path: Path, colour: int = 120) -> None:
    Image.new("RGB", (20, 14), (colour, colour // 2, 10)).save(path, quality=95)


def write_manifest(folder: Path, rows: Sequence[Mapping[str, object]], name: str = "triplets.csv") -> Path:
    path = folder / name
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def make(folder: Path, n: int = 4, **scene: Any) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for i in range(n):
        lonlat = (10 + 0.3 * i, 45 + 0.2 * i)
        write_scene(folder / f"rs{i}.tif", lonlat, **scene)
        write_photo(folder / f"sv{i}.jpg", 60 + 20 * i)
        rows.append({"id": f"place{i}", "rs": f"rs{i}.tif", "sv": f"sv{i}.jpg", "lon": lonlat[0], "lat": lonlat[1]})
    return rows


OPTIONS = TripletOptions(rs_unit=Unit.S2_DN, rs_size=SIZE, sv_size=12)


def options(**changes: Any) -> TripletOptions:
    fields = {name: getattr(OPTIONS, name) for name in ("rs_unit", "rs_size", "sv_size")}
    return TripletOptions(**(fields | changes))


@pytest.mark.parametrize(("crs", "pixel"), [("EPSG:4326", 1e-4), ("EPSG:32632", 10.0), ("EPSG:3857", 15.0)])
def test_the_photos_position_in_the_tile_is_the_pixel_that_it_stands_on(tmp_path: Path, crs: str, pixel: float) -> None:
    path = write_manifest(tmp_path, make(tmp_path, crs=crs, pixel=pixel))
    split = open_triplets(path, OPTIONS).split("pretrain")
    for sample in (split[i] for i in range(len(split))):
        assert sample["image"].shape == (3, SIZE, SIZE)
        x, y = relative_position(sample["lonlat"][None], sample["bbox"][None])[0].add(1).mul(SIZE / 2).tolist()
        bright = sample["image"][0].double() - 100
        rows, columns = np.mgrid[:SIZE, :SIZE] + 0.5
        # Reprojection may spread the bright pixel over its neighbours; its centre of mass stays.
        found = [float((bright * grid).sum() / bright.sum()) for grid in (columns, rows)]
        assert found == pytest.approx([x, y], abs=1.0)


def test_reprojected_pixels_are_square_on_the_ground(tmp_path: Path) -> None:
    rows = make(tmp_path, 1, crs="EPSG:32632", pixel=10.0)
    sample = open_triplets(write_manifest(tmp_path, rows), OPTIONS).split("pretrain")[0]
    west, north, east, south = sample["bbox"].tolist()
    height = (north - south) * 111_200
    width = (east - west) * 111_320 * np.cos(np.radians(45))
    assert width == pytest.approx(height, rel=0.01)
    assert height == pytest.approx(SIZE * 10, rel=0.02)


def test_tiles_hold_the_photo_anywhere_and_the_seed_decides_where(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, make(tmp_path, 1))

    def place(seed: int) -> list[float]:
        sample = open_triplets(path, options(seed=seed)).split("pretrain")[0]
        return relative_position(sample["lonlat"][None], sample["bbox"][None])[0].tolist()

    assert place(3) == place(3)
    places = np.array([place(seed) for seed in range(150)])
    assert (np.abs(places) <= 1).all()
    # Uniform on -1 ... 1 has deviation 0.58; a centred photo would have 0.
    assert places.std(axis=0) == pytest.approx([0.58, 0.58], abs=0.1)
    assert np.abs(places.mean(axis=0)).max() < 0.15


def test_a_scene_smaller_than_a_tile_is_taken_whole(tmp_path: Path) -> None:
    rows = make(tmp_path, 1, edge=9)
    sample = open_triplets(write_manifest(tmp_path, rows), OPTIONS).split("pretrain")[0]
    with rasterio.open(tmp_path / "rs0.tif") as file:
        left, bottom, right, top = file.bounds
    assert sample["image"].shape == (3, SIZE, SIZE)
    assert sample["bbox"].tolist() == pytest.approx([left, top, right, bottom])


def test_plain_images_take_their_place_from_the_manifest(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (1, 2, 3)).save(tmp_path / "tile.png")
    write_photo(tmp_path / "sv.jpg")
    row = {"rs": "tile.png", "sv": "sv.jpg", "lon": 5.5, "lat": 50.2}
    box = {"lon_min": 5.0, "lat_max": 51.0, "lon_max": 6.0, "lat_min": 50.0}
    path = write_manifest(tmp_path, [row | box])
    chosen = options(rs_unit=Unit.UINT8, rs_bands=("red", "green", "blue"), rs_size=None)
    sample = open_triplets(path, chosen).split("pretrain")[0]
    assert sample["image"].shape == (3, 30, 40)
    assert sample["bbox"].tolist() == pytest.approx([5, 51, 6, 50])
    with pytest.raises(DataError, match="not georeferenced"):
        open_triplets(write_manifest(tmp_path, [row]), chosen)


def test_missing_data_are_avoided_or_told(tmp_path: Path) -> None:
    # The photo is at a third from the west: only placements further west are whole.
    rows = make(tmp_path, 1, hole=slice(24, None))
    split = open_triplets(write_manifest(tmp_path, rows), OPTIONS).split("pretrain")
    assert int(split[0]["image"].min()) > 0
    (tmp_path / "all").mkdir()
    rows = make(tmp_path / "all", 1, hole=slice(0, 60))
    split = open_triplets(write_manifest(tmp_path / "all", rows), OPTIONS).split("pretrain")
    with pytest.raises(DataError, match=r"rs0.tif has missing data around 10, 45"):
        split[0]


def broken(folder: Path) -> Path:
    """Write a manifest with every kind of problem, and two sound rows."""
    rows = make(folder, 9)
    rows[1]["sv"] = ""
    rows[2]["rs"] = "nowhere.tif"
    (folder / "sv3.jpg").write_bytes(b"no photo")
    rows[4]["lon"], rows[4]["lat"] = 45.0, 140.0
    rows[5]["lon"] = 99.0
    rows[6]["sv"] = "sv0.jpg"
    write_scene(folder / "rs7.tif", (12.1, 46.4), bands=(*BANDS, "B8"))
    return write_manifest(folder, rows)


def test_every_problem_is_counted_and_the_sound_rows_remain(tmp_path: Path) -> None:
    source = ManifestTriplets(broken(tmp_path), options(on_error="skip"))
    assert source.report.counts() == {
        "missing value or file": 2,
        "broken file": 1,
        "bad coordinates": 1,
        "point outside its image": 1,
        "duplicate": 1,
        "other bands": 1,
    }
    assert source.split("pretrain").ids == ["place0", "place8"]
    told = source.report.render()
    assert "7 of 9 rows cannot be used" in told
    assert "line 3: column 'sv' is empty" in told
    assert "look swapped" in told


def test_problems_stop_unless_they_are_to_be_skipped(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        open_triplets(broken(tmp_path), OPTIONS)
    assert "7 of 9 rows cannot be used (2 x missing value or file" in str(error.value)
    assert "line 3: column 'sv' is empty; fix these rows, or leave them out with --on-error skip" in str(error.value)


@pytest.mark.parametrize(
    ("scene", "changes", "kind", "hint"),
    [
        ({"bands": (None, None, None)}, {}, "bands without names", "--rs-bands, for instance red,green,blue"),
        ({}, {"rs_bands": ("B2", "B3")}, "other bands", "name all bands of the file"),
        ({}, {"rs_unit": Unit.UINT8}, "data type that does not fit the unit", "declare the unit that the files are in"),
        ({"crs": None}, {}, "image that cannot be placed", "give its box"),
    ],
)
def test_sound_files_that_are_not_as_declared_are_not_called_broken_and_the_remedy_is_told(
    tmp_path: Path, scene: dict[str, Any], changes: dict[str, Any], kind: str, hint: str
) -> None:
    rows = make(tmp_path, 2)
    if scene:
        write_scene(tmp_path / "rs1.tif", (10.3, 45.2), **scene)
        source = ManifestTriplets(write_manifest(tmp_path, rows), options(on_error="skip", **changes))
        assert source.report.counts() == {kind: 1}
        assert hint in source.report.render()
        rows = rows[1:]
    with pytest.raises(DataError) as error:
        ManifestTriplets(write_manifest(tmp_path, rows), options(on_error="skip", **changes))
    assert "no usable triplet" in str(error.value)
    assert f"{len(rows)} x {kind}" in str(error.value)
    assert hint in str(error.value)


@pytest.mark.parametrize("spelling", ["./sv0.jpg", "../{folder}/sv0.jpg", "link.jpg"])
def test_a_photo_is_found_twice_however_its_path_is_spelled(tmp_path: Path, spelling: str) -> None:
    rows = make(tmp_path, 3)
    (tmp_path / "link.jpg").symlink_to("sv0.jpg")
    rows[2]["sv"] = spelling.format(folder=tmp_path.name)
    source = ManifestTriplets(write_manifest(tmp_path, rows), options(on_error="skip"))
    assert source.report.counts() == {"duplicate": 1}
    assert "line 4: photo" in source.report.render()
    assert "is also in line 2" in source.report.render()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((9.99, 45.01, 10.01, 44.99), "the box .* is not that of"),
        ((10.01, 45.0, 9.99, 44.9), "is not a box"),
        ((9.99, 44.9, 10.01, 45.1), "is not a box"),
        ((9.99, 45.1, "east", 44.9), "column 'lon_max': 'east' is not a number"),
    ],
)
def test_bad_boxes_are_refused(tmp_path: Path, box: tuple[Any, ...], message: str) -> None:
    row = make(tmp_path, 1)[0] | dict(zip(("lon_min", "lat_max", "lon_max", "lat_min"), box, strict=True))
    with pytest.raises(DataError, match=message):
        open_triplets(write_manifest(tmp_path, [row]), OPTIONS)


def test_a_box_that_agrees_with_the_file_is_accepted_and_half_a_box_is_not(tmp_path: Path) -> None:
    row = make(tmp_path, 1)[0]
    with rasterio.open(tmp_path / "rs0.tif") as file:
        left, bottom, right, top = file.bounds
    boxed = row | {"lon_min": left, "lat_max": top, "lon_max": right, "lat_min": bottom}
    assert len(open_triplets(write_manifest(tmp_path, [boxed]), OPTIONS).split("pretrain")) == 1
    with pytest.raises(DataError, match="a column 'lon_min' and none for 'lat_max', 'lon_max', 'lat_min'"):
        open_triplets(write_manifest(tmp_path, [row | {"lon_min": 1.0}]), OPTIONS)


def test_what_cannot_be_guessed_is_asked_for(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, make(tmp_path, 1))
    with pytest.raises(UsageError, match="--rs-unit"):
        open_triplets(path, options(rs_unit=None))
    with pytest.raises(UsageError, match="no --column 'rss'; did you mean rs"):
        open_triplets(path, options(columns={"rss": "rs"}))
    with pytest.raises(DataError, match="cannot be reflectance"):
        open_triplets(path, options(rs_unit=Unit.REFLECTANCE))
    with pytest.raises(DataError, match="is an image, not a table"):
        open_triplets(tmp_path / "rs0.tif", OPTIONS)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"rs": "tile"}, "no column 'tile'; its columns are .*, lat; say which one it is with --column rs="),
        ({"id": "ids"}, "no column 'ids'; did you mean 'id'?; say which one it is with --column id="),
        ({"lat_max": "top"}, "no column 'top'; its columns .* with --column lat_max="),
    ],
)
def test_a_column_that_is_not_there_can_be_named(tmp_path: Path, columns: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        open_triplets(write_manifest(tmp_path, make(tmp_path, 1)), options(columns=columns))


def test_a_file_that_breaks_later_is_named(tmp_path: Path) -> None:
    split = open_triplets(write_manifest(tmp_path, make(tmp_path, 1)), OPTIONS).split("pretrain")
    content = (tmp_path / "sv0.jpg").read_bytes()
    (tmp_path / "sv0.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"sv0\.jpg"):
        split[0]


@pytest.mark.parametrize(("crs", "pixel"), [("EPSG:4326", 1e-4), ("EPSG:32632", 10.0)])
def test_of_a_broken_scene_the_reason_is_told_and_not_where_rasterio_keeps_it(
    tmp_path: Path, crs: str, pixel: float
) -> None:
    rows = make(tmp_path, 1, crs=crs, pixel=pixel, compress="deflate")
    break_pixels(tmp_path / "rs0.tif")
    with pytest.raises(DataError, match=r"rs0\.tif: ZIPDecode:Decoding error") as error:
        open_triplets(write_manifest(tmp_path, rows), OPTIONS).split("pretrain")[0]
    assert "previous exception" not in str(error.value)
    with pytest.raises(DataError, match=r"rs0\.tif: ZIPDecode:Decoding error"):
        read_overhead(tmp_path / "rs0.tif", Unit.S2_DN, BANDS)
    with (
        open_map(tmp_path / "rs0.tif", Unit.S2_DN, None) as scene,
        pytest.raises(DataError, match=r"rs0\.tif: ZIPDecode:Decoding error"),
    ):
        scene.read(Tile(0, 0, SIZE))


def test_the_fingerprint_follows_files_and_settings(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, make(tmp_path, 2))
    first = open_triplets(path, OPTIONS).fingerprint()
    assert open_triplets(path, OPTIONS).fingerprint() == first
    assert open_triplets(path, options(seed=1)).fingerprint() != first
    write_photo(tmp_path / "sv1.jpg", 255)
    Image.effect_noise((90, 90), 80).convert("RGB").save(tmp_path / "sv1.jpg")
    assert open_triplets(path, OPTIONS).fingerprint() != first


@pytest.mark.parametrize("ext", ["gpkg", "geojson", "parquet", "pq"])
def test_a_manifest_with_points_is_that_of_a_csv(tmp_path: Path, ext: str) -> None:
    rows = make(tmp_path, 3)
    first = open_triplets(write_manifest(tmp_path, rows), OPTIONS).split("pretrain")
    points = geopandas.points_from_xy([row["lon"] for row in rows], [row["lat"] for row in rows], crs=4326)
    frame = geopandas.GeoDataFrame(
        {"id": [row["id"] for row in rows], "rs": [row["rs"] for row in rows]}, geometry=points
    )
    frame["photo"] = [row["sv"] for row in rows]
    # A column that nobody asks for.
    frame["note"] = ""
    frame = frame.to_crs(32632)
    path = tmp_path / f"t.{ext}"
    if ext in {"parquet", "pq"}:
        frame.to_parquet(path)
    else:
        frame.to_file(path)
    second = open_triplets(path, options(columns={"sv": "photo"})).split("pretrain")
    assert first.ids == second.ids
    np.testing.assert_allclose(first.lonlat, second.lonlat, atol=1e-9)
    assert all(first[0][key].shape == second[0][key].shape for key in first[0])


def test_ragged_rows_and_lists_of_a_manifest_are_counted(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path, make(tmp_path, 3))
    lines = manifest.read_text().splitlines()
    lines[2] += ",more"
    manifest.write_text("\n".join(lines) + "\n")
    source = ManifestTriplets(manifest, options(on_error="skip"))
    assert source.report.counts() == {"broken row": 1}
    assert source.split("pretrain").ids == ["place0", "place2"]


def test_a_manifest_names_files_below_its_root(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    rows = make(inner, 2)
    (inner / "sv1.jpg").rename(tmp_path / "elsewhere.jpg")
    (inner / "sv1.jpg").symlink_to(tmp_path / "elsewhere.jpg")
    manifest = write_manifest(inner, rows)
    with pytest.raises(DataError, match="--follow-links"):
        open_triplets(manifest, OPTIONS)
    assert len(open_triplets(manifest, options(follow_links=True)).split("pretrain")) == 2
    rows[1]["sv"] = "../elsewhere.jpg"
    manifest = write_manifest(inner, rows)
    with pytest.raises(DataError, match="is outside of"):
        open_triplets(manifest, options(follow_links=True))
    assert len(open_triplets(manifest, options(root=inner, on_error="skip")).split("pretrain")) == 1


def run(arguments: Sequence[str]) -> int:
    return int(cli.app(list(arguments), standalone_mode=False) or 0)


def shard(manifest: Path, out: Path, *more: str) -> int:
    arguments = ["data", "shard", "--data", str(manifest), "--out", str(out), "--rs-unit", "s2_dn"]
    arguments += ["--rs-size", str(SIZE), "--sv-size", "12", "--shard-size", "3", *more]
    return run(arguments)


def test_shards_give_back_what_the_manifest_gives(tmp_path: Path) -> None:
    manifest, out = write_manifest(tmp_path, make(tmp_path, 7)), tmp_path / "shards"
    shard(manifest, out)
    assert sorted(path.name for path in out.iterdir()) == [
        "shards.json", "triplets-000000.tar", "triplets-000001.tar", "triplets-000002.tar",
    ]  # fmt: skip
    source, packed = open_triplets(manifest, OPTIONS), open_triplets(out, TripletOptions())
    assert packed.delivers == source.delivers
    assert packed.fingerprint() == source.fingerprint()
    left, right = source.split("pretrain"), packed.split("pretrain")
    assert list(left.ids) == list(right.ids)
    assert np.array_equal(left.lonlat, right.lonlat)
    for index in (6, 0, 3):
        a, b = left[index], right[index]
        assert all(a[key].equal(b[key]) for key in ("image", "lonlat", "bbox"))
        assert float((a["street_view"].float() - b["street_view"].float()).abs().max()) < 12


def test_webdataset_reads_the_shards(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out = tmp_path / "shards"
    shard(write_manifest(tmp_path, make(tmp_path, 4)), out)
    files = sorted(map(str, out.glob("*.tar")))
    samples = list(webdataset.WebDataset(files, shardshuffle=False, empty_check=False).decode("rgb8"))
    assert [sample["json"]["id"] for sample in samples] == [f"place{i}" for i in range(4)]
    assert samples[0]["rs.npy"].shape == (3, SIZE, SIZE)
    assert samples[0]["sv.jpg"].shape == (12, 12, 3)


def test_two_processes_do_not_write_shards_into_one_folder(tmp_path: Path) -> None:
    manifest, out = write_manifest(tmp_path, make(tmp_path, 4)), tmp_path / "shards"
    request = ShardRequest(data=manifest, out=out, rs_unit=Unit.S2_DN)
    with (
        exclusive(lock_beside(out), taken="", hint=""),
        pytest.raises(BusyError, match=r"another process writes shards into .*; wait until it has finished"),
    ):
        shard_command(request)
    assert not out.exists()


def test_sharding_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gairbench.triplets import shards

    manifest, whole, parts = write_manifest(tmp_path, make(tmp_path, 7)), tmp_path / "whole", tmp_path / "parts"
    shard(manifest, whole)
    write = shards._write_shard

    def stop(file: Any, split: Any, rows: range, report: Any, *, skip: bool) -> list[Any]:
        if rows.start == 3:
            raise RuntimeError("stopped")
        return write(file, split, rows, report, skip=skip)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_write_shard", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            shard(manifest, parts)
    first = (parts / "triplets-000000.tar").stat().st_mtime_ns
    with pytest.raises(DataError, match="other triplets or settings"):
        shard(manifest, parts, "--seed", "5")
    shard(manifest, parts)
    assert (parts / "triplets-000000.tar").stat().st_mtime_ns == first
    read = [json.loads((folder / "shards.json").read_text()) for folder in (whole, parts)]
    assert read[0] == read[1]
    with pytest.raises(DataError, match="already holds shards"):
        shard(manifest, parts)


def half_broken(folder: Path) -> Path:
    """Write a manifest of seven sound headers, of which rows 1, 3 (photos) and 4 (scene) have broken pixels."""
    rows = make(folder, 7, compress="deflate")
    for name in ("sv1.jpg", "sv3.jpg", "rs4.tif"):
        break_pixels(folder / name)
    return write_manifest(folder, rows)


def test_sharding_leaves_out_files_whose_pixels_are_broken_and_counts_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest, out = half_broken(tmp_path), tmp_path / "shards"
    assert shard(manifest, out, "--on-error", "skip") == 1
    told = capsys.readouterr().err
    assert "3 of 7 rows cannot be used (3 x broken file)" in told
    for line, name in ((3, "sv1.jpg"), (5, "sv3.jpg"), (6, "rs4.tif")):
        assert f"broken file: line {line}: cannot read image {tmp_path / name}" in told
    assert "previous exception" not in told
    index = json.loads((out / "shards.json").read_text())
    assert index["left_out"] == {"broken file": 3}
    assert index["triplets"] == 4
    assert [part["triplets"] for part in index["shards"]] == [2, 1, 1]
    packed = open_triplets(out, TripletOptions())
    assert packed.split("pretrain").ids == ["place0", "place2", "place5", "place6"]
    assert packed.fingerprint() != open_triplets(manifest, OPTIONS).fingerprint()


def test_sharding_stops_at_the_first_row_whose_pixels_are_broken(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        shard(half_broken(tmp_path), tmp_path / "shards")
    assert f"triplets.csv, line 3: cannot read image {tmp_path / 'sv1.jpg'}" in str(error.value)
    assert str(error.value).endswith("or leave it out with --on-error skip")


def test_sharding_that_goes_on_still_tells_what_it_left_out_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from gairbench.triplets import shards

    manifest, whole, parts = half_broken(tmp_path), tmp_path / "whole", tmp_path / "parts"
    shard(manifest, whole, "--on-error", "skip")
    write = shards._write_shard

    def stop(file: Any, split: Any, rows: range, report: Any, *, skip: bool) -> list[Any]:
        if rows.start == 6:
            raise RuntimeError("stopped")
        return write(file, split, rows, report, skip=skip)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_write_shard", stop)
        with pytest.raises(RuntimeError, match="stopped"):
            shard(manifest, parts, "--on-error", "skip")
    capsys.readouterr()
    assert shard(manifest, parts, "--on-error", "skip") == 1
    assert "3 of 7 rows cannot be used (3 x broken file)" in capsys.readouterr().err
    assert (parts / "shards.json").read_text() == (whole / "shards.json").read_text()


def test_shards_of_nothing_are_refused(tmp_path: Path) -> None:
    rows = make(tmp_path, 4)
    for i in range(4):
        break_pixels(tmp_path / f"sv{i}.jpg")
    with pytest.raises(DataError, match=r"no usable triplet: 4 of 4 .* \(4 x broken file\); the first: line 2: "):
        shard(write_manifest(tmp_path, rows), tmp_path / "shards", "--on-error", "skip")
    assert not (tmp_path / "shards" / "shards.json").exists()


def test_scenes_without_data_around_the_photo_are_left_out_of_shards(tmp_path: Path) -> None:
    rows = make(tmp_path, 3)
    write_scene(tmp_path / "rs1.tif", (10.3, 45.2), hole=slice(0, 60))
    shard(write_manifest(tmp_path, rows), tmp_path / "shards", "--on-error", "skip")
    index = json.loads((tmp_path / "shards" / "shards.json").read_text())
    assert index["left_out"] == {"missing data around the point": 1}


@pytest.mark.parametrize("harm", ["cut", "member", "missing", "index"])
def test_broken_shards_are_refused(tmp_path: Path, harm: str) -> None:
    out = tmp_path / "shards"
    shard(write_manifest(tmp_path, make(tmp_path, 3)), out)
    tar = out / "triplets-000000.tar"
    if harm == "cut":
        tar.write_bytes(tar.read_bytes()[:3000])
    elif harm == "member":
        with tarfile.open(tar, "a") as file:
            file.add(out / "shards.json", "../../evil.json")
    elif harm == "missing":
        tar.unlink()
    else:
        (out / "shards.json").write_text("{}")
    with pytest.raises(DataError):
        ShardedTriplets(out)


def test_every_occupied_cell_is_as_likely() -> None:
    crowd = np.tile([[2.3, 48.8]], (90, 1))
    lonlat = np.vstack([crowd, [[-70.0, -30.0]], [[140.0, 36.0]]])
    for cells in ("grid:5", "h3:2"):
        weights = balance_weights(lonlat, cells)
        assert weights.sum() == pytest.approx(1)
        assert weights[:90].sum() == pytest.approx(1 / 3)
        assert weights[-1] == pytest.approx(1 / 3)


def test_grid_cells_widen_towards_the_poles() -> None:
    north = np.array([[1.0, 82.0], [15.0, 82.0], [1.0, 2.0], [15.0, 2.0]])
    weights = balance_weights(north, "grid:5")
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 3, 1 / 3])


@pytest.mark.parametrize("cells", ["grid", "grid:0", "hex:3", "h3:99", "5"])
def test_unknown_cells_are_one_clear_line(cells: str) -> None:
    with pytest.raises(UsageError, match="write for instance grid:5 or h3:3"):
        balance_weights(np.zeros((2, 2)), cells)


TINY = ["rs.depth=1", "sv.depth=1", "epochs=1", "batch_size=2", "queue_size=4"]


def pretrain(data: Path, out: Path, *more: str, settings: Sequence[str] = TINY) -> None:
    arguments = ["pretrain", "--model", "gair", "--data", str(data), "--out", str(out), "--device", "cpu"]
    arguments += [word for setting in settings for word in ("--set", setting)]
    assert run([*arguments, "--validate-every", "0", *more]) == 0


def rgb_manifest(folder: Path) -> Path:
    rows = []
    for i in range(6):
        Image.effect_noise((60, 60), 60).convert("RGB").save(folder / f"rs{i}.png")
        Image.effect_noise((80, 70), 60).convert("RGB").save(folder / f"sv{i}.jpg")
        box = {"lon_min": i, "lat_max": 1, "lon_max": i + 1, "lat_min": 0}
        rows.append({"rs": f"rs{i}.png", "sv": f"sv{i}.jpg", "lon": i + 0.4, "lat": 0.7} | box)
    return write_manifest(folder, rows)


@pytest.mark.parametrize("sharded", [False, True], ids=["manifest", "shards"])
def test_gair_is_pretrained_on_ones_own_triplets(tmp_path: Path, sharded: bool) -> None:
    data: Path = rgb_manifest(tmp_path)
    described = ["--rs-unit", "uint8", "--rs-bands", "red,green,blue"]
    if sharded:
        packed = ["--rs-unit", "uint8", "--rs-bands", "red,green,blue", "--rs-size", "48", "--sv-size", "64"]
        assert run(["data", "shard", "--data", str(data), "--out", str(tmp_path / "s"), *packed]) == 0
        data, described = tmp_path / "s", []
    pretrain(data, tmp_path / "out", *described, "--balance", "grid:1", "--num-workers", "2" if sharded else "0")
    card = json.loads((tmp_path / "out" / "checkpoint.json").read_text())
    assert card["samples"] == 6
    assert card["steps"] == 3
    assert card["balance"] == "grid:1"


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_photo_that_breaks_in_training_is_one_line_with_its_row_and_the_way_out(tmp_path: Path, workers: str) -> None:
    manifest = rgb_manifest(tmp_path)
    break_pixels(tmp_path / "sv2.jpg")
    described = ["--rs-unit", "uint8", "--rs-bands", "red,green,blue", "--on-error", "skip"]
    with pytest.raises(DataError) as error:
        pretrain(manifest, tmp_path / "out", *described, "--num-workers", workers)
    told = str(error.value)
    assert "\n" not in told
    assert told.startswith(f"{manifest}, line 4: cannot read image {tmp_path / 'sv2.jpg'}: image file is truncated")
    assert told.endswith("which leaves out and reports all such rows: gairbench data shard --on-error skip")


MANIFEST_OPTIONS = {
    "--rs-unit": "uint8",
    "--rs-bands": "red,green,blue",
    "--root": "elsewhere",
    "--column": "rs=image",
    "--on-error": "skip",
}


@pytest.mark.parametrize("given", [*([option] for option in MANIFEST_OPTIONS), [*MANIFEST_OPTIONS]])
@pytest.mark.parametrize("data", ["shards", "earth-triplets"])
def test_options_of_manifests_are_refused_where_they_would_change_nothing(
    tmp_path: Path, data: str, given: list[str]
) -> None:
    if data == "shards":
        data = str(tmp_path / "shards")
        shard(write_manifest(tmp_path, make(tmp_path, 2)), Path(data))
    words = [word for option in given for word in (option, MANIFEST_OPTIONS[option])]
    with pytest.raises(UsageError, match=rf"{', '.join(given)} appl(ies|y) to manifests, and .* is not one; remove"):
        pretrain(Path(data), tmp_path / "out", *words, "--limit", "2")


def test_bands_that_the_preset_lacks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        GairbenchError,
        match="the encoder needs band B5, B6, B7, B8, B8A, B11, B12 and the dataset has red, green, blue",
    ):
        pretrain(
            rgb_manifest(tmp_path), tmp_path / "out", "--rs-unit", "uint8", "--rs-bands", "red,green,blue",
            "--preset", "base",
        )  # fmt: skip


def test_the_released_triplets_train_the_papers_architecture(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = shared / "data" / "gair_official_triples"
    table = root / "examples" / "extract_embeddings" / "examples.csv"
    if not table.is_file():
        pytest.skip(f"no real triplets at {table}")
    manifest = tmp_path / "examples.csv"
    shutil.copy(table, manifest)
    columns = {"rs": "rs_image", "sv": "sv_image"}
    columns |= {name: f"rs_bbox_{name}" for name in ("lon_min", "lat_max", "lon_max", "lat_min")}
    renamed = [word for ours, theirs in columns.items() for word in ("--column", f"{ours}={theirs}")]
    chosen = TripletOptions(rs_unit=Unit.S2_DN, rs_size=96, sv_size=224, root=root, columns=columns)
    source = open_triplets(manifest, chosen)
    assert isinstance(source.delivers[0], ImageInput)
    assert len(source.delivers[0].bands) == 12
    for sample in (source.split("pretrain")[i] for i in range(3)):
        assert sample["image"].shape == (12, 96, 96)
        assert 100 < float(sample["image"].double().mean()) < 6000
        assert relative_position(sample["lonlat"][None], sample["bbox"][None]).abs().max() <= 1
    small = ["rs.depth=1", "sv.depth=1", "epochs=1", "batch_size=3", "queue_size=8"]
    more = ["--preset", "base", "--rs-unit", "s2_dn", "--root", str(root), *renamed]
    pretrain(manifest, tmp_path / "out", *more, settings=small)
    assert json.loads((tmp_path / "out" / "checkpoint.json").read_text())["steps"] == 1
