"""Measurements at places: each grows from south to north, and a little with longitude."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def anywhere(rng: np.random.Generator, count: int) -> tuple[Numbers, Numbers]:
    """Return longitudes and latitudes of places that are not at a pole."""
    return rng.uniform(-170, 170, count).round(4), rng.uniform(-60, 70, count).round(4)


def warmth_at(lon: Numbers, lat: Numbers) -> Numbers:
    """Return what is measured at places."""
    return 20 + 0.2 * lat + np.sin(np.radians(lon))


def weather_stations(folder: Path, rng: np.random.Generator) -> None:
    """Write SatCLIP's table of stations."""
    lon, lat = anywhere(rng, 300)
    warmth = warmth_at(lon, lat)
    table = {
        "Lon": lon,
        "Lat": lat,
        "nObs": 1.0,
        "SG_rmsep": 0.8,
        "meanT": warmth,
        "meanP": (40 * (warmth + 20)).round(),
    }
    pd.DataFrame(table).to_csv(folder / "stationDataAll.csv", index=False)


def wealth_clusters(folder: Path, rng: np.random.Generator) -> None:
    """Write the surveys' villages: countries of each of the three splits, in strips from west to east."""
    names = ("angola", "benin", "cameroon", "mali", "guinea", "kenya", "rwanda", "togo", "uganda", "tanzania")
    rows = []
    for number, country in enumerate(names):
        for _ in range(20):
            lat, lon = rng.uniform(-15, 15), rng.uniform(-10, -5) + 5 * number
            wealth = lat / 10 + rng.normal(0, 0.1)
            rows.append((country, 2011, lat, lon, wealth, 30, int(wealth > 0)))
    columns = ["country", "year", "lat", "lon", "wealthpooled", "households", "urban_rural"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "dhs_clusters.csv", index=False)


def california_housing(folder: Path, rng: np.random.Generator) -> None:
    """Write the table that our class makes of scikit-learn's."""
    lon, lat = rng.uniform(-124, -115, 300), rng.uniform(33, 41, 300)
    table = {"MedInc": 3.0, "Latitude": lat, "Longitude": lon, "MedHouseVal": (0.5 + (41 - lat) / 2).clip(max=5.00001)}
    pd.DataFrame(table).to_csv(folder / "california_housing.csv", index=False)
