"""Numbers measured at the place, or of what the image shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torchgeo import datasets

from suite_files.drawing import SPLITS, save, save_raster


def usavars(folder: Path, rng: np.random.Generator) -> None:
    """Write USAVars: seven tables of all tiles, in another order than the lists of the splits."""
    ids = [f"{row},{column}" for row in range(6) for column in range(10)]
    level = rng.uniform(0, 1, len(ids))
    for one, height in zip(ids, level, strict=True):
        pixels = np.clip(40 + 160 * height + rng.normal(0, 12, (4, 256, 256)), 0, 255).astype(np.uint8)
        save_raster(folder / "uar" / f"tile_{one}.tif", pixels)
    for name in ("treecover", "elevation", "population", "income", "housing", "roads", "nightlights"):
        table = {"ID": ids, "lon": np.linspace(-120, -75, 60), "lat": rng.uniform(28, 48, 60), name: 100 * level}
        pd.DataFrame(table).to_csv(folder / f"{name}.csv")
    order = rng.permutation(len(ids))
    for split, rows in zip(SPLITS, (order[:36], order[36:48], order[48:]), strict=True):
        (folder / f"{split}_split.txt").write_text("\n".join(f"tile_{ids[row]}.tif" for row in rows) + "\n")


def tropical_cyclone(folder: Path, rng: np.random.Generator) -> None:
    """Write the pictures of storms and their winds."""
    for split, file, storms in (("train", "training_set", "abcdefghij"), ("test", "test_set", "klm")):
        rows = []
        for storm in storms:
            for step in range(6):
                wind = int(rng.integers(20, 150))
                name = f"{storm * 3}_{step:03}"
                grey = np.clip(rng.normal(wind + 30, 12, (46, 46)), 0, 255).repeat(8, 0).repeat(8, 1)[:366, :366]
                save(folder / split / f"{name}.jpg", grey.astype(np.uint8))
                rows.append(
                    {"Image ID": name, "Storm ID": storm * 3, "Relative Time": step, "Ocean": 1, "Wind Speed": wind}
                )
        table = pd.DataFrame(rows, columns=["Image ID", "Storm ID", "Relative Time", "Ocean", "Wind Speed"])
        table.drop(columns="Wind Speed").to_csv(folder / f"{file}_features.csv", index=False)
        table[["Image ID", "Wind Speed"]].to_csv(folder / f"{file}_labels.csv", index=False)


def digital_typhoon(folder: Path, rng: np.random.Generator) -> None:
    """Write Digital Typhoon: temperatures in a file for each hour, and the table of all hours."""
    import h5py

    rows = []
    for storm in range(12):
        for hour in range(6):
            pressure = float(rng.uniform(900, 1_000))
            grade = 2 if hour == 5 else 3
            name = f"{storm}-{hour}.h5"
            (folder / "WP" / "image" / str(storm)).mkdir(parents=True, exist_ok=True)
            with h5py.File(folder / "WP" / "image" / str(storm) / name, "w") as file:
                # The deeper the storm, the higher and colder its clouds.
                file["Infrared"] = rng.normal(200 + (pressure - 900) * 0.8, 2, (64, 64)).astype(np.float32)
            wind = 160 - (pressure - 900) if grade > 2 else 0.0
            rows.append(
                {"id": storm, "image_path": name, "year": 1990 + storm, "month": 8, "day": 1, "hour": hour}
                | {"grade": grade, "lat": 20.0, "lng": 130.0, "pressure": pressure, "wind": wind, "file_1": name}
            )
    table = pd.DataFrame(rows)
    table.to_csv(folder / "WP" / "aux_data.csv", index=False)
    (folder / "WP" / "metadata").mkdir()
    for storm, mine in table.groupby("id"):
        mine.to_csv(folder / "WP" / "metadata" / f"{storm}.csv", index=False)


def cowc_counting(folder: Path, rng: np.random.Generator) -> None:
    """Write COWC for counting: each car is a bright square, and the class wants the archives to stay."""
    for name in datasets.COWCCounting.filenames:
        (folder / name).touch()
    for split, count in (("train", 40), ("test", 10)):
        rows = []
        for index in range(count):
            cars = int(rng.integers(0, 64))
            lot = (rng.permutation(64) < cars).reshape(8, 8).repeat(32, 0).repeat(32, 1)
            path = f"{('Toronto_ISPRS', 'Utah_AGRC')[index % 2]}/{split}/{split}_{index}.png"
            grey = np.where(lot, 220, 60) + rng.integers(0, 20, lot.shape)
            save(folder / path, np.stack([grey.astype(np.uint8)] * 3, axis=-1))
            rows.append(f"{path} {cars}")
        (folder / f"COWC_{split}_list_64_class.txt").write_text("\n".join(rows) + "\n")
