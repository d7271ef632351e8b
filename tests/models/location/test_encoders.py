"""Location encoders and the features that they are made from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y
from torch import Tensor

from gairbench import ModelContext
from gairbench.errors import CheckpointError, UsageError
from gairbench.pretraining.overrides import override
from gairbench.spec import resolve
from gairbench_models.location import MODELS
from gairbench_models.location.config import LocationConfig, LocationEncoderName
from gairbench_models.location.encoders import ENCODERS, make_location_encoder
from gairbench_models.location.features import sin_cos, space2vec_grid, spherical_harmonics, xyz

EDGES = torch.tensor([[180.0, 12.0], [-180.0, 12.0], [0.0, 90.0], [77.0, -90.0]], dtype=torch.float64)


def places(n: int = 40) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return unit * torch.tensor([360.0, 180.0]) - torch.tensor([180.0, 90.0])


def test_harmonics_are_scipys() -> None:
    lonlat = torch.cat([places(), EDGES])
    found = spherical_harmonics(lonlat, 40)
    polar, azimuth = np.radians(90 - lonlat[:, 1].numpy()), np.radians(lonlat[:, 0].numpy())
    for degree in (0, 1, 2, 7, 20, 39):
        for order in range(-degree, degree + 1):
            value = sph_harm_y(degree, abs(order), polar, azimuth)
            expected = value.real if order == 0 else np.sqrt(2) * (value.real if order > 0 else value.imag)
            np.testing.assert_allclose(found[:, degree**2 + degree + order].numpy(), expected, atol=1e-11)


def test_sphere_features_meet_at_the_date_line_and_at_the_poles() -> None:
    for features in (sin_cos, xyz, lambda lonlat: spherical_harmonics(lonlat, 10)):
        values = features(EDGES)
        torch.testing.assert_close(values[0], values[1], atol=1e-12, rtol=0)
    torch.testing.assert_close(xyz(EDGES)[2], torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64), atol=1e-12, rtol=0)


def test_grid_wavelengths_run_from_the_shortest_to_the_whole_circle() -> None:
    here, shortest_on, circle_on = (
        space2vec_grid(torch.tensor([[lon, 0.0]], dtype=torch.float64), 5, 0.1)[0] for lon in (10.0, 10.1, -350.0)
    )
    assert here.shape == (20,)
    torch.testing.assert_close(shortest_on[0], here[0], atol=1e-9, rtol=0)
    assert abs(float(shortest_on[1] - here[1])) > 1e-3
    torch.testing.assert_close(circle_on[4], here[4], atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_embeds_the_whole_earth_and_can_be_trained(name: LocationEncoderName) -> None:
    torch.manual_seed(0)
    encoder = make_location_encoder(LocationConfig(encoder=name, frequencies=8, hidden=16), 12)
    values = encoder(torch.cat([places(), EDGES]))
    assert values.shape == (44, 12)
    assert values.dtype == torch.float32
    assert torch.isfinite(values).all()
    assert float(values.std(0).min()) > 1e-4
    values.square().sum().backward()
    gradients = [p.grad for p in encoder.parameters()]
    assert all(g is not None and torch.isfinite(g).all() for g in gradients)


def test_harmonics_have_as_many_degrees_as_are_set() -> None:
    config = LocationConfig(encoder="sh-siren", frequencies=8, hidden=16)
    assert make_location_encoder(config, 12).network[0].weight.shape == (16, 400)  # type: ignore[index,union-attr]
    encoder = make_location_encoder(override(config, {"degrees": "40"}), 12)
    assert encoder.network[0].weight.shape == (16, 1600)  # type: ignore[index,union-attr]
    assert encoder(places()).shape == (40, 12)
    with pytest.raises(UsageError, match="setting degrees=0: Input should be greater than or equal to 1"):
        override(config, {"degrees": "0"})


@pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)
def test_baselines_take_no_checkpoint(spec, tmp_path: Path) -> None:
    context = ModelContext(model=spec.name, preset="default", seed=0, checkpoint=tmp_path)
    with pytest.raises(CheckpointError, match=f"{spec.name} takes no checkpoint"):
        resolve(spec.factory)(context)
