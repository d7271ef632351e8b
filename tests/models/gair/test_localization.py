"""NILI equals its definition, and every localizer looks up the point that was asked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from gairbench.georeference import relative_position
from gairbench.protocols import MapsRS
from gairbench_models.gair.config import GairConfig, VisionConfig
from gairbench_models.gair.localization import MeanToken, Nili, Sampled, make_localizer
from gairbench_models.gair.model import untrained
from gairbench_models.location.config import LocationConfig

DIM = 5


@pytest.fixture
def nili() -> Nili:
    torch.manual_seed(0)
    return Nili(DIM).double()


def by_definition(nili: Nili, tokens: Tensor, point: tuple[float, float]) -> Tensor:
    """Predict from each of the four cells around one point of one tile and blend, as the paper says it."""
    # Exactly at a centre of an outermost cell the areas are all zero: the definition has a limit there, and no value.
    point = (point[0] + 1e-7, point[1] + 1e-7)
    dim, rows, columns = tokens.shape
    neighbourhoods = functional.unfold(tokens[None], kernel_size=3, padding=1)[0].view(dim * 9, rows, columns)
    weight = torch.cat([nili.neighbourhood.weight.flatten(1), nili.offset.weight], dim=1)

    def nearest(value: float, n: int) -> int:
        return min(max(int((value + 1) / 2 * n), 0), n - 1)

    predictions, areas = [], []
    for north in (-1, 1):
        for west in (-1, 1):
            # Half a cell towards each diagonal lies one of the four cells.
            column = nearest(point[0] + west / columns, columns)
            row = nearest(point[1] + north / rows, rows)
            centre = (-1 + (2 * column + 1) / columns, -1 + (2 * row + 1) / rows)
            offset = torch.tensor([(point[0] - centre[0]) * columns, (point[1] - centre[1]) * rows]).double()
            predictions.append(weight @ torch.cat([neighbourhoods[:, row, column], offset]) + nili.neighbourhood.bias)
            areas.append(offset.prod().abs())
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


def special_points(rows: int, columns: int) -> list[tuple[float, float]]:
    """Return all cell centres, edges and corners, and the middle between them, borders included."""
    x, y = (torch.linspace(-1, 1, 4 * n + 1).double().tolist() for n in (columns, rows))
    return [(a, b) for b in y for a in x]


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    points=st.lists(st.tuples(st.floats(-1, 1), st.floats(-1, 1)), min_size=1, max_size=8),
    seed=st.integers(0, 2**16),
)
def test_nili_equals_its_definition_anywhere_in_any_grid(
    rows: int, columns: int, points: list[tuple[float, float]], seed: int
) -> None:
    torch.manual_seed(seed)
    nili = Nili(3)
    tokens = torch.randn(2, 3, rows, columns)
    asked = points + special_points(rows, columns)[:: 1 + seed % 7]
    position = torch.tensor([asked, asked[::-1]])
    in_training = nili(tokens, position)
    with torch.no_grad():
        found = nili(tokens, position)
        torch.testing.assert_close(in_training, found, rtol=0, atol=1e-5)
        nili.double()
        for tile, order in enumerate((asked, asked[::-1])):
            expected = torch.stack([by_definition(nili, tokens[tile].double(), point) for point in order])
            torch.testing.assert_close(found[tile].double(), expected, rtol=0, atol=1e-4)


@settings(max_examples=30, deadline=None)
@given(
    grid=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    raster=st.tuples(st.integers(1, 23), st.integers(1, 23)),
    name=st.sampled_from(["nili", "bilinear", "bicubic", "none"]),
)
def test_a_dense_map_holds_what_queries_at_its_cells_give(
    grid: tuple[int, int], raster: tuple[int, int], name: str
) -> None:
    torch.manual_seed(0)
    localizer = make_localizer(name, DIM)  # type: ignore[arg-type]
    tokens = torch.randn(2, DIM, *grid)
    y, x = ((torch.arange(n) + 0.5) / n * 2 - 1 for n in raster)
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(1, -1, 2).expand(2, -1, -1)
    with torch.no_grad():
        dense = localizer.dense(tokens, *raster)
        queried = localizer(tokens, points).transpose(1, 2).reshape(2, DIM, *raster)
    assert dense.shape == (2, DIM, *raster)
    torch.testing.assert_close(dense, queried, rtol=0, atol=2e-5)


def test_gradients_of_a_dense_map_are_those_of_the_queries(nili: Nili) -> None:
    tokens = torch.randn(2, DIM, 3, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda t: nili.dense(t, 7, 5), (tokens,))
    nili.dense(tokens, 9, 9).square().sum().backward()
    y = x = (torch.arange(9).double() + 0.5) / 9 * 2 - 1
    points = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(1, -1, 2).expand(2, -1, -1)
    dense = [p.grad.clone() for p in nili.parameters() if p.grad is not None]
    nili.zero_grad()
    nili(tokens.detach(), points).square().sum().backward()
    queried = [p.grad for p in nili.parameters() if p.grad is not None]
    assert len(dense) == len(queried) == 3
    torch.testing.assert_close(dense, queried, rtol=1e-5, atol=1e-5)


def test_nili_and_its_gradients_are_the_same_twice(nili: Nili) -> None:
    tokens = torch.randn(2, DIM, 6, 6).double()
    position = torch.rand(2, 500, 2).double() * 2 - 1
    runs = []
    for _ in range(2):
        nili.zero_grad()
        found = nili(tokens, position)
        found.square().sum().backward()
        runs.append([found.detach(), *(p.grad.clone() for p in nili.parameters() if p.grad is not None)])
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_nili_runs_in_mixed_precision() -> None:
    torch.manual_seed(0)
    nili = Nili(16)
    tokens, position = torch.randn(2, 16, 4, 4, requires_grad=True), torch.rand(2, 9, 2) * 2 - 1
    exact = nili(tokens, position)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed, dense = nili(tokens, position), nili.dense(tokens, 8, 8)
        with torch.no_grad():
            torch.testing.assert_close(nili(tokens, position).float(), exact, rtol=0.05, atol=0.05)
    assert mixed.dtype == dense.dtype == torch.bfloat16
    torch.testing.assert_close(mixed.float(), exact, rtol=0.05, atol=0.05)
    mixed.float().sum().backward()
    assert tokens.grad is not None
    assert tokens.grad.isfinite().all()


def largest_tensor(call: Callable[[], Tensor]) -> int:
    """Return the number of elements of the largest result of any operation in a call."""

    class Largest(TorchDispatchMode):
        elements = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            result = func(*args, **(kwargs or {}))
            for tensor in result if isinstance(result, (tuple, list)) else [result]:
                if isinstance(tensor, Tensor):
                    self.elements = max(self.elements, tensor.numel())
            return result

    with Largest() as largest:
        call()
    return largest.elements


def test_no_step_of_a_lookup_or_a_map_is_larger_than_its_result() -> None:
    nili = Nili(32)
    tokens, position = torch.randn(1, 32, 4, 4), torch.rand(1, 5000, 2) * 2 - 1
    assert largest_tensor(lambda: nili(tokens, position)) == 5000 * 32
    with torch.inference_mode():
        assert largest_tensor(lambda: nili(tokens, position)) == 5000 * 32
        assert largest_tensor(lambda: nili.dense(tokens, 64, 50)) == 64 * 50 * 32


def test_a_model_maps_a_tile_as_it_answers_queries() -> None:
    vision = VisionConfig(bands=3, image_size=16, patch_size=8, width=32, depth=1, heads=2)
    config = GairConfig(dim=32, rs=vision, sv=vision, location=LocationConfig(frequencies=4, hidden=8))
    model = untrained(config, seed=0).eval()
    images = torch.randn(2, 3, 16, 24)
    bbox = torch.tensor([[10.0, 50.0, 16.0, 46.0]]).double().expand(2, 4)
    with torch.inference_mode():
        mapped = model.map_rs(images, 4, 6)
        # Row 3 of 4 and column 1 of 6.
        asked = model.query_rs(images, torch.tensor([[11.5, 46.5]]).double().expand(2, 2), bbox)
    assert isinstance(model, MapsRS)
    torch.testing.assert_close(mapped[:, :, 3, 1], asked, rtol=1e-5, atol=1e-5)


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
