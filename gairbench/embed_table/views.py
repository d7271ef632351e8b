"""Which views of a table a model can embed, and why not the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gairbench.conversion import make_converter
from gairbench.embed_table.request import VIEW_NAMES, EmbedRequest
from gairbench.errors import DataError, UsageError
from gairbench.files.geometry import BBOX
from gairbench.files.overhead import read_place
from gairbench.files.rows import Columns, InputTable
from gairbench.selection import split_names, unknown
from gairbench.spec import RGB, VIEW_MODALITY, ImageInput, Modality, ModelSpec, Preset, Unit, View

if TYPE_CHECKING:
    from gairbench.progress import Progress


FIRST_ROWS = 64
"""Rows that are read at a time until one has an image."""


def wanted_views(
    request: EmbedRequest, spec: ModelSpec, preset: Preset, table: InputTable, progress: Progress
) -> list[View]:
    """Return what is computed, in the order of the columns, and report what is not and why."""
    reasons = {view: _why_not(view, spec, preset, table) for view in View}
    if request.views is None:
        possible: list[View] = [view for view in View if not reasons[view] and view is not View.RS_TOKENS]
        left_out = [f"no {view.name.lower()}: {reason}" for view, reason in reasons.items() if reason]
        if not possible:
            raise UsageError(
                f"{spec.name} can embed nothing of {table.path}: {'; '.join(left_out)}",
                "name the columns with --column rs=COLUMN, and likewise sv, lon and lat",
            )
        progress.say(f"views: {', '.join(view.name.lower() for view in possible)}")
        for line in left_out:
            progress.say(f"  {line}")
        return possible
    chosen = set()
    for name in split_names(request.views):
        view = VIEW_NAMES.get(name) or next((view for view in View if view.value == name), None)
        if view is None:
            raise unknown("view", name, VIEW_NAMES)
        if reasons[view]:
            raise UsageError(f"view {name!r} is not possible: {reasons[view]}", "leave it out, or fix that")
        chosen.add(view)
    if not chosen:
        raise UsageError("--views names none", f"there are: {', '.join(VIEW_NAMES)}")
    return [view for view in View if view in chosen]


def _why_not(view: View, spec: ModelSpec, preset: Preset, table: InputTable) -> str:
    """Return why a view cannot be computed; empty if it can."""
    modality, columns = VIEW_MODALITY[view], table.columns
    if modality not in {wanted.modality for wanted in preset.inputs}:
        return f"{spec.name} has no {modality} encoder"
    if view not in {View.RS, View.SV, View.LOCATION} and view not in spec.views:
        return f"{spec.name} has no {view.value}"
    if modality is Modality.RS and not columns.rs:
        return "the table has no column 'rs' (--column rs=COLUMN)"
    if modality is Modality.SV and not columns.sv:
        return "the table has no column 'sv' (--column sv=COLUMN)"
    if (modality is Modality.LOCATION or view is View.RS_QUERY) and not columns.lonlat:
        note = table.file.geometry_note or "--column lon=COLUMN --column lat=COLUMN"
        return f"the table has no columns 'lon' and 'lat' ({note})"
    if view is View.RS_QUERY and not columns.bbox and not _first_is_placed(table):
        return f"the table has no columns {', '.join(BBOX)} (--column), and its first image no georeference"
    return ""


def _first_is_placed(table: InputTable) -> bool:
    """Return whether the first image that is there has a georeference; without any, its rows say what is wrong."""
    images = replace(table.wanting(Columns(rs=table.columns.rs)), skip=True)
    first = next((rows.rs[0] for rows in images.chunks(FIRST_ROWS) if rows.rs), None)
    if first is None:
        return True
    try:
        return read_place(first) is not None
    except DataError:
        # Reported when its row is read, or passed over if that was asked for.
        return True


def wanted_columns(table: InputTable, views: Sequence[View]) -> InputTable:
    """Return the table with the columns wanted that views are computed from; cells of others may be anything.

    Coordinates that no view needs are passed on all the same, where a row has them.
    """
    there, modalities = table.columns, {VIEW_MODALITY[view] for view in views}
    query = View.RS_QUERY in views
    columns = Columns(
        id=there.id,
        lonlat=there.lonlat,
        rs=there.rs if Modality.RS in modalities else "",
        sv=there.sv if Modality.SV in modalities else "",
        bbox=there.bbox if query else (),
    )
    return table.wanting(columns, place_optional=not query and Modality.LOCATION not in modalities)


def overhead_unit(request: EmbedRequest, views: Sequence[View]) -> Unit | None:
    """Return the unit of the overhead images, or ``None`` if no view needs them.

    Raises:
        UsageError: It is needed and missing.
    """
    if not any(VIEW_MODALITY[view] is Modality.RS for view in views):
        return None
    if request.rs_unit is None:
        raise UsageError(
            "the unit of the overhead images is missing",
            f"add --rs-unit {', '.join(Unit)}, or leave rs out with --views",
        )
    return request.rs_unit


def check_photo_units(preset: Preset, views: Sequence[View]) -> None:
    """Find out before anything is read that photos cannot become what the model takes."""
    for wanted in preset.inputs:
        if wanted.modality is Modality.SV and any(VIEW_MODALITY[view] is Modality.SV for view in views):
            make_converter(ImageInput(modality=Modality.SV, bands=RGB, unit=Unit.UINT8), wanted)
