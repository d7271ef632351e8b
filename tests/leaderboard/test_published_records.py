"""A sample of the published records is what the code computes now, and not only what their tables show.

Records that the code has superseded are skipped, with the reason: their keys are not those that it plans. As soon as
one record of the board has the key that is planned for it, all of the sample must have it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from gairbench.commands.reproduce import ReproduceRequest, agreement_text, reproduce_record
from gairbench.commands.run import RunRequest, plan_run
from gairbench.plugins import load_registry
from gairbench.progress import Progress
from gairbench.reproduction.agreement import Agreement
from gairbench.results import Result, read_results, write_result

BOARD = Path(__file__).parents[2] / "leaderboard" / "earth" / "results"

SAMPLE = {
    "linear": ("lonlat", "earth-location-country"),
    "knn": ("lonlat", "earth-location-country"),
    "ridge": ("lonlat", "earth-location-airport-elevation"),
    "retrieval": ("pixel-stats", "earth-cross-modal-rs-sv"),
}
"""By evaluator, the model and the task whose first record is computed again: seconds each, and nothing is trained."""


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GAIRBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@lru_cache(maxsize=1)
def published() -> tuple[Result, ...]:
    return tuple(record for record in read_results(BOARD) if record.status == "ok")


@lru_cache(maxsize=1)
def planned() -> Mapping[Path, str]:
    """Return the keys that the code plans for the cells of the board, by where their records lie."""
    found: dict[Path, str] = {}
    for preset, seed in sorted({(one.preset, one.seed) for one in published()}):
        same = [one for one in published() if (one.preset, one.seed) == (preset, seed)]
        request = RunRequest(
            model=tuple(sorted({one.model for one in same})),
            task=tuple(sorted({one.task for one in same})),
            preset=preset,
            seed=(seed,),
            results=BOARD.parent / "nowhere",
        )
        plan = plan_run(request, load_registry(), Progress(Console(file=StringIO())))[0]
        found |= {cell.record.path(Path()): cell.record.key for cell in plan.cells}
    return found


def is_current(record: Result) -> bool:
    return planned().get(record.path(Path())) == record.key


def sample_of(probe: str) -> Result:
    model, task = SAMPLE[probe]
    found = [one for one in published() if (one.model, one.task, one.probe) == (model, task, probe)]
    assert found, f"the board has no record of {model} on {task} by {probe}"
    return found[0]


def again(record: Result, folder: Path) -> Agreement:
    path = write_result(record, folder)
    return reproduce_record(ReproduceRequest(record=path), Progress(Console(file=StringIO())))


@pytest.mark.parametrize("probe", SAMPLE)
def test_a_published_record_is_what_the_code_computes(probe: str, tmp_path: Path) -> None:
    record = sample_of(probe)
    if not is_current(record):
        pytest.skip(f"superseded: {record.path(Path())} is of {record.created}, and the code plans another key for it")
    found = again(record, tmp_path)
    assert found.agrees, agreement_text(found)


def test_the_sample_is_current_where_the_board_is() -> None:
    current = [record.path(Path()) for record in published() if is_current(record)]
    if not current:
        pytest.skip("superseded: the code plans other keys for all records of the board")
    superseded = [probe for probe in SAMPLE if not is_current(sample_of(probe))]
    assert not superseded, f"records of {superseded} are superseded; others are current: {', '.join(map(str, current))}"


def test_a_published_value_that_was_edited_is_found(tmp_path: Path) -> None:
    record = sample_of("linear")
    if not is_current(record):
        # The same with the record that the code writes in the place of the published one.
        record = again(record, tmp_path / "published").now
    found = again(record, tmp_path / "unedited")
    assert found.agrees, agreement_text(found)
    metric = record.metrics[record.metric]
    edited = replace(record, metrics={**record.metrics, record.metric: replace(metric, value=metric.value + 0.01)})
    found = again(edited, tmp_path / "edited")
    assert not found.agrees
    assert [pair.name for pair in found.numbers if not pair.agrees] == [record.metric]
