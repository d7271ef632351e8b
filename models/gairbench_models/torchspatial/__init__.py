"""Location encoders that TorchSpatial has published (arXiv 2406.15658), trained on fMoW or YFCC100M-GEO100."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote

from gairbench import LocationInput, ModelSpec, Preset, UrlWeights
from gairbench_models.corpora import FMOW, YFCC100M_GEO100

_COMMIT = "9f8d83361d84da2524596ad099d797d550e76139"
_ADDRESS = f"https://raw.githubusercontent.com/seai-lab/TorchSpatial/{_COMMIT}/pre_trained_models"

ENCODINGS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "xyz": ("xyz", "unit vector from the centre of the Earth", "arXiv:2406.15658"),
        "wrap_ffn": ("wrap", "sine and cosine of longitude and latitude", "arXiv:1906.05272"),
        "rff": ("rff", "random Fourier features", "doi:10.5555/2981562.2981710"),
        "NeRF": ("nerf", "sines and cosines of the unit vector at doubled frequencies", "arXiv:2003.08934"),
        "Space2Vec-grid": ("space2vec-grid", "sines and cosines of the coordinates at many scales", "arXiv:2003.00824"),
        "Space2Vec-theory": (
            "space2vec-theory",
            "sines and cosines along three directions at many scales",
            "arXiv:2003.00824",
        ),
        "Sphere2Vec-sphereC": (
            "sphere2vec-spherec",
            "unit vectors of coordinates at many scales",
            "arXiv:2306.17624",
        ),
        "Sphere2Vec-sphereC+": (
            "sphere2vec-spherec-plus",
            "unit vectors, sines and cosines of coordinates at many scales",
            "arXiv:2306.17624",
        ),
        "Sphere2Vec-sphereM": (
            "sphere2vec-spherem",
            "unit vectors with one coordinate at many scales",
            "arXiv:2306.17624",
        ),
    }
)
"""By the ``spa_enc_type`` in a file: its part of the model's name, what it is, and its paper."""

_DATASETS = {"fmow": FMOW, "yfcc": YFCC100M_GEO100}


class _Released(NamedTuple):
    """One published file.

    Args:
        encoding: Its ``spa_enc_type``.
        dataset: What it was trained on.
        folder: Where it lies in the repository.
        settings: The end of its name.
        size: In bytes.
        sha256: Of the file.
    """

    encoding: str
    dataset: str
    folder: str
    settings: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """Of the model."""
        return f"torchspatial-{ENCODINGS[self.encoding][0]}-{self.dataset}"

    @property
    def file(self) -> str:
        """Name of the file."""
        return f"model_{self.dataset}_{self.encoding}_inception_v3_{self.settings}.pth.tar"


_RELEASED = (
    _Released(
        "xyz",
        "fmow",
        "xyz",
        "0.0050_64_0.0005000_1_512",
        1_815_374,
        "cfaa24a45ad7f6564fc6079554ed10d358b21a1273197e87425a7ea278c6ad4f",
    ),
    _Released(
        "wrap_ffn",
        "fmow",
        "wrap_ffn",
        "0.0020_64_0.0005000_1_512",
        1_821_582,
        "60aff41bb53448a1757999607edeeeec861596dfe75ca673dbff4ceacc047d47",
    ),
    _Released(
        "rff",
        "fmow",
        "rff",
        "0.0050_64_0.0000010_1_512_2.0",
        2_191_560,
        "5c796e73fff9067757b07e51a57f0d74d74f9dba5e625b82c73475e7217dd956",
    ),
    _Released(
        "NeRF",
        "fmow",
        "nerf",
        "0.0100_64_0.0500000_1_256",
        1_298_962,
        "eba782d3a4bce1c39f66996e9d265ee61e1070a9b15bd4a27a539363bba4293c",
    ),
    _Released(
        "Space2Vec-theory",
        "fmow",
        "space2vec_theory",
        "0.0200_64_0.0001000_360.000_1_512_BATCH8192_leakyrelu",
        4_162_618,
        "26e3428edddfb7392ff2487bcc40ca6e7eafcc9d77992d5d0a7d194fcb359156",
    ),
    _Released(
        "Sphere2Vec-sphereC",
        "fmow",
        "sphere2vec_sphereC",
        "0.0050_64_0.0005000_1_512",
        2_976_590,
        "2096ab72c04dd359d4097f7204b592f06fb5d7f568f175c86eae6150de890fef",
    ),
    _Released(
        "Sphere2Vec-sphereC+",
        "fmow",
        "sphere2vec_sphereCplus",
        "0.0050_64_0.0001000_1_512",
        4_156_366,
        "2aa874bf24ba1865a039ee4165cb805f453d9dae24d3e4284648dd0bfe06e616",
    ),
    _Released(
        "Sphere2Vec-sphereM",
        "fmow",
        "sphere2vec_sphereM",
        "0.0050_64_0.0001000_1_512",
        3_763_150,
        "4ed216c86f8d06ae43e429bc83355783529327e133843e6d1ddda91c170610b8",
    ),
    _Released(
        "xyz",
        "yfcc",
        "xyz",
        "0.0020_64_0.0005000_1_512",
        1_931_982,
        "23de9ff887a4c78a869b094699612731c9f02f985061d0cf97bd0d6f8177de78",
    ),
    _Released(
        "wrap_ffn",
        "yfcc",
        "wrap_ffn",
        "0.0020_64_0.0005000_1_512",
        1_938_318,
        "db6210c093701ca290a7394da8a30623135b545119a027105e8ada766915feaa",
    ),
    _Released(
        "rff",
        "yfcc",
        "rff",
        "0.0010_64_0.0000010_1_512_1.0",
        2_308_232,
        "ed5c13a14f2e902086a10d7681863718927ed5f1e45f6f657c59bde306adf1a3",
    ),
    _Released(
        "NeRF",
        "yfcc",
        "nerf",
        "0.0100_64_0.0001000_1_256",
        1_415_698,
        "26c560c22bb18d792506fe76ffb913e497d6c5a2f14c1a71247ff8c4a93bb3d9",
    ),
    _Released(
        "Space2Vec-grid",
        "yfcc",
        "space2vec_grid",
        "0.0100_64_0.0050000_360.000_1_512_BATCH4096_leakyrelu",
        3_492_856,
        "89d5cdb312dd644b9d226aea94b5c5394b4a1ca56ffd3385fb89059e9e69293f",
    ),
    _Released(
        "Space2Vec-theory",
        "yfcc",
        "space2vec_theory",
        "0.0100_64_0.0500000_360.000_1_256_BATCH4096_leakyrelu",
        2_304_058,
        "16cdc90bd2e700e1e2c25cb78bdadab1e2b61885e775377c95e0699ecb1fe70d",
    ),
    _Released(
        "Sphere2Vec-sphereC",
        "yfcc",
        "sphere2vec_sphereC",
        "0.0005_64_0.0001000_1_512",
        3_093_454,
        "f91548c543771ce68a23b150c3e2fd85ab78d205d99d29995b83eaeb15e5b7bd",
    ),
    _Released(
        "Sphere2Vec-sphereM",
        "yfcc",
        "sphere2vec_sphereM",
        "0.0010_64_0.0005000_1_512",
        3_879_886,
        "99b3adb64174b04891b54f5e52f7cd4890f296b5fb6a5e51ade3b88432fe217c",
    ),
)

BY_NAME: Mapping[str, str] = MappingProxyType({released.name: released.encoding for released in _RELEASED})
"""The ``spa_enc_type`` of each model."""


def _spec(released: _Released) -> ModelSpec:
    _, what, paper = ENCODINGS[released.encoding]
    weights = UrlWeights(
        url=f"{_ADDRESS}/{released.folder}/{quote(released.file)}",
        sha256=released.sha256,
        size=released.size,
        licence="CC-BY-NC-4.0",
        filename=released.file,
    )
    return ModelSpec(
        name=released.name,
        version="1",
        factory="gairbench_models.torchspatial.encoder:load",
        presets=(Preset(name="default", inputs=(LocationInput(),), weights=weights),),
        golden="gairbench_models.torchspatial.golden:torchspatial_answers",
        description=f"TorchSpatial's {released.encoding}, trained on {_DATASETS[released.dataset]}: {what}",
        licence="CC-BY-NC-4.0",
        citation="arXiv:2406.15658" if paper == "arXiv:2406.15658" else f"arXiv:2406.15658, {paper}",
        trained_on=frozenset({_DATASETS[released.dataset]}),
    )


MODELS: tuple[ModelSpec, ...] = tuple(map(_spec, _RELEASED))
