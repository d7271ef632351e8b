"""Which samples a pre-training takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import generated
import numpy as np
import pytest

from gairbench.data import Sample
from gairbench.errors import UsageError
from gairbench.files.badrows import ProblemKind, RowError
from gairbench.inputs import LocationInput
from gairbench.limit import limited
from gairbench.pretraining.budget import Budget
from gairbench.pretraining.corpus import Corpus
from gairbench.pretraining.sampling import Shard
from gairbench.protocols import PretrainContext, TrainerOptions
from gairbench.spec import DataContext


def test_a_limited_pre_training_takes_the_draw_of_every_command(tmp_path: Path) -> None:
    context = PretrainContext(
        model="trained", preset="default", seed=3, dataset="world-pretrain", source=generated.World(DataContext()),
        delivers=generated.DATASET.delivers, fingerprint="f", output=tmp_path, device="cpu", limit=8,
        report=lambda *_: None,
    )  # fmt: skip
    corpus = Corpus(context, [generated.IMAGE])
    assert corpus.train.tolist() == limited(generated.SIZES["pretrain"], 8).tolist() != list(range(8))


BUDGET = Budget(epochs=2, batch_size=8, learning_rate=0.1)


def context(limit: int | None, **options: Any) -> PretrainContext:
    return PretrainContext(
        model="trained", preset="default", seed=3, dataset="world-pretrain", source=generated.World(DataContext()),
        delivers=generated.DATASET.delivers, fingerprint="f", output=Path("out"), device="cpu", limit=limit,
        report=lambda *_: None, trainer=TrainerOptions(record=True, **options),
    )  # fmt: skip


def test_fewer_samples_than_a_batch_are_refused_with_what_to_change() -> None:
    with pytest.raises(UsageError) as caught:
        Corpus(context(7), [generated.IMAGE]).steps(BUDGET)
    assert "7 training samples of 'world-pretrain' do not fill a batch of 8" in caught.value.what
    assert caught.value.hint == "lower it with --set batch_size=N, raise --limit 7, or give more samples"
    assert Corpus(context(8), [generated.IMAGE]).steps(BUDGET) == 2


def test_samples_held_out_for_validation_count_as_missing_from_the_batch() -> None:
    budget = replace(BUDGET, batch_size=12)
    with pytest.raises(UsageError, match=r"11 training samples .* \(1 more are held out .*--validate-every 0"):
        Corpus(context(12, validate_every=None), [generated.IMAGE]).steps(budget)
    assert Corpus(context(12, validate_every=0), [generated.IMAGE]).steps(budget) == 2


def test_a_whole_dataset_smaller_than_a_batch_is_refused_without_naming_a_limit() -> None:
    whole = replace(context(None), trainer=TrainerOptions())
    with pytest.raises(UsageError) as caught:
        Corpus(whole, [generated.IMAGE]).steps(replace(BUDGET, batch_size=10_000))
    assert "limit" not in str(caught.value)


def test_a_trial_of_run_takes_all_there_are_as_its_batch() -> None:
    trial = replace(context(7), trainer=TrainerOptions())
    assert Corpus(trial, [generated.IMAGE]).batch_size(BUDGET) == 7


def test_accumulation_over_more_batches_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="2 batches make no step of 3"):
        Corpus(context(8, accumulate_grad_batches=3), [generated.IMAGE]).steps(BUDGET)


def test_validation_that_leaves_no_sample_is_refused_where_it_was_asked_for() -> None:
    with pytest.raises(UsageError, match="none of 8 samples can be held out"):
        Corpus(context(8, validate_every=1), [generated.IMAGE])
    assert len(Corpus(context(8, validate_every=None), [generated.IMAGE]).held_out) == 0


class Broken:
    """A split whose sixth sample is broken."""

    lonlat = None

    def __len__(self) -> int:
        return 16

    def __getitem__(self, index: int) -> Sample:
        if index == 5:
            raise RowError("places.csv line 7: photo is broken", "replace it", ProblemKind.MISSING)
        return {"lonlat": np.array([float(index), 1.0])}


class BrokenSource(generated.World):
    def split(self, name: str) -> Any:
        del name
        return Broken()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_sample_is_the_same_error_from_whichever_process_reads_it(workers: int) -> None:
    broken = replace(
        context(None, num_workers=workers), source=BrokenSource(DataContext()), delivers=(LocationInput(),)
    )
    corpus = Corpus(broken, [LocationInput()])
    loader = corpus.training_loader(replace(BUDGET, batch_size=16), start=0, shard=Shard(rank=0, world_size=1))
    with pytest.raises(RowError) as caught:
        list(loader)
    assert (caught.value.what, caught.value.hint) == ("places.csv line 7: photo is broken", "replace it")
    assert caught.value.kind is ProblemKind.MISSING


@pytest.mark.parametrize("broken", [False, True])
def test_a_batch_is_read_at_once_where_the_split_can(broken: bool) -> None:
    class Together(Broken):
        reads: ClassVar[list[int]] = []

        def __getitem__(self, index: int) -> Sample:
            raise AssertionError("read one by one")

        def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
            self.reads.append(len(indices))
            if broken:
                raise RowError("places.csv line 7: photo is broken", "replace it", ProblemKind.MISSING)
            return [{"lonlat": np.array([float(index), 1.0])} for index in indices]

    class Source(generated.World):
        def split(self, name: str) -> Any:
            del name
            return Together()

    corpus = Corpus(
        replace(context(None), source=Source(DataContext()), delivers=(LocationInput(),)), [LocationInput()]
    )
    loader = corpus.training_loader(BUDGET, start=0, shard=Shard(rank=0, world_size=1))
    if broken:
        with pytest.raises(RowError, match="photo is broken"):
            list(loader)
    else:
        assert [len(batch["lonlat"]) for batch in loader] == [8] * 4
        assert Together.reads == [8] * 4
