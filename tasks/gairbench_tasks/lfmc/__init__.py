"""Live fuel moisture from three months of single pixels: the data that Presto was evaluated on (arXiv 2304.14065)."""

from __future__ import annotations

from gairbench import (
    Category,
    DatasetSpec,
    Download,
    ImageInput,
    Kind,
    LocationInput,
    Modality,
    RemoteFile,
    TaskSpec,
    Unit,
)

FOLDER = "presto_fuel_moisture"
"""Below the data root."""

MONTHS = 3

_MEASURED = {
    **dict.fromkeys(("VV", "VH"), Unit.DB),
    **dict.fromkeys(("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B11", "B12"), Unit.S2_DN),
    "temperature": Unit.KELVIN,
    "precipitation": Unit.METRES,
    "elevation": Unit.METRES,
    "slope": Unit.RAW,
}
"""Bands in the order of the file, whose last one, NDVI, is left out: it was computed from other bands."""

_CLASSES = (
    "water",
    "trees",
    "grass",
    "flooded_vegetation",
    "crops",
    "shrub_and_scrub",
    "built",
    "bare",
    "snow_and_ice",
)

LAND_COVER = tuple(f"dynamic-world:{name}" for name in _CLASSES)
"""Classes of Dynamic World in the order of their numbers; the class of a month is 1, the others are 0."""

BANDS = (*_MEASURED, *LAND_COVER)
_UNITS = (*_MEASURED.values(), *(Unit.RAW,) * len(LAND_COVER))

SERIES = ImageInput(
    modality=Modality.RS, name="series", bands=BANDS, unit=_UNITS, size=1, frames=MONTHS, dated=True, gsd_m=10.0
)
LATEST = ImageInput(modality=Modality.RS, name="latest", bands=BANDS, unit=_UNITS, size=1, dated=True, gsd_m=10.0)

_ADDRESS = "https://raw.githubusercontent.com/nasaharvest/presto/13173d028f035abcbcc3b13829314323a5c15d02/data/fuel_moisture/npy"

FILES = {
    "dynamic_world": (7_067, "c00df7de035980c570b3f3af30f98025c2c7349e37abe54864148d5819b8d677"),
    "is_test": (18_632, "e6b98035b21df025b38ebe80c315592f4484250c2f044e8e782682dbba23182b"),
    "latlon": (37_136, "a31dc1f4c68c8614ac1cfa0e1cdf24d6ac9448e4a16e977605b0e563cb92595f"),
    "month": (55_640, "173f17192cb2dcd7bc7fc3c8dfba2c0690aa3ce023a90f94d9c2d4e5ccdfdf91"),
    "s1_s2_era5_srtm": (999_344, "588e25049e68cb9c64572649518badab49ae418e130144c3b47a67797507da3e"),
    "site": (268_436, "7f7e8f73f2b2ccd4a84a5d5cd7213d6b63807616ca9750038125d94b62f25494"),
    "target": (18_632, "c0a178b8521481d85fd4fede1ebbb01e475d7c05c7b5162c0c6029afb54e11d4"),
}
"""The arrays of the folder ``npy``: size in bytes and SHA-256."""

DATASET = DatasetSpec(
    name="lfmc",
    version=1,
    factory="gairbench_tasks.lfmc.source:FuelMoistureSource",
    delivers=(SERIES, LATEST, LocationInput()),
    description="2,313 pixels of 150 sites in the western United States; test sites as published",
    licence="MIT (arrays); measurements: Globe-LFMC",
    citation="arXiv:2304.14065, doi:10.1038/s41597-019-0164-9",
    folder=FOLDER,
    download=Download(
        files=tuple(
            RemoteFile(url=f"{_ADDRESS}/{name}.npy", path=f"npy/{name}.npy", size=size, checksum=f"sha256:{sha256}")
            for name, (size, sha256) in FILES.items()
        ),
        licence="MIT (arrays); measurements: Globe-LFMC",
    ),
    group="site",
)

DATASETS: tuple[DatasetSpec, ...] = (DATASET,)


def _task(what: str, category: Category, inputs: tuple[str, ...], description: str) -> TaskSpec:
    return TaskSpec(
        name=f"lfmc-{what}",
        version=1,
        category=category,
        family="fuel moisture",
        kind=Kind.REGRESSION,
        dataset=DATASET,
        target="fuel_moisture",
        inputs=inputs,
        metric="r2",
        extra_metrics=("rmse", "mae"),
        synthetic=False,
        description=description,
    )


_WATER = "Water in live fuel, percent of its dry weight"

TASKS: tuple[TaskSpec, ...] = (
    _task("series", Category.RS, ("series",), f"{_WATER}: from three months of radar, optical bands, weather, relief"),
    _task("single-date", Category.RS, ("latest",), f"{_WATER}: from the last of the months"),
    _task("location", Category.LOCATION, ("location",), f"{_WATER}: from the place alone"),
    _task("fused", Category.CROSS_MODAL, ("series", "location"), f"{_WATER}: from three months and the place"),
)
