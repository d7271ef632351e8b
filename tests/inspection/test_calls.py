"""Calls of the inspected model: what is counted, and what stays as it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gairbench.batch import Batch
from gairbench.errors import DataError, PluginError
from gairbench.inspection.calls import counted_call, in_one_line
from gairbench.isolation import Blamed
from gairbench.representation import LOCATION

TOKENS, WIDTH, HIDDEN = 50, 64, 2048


class Attends(nn.Module):
    """One block of a transformer over tokens that are made of a place."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.TransformerEncoderLayer(WIDTH, 4, batch_first=True)

    def encode_location(self, lonlat: Tensor) -> Tensor:
        tokens = lonlat.float().sum(1)[:, None, None] * torch.ones(1, TOKENS, WIDTH)
        embedded: Tensor = self.block(tokens)[:, 0]
        return embedded


def places(count: int) -> Batch:
    return Batch(images={}, coordinates=torch.ones(count, 2, dtype=torch.float64))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_products_and_attention_are_counted_whatever_kernel_computes_them() -> None:
    model = Attends().eval().requires_grad_(False)
    before = torch.backends.mha.get_fastpath_enabled()
    output, flops = counted_call(model, LOCATION, places(2), torch.device("cpu"), "model 'attends'")
    assert output.shape == (2, WIDTH)
    products = TOKENS * (4 * WIDTH * WIDTH + 2 * WIDTH * HIDDEN) + 2 * TOKENS * TOKENS * WIDTH
    assert flops == 2 * 2 * products
    assert torch.backends.mha.get_fastpath_enabled() is before


def test_what_is_not_a_tensor_is_an_error() -> None:
    class Lists:
        def encode_location(self, lonlat: Tensor) -> list[float]:
            return [0.0]

    with pytest.raises(PluginError, match="model 'lists' returned list as location; return a tensor"):
        counted_call(Lists(), LOCATION, places(2), torch.device("cpu"), "model 'lists'")


def test_an_error_is_one_line_that_names_who_is_to_blame() -> None:
    with (
        pytest.raises(PluginError, match="dataset 'x': KeyError: 'a'"),
        in_one_line("model 'y'"),
        Blamed("dataset 'x'"),
    ):
        raise KeyError("a")
    with pytest.raises(PluginError, match="model 'y': KeyError: 'a'"), in_one_line("model 'y'"):
        raise KeyError("a")
    with pytest.raises(DataError, match="broken"), in_one_line("model 'y'"):
        raise DataError("broken", "")
