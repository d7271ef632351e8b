"""Models that ask for more than pixels, from declaration to record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gairbench
from gairbench import (
    ANY,
    Category,
    DatasetSpec,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    ModelSpec,
    Preset,
    TaskSpec,
    Unit,
)
from gairbench.batch import Batch
from gairbench.data import ArraySplit
from gairbench.evaluation import embedding_keys
from gairbench.evaluation.embedding_keys import embeddings_of
from gairbench.feeding import plan_feed
from gairbench.representation import Representation
from gairbench.results import Result
from gairbench.weights.origin import Weights

SIZES = {"train": 60, "val": 20, "test": 30}
PLAIN = ImageInput(modality=Modality.RS, size=8, gsd_m=10.0, dated=True)
S2 = replace(PLAIN, name="s2", bands=("B2", "B4", "B8"), unit=Unit.S2_DN, frames=(2, 4))
S1 = replace(PLAIN, name="s1", bands=("VV", "VH"), unit=Unit.POWER)


class Fields:
    """Wheat is bright in the near infrared in summer, maize in radar; the class needs both."""

    def __init__(self, context: object) -> None:
        pass

    def fingerprint(self) -> str:
        return "fields-1"

    def classes(self, target: str) -> tuple[str, ...]:
        return ("neither", "infrared", "radar", "both")

    def split(self, name: str) -> ArraySplit:
        n = SIZES[name]
        rng = np.random.default_rng(list(SIZES).index(name))
        crop = np.arange(n) % 4
        s2 = rng.integers(500, 700, (n, 3, 3, 8, 8)).astype(np.float32)
        s2[:, 1, 2] += 3000 * (crop % 2)[:, None, None]
        s1 = rng.uniform(0.01, 0.02, (n, 2, 8, 8)) * (1 + 9 * (crop // 2))[:, None, None, None]
        inputs = {
            "s2": s2,
            "s1": s1.astype(np.float32),
            "s2_dates": np.tile([18_300.0, 18_450.0, 18_600.0], (n, 1)),
            "s1_dates": np.full(n, 18_455.0),
            "lonlat": rng.uniform((5, 45), (15, 55), (n, 2)),
        }
        return ArraySplit([f"{name}-{i}" for i in range(n)], inputs, {"crop": crop.astype(np.int64)})


FIELDS = DatasetSpec(name="fields", version=1, factory=Fields, delivers=(S2, S1, LocationInput()))


def task(*inputs: str, **more: Any) -> TaskSpec:
    plain = TaskSpec(
        name="fields-crop",
        version=1,
        category=Category.RS,
        family="crops",
        kind=Kind.CLASSIFICATION,
        dataset=FIELDS,
        target="crop",
        inputs=inputs or ("rs",),
        metric="accuracy",
        synthetic=True,
    )
    return replace(plain, **more)


class Joint(nn.Module):
    """The mean of every band over time and space, of whatever images there are; notes what it was given."""

    given: list[Batch] = []  # noqa: RUF012

    def __init__(self, context: object) -> None:
        super().__init__()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        Joint.given.append(batch)
        means = [image.values.mean((-2, -1)) for image in batch.images.values()]
        return torch.cat([mean.amax(1) if mean.ndim == 3 else mean for mean in means], dim=1)


JOINT = ModelSpec(
    name="joint",
    version="1",
    factory=Joint,
    presets=(
        Preset(
            name="default",
            inputs=(
                replace(S2, unit=Unit.REFLECTANCE, dated=False, frames=(1, 6)),
                replace(S1, unit=Unit.DB, dated=False),
            ),
            accepts=(("s2", "s1"), ("s2",), ("s1",)),
            needs=frozenset({"dates", "wavelengths"}),
            wants=frozenset({"lonlat"}),
        ),
    ),
)


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Joint, "given", [])
    monkeypatch.setenv("GAIRBENCH_CACHE", str(tmp_path / "cache"))


def headline(model: ModelSpec | str, wanted: TaskSpec, tmp_path: Path) -> Result:
    found = gairbench.run(model=model, task=wanted, results=tmp_path / "results", quiet=True)
    return next(record for record in found.records if record.headline)


def test_a_model_of_two_sensors_is_fed_with_both_in_its_units_with_dates_and_place(tmp_path: Path) -> None:
    record = headline(JOINT, task(), tmp_path)
    assert record.status == "ok", record.reason
    assert record.metrics["accuracy"].value == 1.0
    said = record.conversion["s2+s1"]
    assert (said["s2"]["unit"], said["s1"]["unit"]) == (["s2_dn", "reflectance"], ["power", "db"])
    batch = Joint.given[0]
    assert batch.images["s2"].values.shape[1:] == (3, 3, 8, 8)
    assert float(batch.images["s2"].values.max()) < 0.4
    assert float(batch.images["s1"].values.max()) < 0
    assert batch.images["s2"].dates is not None
    assert batch.images["s2"].dates[0].tolist() == [18_300, 18_450, 18_600]
    assert batch.lonlat is not None
    assert bool(batch.lonlat.isfinite().all())
    assert batch.bbox is None


def test_a_set_is_passed_over_if_one_of_its_images_lacks_what_the_model_needs(tmp_path: Path) -> None:
    undated = replace(FIELDS, name="undated", delivers=(S2, replace(S1, dated=False), LocationInput()))
    record = headline(JOINT, task(name="undated-crop", dataset=undated), tmp_path)
    assert list(record.conversion) == ["s2"]


def test_one_of_the_images_is_named_by_the_task(tmp_path: Path) -> None:
    needing_nothing = replace(JOINT, presets=(replace(JOINT.presets[0], needs=frozenset()),))
    record = headline(needing_nothing, task("s1"), tmp_path)
    assert list(record.conversion) == ["s1"]
    # Radar alone sees two of four classes' pairs apart: half of 30 samples, give or take two standard errors.
    assert 0.32 <= record.metrics["accuracy"].value <= 0.68
    both = headline(needing_nothing, task("s1", "s2", name="fields-apart"), tmp_path)
    assert (list(both.conversion), both.embedding_dim) == (["s1", "s2"], 5)


def test_baselines_take_what_there_is(tmp_path: Path) -> None:
    for model in ("pixel-stats", "random"):
        record = headline(model, task(), tmp_path)
        assert record.status == "ok", record.reason
        assert set(record.conversion["every"]) == {"s2", "s1"}
        assert record.metrics["accuracy"].value > 0.9


def test_a_model_of_pictures_is_skipped_with_the_reason(tmp_path: Path) -> None:
    pictures = Preset(name="default", inputs=(ImageInput(modality=Modality.RS),))
    record = headline(replace(JOINT, presets=(pictures,)), task(), tmp_path)
    assert record.status == "skipped"
    assert record.reason.startswith("s2 is a series of 2 to 4 frames and the encoder takes single images")


def test_an_encoder_of_another_ground_sample_distance_is_marked_in_the_record_and_the_table(tmp_path: Path) -> None:
    coarse = replace(S1, gsd_m=7_400.0)
    data = replace(FIELDS, name="coarse", delivers=(S2, coarse, LocationInput()))
    taken = ImageInput(modality=Modality.RS, name="s1", bands=ANY, unit=None, gsd_m=10.0)
    radar = replace(JOINT, presets=(Preset(name="default", inputs=(taken,)),))
    record = headline(radar, task("s1", name="coarse-crop", dataset=data), tmp_path)
    assert record.caveats == ("s1: fed with 7,400 m per pixel, made for 10 m",)
    from gairbench_leaderboard.html import render_tables
    from gairbench_leaderboard.leaderboard_page import render_leaderboard

    page = render_leaderboard([record])
    assert "[1]" in page
    assert "] s1: fed with 7,400 m per pixel, made for 10 m\n" in page
    assert "made for 10 m" in render_tables([record])


@pytest.mark.parametrize("masked", [True, False])
def test_keys_hold_how_masks_are_made_where_masks_are_given(masked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    delivers = tuple(replace(one, masked=masked) if isinstance(one, ImageInput) else one for one in FIELDS.delivers)
    dataset = replace(FIELDS, delivers=delivers)
    (preset,) = JOINT.presets
    feed = plan_feed("joint", replace(preset, wants=preset.wants | {"mask"}), dataset, "rs")

    def keys() -> set[str]:
        asked = {"splits": ["test"], "fingerprint": "", "codes": ("", ""), "limit": None, "partial": False}
        weights = Weights(identity="init:", path=None, ready=True)
        return {e.key for e in embeddings_of(JOINT, preset, weights, dataset, [feed], empty=False, **asked)}  # type: ignore[arg-type]

    before = keys()
    monkeypatch.setattr(embedding_keys, "MASK_VERSION", 3)
    assert (keys() == before) is not masked
