"""GAIR, the model: three encoders, one shared space (arXiv 2503.16683)."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from gairbench import Modality
from gairbench.errors import DataError
from gairbench.georeference import relative_position
from gairbench_models.gair.config import GairConfig
from gairbench_models.gair.localization import make_localizer
from gairbench_models.gair.readouts import ReadsOut
from gairbench_models.gair.rs_encoder import RSEncoder
from gairbench_models.gair.sv_encoder import SVEncoder
from gairbench_models.location.encoders import make_location_encoder


class Gair(ReadsOut, nn.Module):
    """Geo-Aligned Implicit Representations of overhead images, street views and locations.

    Args:
        config: Its size, and which encoders it has.
        sv_patch_drop: Share of street-view patches left out at random in training mode.
    """

    def __init__(self, config: GairConfig, *, sv_patch_drop: float = 0.0) -> None:
        super().__init__()
        self.config = config
        if Modality.RS in config.modalities:
            self.rs_encoder = RSEncoder(config.rs)
        if Modality.SV in config.modalities:
            self.sv_encoder = SVEncoder(config.sv, patch_drop=sv_patch_drop)
        if Modality.LOCATION in config.modalities:
            self.location_encoder = make_location_encoder(config.location, config.dim)
        if Modality.RS in config.modalities:
            self.localizer = make_localizer(config.localization, config.dim)
        if Modality.SV in config.modalities:
            self.sv_projection = nn.Linear(config.sv.width, config.dim)

    def encode_rs(self, images: Tensor) -> Tensor:
        """Map overhead images ``(batch, band, height, width)`` to the mean token ``(batch, dim)``."""
        return self.encode_rs_tokens(images).flatten(2).mean(-1)

    def encode_rs_tokens(self, images: Tensor) -> Tensor:
        """Map overhead images ``(batch, band, height, width)`` to tokens ``(batch, dim, rows, columns)``, north up."""
        return cast(Tensor, self.rs_encoder(images))

    def query_rs(self, images: Tensor, lonlat: Tensor, bbox: Tensor) -> Tensor:
        """Look tiles up at points.

        Args:
            images: ``(batch, band, height, width)``.
            lonlat: ``(batch, 2)``, or ``(batch, points, 2)`` for many points per tile, in degrees.
            bbox: ``(batch, 4)`` as (lon_min, lat_max, lon_max, lat_min) in degrees.

        Returns:
            ``(batch, dim)`` or ``(batch, points, dim)`` in the space shared with ``project_sv`` and
            ``encode_location``.

        Raises:
            DataError: A point lies outside its tile.
        """
        try:
            position = relative_position(lonlat, bbox)
        except ValueError as error:
            raise DataError(str(error), "correct the point or the tile's bounding box") from error
        return cast(Tensor, self.localizer(self.encode_rs_tokens(images), position))

    def look_up_rs(self, tokens: Tensor, position: Tensor) -> Tensor:
        """Look token grids up at points.

        Args:
            tokens: ``(batch, dim, rows, columns)`` from :meth:`encode_rs_tokens`.
            position: ``(batch, points, 2)``: x from the tile's west (-1) to east (1), y from north (-1) to south (1).

        Returns:
            ``(batch, points, dim)``, what :meth:`query_rs` gives there.
        """
        return cast(Tensor, self.localizer(tokens, position))

    def map_rs(self, images: Tensor, rows: int, columns: int) -> Tensor:
        """Map overhead images ``(batch, band, height, width)`` densely.

        Args:
            images: ``(batch, band, height, width)``.
            rows: Cells of the map from north to south.
            columns: Cells of the map from west to east.

        Returns:
            ``(batch, dim, rows, columns)``: what :meth:`query_rs` gives at the centres of cells that divide the tile
            evenly, at the cost of one convolution.
        """
        return self.localizer.dense(self.encode_rs_tokens(images), rows, columns)

    def encode_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, 3, height, width)`` to ``(batch, width)``, values in -1 ... 1."""
        return cast(Tensor, self.sv_encoder(images))

    def project_sv(self, images: Tensor) -> Tensor:
        """Map photos ``(batch, 3, height, width)`` to the shared space, ``(batch, dim)``."""
        return cast(Tensor, self.sv_projection(self.encode_sv(images)))

    def encode_location(self, lonlat: Tensor) -> Tensor:
        """Map coordinates ``(batch, 2)`` in degrees, longitude first, to the shared space, ``(batch, dim)``."""
        return cast(Tensor, self.location_encoder(lonlat))


def untrained(config: GairConfig, seed: int, *, sv_patch_drop: float = 0.0) -> Gair:
    """Build a GAIR with initial weights that depend on nothing but the seed; global random state is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Gair(config, sv_patch_drop=sv_patch_drop)
