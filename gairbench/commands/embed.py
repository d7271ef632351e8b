"""What ``gairbench embed`` does, apart from parsing its options."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gairbench.embed_table.parts import already_there, check_parts, finish, run_identity, write_parts
from gairbench.embed_table.reader import SampleReader
from gairbench.embed_table.request import EmbedRequest
from gairbench.embed_table.views import check_photo_units, overhead_unit, wanted_views
from gairbench.environment import choose_device
from gairbench.errors import UsageError
from gairbench.files.rows import BBOX, InputTable, Names, find_columns
from gairbench.selection import split_names, unknown
from gairbench.storage import write_atomically
from gairbench.weights.hub import fetch_missing, weights_file
from gairbench.weights.loading import choose_preset, load_model

if TYPE_CHECKING:
    from gairbench.plugins import Registry
    from gairbench.progress import Progress


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
    views = wanted_views(request, spec, preset, table, progress)
    unit = overhead_unit(request, views)
    check_photo_units(preset, views)

    rows = table.count()
    device = choose_device(request.device)
    loaded = load_model(spec, preset=request.preset, checkpoint=request.checkpoint, seed=request.seed, device=device)
    identity = run_identity(request, spec, loaded, table, views)
    if request.fresh:
        shutil.rmtree(request.parts, ignore_errors=True)
    elif request.parts.exists():
        # An --out beside them is one that an earlier call with --fresh was told to replace.
        check_parts(request, identity)
    elif request.out.exists():
        return already_there(request, identity, progress)
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
        parts = write_parts(request, table, reader, loaded, views, device, rows, step)
    return finish(request, identity, parts, views, rows, progress)
