"""What a model can compute for a table, and why not the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gairbench.conversion import make_converter
from gairbench.embed_table.request import EmbedRequest
from gairbench.errors import DataError, InputMismatchError, UsageError
from gairbench.feeding import feed_for
from gairbench.files.geometry import BBOX
from gairbench.files.overhead import check_bands, read_place
from gairbench.files.rows import Columns, InputTable
from gairbench.inputs import RGB, ImageInput, LocationInput, Modality, Rendering, Unit
from gairbench.representation import Representation
from gairbench.selection import unknown
from gairbench.spec import ModelSpec, Preset

if TYPE_CHECKING:
    from gairbench.progress import Progress


FIRST_ROWS = 64
"""Rows that are read at a time until one has an image."""


PHOTO = ImageInput(modality=Modality.SV, bands=RGB, unit=Unit.UINT8, masked=True)
"""What the photos of a table are."""


def overhead_input(bands: tuple[str, ...], unit: Unit | None, rendering: Rendering | None) -> ImageInput:
    """Return what an overhead image of a table is."""
    return ImageInput(modality=Modality.RS, bands=bands, unit=unit, rendering=rendering, masked=True)


def modality_of(preset: Preset, view: Representation) -> Modality:
    """Return the modality that a representation is computed from."""
    return preset.input(view.of[0]).modality


def wanted_views(
    request: EmbedRequest,
    spec: ModelSpec,
    preset: Preset,
    table: InputTable,
    progress: Progress,
    rendering: Rendering | None = None,
) -> dict[str, Representation]:
    """Return what is computed, by its name, in the order of the columns, and report what is not and why."""
    offered = _of_one_set(request, preset, table, rendering)
    names = {preset.view_name(view): view for view in offered}
    if request.views is None:
        names = _own_readouts(names)
    reasons = {name: _why_not(view, spec, preset, table) for name, view in names.items()}
    if request.views is None:
        possible = {name: view for name, view in names.items() if not reasons[name] and view.form != "tokens"}
        left_out = [f"no {name}: {reason}" for name, reason in reasons.items() if reason]
        if not possible:
            raise UsageError(
                f"{spec.name} can embed nothing of {table.path}: {'; '.join(left_out)}",
                "name the columns with --column rs=COLUMN, and likewise sv, lon and lat",
            )
        progress.say(f"views: {', '.join(possible)}")
        for line in left_out:
            progress.say(f"  {line}")
        return possible
    chosen = set()
    for name in request.views:
        if name not in names:
            raise unknown("view", name, names, of=f"of {spec.name} ({preset.name})")
        if reasons[name]:
            raise UsageError(f"view {name!r} is not possible: {reasons[name]}", "leave it out, or fix that")
        chosen.add(name)
    if not chosen:
        raise UsageError("--views names none", f"there are: {', '.join(names)}")
    return {name: view for name, view in names.items() if name in chosen}


def _own_readouts(names: Mapping[str, Representation]) -> dict[str, Representation]:
    """Return what is computed where no views are named: of every kind the first, not all poolings and layers."""
    first: dict[tuple[object, ...], str] = {}
    for name, view in names.items():
        if not view.layers:
            first.setdefault((view.form, view.of, view.projected), name)
    return {name: names[name] for name in first.values()}


def _of_one_set(
    request: EmbedRequest, preset: Preset, table: InputTable, rendering: Rendering | None
) -> list[Representation]:
    """Return what is offered, of overhead images only for the first set of inputs that the table's images can serve."""
    forms = ("pooled", "tokens", "query")
    offered = sorted(
        preset.offered(),
        key=lambda view: (list(Modality).index(modality_of(preset, view)), view.projected, forms.index(view.form)),
    )
    sets = preset.accepted(Modality.RS)
    chosen = sets[0] if sets else ()
    first = _first_image(table) if len(sets) > 1 and table.columns.rs and request.rs_unit is not None else None
    if first is not None:
        chosen = _served_by(first, request, preset, sets, rendering) or chosen
    return [view for view in offered if view.of == chosen or modality_of(preset, view) is not Modality.RS]


def _served_by(
    path: Path,
    request: EmbedRequest,
    preset: Preset,
    sets: Sequence[tuple[str, ...]],
    rendering: Rendering | None,
) -> tuple[str, ...] | None:
    try:
        bands = check_bands(path, request.rs_bands)
    except DataError:
        # Reported when its row is read, or passed over if that was asked for.
        return None
    image = overhead_input(bands, request.rs_unit, rendering)
    for one in sets:
        try:
            feed_for(preset, Representation("pooled", one), [image], [image, LocationInput()])
        except InputMismatchError:
            continue
        return one
    return None


def _why_not(view: Representation, spec: ModelSpec, preset: Preset, table: InputTable) -> str:
    """Return why a representation cannot be computed; empty if it can."""
    modality, columns = modality_of(preset, view), table.columns
    if modality is Modality.RS and not columns.rs:
        return "the table has no column 'rs' (--column rs=COLUMN)"
    if modality is Modality.SV and not columns.sv:
        return "the table has no column 'sv' (--column sv=COLUMN)"
    if (modality is Modality.LOCATION or view.form == "query" or "lonlat" in preset.needs) and not columns.lonlat:
        note = table.file.geometry_note or "--column lon=COLUMN --column lat=COLUMN"
        return f"the table has no columns 'lon' and 'lat' ({note})"
    if "dates" in preset.needs and modality is not Modality.LOCATION:
        return f"{spec.name} needs dates, which a table does not state"
    if view.form == "query" and not columns.bbox and not _first_is_placed(table):
        return f"the table has no columns {', '.join(BBOX)} (--column), and its first image no georeference"
    return ""


def _first_image(table: InputTable) -> Path | None:
    images = replace(table.wanting(Columns(rs=table.columns.rs)), skip=True)
    return next((rows.rs[0] for rows in images.chunks(FIRST_ROWS) if rows.rs), None)


def _first_is_placed(table: InputTable) -> bool:
    """Return whether the first image that is there has a georeference; without any, its rows say what is wrong."""
    first = _first_image(table)
    if first is None:
        return True
    try:
        return read_place(first) is not None
    except DataError:
        # Reported when its row is read, or passed over if that was asked for.
        return True


def wanted_columns(table: InputTable, preset: Preset, views: Iterable[Representation]) -> InputTable:
    """Return the table with the columns wanted that views are computed from; cells of others may be anything.

    Coordinates that no view needs are passed on all the same, where a row has them.
    """
    views = list(views)
    there, modalities = table.columns, {modality_of(preset, view) for view in views}
    point = any(view.form == "query" for view in views)
    needed = point or Modality.LOCATION in modalities or "lonlat" in preset.needs
    columns = Columns(
        id=there.id,
        lonlat=there.lonlat,
        rs=there.rs if Modality.RS in modalities else "",
        sv=there.sv if Modality.SV in modalities else "",
        bbox=there.bbox if point else (),
    )
    return table.wanting(columns, place_optional=not needed)


def overhead_unit(request: EmbedRequest, preset: Preset, views: Iterable[Representation]) -> Unit | None:
    """Return the unit of the overhead images, or ``None`` if no view needs them.

    Raises:
        UsageError: It is needed and missing.
    """
    if not any(modality_of(preset, view) is Modality.RS for view in views):
        return None
    if request.rs_unit is None:
        raise UsageError(
            "the unit of the overhead images is missing",
            f"add --rs-unit {', '.join(Unit)}, or leave rs out with --views",
        )
    return request.rs_unit


def check_photo_units(preset: Preset, views: Iterable[Representation]) -> None:
    """Find out before anything is read that photos cannot become what the model takes."""
    for view in views:
        for wanted in map(preset.input, view.of):
            if isinstance(wanted, ImageInput) and wanted.modality is Modality.SV:
                make_converter(PHOTO, wanted)
