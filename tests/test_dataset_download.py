"""Datasets that their factories fetch: whole or not at all, and one line for whatever a factory raises."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import generated
import pytest

from gairbench import DataContext, DatasetSpec
from gairbench.data import DataSource
from gairbench.dataset_download import can_fetch, fetch_dataset, terms_of, way_to_get
from gairbench.errors import DownloadError, GairbenchError, StorageError, UsageError


@dataclass(frozen=True)
class Fetching:
    """A factory that fetches its data.

    Args:
        fail: Called when one of two files is written.
        downloads: Whether it can.
    """

    fail: Callable[[], None] = lambda: None
    downloads: bool = True

    def __call__(self, context: DataContext) -> DataSource:
        raise NotImplementedError

    def fetch(self, folder: Path) -> None:
        (folder / "sub").mkdir(exist_ok=True)
        (folder / "sub" / "first").write_text("1")
        self.fail()
        (folder / "second").write_text("2")


def raising(error: BaseException) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def spec(factory: Fetching, **changes: str) -> DatasetSpec:
    return replace(generated.DATASET, name="far", folder="far-data", factory=factory, **changes)  # type: ignore[arg-type]


def fetch(factory: Fetching, root: Path) -> Path:
    return fetch_dataset(spec(factory), root, lambda done, total: None)


def test_a_dataset_appears_when_it_is_whole(tmp_path: Path) -> None:
    assert fetch(Fetching(), tmp_path) == tmp_path / "far-data"
    assert generated.files(tmp_path) == {"far-data/sub/first", "far-data/second"}


@pytest.mark.parametrize(
    ("error", "turned_into", "text"),
    [
        (
            ValueError("no such record"),
            DownloadError,
            r"dataset 'far' cannot be fetched into .*: ValueError: no such",
        ),
        (ConnectionResetError("by peer"), DownloadError, "ConnectionResetError: by peer"),
        (OSError(errno.ENOSPC, "No space left on device"), StorageError, "cannot write .*far-data: No space left"),
        (UsageError("sign in first", "log in"), UsageError, "sign in first"),
        (KeyboardInterrupt(), KeyboardInterrupt, ""),
    ],
)
@pytest.mark.parametrize("there", [False, True])
def test_of_an_attempt_that_fails_nothing_is_left_and_the_reason_is_one_line(
    error: BaseException, turned_into: type[BaseException], text: str, tmp_path: Path, *, there: bool
) -> None:
    if there:
        (tmp_path / "far-data").mkdir()
    with pytest.raises(turned_into, match=text) as raised:
        fetch(Fetching(raising(error)), tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == (["far-data"] if there else [])
    if isinstance(raised.value, GairbenchError):
        assert raised.value.hint
    assert fetch(Fetching(), tmp_path).is_dir()


def test_what_an_attempt_found_stays(tmp_path: Path) -> None:
    mine = tmp_path / "far-data" / "sub"
    mine.mkdir(parents=True)
    (mine / "mine").write_text("mine")
    with pytest.raises(DownloadError):
        fetch(Fetching(raising(ValueError())), tmp_path)
    assert generated.files(tmp_path) == {"far-data/sub/mine"}


def test_what_a_killed_process_has_left_is_not_taken_for_a_part(tmp_path: Path) -> None:
    left = tmp_path / ".far-data.download"
    left.mkdir()
    (left / "half").write_text("?")
    fetch(Fetching(), tmp_path)
    assert generated.files(tmp_path) == {"far-data/sub/first", "far-data/second"}


def test_a_factory_may_say_that_it_cannot(tmp_path: Path) -> None:
    cannot = Fetching(downloads=False)
    assert not can_fetch(spec(cannot))
    assert not way_to_get(spec(cannot), None)
    with pytest.raises(UsageError, match="says nowhere to fetch it from"):
        fetch(cannot, tmp_path)


def test_a_licence_that_is_not_stated_is_said_to_be_so() -> None:
    assert terms_of(spec(Fetching(), licence="")) == "licence: not stated"
    assert way_to_get(spec(Fetching(), licence="MIT"), Path("/data")) == (
        "get it (licence: MIT): gairbench data get far --data-root /data"
    )
