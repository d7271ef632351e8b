"""How the recipes of `gair`, `mocov3` and `mae` in preset `tiny` were chosen: on validation blocks of `earth` alone.

Each method has the same number of trials. The first is the recipe of its paper, as far as it is one for this size; the
others are drawn at random (Bergstra and Bengio, JMLR 13, 2012), four numbers of each, the learning rate of all from one
range. A trial pre-trains with one seed that no published number has, and is scored under `--split development:block`:
probes learn from the train blocks and are scored on the val blocks, and no sample of a test block is scored. Its score
is over the tasks that all three methods can do: 0 is the trivial predictor and 1 a perfect one, nothing counts below 0,
the tasks of a family are one vote, and so are remote sensing and street view.

Trials of the same settings that are in the folder are not run again. One whose loss does not stay finite has no score.
trials.csv lists them all; docs/study.md says what was chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from scipy.stats import loguniform, uniform
from sklearn.model_selection import ParameterSampler

import gairbench
from gairbench.digests import digest
from gairbench.errors import TrainingError
from gairbench.results import Result

SEED = 1000
TASKS = ("earth-rs-*", "earth-sv-*")
_RATES = loguniform(1e-4, 5e-3)


@dataclass(frozen=True)
class Method:
    """What is tuned.

    Args:
        paper: The first trial: the settings of the method's paper.
        ranges: What further trials draw from, by setting.
    """

    paper: Mapping[str, float]
    ranges: Mapping[str, Any]


METHODS = {
    "gair": Method(
        # The paper gives no learning rate, decay or jitter; these are what was used before.
        paper={
            "budget.learning_rate": 2e-3,
            "budget.weight_decay": 0.05,
            "objective.temperature": 0.07,
            "objective.coordinate_jitter": 1.0,
        },
        ranges={
            "budget.learning_rate": _RATES,
            "budget.weight_decay": loguniform(5e-3, 0.5),
            "objective.temperature": loguniform(0.02, 0.2),
            "objective.coordinate_jitter": uniform(0, 3),
        },
    ),
    "mocov3": Method(
        paper={
            "budget.learning_rate": 1.5e-4,
            "objective.temperature": 0.2,
            "objective.momentum": 0.99,
            "objective.smallest_crop": 0.08,
        },
        ranges={
            "budget.learning_rate": _RATES,
            "objective.temperature": loguniform(0.05, 0.5),
            "objective.momentum": uniform(0.9, 0.099),
            "objective.smallest_crop": uniform(0.08, 0.6),
        },
    ),
    "mae": Method(
        paper={
            "budget.learning_rate": 1.5e-4,
            "budget.weight_decay": 0.05,
            "objective.mask": 0.75,
            "objective.smallest_crop": 0.2,
        },
        ranges={
            "budget.learning_rate": _RATES,
            "budget.weight_decay": loguniform(5e-3, 0.5),
            "objective.mask": uniform(0.4, 0.5),
            "objective.smallest_crop": uniform(0.08, 0.6),
        },
    ),
}


def settings_of(method: str, trials: int) -> list[dict[str, float]]:
    """Return the settings of each trial; those of fewer trials are the first of more."""
    chosen = METHODS[method]
    drawn = ParameterSampler(dict(chosen.ranges), trials - 1, random_state=SEED) if trials > 1 else []
    # Three digits: what is chosen is copied into a preset.
    return [dict(chosen.paper), *({name: float(f"{value:.3g}") for name, value in one.items()} for one in drawn)]


def skill(record: Result) -> float:
    """Return a headline metric on a scale where 0 is the trivial predictor and 1 the best value."""
    metric = record.metrics[record.metric]
    assert metric.trivial is not None
    assert metric.most is not None
    return max(0.0, (metric.value - metric.trivial) / (metric.most - metric.trivial))


def scores_of(records: Sequence[Result]) -> dict[str, float]:
    """Return the score of each category and their mean.

    Raises:
        RuntimeError: A cell has no number: the mean over the others would be of other tasks than that of other trials.
    """
    for record in records:
        if record.status != "ok":
            raise RuntimeError(f"{record.model} x {record.task} {record.status}: {record.reason}")
    table = pd.DataFrame(
        {"category": str(r.category), "family": r.family, "skill": skill(r)} for r in records if r.headline
    )
    families = table.groupby(["category", "family"])["skill"].mean()
    categories = families.groupby("category").mean()
    return {**{str(name): float(value) for name, value in categories.items()}, "score": float(categories.mean())}


def run_trial(
    folder: Path, method: str, number: int, settings: Mapping[str, float], device: str, limit: int | None
) -> dict[str, Any]:
    """Pre-train and score one trial.

    Returns:
        A row of the table; without a score if the loss did not stay finite.

    Raises:
        RuntimeError: A task has no number.
        GairbenchError: As :func:`gairbench.pretrain` and :func:`gairbench.run`.
    """
    row = {"method": method, "trial": number, **settings}
    name = f"{method}-{number}-{digest(settings=settings, seed=SEED, limit=limit)[:8]}"
    trained = folder / "checkpoints" / name
    if not (trained / "checkpoint.json").is_file():
        try:
            gairbench.pretrain(
                method,
                "earth-triplets",
                trained,
                preset="tiny",
                set=settings,
                seed=SEED,
                device=device,
                # The same on every device, so that what is chosen holds for all.
                precision="32-true",
                validate_every=0,
                limit=limit,
                quiet=True,
            )
        except TrainingError:
            return row
    results = gairbench.run(
        method,
        TASKS,
        preset="tiny",
        checkpoint={method: trained},
        split="development:block",
        seed=SEED,
        device=device,
        limit=limit,
        results=folder / "results" / name,
        quiet=True,
    )
    return row | scores_of(results)


def tune(folder: Path, trials: int, processes: int, device: str, limit: int | None = None) -> pd.DataFrame:
    """Run all trials, and write ``trials.csv`` after each.

    Args:
        folder: Of checkpoints, records and table.
        trials: For each method.
        processes: How many trials run at once.
        device: Of all of them.
        limit: Samples per split, to try the script out.

    Returns:
        One row a trial.
    """
    planned = [
        (method, number, settings) for method in METHODS for number, settings in enumerate(settings_of(method, trials))
    ]
    # The dearest first; spawned, since CUDA does not survive a fork.
    planned.sort(key=lambda item: (item[0] != "mocov3", item[1]))
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(processes, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        for done in as_completed([pool.submit(run_trial, folder, *item, device, limit) for item in planned]):
            rows.append(done.result())
            table = pd.DataFrame(rows).sort_values(["method", "trial"])
            table.to_csv(folder / "trials.csv", index=False, float_format="%.6g")
    return table


def main() -> None:
    """Run all trials and print the best of each method."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of checkpoints, records and trials.csv")
    parser.add_argument("--trials", type=int, default=12, help="of each method")
    parser.add_argument("--processes", type=int, default=1, help="trials at once")
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    table = tune(args.folder, args.trials, args.processes, args.device)
    print(table.loc[table.groupby("method")["score"].idxmax()].to_string(index=False))


if __name__ == "__main__":
    main()
