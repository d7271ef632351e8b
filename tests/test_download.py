"""Files are fetched whole and checked or not at all, never more than declared, and continued where they stopped."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import generated
import pytest
from server import serve

from gairbench.dataset_download import fetch_dataset, is_here, remote_file_problem
from gairbench.download import fetch_file
from gairbench.errors import BusyError, DownloadError, StorageError, UsageError
from gairbench.locks import exclusive
from gairbench.published import Download, RemoteFile
from gairbench.spec import DatasetSpec

CONTENT = bytes(range(256)) * (3 << 12)
SHA256 = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"


def remote(url: str, path: str, content: bytes = CONTENT, *, kind: str = "sha256") -> RemoteFile:
    checksum = f"{kind}:{hashlib.new(kind, content).hexdigest()}"
    return RemoteFile(url=url, path=path, size=len(content), checksum=checksum)


def dataset(*files: RemoteFile, folder: str = "far") -> DatasetSpec:
    download = Download(files=files, licence="CC-BY-4.0")
    return replace(generated.DATASET, name="far", folder=folder, download=download)


@pytest.mark.parametrize("checksum", [SHA256, SHA256[:15], f"md5:{hashlib.md5(CONTENT).hexdigest()}", ""])
def test_a_file_is_fetched_and_checked(checksum: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    with serve({"a.bin": CONTENT}) as server:
        target = tmp_path / "deep" / "a.bin"
        fetch_file(
            server.url("a.bin"), target, checksum=checksum, size=len(CONTENT), report=lambda *step: seen.append(step)
        )
    assert target.read_bytes() == CONTENT
    assert generated.files(tmp_path) == {"deep/a.bin"}
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_addresses_of_files_work_too_and_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    fetch_file((tmp_path / "a.bin").as_uri(), tmp_path / "b.bin", checksum=SHA256, size=len(CONTENT))
    assert (tmp_path / "b.bin").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="must begin with one of https, http, file"):
        fetch_file("ftp://example.org/a.bin", tmp_path / "c.bin")
    with pytest.raises(DownloadError, match=r"cannot fetch file:.*No such file"):
        fetch_file((tmp_path / "gone").as_uri(), tmp_path / "c.bin")


@pytest.mark.parametrize("resumes", [True, False])
def test_a_broken_connection_is_continued_or_begun_anew(resumes: bool, tmp_path: Path) -> None:
    with serve({"a.bin": CONTENT}, resumes=resumes) as server:
        server.cut_after = 1 << 20
        with pytest.raises(DownloadError, match=r"the same command continues|run the same command again to continue"):
            fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=len(CONTENT))
        assert not (tmp_path / "a.bin").exists()
        server.cut_after = None
        fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=len(CONTENT))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT
    assert server.asked[0] == ("/a.bin", "")
    assert server.asked[1] == ("/a.bin", f"bytes={1 << 20}-")


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    fetch_file("http://127.0.0.1:1/a.bin", tmp_path / "a.bin", checksum=SHA256, size=len(CONTENT))


def test_another_file_is_not_kept(tmp_path: Path) -> None:
    other = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with serve({"a.bin": other}) as server:
        with pytest.raises(DownloadError, match="is not the declared file: sha256 "):
            fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=len(CONTENT))
        assert generated.files(tmp_path) == set()
        # Whoever corrects it need not clean up.
        server.files["a.bin"] = CONTENT
        fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=len(CONTENT))
    assert (tmp_path / "a.bin").read_bytes() == CONTENT


def test_no_more_than_declared_is_taken(tmp_path: Path) -> None:
    with serve({"a.bin": CONTENT}) as server:
        with pytest.raises(DownloadError, match=r"has 3,145,728 bytes, not 1,000 as declared"):
            fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=1000)
        # A server that lies about the length is stopped there.
        server.announced = 1000
        with pytest.raises(DownloadError, match=r"is not the declared file"):
            fetch_file(server.url("a.bin"), tmp_path / "a.bin", checksum=SHA256, size=1000)
    assert generated.files(tmp_path) == set()


def test_a_missing_server_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        DownloadError, match=r"cannot fetch http://127.0.0.1:1/a: Connection refused; check the network"
    ):
        fetch_file("http://127.0.0.1:1/a", tmp_path / "a")
    with serve({}) as server, pytest.raises(DownloadError, match="Not Found"):
        fetch_file(server.url("a"), tmp_path / "a")


def test_two_processes_do_not_write_one_file(tmp_path: Path) -> None:
    with (
        exclusive(tmp_path / ".a.download.lock", taken="", hint=""),
        pytest.raises(BusyError, match="another process fetches"),
    ):
        fetch_file("http://127.0.0.1:1/a", tmp_path / "a")


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with serve({"a": CONTENT}) as server, pytest.raises(StorageError, match="taken"):
        fetch_file(server.url("a"), tmp_path / "taken" / "a")


# Datasets.


def test_a_dataset_appears_when_all_of_it_is_there(tmp_path: Path) -> None:
    with serve({"a": CONTENT, "b": b"second"}) as server:
        spec = dataset(
            remote(server.url("a"), "images/a.bin"), remote(server.url("missing"), "b.bin", b"second", kind="md5")
        )
        with pytest.raises(DownloadError, match="Not Found"):
            fetch_dataset(spec, tmp_path, lambda done, total: None)
        assert not is_here(spec, tmp_path)
        server.files["missing"] = b"second"
        seen: list[tuple[int, int]] = []
        folder = fetch_dataset(spec, tmp_path, lambda *step: seen.append(step))
        assert [path for path, _ in server.asked].count("/a") == 1
    assert generated.files(tmp_path) == {"far/images/a.bin", "far/b.bin"}
    assert (folder, is_here(spec, tmp_path)) == (tmp_path / "far", True)
    assert seen[-1] == (len(CONTENT) + 6, len(CONTENT) + 6)


def test_files_are_added_to_a_folder_that_is_there_and_none_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "mine.txt").write_text("mine")
    with serve({"a": CONTENT}) as server:
        fetch_dataset(dataset(remote(server.url("a"), "a.bin")), tmp_path, lambda done, total: None)
        assert generated.files(tmp_path) == {"far/a.bin", "far/mine.txt"}
        (tmp_path / "far" / "a.bin").write_text("mine, too")
        with pytest.raises(
            DownloadError, match=r"a.bin has 9 bytes, not 3,145,728 as declared; move it out of the way"
        ):
            fetch_dataset(dataset(remote(server.url("a"), "a.bin")), tmp_path, lambda done, total: None)
    assert (tmp_path / "far" / "a.bin").read_text() == "mine, too"


GOOD = remote("https://example.org/a", "a.bin")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"path": "../a.bin"}, "not below its folder"),
        ({"path": "/etc/passwd"}, "not below its folder"),
        ({"path": "a\\..\\..\\b"}, "not below its folder"),
        ({"url": "ftp://example.org/a"}, "does not begin with"),
        ({"checksum": "sha256:abc"}, "neither sha256:<hex> nor md5:<hex>"),
        ({"checksum": "crc:abc"}, "neither sha256:<hex> nor md5:<hex>"),
        ({"size": 0}, "with 0 bytes"),
    ],
)
def test_a_wrong_declaration_is_refused_before_anything_is_fetched(
    change: dict[str, object], problem: str, tmp_path: Path
) -> None:
    wrong = replace(GOOD, **change)  # type: ignore[arg-type]
    assert remote_file_problem(GOOD) == ""
    assert problem in remote_file_problem(wrong)
    with pytest.raises(DownloadError, match="dataset 'far' declares"):
        fetch_dataset(dataset(wrong), tmp_path, lambda done, total: None)
    assert generated.files(tmp_path) == set()


def test_a_dataset_without_a_declaration_names_where_it_is_from(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="says nowhere to fetch it from; see generated"):
        fetch_dataset(generated.DATASET, tmp_path, lambda done, total: None)
