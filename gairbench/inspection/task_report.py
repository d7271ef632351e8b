"""A model on a task: what its encoder is fed with, and what comes out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gairbench.batch import Batch
from gairbench.data import Sample
from gairbench.embedding import BATCH, encode_batch, whole_samples
from gairbench.errors import DataError
from gairbench.evaluation.open_data import OpenData, Reading, dataset_name
from gairbench.feeding import Feed
from gairbench.inspection.calls import counted_call, in_one_line
from gairbench.inspection.fed import Fed, what_is_fed
from gairbench.inspection.health import EmbeddingHealth, health_of
from gairbench.inspection.suspicions import suspicious_embedding
from gairbench.isolation import Isolated
from gairbench.limit import limited
from gairbench.spec import DatasetSpec, TaskSpec
from gairbench.testing.training_mode import running_in_training_mode
from gairbench.weights.loading import LoadedModel

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class InputReport:
    """One of a task's inputs: what is fed, and what comes out.

    Args:
        entry: The task's input.
        fed: What the encoder is fed with.
        shape: Of one sample's embedding.
        dtype: Of what the model returned.
        flops: Floating-point operations a sample.
        health: What is seen in the embeddings; of several layers, one each.
        suspicions: What is suspicious, one sentence each.
    """

    entry: str
    fed: Fed
    shape: tuple[int, ...]
    dtype: str
    flops: int
    health: tuple[EmbeddingHealth, ...]
    suspicions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """What is seen of a model on a task.

    Args:
        task: The task's name.
        dataset: Its dataset's name.
        evaluator: The evaluator that the inputs are for.
        split: Where the samples come from.
        samples: How many were looked at.
        inputs: The task's inputs.
    """

    task: str
    dataset: str
    evaluator: str
    split: str
    samples: int
    inputs: tuple[InputReport, ...]

    @property
    def suspicions(self) -> tuple[str, ...]:
        """What is suspicious, one sentence each."""
        return tuple(dict.fromkeys(said for one in self.inputs for said in one.suspicions))


def inspected_split(dataset: DatasetSpec) -> str:
    """Return the split that samples are taken from: train, or the first of a dataset that has none."""
    return "train" if "train" in dataset.splits else dataset.splits[0]


def samples_to_inspect(data: OpenData, dataset: DatasetSpec, count: int) -> tuple[Sequence[Sample], Sequence[str]]:
    """Return some samples of a dataset as it delivers them, those that ``--limit`` would take, and their identifiers.

    Raises:
        DataError: The dataset is broken, or the split is empty.
        PluginError: The dataset's code fails.
    """
    who, name = dataset_name(dataset), inspected_split(dataset)
    with in_one_line(who):
        split = Reading(data.split(dataset, data.fingerprint(dataset), name), who)
        if not len(split):
            raise DataError(f"split {name!r} of dataset {dataset.name!r} is empty", "check how the dataset is split")
        with Isolated(who):
            rows = limited(len(split), count).tolist()
            return list(whole_samples(split, rows)), [split.ids[row] for row in rows]


def report_input(
    entry: str,
    feed: Feed,
    samples: Sequence[Sample],
    ids: Sequence[str],
    task: TaskSpec,
    loaded: LoadedModel,
    device: torch.device,
    who: str,
) -> tuple[InputReport, Batch]:
    """Feed a model with samples and look at what happens.

    Args:
        entry: The task's input.
        feed: How it is fed.
        samples: As the dataset delivers them, one at least.
        ids: Their identifiers.
        task: The task.
        loaded: The model.
        device: Where it is.
        who: Whom to name for the model.

    Returns:
        What is seen, and what the encoder was fed with.

    Raises:
        InputMismatchError: Values are not as declared.
        DataError: A sample lacks what is declared, or the model returns another shape.
        PluginError: The model's code fails.
    """
    with in_one_line(dataset_name(task.dataset)):
        batch = feed.batch(samples, ids)
        fed = what_is_fed(feed, samples, batch, task.dataset)
    with running_in_training_mode(loaded.model) as training, in_one_line(who):
        one, flops = counted_call(loaded.model, feed.representation, batch[:1], device, who)
        with Isolated(who):
            embeddings = np.concatenate(
                [
                    encode_batch(loaded.model, feed.representation, batch[start : start + BATCH], device)
                    for start in range(0, len(batch), BATCH)
                ]
            )
    health = tuple(map(health_of, _layers(embeddings)))
    suspicions = [f"in training mode: {', '.join(training)}: let the model's eval() reach it"] if training else []
    suspicions += fed.suspicions
    for found in health:
        suspicions += suspicious_embedding(fed.representation, len(batch), fed.different, found)
    report = InputReport(
        entry=entry,
        fed=fed,
        shape=embeddings.shape[1:],
        dtype=str(one.dtype).removeprefix("torch."),
        flops=flops,
        health=health,
        suspicions=tuple(suspicions),
    )
    return report, batch


def _layers(embeddings: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the embeddings of each layer: what says much in one may say nothing in another."""
    return [embeddings[:, layer] for layer in range(embeddings.shape[1])] if embeddings.ndim == 5 else [embeddings]
