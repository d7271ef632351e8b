"""A call is answered in a process of its own, with other hashes of texts and where it was made."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import unittest
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from gairbench.testing import elsewhere as module
from gairbench.testing.elsewhere import elsewhere

LEFT: list[int] = []


def where() -> tuple[int, str, str | None, list[str]]:
    LEFT.append(1)
    print("what a plugin prints is not an answer")
    return os.getpid(), str(Path.cwd()), os.environ.get("GAIRBENCH_ELSEWHERE"), sys.path


def left() -> int:
    return len(LEFT)


def threads() -> int:
    import torch

    return torch.get_num_threads()


def fail(message: str) -> None:
    raise ValueError(message)


def die() -> None:
    os.abort()


def test_texts_have_other_hashes() -> None:
    assert elsewhere(hash, "a text") != hash("a text")
    assert elsewhere(hash, "a text") == elsewhere(hash, "a text")


def test_a_call_sees_the_folder_environment_and_path_of_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere(where)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GAIRBENCH_ELSEWHERE", "here")
    monkeypatch.syspath_prepend(str(tmp_path))
    process, folder, variable, path = elsewhere(where)
    assert process != os.getpid()
    assert (folder, variable, path) == (str(tmp_path), "here", sys.path)


def test_what_a_call_leaves_behind_does_not_reach_the_next() -> None:
    first, second = elsewhere(where)[0], elsewhere(where)[0]
    assert first != second
    assert elsewhere(left) == 0


@pytest.mark.usefixtures("one_thread")
def test_a_call_has_as_many_threads() -> None:
    assert elsewhere(threads) == 1


def test_a_failure_is_shown_and_does_not_end_the_others() -> None:
    with pytest.raises(AssertionError, match=r"in another process it fails:(.|\n)*ValueError: of no use"):
        elsewhere(fail, "of no use")
    with pytest.raises(AssertionError, match="in another process it fails"):
        elsewhere(die)
    assert elsewhere(abs, -1) == 1


def end_the_other_process() -> None:
    os.kill(os.getppid(), signal.SIGKILL)


@pytest.fixture
def another_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = cache(module._Server)
    monkeypatch.setattr(module, "_server", server)
    yield
    server().close()


@pytest.mark.usefixtures("another_server")
def test_texts_have_other_hashes_than_in_a_process_of_hash_seed_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "0")
    here = subprocess.run([sys.executable, "-c", "print(hash('a text'))"], capture_output=True, check=True, text=True)
    assert elsewhere(hash, "a text") != int(here.stdout)


@pytest.mark.usefixtures("another_server")
def test_what_a_library_prints_while_it_is_imported_is_not_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noisy_library.py").write_text("print(0)\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("noisy_library")
    monkeypatch.setattr(module, "_LIBRARIES", ("noisy_library",))
    assert elsewhere(abs, -2) == 2


def test_a_process_that_was_ended_is_replaced() -> None:
    with pytest.raises(AssertionError, match="the other process ended with status -9"):
        elsewhere(end_the_other_process)
    assert elsewhere(abs, -1) == 1


def test_what_cannot_be_imported_there_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "only_here.py").write_text("def call(): return 1\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import only_here  # type: ignore[import-not-found, unused-ignore]

    assert elsewhere(only_here.call) == 1
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(tmp_path)])
    with pytest.raises(unittest.SkipTest, match=r"another process cannot import it: .*only_here"):
        elsewhere(only_here.call)
    with pytest.raises(unittest.SkipTest, match="cannot be sent"):
        elsewhere(lambda: 1)
