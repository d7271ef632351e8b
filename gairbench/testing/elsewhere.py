"""Call a function in another process, where texts have other hashes and sets another order."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from gairbench.storage import write_atomically

P = ParamSpec("P")
R = TypeVar("R")

_UNREADABLE = 3
"""Exit status of a process that cannot import what it was sent."""

_CALL = """
import json, sys
file, sys.path[:] = json.loads(sys.argv[1])
from gairbench.testing.elsewhere import answer
answer(file)
"""


def elsewhere(function: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """Return what a function returns in another process with another hash seed, and as many threads.

    Args:
        function: At the top of a module.
        arguments: What can be pickled.
        options: Likewise.

    Raises:
        unittest.SkipTest: Another process cannot be handed the function or an argument.
        AssertionError: The call failed there.
    """
    import torch

    try:
        call = pickle.dumps((torch.get_num_threads(), function, arguments, options))
    # Each object decides itself what it raises.
    except Exception as error:
        raise unittest.SkipTest(f"it cannot be sent to another process: {error}") from error
    seed = "1" if os.environ.get("PYTHONHASHSEED") == "0" else "0"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "call"
        write_atomically(file, call)
        done = subprocess.run(
            [sys.executable, "-c", _CALL, json.dumps([str(file), sys.path])],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == _UNREADABLE:
            raise unittest.SkipTest(f"another process cannot import it: {done.stderr.strip().splitlines()[-1]}")
        if done.returncode:
            raise AssertionError(f"in another process it fails:\n{done.stderr}")
        result: R = pickle.loads(file.read_bytes())  # noqa: S301  (our own process wrote it)
        return result


def answer(file: str) -> None:
    """Carry out the call in a file, and put its result in its place."""
    try:
        threads, function, arguments, options = pickle.loads(Path(file).read_bytes())  # noqa: S301
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(_UNREADABLE)

    import torch

    torch.set_num_threads(threads)
    write_atomically(Path(file), pickle.dumps(function(*arguments, **options)))
