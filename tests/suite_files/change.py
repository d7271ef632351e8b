"""What has changed between two images of a place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchgeo import datasets

from suite_files.drawing import EDGE, picture, reflected, regions, save, save_raster


def cabuar(folder: Path, rng: np.random.Generator) -> None:
    """Write CaBuAr."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    for name, folds in (("512x512.hdf5", (0, 0, 1, 2, 3, 4)), ("chabud_test.h5", ("chabud", "chabud"))):
        with h5py.File(folder / name, "w") as file:
            for index, fold in enumerate(folds):
                mask = regions(rng, 2, EDGE)
                group = file.create_group(f"{name[:3]}-{index // 2}_{index % 2}")
                group.attrs["fold"] = fold
                before = reflected(rng, 0, 12, EDGE)
                group["pre_fire"] = before.transpose(1, 2, 0)
                group["post_fire"] = np.where(mask, before // 3, before).transpose(1, 2, 0)
                group["mask"] = mask[..., None].astype(np.uint16)


def _pair(rng: np.random.Generator, a: Path, b: Path, label: Path) -> None:
    mask = regions(rng, 2, EDGE)
    before = picture(rng, 1, EDGE)
    save(a, before)
    save(b, np.where(mask[..., None], 255 - before, before).astype(np.uint8))
    save(label, mask * 255)


def levir_cd(folder: Path, rng: np.random.Generator) -> None:
    """Write LEVIR-CD."""
    for split, count in (("train", 4), ("val", 2), ("test", 2)):
        for index in range(count):
            a, b, label = (folder / part / f"{split}_{index}.png" for part in ("A", "B", "label"))
            _pair(rng, a, b, label)


def levir_cd_plus(folder: Path, rng: np.random.Generator) -> None:
    """Write LEVIR-CD+."""
    for split, count in (("train", 6), ("test", 2)):
        for index in range(count):
            base = folder / datasets.LEVIRCDPlus.directory / split
            name = f"{split}_{index:02}.png"
            _pair(rng, base / "A" / name, base / "B" / name, base / "label" / name)


def chabud(folder: Path, rng: np.random.Generator) -> None:
    """Write ChaBuD."""
    import h5py

    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / "train_eval.hdf5", "w") as file:
        for index, fold in enumerate((0, 0, 1, 1, 2, 2, 3, 4)):
            mask, before = regions(rng, 2, EDGE), reflected(rng, 0, 12, EDGE)
            group = file.create_group(f"fire-{index // 2}_{index % 2}")
            group.attrs["fold"] = fold
            group["pre_fire"] = before.transpose(1, 2, 0)
            group["post_fire"] = np.where(mask, before // 3, before).transpose(1, 2, 0)
            group["mask"] = mask[..., None].astype(np.uint16)


def bright(folder: Path, rng: np.random.Generator) -> None:
    """Write BRIGHT: radar has one channel; of the published test there are no labels."""
    base = folder / "dfc25_track2_trainval"
    for file, split, first, count in (("train", "train", 0, 8), ("holdout", "train", 8, 2), ("val", "val", 10, 1)):
        names = [f"{('bata-explosion', 'turkey-earthquake')[n % 2]}_{n:08}" for n in range(first, first + count)]
        for name in names:
            mask = regions(rng, 4, EDGE)
            before = picture(rng, 1, EDGE)
            radar = np.clip(40 + 50 * mask + rng.integers(0, 30, mask.shape), 0, 255).astype(np.uint8)
            save_raster(base / split / "pre-event" / f"{name}_pre_disaster.tif", before.transpose(2, 0, 1))
            save_raster(base / split / "post-event" / f"{name}_post_disaster.tif", radar[None])
            if split == "train":
                save_raster(base / split / "target" / f"{name}_building_damage.tif", mask[None])
        (base / f"{file}_setlevel.txt").write_text("\n".join(names) + "\n")


def xview2(folder: Path, rng: np.random.Generator) -> None:
    """Write xView2: buildings are 1 before, and 1 to 4 after, from intact to destroyed."""
    for split, count in (("train", 12), ("test", 2)):
        for index in range(count):
            name = f"{('guatemala-volcano', 'socal-fire')[index % 2]}_{index:08}"
            mask = regions(rng, 5, EDGE)
            before = picture(rng, 1, EDGE)
            after = np.clip(before + 20.0 * mask[..., None], 0, 255).astype(np.uint8)
            for when, image, target in (("pre", before, np.minimum(mask, 1)), ("post", after, mask)):
                save(folder / split / "images" / f"{name}_{when}_disaster.png", image)
                save(folder / split / "targets" / f"{name}_{when}_disaster_target.png", target)
