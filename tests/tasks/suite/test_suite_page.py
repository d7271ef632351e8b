"""docs/suite.md lists every dataset and task of the suite, as they are declared."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import table

from gairbench import DatasetSpec, ImageInput, TaskSpec
from gairbench_tasks.suite import DATASETS, TASKS
from gairbench_tasks.torchgeo.source import TorchGeoSource

PAGE = Path(__file__).parents[3] / "docs" / "suite.md"


def inputs(spec: DatasetSpec) -> str:
    """Return what a dataset's images are: bands, unit, size, ground sample distance; or that it has places alone."""
    found = []
    for image in dict.fromkeys(i for i in spec.delivers if isinstance(i, ImageInput)):
        bands = " ".join(image.bands) if len(image.bands) < 5 else f"{len(image.bands)} bands"
        size = f"{image.size} px" if image.size else "sizes vary"
        gsd = f", {image.gsd_m:g} m" if image.gsd_m else ""
        series = "{} to {} dates, ".format(*image.frame_range) if image.frame_range else ""
        found.append(f"{series}{bands}, {image.units()[0]}, {size}{gsd}")
    return "; ".join(dict.fromkeys(found)) or "places"


def datasets() -> str:
    """Return the table of datasets."""
    rows = []
    for spec in DATASETS:
        assert isinstance(spec.factory, TorchGeoSource)
        page = f"[its page]({spec.factory.page})" if spec.factory.page else "its class downloads it"
        where = "gairbench downloads it" if spec.download else page
        cls = spec.factory.dataset.rpartition(":")[2]
        rows.append((f"`{spec.name}`", f"`{cls}`", spec.description, inputs(spec), spec.licence, spec.citation, where))
    return table(("dataset", "class", "what it is", "inputs", "licence", "citation", "from"), rows)


def tasks() -> str:
    """Return the table of tasks."""
    return table(("task", "asks", "family", "kind", "metric"), (row(task) for task in TASKS))


def row(task: TaskSpec) -> tuple[str, ...]:
    return f"`{task.name}`", task.description, task.family, str(task.kind), f"`{task.metric}`"


@pytest.mark.parametrize("expected", [datasets(), tasks()], ids=["datasets", "tasks"])
def test_the_page_has_the_table(expected: str) -> None:
    assert expected in PAGE.read_text(encoding="utf-8")
