"""A dataset's samples are drawn with their labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from gairbench import ImageInput, Kind, Modality, TaskSpec, Unit
from gairbench.cli import app
from gairbench.commands.data import draw_command
from gairbench.data import ArraySplit
from gairbench.errors import DataMissingError, StorageError, UsageError
from gairbench.inputs import Rendering
from gairbench.inspection import dataset_picture
from gairbench.inspection.dataset_picture import draw_dataset
from gairbench.inspection.pictures import shown_bands
from gairbench.plugins import load_registry


def tasks_of(name: str) -> list[TaskSpec]:
    return [task for task in load_registry().tasks.values() if task.dataset.name == name]


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[dataset_picture._Panel]:
    """The pictures of all samples, in the order in which they are drawn."""
    panels: list[dataset_picture._Panel] = []
    monkeypatch.setattr(dataset_picture, "_draw", lambda axes, panel: panels.append(panel))
    return panels


def test_samples_of_the_split_are_drawn_with_images_masks_and_a_map(tmp_path: Path) -> None:
    spec = load_registry().datasets["earth"]
    for samples in (1, 3):
        draw_dataset(tmp_path / f"{samples}.png", spec, tasks_of("earth"), None, split="val", samples=samples)
    one, three = (np.array(Image.open(tmp_path / f"{samples}.png").convert("RGB")) for samples in (1, 3))
    assert one.shape[1] == three.shape[1]
    # The map is one row more.
    assert three.shape[0] == pytest.approx(one.shape[0] + 2 * 286, abs=2)
    assert one.std() > 20


def test_an_image_is_as_it_was_delivered_and_a_mask_keeps_its_classes(
    tmp_path: Path, drawn: list[dataset_picture._Panel]
) -> None:
    spec = load_registry().datasets["earth"]
    draw_dataset(tmp_path / "a.png", spec, tasks_of("earth"), None, split="test", samples=2)
    assert [panel.title for panel in drawn] == ["rs", "land_cover_mask"] * 2
    from gairbench import DataContext
    from gairbench.spec import resolve

    source = resolve(spec.factory)(DataContext(root=None, dataset=spec))
    split = source.split("test")
    for number, row in enumerate((0, len(split) - 1)):
        image, mask = drawn[2 * number : 2 * number + 2]
        assert np.array_equal(image.values, np.moveaxis(split[row]["image"].numpy(), 0, -1))
        assert image.classes == 0
        assert np.array_equal(mask.values, split.target("land_cover_mask")[row])
        assert mask.classes == len(source.classes("land_cover_mask"))


def words(kind: Kind, value: object, classes: tuple[str, ...] = ()) -> str:
    target = dataset_picture._Target("what", kind, classes)
    return dataset_picture._words(target, np.asanyarray(value))


def test_labels_are_words() -> None:
    names = ("a", "b", "c")
    assert words(Kind.CLASSIFICATION, 1, names) == "b"
    assert words(Kind.CLASSIFICATION, -1, names) == "no class"
    assert words(Kind.MULTILABEL, [True, False, True], names) == "a, c"
    assert words(Kind.MULTILABEL, [False, False, False], names) == "none"
    assert words(Kind.REGRESSION, 12.34567) == "12.35"
    assert words(Kind.MULTI_REGRESSION, [1.0, 2.5], ("u", "v")) == "u 1, v 2.5"
    assert words(Kind.SEGMENTATION, [[2, 2], [2, 0]], names) == "c 75%, a 25%"
    assert words(Kind.DENSE_REGRESSION, [[np.nan, 2.0], [3.0, 0.5]]) == "0.5 to 3"


def test_pixels_that_do_not_count_are_left_blank_and_out_of_the_shares() -> None:
    mask = np.array([[[1, 255], [1, 0]]], dtype=np.uint8)

    class Masks(ArraySplit):
        def target_at(self, name: str, index: int) -> NDArray[Any]:
            return np.asarray(self.target(name)[index])

    target = dataset_picture._Target("mask", Kind.SEGMENTATION, ("a", "b"))
    for cls in (ArraySplit, Masks):
        split = cls(["s"], {}, {"mask": mask})
        value = dataset_picture._value(split, target, 0)
        assert np.ma.getmaskarray(value).tolist() == [[False, True], [False, False]]
        assert dataset_picture._words(target, value) == "b 67%, a 33%"


def test_what_is_not_known_is_said() -> None:
    assert words(Kind.DENSE_REGRESSION, [[np.nan, np.nan]]) == "nothing known"
    assert words(Kind.REGRESSION, np.nan) == "nothing known"
    assert words(Kind.SEGMENTATION, np.ma.masked_equal([[255]], 255), ("a",)) == "nothing known"


def test_a_mask_has_the_same_colours_in_all_samples_and_places_are_where_they_are() -> None:
    axes = Figure().add_subplot()
    dataset_picture._draw(axes, dataset_picture._Panel("mask", np.array([[2, 3]]), classes=9))
    assert axes.images[0].get_clim() == (0, 8)
    axes = Figure().add_subplot()
    # Rome: on land, which is darker than the sea west of it.
    dataset_picture._draw_map(axes, np.array([[12.5, 41.9]]), "places")
    assert np.asarray(axes.collections[0].get_offsets()).tolist() == [[12.5, 41.9]]
    land = np.asarray(axes.images[0].get_array())
    assert tuple(axes.images[0].get_extent()) == (-180, 180, -90, 90)
    row, column = 90 - 42, 180 + 12
    assert land[row, column] > land[row, column - 7]


def test_bands_are_shown_in_the_colours_that_are_declared() -> None:
    image = ImageInput(
        modality=Modality.RS,
        bands=("B2", "B3", "B4", "B8"),
        unit=Unit.S2_DN,
        size=2,
        rendering=Rendering(bands=("B8", "B4", "B3"), low=0, high=4_000),
    )
    values = torch.arange(4).reshape(4, 1, 1).expand(4, 2, 2).float() * 1_000
    assert dataset_picture._picture(image, {"image": values})[0, 0].tolist() == [191, 128, 64]
    bright = replace(image, rendering=Rendering(bands=("B8", "B4", "B3"), low=0, high=4_000, gamma=2))
    assert dataset_picture._picture(bright, {"image": values})[0, 0].tolist() == [221, 180, 128]
    # Of a series the one in the middle, and where there is no red, green and blue, the first band.
    radar = ImageInput(modality=Modality.RS, name="s1", bands=("VV", "VH"), unit=Unit.DB, size=2, frames=3)
    series = torch.zeros(3, 2, 2, 2)
    series[1, 0] = torch.tensor([[3.0, 2.0], [1.0, 0.0]])
    shown = dataset_picture._picture(radar, {"s1": series})
    assert shown.shape == (2, 2, 3)
    assert np.argsort(shown[..., 0].ravel()).tolist() == [3, 2, 1, 0]
    # Two of three colours are not enough.
    assert shown_bands(("B8", "B4", "B3")) == (0,)


@pytest.mark.parametrize(
    ("name", "split", "error", "said"),
    [
        ("eurosat", "", DataMissingError, "'eurosat' are not here; get it .licence: MIT.: gairbench data get eurosat"),
        ("earth", "tst", UsageError, "dataset 'earth' has no split 'tst'; there are: train, val, test"),
        ("earht", "", UsageError, "no dataset 'earht'; did you mean earth"),
    ],
)
def test_what_cannot_be_shown_is_said(name: str, split: str, error: type[Exception], said: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=said):
        draw_command(name, [], tmp_path / "data", out=tmp_path / "a.png", split=split, samples=2)
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot write to"):
        draw_command("earth", [], None, out=tmp_path / "file" / "a.png", split="", samples=2)
    assert not (tmp_path / "a.png").exists()


def test_the_last_split_is_shown_where_none_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[str, int]] = []
    monkeypatch.setattr(dataset_picture, "draw_dataset", lambda *given, split, samples: asked.append((split, samples)))
    for split in ("", "train"):
        draw_command("earth", [], None, out=tmp_path / "a.png", split=split, samples=4)
    assert asked == [("test", 4), ("train", 4)]


def test_the_command_writes_the_picture(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["data", "show", "earth-airports", "--samples", "2", "--out", str(tmp_path / "a.png")]
    )
    assert (done.exit_code, done.output) == (0, f"{tmp_path / 'a.png'}\n")
    assert Image.open(tmp_path / "a.png").format == "PNG"
