"""A task file, data check, embed, map and pre-training read one file alike, or refuse it for one reason."""

from __future__ import annotations

import http.server
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import Affine, from_bounds, from_origin

from gairbench.batch import Images
from gairbench.embed_table.reader import SampleReader
from gairbench.errors import DataError
from gairbench.files.rows import open_rows
from gairbench.inputs import ImageInput, MissingPixels, Modality, Need, Unit
from gairbench.maps.scene import open_scene
from gairbench.maps.tiling import Tile
from gairbench.representation import RS, RS_QUERY
from gairbench.spec import DataContext, DatasetSpec, Preset, resolve
from gairbench.taskfiles.parsing import registry_with
from gairbench.testing.dataset_report import check_dataset
from gairbench.triplets.manifest import ManifestTriplets
from gairbench.triplets.options import TripletOptions

Values = np.ndarray[Any, Any]

SIZE = 16
BOUNDS = (9.0, 45.0, 9.016, 45.016)
POINT = (9.00801, 45.00802)
GRID = {"crs": "EPSG:4326", "transform": from_bounds(*BOUNDS, SIZE, SIZE)}
UTM = {"crs": "EPSG:32632", "transform": from_origin(500_000, 5_000_000, 10, 10)}
RNG = np.random.default_rng(0)
S2 = RNG.integers(300, 3000, (3, SIZE, SIZE)).astype(np.uint16)
RGB8 = RNG.integers(1, 255, (3, SIZE, SIZE)).astype(np.uint8)
HOLE = np.zeros((SIZE, SIZE), dtype=bool)
HOLE[:4, :5] = True


@dataclass(frozen=True, kw_only=True)
class Asked:
    """How a file is read."""

    path: Path
    unit: Unit
    bands: Sequence[str]
    missing_pixels: MissingPixels = "fill"


@dataclass(frozen=True, kw_only=True)
class Case:
    """A file, how it is declared, and the values that all readers return, or the reason of all to refuse it."""

    values: Values
    unit: Unit = Unit.S2_DN
    bands: Sequence[str] = ("B2", "B3", "B4")
    name: str = "a.tif"
    expected: Values | None = None
    refused: str = ""
    missing_pixels: MissingPixels = "fill"
    write: dict[str, Any] = field(default_factory=dict)
    after: Callable[[Any], None] = lambda file: None


def _dataset(asked: Asked) -> DatasetSpec:
    root = asked.path.parent
    (root / "task.yaml").write_text(
        f"""
datasets:
  d:
    licence: CC0-1.0
    synthetic: true
    images: {{modality: rs, folder: ., file: "{{rs}}", unit: {asked.unit}, bands: [{", ".join(asked.bands)}],
      missing_pixels: {asked.missing_pixels}}}
    table: {{path: rows.csv, id: id}}
    split: {{by: column, column: split}}
tasks: [{{name: t, dataset: d, label: y, kind: regression}}]
"""
    )
    rows = [f"{i},{asked.path.name},{split},{i}" for i, split in enumerate(("train", "val", "test"))]
    (root / "rows.csv").write_text("\n".join(["id,rs,split,y", *rows]))
    return registry_with([root / "task.yaml"]).datasets["d"]


def by_task_file(asked: Asked) -> Values:
    """Read it as ``run`` does."""
    sample = resolve(_dataset(asked).factory)(DataContext(root=asked.path.parent)).split("train")[0]
    return np.asarray(sample["image"])


def by_data_check(asked: Asked) -> None:
    """Read it as ``data check`` does, which returns no values."""
    report = check_dataset(_dataset(asked), asked.path.parent)
    found = [problem for problem in report.problems if "equal" not in problem]
    if found:
        raise DataError("; ".join(found), "")


def by_embed(asked: Asked) -> Values:
    """Read it as ``embed`` does."""
    return read_by_embed(asked).values[0].numpy()


def read_by_embed(asked: Asked, needs: frozenset[Need] = frozenset()) -> Images:
    """Return what a model is fed with that takes the file as it is."""
    table = asked.path.parent / "embed.csv"
    table.write_text(f"id,rs\na,{asked.path.name}\n")
    bands = tuple(band for band in asked.bands if band != "alpha")
    wanted = ImageInput(modality=Modality.RS, bands=bands, unit=asked.unit)
    preset = Preset(name="default", inputs=(wanted,), needs=needs)
    rows = open_rows(table, {}, root=None, skip=False, follow_links=False)
    reader = SampleReader(rows, preset, [RS], asked.unit, asked.bands, missing_pixels=asked.missing_pixels)
    return reader(next(iter(rows.chunks(1))), 0, 1).inputs[RS.of].images["rs"]


def by_map(asked: Asked) -> Values:
    """Read it as ``map`` does."""
    with open_scene(asked.path, asked.unit, asked.bands, asked.missing_pixels) as scene:
        return scene.read(Tile(0, 0, SIZE))[0]


def by_pretraining(asked: Asked) -> Values:
    """Read it as ``pretrain`` and ``data shard`` do."""
    folder = asked.path.parent
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(folder / "photo.png")
    table = folder / "triplets.csv"
    table.write_text(f"id,rs,sv,lon,lat\na,{asked.path.name},photo.png,{POINT[0]},{POINT[1]}\n")
    options = TripletOptions(
        rs_unit=asked.unit, rs_bands=tuple(asked.bands), missing_pixels=asked.missing_pixels, rs_size=SIZE
    )
    return ManifestTriplets(table, options).split("pretrain").arrays(0)["image"]


READERS: dict[str, Callable[[Asked], Values | None]] = {
    "task file": by_task_file,
    "data check": by_data_check,
    "embed": by_embed,
    "map": by_map,
    "pretrain": by_pretraining,
}


def filled(values: Values, hole: Values = HOLE) -> Values:
    out = values.astype(np.float64)
    for band in out:
        mean = band[~hole].mean()
        band[hole] = np.rint(mean) if values.dtype.kind in "iu" else mean
    return out


def holed(values: Values, value: float, hole: Values = HOLE) -> Values:
    out = values.copy()
    out[:, hole] = value
    return out


def described(*names: str) -> Callable[[Any], None]:
    def describe(file: Any) -> None:
        file.descriptions = names

    return describe


def scaled(scale: float, offset: float) -> Callable[[Any], None]:
    def tag(file: Any) -> None:
        file.scales, file.offsets = [scale] * file.count, [offset] * file.count

    return tag


def masked(file: Any) -> None:
    file.write_mask(~HOLE)


SIGNED = S2.astype(np.int16)
REFLECTANCE = (S2 / 10_000).astype(np.float32)
MOSTLY = np.arange(SIZE * SIZE).reshape(SIZE, SIZE) < 200
ONE_BAND = np.stack([HOLE, HOLE & False, HOLE & False])
RGBA = np.concatenate([RGB8, np.where(HOLE, 0, 255)[None].astype(np.uint8)])
NAMES = ("red", "green", "blue")
JP2 = {"driver": "JP2OpenJPEG", "QUALITY": "100", "REVERSIBLE": "YES"}

CASES: dict[str, Case] = {
    "plain": Case(values=S2, expected=S2),
    "padded names": Case(values=S2, after=described("B02", "B03", "B04"), expected=S2),
    "lower case names": Case(values=S2, after=described("b2", "b3", "b4"), expected=S2),
    "names padded with spaces": Case(values=S2, after=described(" B2", "B03 ", "b04"), expected=S2),
    "colours": Case(values=S2, after=described("Blue", "GREEN", "red"), expected=S2),
    "free text": Case(values=S2, after=described("stackstac-1", "stackstac-2", "stackstac-3"), expected=S2),
    "red edge": Case(values=S2, bands=("B8A", "B11", "B12"), after=described("B8a", "B11", "b12"), expected=S2),
    "swapped": Case(values=S2, after=described("B04", "B03", "B02"), refused="band 1 is B4"),
    "swapped in lower case": Case(values=S2, after=described("b4", "b3", "b2"), refused="band 1 is B4"),
    "swapped colours": Case(values=S2, after=described("Red", "Green", "Blue"), refused="band 1 is red"),
    "swapped red edge": Case(
        values=S2, bands=("B8A", "B11", "B12"), after=described("B11", "B8A", "B12"), refused="band 1 is B11"
    ),
    "swapped names of no model": Case(
        values=S2, bands=("p", "q", "x"), after=described("Q", "P", "x"), refused="band 1 is Q"
    ),
    "another number of bands": Case(values=S2, bands=("B2", "B3"), refused="has 3 bands, and 2 are declared"),
    "nodata tag": Case(values=holed(SIGNED, -9999), write={"nodata": -9999}, expected=filled(SIGNED)),
    "nodata 0": Case(values=holed(S2, 0), write={"nodata": 0}, expected=filled(S2)),
    "nodata 65535": Case(values=holed(S2, 65535), write={"nodata": 65535}, expected=filled(S2)),
    "nodata in one band": Case(
        values=np.where(ONE_BAND, -9999, SIGNED).astype(np.int16),
        write={"nodata": -9999},
        expected=np.where(ONE_BAND, filled(SIGNED), SIGNED),
    ),
    "0 in one band is measured": Case(
        values=np.where(ONE_BAND, 0, S2).astype(np.uint16), write={"nodata": 0}, expected=np.where(ONE_BAND, 0, S2)
    ),
    "mask": Case(values=S2, after=masked, expected=filled(S2)),
    "NaN": Case(values=holed(REFLECTANCE, np.nan), unit=Unit.REFLECTANCE, expected=filled(REFLECTANCE)),
    "infinity": Case(values=holed(REFLECTANCE, np.inf), unit=Unit.REFLECTANCE, expected=filled(REFLECTANCE)),
    "nodata in reflectance": Case(
        values=holed(REFLECTANCE, -9999), unit=Unit.REFLECTANCE, write={"nodata": -9999}, expected=filled(REFLECTANCE)
    ),
    "refused if asked": Case(
        values=holed(SIGNED, -9999), write={"nodata": -9999}, missing_pixels="refuse", refused="missing data|no data"
    ),
    "unmarked -9999": Case(values=holed(SIGNED, -9999), refused="has values -9999"),
    "unmarked -9999 in reflectance": Case(
        values=holed(REFLECTANCE, -9999), unit=Unit.REFLECTANCE, refused="has values -9999"
    ),
    "digital numbers as reflectance": Case(
        values=S2.astype(np.float32), unit=Unit.REFLECTANCE, refused="cannot be reflectance"
    ),
    "whole numbers as reflectance": Case(values=S2, unit=Unit.REFLECTANCE, refused="holds uint16 values"),
    "16 bits as display values": Case(values=S2, unit=Unit.UINT8, refused="holds uint16 values"),
    "complex whole numbers": Case(
        values=S2.astype(np.complex64), write={"dtype": "complex_int16"}, refused="holds complex values"
    ),
    "complex": Case(values=S2.astype(np.complex64), refused="holds complex values"),
    "scale of the unit": Case(values=S2, after=scaled(0.0001, 0), expected=S2),
    "scale with an offset": Case(values=S2, after=scaled(0.0001, -0.1), refused="scale 0.0001 and offset -0.1"),
    "scale of display values": Case(values=RGB8, unit=Unit.UINT8, after=scaled(0.5, 0), refused="scale 0.5"),
    "scale of reflectance": Case(
        values=REFLECTANCE, unit=Unit.REFLECTANCE, after=scaled(0.0001, 0), refused="scale 0.0001"
    ),
    "alpha left out": Case(
        values=RGBA, unit=Unit.UINT8, bands=NAMES, write={"photometric": "rgb", "alpha": "yes"}, expected=filled(RGB8)
    ),
    "alpha named": Case(
        values=RGBA,
        unit=Unit.UINT8,
        bands=(*NAMES, "alpha"),
        write={"photometric": "rgb", "alpha": "yes"},
        expected=filled(RGB8),
    ),
    "alpha of a PNG": Case(
        name="a.png", values=RGBA, unit=Unit.UINT8, bands=NAMES, write={"driver": "PNG"}, expected=filled(RGB8)
    ),
    "near infrared that GDAL takes for alpha": Case(
        values=RGBA, unit=Unit.UINT8, bands=(*NAMES, "nir"), write={"photometric": "rgb"}, expected=RGBA
    ),
    "PNG of 16 bits": Case(name="a.png", values=S2, bands=("B4", "B3", "B2"), write={"driver": "PNG"}, expected=S2),
    "JPEG 2000 of 15 bits": Case(name="a.jp2", values=S2, write=JP2 | {"NBITS": 15}, expected=S2),
    "JPEG 2000 of 12 bits": Case(name="a.jp2", values=S2, write=JP2 | {"NBITS": 12}, expected=S2),
    "JPEG 2000 of 10 bits": Case(name="a.jp2", values=S2 // 4, write=JP2 | {"NBITS": 10}, expected=S2 // 4),
    "signed JPEG 2000": Case(name="a.jp2", values=SIGNED - 1000, write=JP2, expected=SIGNED - 1000),
    "TIFF without suffix": Case(name="tile", values=S2, expected=S2),
    "TIFF of another suffix": Case(name="tile.gtiff", values=S2, expected=S2),
    "TIFF that is called JPEG": Case(name="tile.jpg", values=S2, expected=S2),
    "rotated": Case(
        values=S2,
        write={"transform": GRID["transform"] @ Affine.rotation(20)},
        refused="is rotated or not north up",
    ),
    "south up": Case(
        values=S2, write={"transform": Affine(0.001, 0, 9.0, 0, 0.001, 45.0)}, refused="is rotated or not north up"
    ),
}


def written(folder: Path, case: Case) -> Path:
    path = folder / case.name
    profile = {"driver": "GTiff", "dtype": case.values.dtype} | GRID | case.write
    count, height, width = case.values.shape
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore")
        with rasterio.open(path, "w", count=count, height=height, width=width, **profile) as file:
            file.write(case.values)
            case.after(file)
    return path


HOLED = {
    "NaN": Case(values=holed(REFLECTANCE, np.nan), unit=Unit.REFLECTANCE),
    "nodata": Case(values=holed(S2, 0), write={"nodata": 0}),
    "nodata of one band": Case(values=np.where(ONE_BAND, np.int16(-9999), SIGNED), write={"nodata": -9999}),
    "mask": Case(values=S2, after=masked),
    "alpha": Case(values=RGBA, unit=Unit.UINT8, bands=NAMES, write={"photometric": "rgb", "alpha": "yes"}),
    "whole": Case(values=S2),
}


@pytest.mark.parametrize("case", HOLED)
def test_one_file_lacks_the_same_pixels_in_a_task_file_embed_and_map(tmp_path: Path, case: str) -> None:
    one = HOLED[case]
    asked = Asked(path=written(tmp_path, one), unit=one.unit, bands=one.bands)
    expected = ~{"whole": np.stack([HOLE & False] * 3), "nodata of one band": ONE_BAND}.get(case, np.stack([HOLE] * 3))
    sample = resolve(_dataset(asked).factory)(DataContext(root=tmp_path)).split("train")[0]
    np.testing.assert_array_equal(sample["mask"], expected)
    image = read_by_embed(asked, needs=frozenset({"mask"}))
    assert image.mask is not None
    np.testing.assert_array_equal(image.mask[0], expected)
    with open_scene(asked.path, asked.unit, asked.bands) as scene:
        np.testing.assert_array_equal(scene.read(Tile(0, 0, SIZE))[1], expected)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("case", CASES)
def test_one_file_has_one_answer(tmp_path: Path, case: str, reader: str) -> None:
    one = CASES[case]
    asked = Asked(path=written(tmp_path, one), unit=one.unit, bands=one.bands, missing_pixels=one.missing_pixels)
    if one.refused:
        with pytest.raises(DataError, match=one.refused) as caught:
            READERS[reader](asked)
        assert "\n" not in str(caught.value)
        return
    values = READERS[reader](asked)
    if values is not None:
        assert one.expected is not None
        # Maps are read in floating point: what they fill in is not rounded.
        np.testing.assert_allclose(values, one.expected, rtol=1e-6, atol=0.5 if reader == "map" else 0)


@pytest.mark.parametrize("reader", READERS)
def test_an_image_that_is_mostly_missing_is_left_out_of_embeddings_and_empty_in_a_map(
    tmp_path: Path, reader: str
) -> None:
    path = written(tmp_path, Case(values=holed(SIGNED, -9999, MOSTLY), write={"nodata": -9999}))
    asked = Asked(path=path, unit=Unit.S2_DN, bands=("B2", "B3", "B4"))
    if reader == "map":
        with open_scene(path, Unit.S2_DN, asked.bands) as scene:
            np.testing.assert_array_equal(scene.read(Tile(0, 0, SIZE))[1], [~MOSTLY] * 3)
        return
    with pytest.raises(DataError, match=r"no data|missing data"):
        READERS[reader](asked)


def test_a_projected_tile_is_accepted_with_its_box_by_embed_and_pretraining(tmp_path: Path) -> None:
    path = written(tmp_path, Case(values=S2, write=UTM))
    from gairbench.files.overhead import read_place

    place = read_place(path)
    assert place is not None
    lon, lat = place.centre(path)
    corners = rasterio.warp.transform_bounds(CRS.from_epsg(32632), "EPSG:4326", *place.bounds)
    around = (corners[0], corners[3], corners[2], corners[1])
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(tmp_path / "p.png")
    for box in (place.box(path, lon, lat), around):
        table = tmp_path / "t.csv"
        row = ",".join(map(str, ("a", path.name, "p.png", lon, lat, *box)))
        table.write_text(f"id,rs,sv,lon,lat,lon_min,lat_max,lon_max,lat_min\n{row}\n")
        options = TripletOptions(rs_unit=Unit.S2_DN, rs_bands=("B2", "B3", "B4"), rs_size=SIZE)
        assert ManifestTriplets(table, options).split("pretrain").arrays(0)["image"].shape == (3, SIZE, SIZE)
        taken = ImageInput(modality=Modality.RS, bands=("B2", "B3", "B4"), unit=Unit.S2_DN)
        wanted = Preset(name="default", inputs=(taken,), offers=(RS_QUERY,))
        rows = open_rows(table, {}, root=None, skip=False, follow_links=False)
        reader = SampleReader(rows, wanted, [RS_QUERY], Unit.S2_DN, ("B2", "B3", "B4"))
        assert len(reader(next(iter(rows.chunks(1))), 0, 1).ids) == 1


@pytest.fixture
def address() -> Iterator[tuple[str, list[str]]]:
    """A server on this machine, and the requests that it got."""
    requests: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(self.path)
            self.send_error(404)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", requests
    server.shutdown()


def _vrt(source: str) -> str:
    band = "<VRTRasterBand dataType='UInt16' band='{}'><SimpleSource><SourceFilename>{}</SourceFilename></SimpleSource>"
    bands = "".join(band.format(number, source) + "</VRTRasterBand>" for number in (1, 2, 3))
    return f"<VRTDataset rasterXSize='{SIZE}' rasterYSize='{SIZE}'>{bands}</VRTDataset>"


def _wms(url: str) -> str:
    return (
        f"<GDAL_WMS><Service name='TMS'><ServerUrl>{url}/${{z}}/${{x}}/${{y}}</ServerUrl></Service><DataWindow>"
        f"<SizeX>{SIZE}</SizeX><SizeY>{SIZE}</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"
    )


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", ["vrt", "wms", "file outside", "mask", "overviews", "tag", "sidecar tag"])
def test_an_image_reaches_neither_the_network_nor_other_files(
    tmp_path: Path, kind: str, reader: str, address: tuple[str, list[str]]
) -> None:
    url, requests = address
    (tmp_path / "data").mkdir()
    path = written(tmp_path / "data", Case(values=S2))
    other = written(tmp_path, Case(values=S2, name="outside.tif"))
    remote = f"/vsicurl/{url}/x.tif"
    match kind:
        case "vrt":
            path.write_text(_vrt(remote))
        case "wms":
            path.write_text(_wms(url))
        case "file outside":
            path.write_text(_vrt(str(other)))
        case "mask":
            Path(f"{path}.msk").write_text(_vrt(remote))
        case "overviews":
            Path(f"{path}.ovr").write_text(_vrt(remote))
        case "tag":
            with rasterio.open(path, "r+") as file:
                file.update_tags(ns="OVERVIEWS", OVERVIEW_FILE=remote)
        case _:
            tag = f"<MDI key='OVERVIEW_FILE'>{remote}</MDI>"
            Path(f"{path}.aux.xml").write_text(
                f"<PAMDataset><Metadata domain='OVERVIEWS'>{tag}</Metadata></PAMDataset>"
            )
    with pytest.raises(DataError, match=r"cannot read image|is not a TIFF|refers to another file") as caught:
        READERS[reader](Asked(path=path, unit=Unit.S2_DN, bands=("B2", "B3", "B4")))
    assert "\n" not in str(caught.value)
    assert not requests


def test_a_mask_beside_an_image_is_used(tmp_path: Path) -> None:
    path = written(tmp_path, Case(values=S2))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False), rasterio.open(path, "r+") as file:
        file.write_mask(~HOLE)
    assert Path(f"{path}.msk").is_file()
    np.testing.assert_array_equal(
        by_embed(Asked(path=path, unit=Unit.S2_DN, bands=("B2", "B3", "B4"))), filled(S2).astype(np.float32)
    )
