"""The record of one cell (model x task x probe): one JSON file, from which the number can be regenerated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gairbench.errors import StorageError
from gairbench.evaluator import SelectionBy
from gairbench.field_types import field_problem
from gairbench.names import in_path, quoted_in_path
from gairbench.storage import write_atomically

SCHEMA = 1

RECORD_DEPTH = 3
"""Records lie in folders by model, variant and task, so deep below the results folder."""

Status = Literal["ok", "skipped", "failed"]


class UsedWeights(NamedTuple):
    """The weights that a number was computed with, by content.

    Args:
        checkpoint: ``"file:<sha256>"``, ``"pretrained:<sha256>"`` or ``"init:<digest>"``.
        sha256: Of parameters and buffers in memory; empty for a model that is not an ``nn.Module``.
    """

    checkpoint: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricValue:
    """A metric on the test split with its 95 % interval, its direction, its version and its unit.

    Args:
        value: The metric.
        low: Lower end of its interval for other test samples.
        high: Upper end.
        higher_is_better: Its direction.
        version: The metric's declared version.
        unit: Of its values; empty: a pure number, or the unit of the target.
        error: Standard error, from the values without each unit of the test samples; ``None`` where there are fewer
            than two units.
        trivial: The metric of what is predicted without looking at the inputs: the most frequent class,
            the mean, ranks drawn by lot; ``None`` where nothing is known.
        least: The smallest value that there can be; ``None``: any.
        most: The largest value that there can be; ``None``: any.
    """

    value: float
    low: float
    high: float
    higher_is_better: bool
    version: int = 1
    unit: str = ""
    error: float | None = None
    trivial: float | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One cell of the benchmark, asked for once.

    Args:
        status: ``ok``, ``skipped`` or ``failed``.
        reason: Why it was skipped or failed; empty when ok.
        key: Digest of everything that can change the value; a rerun reuses the record if its key is the same.
        model: Registered name.
        model_version: The model's declared version.
        model_origin: Plugin, distribution and version it came from.
        preset: Its preset.
        weights: SHA-256 of its weights as evaluated; empty for a model without weights, or when it was not loaded.
        checkpoint: How its weights came about: ``"pretrained:<sha256>"`` and ``"file:<sha256>"`` of a checkpoint's
            content, or ``"init:<digest>"`` of code, configuration and seed where the factory made them; of a
            composition, ``"parts:<digest>"`` of those of its parts.
        published_weights: The checkpoint is the published one that the model declares, and not a file of the user's.
        parts: Of a composition, by modality: model, version, origin, preset and checkpoint of the part.
        task: Registered name.
        task_version: The task's declared version.
        task_origin: Plugin, distribution and version it came from.
        category: The leaderboard table.
        family: The paper's task family.
        kind: What the task asks for.
        synthetic: The inputs or targets are rendered or simulated.
        diagnostic: The task explains models rather than ranks them.
        dataset: Registered name.
        dataset_version: The dataset's declared version.
        dataset_fingerprint: Hash of the data.
        probe: Registered name of the evaluator.
        probe_version: Its declared version.
        probe_origin: Plugin, distribution and version it came from.
        probe_params: Chosen hyper-parameters.
        headline: This probe is the one the leaderboard ranks by.
        metric: Headline metric; the key of ``metrics`` that the leaderboard shows.
        metrics: All measured metrics by name.
        n: Samples per split that took part.
        dropped: Samples per split that did not, with the reason, for instance under ``--limit``.
        notes: What else was done to the samples of a split, for instance missing pixels that were filled; and under
            ``"process"``, what the model, the dataset or the evaluator changed in the process, which was undone.
        seed: The run's seed.
        limit: The run's ``--limit``.
        labels: Which part of train's labels the probe learned from: ``"all"``, ``"10%"`` or ``"5-shot"``, drawn by the
            seed.
        split: How the samples were divided into train, val and test: ``"published"``, or a split policy with its
            parameter, as ``"blocks:5"``, drawn by the seed.
        split_version: The policy's declared version.
        split_origin: Plugin, distribution and version it came from; empty for published splits.
        readout: Which pooling and layers of the model the probe was fed: ``"default"``, ``"mean"``, ``"cls@5"`` or
            ``"@11"``; ``conversion`` names the representation of each input.
        covered_by: Names of the models of existing embeddings that the run is confined to the samples of, joined by
            ``" & "``; empty: to none, and all samples take part.
        subset: Digest of the identifiers of the samples that all of these models have; empty without them.
        n_whole: Samples per split that would have taken part without them, before ``labels``.
        selection: How hyper-parameters are chosen: ``"cv"``, by cross-validation over groups of train and val where the
            task has groups, or ``"val"``, on the published val split; ``probe_params`` says what happened.
        grouping: Name of the grouping whose groups are the units of the test samples: samples of one group are not
            independent, as those of a block or a country; empty: each sample is a unit.
        groups: How many groups the samples of each split are of; empty without a grouping.
        samples: Digest of the test samples: their identifiers, targets and groups. Numbers of the same samples can be
            compared in pairs.
        jackknife: The headline metric without each unit of the test samples, in the order of the units' names, which is
            the same for all records of the same ``samples``; of more than 200 units some are left out together.
        constant: The same was predicted for every test sample, though their targets differ.
        conversion: By representation and input, what was done to the data before the encoder saw it.
        caveats: Why its number does not show what the model can, for instance images of another ground sample distance
            than it was trained with, or what it could not do frozen; the leaderboard prints them below the table.
        embedding_dim: Width of the features the probe saw.
        predictions: File with the per-sample test predictions, and scores if they are kept, beside this record.
        device: Where the embeddings were computed.
        environment: Versions of Python and of the packages that matter; CPU, threads and precision of the embedding;
            and, each with ``pretraining`` before it, the same of a training of ours, with ``finetuning`` that of an
            evaluator that trains the model, and with ``evaluation`` device, threads and BLAS of the evaluator.
        seconds: Wall seconds per step (``pretrain``, ``embed``, ``probe``).
        command: The command line that produced it.
        created: UTC time in ISO 8601.
        schema: Version of this layout.
    """

    status: Status
    model: str
    model_version: str
    model_origin: str
    preset: str
    task: str
    task_version: int
    task_origin: str
    category: str
    family: str
    kind: str
    synthetic: bool
    dataset: str
    dataset_version: int
    probe: str
    probe_version: int
    headline: bool
    metric: str
    seed: int
    limit: int | None = None
    labels: str = "all"
    split: str = "published"
    split_version: int = 1
    split_origin: str = ""
    readout: str = "default"
    covered_by: str = ""
    subset: str = ""
    diagnostic: bool = False
    reason: str = ""
    key: str = ""
    weights: str = ""
    checkpoint: str = ""
    published_weights: bool = False
    parts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    probe_origin: str = ""
    dataset_fingerprint: str = ""
    probe_params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, MetricValue] = field(default_factory=dict)
    n: Mapping[str, int] = field(default_factory=dict)
    n_whole: Mapping[str, int] = field(default_factory=dict)
    selection: SelectionBy = "cv"
    grouping: str = ""
    groups: Mapping[str, int] = field(default_factory=dict)
    samples: str = ""
    jackknife: tuple[float, ...] = ()
    constant: bool = False
    dropped: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    conversion: Mapping[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()
    embedding_dim: int | None = None
    predictions: str = ""
    device: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    command: str = ""
    created: str = ""
    schema: int = SCHEMA

    @property
    def headline_value(self) -> MetricValue | None:
        """The headline metric, or ``None`` for a cell without a number."""
        return self.metrics.get(self.metric)

    @property
    def units(self) -> int:
        """How many independent units the test samples are: groups where there is a grouping, else samples."""
        return self.groups.get("test", self.n.get("test", 0))

    @property
    def used(self) -> UsedWeights:
        """The weights that it was computed with; for a cell without a number, what was to be used."""
        return UsedWeights(self.checkpoint, self.weights)

    @property
    def variant(self) -> str:
        """What distinguishes rows of one model: preset, foreign checkpoint, and the setting from seed to samples."""
        parts = [self.preset]
        if self.checkpoint.startswith("file:"):
            parts.append(f"ckpt-{self.checkpoint.removeprefix('file:')[:8]}")
        parts.append(f"seed{self.seed}")
        if self.limit is not None:
            parts.append(f"limit{self.limit}")
        if self.labels != "all":
            parts.append(f"labels{self.labels.replace('%', 'pct')}")
        if self.split != "published":
            parts.append(f"split-{quoted_in_path(self.split)}")
        if self.readout != "default":
            parts.append(f"readout-{self.readout}")
        if self.selection != "cv":
            parts.append(f"selection-{self.selection}")
        if self.covered_by:
            parts.append(f"covered-by-{quoted_in_path(self.covered_by)}")
        return "-".join(parts)

    def path(self, folder: Path) -> Path:
        """Return where the record lives below a results folder: one file a cell, whatever its outcome."""
        return folder / in_path(self.model) / self.variant / self.task / f"{self.probe}.json"


def write_result(result: Result, folder: Path) -> Path:
    """Write a record atomically.

    Returns:
        The file.

    Raises:
        StorageError: The folder cannot be written, or the disk is full; an older record is left as it was.
    """
    path = result.path(folder)
    write_atomically(path, (json.dumps(asdict(result), indent=1, sort_keys=True) + "\n").encode())
    return path


def read_result(path: Path) -> Result:
    """Read a record.

    Raises:
        StorageError: There is no such file, or it is not a record of this layout.
    """
    if not path.is_file():
        raise StorageError(f"there is no record {path}", "name the JSON file of a record")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["schema"] != SCHEMA:
            raise ValueError(f"schema {raw['schema']}, expected {SCHEMA}")
        known = {f.name for f in fields(Result)}
        if unknown := raw.keys() - known:
            raise ValueError(f"unknown fields {sorted(unknown)}")
        raw["metrics"] = {name: MetricValue(**value) for name, value in raw["metrics"].items()}
        raw["caveats"] = tuple(raw.get("caveats", ()))
        raw["jackknife"] = tuple(raw.get("jackknife", ()))
        # Before records said it, all were chosen on val.
        raw.setdefault("selection", "val")
        result = Result(**raw)
        for one in (result, *result.metrics.values()):
            # A record may come from a third party: whoever reads it relies on its types.
            if problem := field_problem(one):
                raise ValueError(problem.removeprefix(": "))
        return result
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(f"{path} is not a gairbench result: {error}", "delete it and run again") from error


def read_results(folder: Path) -> Iterator[Result]:
    """Yield every record below a results folder, in a fixed order; hidden files do not count.

    Raises:
        StorageError: The folder is missing, a folder in it cannot be read, a file in it is not a record, or two are of
            one cell, of which one would stand for the other unsaid.
    """
    if not folder.is_dir():
        raise StorageError(f"no results folder {folder}", "run 'gairbench run' first, or name it with --results")
    places: dict[Path, Path] = {}
    for path in sorted(record_files(folder)):
        result = read_result(path)
        place = result.path(folder)
        if (other := places.setdefault(place, path)) != path:
            raise StorageError(f"{other} and {path} are records of one cell, which belong at {place}", "delete one")
        yield result


def record_files(folder: Path) -> Iterator[Path]:
    """Yield the files of a results folder that should be records, in any order; hidden files do not count.

    Raises:
        StorageError: A folder in it cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise StorageError(f"cannot read {error.filename}: {error.strerror}", "fix its permissions") from error

    # Path.glob would pass over a folder that cannot be read, and the leaderboard would lack its records unsaid.
    for parent, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        depth = len(Path(parent).relative_to(folder).parts)
        folders[:] = [name for name in folders if depth < RECORD_DEPTH and not name.startswith(".")]
        if depth == RECORD_DEPTH:
            yield from (Path(parent) / name for name in files if name.endswith(".json") and not name.startswith("."))
