"""A CUDA device gives what a CPU gives, within what docs/reproducing.md states; skipped where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import gairbench
from gairbench.reproduction.agreement import compare_records
from gairbench_tasks.earth import TASKS

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")

NO_DROPPED_PATCHES = {"sv_patch_drop": 0}
"""A device draws from random numbers of its own which patches are left out; all else comes from the CPU's."""


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))


def losses(folder: Path, name: str = "loss") -> pd.Series[float]:
    return pd.read_csv(folder / "training" / "metrics.csv")[f"train/{name}"].dropna()


@pytest.mark.parametrize(
    ("model", "settings"), [("gair", NO_DROPPED_PATCHES), ("mocov3", NO_DROPPED_PATCHES), ("mae", {})]
)
def test_a_recipe_trains_alike_on_both_devices(model: str, settings: dict[str, float], tmp_path: Path) -> None:
    for device in ("cpu", "cuda"):
        gairbench.pretrain(
            model,
            "earth-triplets",
            tmp_path / device,
            set={"epochs": 1, "batch_size": 64, **settings},
            limit=64,
            validate_every=0,
            precision="32-true",
            device=device,
            quiet=True,
        )
    np.testing.assert_allclose(losses(tmp_path / "cuda"), losses(tmp_path / "cpu"), rtol=1e-4)


@pytest.mark.parametrize("model", ["gair", "gair[authors]", "mocov3", "mae"])
def test_a_recipe_learns_in_bfloat16(model: str, tmp_path: Path) -> None:
    teachers = {f"distillation.{encoder}.model": "none" for encoder in ("rs", "sv")} if "authors" in model else {}
    gairbench.pretrain(
        model,
        "earth-triplets",
        tmp_path / "out",
        set={"epochs": 20, "batch_size": 64, **teachers},
        limit=64,
        validate_every=0,
        device="cuda",
        quiet=True,
    )
    # The queue's negatives grow in number, and with them all of GAIR's loss that has to do with location.
    found = losses(tmp_path / "out", "incl" if model == "gair" else "loss")
    assert np.isfinite(found).all()
    assert found.iloc[-1] < found.iloc[0]


def test_records_of_both_devices_agree(tmp_path: Path) -> None:
    """Of tasks whose metric is continuous: one class of 300 samples would be more than the bound."""
    first, second = (
        gairbench.run(
            "random",
            ["earth-rs-elevation", "earth-rs-night-lights", "earth-sv-safe", "earth-sv-population"],
            limit=300,
            device=device,
            results=tmp_path / device,
            # The second device would be given the embeddings of the first.
            fresh=True,
            quiet=True,
        )
        for device in ("cpu", "cuda")
    )
    assert [record.status for record in second] == ["ok"] * 4
    for one, two in zip(first, second, strict=True):
        found = compare_records(one, two)
        assert {"device", "evaluation device"} <= {difference.what for difference in found.environment}
        assert found.agrees, [pair for pair in found.numbers if not pair.agrees]


@pytest.mark.parametrize(
    "task",
    ["earth-rs-koeppen", "earth-rs-land-cover-segmentation", "earth-cross-modal-rs-sv", "earth-location-country"],
)
def test_every_kind_of_task_is_evaluated(task: str, tmp_path: Path) -> None:
    results = gairbench.run("random", task, limit=300, device="cuda", results=tmp_path / "results", quiet=True)
    assert {record.status for record in results} == {"ok"}
    assert all(np.isfinite(record.metrics[record.metric].value) for record in results)


@pytest.mark.parametrize(
    ("model", "evaluator", "task"),
    [
        ("random", "finetune", "earth-rs-koeppen"),
        ("vit", "end_to_end", "earth-rs-koeppen"),
        ("unet", "end_to_end", "earth-rs-land-cover-segmentation"),
    ],
)
def test_models_are_trained_on_the_device(model: str, evaluator: str, task: str, tmp_path: Path) -> None:
    spec = replace(next(t for t in TASKS if t.name == task), name="trained-task", evaluators=(evaluator,))
    results = gairbench.run(model, spec, limit=64, device="cuda", results=tmp_path / "results", quiet=True)
    assert {record.status for record in results} == {"ok"}, [record.reason for record in results]
