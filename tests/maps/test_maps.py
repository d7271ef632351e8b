"""A map lies where its scene lies, shows no tile, and needs memory for few of them."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import Affine
from torch import Tensor
from torch.nn import functional
from typer.testing import CliRunner

from gairbench import RGB, ImageInput, LocationInput, Modality, ModelSpec, Preset, Pretraining, Unit
from gairbench.cli import app
from gairbench.commands import map as command
from gairbench.commands.map import MapRequest, map_command
from gairbench.errors import DataError, GairbenchError, StorageError, UsageError
from gairbench.feeding import feed_for
from gairbench.maps import quicklook, rasters
from gairbench.maps.blending import SceneMap, TileEncoder
from gairbench.maps.scene import open_scene
from gairbench.maps.tiling import BLOCK, Axis, Block, Tile, Tiling
from gairbench.plugins import Origin, Registry
from gairbench.representation import RS_TOKENS

SIZE, PATCH = 16, 4
BANDS = ("B4", "B3")
UTM = ("EPSG:32633", Affine(10, 0, 500_000, 0, -10, 5_000_000))
LONLAT = ("EPSG:4326", Affine(0.002, 0, 12.5, 0, -0.001, 48.25))


class Tokens:
    """Tokens are the means of patches, hence bilinear interpolation of a ramp is the ramp, inside the outer centres."""

    def __init__(self, context: object = None) -> None:
        self.calls: list[int] = []

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        self.calls.append(len(images))
        return functional.avg_pool2d(images, PATCH)


class Ramp(Tokens):
    """Continues the slope of each tile to its edges, hence reproduces ramps everywhere."""

    def look_up_rs(self, tokens: Tensor, position: Tensor) -> Tensor:
        rows, columns = tokens.shape[2:]
        east = (tokens[..., 0, -1] - tokens[..., 0, 0]) * columns / (columns - 1) / 2
        south = (tokens[..., -1, 0] - tokens[..., 0, 0]) * rows / (rows - 1) / 2
        x, y = position[..., None, 0], position[..., None, 1]
        return tokens.mean((2, 3))[:, None] + x * east[:, None] + y * south[:, None]


class Constant(Tokens):
    """The mean of the tile wherever one looks: without blending, every tile would show."""

    def look_up_rs(self, tokens: Tensor, position: Tensor) -> Tensor:
        return tokens.mean((2, 3))[:, None].expand(-1, position.shape[1], -1)


def model_spec(name: str, factory: Any, **more: Any) -> ModelSpec:
    inputs = (ImageInput(modality=Modality.RS, bands=BANDS, unit=Unit.REFLECTANCE, size=SIZE),)
    return ModelSpec(
        name=name,
        version="7",
        factory=factory,
        **{"presets": (Preset(name="default", inputs=inputs, offers=(RS_TOKENS,)),), **more},
    )


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    lonlat = (Preset(name="default", inputs=(LocationInput(),)),)
    gridless = (Preset(name="default", inputs=(ImageInput(modality=Modality.RS, bands=BANDS),)),)
    recipe = Pretraining(recipe="a:b", version=1, dataset="c")
    specs = [
        model_spec("ramp", Ramp),
        model_spec("tokens", Tokens),
        model_spec("constant", Constant),
        model_spec("gridless", lambda context: object(), presets=gridless),
        model_spec("lonlat", lambda context: object(), presets=lonlat),
        model_spec("untrained", Ramp, presets=(replace(lonlat[0], weights=recipe),)),
    ]
    found = Registry()
    found.add(Origin("maps", "caller", "0"), models=specs)
    monkeypatch.setattr(command, "load_registry", lambda: found)


def write_scene(
    path: Path, values: NDArray[Any], *, georeference: Any = UTM, names: Any = BANDS, nodata: float | None = None
) -> Path:
    crs, transform = georeference
    shape = {"count": len(values), "height": values.shape[1], "width": values.shape[2]}
    profile = {"driver": "GTiff", "dtype": values.dtype, "crs": crs, "transform": transform, "nodata": nodata, **shape}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values)
        file.descriptions = tuple(names)
    return path


def coordinates(height: int, width: int) -> NDArray[np.float32]:
    """Return bands that hold each pixel's own x and y, in pixels from the north-west corner to the pixel's centre."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y]).astype(np.float32)


def make(tmp_path: Path, image: Path, **more: Any) -> tuple[NDArray[np.float32], Any]:
    out = more.pop("out", tmp_path / "map.tif")
    assert (
        map_command(MapRequest(**{"model": "ramp", "image": image, "out": out, "unit": Unit.REFLECTANCE, **more})) == 0
    )
    with rasterio.open(out) as file:
        return file.read(), file


def read_tags(path: Path) -> dict[str, str]:
    with rasterio.open(path) as file:
        return file.tags()


@pytest.mark.parametrize("georeference", [UTM, LONLAT], ids=["utm", "lonlat"])
@pytest.mark.parametrize(
    ("pixels", "overlap"), [(None, 0.5), (1.0, 0.5), (2.7, 0.3), (5.0, 0.75), (0.4, 0.0), (21.0, 0.5)]
)
def test_every_pixel_of_a_map_is_where_the_scene_has_it(
    tmp_path: Path, georeference: Any, pixels: float | None, overlap: float
) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(53, 70), georeference=georeference)
    crs, transform = georeference
    resolution = pixels and pixels * transform.a
    mapped, file = make(tmp_path, image, resolution=resolution, overlap=overlap)
    assert file.crs == rasterio.crs.CRS.from_string(crs)
    if pixels is None:  # one token is four pixels, on both axes
        assert mapped.shape == (2, 13, 17)
        assert file.transform.almost_equals(
            Affine(transform.a * 4, 0, transform.c, 0, transform.e * 4, transform.f), precision=1e-12
        )
    else:
        assert (file.transform.a, file.transform.e) == pytest.approx((resolution, -resolution))
    # Where the map says that its pixels are, in pixels of the scene, is what they hold.
    rows, columns = np.mgrid[: mapped.shape[1], : mapped.shape[2]] + 0.5
    x = (columns * file.transform.a + file.transform.c - transform.c) / transform.a
    y = (rows * file.transform.e + file.transform.f - transform.f) / transform.e
    np.testing.assert_allclose(mapped, np.stack([x, y]), atol=1e-3)
    # All pixels whose centre is in the scene, and no others.
    assert 0 < 70 - x.max() <= x[0, 0] * 2 + 1e-6
    assert 0 < 53 - y.max() <= y[0, 0] * 2 + 1e-6


def test_a_model_with_tokens_alone_is_interpolated_bilinearly(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(40, 40))
    mapped, _ = make(tmp_path, image, model="tokens", resolution=10, overlap=0.75)
    expected = coordinates(40, 40)
    inner = slice(PATCH // 2, -PATCH // 2)
    np.testing.assert_allclose(mapped[:, 4:-4, 4:-4], expected[:, 4:-4, 4:-4], atol=0.15)
    # Beyond the scene's outermost patch centres, their tokens go on.
    np.testing.assert_allclose(mapped[0, inner, 0], PATCH / 2, atol=0.2)


def test_tiles_leave_no_seams(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(16, 90))
    blended, _ = make(tmp_path, image, model="constant", resolution=10)
    apart, _ = make(tmp_path, image, model="constant", resolution=10, overlap=0.0)
    # Tiles' means differ by their distance, 8 pixels or 15: in one step, or spread over the overlap.
    assert np.abs(np.diff(apart[0], axis=1)).max() > 10
    assert np.abs(np.diff(blended[0], axis=1)).max() < 2


def test_a_scene_smaller_than_an_input_is_resized_and_stays_in_place(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(8, 11))
    mapped, _ = make(tmp_path, image, resolution=10)
    assert mapped.shape == (2, 8, 11)
    # Bicubic resizing bends a ramp at its ends.
    np.testing.assert_allclose(mapped, coordinates(8, 11), atol=0.3)
    assert json.loads(read_tags(tmp_path / "map.tif")["conversion"])["rs"]["size"] == [8, SIZE]


def test_pixels_without_data_stay_without_and_do_not_reach_the_others(tmp_path: Path) -> None:
    values = np.full((2, 48, 64), 0.5, dtype=np.float32)
    values[:, 10:13, 20:25] = -9999
    values[:, :, 44:] = -9999  # whole tiles
    values[0, 30, 30] = np.nan  # one band is enough, if it is no number
    values[0, 35, 35] = -9999  # nodata in one band is a value
    image = write_scene(tmp_path / "scene.tif", values, nodata=-9999)
    mapped, file = make(tmp_path, image, model="tokens", resolution=10)
    empty = np.isnan(mapped[0])
    expected = np.zeros((48, 64), dtype=bool)
    expected[10:13, 20:25] = expected[:, 44:] = expected[30, 30] = True
    np.testing.assert_array_equal(empty, expected)
    assert np.isnan(file.nodata)
    np.testing.assert_allclose(mapped[1][~empty], 0.5, atol=1e-6)
    picture = np.asarray(Image.open(tmp_path / "map.tif.png"))
    np.testing.assert_array_equal(picture[..., 3] == 0, expected)


def test_an_alpha_band_is_a_mask_and_no_band(tmp_path: Path) -> None:
    path = tmp_path / "rgba.tif"
    values = np.full((4, 16, 16), 100, dtype=np.uint8)
    values[3, :4] = 0
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 4, "height": 16, "width": 16, "photometric": "rgb"}
    with rasterio.open(path, "w", crs=UTM[0], transform=UTM[1], alpha="yes", **profile) as file:
        file.write(values)
    with open_scene(path, Unit.UINT8, ["red", "green", "blue"]) as scene:
        assert scene.bands == ("red", "green", "blue")
        read, valid = scene.read(Tile(0, 0, 16))
    assert read.shape == (3, 16, 16)
    assert not valid[:, :4].any()
    assert valid[:, 4:].all()


def scene_map(scene: Any, model: Tokens, capacity: int, batch: int = 4) -> SceneMap:
    wanted = ImageInput(modality=Modality.RS, bands=BANDS, unit=Unit.REFLECTANCE, size=SIZE)
    delivered = ImageInput(modality=Modality.RS, bands=scene.bands, unit=Unit.REFLECTANCE, size=SIZE)
    preset = Preset(name="default", inputs=(wanted,), offers=(RS_TOKENS,))
    encoder = TileEncoder(
        model=model, feed=feed_for(preset, RS_TOKENS, [delivered], [delivered]), device=torch.device("cpu")
    )
    tiling = Tiling(Axis(scene.height, 1.0, SIZE, 0.5), Axis(scene.width, 1.0, SIZE, 0.5))
    return SceneMap(scene=scene, tiling=tiling, encoder=encoder, batch=batch, capacity=capacity)


def test_few_tiles_are_in_memory_and_none_is_encoded_twice_where_they_fit(tmp_path: Path) -> None:
    height, width = 2 * BLOCK + 40, 2 * BLOCK + 100
    image = write_scene(tmp_path / "scene.tif", coordinates(height, width))
    maps = {}
    with open_scene(image, Unit.REFLECTANCE, None) as scene:
        for capacity in (10_000, 3):
            model = Ramp()
            made = scene_map(scene, model, capacity)
            total = len(made.tiling.y.starts) * len(made.tiling.x.starts)
            whole = np.full((2, height, width), np.nan, dtype=np.float32)
            for block in made.tiling.blocks(capacity):
                rows, columns = slice(block.row, block.row + BLOCK), slice(block.column, block.column + BLOCK)
                whole[:, rows, columns] = made.block(block, 2)
                assert made.kept <= capacity
            maps[capacity] = whole
            assert made.encoded == sum(model.calls)
            assert max(model.calls) <= 4
            assert made.encoded == total if capacity > total else made.encoded > total
    np.testing.assert_allclose(maps[3], maps[10_000], atol=1e-3)
    np.testing.assert_allclose(maps[3], coordinates(height, width), atol=1e-3)


def test_narrow_strips_keep_the_tiles_that_the_next_row_of_blocks_needs(tmp_path: Path) -> None:
    axis = Axis(8 * BLOCK, 1.0, SIZE, 0.5)
    tiling = Tiling(axis, axis)
    total = len(axis.starts) ** 2
    capacity = 800  # of more than 16,000 tiles, and less than one row of blocks has
    kept: dict[Any, None] = {}
    encoded = 0
    for block in tiling.blocks(capacity):
        for tile in tiling.tiles_at(block):
            encoded += tile not in kept
            kept.pop(tile, None)
            kept[tile] = None
            if len(kept) > capacity:
                kept.pop(next(iter(kept)))
    assert encoded < 1.1 * total


@settings(max_examples=60, deadline=None)
@given(
    length=st.integers(1, 900),
    tile=st.integers(1, 96),
    overlap=st.floats(0, 0.9),
    scale=st.floats(0.3, 60),
    held=st.integers(1, 5000),
)
def test_tiles_cover_a_scene_and_blocks_cover_its_map(
    length: int, tile: int, overlap: float, scale: float, held: int
) -> None:
    axis = Axis(length, scale, min(tile, length), overlap)
    starts = axis.starts
    assert starts[0] == 0
    assert starts[-1] + axis.tile == length
    assert (np.diff(starts) <= max(1, np.ceil(axis.tile * (1 - overlap)))).all()
    assert axis.pixels * scale <= length + scale / 2 + 1e-6
    cover = np.zeros((axis.pixels, 1), dtype=int)
    tiling = Tiling(axis, Axis(1, 1.0, 1, 0.0))
    for block in tiling.blocks(held):
        cover[block.row : block.row + block.height, block.column : block.column + block.width] += 1
        parts = [tiling.part(t, block) for t in tiling.tiles_at(block)]
        touched = {row for part in parts for row in range(part.row, part.row + part.height)}
        assert touched == set(range(block.row, block.row + block.height))
    assert (cover == 1).all()


@pytest.mark.parametrize("georeference", [UTM, LONLAT], ids=["utm", "lonlat"])
def test_zarr_holds_the_same_map_with_its_georeference(tmp_path: Path, georeference: Any) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(53, 70), georeference=georeference)
    mapped, file = make(tmp_path, image)
    out = tmp_path / "map.zarr"
    request = MapRequest(model="ramp", image=image, out=out, unit=Unit.REFLECTANCE, quicklook=tmp_path / "z.png")
    for _ in range(2):  # an older map gives way
        assert map_command(request) == 0
    group = zarr.open_consolidated(str(out))
    np.testing.assert_array_equal(group["embedding"][:], mapped)
    assert group["embedding"].attrs["_ARRAY_DIMENSIONS"] == ["band", "y", "x"]
    reference = group[group["embedding"].attrs["grid_mapping"]].attrs
    assert rasterio.crs.CRS.from_wkt(reference["crs_wkt"]) == file.crs
    assert Affine.from_gdal(*map(float, reference["GeoTransform"].split())) == file.transform
    corner = file.transform.a / 2 + file.transform.c, file.transform.e / 2 + file.transform.f
    assert (group["x"][0], group["y"][0]) == pytest.approx(corner)
    assert group.attrs["model"] == "ramp"
    with rasterio.Env() as gdal:
        if "Zarr" in gdal.drivers():  # as in rasterio's own wheels
            with rasterio.open(f'ZARR:"{out}":/embedding') as seen:
                assert seen.crs == file.crs
                assert seen.transform.almost_equals(file.transform, precision=1e-9)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "map.tif",
        "map.tif.png",
        "map.zarr",
        "scene.tif",
        "z.png",
    ]


def test_maps_of_one_name_in_two_formats_have_a_quicklook_each(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(20, 20))
    for name in ("map.tif", "map.zarr"):
        map_command(MapRequest(model="ramp", image=image, out=tmp_path / name, unit=Unit.REFLECTANCE))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["map.tif.png", "map.zarr.png"]


def test_a_map_says_what_made_it(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(40, 40))
    make(tmp_path, image)
    tags = read_tags(tmp_path / "map.tif")
    assert re.fullmatch("init:[0-9a-f]{64}", tags["checkpoint"])
    assert {name: tags[name] for name in ("model", "model_version", "preset", "source")} == {
        "model": "ramp",
        "model_version": "7",
        "preset": "default",
        "source": "scene.tif",
    }
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.descriptions == ("embedding_0", "embedding_1")
        assert (file.profile["compress"], file.profile["tiled"]) == ("deflate", True)


def test_a_map_that_fails_leaves_the_older_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(40, 40))
    mapped, _ = make(tmp_path, image)

    def broken(self: Ramp, tokens: Tensor, position: Tensor) -> Tensor:
        return torch.full((*position.shape[:2], 2), torch.nan)

    monkeypatch.setattr(Ramp, "look_up_rs", broken)
    with pytest.raises(DataError, match="is not finite near output row 0"):
        make(tmp_path, image)
    with rasterio.open(tmp_path / "map.tif") as file:
        np.testing.assert_array_equal(file.read(), mapped)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["map.tif", "map.tif.png", "scene.tif"]


def test_a_quicklook_of_a_large_map_is_small_and_in_place(tmp_path: Path) -> None:
    height, width = 300, 2 * quicklook.EDGE + 1
    y, x = np.mgrid[:height, :width].astype(np.float32)
    whole = np.stack([x, y, 0 * x, 0 * x])
    whole[:, :100, :130] = np.nan
    axis = Axis(width, 1.0, 1, 0.0)
    blocks = list(Tiling(Axis(height, 1.0, 1, 0.0), axis).blocks(10))

    def read(block: Block) -> NDArray[np.float32]:
        return whole[:, block.row : block.row + block.height, block.column : block.column + block.width]

    sample = quicklook.PixelSample(height * width)
    for block in blocks:
        sample.add(read(block))
    pixels = sample.pixels()
    assert 0.8 * quicklook.SAMPLE < len(pixels) < 1.2 * quicklook.SAMPLE
    quicklook.draw(tmp_path / "q.png", height, width, blocks, read, quicklook.Palette(pixels))
    picture = np.asarray(Image.open(tmp_path / "q.png"))
    assert picture.shape == (100, 1334, 4)
    np.testing.assert_array_equal(picture[..., 3] == 0, np.isnan(whole[0, ::3, ::3]))
    # The first direction is x: red runs steadily from one side to the other, and nothing else does.
    red = picture[50, :, 0].astype(int)
    assert abs(red[-1] - red[0]) == 255
    assert (np.diff(red) >= 0).all() or (np.diff(red) <= 0).all()


@pytest.mark.parametrize("dim", [1, 2])
def test_a_quicklook_needs_no_three_numbers_a_pixel_and_no_variance(dim: int) -> None:
    values = np.ones((dim, 4, 4), dtype=np.float32)
    sample = quicklook.PixelSample(16)
    sample.add(values)
    assert quicklook.Palette(sample.pixels()).colours(values).shape == (4, 4, 4)


MISTAKES: dict[str, tuple[dict[str, Any], type[GairbenchError], str]] = {
    "no image": ({"image": "absent.tif"}, UsageError, "--image .*absent.tif does not exist"),
    "not an image": ({"image": "text.tif"}, DataError, "cannot read image .*text.tif"),
    "no CRS": ({"image": "nowhere.tif"}, DataError, "nowhere.tif is not georeferenced"),
    "south up": ({"image": "south.tif"}, DataError, "is rotated or not north up .*gdalwarp"),
    "rotated": ({"image": "rotated.tif"}, DataError, "is rotated or not north up .*gdalwarp"),
    "nameless": ({"image": "nameless.tif"}, DataError, "has 2 bands without names; .*--bands"),
    "other names": ({"bands": ("B3", "B4")}, DataError, "its band 1 is B4, and it is declared as B3"),
    "other unit": ({"unit": Unit.UINT8}, DataError, "holds float32 values, which cannot be uint8"),
    "nothing but nodata": ({"image": "empty.tif"}, DataError, "no pixel of .*empty.tif holds data"),
    "format": ({"out": "map.npy"}, UsageError, "of unknown format '.npy'"),
    "own image": ({"out": "scene.tif"}, UsageError, "is the image itself"),
    "no Zarr": ({"out": "folder.zarr"}, UsageError, "exists and is not a Zarr group"),
    "no model": ({"model": "rmap"}, UsageError, "no model 'rmap'; did you mean ramp"),
    "many models": ({"model": "ramp,tokens"}, UsageError, "no model 'ramp,tokens'; did you mean tokens or ramp"),
    "a glob of many": ({"model": "*"}, UsageError, "names several models"),
    "no tokens": ({"model": "gridless"}, UsageError, "model 'gridless' has no token grid"),
    "no images": ({"model": "lonlat"}, UsageError, "model 'lonlat' has no RS encoder"),
    "no weights": ({"model": "untrained"}, UsageError, "no weights until it is trained; give --checkpoint"),
    "no preset": ({"preset": "huge"}, UsageError, "no preset 'huge' of model 'ramp'"),
    "too coarse": ({"resolution": 5000.0}, UsageError, "coarser than the scene, which is 200 x 200"),
    "no folder": (
        {"out": "scene.tif/map.tif"},
        StorageError,
        "cannot write to .*scene.tif: Not a directory; choose another --out",
    ),
}


@pytest.mark.parametrize(("wrong", "error", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_told_in_one_line(
    tmp_path: Path, wrong: dict[str, Any], error: type[GairbenchError], message: str
) -> None:
    values = coordinates(20, 20)
    write_scene(tmp_path / "scene.tif", values)
    write_scene(tmp_path / "nowhere.tif", values, georeference=(None, UTM[1]))
    write_scene(tmp_path / "south.tif", values, georeference=(UTM[0], Affine(10, 0, 0, 0, 10, 0)))
    write_scene(tmp_path / "rotated.tif", values, georeference=(UTM[0], Affine(10, 1, 0, 1, -10, 0)))
    write_scene(tmp_path / "nameless.tif", values, names=(None, None))
    write_scene(tmp_path / "empty.tif", values * 0, nodata=0)
    (tmp_path / "text.tif").write_text("no image")
    (tmp_path / "folder.zarr").mkdir()
    (tmp_path / "folder.zarr" / "precious").touch()
    asked = {"image": "scene.tif", "out": "map.tif", "model": "ramp", "unit": Unit.REFLECTANCE, **wrong}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(error, match=message):
        map_command(MapRequest(**{**asked, "image": tmp_path / asked["image"], "out": tmp_path / asked["out"]}))
    assert sorted(tmp_path.iterdir()) == before


def test_zarr_is_asked_for_by_name_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(UsageError, match=r"pip install 'gairbench\[zarr\]'"):
        rasters.raster_format_of(Path("map.zarr"))


def test_the_unit_must_be_given(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(20, 20))
    told = CliRunner().invoke(app, ["map", "--image", str(image), "--out", str(tmp_path / "map.tif")])
    assert told.exit_code == 2
    assert "--unit" in told.output
    options = ["--model", "ramp", "--unit", "reflectance", "--bands", "B4,B3", "--resolution", "20"]
    done = CliRunner().invoke(app, ["map", "--image", str(image), "--out", str(tmp_path / "map.tif"), *options])
    assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "map.tif.png").size == (10, 10)


@pytest.mark.parametrize(
    "place", ["detroit", *(pytest.param(other, marks=pytest.mark.slow) for other in ("sacramento", "tokyo"))]
)
def test_the_released_tiles_are_mapped_with_the_papers_architecture(
    place: str, tmp_path: Path, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gairbench.plugins import load_registry

    monkeypatch.setattr(command, "load_registry", load_registry)
    folder = shared / "data" / "gair_official_triples"
    image = next(iter(sorted(folder.rglob(f"{place}_rs.tif"))), None)
    if image is None:
        pytest.skip(f"no official triples in {folder}")
    mapped, file = make(tmp_path, image, model="random", preset="base", unit=Unit.S2_DN, overlap=0.0)
    # A tile of 96 pixels has 12 x 12 tokens.
    with rasterio.open(image) as scene:
        assert mapped.shape == (768, -(-scene.height // 8), -(-scene.width // 8))
    assert np.isfinite(mapped).all()
    with rasterio.open(image) as scene:
        assert file.crs == scene.crs
        # All but the part of a pixel that sticks out of the map or the scene.
        np.testing.assert_allclose(file.bounds, scene.bounds, atol=file.transform.a / 2)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "map.tif.png"))[..., 0])) > 50


def test_a_resolution_in_another_unit_is_refused_with_the_size_it_would_have(tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(20, 20))
    with pytest.raises(UsageError, match=r"200000 x 200000 pixels, more than 16 across a pixel .* 10 x 10 metre"):
        make(tmp_path, image, resolution=0.001)
    assert not (tmp_path / "map.tif").exists()
    mapped, _ = make(tmp_path, image, resolution=10 / 16)
    assert mapped.shape[1:] == (320, 320)


def test_the_size_of_a_map_and_its_tiles_are_reported_as_it_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gairbench.progress.LOG_SECONDS", 0.0)
    image = write_scene(tmp_path / "scene.tif", coordinates(4 * SIZE, SIZE))
    make(tmp_path, image, batch=2)
    lines = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"map of \d+ x \d+ pixels and 2 bands \(up to .+\) from 7 tiles", lines[0])
    states = [line.split(": ")[1].split()[0] for line in lines if " s left" in line]
    assert states == ["2/8", "4/8", "6/8", "7/8", "8/8"]
    # Few tiles under many blocks: the work is in the blocks, and it is not done when all tiles are read.
    make(tmp_path, image, resolution=10 / 16)
    lines = capsys.readouterr().err.splitlines()
    numbers = [int(line.split(": ")[1].split("/23 ")[0]) for line in lines if " s left" in line]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) > 16
    assert numbers.index(23) == len(numbers) - 1


@pytest.mark.parametrize("suffix", [".tif", ".zarr"])
def test_an_older_map_stays_when_a_block_does_not_read_back_as_written(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GDAL reports what its compression threads could not write late or never."""
    image = write_scene(tmp_path / "scene.tif", coordinates(20, 20))
    out = tmp_path / f"map{suffix}"
    request = MapRequest(model="ramp", image=image, out=out, unit=Unit.REFLECTANCE)
    assert map_command(request) == 0
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) or [out] if path.is_file()}
    kind = type(rasters.raster_format_of(out))
    read = kind.read

    @contextmanager
    def lossy(self: Any, path: Path) -> Any:
        with read(self, path) as whole:
            yield lambda block: np.full_like(whole(block), np.nan)

    monkeypatch.setattr(kind, "read", lossy)
    with pytest.raises(StorageError, match=r"cannot write .*: output row 0, column 0 does not read back as written"):
        map_command(request)
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) or [out] if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.glob(".*")) == []


@pytest.mark.parametrize("suffix", [".tif", pytest.param(".zarr", marks=pytest.mark.slow)])
def test_an_older_map_stays_when_the_disk_is_full(suffix: str, tmp_path: Path) -> None:
    image = write_scene(tmp_path / "scene.tif", coordinates(96, 96).astype(np.uint8)[[0, 0, 0]], names=RGB)
    out = tmp_path / f"map{suffix}"
    command_line = [sys.executable, "-m", "gairbench", "map", "--model", "pixel-stats", "--image", str(image)]
    command_line += ["--unit", "uint8", "--resolution", "10", "--out", str(out)]
    subprocess.run(command_line, check=True, capture_output=True)
    before = {path: path.read_bytes() for path in sorted(out.rglob("*")) or [out] if path.is_file()}
    biggest = max(map(len, before.values()))

    def full() -> None:
        # A file cannot grow beyond half of what it needs.
        resource.setrlimit(resource.RLIMIT_FSIZE, (biggest // 2, biggest // 2))

    failed = subprocess.run(command_line, check=False, capture_output=True, text=True, preexec_fn=full)
    assert failed.returncode == 1
    assert f"cannot write {out}" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert {path: path.read_bytes() for path in sorted(out.rglob("*")) or [out] if path.is_file()} == before
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
