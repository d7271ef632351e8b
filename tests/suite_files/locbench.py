"""LocBench's tables: a measurement grows from south to north, and each class is in a part of the world of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from suite_files.places import anywhere, warmth_at

_NAMES = ("Albatross", "Bittern", "Crane", "Dove")


def mosaiks(folder: Path, rng: np.random.Generator) -> None:
    """Write LocBench's four tables, of which a twentieth is used."""
    for name in ("elevation", "forest", "nightlights", "population"):
        lon, lat = anywhere(rng, 4_000)
        split = rng.choice(["train", "val", "test"], 4_000, p=[0.7, 0.1, 0.2])
        table = {"lon": lon, "lat": lat, name: warmth_at(lon, lat) + 10, "split": split}
        pd.DataFrame(table).to_csv(folder / f"Y_{name}.csv", index=False)


def sustainbench(folder: Path, rng: np.random.Generator) -> None:
    """Write LocBench's two tables of SustainBench, where not every indicator is known of every place."""
    for part, count in (("trainval", 200), ("test", 60)):
        lon, lat = anywhere(rng, count)
        table: dict[str, object] = {"lon": lon, "lat": lat, "nl_mean": 0.1}
        for name in ("asset_index", "under5_mort", "water_index", "women_bmi", "women_edu", "sanitation_index"):
            table[f"{name}_normalized"] = np.where(rng.uniform(size=count) < 0.1, np.nan, warmth_at(lon, lat) / 10)
        pd.DataFrame(table).to_csv(folder / f"dhs_{part}_labels.csv", index=False)


def _photos(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    """Return places with a class for each quarter of the world; of every tenth something is not known."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        label = number % 4
        lon = float(rng.uniform(20, 160)) * (1 if label % 2 else -1)
        lat = float(rng.uniform(10, 60)) * (1 if label < 2 else -1)
        rows.append({"label": label, "lon": lon, "lat": lat, "user_id": number, "date": 0.25})
        if number % 10 == 9:
            rows[-1] |= ({"lon": None, "lat": None}, {"user_id": None}, {"date": None}, {"lat": None})[number // 10 % 4]
    return rows


def _birds(path: Path, rng: np.random.Generator) -> None:
    content: dict[str, Any] = {"classes": list(_NAMES)}
    for split, count in (("train", 160), ("valid", 60), ("test", 60)):
        photos = []
        for number, known in enumerate(_photos(rng, count)):
            label = known.pop("label")
            # Few photos say where they were taken.
            own = known if number % 3 else {"lon": None, "lat": None, "user_id": None, "date": None}
            photo = {"valid_image": number % 20 != 7, "im_path": f"{split}/{number}.jpg", "class_id": label}
            photos.append({**photo, "orig_meta": own, "ebird_meta": known})
        content[split] = photos
    path.write_text(json.dumps(content), encoding="utf-8")


def birdsnap(folder: Path, rng: np.random.Generator) -> None:
    """Write BirdSnap: of a third of the photos the place is that of a sighting alone."""
    _birds(folder / "birdsnap_with_loc_2019.json", rng)


def nabirds(folder: Path, rng: np.random.Generator) -> None:
    """Write NABirds."""
    _birds(folder / "nabirds_with_loc_2019.json", rng)


def _observations(folder: Path, rng: np.random.Generator, places: str, annotated: str) -> None:
    for split, count in (("train", 200), ("val", 80)):
        located, labels = [], []
        for number, known in enumerate(_photos(rng, count)):
            image = number + (0 if split == "train" else 1_000)
            labels.append({"id": number, "image_id": image, "category_id": known.pop("label")})
            located.append({"id": image, **known, "date_c": known.pop("date")})
        (folder / places.format(split)).write_text(json.dumps(located), encoding="utf-8")
        # Not in the order of the places.
        content = {"images": [{"id": one["image_id"]} for one in labels], "annotations": labels[::-1]}
        (folder / annotated.format(split)).write_text(json.dumps(content), encoding="utf-8")


def inat_2017(folder: Path, rng: np.random.Generator) -> None:
    """Write iNaturalist's competition of 2017."""
    _observations(folder, rng, "{}2017_locations.json", "{}2017.json")
    named = [{"id": number, "name": name, "supercategory": "Aves"} for number, name in enumerate(_NAMES)]
    (folder / "categories2017.json").write_text(json.dumps(named[::-1]), encoding="utf-8")


def inat_2018(folder: Path, rng: np.random.Generator) -> None:
    """Write iNaturalist's competition of 2018."""
    _observations(folder, rng, "{}2018_locations.json", "{}2018.json")
    named = [{"id": number, "name": str(number)} for number in range(4)]
    (folder / "categories2018.json").write_text(json.dumps(named), encoding="utf-8")


def fmow(folder: Path, rng: np.random.Generator) -> None:
    """Write Functional Map of the World as LocBench has it."""
    _observations(folder, rng, "{}_location.json", "{}.json")
    kinds = ("airport", "barn", "crop_field", "dam")
    (folder / "category.json").write_text(json.dumps({name: number for number, name in enumerate(kinds)}))


def yfcc(folder: Path, rng: np.random.Generator) -> None:
    """Write YFCC100M-GEO100's table."""
    table = pd.DataFrame(_photos(rng, 300))[["lon", "lat", "label"]].rename(columns={"label": "class"})
    table["split"] = rng.choice(["train", "val", "test"], len(table), p=[0.6, 0.2, 0.2])
    table.to_csv(folder / "train_test_split.csv", index=False)
    pd.DataFrame({"id": range(4), "name": ["beach", "cave", "desert", "snow"]}).to_csv(
        folder / "class_names.csv", index=False
    )
