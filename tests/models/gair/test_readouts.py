"""Poolings and layers of GAIR's image encoders, and of the models that share them."""

from __future__ import annotations

import pytest
import torch

from gairbench import ModelContext, ModelSpec
from gairbench.batch import Batch, Images
from gairbench.embedding import compute
from gairbench.errors import CheckpointError
from gairbench.inputs import EVERY, RGB, Unit
from gairbench.representation import RS, RS_TOKENS, SV, Representation
from gairbench.sensors import band
from gairbench.spec import resolve
from gairbench_models.controls import MODELS as CONTROLS
from gairbench_models.gair import MODELS as GAIR
from gairbench_models.mae import MODELS as MAE
from gairbench_models.mocov3 import MODELS as MOCO

SPECS = {spec.name: spec for spec in (*GAIR, *MAE, *MOCO, *CONTROLS)}


def batch(name: str, size: int, bands: tuple[str, ...] = RGB) -> Batch:
    values = torch.randn(2, len(bands), size, size, generator=torch.Generator().manual_seed(0))
    if name == EVERY:
        values = values[:, None]
    valid = torch.ones(values.shape[: values.ndim - 3], dtype=torch.bool)
    units = (Unit.UINT8,) * len(bands)
    return Batch(images={name: Images(values=values, bands=tuple(map(band, bands)), units=units, valid=valid)})


def model_of(name: str) -> tuple[ModelSpec, torch.nn.Module]:
    spec = SPECS[name]
    return spec, resolve(spec.factory)(ModelContext(model=name, preset="tiny", seed=0)).eval()


def read(model: torch.nn.Module, given: Batch, wanted: Representation) -> torch.Tensor:
    with torch.inference_mode():
        return compute(model, wanted, given)


@pytest.mark.parametrize("name", ["gair", "mae", "mocov3", "random"])
def test_overhead_layers_are_the_tokens_after_each_block(name: str) -> None:
    spec, model = model_of(name)
    offers = [o for o in spec.preset("tiny").offered() if o.of == ("rs",)]
    together = Representation("tokens", ("rs",), layers=(0, 1, 2, 3))
    assert offers[:2] == [RS_TOKENS, together]
    given = batch("rs", 48)
    kept: list[torch.Tensor] = []
    for block in model.rs_encoder.blocks:
        block.register_forward_hook(lambda *call: kept.append(call[2]))
    end = read(model, given, RS_TOKENS)
    blocks = [tokens.mT.unflatten(2, (6, 6)) for tokens in kept[:4]]
    torch.testing.assert_close(read(model, given, together), torch.stack(blocks, dim=1))
    torch.testing.assert_close(blocks[-1], end)
    for layer in range(4):
        grid = read(model, given, Representation("tokens", ("rs",), layers=(layer,)))
        torch.testing.assert_close(grid, blocks[layer])
        vector = Representation("pooled", ("rs",), layers=(layer,), pooling="mean")
        assert vector in offers
        torch.testing.assert_close(read(model, given, vector), blocks[layer].mean((2, 3)))
    mean = Representation("pooled", ("rs",), pooling="mean")
    torch.testing.assert_close(read(model, given, mean), read(model, given, RS))


@pytest.mark.parametrize("name", ["gair", "mae", "mocov3", "geoclip-style"])
def test_photo_vectors_are_the_class_token_and_the_mean_patch_token(name: str) -> None:
    spec, model = model_of(name)
    offers = [o for o in spec.preset("tiny").offered() if o.of == ("sv",)]
    assert SV in offers
    given = batch("sv", 64)
    with torch.inference_mode():
        tokens = model.sv_encoder.vit.forward_features(given.images["sv"].values)
    for pooling, expected in (("cls", tokens[:, 0]), ("mean", tokens[:, 1:].mean(1))):
        for layers in ((), (3,)):
            wanted = Representation("pooled", ("sv",), layers=layers, pooling=pooling)
            assert wanted in offers
            torch.testing.assert_close(read(model, given, wanted), expected, atol=1e-5, rtol=1e-5)
    first = read(model, given, Representation("pooled", ("sv",), layers=(0,), pooling="cls"))
    assert not torch.allclose(first, tokens[:, 0])


def test_untrained_layers_are_read_out_of_any_bands() -> None:
    spec, model = model_of("random")
    given = batch(EVERY, 48, ("B2", "B3", "B4", "B8"))
    grids = Representation("tokens", (EVERY,), layers=(0, 1, 2, 3))
    vector = Representation("pooled", (EVERY,), layers=(1,), pooling="mean")
    assert {grids, vector} <= {*spec.preset("tiny").offered()}
    found = read(model, given, grids)
    assert found.shape == (2, 4, 128, 6, 6)
    torch.testing.assert_close(read(model, given, vector), found[:, 1].mean((2, 3)))
    twice = Batch(images=dict.fromkeys(("a", "b"), given.images[EVERY]))
    torch.testing.assert_close(read(model, twice, grids), torch.cat([found, found], dim=2))


def test_a_layer_that_a_smaller_encoder_lacks_is_refused() -> None:
    # As one that was trained with --set model.rs.depth=4.
    _, model = model_of("gair")
    for of, size in (("rs", 48), ("sv", 64)):
        wanted = Representation("pooled", (of,), layers=(7,), pooling="mean")
        with pytest.raises(CheckpointError, match="the encoder has 4 blocks, counted from 0, and no 7"):
            read(model, batch(of, size), wanted)
