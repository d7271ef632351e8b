"""What a user of ``gairbench embed`` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from gairbench.inputs import MissingPixels, Unit
from gairbench.requests import Pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedRequest:
    """What a user asks for: the options of ``gairbench embed``.

    Args:
        model: Name of the model.
        input: Table of the samples: CSV, Parquet, GeoParquet, GeoJSON, GeoPackage or shapefile.
        out: GeoParquet file to write.
        views: What to compute, by the names that :meth:`gairbench.spec.Preset.view_name` gives; ``None``: all that are
            possible but the token grid.
        rs_unit: Scale of the overhead images' values.
        rs_bands: Names of their bands, in the files' order; ``None``: as the files say.
        rs_rendering: How their values become display values for a model of RGB pictures, by the names of
            :class:`gairbench.inputs.Rendering`'s arguments.
        missing_pixels: ``"fill"`` their missing pixels with the mean of the others, or ``"refuse"`` such images.
        root: What the table's paths are relative to; ``None``: its own folder.
        follow_links: Accept paths in the table that are links to files outside of ``root``.
        column: The table's own names of its columns, by ours: :data:`gairbench.files.rows.ROLES`.
        preset: Preset of the model; ``None``: its first.
        checkpoint: File or folder of the model's weights.
        device: As torch names it, or ``"auto"``.
        seed: Seed of untrained weights.
        download: Fetch the model's published weights if they are not here.
        on_error: ``"stop"`` at a row that cannot be embedded, or ``"skip"`` such rows and list them.
        fresh: Replace ``out``, and begin anew.
        command: The command line, for the provenance.
    """

    model: str
    input: Path
    out: Path
    views: tuple[str, ...] | None = None
    rs_unit: Unit | None = None
    rs_bands: tuple[str, ...] | None = None
    rs_rendering: Annotated[Mapping[str, str], Pairs("NAME=VALUE", "high=3000")] = field(default_factory=dict)
    missing_pixels: MissingPixels = "fill"
    root: Path | None = None
    follow_links: bool = False
    column: Annotated[Mapping[str, str], Pairs("NAME=COLUMN", "lon=longitude")] = field(default_factory=dict)
    preset: str | None = None
    checkpoint: Path | None = None
    device: str = "auto"
    seed: Annotated[int, Ge(0)] = 0
    download: bool = False
    on_error: Literal["stop", "skip"] = "stop"
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
