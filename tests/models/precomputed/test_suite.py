"""Tables and rasters pass what the conformance suite can ask of them: it has no samples that they know."""

from __future__ import annotations

import unittest
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine

import gairbench as gb
from gairbench import ModelSpec
from gairbench.isolation import Isolated
from gairbench.model_names import known_models
from gairbench.plugins import load_registry
from gairbench.testing.model_checks import BEHAVIOUR
from gairbench.testing.model_declaration_checks import DECLARATION
from gairbench.testing.offline import offline


@pytest.fixture(params=["table", "raster"])
def spec(request: pytest.FixtureRequest, tmp_path: Path) -> ModelSpec:
    if request.param == "table":
        path = tmp_path / "own.parquet"
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.arange(6.0)), 2)
        pq.write_table(pa.table({"id": ["a", "b", "c"], "vector": vectors}), path)
    else:
        path = tmp_path / "own.tif"
        profile = {"driver": "GTiff", "count": 2, "height": 3, "width": 3, "dtype": "float32", "crs": "EPSG:4326"}
        with rasterio.open(path, "w", transform=Affine(1, 0, 0, 0, -1, 3), **profile) as file:
            file.write(np.ones((2, 3, 3), dtype=np.float32))
    registry = load_registry()
    (name,) = known_models([f"{request.param}:{path}"], registry)
    return registry.models[name]


def test_every_check_passes_or_is_skipped_for_want_of_samples(spec: ModelSpec) -> None:
    passed, skipped = [], []
    checks: list[tuple[str, Callable[[], None]]] = [
        *((check.__name__, lambda check=check: check(spec)) for check in DECLARATION),  # type: ignore[misc]
        *((check.__name__, lambda check=check: check(spec, spec.presets[0])) for check in BEHAVIOUR),  # type: ignore[misc]
    ]
    for name, check in checks:
        try:
            check()
            passed.append(name)
        except unittest.SkipTest as why:
            skipped.append((name, str(why)))
    assert {"check_network_is_left_alone", "check_offers_are_implemented", "check_spec_is_a_value"} <= {*passed}
    assert {"check_embeddings_are_finite", "check_another_process_embeds_alike"} <= {name for name, _ in skipped}
    # Nothing is registered under the name of a user's file.
    others = [why for name, why in skipped if name != "check_registering_imports_nothing_heavy"]
    assert all("is looked up, and no generated sample" in why for why in others), others


def test_neither_the_network_nor_the_process_is_touched(spec: ModelSpec, tmp_path: Path) -> None:
    with offline() as asked, Isolated("the run") as run:
        found = gb.run(model=spec, task="earth-location-koeppen", results=tmp_path / "results", limit=20, quiet=True)
    assert not asked
    assert run.changes == ""
    assert {record.status for record in found.records} == {"skipped"}
    assert all(record.reason.startswith("no embedding of some samples (train: 20 of 20") for record in found.records)


def test_another_process_looks_the_same_up(spec: ModelSpec, tmp_path: Path) -> None:
    found = gb.run(
        model=spec,
        task="earth-location-koeppen",
        results=tmp_path / "results",
        limit=20,
        quiet=True,
        executor={"name": "local", "workers": 2},
    )
    assert {record.status for record in found.records} == {"skipped"}, [record.reason for record in found.records]
