"""How triplets are read, and what is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gairbench.data import DataSource, Sample
from gairbench.errors import UsageError
from gairbench.files.badrows import RowReport
from gairbench.inputs import Input, MissingPixels, Unit


@dataclass(frozen=True, slots=True, kw_only=True)
class TripletOptions:
    """How triplets are read.

    Args:
        rs_unit: Scale of the overhead images' values; a manifest needs it, shards remember theirs and take none.
        rs_bands: Their bands in order; ``None``: as :func:`gairbench.bands.stack_bands` finds them.
        missing_pixels: What becomes of missing pixels of overhead images; tiles without any are preferred.
        rs_size: Edge of the tiles that are cut out of overhead scenes, in pixels of the scene; ``None``: whole scenes.
        sv_size: Edge to which photos are resized, squarely; ``None``: as they are.
        seed: Of where tiles are cut.
        root: What paths are relative to; ``None``: the manifest's folder.
        columns: The manifest's own names of its columns, by ours.
        on_error: ``"stop"`` at triplets that cannot be used, or ``"skip"`` and report them.
        follow_links: Accept paths in the manifest that are links to files outside of ``root``.
    """

    rs_unit: Unit | None = None
    rs_bands: tuple[str, ...] | None = None
    missing_pixels: MissingPixels = "fill"
    rs_size: int | None = None
    sv_size: int | None = None
    seed: int = 0
    root: Path | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    on_error: Literal["stop", "skip"] = "stop"
    follow_links: bool = False


_OF_MANIFESTS = {
    "rs_unit": "--rs-unit",
    "rs_bands": "--rs-bands",
    "missing_pixels": "--missing-pixels",
    "root": "--root",
    "columns": "--column",
    "on_error": "--on-error",
    "follow_links": "--follow-links",
}


def refuse_manifest_options(options: TripletOptions, what: str) -> None:
    """Refuse options that say how a manifest is read where the data are not a manifest.

    Args:
        options: What was asked for.
        what: What is read in its place, for the message.

    Raises:
        UsageError: One of them is not as it is when nobody gives it.
    """
    untouched = TripletOptions()
    given = [flag for name, flag in _OF_MANIFESTS.items() if getattr(options, name) != getattr(untouched, name)]
    if given:
        raise UsageError(
            f"{', '.join(given)} {'apply' if len(given) > 1 else 'applies'} to manifests, and {what} is not one",
            "remove these options",
        )


class TripletSplit(Protocol):
    """The only split, ``"pretrain"``: a split that also holds where its samples are."""

    lonlat: NDArray[np.float64]

    @property
    def ids(self) -> Sequence[str]:
        """Identifiers, unique."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def target(self, name: str) -> NDArray[Any]:
        """Raise ``KeyError``: triplets have no labels."""
        ...


class TripletSource(DataSource, Protocol):
    """Triplets, what they deliver, and what was wrong with the others."""

    delivers: tuple[Input, ...]
    report: RowReport

    def split(self, name: str) -> TripletSplit:
        """Return the split ``"pretrain"``."""
        ...
