"""What commands give back to Python: records, files, and how a notebook shows them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from gairbench.errors import UsageError
from gairbench.results import Result, read_results

if TYPE_CHECKING:
    import geopandas
    import pandas as pd


class Markdown(str):
    """Text that a notebook shows as Markdown."""

    __slots__ = ()

    def _repr_markdown_(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class RunResults(Sequence[Result]):
    """The records of one run, in the order of its plan.

    Args:
        records: One for every cell, also for those that failed or were skipped.
        folder: The results folder, which may hold records of other runs too.
        reused: Cells whose record an earlier run had written.
    """

    records: tuple[Result, ...]
    folder: Path
    reused: int

    @property
    def failed(self) -> tuple[Result, ...]:
        """The cells that failed; each record's ``reason`` says why."""
        return tuple(record for record in self.records if record.status == "failed")

    @property
    def skipped(self) -> tuple[Result, ...]:
        """The cells that cannot be computed; each record's ``reason`` says why."""
        return tuple(record for record in self.records if record.status == "skipped")

    @property
    def ok(self) -> bool:
        """At least one cell succeeded and none failed: what exit status 0 of the command means."""
        return not self.failed and len(self.skipped) < len(self.records)

    def summary(self) -> str:
        """Return how many cells succeeded, were skipped and failed, as one line."""
        counts = Counter(record.status for record in self.records)
        return (
            f"{counts['ok']} ok ({self.reused} of them reused), {counts['skipped']} skipped, {counts['failed']} failed;"
            f" leaderboard in {self.folder / 'LEADERBOARD.md'}"
        )

    def leaderboard(self) -> Markdown:
        """Return the leaderboard of the results folder as Markdown, as the command prints it.

        Raises:
            GairbenchError: The folder is gone, or a record in it is broken.
        """
        from gairbench_leaderboard.leaderboard_page import render_leaderboard

        return Markdown(render_leaderboard(list(read_results(self.folder))))

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of one row for every cell.

        Columns: what the cell is (``model``, ``preset``, ``task``, ``probe``, ``seed``, ``limit``), what came of it
        (``status``, ``reason``), the headline ``metric`` with its ``value``, ``low`` and ``high`` (missing without a
        number), what the task and the model are, and one column for every metric by its name.
        """
        import pandas as pd

        return pd.DataFrame([_row(record) for record in self.records])

    def __iter__(self) -> Iterator[Result]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Result: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Result]: ...
    def __getitem__(self, index: int | slice) -> Result | Sequence[Result]:
        """Return one record, or a tuple of them."""
        return self.records[index]

    def __repr__(self) -> str:
        return f"<RunResults: {self.summary()}>"

    def _repr_html_(self) -> str:
        from html import escape

        from gairbench_leaderboard.html import render_tables

        return f"<p>{escape(self.summary())}</p>\n{render_tables(self.records)}"


def _row(record: Result) -> dict[str, object]:
    value = record.headline_value
    row: dict[str, object] = {
        "model": record.model,
        "preset": record.preset,
        "task": record.task,
        "probe": record.probe,
        "seed": record.seed,
        "limit": record.limit,
        "labels": record.labels,
        "split": record.split,
        "readout": record.readout,
        "covered_by": record.covered_by,
        "status": record.status,
        "reason": record.reason,
        "headline": record.headline,
        "metric": record.metric,
        "value": value.value if value else None,
        "low": value.low if value else None,
        "high": value.high if value else None,
        "category": record.category,
        "family": record.family,
        "kind": record.kind,
        "synthetic": record.synthetic,
        "dataset": record.dataset,
        "embedding_dim": record.embedding_dim,
        "checkpoint": record.checkpoint,
        "device": record.device,
    }
    return row | {name: metric.value for name, metric in record.metrics.items()}


@dataclass(frozen=True, slots=True)
class EmbeddedTable(os.PathLike[str]):
    """A file of embeddings.

    Args:
        path: The GeoParquet file.
        errors: List of the rows that were left out, with reasons; ``None`` if there are none.
    """

    path: Path
    errors: Path | None = None

    def to_pandas(self) -> pd.DataFrame:
        """Return the table; embeddings are arrays, and the geometry stays in its binary form."""
        import pandas as pd

        return pd.read_parquet(self.path)

    def to_geopandas(self) -> geopandas.GeoDataFrame:
        """Return the table with points in longitude and latitude.

        Raises:
            UsageError: The package geopandas is not installed.
        """
        try:
            import geopandas
        except ModuleNotFoundError as error:
            raise UsageError("to_geopandas needs the package geopandas", "pip install geopandas") from error

        return geopandas.read_parquet(self.path)

    def __fspath__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class EmbeddingMap(os.PathLike[str]):
    """A map of embeddings.

    Args:
        path: The GeoTIFF or Zarr folder.
        quicklook: Its picture, a PNG, which a notebook shows.
    """

    path: Path
    quicklook: Path

    def __fspath__(self) -> str:
        return str(self.path)

    def _repr_png_(self) -> bytes:
        return self.quicklook.read_bytes()
