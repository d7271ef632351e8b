"""What ``gairbench embed`` does, apart from parsing its options."""

from __future__ import annotations

import json
import shutil
from functools import partial

from rich.console import Console

from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.options import (
    check_checkpoint,
    check_device_name,
    check_readable,
    check_writable,
    find_model,
    model_weights,
    rendering_of,
)
from gairbench.commands.outcomes import EmbeddedTable
from gairbench.embed_table.request import EmbedRequest
from gairbench.errors import UsageError
from gairbench.isolation import Isolated
from gairbench.plugins import Registry, load_registry
from gairbench.progress import Progress
from gairbench.selection import unknown
from gairbench.spec import ModelSpec, Preset
from gairbench.weights.origin import Weights


def embed_command(request: EmbedRequest) -> int:
    """Carry out ``gairbench embed``.

    Returns:
        The exit status: 0 every row was embedded, 1 some were left out.

    Raises:
        GairbenchError: As for :func:`embed_table`.
    """
    embedded = embed_table(request, load_registry(), Progress(Console(stderr=True)))
    return 0 if embedded.errors is None else 1


def embed_table(request: EmbedRequest, registry: Registry, progress: Progress) -> EmbeddedTable:
    """Embed the images and places of a table into a GeoParquet file.

    Args:
        request: What is asked for.
        registry: What is installed.
        progress: Where to show it.

    Returns:
        The file.

    Raises:
        UsageError: What is asked for does not exist or is not possible.
        DataError: The table or an image is broken.
        StorageError: There is a file of another call, or nothing can be written.
        GairbenchError: The model cannot be loaded or its inputs cannot be made.
    """
    with if_interrupted(partial(_what_is_safe, request)):
        spec = _checked(request, registry)
        preset, weights = model_weights(
            spec,
            registry,
            preset=request.preset,
            checkpoint=request.checkpoint,
            seed=request.seed,
            download=request.download,
        )
        from gairbench.locks import exclusive, lock_beside

        # Two calls would write parts of one name, and one file would hold embeddings of both.
        with exclusive(
            lock_beside(request.out),
            taken=f"another process embeds into {request.out}",
            hint="wait until it has finished, or choose another --out",
        ):
            return _embed(request, spec, preset, weights, progress)


def _what_is_safe(request: EmbedRequest) -> str:
    if not request.parts.exists():
        return f"{request.out} is whole or was not written; run the same command again"
    again = ", without --fresh," if request.fresh else ""
    return f"finished parts are kept in {request.parts}; run the same command again{again} to continue"


def _embed(
    request: EmbedRequest, spec: ModelSpec, preset: Preset, weights: Weights, progress: Progress
) -> EmbeddedTable:
    from gairbench.embed_table.parts import already_there, check_parts, finish, has_parts, run_identity, write_parts
    from gairbench.embed_table.reader import SampleReader
    from gairbench.embed_table.views import check_photo_units, overhead_unit, wanted_columns, wanted_views
    from gairbench.environment import choose_device
    from gairbench.files.rows import open_rows
    from gairbench.storage import write_atomically
    from gairbench.weights.loading import load_model, model_name

    table = open_rows(
        request.input,
        request.column,
        root=request.root,
        skip=request.on_error == "skip",
        follow_links=request.follow_links,
    )
    rendering = rendering_of(request.rs_rendering)
    views = wanted_views(request, spec, preset, table, progress, rendering)
    unit = overhead_unit(request, preset, views.values())
    check_photo_units(preset, views.values())
    table = wanted_columns(table, preset, views.values())

    rows = table.count()
    device = choose_device(request.device)
    loaded = load_model(spec, weights, preset=preset, seed=request.seed, device=device)
    identity = run_identity(request, spec, loaded, table, views)
    if request.fresh or not has_parts(request):
        # What a call left that failed before its first part must not stand in the way of a corrected one.
        shutil.rmtree(request.parts, ignore_errors=True)
    if request.parts.exists():
        # An --out beside them is one that an earlier call with --fresh was to replace.
        check_parts(request, identity)
    elif request.out.exists() and not request.fresh:
        return _outcome(request, already_there(request, identity, progress))
    request.errors.unlink(missing_ok=True)
    write_atomically(request.parts / "manifest.json", json.dumps(identity, indent=1, sort_keys=True).encode())

    reader = SampleReader(
        table,
        preset,
        [*views.values()],
        unit,
        request.rs_bands,
        rs_rendering=rendering,
        missing_pixels=request.missing_pixels,
        pinned=device.type == "cuda",
    )
    try:
        label = f"embed {request.input.name} with {spec.name} ({preset.name})"
        with progress.step(label) as step, Isolated(model_name(spec)):
            parts = write_parts(request, table, reader, loaded, views, device, rows, step)
    finally:
        if not has_parts(request):
            shutil.rmtree(request.parts, ignore_errors=True)
    return _outcome(request, finish(request, identity, parts, views, table.report(rows), progress))


def _outcome(request: EmbedRequest, status: int) -> EmbeddedTable:
    return EmbeddedTable(request.out, request.errors if status else None)


def _checked(request: EmbedRequest, registry: Registry) -> ModelSpec:
    """Return the model; every name and path is checked, before anything heavy is imported."""
    spec = find_model(request.model, registry, request.preset)
    if request.out.suffix.lower() != ".parquet":
        raise UsageError(f"--out {request.out} does not end in .parquet", "the file is GeoParquet; name it so")
    check_readable("input", request.input)
    if request.out.is_file() and request.out.resolve() == request.input.resolve():
        raise UsageError(f"--out {request.out} is the input table", "name another file")
    check_writable("out", request.out.parent)
    known = list(dict.fromkeys(preset.view_name(offer) for preset in spec.presets for offer in preset.offered()))
    for name in request.views or ():
        if name not in known:
            raise unknown("view", name, known, of=f"of model {spec.name!r}")
    check_checkpoint(request.checkpoint)
    check_device_name(request.device)
    rendering_of(request.rs_rendering)
    return spec
