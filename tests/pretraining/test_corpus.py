"""Which samples a pre-training takes."""

from __future__ import annotations

from pathlib import Path

import generated

from gairbench.limit import limited
from gairbench.pretraining.corpus import Corpus
from gairbench.protocols import PretrainContext
from gairbench.spec import DataContext


def test_a_limited_pre_training_takes_the_draw_of_every_command(tmp_path: Path) -> None:
    context = PretrainContext(
        model="trained", preset="default", seed=3, dataset="world-pretrain", source=generated.World(DataContext()),
        delivers=generated.DATASET.delivers, fingerprint="f", output=tmp_path, device="cpu", limit=8,
        report=lambda *_: None,
    )  # fmt: skip
    corpus = Corpus(context, [generated.IMAGE])
    assert corpus.train.tolist() == limited(generated.SIZES["pretrain"], 8).tolist() != list(range(8))
