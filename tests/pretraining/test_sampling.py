"""Batches are a pure function of seed and number, on one device or many, from the start or resumed."""

from __future__ import annotations

import numpy as np

from gairbench.pretraining.sampling import BatchStream, Shard


def batches(**changes: object) -> list[list[int]]:
    arguments: dict[str, object] = {"size": 20, "batch_size": 6, "batches": 7, "seed": 3}
    return list(BatchStream(**(arguments | changes)))  # type: ignore[arg-type]


def test_an_epoch_takes_no_sample_twice_and_drops_the_rest() -> None:
    epoch = [index for batch in batches()[:3] for index in batch]
    assert len(set(epoch)) == len(epoch) == 18


def test_epochs_differ_and_seeds_differ() -> None:
    assert batches()[:3] != batches()[3:6]
    assert batches() != batches(seed=4)
    assert batches() == batches()


def test_a_resumed_run_sees_what_is_left() -> None:
    assert batches(start=4) == batches()[4:]


def test_devices_split_the_batches_of_one_device_in_order() -> None:
    halves = [batches(shard=Shard(rank=rank, world_size=2)) for rank in (0, 1)]
    assert [left + right for left, right in zip(*halves, strict=True)] == batches()


def test_weights_decide_how_often_a_sample_comes() -> None:
    weights = np.array([0.5, 0.5, 0.0, 0.0])
    drawn = np.concatenate(batches(size=4, batch_size=4, batches=500, weights=weights))
    share = np.bincount(drawn, minlength=4) / len(drawn)
    assert share[2:].tolist() == [0, 0]
    assert abs(share[0] - 0.5) < 0.05
