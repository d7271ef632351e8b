"""Run chosen tests on changed source, again and again, without loading the large libraries each time.

A process that has loaded them, and nothing of gairbench, reads one job a line from standard input, as JSON: ``module``
(dotted name), ``source`` (what it is to be) and ``tests`` (as pytest takes them). For each it forks a child that
imports the changed source in place of the file and runs the tests, and writes one line: the exit status of pytest and
the end of its output. No file is changed.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

LIBRARIES = (
    "geopandas", "lightning", "numpy", "pandas", "PIL.Image", "pytest", "rasterio", "scipy.optimize", "scipy.stats",
    "sklearn.linear_model", "sklearn.metrics", "timm", "torch", "torchgeo.datasets", "torchgeo.models",
)  # fmt: skip
LONGEST = 300
"""Seconds that one job may take."""

SHOWN = 2000
"""Characters of the output that are passed on."""


class _Changed(SourceFileLoader):
    """Loads a module from other source than its file's."""

    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Compile the other source; what is compiled of the file, and cached, is not looked at."""
        del fullname
        return compile(self._source, self.path, "exec")


class _Finder(MetaPathFinder):
    """Finds one module changed."""

    def __init__(self, name: str, source: str) -> None:
        self._name, self._source = name, source

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the module with its changed source; of others nothing is known here."""
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        assert spec is not None
        assert spec.origin is not None
        loader = _Changed(fullname, spec.origin, self._source)
        return importlib.util.spec_from_file_location(
            fullname, spec.origin, loader=loader, submodule_search_locations=spec.submodule_search_locations
        )


def run(job: dict[str, object]) -> tuple[int, str]:
    """Return pytest's exit status, or minus the signal that ended the child, and the end of the output."""
    with tempfile.TemporaryFile() as output:
        if not (child := os.fork()):
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            signal.alarm(LONGEST)
            status = 70
            try:
                status = _tested(job)
            finally:
                # Nothing of this process may run the parent's clean-up.
                sys.stdout.flush()
                os._exit(status)
        _, ended = os.waitpid(child, 0)
        output.seek(0)
        text = output.read().decode(errors="replace")
    return os.waitstatus_to_exitcode(ended), text[-SHOWN:]


def _tested(job: dict[str, object]) -> int:
    import pytest

    if job["module"]:
        sys.meta_path.insert(0, _Finder(str(job["module"]), str(job["source"])))
    tests = job["tests"]
    assert isinstance(tests, list)
    return int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *tests]))


if __name__ == "__main__":
    for library in LIBRARIES:
        importlib.import_module(library)
    # Children collect their own garbage alone, of which pytest makes sure twice.
    gc.collect()
    gc.freeze()
    if early := [name for name in sys.modules if name.partition(".")[0] == "gairbench"]:
        raise SystemExit(f"loaded before it could be changed: {early}")
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
