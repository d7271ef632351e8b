"""Ctrl-C and SIGTERM in every command: what is safe is said, scratch files are gone, and the same command continues."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from rasterio.transform import Affine

from gairbench.commands.interrupts import if_interrupted
from gairbench.pretraining.interrupts import interrupts_passed_on

TINY = [
    *("--set", "rs.depth=1", "--set", "sv.depth=1", "--set", "queue_size=20", "--set", "batch_size=8"),
    *("--set", "location.hidden=16", "--set", "model.location.frequencies=8", "--set", "epochs=500"),
]

SLOW = """
import sys, time
from gairbench.maps import blending
from gairbench.testing import dataset_checks
from gairbench import embedding
from gairbench.cli import main

def slowed(function):
    def slow(*arguments, **more):
        print("working", file=sys.stderr, flush=True)
        time.sleep(0.5)
        return function(*arguments, **more)
    return slow

{patch}
sys.argv[0] = "gairbench"
main()
"""
"""The command line with one function slowed, so that a signal comes while it works."""


def interrupted(
    arguments: Sequence[str],
    at: str | Path,
    cache: Path,
    *,
    patch: str = "",
    number: int = signal.SIGINT,
) -> tuple[int, str]:
    """Start a command, and send a signal once ``at`` is a file or stands on standard error.

    Returns:
        The exit status and standard error.
    """
    program = ["-c", SLOW.format(patch=patch)] if patch else ["-m", "gairbench"]
    process = subprocess.Popen(
        [sys.executable, *program, *arguments],
        env=os.environ | {"GAIRBENCH_CACHE": str(cache), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: list[str] = []
    seen = threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            lines.append(line)
            if isinstance(at, str) and at in line:
                seen.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        deadline = time.monotonic() + 600
        while not (at.exists() if isinstance(at, Path) else seen.is_set()):
            assert process.poll() is None, "".join(lines)
            assert time.monotonic() < deadline, "".join(lines)
            time.sleep(0.05)
        time.sleep(0.3)
        process.send_signal(number)
        process.wait(300)
    finally:
        process.kill()
        reader.join()
    # Python ends itself by SIGINT where the interrupt has passed code that a library runs from C (PyRun_String, while
    # torch is imported); a shell shows 130 for that, too.
    status = process.returncode if process.returncode != -signal.SIGINT else 128 + signal.SIGINT
    return status, "".join(lines)


FINALIZER = """
import signal, time
from gairbench.commands.interrupts import Terminated, watch_signals

class Last:
    def __del__(self):
        signal.raise_signal(signal.{name})

watch_signals()
try:
    Last()
    time.sleep(20)
except {raised}:
    print("raised")
"""


@pytest.mark.parametrize(("name", "raised"), [("SIGINT", "KeyboardInterrupt"), ("SIGTERM", "Terminated")])
def test_a_signal_that_comes_where_nothing_can_be_raised_is_not_lost(name: str, raised: str) -> None:
    program = FINALIZER.format(name=name, raised=raised)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("raised\n", "")


def scratch(folder: Path) -> list[Path]:
    """Return hidden files and folders, as scratch files are; locks stay."""
    return [path for path in folder.rglob(".*") if not path.name.endswith(".lock")]


def test_run_while_pretraining(tmp_path: Path) -> None:
    arguments = ["run", "--model", "gair", "--task", "earth-location-koeppen", "--results", str(tmp_path / "r")]
    status, told = interrupted(arguments, "pretrain gair (tiny): ", tmp_path / "cache")
    assert status == 130, told
    assert told.splitlines()[-1] == (
        "gairbench: interrupted; finished cells, embeddings and checkpoints are kept;"
        " run the same command again to continue"
    )
    assert "Traceback" not in told
    assert scratch(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), pytest.param(signal.SIGTERM, 143, "terminated", marks=pytest.mark.slow)],
)
def test_run_while_embedding(tmp_path: Path, number: int, status: int, word: str) -> None:
    arguments = ["run", "--model", "random", "--task", "earth-rs-koeppen", "--fresh", "--results", str(tmp_path / "r")]
    found, told = interrupted(arguments, "embed random rs on earth/train ...", tmp_path / "cache", number=number)
    assert found == status, told
    assert told.splitlines()[-1] == (
        f"gairbench: {word}; finished cells, embeddings and checkpoints are kept;"
        " run the same command again, without --fresh, to continue"
    )
    assert scratch(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [pytest.param(signal.SIGINT, 130, "interrupted", marks=pytest.mark.slow), (signal.SIGTERM, 143, "terminated")],
)
def test_pretrain_while_lightning_trains(tmp_path: Path, number: int, status: int, word: str) -> None:
    out = tmp_path / "out"
    arguments = ["pretrain", "--model", "gair", "--data", "earth-triplets", "--out", str(out), "--limit", "40", *TINY]
    arguments += ["--device", "cpu", "--checkpoint-every", "2", "--num-workers", "1"]
    last = out / "training" / "last.ckpt"
    found, told = interrupted(arguments, last, tmp_path / "cache", number=number)
    assert found == status, told
    assert told.splitlines()[-1] == (
        f"gairbench: {word}; a checkpoint of the run is in {out};"
        " run the same command again with --resume to continue from it"
    )
    assert "Traceback" not in told
    assert not (out / "model.safetensors").exists()


def test_pretrain_before_the_first_checkpoint(tmp_path: Path) -> None:
    arguments = ["pretrain", "--model", "gair", "--data", "earth-triplets", "--out", str(tmp_path / "out"), *TINY]
    status, told = interrupted([*arguments, "--limit", "40"], "pretrain gair (tiny) ...", tmp_path / "cache")
    assert status == 130, told
    assert told.splitlines()[-1] == (
        "gairbench: interrupted; no checkpoint to continue from was written yet;"
        " run the same command again to start over"
    )


def test_embed(tmp_path: Path) -> None:
    table, out = tmp_path / "t.csv", tmp_path / "t.parquet"
    pd.DataFrame({"lon": np.linspace(-170, 170, 3000), "lat": np.zeros(3000)}).to_csv(table, index=False)
    arguments = ["embed", "--model", "lonlat", "--input", str(table), "--out", str(out), "--device", "cpu"]
    patch = "from gairbench.embed_table import parts\nparts.encode_batch = slowed(parts.encode_batch)"
    status, told = interrupted(arguments, "working", tmp_path / "cache", patch=patch)
    assert status == 130, told
    assert told.splitlines()[-1] == (
        f"gairbench: interrupted; {out} is whole or was not written; run the same command again"
    )
    assert not out.with_name("t.parquet.parts").exists()
    assert "Traceback" not in told
    assert not out.exists()
    done = subprocess.run([sys.executable, "-m", "gairbench", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(pd.read_parquet(out)) == 3000


def test_map(tmp_path: Path) -> None:
    image, out = tmp_path / "s.tif", tmp_path / "m.tif"
    with rasterio.open(
        image, "w", driver="GTiff", count=3, height=256, width=256, dtype="uint8", crs="EPSG:32631",
        transform=Affine(10, 0, 5e5, 0, -10, 5e6),
    ) as file:  # fmt: skip
        file.write(np.random.default_rng(0).integers(1, 255, (3, 256, 256), np.uint8))
    out.write_bytes(b"an older map")
    arguments = ["map", "--image", str(image), "--out", str(out), "--unit", "uint8", "--bands", "red,green,blue"]
    patch = "blending.SceneMap.block = slowed(blending.SceneMap.block)"
    status, told = interrupted(
        [*arguments, "--model", "random", "--device", "cpu"], "working", tmp_path / "cache", patch=patch
    )
    assert status == 130, told
    assert told.splitlines()[-1] == (
        f"gairbench: interrupted; {out} is whole or as it was before; run the same command again"
    )
    assert out.read_bytes() == b"an older map"
    assert scratch(tmp_path) == []


def test_data_check(tmp_path: Path) -> None:
    patch = "from gairbench.testing import dataset_report\n"
    patch += "dataset_report.check_dataset = slowed(dataset_report.check_dataset)"
    status, told = interrupted(["data", "check", "earth"], "working", tmp_path / "cache", patch=patch)
    assert status == 130, told
    assert told.splitlines()[-1] == "gairbench: interrupted; nothing was changed; run the same command again"


def test_a_library_that_swallows_the_interrupt_does_not_hide_it(tmp_path: Path) -> None:
    patch = """
from gairbench.testing import dataset_report
def hidden(*arguments):
    try:
        slowed(time.sleep)(30)
    except KeyboardInterrupt:
        raise RuntimeError("something else")
dataset_report.check_dataset = hidden
"""
    status, told = interrupted(["data", "check", "earth"], "working", tmp_path / "cache", patch=patch)
    assert status == 130, told
    assert "Traceback" not in told


@pytest.mark.parametrize("module", ["typer", "typer.main", "gairbench.plugins"])
def test_an_interrupt_while_the_program_is_still_being_imported(tmp_path: Path, module: str) -> None:
    program = f"""
import os, runpy, signal, sys
class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupting())
sys.argv = ["gairbench", "list", "models"]
runpy.run_module("gairbench", run_name="__main__")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.startswith("gairbench: interrupted; ")
    assert done.stderr.endswith("run the same command again\n")
    assert done.stderr.count("\n") == 1


def test_an_interrupt_before_the_command_has_begun_is_reported() -> None:
    program = """
import os, signal
from gairbench import cli
def interrupted(*arguments, **more):
    os.kill(os.getpid(), signal.SIGINT)
cli._Commands.make_context = interrupted
cli.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "gairbench: interrupted; run the same command again\n")


def test_an_interrupt_carries_its_note_also_in_python() -> None:
    with pytest.raises(KeyboardInterrupt) as caught, if_interrupted(lambda: "all is safe"):
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["all is safe"]
    with pytest.raises(ValueError, match="no") as other, if_interrupted(lambda: "all is safe"):
        raise ValueError("no")
    assert not hasattr(other.value, "__notes__")


def test_only_an_interrupt_is_taken_out_of_an_exit() -> None:
    handler = signal.getsignal(signal.SIGINT)

    def end_as_lightning_does() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sys.exit(1)

    with pytest.raises(KeyboardInterrupt), interrupts_passed_on():
        end_as_lightning_does()
    assert signal.getsignal(signal.SIGINT) is handler
    with pytest.raises(SystemExit), interrupts_passed_on():
        sys.exit(3)
