"""Dense embedding maps of scenes of any size, ``gairbench map``.

:mod:`~gairbench.maps.scene` reads, :mod:`~gairbench.maps.tiling` says which tile and which output pixel lies where,
:mod:`~gairbench.maps.blending` encodes tiles and blends them into blocks, :mod:`~gairbench.maps.rasters` writes, and
:mod:`~gairbench.maps.quicklook` draws.
"""
