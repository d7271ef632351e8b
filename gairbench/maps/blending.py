"""Encode a scene's tiles and blend them into blocks of its map."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from gairbench.embedding import compute
from gairbench.errors import DataError, PluginError
from gairbench.feeding import Feed
from gairbench.maps.scene import Scene
from gairbench.maps.tiling import Block, Tile, Tiling, weight
from gairbench.protocols import MapsRS

MEMORY = 2**30
"""Bytes of token grids that are kept for the blocks to come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileEncoder:
    """A model as maps use it: tiles become token grids, which are looked up at points.

    Args:
        model: Offers the feed's token grid; without ``look_up_rs`` it is interpolated bilinearly, border cells reaching
            to the tile's edges.
        feed: How the scene's values become its input.
        device: Where the model is.
    """

    model: object
    feed: Feed
    device: torch.device

    def encode(self, values: NDArray[np.float32], valid: Iterable[NDArray[np.bool_]]) -> Tensor:
        """Map tiles to ``(batch, dim, rows, columns)`` on the device.

        Args:
            values: ``(batch, band, size, size)`` as read.
            valid: Which of them hold data, ``(band, size, size)`` of each tile.

        Raises:
            PluginError: The model returned something else.
        """
        tiles = zip(torch.from_numpy(values).to(self.device), map(torch.from_numpy, valid), strict=True)
        batch = self.feed.batch([{"image": image, "mask": mask} for image, mask in tiles])
        tokens = compute(self.model, self.feed.representation, batch.to(self.device)).float()
        if tokens.ndim != 4 or len(tokens) != len(values):
            raise PluginError(
                f"{type(self.model).__name__} returned tokens {tuple(tokens.shape)} for {len(values)} images",
                "return (batch, dim, rows, columns)",
            )
        return tokens

    def look_up(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Map token grids and points ``(batch, points, 2)`` in -1 ... 1 to ``(batch, points, dim)``."""
        if isinstance(self.model, MapsRS):
            return self.model.look_up_rs(tokens, position).float()
        grid = position[:, :, None]
        sampled = functional.grid_sample(tokens, grid, mode="bilinear", padding_mode="border", align_corners=False)
        return sampled.squeeze(-1).transpose(1, 2)


@dataclass(frozen=True, slots=True)
class _Encoded:
    """A tile in memory: which of its pixels hold data, and its tokens ``(dim, rows, columns)`` if any does."""

    valid: NDArray[np.bool_]
    tokens: Tensor | None


@dataclass(slots=True, kw_only=True)
class SceneMap:
    """The embedding map of a scene, computed block by block.

    Args:
        scene: What is mapped.
        tiling: Where its tiles and output pixels are.
        encoder: What maps it.
        batch: Tiles per call of the model.
        capacity: Tiles that are kept in memory, at least one; the least recently used one makes room.
        encoded: How many tiles have been encoded so far.
        read: How many tiles have been read so far, those without data and those that are read again among them.
        seen: Called with that number after each batch of tiles.
    """

    scene: Scene
    tiling: Tiling
    encoder: TileEncoder
    batch: int
    capacity: int
    encoded: int = 0
    seen: Callable[[int], None] = lambda _: None
    read: int = 0
    _kept: OrderedDict[Tile, _Encoded] = field(default_factory=OrderedDict)

    @property
    def kept(self) -> int:
        """Number of tiles in memory."""
        return len(self._kept)

    def block(self, block: Block, dim: int) -> NDArray[np.float32]:
        """Compute one block.

        Args:
            block: Output pixels.
            dim: Length of an embedding.

        Returns:
            ``(dim, height, width)``: at each pixel's centre the mean over the tiles that cover it, by
            :func:`gairbench.maps.tiling.weight`; NaN where the source pixel under the centre holds no data.

        Raises:
            DataError: The file is broken, or an embedding is not finite.
        """
        total = torch.zeros(dim, block.height, block.width, device=self.encoder.device)
        weights = torch.zeros(block.height, block.width, device=self.encoder.device)
        valid = np.zeros((block.height, block.width), dtype=bool)
        tiles = [tile for tile in self.tiling.tiles_at(block) if _area(self.tiling.part(tile, block))]
        for start in range(0, len(tiles), self.batch):
            chunk = tiles[start : start + self.batch]
            shapes: dict[tuple[int, int], list[tuple[Tile, Block, Tensor]]] = {}
            for tile, found in zip(chunk, self._tiles(chunk), strict=True):
                part = self.tiling.part(tile, block)
                rows, columns = _within(part, block)
                valid[rows, columns] |= found.valid[np.ix_(*self._source_pixels(tile, part))]
                if found.tokens is not None:
                    shapes.setdefault((part.height, part.width), []).append((tile, part, found.tokens))
            for group in shapes.values():
                self._add(group, block, total, weights)
        mapped: NDArray[np.float32] = (total / weights).cpu().numpy()
        mapped[:, ~valid] = np.nan
        if not np.isfinite(mapped[:, valid]).all():
            raise DataError(
                f"the embedding of {self.scene.path} is not finite near output row {block.row}, column {block.column}",
                "look at the values there, and at the checkpoint",
            )
        return mapped

    def _add(self, group: Sequence[tuple[Tile, Block, Tensor]], block: Block, total: Tensor, weights: Tensor) -> None:
        """Look up tiles whose parts of the block have the same shape, and add them where they belong."""
        shares = [self._shares(tile, part) for tile, part, _ in group]
        points = [np.stack(np.meshgrid(x, y, indexing="xy"), axis=-1).reshape(-1, 2) for y, x in shares]
        position = torch.from_numpy((2 * np.stack(points) - 1).astype(np.float32)).to(self.encoder.device)
        found = self.encoder.look_up(torch.stack([tokens for _, _, tokens in group]), position)
        for (_, part, _), (y, x), values in zip(group, shares, found, strict=True):
            here = torch.from_numpy(np.outer(weight(y), weight(x)).astype(np.float32)).to(total.device)
            rows, columns = _within(part, block)
            total[:, rows, columns] += values.T.unflatten(1, (part.height, part.width)) * here
            weights[rows, columns] += here

    def _shares(self, tile: Tile, part: Block) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return how far across a tile, 0 to 1, the centres of output pixels lie: from north, and from west."""
        y = self.tiling.y.centres(part.row, part.row + part.height)
        x = self.tiling.x.centres(part.column, part.column + part.width)
        return (y - tile.row) / tile.size, (x - tile.column) / tile.size

    def _source_pixels(self, tile: Tile, part: Block) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the rows and columns of a tile's pixels that lie under the centres of output pixels."""
        y, x = (np.floor(share * tile.size + 1e-9).astype(np.int64) for share in self._shares(tile, part))
        return y.clip(0, tile.size - 1), x.clip(0, tile.size - 1)

    def _tiles(self, tiles: Sequence[Tile]) -> list[_Encoded]:
        """Return tiles from memory, encoding those that are not there in one batch."""
        found = {tile: self._kept[tile] for tile in tiles if tile in self._kept}
        found |= self._encode([tile for tile in tiles if tile not in found])
        for tile in tiles:
            self._kept[tile] = found[tile]
            self._kept.move_to_end(tile)
        while len(self._kept) > self.capacity:
            self._kept.popitem(last=False)
        return [found[tile] for tile in tiles]

    def _encode(self, tiles: Sequence[Tile]) -> dict[Tile, _Encoded]:
        read = {tile: self.scene.read(tile) for tile in tiles}
        used = [tile for tile in tiles if read[tile][1].any()]
        values = [read[tile][0] for tile in used]
        tokens = self.encoder.encode(np.stack(values), [read[tile][1] for tile in used]) if used else ()
        self.encoded += len(used)
        self.read += len(tiles)
        self.seen(self.read)
        # Copies, because a slice would keep its whole batch in memory.
        grids = {tile: grid.clone() for tile, grid in zip(used, tokens, strict=True)}
        return {tile: _Encoded(np.any(read[tile][1], axis=0), grids.get(tile)) for tile in tiles}


def _within(part: Block, block: Block) -> tuple[slice, slice]:
    row, column = part.row - block.row, part.column - block.column
    return slice(row, row + part.height), slice(column, column + part.width)


def _area(block: Block) -> int:
    return block.height * block.width
