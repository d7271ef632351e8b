"""Where tiles, output pixels and output blocks of a scene lie; nothing here touches a pixel's value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK = 128
"""Edge of an output block in pixels; what is computed, written and held in memory at once."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A square of source pixels that the model encodes at once.

    Args:
        row: Its northernmost source row.
        column: Its westernmost source column.
        size: Its edge in source pixels.
    """

    row: int
    column: int
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of output pixels.

    Args:
        row: Its northernmost output row.
        column: Its westernmost output column.
        height: Output rows.
        width: Output columns.
    """

    row: int
    column: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Axis:
    """One direction of a scene, from north to south or from west to east.

    Args:
        length: Source pixels.
        scale: Source pixels per output pixel; output pixel ``i`` covers ``i * scale`` to ``(i + 1) * scale``.
        tile: Source pixels of a tile.
        overlap: Least share of a tile that its neighbour covers too, 0 to below 1.
    """

    length: int
    scale: float
    tile: int
    overlap: float

    @property
    def pixels(self) -> int:
        """Number of output pixels: those whose centre lies in the scene."""
        return self.before(self.length)

    @property
    def starts(self) -> NDArray[np.int64]:
        """First source pixel of each tile, evenly spread from one edge of the scene to the other."""
        room = self.length - self.tile
        stride = max(1.0, self.tile * (1 - self.overlap))
        return np.rint(np.linspace(0, room, math.ceil(room / stride) + 1)).astype(np.int64)

    def before(self, position: float) -> int:
        """Return how many output pixels have their centre before a source position."""
        # A centre that is on the position but for rounding is not before it.
        return max(0, math.ceil(position / self.scale - 0.5 - 1e-9))

    def centres(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the source positions of the centres of output pixels ``first`` to below ``last``."""
        return (np.arange(first, last, dtype=np.float64) + 0.5) * self.scale


@dataclass(frozen=True, slots=True)
class Tiling:
    """Tiles and output pixels of a scene.

    Args:
        y: From north to south.
        x: From west to east.
    """

    y: Axis
    x: Axis

    @property
    def tiles(self) -> int:
        """Number of tiles."""
        return len(self.y.starts) * len(self.x.starts)

    @property
    def block_count(self) -> int:
        """Number of blocks."""
        return -(-self.y.pixels // BLOCK) * -(-self.x.pixels // BLOCK)

    def tiles_at(self, block: Block) -> list[Tile]:
        """Return the tiles that cover the centre of a pixel of a block, row by row."""
        return [
            Tile(int(row), int(column), self.y.tile)
            for row in _touching(self.y, block.row, block.row + block.height)
            for column in _touching(self.x, block.column, block.column + block.width)
        ]

    def part(self, tile: Tile, block: Block) -> Block:
        """Return the pixels of a block whose centres lie in a tile."""
        top = max(self.y.before(tile.row), block.row)
        bottom = min(self.y.before(tile.row + tile.size), block.row + block.height)
        left = max(self.x.before(tile.column), block.column)
        right = min(self.x.before(tile.column + tile.size), block.column + block.width)
        return Block(top, left, max(0, bottom - top), max(0, right - left))

    def blocks(self, held: int) -> Iterator[Block]:
        """Return all blocks, in an order in which few tiles are needed again after a long time.

        Args:
            held: Number of tiles that stay in memory.
        """
        # Strips of blocks so narrow that the tiles of one row of blocks, and of its borders, are still there for the
        # next: only along the strips' edges are tiles encoded twice.
        tile_rows = BLOCK * self.y.scale / _stride(self.y) + 2
        blocks = int((held / tile_rows - 2) * _stride(self.x) / (BLOCK * self.x.scale))
        strip = BLOCK * max(1, blocks)
        for west in range(0, self.x.pixels, strip):
            for row in range(0, self.y.pixels, BLOCK):
                for column in range(west, min(west + strip, self.x.pixels), BLOCK):
                    height, width = min(BLOCK, self.y.pixels - row), min(BLOCK, self.x.pixels - column)
                    yield Block(row, column, height, width)


def weight(share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a tile's weight, by how far across it a point lies (0 to 1): a Hann window.

    It falls smoothly to all but zero at the tile's edges, so that no edge shows where another tile goes on; all but,
    because along the edges of a scene there is no other.
    """
    weights: NDArray[np.float64] = np.maximum(np.sin(np.pi * share) ** 2, 1e-6)
    return weights


def _stride(axis: Axis) -> float:
    starts = axis.starts
    return float(starts[1] - starts[0]) if len(starts) > 1 else float(axis.tile)


def _touching(axis: Axis, first: int, last: int) -> NDArray[np.int64]:
    low, high = axis.centres(first, first + 1)[0], axis.centres(last - 1, last)[0]
    starts = axis.starts
    touching: NDArray[np.int64] = starts[(starts <= high + axis.scale) & (starts + axis.tile >= low - axis.scale)]
    return touching
