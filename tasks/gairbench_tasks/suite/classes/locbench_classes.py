"""The collections of LocBench, TorchSpatial's benchmark (arXiv 2406.15658), in which places have classes.

They are where photos or satellite images were taken. Images are not read, and what has no place is left out: LocBench's
rule is that an image counts if its longitude, its date and the number of its user are known. A latitude must be, too.
"""

from __future__ import annotations

import json
from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_places import LabelledPlaces, names_of_rows
from gairbench_tasks.suite.classes.tables import read_columns

_URL = "https://doi.org/10.6084/m9.figshare.26026798"
_META = ("lon", "lat", "user_id")


class _ClassesOfPlaces(LabelledPlaces, ABC):
    """Places with ``label``, the position of their class in ``classes``."""

    url = _URL
    targets = ("label",)
    classes: list[str]
    """Names of the classes, in the published order."""

    def _keep(self, path: Path, table: pd.DataFrame) -> pd.DataFrame:
        """Return the places of a table whose labels are classes.

        Raises:
            ValueError: One is not.
        """
        wrong = ~table["label"].isin(range(len(self.classes)))
        if wrong.any():
            raise ValueError(f"{path} has the class {table['label'][wrong].iloc[0]}, not 0 to {len(self.classes) - 1}")
        return table.astype({"label": "int64"})


class _Birds(_ClassesOfPlaces, ABC):
    file: ClassVar[str]

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        meta: str = "ebird_meta",
    ) -> None:
        if meta not in ("orig_meta", "ebird_meta"):
            raise ValueError(f"meta is {meta!r}, and not orig_meta or ebird_meta")
        self.meta = meta
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        path = self.root / self.file
        if not path.is_file():
            raise DatasetNotFoundError(self)
        content = _json(path)
        split = {"val": "valid"}.get(self.split, self.split)
        try:
            self.classes = [str(name) for name in content["classes"]]
            birds = [bird for bird in content[split] if bird["valid_image"]]
            rows = [{"id": bird["im_path"], "label": bird["class_id"], **bird[self.meta]} for bird in birds]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path} is not LocBench's file of birds: it has no {error}") from error
        table = _table(path, rows, ("id", "label", "date", *_META))
        self.table = self._keep(path, _placed(path, table, date="date"))
        self.ids = [str(name) for name in self.table["id"]]


class BirdSnapPlaces(_Birds):
    """BirdSnap: where photos of 500 species of birds of North America were taken.

    Dataset format:

    * ``birdsnap_with_loc_2019.json``: lists ``train``, ``valid`` and ``test`` of photos, and ``classes``

    Args:
        root: Folder of the file.
        split: One of ``splits``.
        transforms: Takes a sample and returns a changed one.
        meta: ``"orig_meta"``: the places of the photos, which few have; ``"ebird_meta"``: places of sightings of the
            same species in eBird, which stand for them (BirdSnap with a dagger in papers).

    If you use it, please cite https://doi.org/10.1109/CVPR.2014.259, https://arxiv.org/abs/1906.05272 and
    https://arxiv.org/abs/2406.15658.
    """

    file = "birdsnap_with_loc_2019.json"


class NABirdsPlaces(_Birds):
    """NABirds: where photos of 555 kinds of birds of North America were taken.

    Dataset format:

    * ``nabirds_with_loc_2019.json``: lists ``train``, ``valid`` and ``test`` of photos, and ``classes``

    Args:
        root: Folder of the file.
        split: One of ``splits``.
        transforms: Takes a sample and returns a changed one.
        meta: ``"ebird_meta"``: places of sightings of the same species in eBird, which LocBench takes.

    If you use it, please cite https://doi.org/10.1109/CVPR.2015.7298658, https://arxiv.org/abs/1906.05272 and
    https://arxiv.org/abs/2406.15658.
    """

    file = "nabirds_with_loc_2019.json"


class _Observations(_ClassesOfPlaces, ABC):
    """Images whose places and classes are in two files, and the names of classes in a third one."""

    splits = ("train", "val")
    locations: str
    """Name of the file of places, with ``{}`` for the split."""
    annotations: str
    """Name of the file of classes, with ``{}`` for the split."""
    categories: str
    """Name of the file of the classes' names."""

    def _find(self) -> None:
        paths = [self.root / name.format(self.split) for name in (self.locations, self.annotations, self.categories)]
        if not all(path.is_file() for path in paths):
            raise DatasetNotFoundError(self)
        places, annotated, named = paths
        self.classes = _names(named)
        table = _placed(places, _table(places, _json(places), ("id", "date_c", *_META)), date="date_c")
        content = _json(annotated)
        if not isinstance(content, Mapping) or "annotations" not in content:
            raise ValueError(f"{annotated} has no 'annotations'")
        labels = _table(annotated, content["annotations"], ("image_id", "category_id"))
        label_of = labels.drop_duplicates("image_id").set_index("image_id")["category_id"]
        table["label"] = table["id"].map(label_of)
        if (unknown := table["label"].isna()).any():
            raise ValueError(
                f"{annotated} has no class of image {table['id'][unknown].iloc[0]}; {places} has its place"
            )
        self.table = self._keep(annotated, table)
        self.ids = [str(name) for name in self.table["id"]]


class INaturalistPlaces(_Observations):
    """iNaturalist's competitions of 2017 and 2018: where photos of animals, plants and fungi were taken.

    Dataset format, for 2018:

    * ``train2018_locations.json`` and ``val2018_locations.json``: places of photos, without some
    * ``train2018.json`` and ``val2018.json``: ``annotations``, the class of each photo
    * ``categories2018.json``: ``id`` and ``name`` of each class

    Splits: ``train`` and ``val``; labels of the test were never published.

    Args:
        root: Folder of the files.
        split: One of ``splits``.
        transforms: Takes a sample and returns a changed one.
        year: 2017 with 5,089 classes, or 2018 with 8,142.

    If you use it, please cite https://arxiv.org/abs/1707.06642, https://arxiv.org/abs/1906.05272 and
    https://arxiv.org/abs/2406.15658.
    """

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "train",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        year: int = 2018,
    ) -> None:
        if year not in (2017, 2018):
            raise ValueError(f"year is {year}, and not 2017 or 2018")
        self.locations = f"{{}}{year}_locations.json"
        self.annotations = f"{{}}{year}.json"
        self.categories = f"categories{year}.json"
        super().__init__(root, split, transforms)


class FMoWPlaces(_Observations):
    """Functional Map of the World: places of 62 kinds of buildings and land use, as LocBench has them.

    Dataset format:

    * ``train_location.json`` and ``val_location.json``: places of images
    * ``train.json`` and ``val.json``: ``annotations``, the class of each image
    * ``category.json``: the number of each class, by its name

    Splits: ``train`` and ``val``, as LocBench uses them.

    The arguments and errors are those of :class:`gairbench_tasks.suite.classes.in_splits.InSplits`.

    If you use it, please cite https://arxiv.org/abs/1711.07846 and https://arxiv.org/abs/2406.15658.
    """

    locations = "{}_location.json"
    annotations = "{}.json"
    categories = "category.json"


class YFCC100MGEO100(_ClassesOfPlaces):
    """YFCC100M-GEO100: where photos of 100 things, as a beach or snow, were taken.

    Dataset format:

    * ``train_test_split.csv``: one row for each photo, with ``lon``, ``lat``, ``class`` and ``split``
    * ``class_names.csv``: ``id`` and ``name`` of each class

    The arguments and errors are those of :class:`gairbench_tasks.suite.classes.in_splits.InSplits`.

    If you use it, please cite https://doi.org/10.1109/ICCV.2015.121 and https://arxiv.org/abs/2406.15658.
    """

    def _find(self) -> None:
        path, named = (self.root / name for name in ("train_test_split.csv", "class_names.csv"))
        if not (path.is_file() and named.is_file()):
            raise DatasetNotFoundError(self)
        names = read_columns(named, numbers=("id",), texts=("name",))
        self.classes = _in_order(named, names["id"], names["name"])
        table = read_columns(path, numbers=("lon", "lat", "class"), texts=("split",)).rename(columns={"class": "label"})
        split = table["split"].str.strip().str.lower()
        if other := sorted(set(split) - set(self.splits)):
            raise ValueError(f"{path} has the split {other[0]!r}, not {', '.join(self.splits)}")
        self.table = self._keep(path, table[(split == self.split) & table["lon"].notna() & table["lat"].notna()])
        self.ids = names_of_rows(self.table)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise OSError(f"{path} cannot be read: {error}") from error


def _table(path: Path, rows: Any, columns: Sequence[str]) -> pd.DataFrame:
    """Return some entries of a list of objects, one row for each."""
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise ValueError(f"{path} is not a list of objects")
    table = pd.DataFrame(rows, columns=None if rows else list(columns))
    if missing := [name for name in columns if name not in table]:
        raise ValueError(f"{path} has no {missing[0]!r}; it has {', '.join(map(str, table.columns))}")
    return table[list(columns)]


def _placed(path: Path, table: pd.DataFrame, date: str) -> pd.DataFrame:
    """Return the rows whose place, user and date are known."""
    try:
        numbers = {name: pd.to_numeric(table[name]) for name in (*_META, date)}
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path} has a place, user or date that is not a number: {error}") from error
    table = table.assign(**numbers)
    return table[table[[*_META, date]].notna().all(axis=1) & (table["user_id"] >= 0)].reset_index(drop=True)


def _names(path: Path) -> list[str]:
    """Return the names of classes of a list of ``id`` and ``name``, or of an object of numbers by name."""
    content = _json(path)
    if isinstance(content, Mapping):
        return _in_order(path, pd.Series(list(content.values()), dtype=object), pd.Series(list(content), dtype=object))
    named = _table(path, content, ("id", "name"))
    return _in_order(path, named["id"], named["name"])


def _in_order(path: Path, numbers: pd.Series[Any], names: pd.Series[Any]) -> list[str]:
    """Return names in the order of their numbers, which are 0 and what follows."""
    numbers = pd.to_numeric(numbers, errors="coerce")
    order = np.argsort(numbers.to_numpy())
    if list(numbers.iloc[order]) != list(range(len(numbers))):
        raise ValueError(f"{path} does not number its {len(numbers)} classes from 0 to {len(numbers) - 1}")
    return [str(name) for name in names.iloc[order]]
