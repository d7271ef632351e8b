"""Shifted coordinates: the same tiles, photos and labels, and a test point that is off by exactly so much."""

from __future__ import annotations

import numpy as np
import pytest

from gairbench import Modality
from gairbench.evaluation.feeds import feeds_for
from gairbench.plugins import load_registry
from gairbench.readout import Readout
from gairbench.representation import RS, RS_QUERY
from gairbench.selection import select_tasks
from gairbench.spec import DataContext, resolve
from gairbench_tasks.earth import OFFSET_FAMILY, OFFSETS, TASKS
from gairbench_tasks.earth.offsets import COUNTS, LARGEST, PATCH, OffsetSource, shifted
from gairbench_tasks.earth.points import CHIP, sample
from gairbench_tasks.earth.rasters import PIXELS_PER_DEGREE

SPECS = {task.dataset.name: task.dataset for task in TASKS if task.family == OFFSET_FAMILY}


@pytest.fixture(scope="module")
def sources() -> dict[float, OffsetSource]:
    made = [resolve(spec.factory)(DataContext()) for spec in SPECS.values()]
    return {source.patches: source for source in made}


def lonlat(source: OffsetSource, split: str) -> np.ndarray:
    return np.stack([source.split(split)[i]["lonlat"].numpy() for i in range(40)])


def test_shifts_are_the_issues_six(sources: dict[float, OffsetSource]) -> None:
    assert list(sources) == [0, 1 / 8, 1 / 4, 1 / 2, 1, 2]
    assert [patches for _, patches, _, _ in OFFSETS] == list(sources)
    assert [short for short, *_ in OFFSETS] == ["0", "1-8", "1-4", "1-2", "1", "2"]
    assert {name: resolve(spec.factory).name for name, spec in SPECS.items()} == {name: name for name in SPECS}


def test_every_point_moves_exactly_so_many_patches_and_stays_in_its_tile() -> None:
    points = sample("test-offsets", 300, region="test", placement="anywhere", role="evaluation", prefer_lit=True)
    west, north, east, south = points.bbox.T
    before = shifted(points, 1.0) - points.lonlat
    for patches in (1 / 8, 1.0, LARGEST):
        moved = shifted(points, patches)
        pixels = np.linalg.norm(moved - points.lonlat, axis=1) * PIXELS_PER_DEGREE
        np.testing.assert_allclose(pixels, patches * PATCH, rtol=1e-9)
        assert ((moved[:, 0] >= west) & (moved[:, 0] <= east) & (moved[:, 1] >= south) & (moved[:, 1] <= north)).all()
        # One direction for all distances, so that the curves are paired.
        np.testing.assert_allclose((moved - points.lonlat) / patches, before, atol=1e-9)
    angles = np.degrees(np.arctan2(before[:, 1], before[:, 0]))
    assert np.ptp(angles) > 300
    assert CHIP / PATCH == 6


def test_only_the_test_coordinates_differ(sources: dict[float, OffsetSource]) -> None:
    true, off = sources[0], sources[2]
    for split, count in COUNTS.items():
        assert list(true.split(split).ids) == list(off.split(split).ids)
        assert len(true.split(split)) == count
        np.testing.assert_array_equal(true.split(split).target("land_cover"), off.split(split).target("land_cover"))
        same = np.array_equal(lonlat(true, split), lonlat(off, split))
        assert same == (split != "test")
    for key in ("image", "street_view", "bbox"):
        assert true.split("test")[7][key].equal(off.split("test")[7][key])
    assert true.fingerprint() != off.fingerprint()


def test_diagnostic_tasks_are_run_by_name_and_family_and_not_by_all() -> None:
    tasks = load_registry().tasks
    assert not [task for task in select_tasks(["all"], tasks) if task.diagnostic]
    assert len(select_tasks(["registration-offset"], tasks)) == 12
    assert len(select_tasks(["earth-offset-*-land-cover"], tasks)) == 6


def test_a_localized_task_looks_tiles_up_where_the_model_can() -> None:
    registry = load_registry()
    task, linear = registry.tasks["earth-offset-1-2-land-cover"], registry.evaluators["linear"]
    views = {
        name: [feed.representation for feed in feeds_for(spec, spec.presets[0], task, linear, Readout())]
        for name in ("gair", "gair[no-inr]", "pixel-stats")
        for spec in [registry.models[name]]
    }
    assert task.inputs == (Modality.RS,)
    assert views == {"gair": [RS_QUERY], "gair[no-inr]": [RS], "pixel-stats": [RS]}
