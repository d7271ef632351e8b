"""A TorchGeo dataset on generated files: from a declaration of a few lines to a number, and what is refused."""

from __future__ import annotations

import io
import linecache
import os
import pickle
import shutil
import subprocess
import sys
import unittest
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchgeo_files
from rich.console import Console
from torchgeo_files import COVER, EUROSAT, LAND_COVER, LAND_USE, SCENES, UCMERCED

from gairbench import DataContext, DatasetSpec, ImageInput, Kind, Modality, TaskSpec, evaluators, results
from gairbench.errors import DataError, DataMissingError, GairbenchError, PluginError
from gairbench.evaluation import executors
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.plugins import Origin, Registry, register
from gairbench.progress import Progress
from gairbench.testing import dataset_checks, task_checks
from gairbench_models.controls import MODELS
from gairbench_tasks.torchgeo.building import build_dataset
from gairbench_tasks.torchgeo.opened import OpenedSource
from gairbench_tasks.torchgeo.source import Draw, Grid, Label, Part, TorchGeoSource

PIXEL_STATS = next(model for model in MODELS if model.name == "pixel-stats")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    torchgeo_files.write_ucmerced(root)
    torchgeo_files.write_eurosat(root)
    torchgeo_files.write_scenes(root)
    return root


def opened(root: Path, spec: DatasetSpec, **changes: Any) -> OpenedSource:
    """Open a dataset whose source is changed."""
    assert isinstance(spec.factory, TorchGeoSource)
    source = replace(spec.factory, **changes)
    return source(DataContext(root=root, dataset=replace(spec, factory=source)))


def evaluate(tmp_path: Path, root: Path | None, *tasks: Any) -> list[results.Result]:
    registry = Registry()
    register(registry, torchgeo_files.Plugin(), Origin("generated", "generated-dist", "1.0"))
    register(registry, executors, Origin("gairbench-executors", "gairbench", "1.0"))
    register(registry, evaluators, Origin("gairbench-evaluators", "gairbench", "1.0"))
    registry.model_origins["pixel-stats"] = Origin("gairbench-models", "gairbench", "1.0")
    request = EvaluationRequest(
        models=[PIXEL_STATS],
        tasks=tasks,
        results=tmp_path / "results",
        cache=tmp_path / "cache",
        data_root=root,
        device="cpu",
        command="x",
    )
    return run_plan(make_plan(request, registry), request, registry, Progress(Console(file=io.StringIO()))).records


def test_a_torchgeo_dataset_is_evaluated(root: Path, tmp_path: Path) -> None:
    found = evaluate(tmp_path, root, LAND_USE, COVER)
    assert {r.status for r in found} == {"ok"}, [r.reason for r in found]
    by_task = {r.task: r for r in found if r.headline}
    assert by_task["tiny-ucmerced-label"].metrics["accuracy"].value == 1
    assert by_task["tiny-scenes-cover"].metrics["miou"].value > 0.6
    assert by_task["tiny-ucmerced-label"].n == {"train": 24, "val": 12, "test": 12}


def test_missing_data_are_skipped_with_the_command_that_gets_them(root: Path, tmp_path: Path) -> None:
    (record, *_) = evaluate(tmp_path / "a", tmp_path / "empty", LAND_USE)
    assert record.status == "skipped"
    assert f"gairbench data get tiny-ucmerced --data-root {tmp_path / 'empty'}" in record.reason
    # A folder that is there may hold what else the user has in it: the class itself can add to it.
    (tmp_path / "empty" / "ucmerced").mkdir(parents=True)
    (again, *_) = evaluate(tmp_path / "b", tmp_path / "empty", LAND_USE)
    assert again.status == "skipped"
    assert "python -c" in again.reason
    assert "from torchgeo.datasets import UCMerced" in again.reason
    assert str(tmp_path / "empty" / "ucmerced") in again.reason
    (cover, *_) = evaluate(tmp_path / "c", tmp_path / "empty", COVER)
    assert "download it from https://example.org/scenes" in cover.reason


def test_the_command_asks_the_class_for_every_split(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def Data(root, download, split, bands): print(root, download, split, bands)")
    source = TorchGeoSource("mine:Data", options={"bands": ("B04", "it's")})
    command = source.how_to_get(Path("some folder"))
    done = subprocess.run(
        command.replace("python", sys.executable, 1), shell=True, cwd=tmp_path, capture_output=True, text=True
    )
    expected = [f"some folder True {split} ('B04', \"it's\")" for split in ("train", "val", "test")]
    assert done.stdout.splitlines() == expected, done.stderr


def test_broken_data_fail_and_the_file_is_named(tmp_path: Path) -> None:
    folder = torchgeo_files.write_ucmerced(tmp_path)
    broken = folder / "UCMerced_LandUse" / "Images" / "beach" / "beach_test_03.tif"
    broken.write_bytes(broken.read_bytes()[:50])
    found = evaluate(tmp_path / "out", tmp_path, LAND_USE)
    assert {r.status for r in found} == {"failed"}
    assert "beach/beach_test_03.tif" in found[0].reason
    (folder / "uc_merced-val.txt").unlink()
    found = evaluate(tmp_path / "again", tmp_path, LAND_USE)
    assert {r.status for r in found} == {"failed"}
    assert "uc_merced-val.txt" in found[0].reason


def test_nothing_is_ever_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ucmerced").mkdir()

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr("torchgeo.datasets.ucmerced.download_url", refuse)
    with pytest.raises(DataMissingError):
        opened(tmp_path, UCMERCED).split("train")
    with pytest.raises(PluginError, match="download=True"):
        opened(tmp_path, UCMERCED, options={"download": True}).split("train")

    def eager(root: Path, split: str, download: bool = True) -> None:
        assert not download
        raise ValueError("it was not asked to download")

    monkeypatch.setattr(torchgeo_files, "eager", eager, raising=False)
    with pytest.raises(DataError, match="it was not asked to download"):
        opened(tmp_path, UCMERCED, dataset="torchgeo_files:eager").split("train")


@pytest.mark.parametrize(("options", "hashed"), [({}, False), ({"checksum": True}, True)])
def test_files_are_hashed_at_opening_only_if_that_is_asked_for(
    options: dict[str, Any], hashed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hashing.py").write_text("def Data(root, download, checksum=True): return checksum")
    monkeypatch.syspath_prepend(tmp_path)
    source = TorchGeoSource("hashing:Data", options=options)
    assert build_dataset(source, tmp_path, {}) is hashed


def test_samples_and_labels_are_those_of_the_class(root: Path) -> None:
    from torchgeo.datasets import EuroSAT

    split, own = opened(root, EUROSAT).split("val"), EuroSAT(root / "eurosat", split="val")
    assert len(split) == len(own) == 12
    for index in range(len(own)):
        assert torch.equal(split[index]["image"], own[index]["image"])
        assert split.target("label")[index] == own[index]["label"]
    assert split.ids[0].endswith("tif/AnnualCrop/AnnualCrop_val_00.tif")
    assert not Path(split.ids[0]).is_absolute()


def test_places_come_from_the_files(root: Path) -> None:
    import rasterio
    from rasterio.warp import transform

    split = opened(root, EUROSAT).split("test")
    with rasterio.open(root / "eurosat" / split.ids[5]) as file:
        x, y = (file.bounds.left + file.bounds.right) / 2, (file.bounds.bottom + file.bounds.top) / 2
        (lon,), (lat,) = transform(file.crs, "EPSG:4326", [x], [y])
    assert split[5]["lonlat"].tolist() == pytest.approx([lon, lat])
    assert split.places()[5].tolist() == split[5]["lonlat"].tolist()
    west, north, east, south = split[5]["bbox"].tolist()
    assert west < lon < east
    assert south < lat < north


def test_labels_of_folders_are_read_without_opening_images(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = opened(root, UCMERCED).split("train")
    monkeypatch.setattr("torchgeo.datasets.UCMerced.__getitem__", lambda *_: pytest.fail("an image was opened"))
    assert np.bincount(split.target("label")).tolist() == [12, 12]


def test_labels_of_samples_are_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    from torchgeo.datasets import UCMerced

    read = UCMerced.__getitem__
    monkeypatch.setattr(UCMerced, "__getitem__", lambda self, i: calls.append(i) or {"again": read(self, i)["label"]})
    source = opened(root, UCMERCED, target={"again": Label()})
    for _ in range(2):
        assert np.bincount(source.split("test").target("again")).tolist() == [6, 6]
    assert sorted(calls) == list(range(12))


def test_all_entries_are_read_in_one_go(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchgeo.datasets import UCMerced

    calls = []

    def read(self: UCMerced, index: int) -> dict[str, Any]:
        calls.append(index)
        return {
            "image": torch.zeros(3, 2, 2),
            "pair": torch.tensor([index, -index]),
            "lon": 5,
            "lat": torch.tensor([50]),
        }

    monkeypatch.setattr(UCMerced, "__getitem__", read)
    target = {f"t{i}": Label("pair", index=i, kind=Kind.REGRESSION) for i in range(2)}
    split = opened(root, UCMERCED, target=target, lonlat=("lon", "lat")).split("val")
    assert split.target("t1").tolist() == [-i for i in range(12)]
    assert split.target("t0").tolist() == list(range(12))
    assert sorted(calls) == [0, 0, 0, *range(1, 12)]
    # A place that is in the sample costs no further reading.
    assert split[7]["lonlat"].tolist() == [5, 50]
    assert len(calls) == 15


def test_classes_in_an_order_and_several_measurements_are_declared(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchgeo.datasets import UCMerced

    monkeypatch.setattr(
        UCMerced, "__getitem__", lambda self, index: {"pair": torch.tensor([index, -index]), "harm": index % 3 * 10}
    )
    target = {
        # Named so that an alphabet would order them otherwise.
        "harm": Label(kind=Kind.ORDINAL, classes=("none", "minor", "major"), values=(0, 10, 20)),
        "label": Label(kind=Kind.ORDINAL, classes=("beach", "airplane"), values=(1, 0)),
        "pair": Label(kind=Kind.MULTI_REGRESSION, classes=("up", "down")),
    }
    source = opened(root, UCMERCED, target=target | {"label": replace(target["label"], read=".targets")})
    split = source.split("val")
    assert source.classes("harm") == ("none", "minor", "major")
    assert split.target("harm").tolist() == [i % 3 for i in range(12)]
    assert split.target("harm").dtype == np.int64
    assert source.classes("label") == ("beach", "airplane")
    assert source.classes("pair") == ("up", "down")
    assert split.target("pair").tolist() == [[i, -i] for i in range(12)]
    assert split.target("pair").dtype == np.float64


def test_dense_measurements_are_read_for_the_split_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchgeo.datasets import UCMerced

    calls = []

    def read(self: UCMerced, index: int) -> dict[str, Any]:
        calls.append(index)
        return {"image": torch.zeros(3, 2, 2), "height": torch.full((1, 4, 5), float(index))}

    monkeypatch.setattr(UCMerced, "__getitem__", read)
    changes = {"splits": {"all": {"split": "train"}}, "draw": Draw("all", (0.5, 0.25, 0.25))}
    split = opened(root, UCMERCED, target={"height": Label(kind=Kind.REGRESSION)}, **changes).split("val")
    assert split.target("height").shape == (6, 4, 5)
    assert len(set(calls) - {0}) <= 6


def test_masks_keep_their_classes_and_ignored_pixels(root: Path) -> None:
    source = opened(root, SCENES)
    splits = [source.split(name) for name in ("train", "val", "test")]
    masks = np.concatenate([split.target("cover") for split in splits])
    alone = [split.target_at("cover", index) for split in splits for index in range(len(split))]
    np.testing.assert_array_equal(np.stack(alone), masks)
    with pytest.raises(KeyError):
        splits[0].target_at("no-such-target", 0)
    assert len(masks) == 2 * 6 * 6
    assert masks.dtype == np.uint8
    assert set(np.unique(masks)) == {0, 1, 255}
    assert (masks == 255).sum() == 2 * 4 * 96
    brightness = np.concatenate([[split[i]["image"].mean(0).numpy() for i in range(len(split))] for split in splits])
    assert brightness[masks == 1].min() > 140 > 60 > brightness[masks == 0].max()
    with pytest.raises(DataError, match="is 10, which is neither one of 2 classes nor ignored"):
        opened(root, SCENES, target={"cover": Label("mask", classes=("a", "b"), values=(0, 20))}).split("train").target(
            "cover"
        )


def test_blocks_are_not_in_two_splits(root: Path) -> None:
    source = opened(root, SCENES)
    cells = [
        {tuple(np.floor(np.array(split[i]["lonlat"]) / 0.02).astype(int)) for i in range(len(split))}
        for split in map(source.split, ("train", "val", "test"))
    ]
    assert all(cells)
    assert len(cells[0] | cells[1] | cells[2]) == sum(map(len, cells))


def test_chips_lie_where_they_were_cut(root: Path) -> None:
    import rasterio
    from rasterio.windows import from_bounds

    split = opened(root, SCENES).split("train")
    for index in (0, len(split) - 1):
        bounds = tuple(map(float, split.ids[index].split(",")))
        number = int(bounds[0] >= 510_000)
        with rasterio.open(root / "scenes" / f"image_{number}.tif") as file:
            expected = file.read(window=from_bounds(*bounds, transform=file.transform))
        assert np.array_equal(split[index]["image"].numpy(), expected)


def test_draws_depend_on_ids_alone(root: Path) -> None:
    whole = {"all": {"split": "train"}}
    first = opened(root, UCMERCED, splits=whole, draw=Draw("all", stratify="label"))
    other = opened(root, UCMERCED, splits=whole, draw=Draw("all", stratify="label"))
    dataset = other.samples("all").dataset
    dataset.samples, dataset.imgs, dataset.targets = dataset.samples[::-1], dataset.imgs[::-1], dataset.targets[::-1]
    for name in ("train", "val", "test"):
        ids = list(first.split(name).ids)
        assert set(other.split(name).ids) == set(ids)
        assert np.ptp(np.bincount(first.split(name).target("label"))) == 0
    seeded = opened(root, UCMERCED, splits=whole, draw=Draw("all", seed=1, stratify="label"))
    assert set(seeded.split("test").ids) != set(first.split("test").ids)


def test_a_missing_val_is_drawn_from_train(root: Path) -> None:
    splits = {"train": {"split": "train"}, "test": {"split": "test"}}
    source = opened(root, UCMERCED, splits=splits, draw=Draw("train", (0.75, 0.25, 0.0)))
    assert {name: len(source.split(name)) for name in UCMERCED.splits} == {"train": 18, "val": 6, "test": 12}
    assert not {*source.split("train").ids} & {*source.split("val").ids}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"splits": {"train": {"split": "train"}}}, "declares split 'val', which neither"),
        ({"draw": Draw("everything")}, "draws from 'everything'"),
        ({"draw": Draw("train", (0.5, 0.2, 0.2))}, "let them sum to 1"),
        ({"draw": Draw("train")}, "draws test, val and has such a split of its own"),
    ],
)
def test_splits_that_contradict_each_other_are_refused(root: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        opened(root, UCMERCED, **changes)


def test_overlapping_chips_are_not_drawn_at_random(root: Path) -> None:
    with pytest.raises(PluginError, match="overlap"):
        opened(root, SCENES, draw=Draw("all"), chips=Grid(16, 8))
    assert len(opened(root, SCENES, chips=Grid(16, 8)).samples("all")) == 2 * 11 * 11


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"dataset": "torchgeo.datasets:EuroSat"}, PluginError, r"no 'torchgeo.datasets:EuroSat' in torchgeo [0-9]"),
        ({"dataset": "torchgoe.datasets:EuroSAT"}, PluginError, "cannot import 'torchgoe.datasets'"),
        ({"options": {"band": 3}}, DataError, r"UCMerced\(.*unexpected keyword argument 'band'"),
        ({"splits": {n: {"split": "nope"} for n in UCMERCED.splits}}, DataError, "AssertionError"),
        ({"inputs": {"image": "picture"}}, PluginError, r"has no 'picture'; it has image, label"),
        ({"inputs": {"image": Part("image", bands=("B4",))}}, PluginError, "has no band B4"),
        ({"ids": ".names"}, PluginError, r"nothing is found at 'names'"),
        ({"ids": ".classes"}, PluginError, "2 values for 24 samples"),
        ({"target": {"label": Label(classes=("a", "b", "c"))}}, PluginError, "3 classes are declared"),
        ({"target": {"label": Label(kind=Kind.MULTILABEL)}}, DataError, "wanted 0 or 1 for each of 2"),
        ({"target": {"label": Label(values=(0, 7), classes=("a", "b"))}}, DataError, "is 1, which is neither"),
        ({"target": {"label": Label(classes=("beach", "airplane"))}}, PluginError, "in another order: airplane, beach"),
        (
            {"target": {"label": Label(kind=Kind.ORDINAL)}},
            PluginError,
            "the order of its classes is not declared; name",
        ),
        (
            {"target": {"label": Label(kind=Kind.ORDINAL, classes=("beach", "airplane"))}},
            PluginError,
            "airplane, beach; declare the value of each in 'values'",
        ),
        ({"target": {"label": Label(kind=Kind.MULTI_REGRESSION)}}, PluginError, "its measurements have no names; name"),
        (
            {"target": {"label": Label(kind=Kind.MULTI_REGRESSION, classes=("up", "down"))}},
            DataError,
            r"has shape \(\), wanted a number for each of 2 names",
        ),
        ({"inputs": {"image": Part("image", frame=5)}}, PluginError, r"has shape \(3, 256, 256\) and not the declared"),
        ({"inputs": {"s1": Part("image", channels=(3,))}}, PluginError, r"has shape \(3, 256, 256\)"),
        ({"inputs": {"s1": Part("image", channels=(3,), bands=("B4",))}}, PluginError, "bands and channels"),
        ({"target": {"label": Label(index=0)}}, DataError, r"has shape \(\) and no position 0"),
        ({"target": {"label": Label("mask")}}, PluginError, "has no 'mask'; it has image, label"),
        ({"target": {"label": Label(".root", classes=("a", "b"))}}, PluginError, "values for 24 samples"),
        ({"chips": Grid(8)}, PluginError, "not a GeoDataset"),
        ({"lonlat": ".targets"}, PluginError, "lonlat of dataset 'tiny-ucmerced': '.targets' gives 0"),
    ],
)
def test_mistakes_are_named(root: Path, changes: dict[str, Any], error: type[GairbenchError], message: str) -> None:
    def use() -> None:
        split = opened(root, UCMERCED, **changes).split("train")
        assert split[0].keys()
        assert len(split.target("label"))

    with pytest.raises(error, match=message) as raised:
        use()
    assert raised.value.hint


def test_a_geodataset_must_be_cut(root: Path) -> None:
    with pytest.raises(PluginError, match=r"chips=Grid\(size\)"):
        opened(root, SCENES, chips=None).split("train")


def test_a_missing_package_is_named_with_the_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def needy(*_: Any, **__: Any) -> None:
        from torchgeo.datasets.utils import lazy_import

        lazy_import("no_such_package")

    monkeypatch.setattr(torchgeo_files, "needy", needy, raising=False)
    with pytest.raises(PluginError, match="pip install no-such-package"):
        opened(root, UCMERCED, dataset="torchgeo_files:needy", page="x").split("train")


def test_samples_without_names_need_a_declaration(root: Path) -> None:
    def nameless(root: Path, split: str) -> Any:
        from torchgeo.datasets import UCMerced

        dataset = UCMerced(root, split=split)
        del dataset.samples
        return dataset

    torchgeo_files.nameless = nameless  # type: ignore[attr-defined]
    changes = {"dataset": "torchgeo_files:nameless", "page": "x", "target": {"label": Label(".targets")}}
    with pytest.raises(PluginError, match="does not say which files its samples are"):
        _ = opened(root, UCMERCED, **changes).split("train").ids
    assert opened(root, UCMERCED, **changes, ids="index", inputs={}).split("train").ids[:2] == ["train-0", "train-1"]


def test_a_sample_in_two_splits_is_refused(tmp_path: Path) -> None:
    folder = torchgeo_files.write_ucmerced(tmp_path)
    with (folder / "uc_merced-test.txt").open("a") as lines:
        lines.write("beach_train_00.tif\n")
    with pytest.raises(DataError, match=r"beach_train_00.tif' .* is in train and test"):
        opened(tmp_path, UCMERCED).fingerprint()


def test_missing_class_folders_do_not_shift_labels(tmp_path: Path) -> None:
    folder = torchgeo_files.write_ucmerced(tmp_path)
    (folder / "UCMerced_LandUse" / "Images" / "airplane").rename(tmp_path / "elsewhere")
    source = opened(tmp_path, UCMERCED, target={"label": Label(classes=("airplane", "beach"))})
    with pytest.raises(PluginError, match=r"2 classes are declared and UCMerced has 1 \(in one only: airplane\)"):
        source.split("train").target("label")


def test_fingerprint_covers_what_is_read_and_nothing_else(tmp_path: Path) -> None:
    folder = torchgeo_files.write_ucmerced(tmp_path)
    before = opened(tmp_path, UCMERCED).fingerprint()
    image = folder / "UCMerced_LandUse" / "Images" / "beach" / "beach_val_00.tif"
    os.utime(image, (1, 1))
    (folder / "UCMerced_LandUse.zip").write_bytes(b"an archive that was unpacked")
    (folder / ".DS_Store").write_bytes(b"x")
    assert opened(tmp_path, UCMERCED).fingerprint() == before
    assert opened(tmp_path, UCMERCED, page="https://example.org").fingerprint() == before
    changed = {
        opened(tmp_path, UCMERCED, options={"checksum": False}).fingerprint(),
        opened(tmp_path, UCMERCED, target={"label": Label(classes=("b", "a"))}).fingerprint(),
        opened(
            tmp_path, UCMERCED, splits={n: {"split": "train"} for n in ("train",)}, draw=Draw("train")
        ).fingerprint(),
    }
    image.write_bytes((folder / "UCMerced_LandUse" / "Images" / "beach" / "beach_val_01.tif").read_bytes())
    changed.add(opened(tmp_path, UCMERCED).fingerprint())
    assert len(changed) == 4
    assert before not in changed
    subset = opened(tmp_path, UCMERCED, files=("*.txt",)).fingerprint()
    image.unlink()
    assert opened(tmp_path, UCMERCED, files=("*.txt",)).fingerprint() == subset


def test_fingerprint_notices_changed_code(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = opened(root, UCMERCED).fingerprint()
    monkeypatch.setattr("torchgeo.__version__", "99.0")
    assert opened(root, UCMERCED).fingerprint() != before
    monkeypatch.undo()
    assert opened(root, UCMERCED).fingerprint() == before

    module = tmp_path / "changed_reader.py"
    monkeypatch.syspath_prepend(tmp_path)
    found = []
    for body in ("scale = 1", "scale = 1", "scale = 2"):
        module.write_text(f"from torchgeo.datasets import UCMerced\n\n\nclass Mine(UCMerced):\n    {body}\n")
        monkeypatch.delitem(sys.modules, "changed_reader", raising=False)
        # The same second and size: neither Python nor inspect would look at the file again.
        shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
        linecache.clearcache()
        found.append(opened(root, UCMERCED, dataset="changed_reader:Mine").fingerprint())
    assert found[0] == found[1]
    assert found[1] != found[2]


def test_fingerprint_refuses_options_without_a_lasting_name(root: Path) -> None:
    with pytest.raises(PluginError, match="without a lasting name"):
        opened(root, UCMERCED, options={"transforms": lambda sample: sample}).fingerprint()


def test_the_declaration_is_a_value() -> None:
    for dataset in (UCMERCED, EUROSAT, SCENES):
        copy = pickle.loads(pickle.dumps(dataset))
        assert copy == dataset
        assert hash(copy) == hash(dataset)
    assert TorchGeoSource("a:b", options={"x": 1}) != TorchGeoSource("a:b", options={"x": 2})


def test_declaring_imports_nothing_heavy() -> None:
    code = (
        "import sys; import gairbench_tasks.torchgeo.source as s; s.TorchGeoSource('torchgeo.datasets:EuroSAT');"
        "print([m for m in ('torch', 'torchgeo', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_factory_without_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="'tiny-ucmerced' has no folder"):
        TorchGeoSource("a:b")(DataContext(root=tmp_path, dataset=replace(UCMERCED, folder="")))


def test_lazy_address_of_a_declaration_is_a_factory(root: Path) -> None:
    from gairbench.spec import resolve

    torchgeo_files.SOURCE = UCMERCED.factory  # type: ignore[attr-defined]
    spec = replace(UCMERCED, factory="torchgeo_files:SOURCE")
    assert len(resolve(spec.factory)(DataContext(root=root, dataset=spec)).split("train")) == 24


@pytest.mark.parametrize("task", [LAND_USE, LAND_COVER, COVER], ids=lambda task: task.name)
def test_adapted_tasks_pass_the_suite(task: TaskSpec, root: Path) -> None:
    for module, spec in ((dataset_checks, task.dataset), (task_checks, task)):
        for check in module.DECLARATION:
            # The tests' own module imports rasterio to write files.
            if check.__name__ != "check_registering_imports_nothing_heavy":
                check(spec)
        for check in module.BEHAVIOUR:
            check(spec, root)


def test_missing_data_skip_the_suite(tmp_path: Path) -> None:
    (tmp_path / "ucmerced").mkdir()
    with pytest.raises(unittest.SkipTest, match="does not find its files"):
        dataset_checks.check_splits_are_not_empty(UCMERCED, tmp_path)


def test_declared_size_of_bands_is_checked(root: Path) -> None:
    few = replace(EUROSAT, delivers=(ImageInput(modality=Modality.RS),))
    with pytest.raises(PluginError, match=r"EuroSAT gives bands B01, .* and red, green, blue are declared"):
        opened(root, few).split("train")
    source = replace(EUROSAT.factory, inputs={"image": Part("image", bands=("B04", "B03", "B02"))})  # type: ignore[type-var]
    split = source(DataContext(root=root, dataset=replace(few, factory=source))).split("train")  # type: ignore[operator]
    whole = opened(root, EUROSAT).split("train")
    assert torch.equal(split[3]["image"], whole[3]["image"][[3, 2, 1]])
