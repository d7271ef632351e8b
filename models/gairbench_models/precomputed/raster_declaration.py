"""What rasters of embeddings give, by their headers and the options of their name: ``raster:PATH[:OPTION=VALUE]``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from gairbench import Modality, ModelSpec, Preset, SampleInput
from gairbench.digests import digest
from gairbench.errors import DataError, UsageError
from gairbench.files.folders import find_files, require_folder
from gairbench.files.pixel_lookup import PixelGrid, read_grid
from gairbench.files.rasters import driver_of
from gairbench.memo import default_cache
from gairbench.representation import RS_QUERY
from gairbench_models.precomputed.dequantization import check_dequantization
from gairbench_models.precomputed.naming import path_and_options, short_name
from gairbench_models.precomputed.raster import RasterFactory, raster_content
from gairbench_models.precomputed.raster_index import indexed_rasters

_VERSION = "2"
"""Raise it when embeddings of unchanged rasters change."""

OPTIONS = ("dequantize", "missing", "column", "asset")

_RASTERS = (".tif", ".tiff")

_GLOB = re.compile(r"[*?\[]")


def make_raster_spec(rest: str) -> ModelSpec:
    """Return the spec of ``raster:<rest>``.

    Args:
        rest: ``"PATH[:OPTION=VALUE]..."``, the path a file, a Zarr group, a pattern of files, or an index of them.

    Raises:
        UsageError: An option is not known or has nothing to do.
        DataError: There is no such raster, or it is not clear what it holds.
    """
    path, options = path_and_options("raster", rest, OPTIONS)
    dequantize = options.get("dequantize", "")
    zeros_missing = _zeros_missing(options)
    paths = _paths(path, options)
    grids = [read_grid(one) for one in paths]
    _check_alike(grids)
    _check_scale(grids[0], dequantize)
    content = tuple(raster_content(one, default_cache()) for one in paths)
    several = f"{len(paths)} rasters, as {paths[0].name}" if len(paths) > 1 else paths[0].name
    missing = {"zeros_missing": True} if zeros_missing else {}
    preset = Preset(
        name="default",
        inputs=tuple(map(SampleInput, Modality)),
        offers=(RS_QUERY,),
        needs=frozenset({"lonlat"}),
        wants=frozenset({"bbox"}),
        description=f"{grids[0].bands} bands, at a point or over a tile",
    )
    return ModelSpec(
        name=short_name("raster", _named_after(path, paths), [options[key] for key in OPTIONS if key in options]),
        # Everything that can change a value: the files' content in their order, and how it is read.
        version=f"{_VERSION}.{digest(content=content, dequantize=dequantize, **missing)[:16]}",
        factory=RasterFactory(
            paths=tuple(str(one.absolute()) for one in paths),
            content=content,
            dequantize=dequantize,
            zeros_missing=zeros_missing,
        ),
        presets=(preset,),
        description=f"Embeddings in {several}, looked up at the sample's point or averaged over its tile",
        licence="not stated by the raster",
        citation="docs/embeddings-as-models.md",
    )


def _zeros_missing(options: Mapping[str, str]) -> bool:
    text = options.get("missing", "")
    if text not in {"", "zeros"}:
        raise UsageError(f"missing={text!r} is not known", "write missing=zeros, or state a nodata value in the files")
    return bool(text)


def _paths(path: str, options: Mapping[str, str]) -> list[Path]:
    """Return the rasters that a path means: those of an index in its order, those of a pattern by name.

    Raises:
        UsageError: An option is of an index, and there is none.
        DataError: There are none.
    """
    given = Path(path)
    if given.is_file() and given.suffix.lower() not in _RASTERS and driver_of(given) != "GTiff":
        return indexed_rasters(given, column=options.get("column", ""), asset=options.get("asset", ""))
    for option in ("column", "asset"):
        if option in options:
            raise UsageError(
                f"{option}={options[option]} is of an index of rasters, and {path} is not one", "remove it"
            )
    if given.exists() or not _GLOB.search(path):
        return [given]
    folder, pattern = _fixed_part(path)
    require_folder(folder, "folder")
    found = find_files(folder, pattern, root=folder)
    if not found.paths:
        beside = f"; {len(found.other_case)} names differ in case alone" if found.other_case else ""
        raise DataError(f"no file in {folder} matches {pattern!r}{beside}", "correct the pattern")
    return found.paths


def _fixed_part(path: str) -> tuple[Path, str]:
    """Return the folder above the first part of a path that is a pattern, and the rest."""
    parts = Path(path).parts
    first = next(i for i, part in enumerate(parts) if _GLOB.search(part))
    return Path(*parts[:first]), "/".join(parts[first:])


def _named_after(path: str, paths: Sequence[Path]) -> str:
    """Return what rasters are called by: their file or index, or, where a pattern means several, its folder."""
    if len(paths) == 1 or Path(path).exists():
        return str(paths[0] if _GLOB.search(path) else path)
    # Without a suffix that a dot in the folder's name would be taken for.
    return f"{_fixed_part(path)[0].absolute().name}.tiles"


def _check_alike(grids: Sequence[PixelGrid]) -> None:
    """Refuse tiles of which some are of another product.

    Raises:
        DataError: Two differ in their bands, type or scale.
    """
    for grid in grids:
        for what, here, there in (
            ("bands", grid.bands, grids[0].bands),
            ("type", grid.dtype, grids[0].dtype),
            ("scales", grid.scales, grids[0].scales),
            ("offsets", grid.offsets, grids[0].offsets),
        ):
            if here != there:
                raise DataError(
                    f"{grid.path} and {grids[0].path} differ in {what}", "name the tiles of one product alone"
                )


def _check_scale(grid: PixelGrid, dequantize: str) -> None:
    """Refuse whole numbers of which neither the file nor its user says what they stand for.

    Raises:
        UsageError: Both do, or the rule has nothing to do.
        DataError: Nobody does.
    """
    if not grid.scaled:
        check_dequantization(dequantize, str(grid.path), grid.dtype)
    elif dequantize:
        raise UsageError(
            f"{grid.path} states its own scale and offset, beside dequantize={dequantize}",
            "leave dequantize out, or remove them from the file",
        )
