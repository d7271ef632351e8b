"""``--task all`` is what is here: the rest is listed once for each dataset, with the way to get it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path

import generated
import pytest
from rich.console import Console

from gairbench import DataContext
from gairbench.commands.run import RunRequest, plan_run
from gairbench.data import DataSource
from gairbench.plugins import Origin, Registry, load_registry
from gairbench.progress import Progress
from gairbench.published import Download, RemoteFile
from gairbench.spec import resolve


class Far:
    """A factory that knows where its data are."""

    def __call__(self, context: DataContext) -> DataSource:
        source: DataSource = resolve(str(generated.DATASET.factory))(context)
        return source

    def how_to_get(self, folder: Path) -> str:
        return f"copy them from the shelf into {folder}"


FILE = RemoteFile(url="https://example.org/a", path="a", size=1, checksum=f"sha256:{'0' * 64}")
SHELF = replace(generated.DATASET, name="shelf", folder="shelf", factory=Far())
WEB = replace(generated.DATASET, name="web", folder="web", download=Download(files=(FILE,), licence="CC-BY-4.0"))
PLAIN = replace(generated.DATASET, name="plain", folder="plain")


@pytest.fixture
def registry() -> Registry:
    found = load_registry()
    here = generated.TASKS[:2]
    away = [replace(t, name=f"{d.name}-{t.name}", dataset=d) for d in (SHELF, WEB, PLAIN) for t in here]
    found.tasks = {}
    found.add(Origin("far", "far-dist", "1"), models=[generated.SHADES], tasks=[*here, *away])
    return found


def planned(
    registry: Registry, task: tuple[str, ...] | None, tmp_path: Path, root: Path | None = None
) -> tuple[set[str], str]:
    """Return the datasets of the plan's cells, and what is said."""
    said = StringIO()
    request = RunRequest(model=(generated.SHADES.name,), task=task, results=tmp_path / "r", data_root=root)
    plan = plan_run(request, registry, Progress(Console(file=said, width=500)), cache=tmp_path / "c")[0]
    return {cell.task.dataset.name for cell in plan.cells}, said.getvalue()


@pytest.mark.parametrize("task", [None, ("all",), (str(generated.TASKS[0].category),)])
def test_data_that_are_not_here_are_listed_once_and_not_planned(
    registry: Registry, tmp_path: Path, task: tuple[str, ...] | None
) -> None:
    datasets, said = planned(registry, task, tmp_path)
    assert datasets == {generated.DATASET.name}
    lines = [line for line in said.splitlines() if line.startswith("left out, its files are not here")]
    count = len(
        [t for t in registry.tasks.values() if t.dataset is SHELF and (task or ["all"])[0] in {"all", t.category}]
    )
    tasks = f"{count} task{'s' * (count != 1)}"
    assert lines == [
        f"left out, its files are not here: shelf ({tasks}); get it: copy them from the shelf into FOLDER/shelf",
        f"left out, its files are not here: web ({tasks}); get it (CC-BY-4.0, 0.1 MB in 1 file):"
        " gairbench data get web --data-root FOLDER",
        f"left out, its files are not here: plain ({tasks}); put them into plain below --data-root",
    ]


def test_what_is_named_is_planned_and_skipped_with_the_reason(registry: Registry, tmp_path: Path) -> None:
    datasets, said = planned(registry, ("all", "shelf-*"), tmp_path)
    assert datasets == {generated.DATASET.name, "shelf"}
    assert "shelf" not in said
    assert "web" in said


def test_data_that_are_here_are_planned(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "data" / "web").mkdir(parents=True)
    datasets, said = planned(registry, ("all",), tmp_path, tmp_path / "data")
    assert datasets == {generated.DATASET.name, "web"}
    assert f"copy them from the shelf into {tmp_path / 'data' / 'shelf'}" in said


def test_where_nothing_is_here_all_is_skipped_with_the_reason(registry: Registry, tmp_path: Path) -> None:
    registry.tasks = {name: task for name, task in registry.tasks.items() if task.dataset.folder}
    datasets, said = planned(registry, ("all",), tmp_path)
    assert datasets == {"shelf", "web", "plain"}
    assert not said
