"""What ``gairbench map`` does, apart from parsing its options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Gt, Le
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
from gairbench.commands.outcomes import EmbeddingMap
from gairbench.errors import DataError, InputMismatchError, UsageError
from gairbench.inputs import ImageInput, MissingPixels, Modality, Unit
from gairbench.isolation import Isolated
from gairbench.maps.formats import map_format
from gairbench.plugins import Registry, load_registry
from gairbench.progress import Progress
from gairbench.requests import Pairs
from gairbench.spec import ModelSpec, Preset
from gairbench.weights.origin import Weights

if TYPE_CHECKING:
    import torch

    from gairbench.feeding import Feed
    from gairbench.maps.blending import SceneMap
    from gairbench.maps.rasters import MapGrid
    from gairbench.maps.scene import Scene
    from gairbench.weights.loading import LoadedModel

FREE_SIZE = 256
"""Edge of a tile in pixels for models that take images of any size."""


FINEST = 1 / 16
"""Least edge of an output pixel in source pixels: tokens are wider than a pixel, so that a finer map only takes room.
A finer one mostly means degrees, given for a scene in metres."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """What a user asks for: the options of ``gairbench map``.

    Args:
        model: Name of a model.
        image: The scene.
        out: ``.tif`` or ``.zarr`` to write.
        unit: Scale of the scene's values.
        preset: Name of a preset of the model; ``None``: its first.
        checkpoint: File or folder of its weights.
        bands: Names of the scene's bands, in its order; ``None``: as the file says.
        rendering: How the values become display values for a model of RGB pictures, by the names of
            :class:`gairbench.inputs.Rendering`'s arguments.
        missing_pixels: ``"fill"`` missing pixels for the encoder, which the map leaves empty, or ``"refuse"`` the
            scene.
        resolution: Size of an output pixel in units of the scene's CRS; ``None``: one token of the model.
        overlap: Least share of a tile that its neighbour covers too.
        device: As torch names it, or ``"auto"``.
        download: Fetch the model's published weights if they are not here.
        quicklook: PNG to write; ``None``: ``out`` with ``.png`` added.
        batch: Tiles per call of the model.
    """

    image: Path
    out: Path
    unit: Unit
    model: str = "gair"
    preset: str | None = None
    checkpoint: Path | None = None
    bands: tuple[str, ...] | None = None
    rendering: Annotated[Mapping[str, str], Pairs("NAME=VALUE", "high=3000")] = field(default_factory=dict)
    missing_pixels: MissingPixels = "fill"
    resolution: Annotated[float | None, Gt(0)] = None
    overlap: Annotated[float, Ge(0), Le(0.9)] = 0.5
    device: str = "auto"
    download: bool = False
    quicklook: Path | None = None
    batch: Annotated[int, Ge(1)] = 16


def map_command(request: MapRequest) -> int:
    """Carry out ``gairbench map``.

    Returns:
        The exit status, 0.

    Raises:
        GairbenchError: As for :func:`make_map`.
    """
    make_map(request, load_registry(), Progress(Console(stderr=True)))
    return 0


def make_map(request: MapRequest, registry: Registry, progress: Progress) -> EmbeddingMap:
    """Make an embedding map of a scene.

    Args:
        request: What is asked for.
        registry: What is installed.
        progress: Where to show it.

    Returns:
        The map.

    Raises:
        GairbenchError: The scene, the model or an option is not such that a map can be made, or it cannot be written.
    """
    with if_interrupted(lambda: f"{request.out} is whole or as it was before; run the same command again"):
        spec = _checked(request, registry)
        preset, weights = model_weights(
            spec,
            registry,
            preset=request.preset,
            checkpoint=request.checkpoint,
            seed=0,
            download=request.download,
        )
        return _map(request, spec, preset, weights, progress)


def _map(request: MapRequest, spec: ModelSpec, preset: Preset, weights: Weights, progress: Progress) -> EmbeddingMap:
    import torch

    from gairbench.environment import choose_device
    from gairbench.maps.quicklook import Palette, PixelSample, draw
    from gairbench.maps.rasters import raster_format_of
    from gairbench.maps.scene import open_scene
    from gairbench.weights.loading import load_model, model_name

    raster = raster_format_of(request.out)
    quicklook = quicklook_of(request)
    device = choose_device(request.device)
    opened = open_scene(request.image, request.unit, request.bands, request.missing_pixels)
    with Isolated(model_name(spec)), opened as scene, torch.inference_mode():
        loaded = load_model(spec, weights, preset=preset, seed=0, device=device)
        made, grid = _plan(request, spec, loaded, scene, device)
        sample = PixelSample(grid.height * grid.width)
        tiles = made.tiling.tiles
        progress.say(
            f"map of {grid.width} x {grid.height} pixels and {grid.dim} bands (up to {_size(grid)}) from {tiles} tiles"
        )
        with raster.write(request.out, grid) as write, progress.step(f"map {scene.path.name}") as step:
            # Few large tiles under many blocks take their time in the blocks, many tiles under one block in the tiles.
            done, total = 0, tiles + made.tiling.block_count
            made.seen = lambda number: step(min(number, tiles) + done, total, "tiles and blocks")
            for done, block in enumerate(made.tiling.blocks(made.capacity)):
                values = made.block(block, grid.dim)
                write(block, values)
                sample.add(values)
                step(min(made.read, tiles) + done + 1, total, "tiles and blocks")
            pixels = sample.pixels()
            if not len(pixels):
                raise DataError(f"no pixel of {scene.path} holds data", "map another scene")
    with raster.read(request.out) as read:
        draw(quicklook, grid.height, grid.width, made.tiling.blocks(made.capacity), read, Palette(pixels))
    if scene.fills.images:
        progress.say(f"{scene.fills.sentence('tile')}; the map leaves these pixels empty")
    progress.say(
        f"{request.out}: {grid.dim} bands, {grid.width} x {grid.height} pixels of"
        f" {grid.transform.a:g} x {-grid.transform.e:g}, from {made.encoded} tiles; {quicklook}: its quick-look"
    )
    return EmbeddingMap(request.out, quicklook)


def _checked(request: MapRequest, registry: Registry) -> ModelSpec:
    """Return the model; every name and path is checked, before anything heavy is imported."""
    map_format(request.out)
    spec = find_model(request.model, registry, request.preset)
    check_readable("image", request.image)
    for written in (request.out, quicklook_of(request)):
        if written.resolve() == request.image.resolve():
            raise UsageError(f"{written} is the image itself", "choose another --out or --quicklook")
        check_writable("out" if written == request.out else "quicklook", written.parent)
    check_checkpoint(request.checkpoint)
    check_device_name(request.device)
    rendering_of(request.rendering)
    return spec


def quicklook_of(request: MapRequest) -> Path:
    """Return where the quick-look goes."""
    return request.quicklook or request.out.with_name(f"{request.out.name}.png")


def _plan(
    request: MapRequest, spec: ModelSpec, loaded: LoadedModel, scene: Scene, device: torch.device
) -> tuple[SceneMap, MapGrid]:
    """Decide about tiles and output pixels; the model is tried once to learn its grid and its embeddings' length."""
    import numpy as np
    import torch
    from rasterio.transform import Affine

    from gairbench import __version__
    from gairbench.conversion import CONVERSION_VERSION
    from gairbench.maps.blending import MEMORY, SceneMap, TileEncoder
    from gairbench.maps.rasters import MapGrid
    from gairbench.maps.tiling import Axis, Tiling

    feed, size = _tile_feed(spec, loaded.preset, request, scene)
    encoder = TileEncoder(model=loaded.model, feed=feed, device=device)
    shape = (1, len(scene.bands), size, size)
    tokens = encoder.encode(np.zeros(shape, dtype=np.float32), np.ones(shape, dtype=np.bool_))
    dim = encoder.look_up(tokens, torch.zeros(1, 1, 2, device=device)).shape[-1]
    rows, columns = tokens.shape[2:]
    y, x = (
        Axis(length, request.resolution / pixel if request.resolution else size / cells, size, request.overlap)
        for length, pixel, cells in (
            (scene.height, -scene.transform.e, rows),
            (scene.width, scene.transform.a, columns),
        )
    )
    if not y.pixels or not x.pixels:
        raise UsageError(
            f"--resolution {request.resolution} is coarser than the scene, which is"
            f" {scene.width * scene.transform.a:g} x {-scene.height * scene.transform.e:g}",
            "give it in units of the scene's CRS",
        )
    if y.scale < FINEST or x.scale < FINEST:
        raise UsageError(
            f"--resolution {request.resolution} would make a map of {x.pixels} x {y.pixels} pixels, more than"
            f" {1 / FINEST:g} across a pixel of the scene, which is {scene.transform.a:g} x {-scene.transform.e:g}"
            f" {_crs_unit(scene)}",
            "give it in units of the scene's CRS",
        )
    tags = {
        "model": spec.name,
        "model_version": spec.version,
        "preset": loaded.preset.name,
        "checkpoint": loaded.identity,
        "weights_sha256": loaded.weights,
        "conversion": json.dumps({"version": CONVERSION_VERSION, **feed.describe()}),
        "tile": f"{size} source pixels, overlap {request.overlap:g}",
        "source": scene.path.name,
        "gairbench_version": __version__,
    }
    at = scene.transform
    grid = MapGrid(
        dim=dim,
        height=y.pixels,
        width=x.pixels,
        crs=scene.crs,
        transform=Affine(at.a * x.scale, 0, at.c, 0, at.e * y.scale, at.f),
        tags=tags,
    )
    made = SceneMap(
        scene=scene,
        tiling=Tiling(y, x),
        encoder=encoder,
        batch=request.batch,
        capacity=max(1, MEMORY // (tokens.nbytes + size**2)),
    )
    return made, grid


def _tile_feed(spec: ModelSpec, preset: Preset, request: MapRequest, scene: Scene) -> tuple[Feed, int]:
    """Return how a model is fed with tiles of a scene for its token grid, and their edge in pixels.

    Raises:
        UsageError: The model has no encoder of overhead images or no token grid.
        InputMismatchError: The scene's bands or unit are not what it takes.
    """
    from gairbench.feeding import feed_for

    sets = preset.accepted(Modality.RS)
    grids = [offer for one in sets for offer in preset.offered() if offer.form == "tokens" and offer.of == one]
    # A grid that is looked up by sample is not of whatever scene.
    grids = [o for o in grids if not o.layers and all(isinstance(preset.input(name), ImageInput) for name in o.of)]
    if not grids:
        raise UsageError(
            f"model {spec.name!r} has no {'token grid' if sets else 'RS encoder'} and cannot make maps",
            "choose a model that offers tokens",
        )
    problems: list[InputMismatchError] = []
    for offer in grids:
        sizes = [i.size for i in map(preset.input, offer.of) if isinstance(i, ImageInput) and i.size is not None]
        size = min(max(sizes, default=FREE_SIZE), scene.height, scene.width)
        tile = ImageInput(
            modality=Modality.RS,
            bands=scene.bands,
            unit=request.unit,
            size=size,
            gsd_m=scene.gsd_m,
            rendering=rendering_of(request.rendering),
            masked=True,
        )
        try:
            return feed_for(preset, offer, [tile], [tile]), size
        except InputMismatchError as error:
            problems.append(error)
    raise problems[0]


def _size(grid: MapGrid) -> str:
    """Return the size of a map that does not compress."""
    size = 4.0 * grid.dim * grid.height * grid.width
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _crs_unit(scene: Scene) -> str:
    return "degrees" if scene.crs.is_geographic else str(scene.crs.linear_units)
