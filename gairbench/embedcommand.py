"""``gairbench embed``: a table of images and places in, a GeoParquet file of embeddings out."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gairbench.conversion import CONVERSION_VERSION, make_converter
from gairbench.digests import digest, file_sha256
from gairbench.embedding import BATCH, EMBEDDING_VERSION, encode_batch, first_not_finite, prefetched
from gairbench.embedinput import (
    BBOX,
    BadRow,
    Batch,
    InputTable,
    Names,
    Rows,
    SampleReader,
    describe_overhead,
    find_columns,
)
from gairbench.environment import choose_device, versions
from gairbench.errors import DataError, StorageError, UsageError
from gairbench.geoparquet import join_parts, part_about, write_part
from gairbench.hub import fetch_missing, weights_file
from gairbench.loading import LoadedModel, choose_preset, load_model
from gairbench.selection import split_names, unknown
from gairbench.spec import RGB, VIEW_MODALITY, ImageInput, Modality, ModelSpec, Preset, Unit, View
from gairbench.storage import write_atomically

if TYPE_CHECKING:
    import torch

    from gairbench.plugins import Registry
    from gairbench.progress import Progress, Step

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


def run_embed(
    *,
    columns: tuple[str | None, ...],
    bbox_columns: str | None,
    rs_bands: Sequence[str] | None,
    on_error: str,
    **settings: Any,
) -> int:
    """Carry out ``gairbench embed`` as its options say; the others are those of :class:`EmbedRequest`.

    Args:
        columns: ``--id-column``, ``--lon-column``, ``--lat-column``, ``--rs-column``, ``--sv-column``.
        bbox_columns: ``--bbox-columns``.
        rs_bands: ``--rs-bands``.
        on_error: ``--on-error``.
        settings: The rest.

    Returns:
        The exit status.

    Raises:
        GairbenchError: As for :func:`embed_command`.
    """
    from rich.console import Console

    from gairbench.plugins import load_registry
    from gairbench.progress import Progress

    if on_error not in {"stop", "skip"}:
        raise unknown("--on-error", on_error, ["stop", "skip"])
    bbox = None if bbox_columns is None else tuple(split_names([bbox_columns]))
    if bbox is not None and len(bbox) != len(BBOX):
        raise UsageError(f"--bbox-columns names {len(bbox)} columns", f"name four: {','.join(BBOX)}")
    identifier, lon, lat, rs, sv = columns
    request = EmbedRequest(
        names=Names(id=identifier, lon=lon, lat=lat, rs=rs, sv=sv, bbox=bbox),
        rs_bands=split_names(rs_bands) if rs_bands else None,
        skip_errors=on_error == "skip",
        command=shlex.join(["gairbench", *sys.argv[1:]]),
        **settings,
    )
    return embed_command(request, load_registry(), Progress(Console(stderr=True)))


def embed_command(request: EmbedRequest, registry: Registry, progress: Progress) -> int:
    """Carry out ``gairbench embed``.

    Args:
        request: What is asked for.
        registry: What is installed.
        progress: Where to show it.

    Returns:
        The exit status: 0 every row was embedded, 1 some were left out.

    Raises:
        UsageError: What is asked for does not exist or is not possible.
        DataError: The table or an image is broken.
        StorageError: There is a file of another call, or nothing can be written.
        GairbenchError: The model cannot be loaded or its inputs cannot be made.
    """
    if request.model not in registry.models:
        raise unknown("model", request.model, registry.models)
    spec = registry.models[request.model]
    if request.preset is not None and request.preset not in {p.name for p in spec.presets}:
        raise unknown(f"preset of model {spec.name!r}", request.preset, [p.name for p in spec.presets])
    if request.out.suffix.lower() != ".parquet":
        raise UsageError(f"--out {request.out} does not end in .parquet", "the file is GeoParquet; name it so")
    if request.out.is_file() and request.out.resolve() == request.table.resolve():
        raise UsageError(f"--out {request.out} is the input table", "name another file")
    columns = find_columns(request.table, request.names)
    table = InputTable(
        path=request.table, root=request.root or request.table.parent, columns=columns, skip=request.skip_errors
    )
    if request.download:
        fetch_missing(spec, request.checkpoint)
    preset = choose_preset(spec, request.preset, weights_file(spec, request.checkpoint))
    views = _views(request, spec, preset, table, progress)
    unit = _unit(request, views)
    _check_photo_units(preset, views)

    rows = table.count()
    device = choose_device(request.device)
    loaded = load_model(spec, preset=request.preset, checkpoint=request.checkpoint, seed=request.seed, device=device)
    identity = _identity(request, spec, loaded, table, views)
    if request.fresh:
        shutil.rmtree(request.parts, ignore_errors=True)
    elif request.parts.exists():
        # An --out beside them is one that an earlier call with --fresh was told to replace.
        _check_parts(request, identity)
    elif request.out.exists():
        return _already_there(request, identity, progress)
    request.errors.unlink(missing_ok=True)
    write_atomically(request.parts / "manifest.json", json.dumps(identity, indent=1, sort_keys=True).encode())

    reader = SampleReader(
        table,
        {wanted.modality: wanted for wanted in preset.inputs},
        views,
        unit,
        request.rs_bands,
        pinned=device.type == "cuda",
    )
    with progress.step(f"embed {request.table.name} with {spec.name} ({preset.name})") as step:
        parts = _write_parts(request, table, reader, loaded, views, device, rows, step)
    return _finish(request, identity, parts, views, rows, progress)


def _views(request: EmbedRequest, spec: ModelSpec, preset: Preset, table: InputTable, progress: Progress) -> list[View]:
    """Return what is computed, in the order of the columns, and tell what is not and why."""
    reasons = {view: _why_not(view, spec, preset, table, request) for view in View}
    if request.views is None:
        possible: list[View] = [view for view in View if not reasons[view] and view is not View.RS_TOKENS]
        left_out = [f"no {view.name.lower()}: {reason}" for view, reason in reasons.items() if reason]
        if not possible:
            raise UsageError(
                f"{spec.name} can embed nothing of {table.path}: {'; '.join(left_out)}",
                "name the columns with --rs-column, --sv-column, --lon-column and --lat-column",
            )
        progress.say(f"views: {', '.join(view.name.lower() for view in possible)}")
        for line in left_out:
            progress.say(f"  {line}")
        return possible
    chosen = set()
    for name in split_names(request.views):
        view = SHORT.get(name) or next((view for view in View if view.value == name), None)
        if view is None:
            raise unknown("view", name, SHORT)
        if reasons[view]:
            raise UsageError(f"view {name!r} is not possible: {reasons[view]}", "leave it out, or mend that")
        chosen.add(view)
    if not chosen:
        raise UsageError("--views names none", f"there are: {', '.join(SHORT)}")
    return [view for view in View if view in chosen]


def _why_not(view: View, spec: ModelSpec, preset: Preset, table: InputTable, request: EmbedRequest) -> str:
    """Return why a view cannot be computed; empty if it can."""
    modality, columns = VIEW_MODALITY[view], table.columns
    if modality not in {wanted.modality for wanted in preset.inputs}:
        return f"{spec.name} has no {modality} encoder"
    if view not in {View.RS, View.SV, View.LOCATION} and view not in spec.views:
        return f"{spec.name} has no {view.value}"
    if modality is Modality.RS and not columns.rs:
        return "the table has no column 'rs' (--rs-column)"
    if modality is Modality.SV and not columns.sv:
        return "the table has no column 'sv' (--sv-column)"
    if (modality is Modality.LOCATION or view is View.RS_QUERY) and not columns.lonlat:
        return "the table has no columns 'lon' and 'lat' (--lon-column, --lat-column)"
    if view is View.RS_QUERY and not columns.bbox and not _first_is_placed(table, request):
        return f"the table has no columns {', '.join(BBOX)} (--bbox-columns), and its first image no georeference"
    return ""


def _first_is_placed(table: InputTable, request: EmbedRequest) -> bool:
    first = next(table.chunks(1), None)
    if first is None or not first.rs:
        return False
    try:
        return describe_overhead(first.rs[0], request.rs_bands, placed=True)[2] is not None
    except DataError:
        # Told when its row is read, or passed over if that was asked for.
        return True


def _unit(request: EmbedRequest, views: Sequence[View]) -> Unit | None:
    if request.rs_unit is not None and request.rs_unit not in {*Unit}:
        raise unknown("--rs-unit", request.rs_unit, [*Unit])
    if not any(VIEW_MODALITY[view] is Modality.RS for view in views):
        return None
    if request.rs_unit is None:
        raise UsageError(
            "overhead images are embedded, and nobody said what their values mean",
            f"add --rs-unit {', '.join(Unit)}, or leave rs out with --views",
        )
    return Unit(request.rs_unit)


def _check_photo_units(preset: Preset, views: Sequence[View]) -> None:
    """Find out before anything is read that photos cannot become what the model takes."""
    for wanted in preset.inputs:
        if wanted.modality is Modality.SV and any(VIEW_MODALITY[view] is Modality.SV for view in views):
            make_converter(ImageInput(modality=Modality.SV, bands=RGB, unit=Unit.UINT8), wanted)


def _identity(
    request: EmbedRequest, spec: ModelSpec, loaded: LoadedModel, table: InputTable, views: Sequence[View]
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
        "input": file_sha256(table.path),
        "root": str(table.root.resolve()),
        "columns": {
            "id": columns.id,
            "lonlat": list(columns.lonlat),
            "rs": columns.rs,
            "sv": columns.sv,
            "bbox": list(columns.bbox),
        },
        "views": [view.name.lower() for view in views],
        "rs unit": request.rs_unit or "",
        "rs bands": list(request.rs_bands or ()),
        "model inputs": wanted,
        "rows with errors": "skip" if request.skip_errors else "stop",
        "format": [CONVERSION_VERSION, EMBEDDING_VERSION, PART_ROWS],
        "packages": versions(),
    }
    return about


def _difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    return ", ".join(name for name in ours if ours[name] != theirs.get(name))


def _already_there(request: EmbedRequest, identity: dict[str, Any], progress: Progress) -> int:
    about = part_about(request.out)
    different = _difference(identity, about.get("identity", {}))
    if different:
        raise StorageError(
            f"{request.out} exists and was made with other settings ({different})",
            "name another --out, or add --fresh to replace it",
        )
    progress.say(f"{request.out} is there already; nothing to do")
    return 1 if about["rows left out"] else 0


def _check_parts(request: EmbedRequest, identity: dict[str, Any]) -> None:
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


def _write_parts(
    request: EmbedRequest,
    table: InputTable,
    reader: SampleReader,
    loaded: LoadedModel,
    views: Sequence[View],
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


def _batches(table: InputTable, reader: SampleReader, start: int) -> Iterator[tuple[Batch, bool]]:
    """Yield batches, and whether each ends its part; they are read ahead, across parts too."""

    def read(rows: Rows, low: int, ends: bool) -> tuple[Batch, bool]:
        batch = reader(rows, low, min(low + BATCH, len(rows)))
        if ends:
            batch.bad.extend(rows.bad)
        return batch, ends

    def jobs() -> Iterator[partial[tuple[Batch, bool]]]:
        for rows in table.chunks(PART_ROWS, start):
            lows = range(0, max(1, len(rows)), BATCH)
            for low in lows:
                yield partial(read, rows, low, low == lows[-1])

    yield from prefetched(jobs())


def _encode(
    model: object, batch: Batch, views: Sequence[View], device: torch.device, *, skip: bool
) -> dict[str, NDArray[np.float32]]:
    """Compute all views of a batch; rows that come out as no numbers are moved to the bad ones."""
    if not batch.ids:
        return {}
    values = {view.name.lower(): encode_batch(model, view, batch.inputs[view], device) for view in views}
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
    batch.bad.extend(BadRow(batch.lines[row], batch.ids[row], reason) for row, reason in sorted(reasons.items()))
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

    def add(self, batch: Batch, values: dict[str, NDArray[np.float32]]) -> None:
        self.ids += batch.ids
        self.bad += batch.bad
        if batch.lonlat is not None:
            self.lonlat.append(batch.lonlat)
        for name, array in values.items():
            self.values.setdefault(name, []).append(array)

    def write(self, path: Path, conversions: dict[str, Any]) -> None:
        embeddings = {name: np.concatenate(arrays) for name, arrays in self.values.items()}
        bad = [[row.where, row.id, row.reason] for row in sorted(self.bad, key=lambda row: row.where)]
        shapes = {name: list(array.shape[1:]) for name, array in embeddings.items()}
        lonlat = np.concatenate(self.lonlat) if self.lonlat else None
        write_part(path, self.ids, lonlat, embeddings, {"bad": bad, "conversion": conversions, "shapes": shapes})


def _finish(
    request: EmbedRequest,
    identity: dict[str, Any],
    parts: Sequence[Path],
    views: Sequence[View],
    rows: int,
    progress: Progress,
) -> int:
    """Make one file of the parts, list what was left out, and remove the parts."""
    abouts = [part_about(part) for part in parts]
    bad = [row for about in abouts for row in about["bad"]]
    if bad:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["row" if request.table.suffix.lower() == ".parquet" else "line", "id", "reason"])
        writer.writerows(bad)
        write_atomically(request.errors, text.getvalue().encode())
    shapes = next((about["shapes"] for about in abouts if about["shapes"]), None)
    if shapes is None:
        shutil.rmtree(request.parts, ignore_errors=True)
        raise DataError(f"none of the {rows} rows could be embedded", f"the reasons are in {request.errors}")
    conversions: dict[str, list[Any]] = {}
    for about in abouts:
        for modality, ways in about["conversion"].items():
            known = conversions.setdefault(modality, [])
            known += [way for way in ways if way not in known]
    provenance = {
        "identity": identity,
        "command": request.command,
        "input file": request.table.name,
        "columns": {view.name.lower(): {"view": view.value, "shape": shapes[view.name.lower()]} for view in views},
        "conversion": conversions,
        "rows": rows,
        "rows left out": len(bad),
    }
    join_parts(parts, request.out, provenance)
    shutil.rmtree(request.parts, ignore_errors=True)
    progress.say(f"{rows - len(bad)} of {rows} rows in {request.out}")
    if bad:
        progress.say(f"{len(bad)} rows were left out; the reasons are in {request.errors}")
    return 1 if bad else 0
