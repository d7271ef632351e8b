"""Third-party code is known by content; our own by the versions that its specs declare."""

from __future__ import annotations

import importlib
import os
import sys
from functools import partial
from pathlib import Path

import pytest

from gairbench import plugin_code
from gairbench.metrics import Metric, mean_of_samples, with_count
from gairbench.plugin_code import code_digest
from gairbench.plugins import load_registry


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if name.startswith("thirdparty"):
            del sys.modules[name]


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    os.utime(path, (1e9, 1e9))


def digest(factory: object, distribution: str = "") -> str:
    return code_digest(factory, distribution, Path("nowhere"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["model", "dataset", "evaluator", "metric"])
def test_our_own_code_counts_by_version(kind: str) -> None:
    registry = load_registry()
    origins = getattr(registry, f"{kind}_origins")
    specs = getattr(registry, f"{kind}s")
    ours = {name: specs[name] for name, origin in origins.items() if origin.distribution == "gairbench"}
    assert len(ours) > 2
    assert {digest(spec.factory, "gairbench") for spec in ours.values()} == {""}


@pytest.mark.parametrize("changed", ["model.py", "deep/helper.py", "table.json", "new.py"])
def test_every_file_of_a_package_counts_and_nothing_is_imported(changed: str, site: Path) -> None:
    package = site / "thirdparty"
    for name in ("__init__.py", "model.py", "deep/__init__.py", "deep/helper.py", "table.json"):
        write(package / name, "A = 1\n")
    before = digest("thirdparty.model:Model")
    assert before == digest("thirdparty.deep.helper:Other")
    write(package / "__pycache__" / "model.pyc", "compiled")
    write(package / ".notes", "hidden")
    write(site / "elsewhere.py", "")
    assert digest("thirdparty.model:Model") == before
    write(package / changed, "A = 2\n")
    assert digest("thirdparty.model:Model") != before
    assert not any(name.startswith("thirdparty") for name in sys.modules)


def test_a_module_that_is_a_file_counts_by_itself(site: Path) -> None:
    write(site / "thirdparty_file.py", "A = 1\n")
    before = digest("thirdparty_file:Model")
    write(site / "another.py", "A = 1\n")
    assert digest("thirdparty_file:Model") == before
    write(site / "thirdparty_file.py", "A = 2\n")
    assert digest("thirdparty_file:Model") != before


def test_the_package_within_a_namespace_counts(site: Path) -> None:
    write(site / "thirdparty_space" / "one" / "__init__.py", "A = 1\n")
    write(site / "thirdparty_space" / "two" / "__init__.py", "A = 1\n")
    before = digest("thirdparty_space.one:Model")
    write(site / "thirdparty_space" / "two" / "__init__.py", "A = 2\n")
    assert digest("thirdparty_space.one:Model") == before
    write(site / "thirdparty_space" / "one" / "__init__.py", "A = 2\n")
    assert digest("thirdparty_space.one:Model") != before


def test_other_packages_of_the_distribution_and_its_version_count(site: Path) -> None:
    info = site / "thirdparty_dist-1.0.dist-info"
    write(site / "thirdparty_a" / "__init__.py", "A = 1\n")
    write(site / "thirdparty_b" / "__init__.py", "A = 1\n")
    write(info / "METADATA", "Name: thirdparty-dist\nVersion: 1.0\n")
    write(info / "top_level.txt", "thirdparty_a\nthirdparty_b\n")
    before = digest("thirdparty_a:Model", "thirdparty-dist")
    write(site / "thirdparty_b" / "__init__.py", "A = 2\n")
    between = digest("thirdparty_a:Model", "thirdparty-dist")
    write(info / "METADATA", "Name: thirdparty-dist\nVersion: 1.1\n")
    assert len({before, between, digest("thirdparty_a:Model", "thirdparty-dist")}) == 3


def test_a_metric_made_of_our_class_counts_by_the_code_of_the_plugin_that_made_it(site: Path) -> None:
    info = site / "thirdparty_dist-1.0.dist-info"
    write(site / "thirdparty_a" / "__init__.py", "POWER = 1\n")
    write(info / "METADATA", "Name: thirdparty-dist\nVersion: 1.0\n")
    write(info / "top_level.txt", "thirdparty_a\n")
    metric = Metric(lambda target, given: with_count(abs(target - given)), mean_of_samples)
    assert digest(metric, "gairbench") == ""
    before = digest(metric, "thirdparty-dist")
    write(site / "thirdparty_a" / "__init__.py", "POWER = 2\n")
    assert digest(metric, "thirdparty-dist") not in {"", before}


def test_classes_functions_and_parts_of_calls_lead_to_their_code(site: Path) -> None:
    write(site / "thirdparty_code.py", "class Model: ...\n\ndef make(context, size=1): ...\n")
    module = importlib.import_module("thirdparty_code")
    known = {digest(f) for f in ("thirdparty_code:Model", module.Model, module.make, partial(module.make, size=2))}
    assert len(known) == 1


def test_code_that_was_edited_while_it_was_loaded_serves_this_process_alone(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(site / "thirdparty_live.py", "A = 1\n")
    settled = digest("thirdparty_live:Model")
    (site / "thirdparty_live.py").touch()
    assert digest("thirdparty_live:Model") == settled, "it is not loaded yet, so what is read is what will run"
    importlib.import_module("thirdparty_live")
    here = digest("thirdparty_live:Model")
    assert here != settled
    assert here == digest("thirdparty_live:Model")
    monkeypatch.setattr(plugin_code, "_PROCESS", "another")
    assert digest("thirdparty_live:Model") != here


def test_code_that_lies_in_no_file_serves_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    space: dict[str, type] = {}
    exec("class Typed: ...", {"__name__": "typed_in"}, space)
    here = digest(space["Typed"])
    assert here == digest(space["Typed"]) != ""
    monkeypatch.setattr(plugin_code, "_PROCESS", "another")
    assert digest(space["Typed"]) != here
