"""``gairbench new-plugin``: one folder is made, whole, or one line says why not."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gairbench.commands.new_plugin import NewPluginRequest, new_plugin_command
from gairbench.errors import GairbenchError, PluginError, UsageError
from gairbench.new_plugin.names import KINDS
from gairbench.testing.offline import offline


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make(name: str, kind: str = "model", **given: Any) -> int:
    return new_plugin_command(NewPluginRequest(name=name, **{kind: True}, **given))


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_it_makes_a_folder_without_the_network_and_says_what_to_do(
    kind: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with offline() as asked:
        assert make("Gairbench_New.Fields", kind) == 0
    assert asked == []
    assert [path.name for path in here.iterdir()] == ["gairbench-new-fields"]
    assert project(here / "gairbench-new-fields")["entry-points"]["gairbench"] == {
        "gairbench-new-fields": "gairbench_new_fields"
    }
    made, _, *commands = capsys.readouterr().out.splitlines()
    assert made == "made gairbench-new-fields; what to do next:"
    assert [command.split()[0] for command in commands] == ["cd", "pip", "pytest", "gairbench"]
    assert "new-fields" in commands[-1] or kind == "evaluator"


def test_the_folder_the_holder_and_the_licence_are_those_asked_for(here: Path) -> None:
    make("fields", out=Path("deep/er"), author='Zoë "Z" O\'Neil', licence="Apache-2.0")
    assert project(here / "deep/er")["authors"] == [{"name": 'Zoë "Z" O\'Neil'}]
    assert project(here / "deep/er")["license"] == "Apache-2.0"
    assert "Apache License" in (here / "deep/er/LICENSE").read_text()


@pytest.mark.parametrize(("licence", "begins"), [("MIT", "MIT License"), ("BSD-3-Clause", "BSD 3-Clause License")])
def test_licences_name_the_holder(licence: str, begins: str, here: Path) -> None:
    make("fields", licence=licence)
    text = (here / "fields" / "LICENSE").read_text()
    assert text.startswith(begins)
    assert "the authors of fields" in text


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_nothing_that_is_there_is_overwritten(there: str, here: Path) -> None:
    if there == "file":
        (here / "fields").write_text("mine")
    elif there == "folder":
        (here / "fields").mkdir()
    else:
        (here / "fields").symlink_to("nowhere")
    with pytest.raises(UsageError, match=r"^fields is there already; choose another --out; nothing is overwritten$"):
        make("fields")
    assert [path.name for path in here.iterdir()] == ["fields"]


@pytest.mark.parametrize(("kinds", "given"), [([], "nothing"), (["model", "task"], "--model and --task")])
def test_a_plugin_adds_one_thing(kinds: list[str], given: str, here: Path) -> None:
    with pytest.raises(UsageError, match=f"adds one thing, and {given} is given; give --model, --task or --evaluator"):
        new_plugin_command(NewPluginRequest(name="fields", **dict.fromkeys(kinds, True)))  # type: ignore[arg-type]
    assert not any(here.iterdir())


@pytest.mark.parametrize(
    ("name", "kind", "reason"),
    [
        ("gair", "model", "model 'gair' is already provided by gairbench-models"),
        ("gairbench-linear", "evaluator", "evaluator 'linear' is already provided by gairbench-evaluators"),
        ("earth", "task", "dataset 'earth' is already provided by gairbench-tasks"),
        ("gairbench-executors", "model", "a plugin gairbench-executors is installed, in gairbench;"),
        ("numpy", "model", "a package numpy is installed, in .*numpy"),
        ("json", "model", "json is a name of Python's own; call the package gairbench-json"),
        ("3d", "model", "'3d' cannot be the name of a package; begin with a letter"),
    ],
)
def test_a_name_that_cannot_be_used_is_refused(name: str, kind: str, reason: str, here: Path) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        make(name, kind)
    assert "\n" not in str(caught.value)
    assert not any(here.iterdir())


def test_a_folder_of_the_packages_name_is_not_an_installed_package(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(here))
    (here / "fields").mkdir()
    assert make("fields", out=here / "elsewhere") == 0


def test_without_copier_the_extra_is_named(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "copier", None)
    with pytest.raises(PluginError, match=r"needs the package 'copier'; pip install 'gairbench\[plugin\]'$"):
        make("fields")
    assert not any(here.iterdir())


def test_without_git_which_copier_calls_it_is_asked_for(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(PluginError, match="needs the program git"):
        make("fields")
    assert not any(here.iterdir())


def test_a_folder_that_cannot_be_written_is_one_line(here: Path) -> None:
    (here / "file").touch()
    with pytest.raises(GairbenchError, match="cannot write file/fields") as caught:
        make("fields", out=Path("file/fields"))
    assert "\n" not in str(caught.value)


def test_half_of_a_package_is_left_nowhere(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import copier

    real = copier.run_copy

    def fails(*arguments: Any, **given: Any) -> None:
        real(*arguments, **given)
        raise ZeroDivisionError

    monkeypatch.setattr(copier, "run_copy", fails)
    with pytest.raises(ZeroDivisionError):
        make("fields")
    assert not any(here.iterdir())
