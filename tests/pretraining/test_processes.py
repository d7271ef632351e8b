"""Which process leads a training, told without torch."""

from __future__ import annotations

import pytest

from gairbench.errors import UsageError
from gairbench.pretraining.processes import RANKS, check_ranks, is_first_process, on_one_device


@pytest.mark.parametrize(
    ("device", "accelerator", "devices", "nodes", "expected"),
    [
        ("cpu", None, "1", 1, True),
        ("auto", "gpu", "1", 1, True),
        ("cuda:3", None, "1", 1, True),
        ("cuda", None, "2", 1, False),
        ("cuda", None, "auto", 1, False),
        ("cpu", None, "auto", 1, True),
        ("cuda", None, "0,2", 1, False),
        ("cuda", None, "1", 2, False),
    ],
)
def test_one_device_on_one_node_is_one_process(
    device: str, accelerator: str | None, devices: str, nodes: int, expected: bool
) -> None:
    assert on_one_device(device=device, accelerator=accelerator, devices=devices, num_nodes=nodes) == expected


def test_the_first_process_has_number_0_by_every_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RANKS:
        monkeypatch.delenv(name, raising=False)
    assert is_first_process()
    for name in RANKS:
        monkeypatch.setenv(name, "0")
    assert is_first_process()
    for name in RANKS:
        monkeypatch.setenv(name, "3")
        assert not is_first_process()
        monkeypatch.setenv(name, "0")


@pytest.mark.parametrize("value", ["", "captain", "-1"])
def test_a_variable_that_is_not_a_number_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    check_ranks()
    monkeypatch.setenv("RANK", value)
    with pytest.raises(UsageError, match=r"the environment variable RANK is .*; unset it"):
        check_ranks()
