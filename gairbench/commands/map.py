"""What ``gairbench map`` does, apart from parsing its options."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rasterio.transform import Affine
from rich.console import Console

from gairbench import __version__
from gairbench.conversion import CONVERSION_VERSION, make_converter
from gairbench.environment import choose_device
from gairbench.errors import DataError, UsageError
from gairbench.maps.blending import MEMORY, SceneMap, TileEncoder
from gairbench.maps.quicklook import Palette, PixelSample, draw
from gairbench.maps.rasters import MapGrid, format_of
from gairbench.maps.scene import Scene, open_scene
from gairbench.maps.tiling import Axis, Tiling
from gairbench.plugins import load_registry
from gairbench.progress import Progress
from gairbench.protocols import EncodesRSTokens
from gairbench.selection import select_models
from gairbench.spec import ImageInput, Modality, ModelSpec, Unit
from gairbench.weights.hub import fetch_missing
from gairbench.weights.loading import LoadedModel, load_model

FREE_SIZE = 256
"""Edge of a tile in pixels for models that take images of any size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRequest:
    """What a user asks for, complete.

    Args:
        model: Name of a model.
        image: The scene.
        out: ``.tif`` or ``.zarr`` to write.
        unit: Scale of the scene's values.
        preset: Name of a preset of the model; ``None``: its first.
        checkpoint: File or folder of its weights.
        bands: Names of the scene's bands, in its order; ``None``: as the file says.
        resolution: Size of an output pixel in units of the scene's CRS; ``None``: one token of the model.
        overlap: Least share of a tile that its neighbour covers too.
        device: As torch names it, or ``"auto"``.
        download: Fetch the model's published weights if they are not here.
        quicklook: PNG to write; ``None``: ``out`` with ``.png`` added.
        batch: Tiles per call of the model.
    """

    model: str
    image: Path
    out: Path
    unit: Unit
    preset: str | None = None
    checkpoint: Path | None = None
    bands: Sequence[str] | None = None
    resolution: float | None = None
    overlap: float = 0.5
    device: str = "auto"
    download: bool = False
    quicklook: Path | None = None
    batch: int = 16


def map_command(request: MapRequest) -> int:
    """Carry out ``gairbench map``.

    Returns:
        The exit status, 0.

    Raises:
        GairbenchError: The scene, the model or an option is not such that a map can be made, or it cannot be written.
    """
    raster = format_of(request.out)
    quicklook = request.quicklook or request.out.with_name(f"{request.out.name}.png")
    for written in (request.out, quicklook):
        if written.resolve() == request.image.resolve():
            raise UsageError(f"{written} is the image itself", "choose another --out or --quicklook")
    specs = select_models([request.model], load_registry().models)
    if len(specs) > 1:
        raise UsageError(f"--model {request.model} names several models", "name one")
    device = choose_device(request.device)
    progress = Progress(Console(stderr=True))
    with open_scene(request.image, request.unit, request.bands) as scene, torch.inference_mode():
        if request.download:
            fetch_missing(specs[0], request.checkpoint)
        loaded = load_model(specs[0], preset=request.preset, checkpoint=request.checkpoint, seed=0, device=device)
        made, grid = _plan(request, specs[0], loaded, scene, device)
        sample = PixelSample(grid.height * grid.width)
        blocks = list(made.tiling.blocks(made.capacity))
        with raster.write(request.out, grid) as write, progress.step(f"map {scene.path.name}") as step:
            for number, block in enumerate(blocks, 1):
                values = made.block(block, grid.dim)
                write(block, values)
                sample.add(values)
                step(number, len(blocks))
            pixels = sample.pixels()
            if not len(pixels):
                raise DataError(f"no pixel of {scene.path} holds data", "map another scene")
    with raster.read(request.out) as read:
        draw(quicklook, grid.height, grid.width, blocks, read, Palette(pixels))
    progress.say(
        f"{request.out}: {grid.dim} bands, {grid.width} x {grid.height} pixels of"
        f" {grid.transform.a:g} x {-grid.transform.e:g}, from {made.encoded} tiles; {quicklook}: its quick-look"
    )
    return 0


def _plan(
    request: MapRequest, spec: ModelSpec, loaded: LoadedModel, scene: Scene, device: torch.device
) -> tuple[SceneMap, MapGrid]:
    """Decide about tiles and output pixels; the model is tried once to learn its grid and its embeddings' length."""
    wanted = next((i for i in loaded.preset.inputs if isinstance(i, ImageInput) and i.modality is Modality.RS), None)
    model = loaded.model
    if wanted is None or not isinstance(model, EncodesRSTokens):
        raise UsageError(
            f"model {spec.name!r} has no {'RS encoder' if wanted is None else 'token grid'} and cannot make maps",
            "choose a model with the view encode_rs_tokens",
        )
    size = min(wanted.size or FREE_SIZE, scene.height, scene.width)
    delivered = ImageInput(modality=Modality.RS, bands=scene.bands, unit=request.unit, size=size, gsd_m=scene.gsd_m)
    converter = make_converter(delivered, wanted)
    encoder = TileEncoder(model=model, converter=converter, device=device)
    tokens = encoder.encode(np.zeros((1, len(scene.bands), size, size), dtype=np.float32))
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
    tags = {
        "model": spec.name,
        "model_version": spec.version,
        "preset": loaded.preset.name,
        "checkpoint": loaded.identity,
        "weights_sha256": loaded.weights,
        "conversion": json.dumps({"version": CONVERSION_VERSION, **converter.describe()}),
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
