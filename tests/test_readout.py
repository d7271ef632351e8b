"""Readouts: how they are written, read, matched with offers, and named in messages."""

from __future__ import annotations

import pytest

from gairbench.errors import UsageError
from gairbench.readout import Readout, asked_readout, described_readouts
from gairbench.representation import Representation


@pytest.mark.parametrize(
    ("text", "pooling", "layers"),
    [
        ("default", "", ()),
        ("mean", "mean", ()),
        ("cls@5", "cls", (5,)),
        ("@11", "", (11,)),
        ("@2+5+8+11", "", (2, 5, 8, 11)),
        ("gem-3@0", "gem-3", (0,)),
    ],
)
def test_a_text_is_read_and_written_alike(text: str, pooling: str, layers: tuple[int, ...]) -> None:
    assert Readout.of(text) == Readout(pooling, layers)
    assert str(Readout.of(text)) == text
    assert Readout.of(text).default is (text == "default")
    assert asked_readout(text) == Readout(pooling, layers)


@pytest.mark.parametrize("text", ["", "@", "cls@", "@a", "@-1", "@1,2", "each", "tokens", "5", "cls 5", "projected@3"])
def test_another_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is not a pooling and layers; write default, each, or for instance mean"):
        Readout.of(text)


def test_each_is_asked_for_by_that_word() -> None:
    assert asked_readout("each") == "each"


def test_layers_without_a_pooling_are_those_of_any() -> None:
    cls, mean = (Representation("pooled", ("rs",), layers=(5,), pooling=pooling) for pooling in ("cls", "mean"))
    assert [Readout.of("@5").reads(offer) for offer in (cls, mean)] == [True, True]
    assert [Readout.of("cls@5").reads(offer) for offer in (cls, mean)] == [True, False]
    assert not Readout.of("@4").reads(cls)
    # A pooling alone is of where the model ends.
    assert not Readout.of("cls").reads(cls)


def test_following_layers_are_named_by_the_first_and_the_last() -> None:
    texts = ["default", "cls", "cls@0", "cls@1", "cls@2", "mean@1", "mean@2", "@0+3", "@4+7"]
    assert described_readouts(map(Readout.of, texts)) == "default, cls, cls@0 to cls@2, mean@1, mean@2, @0+3, @4+7"
    assert described_readouts([]) == ""
