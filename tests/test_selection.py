"""What a user asks for becomes specs; what does not exist gets near names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from generated import SHADES, TASKS, TRAINED

from gairbench.errors import UsageError
from gairbench.selection import select_datasets, select_models, select_tasks

MODELS = {"shades": SHADES, "trained": TRAINED}
KNOWN = {task.name: task for task in TASKS}


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        (["all"], list(KNOWN)),
        (["world-zone"], ["world-zone"]),
        (["world-z*", "world-mask"], ["world-zone", "world-mask"]),
        (["world-mask", "world-zone"], ["world-mask", "world-zone"]),
        (["sv"], ["world-height"]),
        (["SV"], ["world-height"]),
        (["generated family"], list(KNOWN)),
        (["generated-family"], list(KNOWN)),
        (["cross-modal", "world-retrieval"], ["world-retrieval"]),
    ],
)
def test_tasks_are_chosen_by_name_glob_family_and_category(asked: list[str], names: list[str]) -> None:
    assert [task.name for task in select_tasks(asked, KNOWN)] == names


def test_superseded_task_is_run_by_name_only() -> None:
    known = {name: replace(task, superseded_by="x" if name == "world-zone" else "") for name, task in KNOWN.items()}
    assert "world-zone" not in [task.name for task in select_tasks(["all"], known)]
    assert [task.name for task in select_tasks(["world-zone"], known)] == ["world-zone"]


@pytest.mark.parametrize("left_out", [{"diagnostic": True}, {"superseded_by": "x"}], ids=str)
def test_category_means_the_tasks_of_it_that_all_means(left_out: dict[str, Any]) -> None:
    known = KNOWN | {"world-zone": replace(KNOWN["world-zone"], **left_out)}
    category = str(KNOWN["world-zone"].category)
    for asked in ("all", category):
        assert "world-zone" not in [task.name for task in select_tasks([asked], known)]
    for asked in ("world-zone", "world-z*", "generated-family"):
        assert "world-zone" in [task.name for task in select_tasks([asked], known)]


def test_category_of_diagnostic_tasks_alone_says_so() -> None:
    known = {"world-height": replace(KNOWN["world-height"], diagnostic=True)}
    with pytest.raises(UsageError, match="all tasks of category 'sv' are diagnostic or superseded; name them"):
        select_tasks(["sv"], known)


def test_unknown_names_suggest_near_ones() -> None:
    with pytest.raises(UsageError, match=r"no model 'shade'; did you mean shades\?"):
        select_models(["shade"], MODELS)
    with pytest.raises(UsageError, match=r"no task, family or category 'world-zones'; did you mean world-zone"):
        select_tasks(["world-zones"], KNOWN)
    with pytest.raises(UsageError, match="there are: all, shades, trained"):
        select_models(["qqqqqq"], MODELS)


def test_nothing_asked_is_refused() -> None:
    with pytest.raises(UsageError, match="name one with --model"):
        select_models([], MODELS)
    with pytest.raises(UsageError, match="name one with --task"):
        select_tasks([], KNOWN)


def test_models_are_chosen_once_each_in_the_order_asked() -> None:
    assert [m.name for m in select_models(["trained", "shades", "all"], MODELS)] == ["trained", "shades"]


def test_datasets_are_chosen_by_their_names_and_by_those_of_tasks_on_them() -> None:
    datasets = {task.dataset.name: task.dataset for task in TASKS}
    name = next(iter(KNOWN))
    (on,) = select_datasets([name], datasets, KNOWN)
    assert on is KNOWN[name].dataset
    assert select_datasets([on.name], datasets, KNOWN) == [on]
    assert select_datasets([name, on.name, name], datasets, KNOWN) == [on]
    assert [spec.name for spec in select_datasets(["*"], datasets, KNOWN)] == list(datasets)
    with pytest.raises(UsageError, match=f"no dataset '{name}x'; did you mean .*{name}"):
        select_datasets([f"{name}x"], datasets, KNOWN)
