"""Live fuel moisture from files in the published layout: what they hold, how they are divided, what is refused."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import gairbench
from gairbench import DataContext, ModelContext
from gairbench.embedding import compute
from gairbench.errors import DataError
from gairbench.feeding import plan_feed
from gairbench.plugins import load_registry
from gairbench.spec import resolve
from gairbench.testing import parametrize_with_dataset_checks, parametrize_with_task_checks
from gairbench.testing.dataset_report import check_dataset
from gairbench_tasks.lfmc import BANDS, DATASET, FILES, FOLDER, LAND_COVER, TASKS
from gairbench_tasks.lfmc.source import FuelMoistureSource

SITES, EACH = 12, 5


def arrays() -> dict[str, NDArray[Any]]:
    """Return small arrays of the published shapes: 12 sites of 5 samples, every fourth site for testing."""
    n = SITES * EACH
    rng = np.random.default_rng(0)
    site = np.repeat([f"site {number}" for number in range(SITES)], EACH)
    months = np.stack([(np.arange(n) + step) % 12 for step in range(3)], axis=1)
    low = np.array([-20.0, -25, *[200] * 11, 270, 0.0, 100, 0, -1])
    high = np.array([-5.0, -10, *[4000] * 11, 300, 0.05, 2500, 30, 1])
    values = rng.uniform(low, high, (n, 3, 18))
    values[:, :, 15:17] = values[:, :1, 15:17]
    return {
        "s1_s2_era5_srtm": values,
        "dynamic_world": rng.integers(0, 9, (n, 3)).astype(np.uint8),
        "month": months,
        "latlon": np.stack([rng.uniform(32, 45, n), rng.uniform(-120, -105, n)], axis=1),
        "target": values[:, -1, 5] / 20 + rng.normal(0, 1, n),
        "is_test": (np.repeat(np.arange(SITES), EACH) % 4 == 0).astype(np.int64),
        "site": site,
    }


def written(root: Path, **changes: Any) -> Path:
    folder = root / FOLDER / "npy"
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in (arrays() | changes).items():
        np.save(folder / f"{name}.npy", values)
    return root


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("lfmc"))


def source(root: Path) -> FuelMoistureSource:
    return FuelMoistureSource(DataContext(root=root, dataset=DATASET))


def test_samples_are_the_rows_of_the_arrays(root: Path) -> None:
    made = arrays()
    assert FILES.keys() == made.keys()
    seen = []
    for name in ("train", "val", "test"):
        split = source(root).split(name)
        for index, identifier in enumerate(split.ids):
            row = int(identifier)
            seen.append(row)
            sample = split[index]
            measured = sample["series"][:, : len(BANDS) - len(LAND_COVER)]
            np.testing.assert_allclose(measured, made["s1_s2_era5_srtm"][row, :, :17], rtol=1e-6)
            cover = sample["series"][:, -len(LAND_COVER) :]
            np.testing.assert_array_equal(cover.argmax(1), made["dynamic_world"][row])
            np.testing.assert_array_equal(cover.sum(1), 1)
            np.testing.assert_array_equal(sample["latest"], sample["series"][-1])
            np.testing.assert_allclose(sample["lonlat"], made["latlon"][row, ::-1])
            months = sample["series_dates"].numpy().astype("datetime64[D]").astype("datetime64[M]").astype(int)
            np.testing.assert_array_equal(months % 12, made["month"][row])
            assert (np.diff(months) == 1).all(), "a series that passes New Year goes on"
            assert sample["latest_dates"] == sample["series_dates"][-1]
            assert split.target("fuel_moisture")[index] == made["target"][row]
            assert split.groups("site")[index] == made["site"][row]
    assert sorted(seen) == list(range(SITES * EACH))


def test_sites_for_testing_are_those_published_and_no_site_is_in_two_splits(root: Path) -> None:
    made = arrays()
    sites = {name: {*source(root).split(name).groups("site")} for name in ("train", "val", "test")}
    assert sites["test"] == {*made["site"][made["is_test"] == 1]}
    assert not sites["train"] & sites["val"]
    assert not (sites["train"] | sites["val"]) & sites["test"]
    assert 1 <= len(sites["val"]) <= 3


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"latlon": arrays()["latlon"][:, ::-1]}, "latlon.npy, row .* look swapped"),
        ({"month": arrays()["month"] + 1}, r"month.npy holds values that are not months such as 12 \(0 to 11\)"),
        ({"dynamic_world": np.full((60, 3), 9)}, "dynamic_world.npy holds numbers of no class"),
        ({"target": np.arange(59.0)}, r"of shape \(60"),
        ({"s1_s2_era5_srtm": np.zeros((60, 3, 17))}, r"shape \(60, 3, 17\), wanted shape \(60, 3, 18\)"),
        ({"site": np.arange(60)}, "site.npy holds int64"),
        ({"site": np.array(["one"] * 60)}, "site 'one' is for testing and for training"),
    ],
)
def test_arrays_that_cannot_be_are_refused(changes: dict[str, Any], why: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=why):
        source(written(tmp_path, **changes)).split("train")


def test_the_fingerprint_follows_every_array(tmp_path: Path) -> None:
    before = source(written(tmp_path)).fingerprint()
    found = set()
    for name, values in arrays().items():
        changed = values.copy()
        changed.flat[0] = "other" if name == "site" else changed.flat[0] + 1
        found.add(source(written(tmp_path, **{name: changed})).fingerprint())
    assert before not in found
    assert len(found) == len(FILES)


def test_a_missing_folder_is_a_skip_that_says_how_to_get_it(tmp_path: Path) -> None:
    found = gairbench.run("lonlat", "lfmc-location", results=tmp_path / "r", data_root=tmp_path, device="cpu")
    assert [record.status for record in found] == ["skipped"]
    assert "gairbench data get lfmc" in found[0].reason


def test_controls_get_a_number_of_every_task(root: Path, tmp_path: Path) -> None:
    found = gairbench.run(
        ["pixel-stats", "lonlat"], [task.name for task in TASKS], results=tmp_path / "r", data_root=root, device="cpu"
    )
    done = {(record.model, record.task) for record in found if record.status == "ok"}
    assert done == {
        ("pixel-stats", "lfmc-series"),
        ("pixel-stats", "lfmc-single-date"),
        ("lonlat", "lfmc-location"),
    }
    assert {record.task for record in found if record.status == "failed"} == set()


def test_data_check_finds_nothing_wrong(root: Path) -> None:
    assert check_dataset(DATASET, root, TASKS).problems == []


def test_the_published_files_are_the_declared_ones(shared: Path) -> None:
    report = check_dataset(DATASET, shared / "data", TASKS)
    assert report.problems == []
    assert report.counts == {"train": 1255, "val": 323, "test": 735}


def test_presto_makes_of_real_rows_what_the_published_code_makes_of_them(shared: Path) -> None:
    registry = load_registry()
    presto = registry.models["presto"]
    weights = shared / "weights" / "presto" / "default_model.pt"
    model = resolve(presto.factory)(ModelContext(model="presto", preset="default", seed=0, checkpoint=weights)).eval()
    feed = plan_feed("presto", presto.presets[0], DATASET, "series")
    reference = np.load(shared / "parity" / "presto_reference.npz")["real"]
    opened = FuelMoistureSource(DataContext(root=shared / "data", dataset=DATASET))
    seen = 0
    for name in ("train", "val", "test"):
        split = opened.split(name)
        rows = [index for index, identifier in enumerate(split.ids) if int(identifier) < len(reference)]
        if rows:
            found = compute(model, feed.representation, feed.batch([split[index] for index in rows]))
            wanted = reference[[int(split.ids[index]) for index in rows]]
            np.testing.assert_allclose(found.detach(), wanted, atol=2e-4)
        seen += len(rows)
    assert seen == len(reference)


# The suite looks for data when tests are collected, where no fixture is.
REAL = Path(os.environ.get("GAIRBENCH_SHARED", Path(__file__).parents[4] / "shared")) / "data"


@parametrize_with_dataset_checks([DATASET], data_root=REAL)
def test_dataset_conforms(check: Any) -> None:
    check()


@parametrize_with_task_checks(TASKS, data_root=REAL)
def test_tasks_conform(check: Any) -> None:
    check()
