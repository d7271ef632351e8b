"""Samples that lie where their images say: blocks, location tasks and localized inputs without a table; and doubts."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine, from_origin
from rasterio.warp import transform

from gairbench.errors import DataError, UsageError
from gairbench.inputs import Modality
from gairbench.spec import DataContext, TaskSpec
from gairbench.taskfiles import whereabouts
from gairbench.taskfiles.parsing import load_task_file
from gairbench.taskfiles.source import FileSource
from gairbench.testing.dataset_report import DataReport, check_dataset

UTM = "EPSG:32632"
IMAGES = "{modality: rs, folder: im, pattern: '*/*.tif', unit: s2_dn, bands: [B2, B3, B4]}"
NAMED = "{modality: rs, folder: im, file: '{file}', unit: s2_dn, bands: [B2, B3, B4]}"
TABLE = "{path: t.csv, lon: lon, lat: lat}"
PHOTOS = "images: {modality: sv, folder: im, pattern: '*', unit: uint8}"
BLOCKS = "{by: blocks, degrees: 0.2}"
BY_FOLDER = "label: folder, kind: classification"
Y = "label: y, kind: regression"


def tiff(path: Path, seed: int, place: Any = None, crs: str | None = UTM) -> None:
    """Write 16x16 pixels of 10 m; ``place``: the easting and northing of the upper left corner, or a transform."""
    path.parent.mkdir(parents=True, exist_ok=True)
    where = place if isinstance(place, Affine) or place is None else from_origin(*place, 10, 10)
    values = np.random.default_rng(seed).integers(100, 3000, (3, 16, 16)).astype(np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver="GTiff", count=3, height=16, width=16, dtype="uint16", crs=crs, transform=where
        ) as file:
            file.write(values)


def corner(n: int) -> tuple[float, float]:
    return 300_000 + 20_000 * (n % 6), 5_300_000 - 20_000 * (n // 6)


def middle(n: int) -> tuple[float, float]:
    left, top = corner(n)
    (lon,), (lat,) = transform(UTM, "EPSG:4326", [left + 80], [top - 80])
    return lon, lat


def field(folder: Path, n: int = 24) -> None:
    for i in range(n):
        tiff(folder / "im" / "ab"[i % 2] / f"{i:02}.tif", i, corner(i))


def declare(
    folder: Path, *more: str, split: str = "{by: random}", task: str = "label: folder, kind: classification"
) -> TaskSpec:
    lines = ["datasets:", "  own:", "    licence: CC0-1.0", "    synthetic: false", f"    split: {split}"]
    lines += [f"    {line}" for line in more]
    lines += ["tasks:", f"  - {{name: own-task, dataset: own, {task}}}"]
    (folder / "my.yaml").write_text("\n".join(lines) + "\n")
    (spec,) = load_task_file(folder / "my.yaml")
    return spec


def opened(task: TaskSpec, root: Path) -> FileSource:
    assert callable(task.dataset.factory)
    source: FileSource = task.dataset.factory(DataContext(root=root))
    source.fingerprint()
    return source


def report(task: TaskSpec, root: Path) -> DataReport:
    return check_dataset(task.dataset, root, [task])


def table(folder: Path, header: str, rows: list[str]) -> None:
    (folder / "t.csv").write_text("\n".join([header, *rows]) + "\n")


def test_blocks_are_made_of_the_images_own_places(tmp_path: Path) -> None:
    field(tmp_path)
    task = declare(tmp_path, f"images: {IMAGES}", split=BLOCKS)
    assert task.dataset.modalities == {Modality.RS, Modality.LOCATION}
    source = opened(task, tmp_path)
    assert source.lonlat is not None
    expected = {f"{'ab'[n % 2]}/{n:02}.tif": middle(n) for n in range(24)}
    np.testing.assert_allclose(source.lonlat, [expected[name] for name in source.ids], atol=1e-9)
    cell_of: dict[tuple[float, ...], str] = {}
    for name in ("train", "val", "test"):
        for i, identifier in enumerate(source.split(name).ids):
            lonlat = source.split(name)[i]["lonlat"].numpy()
            np.testing.assert_allclose(lonlat, expected[identifier], atol=1e-9)
            cell = tuple(np.floor((lonlat + np.array([180, 90])) / 0.2))
            assert cell_of.setdefault(cell, name) == name


def test_location_task_and_localized_task_need_no_table(tmp_path: Path) -> None:
    field(tmp_path)
    task = declare(tmp_path, f"images: {IMAGES}", task="label: folder, kind: classification, input: location")
    assert task.inputs == (Modality.LOCATION,)
    unasked = opened(task, tmp_path).split("train")[0]
    task = declare(tmp_path, f"images: {IMAGES}", task="label: folder, kind: classification, localized: true")
    assert task.localized
    assert report(task, tmp_path).problems == []
    sample = opened(task, tmp_path).split("train")[0]
    # Whether a task is localized must not change what a model that wants boxes is given: the keys are the same.
    assert unasked["bbox"].tolist() == sample["bbox"].tolist()
    west, north, east, south = sample["bbox"].tolist()
    lon, lat = sample["lonlat"].tolist()
    # The centre is in the middle of the box: 80 m from each edge.
    assert (east - west) / 2 == pytest.approx(80 / (111_320 * np.cos(np.radians(lat))), rel=0.01)
    assert (north - south) / 2 == pytest.approx(80 / 111_320, rel=0.01)
    assert (lon, lat) == (pytest.approx((west + east) / 2), pytest.approx((north + south) / 2))


def test_images_of_which_nobody_asks_the_place_need_none(tmp_path: Path) -> None:
    for i in range(12):
        tiff(tmp_path / "im" / "ab"[i % 2] / f"{i}.tif", i, crs=None)
    task = declare(tmp_path, f"images: {IMAGES}")
    assert task.dataset.modalities == {Modality.RS}
    assert opened(task, tmp_path).lonlat is None
    task = declare(tmp_path, f"images: {IMAGES}", split=BLOCKS)
    with pytest.raises(
        DataError, match=r"a/0\.tif states no place \(12 of 12 images do not\); declare the columns lon"
    ):
        opened(task, tmp_path)


def test_given_coordinates_must_lie_in_their_images(tmp_path: Path) -> None:
    field(tmp_path)
    rows = [f"{'ab'[n % 2]}/{n:02}.tif,{middle(n)[0]:.6f},{middle(n)[1]:.6f},{n}" for n in range(24)]
    table(tmp_path, "file,lon,lat,y", rows)
    parts = (f"table: {TABLE}", f"images: {NAMED}")
    task = declare(tmp_path, *parts, task="label: y, kind: regression, localized: true")
    source = opened(task, tmp_path)
    assert source.lonlat is not None
    assert np.allclose(source.lonlat, [middle(n) for n in range(24)], atol=1e-6)
    table(tmp_path, "file,lon,lat,y", [rows[0].replace(f"{middle(0)[0]:.6f}", "9.5"), *rows[1:]])
    for extra in ("", ", localized: true"):
        task = declare(tmp_path, *parts, task="label: y, kind: regression" + extra)
        with pytest.raises(
            DataError, match=r"point 9\.5, 47.* \(lon, lat\) lies outside its image .*a/00\.tif; correct"
        ):
            opened(task, tmp_path)
    task = declare(tmp_path, "table: {path: t.csv, lon: lat, lat: lon}", parts[1], task="label: y, kind: regression")
    table(tmp_path, "file,lon,lat,y", rows)
    with pytest.raises(DataError, match=r"\(24 of 24 such images\); longitude and latitude are swapped; exchange them"):
        opened(task, tmp_path)


def test_rotated_images_are_refused_only_where_their_place_is_used(tmp_path: Path) -> None:
    for n in range(12):
        tiff(tmp_path / "im" / "ab"[n % 2] / f"{n}.tif", n, from_origin(*corner(n), 10, 10) * Affine.rotation(20))
    table(tmp_path, "file,lon,lat,y", [f"{'ab'[n % 2]}/{n}.tif,{middle(n)[0]},{middle(n)[1]},{n}" for n in range(12)])
    parts = (f"table: {TABLE}", f"images: {NAMED}")
    rotated = opened(declare(tmp_path, *parts, task="label: y, kind: regression"), tmp_path)
    assert rotated.whereabouts.box(0) is None
    with pytest.raises(DataError, match="is rotated or not north up"):
        opened(declare(tmp_path, *parts, task="label: y, kind: regression, localized: true"), tmp_path)
    with pytest.raises(DataError, match="is rotated or not north up"):
        opened(declare(tmp_path, f"images: {IMAGES}", split=BLOCKS), tmp_path)


def located(folder: Path) -> FileSource:
    field(folder)
    rows = [f"{'ab'[n % 2]}/{n:02}.tif,{middle(n)[0]:.6f},{middle(n)[1]:.6f},{n}" for n in range(24)]
    table(folder, "file,lon,lat,y", rows)
    return unread(folder)


def unread(folder: Path) -> FileSource:
    """The same files, opened anew."""
    task = declare(folder, f"table: {TABLE}", f"images: {NAMED}", task=Y)
    assert callable(task.dataset.factory)
    source: FileSource = task.dataset.factory(DataContext(root=folder))
    return source


def test_a_broken_image_is_named_and_leaves_the_boxes_of_the_others(tmp_path: Path) -> None:
    source = located(tmp_path)
    before = source.whereabouts.box(2)
    assert before is not None
    path = tmp_path / "im" / "b" / "01.tif"
    path.write_bytes(path.read_bytes()[:40])
    source = unread(tmp_path)
    assert source.whereabouts.box(2) == before
    with pytest.raises(DataError, match=r"im/b/01\.tif"):
        source.whereabouts.box(1)


def test_an_image_whose_system_leads_nowhere_is_an_error_and_not_an_image_without_a_box(tmp_path: Path) -> None:
    source = located(tmp_path)
    tiff(tmp_path / "im" / "a" / "00.tif", 0, corner(0), 'LOCAL_CS["site",UNIT["metre",1]]')
    with pytest.raises(DataError, match=r"cannot place .*im/a/00\.tif on the globe"):
        source.whereabouts.box(0)


def test_an_image_across_the_antimeridian_or_a_hair_beside_its_point_has_no_box(tmp_path: Path) -> None:
    source = located(tmp_path)
    tiff(tmp_path / "im" / "a" / "00.tif", 0, (corner(0)[0] + 81, corner(0)[1]))
    assert source.whereabouts.box(0) is None
    lon = 179.9995
    x, y = transform("EPSG:4326", "EPSG:32601", [lon], [47.0])
    tiff(tmp_path / "im" / "a" / "02.tif", 0, (x[0] - 80, y[0] + 80), "EPSG:32601")
    lonlat = source.lonlat
    assert lonlat is not None
    lonlat[2] = lon, 47.0
    assert source.whereabouts.box(2) is None


def test_threads_that_ask_for_places_at_once_read_each_header_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, opened = located(tmp_path), []
    read = whereabouts.read_place_of

    def slow(path: Path, *arguments: Any, **more: Any) -> Any:
        opened.append(path)
        time.sleep(0.01)
        return read(path, *arguments, **more)

    monkeypatch.setattr(whereabouts, "read_place_of", slow)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: source.whereabouts.stated, range(4)))
    assert len(opened) == 24
    assert all(one is found[0] for one in found)


def test_place_in_a_sidecar_is_part_of_the_fingerprint(tmp_path: Path) -> None:
    for n in range(24):
        path = tmp_path / "im" / "ab"[n % 2] / f"{n:02}.tif"
        tiff(path, n)
        left, top = corner(n)
        path.with_suffix(".tfw").write_text(f"10\n0\n0\n-10\n{left + 5}\n{top - 5}\n")
    task = declare(tmp_path, f"images: {IMAGES}", split=BLOCKS)
    source = opened(task, tmp_path)
    assert source.lonlat is not None
    np.testing.assert_allclose(source.lonlat[0], middle(0), atol=1e-9)
    before = source.fingerprint()
    world = tmp_path / "im" / "a" / "00.tfw"
    world.write_text(world.read_text().replace("300005", "301005"))
    assert opened(task, tmp_path).fingerprint() != before


def test_shares_of_missing_pixels_are_summed_up(tmp_path: Path) -> None:
    field(tmp_path)
    source = opened(declare(tmp_path, f"images: {IMAGES}"), tmp_path)
    files = source.rows.images or ()
    source.pixels.missing = dict.fromkeys(files, 0.0)
    assert source.warnings() == []
    source.pixels.missing |= {files[3]: 0.5, files[5]: 0.22}
    (warning,) = source.warnings()
    assert warning.startswith("2 of 24 images lack pixels, 3.0% of all; most are missing from ")
    assert warning.endswith("a/06.tif (50%)")


def test_headers_are_checked_and_another_task_changes_no_fingerprint(tmp_path: Path) -> None:
    field(tmp_path)
    plain = opened(declare(tmp_path, f"images: {IMAGES}"), tmp_path)
    assert plain.lonlat is None
    located = declare(tmp_path, f"images: {IMAGES}", task="label: folder, kind: classification, input: location")
    assert opened(located, tmp_path).fingerprint() == plain.fingerprint()
    four = IMAGES.replace("B4]", "B4, B8]")
    with pytest.raises(DataError, match=r"a/00\.tif has 3 bands, .*4"):
        opened(declare(tmp_path, f"images: {four}"), tmp_path)


@pytest.mark.parametrize(
    ("lines", "task", "message"),
    [
        (["table: {path: t.csv}"], "label: y, kind: regression, input: location", "a location task needs coordinates"),
        ([PHOTOS], BY_FOLDER + ", localized: true", "a localized task needs coordinates"),
        ([f"table: {TABLE}"], "label: y, kind: regression, localized: true", "does not fit input location"),
        ([PHOTOS, "extent: {lon: [0, 1], lat: [0, 1]}"], BY_FOLDER, "an extent needs coordinates"),
        ([f"table: {TABLE}", "extent: [0, 1, 2, 3]"], "label: y, kind: regression", "is not a mapping"),
        ([f"table: {TABLE}", "extent: {lon: [0, 200], lat: [0, 1]}"], Y, r"\[0, 200\] is not a range"),
        ([f"table: {TABLE}", "extent: {lon: [0, 2], lat: [3, 1]}"], Y, "runs from north to south"),
        ([f"table: {TABLE}", "extent: {lon: [0, 2]}"], "label: y, kind: regression", "missing"),
    ],
)  # fmt: skip
def test_declaration_that_cannot_be_fulfilled_is_a_usage_error(
    tmp_path: Path, lines: list[str], task: str, message: str
) -> None:
    with pytest.raises(UsageError, match=rf"my\.yaml, line \d+, key .*{message}"):
        declare(tmp_path, *lines, task=task)


POINTS = [f"{7 + n / 10},{50 + n / 20},{n}" for n in range(20)]


def test_points_outside_the_declared_extent_are_refused(tmp_path: Path) -> None:
    table(tmp_path, "lon,lat,y", POINTS)
    opened(declare(tmp_path, f"table: {TABLE}", "extent: {lon: [6, 9], lat: [49, 52]}", task=Y), tmp_path)
    with pytest.raises(
        DataError, match=r"t\.csv, line 13.*: longitude 8\.1, .* outside the declared extent, lon 6 to 8 "
    ):
        opened(declare(tmp_path, f"table: {TABLE}", "extent: {lon: [6, 8], lat: [49, 52]}", task=Y), tmp_path)
    swapped = "table: {path: t.csv, lon: lat, lat: lon}"
    with pytest.raises(DataError, match="longitude and latitude are swapped; exchange them"):
        opened(declare(tmp_path, swapped, "extent: {lon: [6, 9], lat: [49, 52]}", task=Y), tmp_path)


def test_extent_may_lie_around_the_antimeridian(tmp_path: Path) -> None:
    table(tmp_path, "lon,lat,y", [f"{178 + n / 10 if n % 2 else -180 + n / 10},-17,{n}" for n in range(20)])
    opened(declare(tmp_path, f"table: {TABLE}", "extent: {lon: [177, -178], lat: [-20, -15]}", task=Y), tmp_path)
    with pytest.raises(DataError, match="outside the declared extent"):
        opened(declare(tmp_path, f"table: {TABLE}", "extent: {lon: [-178, 177], lat: [-20, -15]}", task=Y), tmp_path)


def test_extent_is_of_the_images_places_too_and_changes_no_fingerprint(tmp_path: Path) -> None:
    field(tmp_path)
    task = declare(tmp_path, f"images: {IMAGES}", "extent: {lon: [0, 20], lat: [40, 60]}", split=BLOCKS)
    source = opened(task, tmp_path)
    assert source.extent
    without = declare(tmp_path, f"images: {IMAGES}", split=BLOCKS)
    assert opened(without, tmp_path).fingerprint() == source.fingerprint()
    with pytest.raises(DataError, match=r"a/00\.tif: longitude 6.* is outside the declared extent"):
        opened(declare(tmp_path, f"images: {IMAGES}", "extent: {lon: [0, 1], lat: [40, 60]}"), tmp_path)


def country_rows(name: str) -> list[str]:
    # In Mali, and exchanged in Senegal's sea or land: the sea alone would not say that they are swapped.
    return [f"{-8 + n / 20},{13 + n / 20},{name},{n}" for n in range(20)]


@pytest.mark.parametrize("name", ["Mali", "ML", "MLI", "mali"])
@pytest.mark.parametrize("column", ["country", "ISO_A3", "adm0_name"])
def test_points_far_from_the_country_that_their_rows_name_are_swapped(tmp_path: Path, name: str, column: str) -> None:
    table(tmp_path, f"lon,lat,{column},y", country_rows(name))
    assert report(declare(tmp_path, f"table: {TABLE}", task=Y), tmp_path).problems == []
    swapped = declare(tmp_path, "table: {path: t.csv, lon: lat, lat: lon}", task=Y)
    assert any(
        f"line 2, column '{column}': '{name}' is" in problem
        and "20 of 20 points are so far from their country:" in problem
        for problem in report(swapped, tmp_path).problems
    )


def test_single_point_far_from_its_country_is_a_warning(tmp_path: Path) -> None:
    rows = country_rows("Mali")
    table(tmp_path, "lon,lat,country,y", [*rows[:-1], "120,30,Mali,19"])
    found = report(declare(tmp_path, f"table: {TABLE}", task=Y), tmp_path)
    assert found.ok
    assert any("line 21, column 'country': 'Mali' is" in warning for warning in found.warnings)
    # Words that name no country say nothing.
    table(tmp_path, "lon,lat,country,y", [row.replace("Mali", f"zone {n}") for n, row in enumerate(rows)])
    assert report(declare(tmp_path, f"table: {TABLE}", task=Y), tmp_path).warnings == []
