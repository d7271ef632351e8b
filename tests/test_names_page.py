"""docs/names.md lists every name that the code knows, and nothing else."""

from __future__ import annotations

from pathlib import Path

from pages import table

from gairbench.inputs import Normalization, Unit
from gairbench.sensors import BUILTIN
from gairbench.spec import Kind
from gairbench.units import ALLOWED, measured_in

PAGE = Path(__file__).parents[1] / "docs" / "names.md"

UNITS = {
    Unit.UINT8: "display values",
    Unit.REFLECTANCE: "surface or top-of-atmosphere reflectance, nominally 0 to 1",
    Unit.S2_DN: "Sentinel-2 digital numbers: reflectance x 10,000",
    Unit.S2_DN_OFFSET: "the same plus 1,000: processing baseline 04.00 (January 2022) and later",
    Unit.LANDSAT_C2_DN: "Landsat Collection 2 Level-2 digital numbers, of reflectance or temperature by the band",
    Unit.DB: "SAR backscatter in decibels: 10 log10 of power",
    Unit.POWER: "SAR backscatter, linear power",
    Unit.AMPLITUDE: "SAR backscatter, square root of power",
    Unit.KELVIN: "temperature",
    Unit.METRES: "heights and other lengths",
    Unit.RAW: "anything else; never converted",
}
NORMALIZATIONS = {
    Normalization.NONE: "values in the declared unit",
    Normalization.ZSCORE: "(x - `mean`) / `std`",
    Normalization.NOMINAL: "the same with a round mean and deviation of the unit, for encoders that take any bands",
    Normalization.TWO_SIGMA_8BIT: "`mean` +- 2 `std` stretched to 0-255, truncated to 8 bits, divided by 255",
}
KINDS = {
    Kind.CLASSIFICATION: "one class a sample",
    Kind.ORDINAL: "one class a sample, of classes in an order",
    Kind.MULTILABEL: "any number of labels a sample",
    Kind.REGRESSION: "a measurement a sample",
    Kind.MULTI_REGRESSION: "several measurements a sample",
    Kind.SEGMENTATION: "a class a pixel",
    Kind.DENSE_REGRESSION: "a measurement a pixel",
    Kind.RETRIEVAL: "the sample's own image of another modality among all",
    Kind.GEOLOCALIZATION: "where the sample is",
}


def number(value: float) -> str:
    """Return a limit as docs write it."""
    return "any" if abs(value) == float("inf") else f"{value:,.15g}"


def units() -> str:
    """Return the table of units."""
    rows = []
    for unit in Unit:
        allowed = ALLOWED[unit]
        whole = "uint8" in allowed.dtypes
        dtypes = "uint8" if allowed.dtypes == ("uint8",) else "any number" if whole else "floating point"
        span = f"{number(allowed.least)} to {number(allowed.most)}"
        limit = f"{number(allowed.least)} to {number(allowed.limit)}"
        if unit is Unit.RAW:
            span = limit = "any"
        of = ", ".join(sorted(measured_in(unit))) or "-"
        rows.append([f"`{unit}`", UNITS[unit], of, dtypes, span, limit])
    return table(["unit", "meaning", "quantity", "data types", "plausible (`data check`)", "read at all"], rows)


def sensors() -> str:
    """Return the table of sensors and their bands."""
    rows = []
    for sensor in BUILTIN:
        bands = [
            f"`{band.name}`" + (f" ({band.wavelength_um:g})" if band.wavelength_um is not None else "")
            for band in sensor.bands
        ]
        rows.append([f"`{sensor.name}`", ", ".join(bands), sensor.description])
    return table(["sensor", "bands (centre wavelength in micrometres)", "source"], rows)


def test_the_page_lists_what_the_code_knows() -> None:
    text = PAGE.read_text(encoding="utf-8")
    expected = {
        "units": units(),
        "normalizations": table(
            ["normalization", "what an encoder is fed"], [[f"`{n}`", NORMALIZATIONS[n]] for n in Normalization]
        ),
        "kinds": table(["kind", "what a task asks for"], [[f"`{k}`", KINDS[k]] for k in Kind]),
        "sensors": sensors(),
    }
    for name, wanted in expected.items():
        assert wanted in text, f"docs/names.md lacks the table of {name}:\n\n{wanted}"
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == sum(len(wanted.splitlines()) for wanted in expected.values())
