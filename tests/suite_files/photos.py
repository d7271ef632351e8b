"""Street-level photos: each has the colour of its platform, or is as bright as it looks safe."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import numpy as np
import pandas as pd

from suite_files.drawing import picture, save

ATTRIBUTES = {
    "glare": ("no", "yes"),
    "lighting_condition": ("day", "night", "dusk/dawn"),
    "pano_status": (False, True),
    "platform": ("driving surface", "walking surface", "cycling surface", "railway", "fields", "tunnel"),
    "quality": ("good", "slightly poor", "very poor"),
    "reflection": ("no", "yes"),
    "view_direction": ("front/back", "side"),
    "weather": ("clear", "cloudy", "rainy", "snowy", "foggy"),
}


def global_streetscapes(folder: Path, rng: np.random.Generator) -> None:
    """Write Global Streetscapes' labels by hand: each attribute follows from the colour, and has photos of its own.

    A photo that is for testing in one table may be for training in another, and some cells are empty.
    """
    for number in range(100):
        uuid = str(UUID(int=int(rng.integers(1 << 62))))
        size = (48, 96) if number % 4 == 0 else (48, 64)
        pixels = picture(rng, number % 6, 96)[: size[0], : size[1]]
        save(folder / "manual_labels" / "img" / str(1 + number % 7) / f"{uuid}.jpeg", pixels)
        for place, (name, classes) in enumerate(ATTRIBUTES.items()):
            label = "" if rng.uniform() < 0.05 else classes[number % 6 % len(classes)]
            path = folder / "manual_labels" / ("test" if (number + place) // 6 % 4 == 0 else "train") / f"{name}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            new = not path.exists()
            with path.open("a", encoding="utf-8") as table:
                table.write(("uuid,source," + name + "\n") * new + f"{uuid},Mapillary,{label}\n")


STUDIES = {
    "safe": ("50a68a51fdc9f05596000002", "safer"),
    "lively": ("50f62c41a84ea7c5fdd2e454", "livelier"),
    "boring": ("50f62c68a84ea7c5fdd2e456", "more boring"),
    "wealthy": ("50f62cb7a84ea7c5fdd2e458", "wealthier"),
    "depressing": ("50f62ccfa84ea7c5fdd2e459", "more depressing"),
    "beautiful": ("5217c351ad93a7d3e7b07a64", "more beautiful"),
}


def place_pulse(folder: Path, rng: np.random.Generator) -> None:
    """Write Place Pulse: photos of ten cities; of one place there is no photo, and of some no score."""
    cities = (
        "Amsterdam",
        "Belo Horizonte",
        "Cape Town",
        "Dublin",
        "Gaborone",
        "Kyiv",
        "Lisbon",
        "Milan",
        "Sao Paulo",
        "Tokyo",
    )
    scores = []
    for number in range(100):
        lat, lon = rng.uniform(-35, 55), rng.uniform(-60, 140)
        identifier = f"{513_000_000 + number:024x}"
        level = rng.uniform(10, 40)
        if number:
            grey = np.clip(rng.normal(level * 5, 12, (48, 64)), 0, 255).astype(np.uint8)
            save(
                folder / "images" / f"{lat:.6f}_{lon:.6f}_{identifier}_{cities[number % 10]}.JPG",
                np.stack([grey] * 3, -1),
            )
        for place, (study, _) in enumerate(STUDIES.values()):
            if rng.uniform() < 0.9:
                scores.append((identifier, study, level + 100 * place, 3.0))
    columns = ["location_id", "study_id", "trueskill.score", "trueskill.stds.-1"]
    pd.DataFrame(scores, columns=columns).to_csv(folder / "qscores.tsv", sep="\t", index=False)
    table = pd.DataFrame(STUDIES.values(), columns=["_id", "study_question"])
    table.to_csv(folder / "studies.tsv", sep="\t", index=False)
