"""Rendered packages: linted, typed, built, installed, tested, run as their README says, and removed."""

from __future__ import annotations

import email
import json
import re
import shlex
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from installed import fresh_python, run_module, sources, uninstall
from test_wording import found

import gairbench
from gairbench.commands.new_plugin import NewPluginRequest
from gairbench.new_plugin.names import KINDS, LONGEST, normalized
from gairbench.new_plugin.rendering import TEMPLATE, render_plugin

ROOT = Path(__file__).parents[2]
ADDED = {
    "model": {"models": ["template-model"]},
    "task": {"datasets": ["template-task"], "tasks": ["template-task-cover"]},
    "evaluator": {"evaluators": ["template-evaluator"]},
}
"""What the package of each kind registers."""


def render(folder: Path, name: str, kind: str) -> Path:
    render_plugin(folder, normalized(name), kind, author=None, licence="MIT")
    return folder


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of each kind."""
    folder = tmp_path_factory.mktemp("rendered")
    return {kind: render(folder / kind, f"gairbench-template-{kind}", kind) for kind in KINDS}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that packages are installed into; type checkers find gairbench in it."""
    folder = tmp_path_factory.mktemp("venv")
    made = fresh_python(folder)
    (site,) = folder.glob("lib/python*/site-packages")
    roots = (ROOT / name for name in ("", "models", "tasks", "leaderboard"))
    (site / "checkout.pth").write_text("".join(f"{root}\n" for root in roots))
    return made


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["zz", "gairbench-template", "a" * LONGEST])
def test_it_is_formatted_and_without_findings_whatever_its_name(name: str, kind: str, tmp_path: Path) -> None:
    folder = render(tmp_path / "package", name, kind)
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_it_passes_mypy_in_strict_mode(rendered: dict[str, Path], python: Path, mypy_cache: Path) -> None:
    for folder in rendered.values():
        command = [sys.executable, "-m", "mypy", "--python-executable", str(python)]
        command += ["--cache-dir", str(mypy_cache)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_written_in_plain_words_and_nothing_of_the_template_is_left(kind: str, rendered: dict[str, Path]) -> None:
    for path, text in files(rendered[kind]).items():
        if path != "LICENSE":
            assert found(text) == [], path
        # GitHub's own expressions have a dollar.
        assert not re.search(r"(?<!\$)\{\{|\{%", path + text), path
    readme = (rendered[kind] / "README.md").read_text()
    named = re.findall(r"^\| `(.+?)` \|", readme, re.MULTILINE)
    assert len(named) >= 5
    assert [name for name in named if not (rendered[kind] / name).is_file()] == []


def test_its_workflows_test_before_they_publish_and_keep_no_secret(rendered: dict[str, Path]) -> None:
    workflows = rendered["model"] / ".github" / "workflows"
    jobs = {path.stem: yaml.safe_load(path.read_text())["jobs"] for path in workflows.glob("*.yml")}
    assert jobs.keys() == {"test", "publish"}
    steps = [step.get("run") for step in jobs["test"]["test"]["steps"]]
    assert steps[-4:] == ["ruff check", "ruff format --check", "mypy", "pytest"]
    publish = jobs["publish"]
    assert publish["test"]["uses"] == "./.github/workflows/test.yml"
    assert (publish["build"]["needs"], publish["publish"]["needs"]) == ("test", "build")
    assert publish["publish"]["permissions"] == {"id-token": "write"}
    assert "secrets" not in (workflows / "publish.yml").read_text()


def test_a_release_whose_tag_is_not_the_version_is_not_published(rendered: dict[str, Path]) -> None:
    text = (rendered["model"] / ".github" / "workflows" / "publish.yml").read_text()
    commands = [step.get("run", "") for step in yaml.safe_load(text)["jobs"]["build"]["steps"]]
    (check,) = (command for command in commands if "GITHUB_REF_NAME" in command)
    check = check.replace("python", shlex.quote(sys.executable), 1)
    for tag, status in (("v0.1.0", 0), ("v0.2.0", 1), ("0.1.0", 1)):
        done = subprocess.run(["bash", "-ec", check], cwd=rendered["model"], env={"GITHUB_REF_NAME": tag}, check=False)
        assert done.returncode == status, tag


@dataclass(frozen=True)
class Provided:
    """What plugins in an environment provide."""

    python: Path
    cache: Path

    def by(self, distribution: str) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for kind in ("models", "tasks", "evaluators"):
            rows = self._rows("list", kind)
            names[kind] = [row[kind[:-1]] for row in rows if distribution in row["origin"]]
        names["datasets"] = [row["dataset"] for row in self._rows("data", "list") if distribution in row["origin"]]
        return {kind: found for kind, found in names.items() if found}

    def _rows(self, *command: str) -> list[dict[str, Any]]:
        done = run_module(self.python, "gairbench", *command, "--json", cache=self.cache, GAIRBENCH_STRICT_PLUGINS="1")
        assert done.returncode == 0, done.stderr
        rows: list[dict[str, Any]] = json.loads(done.stdout)
        return rows


@pytest.mark.parametrize(
    "kind", [pytest.param("model", marks=pytest.mark.slow), "task", pytest.param("evaluator", marks=pytest.mark.slow)]
)
def test_it_is_built_installed_tested_run_and_removed(
    kind: str, rendered: dict[str, Path], python: Path, tmp_path: Path
) -> None:
    distribution = f"gairbench-template-{kind}"
    source = sources(rendered[kind], tmp_path / "source")
    wheel = build(source, tmp_path, python)
    provided = Provided(python, tmp_path)
    done = run_module(python, "pip", "install", "--no-deps", "--no-index", str(wheel), cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert provided.by(distribution) == ADDED[kind]

    cache = tmp_path / "cache"
    done = run_module(
        python, "pytest", "-q", "-p", "no:cacheprovider", "-rs", str(source), cache=cache, OMP_NUM_THREADS="1"
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout, done.stdout

    readme = (rendered[kind] / "README.md").read_text()
    (command,) = re.findall(r"^gairbench (.+)$", readme, re.MULTILINE)
    results = tmp_path / "results"
    done = run_module(
        python,
        *("gairbench", *shlex.split(command), "--limit", "200", "--results", str(results)),
        cache=cache,
        OMP_NUM_THREADS="1",
    )
    assert done.returncode == 0, done.stderr
    assert " 0 failed" in done.stderr
    records = [json.loads(path.read_text()) for path in results.rglob("*.json")]
    roles = {"model": "model_origin", "task": "task_origin", "evaluator": "probe_origin"}
    ours = [record for record in records if distribution in record[roles[kind]]]
    assert ours
    assert {record["status"] for record in ours} == {"ok"}

    uninstall(python, distribution, tmp_path)
    assert provided.by(distribution) == {}


def build(folder: Path, to: Path, python: Path) -> Path:
    """Build a wheel without the network, and look into it."""
    done = run_module(
        python, *("pip", "wheel", "--no-deps", "--no-build-isolation", "-w", str(to), str(folder)), cache=to
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = to.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(metadata))
    package = said["Name"].replace("-", "_")
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {package}
    assert f"{package}/py.typed" in names
    assert any(name.endswith("/LICENSE") for name in names)
    assert said["License-Expression"] == "MIT"
    assert f"gairbench>={gairbench.__version__}" in said.get_all("Requires-Dist")
    return wheel


def test_the_template_can_be_copied_by_copier_itself(rendered: dict[str, Path], tmp_path: Path) -> None:
    copy("gairbench-template-task", tmp_path / "copy").check_returncode()
    assert files(tmp_path / "copy") == files(rendered["task"])


def test_the_template_refuses_a_name_that_the_command_does(tmp_path: Path) -> None:
    done = copy("3d", tmp_path / "copy")
    assert done.returncode != 0
    assert "a letter first" in done.stderr


def copy(name: str, to: Path) -> subprocess.CompletedProcess[str]:
    answers = ["--data", "kind=task", "--data", f"name={name}"]
    command = [sys.executable, "-m", "copier", "copy", "--defaults", "--quiet", *answers, str(TEMPLATE), str(to)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_questions_are_those_of_the_command() -> None:
    questions = yaml.safe_load((TEMPLATE / "copier.yml").read_text())
    assert tuple(questions["kind"]["choices"]) == KINDS
    assert tuple(questions["licence"]["choices"]) == get_args(get_type_hints(NewPluginRequest)["licence"])
    assert questions["gairbench"]["default"] == gairbench.__version__
