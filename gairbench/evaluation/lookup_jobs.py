"""The job that looks a task's samples up in a model of existing embeddings, to find out which of them it has."""

from __future__ import annotations

from dataclasses import replace

from gairbench.errors import InputMismatchError
from gairbench.evaluation.cache import EmbeddingCache
from gairbench.evaluation.cells import EmbedJob, embed_id, loaded_as
from gairbench.evaluation.embedding_keys import embeddings_of
from gairbench.evaluation.feeds import feeds_for
from gairbench.evaluation.prepared import Prepared
from gairbench.readout import Readout
from gairbench.spec import EvaluatorSpec, Kind, TaskSpec
from gairbench.split_policy import SPLITS


def lookup_job(
    prepared: Prepared,
    task: TaskSpec,
    evaluator: EvaluatorSpec,
    *,
    fingerprint: str,
    dataset_code: str,
    seed: int,
    limit: int | None,
    cache: EmbeddingCache | None,
) -> EmbedJob:
    """Return the job that looks a task's samples up.

    Args:
        prepared: A model of existing embeddings.
        task: The task.
        evaluator: The task's headline evaluator: all of a task's evaluators and readouts have the same samples.
        fingerprint: Hash of the task's data.
        dataset_code: Digest of the code of the dataset.
        seed: The run's seed.
        limit: The run's ``--limit``.
        cache: What has been looked up before; ``None``: nothing may be reused.

    Raises:
        InputMismatchError: The model cannot serve the task.
    """
    if task.kind is Kind.RETRIEVAL:
        raise InputMismatchError(f"{task.kind} ranks all samples of a split", "")
    model, preset, weights = prepared.model, prepared.preset, prepared.weights
    embeddings = embeddings_of(
        model,
        preset,
        weights,
        task.dataset,
        feeds_for(model, preset, task, evaluator, Readout()),
        splits=SPLITS,
        fingerprint=fingerprint,
        codes=(prepared.code, dataset_code),
        limit=limit,
        partial=True,
        empty=False,
    )
    if cache is not None:
        embeddings = tuple(replace(one, cached=cache.has(one.key)) for one in embeddings)
    loaded = loaded_as(model, preset, weights, seed)
    return EmbedJob(
        id=embed_id(task.dataset, loaded),
        model=model,
        preset=preset,
        weights=weights,
        loaded_as=loaded,
        dataset=task.dataset,
        fingerprint=fingerprint,
        embeddings=embeddings,
        seed=seed,
        limit=limit,
    )
