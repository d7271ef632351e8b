"""A table of embeddings as a model: samples are found in it by their ids or by the nearest place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gairbench.errors import CheckpointError, DataError, InputMismatchError
from gairbench.files.badrows import CORRECT
from gairbench.files.formats import open_table, table_sha256
from gairbench.files.rows import CHUNK, Columns, InputTable
from gairbench.files.vectors import VectorColumn, read_vectors
from gairbench.geography import EARTH_RADIUS_KM
from gairbench.names import plain_name
from gairbench.representation import Representation
from gairbench_models.precomputed.dequantization import DEQUANTIZATIONS

if TYPE_CHECKING:
    from sklearn.neighbors import BallTree
    from torch import Tensor

    from gairbench import ModelContext
    from gairbench.batch import Batch

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Offer:
    """What a table gives.

    Args:
        view: What it is.
        column: Where it stands.
        shape: Of one row of it, which is flat in the table; empty: a vector.
    """

    view: Representation
    column: VectorColumn
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFactory:
    """Makes the model of a table; it can be pickled, and reads the file where it is called.

    Args:
        path: The table, absolute.
        sha256: Of its content.
        by: ``"id"`` or ``"place"``.
        columns: The column of ids, or those of longitude and latitude.
        within_m: How far the nearest place may be, in metres.
        dequantize: How whole numbers become embeddings; empty: there are none.
        offers: What it gives.
    """

    path: str
    sha256: str
    by: str
    columns: tuple[str, ...]
    within_m: float
    dequantize: str
    offers: tuple[Offer, ...]

    def __call__(self, context: ModelContext) -> TableModel:
        """Read the ids or places.

        Raises:
            CheckpointError: A checkpoint was given.
            DataError: The file was changed, is broken, or has an id or a place twice.
        """
        if context.checkpoint is not None:
            raise CheckpointError(
                f"{context.model} takes no checkpoint, got {context.checkpoint}", "remove --checkpoint for this model"
            )
        return TableModel(self)

    def lacking(self, ids: Sequence[str]) -> tuple[Sequence[str], str]:
        """Return which of some ids the table does not have, and what it has.

        Raises:
            DataError: The file was changed, is broken, or has an id or a place twice.
        """
        model = _with_ids(self)
        return [one for one in ids if not model.has(one)], model.holds


@lru_cache(maxsize=1)
def _with_ids(source: TableFactory) -> TableModel:
    """Return a table that is asked for its ids alone, split by split."""
    return TableModel(source)


class TableModel:
    """Looks samples up; see :class:`gairbench.protocols.LooksUp`.

    Args:
        source: The table.

    Attributes:
        holds: How many rows there are, and which, for messages.

    Raises:
        DataError: The table is broken, or has an id or a place twice.
    """

    def __init__(self, source: TableFactory) -> None:
        if table_sha256(Path(source.path)) != source.sha256:
            raise DataError(f"{source.path} was changed while it was in use", "run the same command again")
        self._source = source
        self._file = open_table(Path(source.path))
        self._ids: dict[str, int] = {}
        self._places = np.empty((0, 2))
        self._vectors: dict[VectorColumn, NDArray[np.float32]] = {}
        self._trees: dict[VectorColumn, tuple[BallTree, NDArray[np.int64]]] = {}
        self.holds = self._read_ids() if source.by == "id" else self._read_places()

    def has(self, identifier: str) -> bool:
        """Whether there is a row of an id."""
        return plain_name(identifier) in self._ids

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        """Return what the table has of samples.

        Args:
            batch: With ``ids``, or with ``lonlat``.
            wanted: One of the table's views.

        Returns:
            ``(batch, ...)`` float32, of the view's shape; NaN for samples that the table does not have.

        Raises:
            InputMismatchError: The table has no such view.
            DataError: It is broken.
        """
        import torch

        offer = next((offer for offer in self._source.offers if offer.view == wanted), None)
        if offer is None:
            views = ", ".join(str(offer.view) for offer in self._source.offers)
            raise InputMismatchError(f"{self._source.path} has no {wanted}; it has {views}", "")
        vectors = self._of(offer.column)
        if self._source.by == "id":
            rows = np.array([self._ids.get(plain_name(one), -1) for one in batch.ids or ()], dtype=np.int64)
        else:
            assert batch.lonlat is not None  # noqa: S101  (the preset needs it)
            rows = self._nearest(offer.column, vectors, batch.lonlat.cpu().numpy())
        found = np.full((len(rows), vectors.shape[1]), np.nan, dtype=np.float32)
        found[rows >= 0] = vectors[rows[rows >= 0]]
        return torch.from_numpy(found.reshape(len(rows), *(offer.shape or vectors.shape[1:])))

    def _table(self, columns: Columns) -> InputTable:
        root = Path(self._source.path).parent
        return InputTable(file=self._file, root=root, columns=columns, skip=False, remedy=CORRECT)

    def _read_ids(self) -> str:
        (name,) = self._source.columns
        for rows in self._table(Columns(id=name)).chunks(CHUNK):
            for identifier in map(plain_name, rows.ids):
                if self._ids.setdefault(identifier, row := len(self._ids)) != row:
                    raise DataError(
                        f"id {identifier!r} is there twice in column {name!r} of {self._source.path}",
                        "keep one row of each sample",
                    )
        examples = ", ".join(map(repr, list(self._ids)[:_EXAMPLES]))
        return f"{len(self._ids):,} rows with ids {examples}{', ...' if len(self._ids) > _EXAMPLES else ''}"

    def _read_places(self) -> str:
        lon, lat = self._source.columns
        chunks = [rows.lonlat for rows in self._table(Columns(lonlat=(lon, lat))).chunks(CHUNK)]
        places = np.concatenate([chunk for chunk in chunks if chunk is not None] or [self._places])
        if not len(places):
            raise DataError(f"table {self._source.path} has no rows", "fill it or name another")
        same = _one_name(places)
        _, first, counts = np.unique(same, axis=0, return_index=True, return_counts=True)
        if (counts > 1).any():
            lon_twice, lat_twice = places[first[counts > 1][0]]
            raise DataError(
                f"{self._source.path} has the place {lon_twice:g}, {lat_twice:g} (lon, lat) more than once",
                "keep one row of each place, or join by id",
            )
        self._places = places
        (west, south), (east, north) = places.min(axis=0), places.max(axis=0)
        within = f"of which one within {self._source.within_m:g} m is taken"
        return f"{len(places):,} places in {west:g} ... {east:g}, {south:g} ... {north:g} (lon, lat), {within}"

    def _of(self, column: VectorColumn) -> NDArray[np.float32]:
        """Return the vectors of a column; a row that is not wholly numbers is NaN."""
        if column not in self._vectors:
            values = read_vectors(self._file, column)
            if self._source.dequantize:
                values = DEQUANTIZATIONS[self._source.dequantize](values)
            # What float32 cannot hold is infinite in it, and not a number that could be used.
            with np.errstate(over="ignore"):
                vectors = np.asarray(values, dtype=np.float32)
            finite = np.isfinite(vectors).all(axis=1)
            vectors[~finite] = np.nan
            if not finite.all():
                self.holds += f" ({int((~finite).sum()):,} of which hold no finite {column.name})"
            self._vectors[column] = vectors
        return self._vectors[column]

    def _nearest(
        self, column: VectorColumn, vectors: NDArray[np.float32], lonlat: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Return the row of the nearest place that has a vector, by great circle; -1 where it is too far."""
        from sklearn.neighbors import BallTree

        rows = np.full(len(lonlat), -1, dtype=np.int64)
        if column not in self._trees:
            usable = np.flatnonzero(np.isfinite(vectors).all(axis=1))
            if not len(usable):
                return rows
            self._trees[column] = BallTree(_radians(self._places[usable]), metric="haversine"), usable
        tree, usable = self._trees[column]
        known = np.flatnonzero(np.isfinite(lonlat).all(axis=1))
        if len(known):
            distance, position = tree.query(_radians(lonlat[known]))
            near = distance[:, 0] * EARTH_RADIUS_KM * 1_000 <= self._source.within_m
            rows[known[near]] = usable[position[near, 0]]
        return rows


def _radians(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return latitude and longitude as the haversine metric of scikit-learn takes them."""
    return np.radians(lonlat[:, ::-1])


def _one_name(lonlat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return places such that each has one name: 180 degrees west is 180 east, and a pole has no longitude."""
    named = lonlat.copy()
    named[named[:, 0] == -180, 0] = 180
    named[np.abs(named[:, 1]) == 90, 0] = 0
    return named + 0.0
