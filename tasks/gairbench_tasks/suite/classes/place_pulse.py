"""Place Pulse 2.0."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import torch
from torch import Tensor
from torchgeo.datasets import DatasetNotFoundError

from gairbench_tasks.suite.classes.labelled_photos import LabelledPhotos
from gairbench_tasks.suite.classes.tables import read_columns, read_words

_PHOTO = re.compile(r"(?P<lat>-?[\d.]+)_(?P<lon>-?[\d.]+)_(?P<location_id>[^_]+)_(?P<city>.+)\.jpe?g", re.IGNORECASE)


class PlacePulse(LabelledPhotos):
    """Place Pulse 2.0: photos of 56 cities, and how safe, lively, ... they look to people who compared two at a time.

    Dataset format:

    * ``images/<lat>_<lon>_<location_id>_<city>.JPG``
    * ``qscores.tsv``: one row for each place and study, with ``location_id``, ``study_id`` and ``trueskill.score``
    * ``studies.tsv``: what was asked in each study
    * ``score``: the TrueSkill score of the table; ``lonlat``: the place in degrees

    There are no splits. A place of which there is no photo, or no score of this study, is left out. A photo whose name
    says no place is a ``ValueError``.

    Args:
        root: Folder of the tables and of ``images``.
        split: ``"all"``.
        transforms: Takes a sample and returns a changed one.
        study: One of ``studies``.

    If you use it, please cite https://arxiv.org/abs/1608.01769.
    """

    url = "http://pulse.media.mit.edu/data/"
    splits = ("all",)
    studies: ClassVar[dict[str, str]] = {
        "beautiful": "beautiful",
        "boring": "boring",
        "depressing": "depressing",
        "lively": "livel",
        "safe": "safe",
        "wealthy": "wealth",
    }
    """What the question of each study has in it, and no other's: they ask which place looks safer, livelier, ..."""

    def __init__(
        self,
        root: str | Path = "data",
        split: str = "all",
        transforms: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        study: str = "safe",
    ) -> None:
        if study not in self.studies:
            raise ValueError(f"study is {study!r}, and not one of {', '.join(self.studies)}")
        self.study = study
        super().__init__(root, split, transforms)

    def _find(self) -> None:
        tables = [self.root / name for name in ("qscores.tsv", "studies.tsv")]
        files = [path for path in sorted(self.root.glob("images/*")) if not path.name.startswith(".")]
        if not files or not all(path.is_file() for path in tables):
            raise DatasetNotFoundError(self)
        photos = [(path, _named(path)) for path in files]
        scores = read_columns(
            tables[0], numbers=("trueskill.score",), texts=("location_id", "study_id"), separator="\t"
        )
        asked = scores[scores["study_id"] == self._study_id(tables[1], set(scores["study_id"]))]
        if twice := asked["location_id"][asked["location_id"].duplicated()].tolist():
            raise ValueError(f"{tables[0]} has two scores of {twice[0]} in the study {self.study}")
        score = asked.set_index("location_id")["trueskill.score"].dropna()
        rows = [
            {
                "file": path,
                "score": score[found["location_id"]],
                "lon": float(found["lon"]),
                "lat": float(found["lat"]),
                "city": found["city"],
            }
            for path, found in photos
            if found["location_id"] in score.index
        ]
        if not rows:
            raise ValueError(f"{tables[0]} has no score of a photo in {self.root / 'images'}")
        self.table = pd.DataFrame(rows)
        self.files = self.table["file"].tolist()

    def _study_id(self, path: Path, scored: set[str]) -> str:
        """Return the study's identifier, whatever the columns of identifiers and questions are called."""
        table = read_words(path, "\t")
        named = [column for column in table if scored <= set(table[column])]
        if not named:
            raise ValueError(f"{path} does not name all studies of qscores.tsv")
        questions = table.drop(columns=named).agg(" ".join, axis="columns").str.lower()
        found = table[named[0]][questions.str.contains(self.studies[self.study], regex=False)].tolist()
        if len(found) != 1:
            raise ValueError(f"{path} has {len(found)} studies of what looks {self.study}, not 1")
        return str(found[0])

    def _known(self, index: int) -> dict[str, Tensor]:
        row = self.table.iloc[index]
        place = torch.tensor([float(row["lon"]), float(row["lat"])], dtype=torch.float64)
        return {"lonlat": place, "score": torch.tensor(float(row["score"]))}

    def _title(self, sample: dict[str, Tensor]) -> str:
        return f"{self.study}: {float(sample['score']):.2f}"


def _named(path: Path) -> re.Match[str]:
    """Return place, identifier and city in the name of a photo."""
    found = _PHOTO.fullmatch(path.name)
    if found is None:
        raise ValueError(f"{path} is not named <lat>_<lon>_<location_id>_<city>.JPG")
    return found
