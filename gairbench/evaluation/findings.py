"""What a plan finds in datasets and in the code of plugins, before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from gairbench.composition import model_for
from gairbench.dataset_download import is_here, way_to_get
from gairbench.errors import DataMissingError, GairbenchError, InputMismatchError, NotCoveredError
from gairbench.evaluation.cells import Cell, State
from gairbench.evaluation.coverage import Covered
from gairbench.evaluation.divisions import Divisions
from gairbench.evaluation.open_data import OpenData, dataset_name
from gairbench.evaluation.samples import select
from gairbench.evaluation.uncovered import uncovered_reasons
from gairbench.isolation import Isolated, culprit, named
from gairbench.kinds import DENSE
from gairbench.limit import limited
from gairbench.plugin_code import code_digest
from gairbench.plugins import BUILTIN, Origin, Registry
from gairbench.protocols import KnowsIds
from gairbench.spec import DatasetSpec, EvaluatorSpec, Kind, MetricSpec, ModelSpec, SplitPolicySpec
from gairbench.split_policy import SPLITS

Trouble = tuple[State, str]
"""``skipped`` or ``failed``, and why."""


class Findings:
    """What a plan has found: each dataset is opened once, each target read once, and each plugin's code hashed once.

    Args:
        registry: What is installed.
        data: Open datasets.
        cache: Folder of checkpoints and embeddings.
        data_root: Folder of datasets that are not embedded.
        limit: The run's ``--limit``.
    """

    def __init__(
        self, registry: Registry, data: OpenData, *, cache: Path, data_root: Path | None, limit: int | None
    ) -> None:
        self.data = data
        self._cache = cache
        self._root = data_root
        self._limit = limit
        self._registry = registry
        self._fingerprints: dict[str, str | Trouble] = {}
        self._divisions = Divisions(data)
        self._targets: dict[tuple[str, ...], Trouble | None] = {}
        self._codes: dict[tuple[type, str], str] = {}
        self._lacks: dict[tuple[str, ...], NotCoveredError | None] = {}
        self._origins: Mapping[type, Mapping[str, Origin]] = {
            DatasetSpec: registry.dataset_origins,
            EvaluatorSpec: registry.evaluator_origins,
            MetricSpec: registry.metric_origins,
            SplitPolicySpec: registry.split_policy_origins,
        }

    def code(self, spec: DatasetSpec | EvaluatorSpec | MetricSpec | SplitPolicySpec) -> str:
        """Return a digest of the code of a dataset, an evaluator, a metric or a split policy; empty for our own.

        Raises:
            OSError: A file of it cannot be read.
        """
        which = type(spec), spec.name
        if which not in self._codes:
            distribution = self._origins[type(spec)][spec.name].distribution
            self._codes[which] = code_digest(spec.factory, distribution, self._cache.absolute())
        return self._codes[which]

    def fingerprint(self, spec: DatasetSpec) -> str | Trouble:
        """Return the fingerprint, or why there is none."""
        if spec.name not in self._fingerprints:
            self._fingerprints[spec.name] = self._open(spec)
        return self._fingerprints[spec.name]

    def _open(self, spec: DatasetSpec) -> str | Trouble:
        root = self._root
        if not is_here(spec, root):
            get = way_to_get(spec, root)
            get = get and f", or {get}"
            if root is None:
                return "skipped", f"dataset {spec.name!r} needs files in folder {spec.folder!r}; give --data-root{get}"
            return "skipped", f"dataset {spec.name!r} is not at {root / spec.folder}; correct --data-root{get}"
        try:
            return self.data.fingerprint(spec)
        except DataMissingError as error:
            return "skipped", str(error)
        except GairbenchError as error:
            return "failed", str(error)
        # A dataset may be a third party's code; its fault is this dataset's, not the run's.
        except Exception as error:
            return "failed", f"dataset {spec.name!r}: {type(error).__name__}: {error}"

    def target_problem(self, cell: Cell) -> Trouble | None:
        """Return why a task cannot be divided, learned or scored; ``None`` where it can, or only pixels can show it."""
        drawn = "" if cell.split.published else str(cell.record.seed)
        which = (cell.task.name, str(cell.split), drawn, cell.record.covered_by)
        if which not in self._targets:
            self._targets[which] = self._read_targets(cell)
        return self._targets[which]

    def coverage_problem(self, cell: Cell) -> Trouble | None:
        """Return why a model that looks samples up by ids cannot serve a task; ``None`` where none is known to lack."""
        # Where only some samples take part, looking them up shows which.
        if cell.coverage:
            return None
        errors = {}
        for wanted in cell.embeddings:
            model = model_for(cell.model, cell.preset, wanted.feed.representation)
            if "id" in wanted.feed.given and (error := self._lacking(cell, model, wanted.split)):
                errors[wanted.key] = error
        reasons = uncovered_reasons(cell.embeddings, errors)
        return ("skipped", next(iter(reasons.values()))) if reasons else None

    def _known_coverage(self, cell: Cell) -> Covered | None:
        """Return the samples that models which know their ids beforehand have; others may leave out more of them."""
        rows: dict[str, NDArray[np.bool_]] = {}
        for job in cell.coverage:
            for wanted in job.embeddings:
                if "id" in wanted.feed.given and _knows_ids(job.model.factory):
                    ids = self._looked_up(cell, wanted.split)
                    error = self._lacking(cell, job.model, wanted.split)
                    there = ~np.isin(ids, error.missing) if error else np.ones(len(ids), dtype=bool)
                    rows[wanted.split] = rows.get(wanted.split, there) & there
        return Covered(cell.record.covered_by, rows) if rows else None

    def _looked_up(self, cell: Cell, split: str) -> list[str]:
        ids = self.data.split(cell.task.dataset, cell.fingerprint, split).ids
        return [ids[i] for i in limited(len(ids), self._limit)]

    def _lacking(self, cell: Cell, model: ModelSpec, split: str) -> NotCoveredError | None:
        factory = model.factory
        if not _knows_ids(factory):
            return None
        which = (model.name, cell.task.dataset.name, split)
        if which not in self._lacks:
            looked_up = self._looked_up(cell, split)
            with Isolated(named("model", model.name, model.factory)):
                missing, holds = factory.lacking(looked_up)
            self._lacks[which] = NotCoveredError(tuple(missing), len(looked_up), holds) if missing else None
        return self._lacks[which]

    def _read_targets(self, cell: Cell) -> Trouble | None:
        task, limit, published = cell.task, self._limit, cell.split.published
        if task.kind is Kind.RETRIEVAL or (published and task.kind in DENSE):
            return None
        dataset, fingerprint = task.dataset, cell.fingerprint
        # The suite has read what is embedded in this version, all samples of it; reading them again takes seconds.
        embedded = self._registry.task_origins[task.name].plugin in BUILTIN and not dataset.folder
        if embedded and limit is None and published and not cell.coverage:
            return None
        try:
            splits = {name: self.data.split(dataset, fingerprint, name) for name in SPLITS}
            source = self.data.source(dataset, fingerprint)
            covered = self._known_coverage(cell)
            if published:
                with Isolated(dataset_name(dataset)):
                    select(task, source, splits, limit, covered=covered)
                return None
            seed = cell.record.seed
            divided = self._divisions.divide(task, fingerprint, cell.split, seed=seed, limit=limit)
            if task.kind not in DENSE:
                with Isolated(dataset_name(dataset)):
                    there = covered and replace(covered, rows=divided.features(covered.rows, limit))
                    select(task, source, divided.splits, limit, policy=str(cell.split), covered=there)
        except InputMismatchError as error:
            return "skipped", str(error)
        except GairbenchError as error:
            return "failed", str(error)
        # A dataset or a split policy may be a third party's code; its fault is theirs, not the run's.
        except Exception as error:
            return "failed", f"{culprit(error) or f'dataset {dataset.name!r}'}: {type(error).__name__}: {error}"
        return None


def _knows_ids(factory: object) -> TypeGuard[KnowsIds]:
    # Of a class the method is not bound.
    return isinstance(factory, KnowsIds) and not isinstance(factory, type)
