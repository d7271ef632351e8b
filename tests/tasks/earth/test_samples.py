"""Points, splits, chips and targets of the embedded datasets."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest

import gairbench_tasks.earth as earth
from gairbench.data import DataSource, Split
from gairbench.errors import DataError
from gairbench.spec import DataContext, DatasetSpec, Kind, resolve
from gairbench_tasks.earth import blocks, labels, points, randomness, rasters, tables
from gairbench_tasks.earth.sources import CitySource, EarthTripletSource, LandSource, PairSource, StreetSource

SIDE = blocks.DEGREES * rasters.PIXELS_PER_DEGREE
LAND_SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def sources() -> dict[str, DataSource]:
    return {spec.name: resolve(spec.factory)(DataContext()) for spec in earth.DATASETS}


def draw(region: points.Region, **changes) -> points.Points:
    options = {"placement": "anywhere", "role": "evaluation", "prefer_lit": True} | changes
    return points.sample("test", 500, region=region, **options)


def chip_blocks(p: points.Points) -> set[tuple[int, int]]:
    return {
        (int(row) // SIDE, int(column) // SIDE)
        for top, left in zip(p.top, p.left, strict=True)
        for row in (top, top + points.CHIP - 1)
        for column in (left, left + points.CHIP - 1)
    }


def test_the_specs_import_nothing_heavy():
    code = (
        "import sys, gairbench_tasks.earth;"
        "print(sorted({'torch', 'numpy', 'scipy', 'PIL', 'pandas'} & set(sys.modules)))"
    )
    path = ":".join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": path}, check=True
    )
    assert done.stdout.strip() == "[]"


def test_every_block_is_in_one_split_whatever_the_run():
    first = blocks.split_of_blocks().copy()
    blocks.split_of_blocks.cache_clear()
    np.testing.assert_array_equal(first, blocks.split_of_blocks())
    shares = np.bincount(first.ravel()) / first.size
    np.testing.assert_allclose(shares, blocks.SHARES, atol=0.05)


def test_no_test_block_was_one_when_models_were_first_run():
    """The splits of two earlier draws, each by one hash, with which recipes and tables were looked at."""
    earlier = [
        randomness.choice(
            randomness.keys("block", np.arange(blocks.ROWS * blocks.COLUMNS) + seed * blocks.ROWS * blocks.COLUMNS),
            "split",
            (0.60, 0.15, 0.25),
        )
        for seed in (8, 22)
    ]
    looked_at = np.any([draw == 2 for draw in earlier], axis=0).reshape(blocks.ROWS, blocks.COLUMNS)
    assert looked_at.mean() == pytest.approx(1 - 0.75**2, abs=0.05)
    now = blocks.split_of_blocks()
    assert not (now[looked_at] == 2).any()
    # As many are validated on for each that is learned from, among the blocks that were looked at and the others.
    for group in (now[looked_at], now[~looked_at]):
        assert (group == 1).sum() / (group < 2).sum() == pytest.approx(0.2, abs=0.06)


@pytest.mark.parametrize("placement", ["centre", "anywhere"])
def test_no_two_splits_share_a_block_or_a_pixel(placement: points.Placement):
    touched = {split: chip_blocks(draw(split, placement=placement)) for split in LAND_SPLITS}
    for a, b in combinations(LAND_SPLITS, 2):
        assert not touched[a] & touched[b]
    for number, split in enumerate(LAND_SPLITS):
        assert {int(blocks.split_of_blocks()[block]) for block in touched[split]} == {number}


def test_pretraining_sees_no_block_that_is_validated_or_tested_on():
    split = EarthTripletSource(DataContext()).split("pretrain")
    p = points.sample(
        "earth-triplets", len(split), region="train", placement="anywhere", role="pretraining", prefer_lit=True
    )
    assert split.ids == [f"r{row:04d}c{column:04d}" for row, column in zip(p.row, p.column, strict=True)]
    assert {int(blocks.split_of_blocks()[block]) for block in chip_blocks(p)} == {0}


def test_pretraining_and_evaluation_points_never_coincide():
    pretrain = set(EarthTripletSource(DataContext()).split("pretrain").ids)
    assert len(pretrain) == len(EarthTripletSource(DataContext()).split("pretrain"))
    for source in (LandSource(DataContext()), StreetSource(DataContext())):
        assert not pretrain & set(source.split("train").ids)


def test_another_region_is_another_dataset():
    train, globe = EarthTripletSource(DataContext()), EarthTripletSource(DataContext(), region="globe")
    assert train.fingerprint() != globe.fingerprint()
    lon, lat = collect_points(globe)
    assert set(np.unique(blocks.split_of_points(lon, lat))) == {0, 1, 2}


def collect_points(source: EarthTripletSource) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array([int(i[1:5]) for i in source.split("pretrain").ids])
    columns = np.array([int(i[6:]) for i in source.split("pretrain").ids])
    return rasters.pixel_centres(rows, columns)


@pytest.mark.parametrize("placement", ["centre", "anywhere"])
def test_the_box_holds_the_point_and_is_in_order(placement: points.Placement):
    p = draw("train", placement=placement)
    lon, lat = p.lonlat.T
    lon_min, lat_max, lon_max, lat_min = p.bbox.T
    x, y = (lon - lon_min) / (lon_max - lon_min), (lat_max - lat) / (lat_max - lat_min)
    margin = 1 / 8 if placement == "anywhere" else 0.49
    assert min(x.min(), y.min()) >= margin
    assert max(x.max(), y.max()) <= 1 - margin + 0.03
    assert (np.abs(lon) <= 180).all()
    assert (lat > -56.1).all()
    assert (lat < 75.1).all()
    # Looking the point up gives the pixel it was drawn from.
    np.testing.assert_array_equal(rasters.rows_columns(lon, lat), (p.row, p.column))


def test_points_are_distinct_land_points_equally_dense_on_the_ground():
    p = draw("globe", prefer_lit=False)
    assert len(set(p.numbers.tolist())) == 500
    assert points.land()[p.row, p.column].all()
    # By area, land between 60 and 75 N is about an eighth of the land in range; by pixels it would be over a fifth.
    assert 0.05 < (p.lonlat[:, 1] > 60).mean() < 0.17


def test_street_photos_are_taken_where_lights_are():
    lit = [rasters.night_lights()[p.row, p.column].mean() for p in (draw("globe"), draw("globe", prefer_lit=False))]
    assert lit[0] > 2 * lit[1]


def test_the_chip_is_the_blue_marble_under_the_box(sources):
    split = sources["earth"].split("test")
    sample = split[3]
    lon_min, lat_max, _, _ = sample["bbox"].numpy()
    row, column = rasters.rows_columns(lon_min + 1e-6, lat_max - 1e-6)
    expected = rasters.blue_marble()[row : row + 48, column : column + 48].transpose(2, 0, 1)
    np.testing.assert_array_equal(sample["image"].numpy(), expected)


@pytest.mark.parametrize("spec", earth.DATASETS, ids=lambda spec: spec.name)
def test_samples_hold_what_the_spec_declares(spec: DatasetSpec, sources):
    source = sources[spec.name]
    assert isinstance(source, DataSource)
    keys = {"rs": "image", "sv": "street_view", "location": "lonlat"}
    for name in spec.splits:
        split = source.split(name)
        assert isinstance(split, Split)
        assert len(set(split.ids)) == len(split) > 0
        one, many = split[1], split.__getitems__([2, 1])
        assert {keys[i.modality.value] for i in spec.delivers} <= one.keys()
        for given in spec.delivers:
            tensor = one[keys[given.modality.value]]
            if given.modality.value == "location":
                assert tensor.shape == (2,)
                assert str(tensor.dtype) == "torch.float64"
            else:
                assert tensor.shape == (3, given.size, given.size)
                assert str(tensor.dtype) == "torch.uint8"
        assert all(bool((many[1][key] == one[key]).all()) for key in one)


@pytest.mark.parametrize("spec", [s for s in earth.DATASETS if "train" in s.splits], ids=lambda spec: spec.name)
def test_ids_are_unique_in_the_whole_dataset(spec: DatasetSpec, sources):
    ids = [i for name in spec.splits for i in sources[spec.name].split(name).ids]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("task", [t for t in earth.TASKS if t.target], ids=lambda task: task.name)
def test_targets_are_aligned_and_no_test_class_lacks_in_train(task, sources):
    source = sources[task.dataset.name]
    values = {name: source.split(name).target(task.target) for name in LAND_SPLITS}
    classes = source.classes(task.target)
    for name, target in values.items():
        assert len(target) == len(source.split(name))
    if task.kind is Kind.REGRESSION:
        assert classes == ()
        assert all(np.isfinite(v).all() and v.std() > 0.1 for v in values.values())
        return
    ignored = 255 if task.kind is Kind.SEGMENTATION else -1
    seen = {name: set(np.unique(v).tolist()) - {ignored} for name, v in values.items()}
    assert seen["train"] == set(range(len(classes)))
    assert seen["val"] | seen["test"] <= seen["train"]


def test_a_mask_centre_agrees_with_the_label_there(sources):
    source = sources["earth"]
    split = source.split("test")
    mask, label = split.target("land_cover_mask")[:, 24, 24], split.target("land_cover")
    both = (mask != 255) & (label >= 0)
    names = source.classes("land_cover_mask"), source.classes("land_cover")
    assert both.sum() > 2000
    assert all(names[0][m] == names[1][t] for m, t in zip(mask[both], label[both], strict=True))


def test_the_split_does_not_depend_on_who_asks_first():
    a, b = LandSource(DataContext()), LandSource(DataContext())
    assert a.split("test").ids == b.split("test").ids
    assert a.fingerprint() == b.fingerprint()


def test_datasets_have_different_fingerprints(sources):
    assert len({source.fingerprint() for source in sources.values()}) == len(sources)


@pytest.mark.parametrize("source", [LandSource, StreetSource, PairSource, EarthTripletSource, CitySource])
def test_an_unknown_split_is_an_error_with_the_known_ones(source):
    with pytest.raises(DataError, match="no split 'holdout'; ask for one of"):
        source(DataContext()).split("holdout")


def test_an_unknown_target_is_a_key_error(sources):
    with pytest.raises(KeyError):
        sources["earth"].split("test").target("rainfall")


def test_population_nearby_falls_with_distance():
    tokyo, off_tokyo, mid_pacific = (139.7, 35.69), (140.9, 35.69), (-150.0, 10.0)
    near, away, none = labels.nearby_population(np.array([tokyo, off_tokyo, mid_pacific]))
    assert near > 7
    assert near > away > none == 3


def test_no_country_dominates_the_airports(sources):
    source = sources["earth-airports"]
    target = source.split("test").target("country")
    counts = np.bincount(target[target >= 0])
    assert len(counts) >= 10
    assert counts.max() <= 150


def test_known_airport_and_city_are_read_right():
    airports, cities = tables.airports(), tables.cities()
    heathrow = airports.ids.index("EGLL")
    np.testing.assert_allclose(airports.lonlat[heathrow], (-0.46, 51.47), atol=0.05)
    assert airports.country[heathrow] == "GB"
    assert 15 < airports.elevation[heathrow] < 40
    london = cities.ids.index("2643743")
    np.testing.assert_allclose(cities.lonlat[london], (-0.13, 51.51), atol=0.05)
    assert cities.population[london] > 7e6


def test_airports_say_their_country_to_be_left_out_by_it(sources: dict[str, DataSource]) -> None:
    source = sources["earth-airports"]
    split = source.split("test")
    countries, target = split.groups("country"), split.target("country")
    assert {*countries[target >= 0]} == {*source.classes("country")}
    assert [source.classes("country")[number] for number in target[target >= 0]] == countries[target >= 0].tolist()
    with pytest.raises(KeyError):
        sources["earth"].split("test").groups("country")


def test_blocks_of_ten_degrees_are_a_grouping_and_none_is_in_two_splits(sources: dict[str, DataSource]) -> None:
    for name in ("earth", "earth-streets", "earth-airports", "earth-cities"):
        found = {split: sources[name].split(split) for split in ("train", "val", "test")}
        of = {split: {*one.groups("block").tolist()} for split, one in found.items()}
        assert not of["train"] & of["val"], name
        assert not (of["train"] | of["val"]) & of["test"], name
        block, places = found["test"].groups("block"), found["test"].places()
        for one in np.unique(block)[:20]:
            assert (np.ptp(places[block == one], axis=0) <= 10).all()
