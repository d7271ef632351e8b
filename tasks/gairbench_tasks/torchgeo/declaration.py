"""What is declared of a TorchGeo dataset; importing this module imports neither torch nor torchgeo.

Values that a declaration refers to have an *address* of one of three forms:

- ``"label"``: an entry of each sample. Reading it decodes the whole sample.
- ``".files.image"``: an attribute of the dataset, then an attribute, key, column or position of it, and so on. A list
  of dictionaries, a table or a list of lists gives the entries of one key, column or position. A method is called with
  each index. Nothing is decoded.
- ``"my_package.data:places"``: a function that is called with the dataset.

Each gives one value for each sample, in the dataset's order.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Literal

from gairbench.spec import Kind

INDEX = "index"
"""As ``ids``: the position in the dataset, for classes whose files give samples no names."""

GROUP = "group"
"""Name of the grouping that ``groups`` declares."""

DATA_FILES = (
    "**/*", "!**/*.zip", "!**/*.tar", "!**/*.tar.gz*", "!**/*.tgz", "!**/*.tar.bz2", "!**/*.tar.xz", "!**/*.7z",
    "!**/*.rar",
)  # fmt: skip
"""All files of a folder but the archives, which TorchGeo has unpacked."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is to be predicted, and where the dataset has it.

    Args:
        read: Address of the values; empty: the entry of each sample that is called like the target.
        kind: What the values are. ``None``: class masks where the entry's name begins with ``mask``, else classes.
        classes: Names of the classes in index order, or the address of such a list; empty: the dataset's ``classes``.
            Of ordinal targets they must be named, the lowest first; of several measurements they are the names of
            these.
        index: Position in an entry that holds several values, as a vector of measurements or a stack of masks.
        values: The raw value of each class, in order; empty: raw values are class indices.
        ignore: Raw values that take no part: such pixels or samples are neither learned nor scored. Measurements that
            are left out become NaN.
    """

    read: str = ""
    _: KW_ONLY
    kind: Kind | None = None
    classes: tuple[str, ...] | str = ()
    index: int | None = None
    values: tuple[int, ...] = ()
    ignore: tuple[int, ...] = ()

    def resolved(self, name: str) -> Label:
        """Return the same with nothing left open.

        Args:
            name: The target's name.
        """
        read = self.read or name
        kind = self.kind or (Kind.SEGMENTATION if read.startswith("mask") else Kind.CLASSIFICATION)
        return Label(read, kind=kind, classes=self.classes, index=self.index, values=self.values, ignore=self.ignore)


@dataclass(frozen=True, slots=True)
class Part:
    """What of a sample's tensor becomes an input.

    Args:
        key: The sample's entry.
        frame: Position along the first axis: of one image in a stack of dates or of before and after.
        bands: Bands to take, as the dataset names them, in the order wanted; empty: all.
        channels: The same by position, where the dataset names no bands.
        names: Address of the names of the tensor's bands, where they are not in the dataset's ``bands``,
            ``all_bands``, ``all_band_names`` or ``band_names``.
        span: The values of the files that the class scales to 0 and 1, as ``(0, 255)``: samples hold the files' again.
            ``None``: the class does not scale.
    """

    key: str
    _: KW_ONLY
    frame: int | None = None
    bands: tuple[str, ...] = ()
    channels: tuple[int, ...] = ()
    names: str = ""
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Draw:
    """Divide the samples of one of the dataset's own splits among train, val and test.

    Args:
        of: Which one, a name in ``TorchGeoSource.splits``.
        shares: Shares of train, val and test; they sum to 1, and one of 0 leaves that split to the dataset.
        by: ``"random"``; ``"group"``: whole groups; ``"blocks"``: whole cells of a longitude-latitude grid.
        seed: Seed of the draw. It depends on the ids alone, not on their order.
        degrees: Edge of a cell.
        stratify: Name of a target of classes; each class is divided by the shares. For ``by="random"``.
    """

    of: str = "all"
    shares: tuple[float, float, float] = (0.6, 0.2, 0.2)
    _: KW_ONLY
    by: Literal["random", "group", "blocks"] = "random"
    seed: int = 0
    degrees: float = 10.0
    stratify: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """Chips of a ``GeoDataset``: TorchGeo's ``GridGeoSampler``, which is the same each time. Equal chips count once.

    Args:
        size: Edge of a chip.
        stride: Distance between chips; ``None``: ``size``.
        units: ``"pixels"`` of the dataset, or units of its ``"crs"``.
    """

    size: float
    stride: float | None = None
    _: KW_ONLY
    units: Literal["pixels", "crs"] = "pixels"


def _published() -> dict[str, Mapping[str, Any]]:
    return {name: {"split": name} for name in ("train", "val", "test")}


@dataclass(frozen=True, slots=True)
class TorchGeoDeclaration:
    """What :class:`gairbench_tasks.torchgeo.source.TorchGeoSource` is declared with.

    Args:
        dataset: Address of a ``NonGeoDataset`` or ``GeoDataset`` class, or of a function that returns one, as
            ``"torchgeo.datasets:EuroSAT"``. It is called with the folder and the options.
        target: Name of the sample's entry that is to be predicted, or targets by name.
        options: Arguments of the class, for all splits.
        splits: Arguments of the class for each split, in place of ``split="train"``, ``"val"`` and ``"test"``.
        draw: Which of them is to be divided, and how.
        inputs: What a sample holds, by key (:data:`gairbench.data.SAMPLE_KEYS`, or any other name): an entry of
            TorchGeo's sample, or a :class:`Part` of one. Empty: samples are not read, and hold ``lonlat`` alone.
        ids: Address of names of samples that stay the same; several are joined by ``/``. Paths are taken relative to
            the folder. Empty: from the dataset's list of files. :data:`INDEX`: positions.
        groups: Address of what samples have in common that must not be in two splits, as a scene or city.
        lonlat: Address of places: coordinates ``(n, 2)``, longitude first, paths of georeferenced images, or shapely
            geometries in the dataset's CRS; or the two addresses of longitude and latitude. Chips have places anyway.
        chips: How a ``GeoDataset`` is cut.
        files: Patterns of what the fingerprint covers (:func:`gairbench.data.hash_files`).
        page: Where people get the data, if TorchGeo does not download them.
    """

    dataset: str
    target: str | Mapping[str, Label] = field(default="label", hash=False)
    _: KW_ONLY
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    splits: Mapping[str, Mapping[str, Any]] = field(default_factory=_published, hash=False)
    draw: Draw | None = None
    inputs: Mapping[str, str | Part] = field(default_factory=lambda: {"image": "image"}, hash=False)
    ids: str | tuple[str, ...] = ""
    groups: str = ""
    lonlat: str | tuple[str, str] = ""
    chips: Grid | None = None
    files: tuple[str, ...] = DATA_FILES
    page: str = ""

    @property
    def targets(self) -> dict[str, Label]:
        """Its targets by name, with nothing left open."""
        if isinstance(self.target, str):
            return {self.target: Label().resolved(self.target)}
        return {name: target.resolved(name) for name, target in self.target.items()}

    @property
    def parts(self) -> dict[str, Part]:
        """What a sample holds, by key."""
        return {key: Part(part) if isinstance(part, str) else part for key, part in self.inputs.items()}

    def how_to_get(self, folder: Path) -> str:
        """Return the command or page that gets the data, in one line.

        Args:
            folder: Where the class looks for them.
        """
        if self.page:
            return f"download it from {self.page} into {folder}"
        module, _, name = self.dataset.partition(":")
        options = [{**self.options, **split} for split in self.splits.values()]
        code = f"from {module} import {name}; [{name}({str(folder)!r}, download=True, **o) for o in {options!r}]"
        return f"python -c {shlex.quote(code)}"
