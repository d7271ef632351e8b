"""Records of several machines, or of the jobs of an array, become one folder: all of them, or nothing is written."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gairbench.errors import StorageError, UsageError
from gairbench.predictions import predictions_beside
from gairbench.reproduction.agreement import compare_records
from gairbench.results import Result, read_result, record_files
from gairbench.storage import atomic_folder


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record and the folder that it is in.

    Args:
        record: The record.
        path: Its file.
    """

    record: Result
    path: Path


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of a merge.

    Args:
        records: How many records the new folder has.
        same: How many were left out since another says the same of their cell.
        superseded: Those that were left out for another, with the file of the other.
    """

    records: int
    same: int
    superseded: tuple[tuple[Path, Path], ...]


def merge_folders(folders: Sequence[Path], out: Path) -> Merged:
    """Write the records of several results folders into a new one, with their predictions.

    Of two records of one cell one is kept, as if the runs had been made one after the other in one folder: one with a
    number rather than one without; of two of one key that agree the older, which a run would have reused; of two with
    other keys or weights the newer. Two that should be equal and are not are refused: nobody knows which is right.

    Args:
        folders: The results folders, which stay as they are.
        out: The new folder; it must be missing or empty.

    Raises:
        UsageError: There is something in ``out``, or two records of one cell contradict each other.
        StorageError: A folder is missing, a record is broken, or nothing can be written; ``out`` is then as it was.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UsageError(f"--out {out} is there already", "name a new folder, and this one among those that are merged")
    kept: dict[Path, FoundRecord] = {}
    same = 0
    superseded: list[tuple[Path, Path]] = []
    contradictions: list[str] = []
    for found in [one for folder in folders for one in _records(folder)]:
        place = found.record.path(Path())
        known = kept.get(place)
        if known is None:
            kept[place] = found
            continue
        chosen, agree = _chosen(known, found)
        if chosen is None:
            contradictions.append(f"{known.path} and {found.path}")
            continue
        kept[place] = chosen
        same += agree
        if not agree:
            superseded.append((found.path if chosen is known else known.path, chosen.path))
    if contradictions:
        more = f", and {len(contradictions) - 1} pairs more" if len(contradictions) > 1 else ""
        raise UsageError(
            f"{contradictions[0]} are of one cell, key and weights, and their numbers differ{more}",
            "gairbench reproduce says which is right; move the other away",
        )
    with atomic_folder(out) as new:
        for place, found in kept.items():
            _copy(found, new / place)
    return Merged(len(kept), same, tuple(superseded))


def _records(folder: Path) -> list[FoundRecord]:
    if not folder.is_dir():
        raise StorageError(f"no results folder {folder}", "correct the path")
    return [FoundRecord(read_result(path), path) for path in sorted(record_files(folder))]


def _chosen(first: FoundRecord, second: FoundRecord) -> tuple[FoundRecord | None, bool]:
    """Return which of two records of one cell is kept, and whether they say the same; ``None``: nobody knows."""
    one, other = first.record, second.record
    if (one.status == "ok") != (other.status == "ok"):
        return (first if one.status == "ok" else second), False
    equal = (one.key, one.used) == (other.key, other.used)
    agree = compare_records(one, other).agrees if one.status == "ok" else one.reason == other.reason
    ages = _age(one), _age(other)
    if equal and agree:
        return (second if ages[1] < ages[0] else first), True
    if (equal and one.status == "ok") or ages[0] == ages[1] or math.inf in ages:
        return None, False
    return (second if ages[1] > ages[0] else first), False


def _age(record: Result) -> float:
    """Return when a record was made, in seconds; infinity where it does not say."""
    try:
        found = datetime.fromisoformat(record.created)
    except ValueError:
        return math.inf
    return found.timestamp() if found.tzinfo is not None else math.inf


def _copy(found: FoundRecord, target: Path) -> None:
    """Copy a record with what lies beside it: predictions, or the traceback of a failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found.path, target)
    beside = [predictions_beside(found.record, found.path), found.path.with_suffix(".traceback.txt")]
    for path in beside:
        if path is not None and path.is_file():
            shutil.copyfile(path, target.parent / path.name)
