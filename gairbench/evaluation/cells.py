"""What a plan consists of: cells, the embeddings that they need, and jobs. All are values that can be pickled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gairbench.feeding import Feed
from gairbench.label_budget import LabelBudget
from gairbench.pretraining.teachers import FoundTeacher
from gairbench.readout import Readout
from gairbench.results import Result, UsedWeights
from gairbench.spec import DatasetSpec, EvaluatorSpec, MetricSpec, ModelSpec, Preset, TaskSpec
from gairbench.split_choice import SplitChoice
from gairbench.weights.origin import Weights

State = Literal["cached", "todo", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """One representation of one split by one model.

    Args:
        feed: What is computed, and what the model is fed with.
        split: Name of the split.
        key: Everything that can change its values and is known before the model is loaded.
        cached: It is on disk.
        partial: Samples may be lacking: their values are not numbers then.
        stale: What is on disk was computed with these other weights.
        empty: It has no columns, as its evaluator takes no features: it says which samples there are, and which weights
            the model has before it is trained.
    """

    feed: Feed
    split: str
    key: str
    cached: bool
    partial: bool = False
    stale: UsedWeights | None = None
    empty: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainingData:
    """What a model is pre-trained on.

    Args:
        dataset: The dataset.
        fingerprint: Hash of its data.
        teachers: The models that it learns from.
    """

    dataset: DatasetSpec
    fingerprint: str
    teachers: tuple[FoundTeacher, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A pre-training that gairbench does itself.

    Args:
        model: The model, which has a recipe.
        preset: Its preset.
        weights: Where the checkpoint goes, and whether it is there.
        corpus: What it is trained on.
        seed: Seed of everything random.
    """

    model: ModelSpec
    preset: Preset
    weights: Weights
    corpus: PretrainingData
    seed: int

    @property
    def loaded_as(self) -> str:
        """As of the cells whose embeddings the model computes by itself."""
        return loaded_as(self.model, self.preset, self.weights, self.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One model on one task with one evaluator.

    Args:
        model: The model.
        preset: Its preset.
        weights: Where its weights come from.
        trainings: What gairbench must train for it: the model itself, or parts of a composition.
        task: The task.
        evaluator: The evaluator; ``None``: there is none of the name that the task uses, and the cell has failed.
        metrics: What to measure, the headline first; empty if the task names a metric that does not exist.
        labels: Which part of train's labels the evaluator learns from.
        split: How the samples are divided.
        readout: Which pooling and layers of the model it is fed.
        state: ``cached``: a record with the same key exists; ``todo``; ``skipped`` or ``failed``, with the reason in
            the record.
        record: Its record with all that is known before it runs.
        distributions: Distributions of the model, the task, the evaluator and the metrics, whose versions the record
            names.
        code: Digest of the model's code and configuration.
        third_party: Its code is not gairbench's own.
        embeddings: What the evaluator is fed.
        coverage: What models of existing embeddings look up to say which samples take part; empty: all do.
        stale: Its record of the same key was computed with these other weights.
        unsure: It is cached, and only loading its model shows whether it still has the weights of the record.
    """

    model: ModelSpec
    preset: Preset
    weights: Weights
    trainings: tuple[Training, ...]
    task: TaskSpec
    evaluator: EvaluatorSpec | None
    metrics: tuple[MetricSpec, ...]
    labels: LabelBudget
    split: SplitChoice
    readout: Readout
    state: State
    record: Result
    distributions: tuple[str, ...]
    code: str = ""
    third_party: bool = False
    embeddings: tuple[Embedding, ...] = ()
    coverage: tuple[EmbedJob, ...] = ()
    stale: UsedWeights | None = None
    unsure: bool = False

    @property
    def id(self) -> str:
        """Its name among all cells: model, variant, task and evaluator."""
        return self.record.path(Path()).with_suffix("").as_posix()

    @property
    def reason(self) -> str:
        """Why it cannot run; empty where it can."""
        return self.record.reason

    @property
    def trains_model(self) -> bool:
        """Whether its evaluator trains the model itself, which is then loaded for it alone."""
        return self.evaluator is not None and self.evaluator.trains

    @property
    def needed(self) -> tuple[Embedding, ...]:
        """All embeddings that must be there before it can be evaluated."""
        return (*self.embeddings, *(embedding for job in self.coverage for embedding in job.embeddings))

    @property
    def fingerprint(self) -> str:
        """Hash of the task's data; empty where they cannot be read."""
        return self.record.dataset_fingerprint

    @property
    def loaded_as(self) -> str:
        """What is the same for cells whose embeddings one loaded model computes."""
        return loaded_as(self.model, self.preset, self.weights, self.record.seed)


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainJob:
    """Pre-train a model.

    Args:
        id: Its name among the jobs.
        model: The model, which has a recipe.
        preset: Its preset.
        target: Folder of the checkpoint.
        corpus: What it is trained on.
        seed: Seed of everything random.
        limit: The run's ``--limit``.
        loaded_as: The same for all jobs that need the checkpoint.
        needs: Nothing.
    """

    id: str
    model: ModelSpec
    preset: Preset
    target: Path
    corpus: PretrainingData
    seed: int
    limit: int | None
    loaded_as: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedJob:
    """Embed one dataset with one model.

    Args:
        id: Its name among the jobs.
        model: The model.
        preset: Its preset.
        weights: Where its weights come from.
        loaded_as: The same for all jobs that one loaded model can do.
        dataset: The dataset.
        fingerprint: Hash of its data.
        embeddings: What to compute.
        seed: Seed of untrained weights.
        limit: The run's ``--limit``.
        needs: The jobs that pre-train the model, or parts of it.
        only_to_train: Keys of embeddings that only evaluators want which train the model: those of a model that cannot
            be trained are for nobody.
    """

    id: str
    model: ModelSpec
    preset: Preset
    weights: Weights
    loaded_as: str
    dataset: DatasetSpec
    fingerprint: str
    embeddings: tuple[Embedding, ...]
    seed: int
    limit: int | None
    needs: tuple[str, ...] = ()
    only_to_train: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyJob:
    """Load a model whose weights only loading shows, to find out whether its earlier results are still its own.

    Args:
        id: Its name among the jobs.
        model: The model; its preset declares no weights.
        preset: Its preset.
        weights: Where its weights come from: its factory.
        loaded_as: The same for all jobs that one loaded model can do.
        seed: Seed of untrained weights.
        needs: Nothing.
    """

    id: str
    model: ModelSpec
    preset: Preset
    weights: Weights
    loaded_as: str
    seed: int
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateJob:
    """Evaluate one cell.

    Args:
        id: Its name among the jobs.
        cell: The cell.
        needs: The jobs that compute its embeddings; it can start when its own are there, before those jobs end.
    """

    id: str
    cell: Cell
    needs: tuple[str, ...] = ()


Job = PretrainJob | IdentifyJob | EmbedJob | EvaluateJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All cells of a run, and the jobs that are needed for those that can run.

    Args:
        cells: In the order they will run: models that are cheap first, grouped by model and dataset.
        jobs: What must be done, each after the jobs that it needs.
        estimate: How long the jobs take together, in words.
    """

    cells: tuple[Cell, ...]
    jobs: tuple[Job, ...]
    estimate: str

    def identifications(self) -> list[IdentifyJob]:
        """Return the jobs that only load a model."""
        return [job for job in self.jobs if isinstance(job, IdentifyJob)]

    def pretrainings(self) -> list[PretrainJob]:
        """Return the jobs that pre-train a model."""
        return [job for job in self.jobs if isinstance(job, PretrainJob)]


def jobs_of(cells: Iterable[Cell]) -> list[Job]:
    """Return what must be done for cells to be evaluated, each job after those that it needs.

    Cells whose embeddings all exist need no model, and a model that no cell needs is not trained.
    """
    trained: dict[str, PretrainJob] = {}
    unsure: dict[str, IdentifyJob] = {}
    embedded: dict[str, EmbedJob] = {}
    evaluated: list[EvaluateJob] = []
    frozen: set[str] = set()
    for cell in cells:
        if not cell.trains_model:
            frozen.update(embedding.key for embedding in cell.embeddings)
        frozen.update(embedding.key for job in cell.coverage for embedding in job.embeddings)
        if cell.unsure:
            unsure.setdefault(cell.loaded_as, identification(cell))
            continue
        before = pretrainings_of(cell)
        needs = []
        for job in (_embedding_job(cell, before), *cell.coverage):
            missing = tuple(embedding for embedding in job.embeddings if not embedding.cached)
            if missing:
                known = embedded[job.id].embeddings if job.id in embedded else ()
                keys = {embedding.key for embedding in known}
                more = tuple(embedding for embedding in missing if embedding.key not in keys)
                embedded[job.id] = replace(job, embeddings=known + more)
                needs.append(job.id)
                trained |= {one.id: one for one in before if one.id in job.needs and one.id not in trained}
        evaluated.append(EvaluateJob(id=f"evaluate {cell.id}", cell=cell, needs=tuple(needs)))
    # What embeds with a model has loaded it.
    others = [job for job in unsure.values() if job.loaded_as not in {e.loaded_as for e in embedded.values()}]
    embedding = (
        replace(job, only_to_train=frozenset(wanted.key for wanted in job.embeddings) - frozen)
        for job in embedded.values()
    )
    return [*trained.values(), *others, *embedding, *evaluated]


def identification(cell: Cell) -> IdentifyJob:
    """Return the job that only loads a cell's model."""
    return IdentifyJob(
        id=f"identify {cell.loaded_as}",
        model=cell.model,
        preset=cell.preset,
        weights=cell.weights,
        loaded_as=cell.loaded_as,
        seed=cell.record.seed,
    )


def embed_id(dataset: DatasetSpec, loaded: str) -> str:
    """Return the name of the job that embeds a dataset with a model, which all cells of both share."""
    return f"embed {dataset.name} by {loaded}"


def _embedding_job(cell: Cell, before: Sequence[PretrainJob]) -> EmbedJob:
    return EmbedJob(
        id=embed_id(cell.task.dataset, cell.loaded_as),
        model=cell.model,
        preset=cell.preset,
        weights=cell.weights,
        loaded_as=cell.loaded_as,
        dataset=cell.task.dataset,
        fingerprint=cell.fingerprint,
        embeddings=cell.embeddings,
        seed=cell.record.seed,
        limit=cell.record.limit,
        needs=tuple(job.id for job in before),
    )


def pretrainings_of(cell: Cell) -> list[PretrainJob]:
    """Return the jobs that train what a cell's model lacks."""
    return [
        PretrainJob(
            id=f"pretrain {training.loaded_as}",
            model=training.model,
            preset=training.preset,
            target=training.weights.path,
            corpus=training.corpus,
            seed=training.seed,
            limit=cell.record.limit,
            loaded_as=training.loaded_as,
        )
        for training in cell.trainings
        if not training.weights.ready and training.weights.path is not None
    ]


def loaded_as(model: ModelSpec, preset: Preset, weights: Weights, seed: int) -> str:
    """Return what is the same for all that one loaded model computes."""
    return f"{model.name} {preset.name} {weights.identity} seed {seed}"
