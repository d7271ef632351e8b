"""Embeddings that exist already as models: tables and rasters of them, evaluated like what an encoder computes."""

from __future__ import annotations

from gairbench import ModelPattern, ModelSpec

MODELS: tuple[ModelSpec, ...] = ()

PATTERNS = (
    ModelPattern(
        prefix="table",
        factory="gairbench_models.precomputed.table_declaration:make_table_spec",
        rest="PATH[:OPTION=VALUE]",
        files=True,
        description="Embeddings in a table, looked up by id or by the nearest place: Parquet of gairbench embed or any",
    ),
    ModelPattern(
        prefix="raster",
        factory="gairbench_models.precomputed.raster_declaration:make_raster_spec",
        rest="PATH[:OPTION=VALUE]",
        files=True,
        description="Embeddings in rasters, looked up at a point or averaged over a tile: GeoTIFF, tiles, Zarr",
    ),
)
