"""NILI equals its definition, and every localizer looks up the point that was asked for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from gairbench.tiles import relative_position
from gairbench_models.gair.localization import MeanToken, Nili, Sampled, make_localizer

DIM = 5


@pytest.fixture
def nili() -> Nili:
    torch.manual_seed(0)
    return Nili(DIM).double()


def by_definition(nili: Nili, tokens: Tensor, point: tuple[float, float]) -> Tensor:
    """Predict from each of the four cells around one point of one tile and blend, as the paper says it."""
    dim, rows, columns = tokens.shape
    neighbourhoods = functional.unfold(tokens[None], kernel_size=3, padding=1)[0].view(dim * 9, rows, columns)
    weight = torch.cat([nili.neighbourhood.weight.flatten(1), nili.offset.weight], dim=1)

    def nearest(value: float, n: int) -> int:
        return min(max(int((value + 1) / 2 * n), 0), n - 1)

    predictions, areas = [], []
    for north in (-1, 1):
        for west in (-1, 1):
            # Half a cell towards each diagonal lies one of the four cells.
            column = nearest(point[0] + west / columns + 1e-9, columns)
            row = nearest(point[1] + north / rows + 1e-9, rows)
            centre = (-1 + (2 * column + 1) / columns, -1 + (2 * row + 1) / rows)
            offset = torch.tensor([(point[0] - centre[0]) * columns, (point[1] - centre[1]) * rows]).double()
            predictions.append(weight @ torch.cat([neighbourhoods[:, row, column], offset]) + nili.neighbourhood.bias)
            areas.append(offset.prod().abs() + 1e-12)
    opposite = areas[::-1]
    return sum(p * a for p, a in zip(predictions, opposite, strict=True)) / sum(areas)


POINTS = {
    "cell centre": (-1 + 5 / 6, -1 + 3 / 4),
    "between cells": (0.13, -0.21),
    "on a cell edge": (1 / 3, 0.5),
    "west border": (-0.97, 0.1),
    "south border": (0.2, 0.95),
    "north-west corner": (-1.0, -1.0),
    "south-east corner": (1.0, 1.0),
    "south-west border cell": (-0.93, 0.9),
    "last cell centre": (1 - 1 / 6, 1 - 1 / 4),
}


@pytest.mark.parametrize("point", POINTS.values(), ids=POINTS.keys())
def test_nili_equals_its_definition(nili: Nili, point: tuple[float, float]) -> None:
    tokens = torch.randn(1, DIM, 4, 6).double()
    found = nili(tokens, torch.tensor([point]).double())
    torch.testing.assert_close(found[0], by_definition(nili, tokens[0], point), rtol=1e-6, atol=1e-6)


def test_nili_equals_its_definition_anywhere(nili: Nili) -> None:
    tokens = torch.randn(2, DIM, 6, 6).double()
    position = torch.rand(2, 200, 2).double() * 2 - 1
    found = nili(tokens, position)
    for tile in range(2):
        expected = [by_definition(nili, tokens[tile], (float(x), float(y))) for x, y in position[tile]]
        torch.testing.assert_close(found[tile], torch.stack(expected), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1)])
def test_nili_takes_grids_of_a_single_row_or_column(nili: Nili, shape: tuple[int, int]) -> None:
    tokens = torch.randn(1, DIM, *shape).double()
    found = nili(tokens, torch.tensor([[0.3, -0.6]]).double())
    torch.testing.assert_close(found[0], by_definition(nili, tokens[0], (0.3, -0.6)), rtol=1e-6, atol=1e-6)


def test_nili_is_continuous_across_cells_and_borders(nili: Nili) -> None:
    tokens = torch.randn(1, DIM, 6, 6).double()
    line = torch.linspace(-1, 1, 4001).double()
    along = nili(tokens, torch.stack([line, 0.3 * line], dim=1)[None])[0]
    assert (along.diff(dim=0).abs().max() / along.std()) < 0.02


def test_gradients_reach_tokens_weights_and_positions(nili: Nili) -> None:
    tokens = torch.randn(2, DIM, 3, 3).double().requires_grad_()
    position = (torch.rand(2, 4, 2).double() * 1.8 - 0.9).requires_grad_()
    assert torch.autograd.gradcheck(nili, (tokens, position))
    nili(tokens, position).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in nili.parameters())


@pytest.mark.parametrize("name", ["nili", "bilinear", "bicubic", "none"])
def test_one_point_and_many_points_agree(name: str) -> None:
    localizer = make_localizer(name, DIM)  # type: ignore[arg-type]
    tokens, position = torch.randn(3, DIM, 4, 4), torch.rand(3, 7, 2) * 2 - 1
    many = localizer(tokens, position)
    assert many.shape == (3, 7, DIM)
    torch.testing.assert_close(localizer(tokens, position[:, 2]), many[:, 2])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_sampling_returns_the_token_at_a_cell_centre(mode: str) -> None:
    tokens = torch.randn(1, DIM, 4, 6)
    # Column 4 of 6, row 1 of 4.
    centre = torch.tensor([[-1 + 9 / 6, -1 + 3 / 4]])
    torch.testing.assert_close(Sampled(mode)(tokens, centre)[0], tokens[0, :, 1, 4], rtol=1e-4, atol=1e-5)


def test_without_localization_every_point_gets_the_mean_token() -> None:
    tokens = torch.randn(2, DIM, 4, 4)
    found = MeanToken()(tokens, torch.rand(2, 3, 2) * 2 - 1)
    torch.testing.assert_close(found, tokens.mean((2, 3))[:, None].expand(2, 3, DIM))


BOX = torch.tensor([[10.0, 50.0, 14.0, 48.0]]).double()


@pytest.mark.parametrize(
    ("lonlat", "expected"),
    [((10, 50), (-1, -1)), ((14, 48), (1, 1)), ((12, 49), (0, 0)), ((13, 49.5), (0.5, -0.5))],
    ids=["north-west", "south-east", "centre", "north-east quarter"],
)
def test_relative_position_runs_from_north_west_to_south_east(
    lonlat: tuple[float, float], expected: tuple[float, float]
) -> None:
    found = relative_position(torch.tensor([lonlat]).double(), BOX)
    torch.testing.assert_close(found, torch.tensor([expected]).double())


@pytest.mark.parametrize("lonlat", [(9.9, 49), (14.1, 49), (12, 50.1), (12, 47.9), (float("nan"), 49)])
def test_a_point_outside_its_tile_is_refused_by_name(lonlat: tuple[float, float]) -> None:
    points = torch.tensor([(12, 49), lonlat], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"lies outside its tile \[10.0, 50.0, 14.0, 48.0\]") as caught:
        relative_position(points, BOX.expand(2, 4))
    assert str([float(lonlat[0]), float(lonlat[1])]) in str(caught.value)


def test_many_points_per_tile_are_each_checked_against_their_own_tile() -> None:
    boxes = torch.cat([BOX, BOX + 100])
    points = torch.tensor([[[12.0, 49.0], [11.0, 48.5]], [[112.0, 149.0], [12.0, 49.0]]]).double()
    with pytest.raises(ValueError, match=r"\[12.0, 49.0\].*\[110.0, 150.0, 114.0, 148.0\]"):
        relative_position(points, boxes)


def test_a_box_without_area_is_refused() -> None:
    with pytest.raises(ValueError, match="outside its tile"):
        relative_position(torch.tensor([[10.0, 49.0]]), torch.tensor([[10.0, 50.0, 10.0, 48.0]]))
