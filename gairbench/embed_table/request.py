"""What a user of ``gairbench embed`` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gairbench.embedding import BATCH
from gairbench.files.rows import Names
from gairbench.spec import View

PART_ROWS = 8 * BATCH
"""Rows that one part covers: what a kill can cost, and a row group of the file. Whole batches, so that a run that was
continued computes the same ones."""


SHORT = {view.name.lower(): view for view in View}
"""What users call the views: the columns of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """What a user asks for.

    Args:
        model: Name of the model.
        table: CSV or Parquet file of the samples.
        out: GeoParquet file to write.
        root: What the table's paths are relative to; ``None``: its own folder.
        views: Names of the views; ``None``: all that are possible but the token grid.
        names: The table's columns.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Names of their bands, in the files' order.
        preset: Preset of the model; ``None``: its first.
        checkpoint: Weights of the model.
        device: As torch names it, or ``"auto"``.
        seed: Seed of untrained weights.
        download: Fetch the model's published weights if they are not here.
        skip_errors: Leave rows that cannot be embedded out, and list them.
        fresh: Replace ``out``, and begin anew.
        command: The command line, for the provenance.
    """

    model: str
    table: Path
    out: Path
    root: Path | None = None
    views: Sequence[str] | None = None
    names: Names = field(default_factory=Names)
    rs_unit: str | None = None
    rs_bands: Sequence[str] | None = None
    preset: str | None = None
    checkpoint: Path | None = None
    device: str = "auto"
    seed: int = 0
    download: bool = False
    skip_errors: bool = False
    fresh: bool = False
    command: str = ""

    @property
    def parts(self) -> Path:
        """Folder of the parts that are done."""
        return self.out.with_name(f"{self.out.name}.parts")

    @property
    def errors(self) -> Path:
        """List of the rows that were left out."""
        return self.out.with_name(f"{self.out.name}.errors.csv")
