"""``gairbench embed``: a table of images and places in, a GeoParquet file of embeddings out."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import CONVERSION_VERSION
from gairbench.digests import digest
from gairbench.embed_table.geoparquet import join_parts, part_about, write_part
from gairbench.embed_table.reader import ReadRows, SampleReader
from gairbench.embed_table.request import EmbedRequest
from gairbench.embedding import BATCH, EMBEDDING_VERSION, encode_batch, first_not_finite, prefetched
from gairbench.environment import versions
from gairbench.errors import DataError, StorageError
from gairbench.files.badrows import BadRow, ProblemKind, RowReport
from gairbench.files.formats import table_sha256
from gairbench.files.missing_pixels import Fills
from gairbench.files.rows import InputTable, Rows
from gairbench.representation import Representation
from gairbench.spec import ModelSpec
from gairbench.storage import write_atomically
from gairbench.weights.loading import LoadedModel

if TYPE_CHECKING:
    import torch

    from gairbench.progress import Progress, Step

PART_ROWS = 8 * BATCH
"""Rows that one part covers: what a kill can cost, and a row group of the file. Whole batches, so that a run that was
continued computes the same ones."""


def run_identity(
    request: EmbedRequest, spec: ModelSpec, loaded: LoadedModel, table: InputTable, views: Mapping[str, Representation]
) -> dict[str, Any]:
    """Return everything that can change a value but the images' own content."""
    columns = table.columns
    wanted = {str(i.modality): digest(wanted=i) for i in loaded.preset.inputs}
    about: dict[str, Any] = {
        "model": spec.name,
        "model version": spec.version,
        "preset": loaded.preset.name,
        "checkpoint": loaded.identity,
        "weights": loaded.weights,
        "input": table_sha256(table.path),
        "root": str(table.root.resolve()),
        "columns": {
            "id": columns.id,
            "lonlat": list(columns.lonlat),
            "rs": columns.rs,
            "sv": columns.sv,
            "bbox": list(columns.bbox),
        },
        "views": list(views),
        "rs unit": request.rs_unit or "",
        "rs bands": list(request.rs_bands or ()),
        "rs rendering": dict(request.rs_rendering),
        "missing pixels": request.missing_pixels,
        "model inputs": wanted,
        "rows with errors": request.on_error,
        "format": [CONVERSION_VERSION, EMBEDDING_VERSION, PART_ROWS],
        "packages": versions(),
    }
    return about


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    return ", ".join(name for name in ours if ours[name] != theirs.get(name))


def already_there(request: EmbedRequest, identity: dict[str, Any], progress: Progress) -> int:
    """Return the exit status of a call whose file exists already.

    Raises:
        StorageError: The file was made with other settings, or cannot be read.
    """
    about = part_about(request.out)
    different = _difference(identity, about.get("identity", {}))
    if different:
        raise StorageError(
            f"{request.out} exists and was made with other settings ({different})",
            "name another --out, or add --fresh to replace it",
        )
    progress.say(f"{request.out} is there already; nothing to do")
    return 1 if about["rows left out"] else 0


def has_parts(request: EmbedRequest) -> bool:
    """Return whether an earlier call has finished a part."""
    return any(request.parts.glob("*.parquet"))


def check_parts(request: EmbedRequest, identity: dict[str, Any]) -> None:
    """Refuse to continue parts that another call began.

    Raises:
        StorageError: Their settings differ, or they do not say what they are.
    """
    manifest = request.parts / "manifest.json"
    try:
        theirs = json.loads(manifest.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StorageError(f"{request.parts} holds no readable manifest", "add --fresh to begin anew") from error
    if different := _difference(identity, theirs):
        raise StorageError(
            f"{request.parts} was begun with other settings ({different})",
            "repeat the earlier call to continue it, or add --fresh to begin anew",
        )


def write_parts(
    request: EmbedRequest,
    table: InputTable,
    reader: SampleReader,
    loaded: LoadedModel,
    views: Mapping[str, Representation],
    device: torch.device,
    rows: int,
    step: Step,
) -> list[Path]:
    """Compute the parts that are not there yet; return all of them."""
    parts = [request.parts / f"{number:06d}.parquet" for number in range(-(-rows // PART_ROWS))]
    done = next((number for number, part in enumerate(parts) if not part.exists()), len(parts))
    covered = min(done * PART_ROWS, rows)
    if covered:
        step(covered, rows, "continued")
    # Loading goes on while a part is written; one part at most waits in memory.
    with ThreadPoolExecutor(1, thread_name_prefix="gairbench-write") as pool:
        writing: Future[None] | None = None
        collected = _Part()
        for batch, ends in _batches(table, reader, covered):
            collected.add(batch, _encode(loaded.model, batch, views, device, skip=table.skip))
            covered += len(batch.ids) + len(batch.bad)
            step(covered, rows)
            if ends:
                if writing is not None:
                    writing.result()
                conversions = reader.conversions()
                writing = pool.submit(collected.write, parts[done], conversions)
                collected, done = _Part(), done + 1
        if writing is not None:
            writing.result()
    return parts


def _batches(table: InputTable, reader: SampleReader, start: int) -> Iterator[tuple[ReadRows, bool]]:
    """Yield batches, and whether each ends its part; they are read ahead, across parts too."""

    def read(rows: Rows, low: int, ends: bool) -> tuple[ReadRows, bool]:
        batch = reader(rows, low, min(low + BATCH, len(rows)))
        if ends:
            batch.bad.extend(rows.bad)
        return batch, ends

    def jobs() -> Iterator[partial[tuple[ReadRows, bool]]]:
        for rows in table.chunks(PART_ROWS, start):
            lows = range(0, max(1, len(rows)), BATCH)
            for low in lows:
                yield partial(read, rows, low, low == lows[-1])

    yield from prefetched(jobs())


def _encode(
    model: object, batch: ReadRows, views: Mapping[str, Representation], device: torch.device, *, skip: bool
) -> dict[str, NDArray[np.float32]]:
    """Compute all views of a batch; rows that come out as no numbers are moved to the bad ones."""
    if not batch.ids:
        return {}
    values = {name: encode_batch(model, view, batch.inputs[view.of], device) for name, view in views.items()}
    bad: dict[int, str] = {}
    for name, array in values.items():
        if first_not_finite(array) is None:
            continue
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        bad.update(dict.fromkeys(np.flatnonzero(~finite).tolist(), name))
    if not bad:
        return values
    reasons = {row: f"its {name} embedding is not finite" for row, name in bad.items()}
    if not skip:
        row, reason = next(iter(sorted(reasons.items())))
        raise DataError(f"sample {batch.ids[row]!r}: {reason}", "look at that sample's values")
    keep = np.array([row not in bad for row in range(len(batch.ids))])
    batch.bad.extend(
        BadRow(batch.lines[row], batch.ids[row], ProblemKind.EMBEDDING, reason)
        for row, reason in sorted(reasons.items())
    )
    batch.ids = [name for name, kept in zip(batch.ids, keep, strict=True) if kept]
    batch.lines = [line for line, kept in zip(batch.lines, keep, strict=True) if kept]
    batch.lonlat = None if batch.lonlat is None else batch.lonlat[keep]
    return {name: array[keep] for name, array in values.items()}


class _Part:
    """The batches of one part."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.lonlat: list[NDArray[np.float64]] = []
        self.values: dict[str, list[NDArray[np.float32]]] = {}
        self.bad: list[BadRow] = []
        self.filled = Fills()

    def add(self, batch: ReadRows, values: dict[str, NDArray[np.float32]]) -> None:
        self.ids += batch.ids
        self.bad += batch.bad
        self.filled.merge(batch.filled)
        if batch.lonlat is not None:
            self.lonlat.append(batch.lonlat)
        for name, array in values.items():
            self.values.setdefault(name, []).append(array)

    def write(self, path: Path, conversions: dict[str, Any]) -> None:
        embeddings = {name: np.concatenate(arrays) for name, arrays in self.values.items()}
        bad = [astuple(row) for row in sorted(self.bad, key=lambda row: row.where)]
        shapes = {name: list(array.shape[1:]) for name, array in embeddings.items()}
        lonlat = np.concatenate(self.lonlat) if self.lonlat else None
        unplaced = 0 if lonlat is None else int(np.isnan(lonlat).any(axis=1).sum())
        about = {"bad": bad, "unplaced": unplaced, "conversion": conversions, "shapes": shapes}
        about["filled"] = [self.filled.images, self.filled.largest]
        write_part(path, self.ids, lonlat, embeddings, about)


def finish(
    request: EmbedRequest,
    identity: dict[str, Any],
    parts: Sequence[Path],
    views: Mapping[str, Representation],
    report: RowReport,
    progress: Progress,
) -> int:
    """Make one file of the parts, list what was left out, and remove the parts."""
    abouts = [part_about(part) for part in parts]
    report.bad = [
        BadRow(where, name, ProblemKind(kind), reason) for about in abouts for where, name, kind, reason in about["bad"]
    ]
    if report.bad:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([report.row_word, "id", "reason", "kind"])
        writer.writerows([row.where, row.id, row.reason, row.kind] for row in report.bad)
        write_atomically(request.errors, text.getvalue().encode())
    shapes = next((about["shapes"] for about in abouts if about["shapes"]), None)
    if shapes is None:
        shutil.rmtree(request.parts, ignore_errors=True)
        raise DataError(f"none of the {report.rows} rows could be embedded", f"the reasons are in {request.errors}")
    conversions: dict[str, list[Any]] = {}
    for about in abouts:
        for modality, ways in about["conversion"].items():
            known = conversions.setdefault(modality, [])
            known += [way for way in ways if way not in known]
    filled = Fills()
    for about in abouts:
        filled.merge(Fills(*about["filled"]))
    provenance = {
        "filled images": {"images": filled.images, "largest share": filled.largest},
        "identity": identity,
        "command": request.command,
        "input file": request.input.name,
        "columns": {name: {"view": str(view), "shape": shapes[name]} for name, view in views.items()},
        "conversion": conversions,
        "rows": report.rows,
        "rows left out": report.total,
    }
    join_parts(parts, request.out, provenance)
    shutil.rmtree(request.parts, ignore_errors=True)
    progress.say(f"{report.rows - report.total} of {report.rows} rows in {request.out}")
    if unplaced := sum(about["unplaced"] for about in abouts):
        progress.say(f"{unplaced} of them have no usable coordinates, which no view needs: their geometry is null")
    if filled.images:
        progress.say(filled.sentence())
    if report.bad:
        progress.say(report.render())
        progress.say(f"{report.total} rows were left out; the reasons are in {request.errors}")
    return 1 if report.bad else 0
