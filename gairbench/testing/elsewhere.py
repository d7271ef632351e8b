"""Call a function in another process, where texts have other hashes and sets another order."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO, ParamSpec, TypeVar, cast

from gairbench.storage import write_atomically

P = ParamSpec("P")
R = TypeVar("R")

_UNREADABLE = 3
"""Exit status of a process that cannot import what it was sent."""

_LIBRARIES = ("torch", "torchvision", "timm", "torchgeo.models", "torchgeo.datasets", "lightning", "sklearn", "pandas")
"""What takes seconds to import, and is imported once for all calls where this process has it, too."""

_SERVE = """
import json, sys
libraries, sys.path[:] = json.loads(sys.argv[1])
from gairbench.testing.elsewhere import serve
serve(libraries)
"""


def elsewhere(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Return what a function returns in another process with another hash seed, and as many threads.

    Each call has a process of its own: a copy of one that has imported libraries, and nothing else.

    Args:
        function: At the top of a module.
        arguments: What can be pickled.
        options: Likewise.

    Raises:
        unittest.SkipTest: Another process cannot be handed the function or an argument, or processes cannot be copied.
        AssertionError: The call failed there.
    """
    import torch

    if not hasattr(os, "fork"):
        raise unittest.SkipTest(f"processes cannot be copied on {sys.platform}")
    try:
        call = pickle.dumps((torch.get_num_threads(), function, arguments, options))
    # Each object decides itself what it raises.
    except Exception as error:
        raise unittest.SkipTest(f"it cannot be sent to another process: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "call"
        write_atomically(file, call)
        status = _server().answer(file)
        said = file.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
        if status == _UNREADABLE:
            raise unittest.SkipTest(f"another process cannot import it: {said.strip().splitlines()[-1]}")
        if status:
            raise AssertionError(f"in another process it fails:\n{said}")
        result: R = pickle.loads(file.read_bytes())  # noqa: S301  (our own process wrote it)
        return result


class _Server:
    """A process that answers calls, each in a process of its own."""

    def __init__(self) -> None:
        seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
        loaded = [name for name in _LIBRARIES if name in sys.modules]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps([loaded, sys.path])],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # Who interrupts this process ends it, and the other one then ends by itself.
            start_new_session=True,
        )
        atexit.register(self.close)

    def answer(self, file: Path) -> int:
        """Have the call in a file answered there, and return the exit status."""
        call = json.dumps([str(file), str(Path.cwd()), sys.path, dict(os.environ)])
        said = ""
        with contextlib.suppress(BrokenPipeError):
            print(call, file=cast(IO[str], self._process.stdin), flush=True)
            said = cast(IO[str], self._process.stdout).readline()
        if not said:
            # The next call has another one.
            _server.cache_clear()
            raise AssertionError(f"the other process ended with status {self._process.wait()}")
        return int(said)

    def close(self) -> None:
        """Let it end."""
        with contextlib.suppress(BrokenPipeError):
            self._process.communicate()


@cache
def _server() -> _Server:
    return _Server()


def serve(libraries: list[str]) -> None:
    """Answer calls until nobody asks any more.

    Args:
        libraries: Names of modules to import first.
    """
    # Whatever a library prints is not an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for name in libraries:
        importlib.import_module(name)
    for line in sys.stdin:
        file, folder, path, environment = json.loads(line)
        child = os.fork()
        if not child:
            _become(Path(file), folder, path, environment)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


def _become(file: Path, folder: str, path: list[str], environment: dict[str, str]) -> None:
    """Answer a call as a process that was started where it was made, and end."""
    error = os.open(file.with_suffix(".err"), os.O_WRONLY | os.O_CREAT)
    for standard in (1, 2):
        os.dup2(error, standard)
    status = 1
    try:
        os.chdir(folder)
        sys.path[:] = path
        importlib.invalidate_caches()
        os.environ.clear()
        os.environ.update(environment)
        status = answer(file)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def answer(file: Path) -> int:
    """Carry out the call in a file, put its result in its place, and return the exit status."""
    try:
        threads, function, arguments, options = pickle.loads(file.read_bytes())  # noqa: S301
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return _UNREADABLE

    import torch

    torch.set_num_threads(threads)
    write_atomically(file, pickle.dumps(function(*arguments, **options)))
    return 0
