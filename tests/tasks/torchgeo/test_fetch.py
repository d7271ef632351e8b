"""``gairbench data get`` lets TorchGeo's classes download: whole, compared with their checksums, or not at all."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import suite_files
from server import Served, serve
from suite_files.drawing import SPLITS
from torchgeo.datasets import EuroSAT100, EuroSATSpatial

from gairbench import DataContext
from gairbench.commands.data import get_command
from gairbench.errors import DownloadError, PluginError, UsageError
from gairbench.plugins import load_registry
from gairbench.spec import resolve
from gairbench_tasks.torchgeo.source import TorchGeoSource

NAME, FOLDER = "eurosat-100", "eurosat100"

CHECKSUM = "sha256" if hasattr(EuroSAT100, "sha256") else "md5"
"""TorchGeo's, by its version."""


def checksums(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the checksum of each content."""
    return {name: hashlib.new(CHECKSUM, content).hexdigest() for name, content in contents.items()}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return the files that EuroSAT100 downloads, by name."""
    made = suite_files.write(tmp_path_factory.mktemp("made"), FOLDER) / FOLDER
    archive = shutil.make_archive(str(made.parent / "EuroSAT100"), "zip", made, "ds")
    lists = {path.name: path.read_bytes() for path in made.glob("eurosat-100-*.txt")}
    return {"EuroSAT100.zip": Path(archive).read_bytes(), **lists}


@pytest.fixture
def server(published: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    sums = checksums(published)
    lists = {split: sums[f"eurosat-100-{split}.txt"] for split in SPLITS}
    with serve(dict(published)) as server:
        monkeypatch.setattr(EuroSAT100, "url", server.url(""))
        monkeypatch.setattr(EuroSAT100, CHECKSUM, sums["EuroSAT100.zip"])
        monkeypatch.setattr(EuroSAT100, f"split_{CHECKSUM}s", lists)
        yield server


def test_a_dataset_is_fetched_with_its_licence_stated_and_can_be_read(
    server: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get_command([NAME], tmp_path, yes=True) == 0
    said = capsys.readouterr().err
    assert said.index(f"{NAME}: licence: MIT") < said.index(f"{NAME} is in {tmp_path / FOLDER}")
    assert {path for path, _ in server.asked} == {f"/{name}" for name in server.files}
    spec = load_registry().datasets[NAME]
    assert len(resolve(spec.factory)(DataContext(root=tmp_path, dataset=spec)).split("train")) == 30
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]
    asked = len(server.asked)
    assert get_command([NAME], tmp_path, yes=True) == 0
    assert len(server.asked) == asked, "what is there is not fetched again"


def test_a_changed_file_is_refused_and_leaves_no_dataset(server: Served, tmp_path: Path) -> None:
    whole = server.files["EuroSAT100.zip"]
    server.files["EuroSAT100.zip"] = whole[:-1] + b"?"
    with pytest.raises(DownloadError, match=r"dataset 'eurosat-100' cannot be fetched into .*RuntimeError") as raised:
        get_command([NAME], tmp_path, yes=True)
    assert "run the same command again" in raised.value.hint
    assert not (tmp_path / FOLDER).exists()
    server.files["EuroSAT100.zip"] = whole
    assert get_command([NAME], tmp_path, yes=True) == 0
    assert (tmp_path / FOLDER).is_dir()


def test_a_file_that_is_gone_is_one_line(server: Served, tmp_path: Path) -> None:
    del server.files["eurosat-100-val.txt"]
    with pytest.raises(DownloadError, match="HTTP Error 404"):
        get_command([NAME], tmp_path, yes=True)
    assert not (tmp_path / FOLDER).exists()


def test_a_connection_that_breaks_leaves_nothing_and_the_same_command_starts_again(
    server: Served, tmp_path: Path
) -> None:
    server.cut_after = 1000
    with pytest.raises(DownloadError):
        get_command([NAME], tmp_path, yes=True)
    assert list(tmp_path.iterdir()) == []
    # As a process that was killed leaves it: TorchGeo would take a part of an archive for the whole.
    left = tmp_path / f".{FOLDER}.download"
    left.mkdir()
    (left / "EuroSAT100.zip").write_bytes(server.files["EuroSAT100.zip"][:1000])
    server.cut_after = None
    assert get_command([NAME], tmp_path, yes=True) == 0
    assert [path.name for path in tmp_path.iterdir()] == [FOLDER]


def test_a_folder_with_the_same_files_gets_what_it_lacks_or_stays_as_it_was(
    server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = suite_files.write(tmp_path, "eurosat") / "eurosat"
    lists = {split: f"eurosat-spatial-{split}.txt" for split in SPLITS}
    contents = {name: (folder / name).read_bytes() for name in lists.values()}
    for name in contents:
        (folder / name).unlink()
    before = {path.relative_to(folder) for path in folder.rglob("*")}
    sums = checksums(contents)
    monkeypatch.setattr(EuroSATSpatial, "url", server.url(""))
    monkeypatch.setattr(EuroSATSpatial, f"split_{CHECKSUM}s", {split: sums[name] for split, name in lists.items()})
    server.files |= {name: content for name, content in contents.items() if "test" not in name}
    with pytest.raises(DownloadError, match="404"):
        get_command(["eurosat-spatial"], tmp_path, yes=True)
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before
    server.files |= contents
    assert get_command(["eurosat-spatial"], tmp_path, yes=True) == 0
    assert {path.relative_to(folder) for path in folder.rglob("*")} == before | {Path(name) for name in contents}
    assert "/EuroSATallBands.zip" not in {path for path, _ in server.asked}


def test_a_package_that_the_class_needs_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text(
        "from torchgeo.datasets.errors import DependencyNotFoundError\n"
        "def Data(root, download, split):\n"
        "    raise DependencyNotFoundError('h5py is not installed and is required to use this dataset')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(PluginError, match="needy:Data needs h5py, which is not installed; pip install h5py"):
        TorchGeoSource("needy:Data").fetch(tmp_path)


def test_what_people_must_get_themselves_says_from_where_and_into_which_folder(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dataset 'so2sat' says nowhere to fetch it from") as raised:
        get_command(["so2sat"], tmp_path, yes=True)
    assert raised.value.hint == (
        f"get it: download it from https://mediatum.ub.tum.de/1454690 into {tmp_path / 'so2sat'}"
    )
