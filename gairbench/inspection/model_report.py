"""A model without a task: what it declares, what is loaded, and what it makes of generated inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gairbench.batch import Batch
from gairbench.embedding import compute
from gairbench.errors import GairbenchError
from gairbench.inspection.calls import counted_call, in_one_line
from gairbench.isolation import Isolated
from gairbench.representation import Representation
from gairbench.spec import ModelSpec, Preset, resolve
from gairbench.testing.inputs import generate
from gairbench.testing.known_answers import known_answer_problem
from gairbench.testing.training_mode import running_in_training_mode
from gairbench.weights.loading import LoadedModel, model_name
from gairbench.weights.origin import Weights

if TYPE_CHECKING:
    import torch
    from torch import Tensor

GENERATED = 2
"""Samples that are generated for each representation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedFacts:
    """What was loaded.

    Args:
        identity: Which weights, as records name them: ``"file:<sha256>"`` or ``"init:<digest>"`` of untrained ones.
        path: The file or folder; empty where the factory gets none.
        sha256: Of parameters and buffers; empty where the model is not an ``nn.Module``.
        parameters: How many numbers are learned, of all that is loaded; ``None`` where it is not an ``nn.Module``.
        untrained: gairbench trains it, and has not: no checkpoint was given.
        device: Where it is.
    """

    identity: str
    path: str
    sha256: str
    parameters: int | None
    untrained: bool
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedOutput:
    """What a model makes of generated inputs.

    Args:
        representation: What was computed.
        shape: Of one sample's embedding.
        dtype: Of what the model returned.
        flops: Floating-point operations a sample (:func:`gairbench.inspection.calls.counted_call`).
        problem: Why there is none, or what is wrong with it; empty if nothing is.
        looked_up: It exists already, of real samples alone, so that nothing was computed.
    """

    representation: str
    shape: tuple[int, ...] = ()
    dtype: str = ""
    flops: int = 0
    problem: str = ""
    looked_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredQuestion:
    """A known answer, and what the model answered.

    Args:
        name: Of the known answer.
        problem: What is wrong, and what would have to be otherwise; empty if it is right.
    """

    name: str
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReport:
    """What is seen of a model without a task.

    Args:
        loaded: What was loaded.
        outputs: What it makes of generated inputs.
        answers: What it makes of known answers.
        unasked: Why it was not asked for known answers; empty if it was.
        suspicions: What is suspicious, one sentence each.
    """

    loaded: LoadedFacts
    outputs: tuple[GeneratedOutput, ...]
    answers: tuple[AnsweredQuestion, ...]
    unasked: str
    suspicions: tuple[str, ...]


def loaded_facts(loaded: LoadedModel, weights: Weights, device: torch.device, *, given: bool) -> LoadedFacts:
    """Return what was loaded.

    Args:
        loaded: The model.
        weights: Where its weights come from.
        device: Where it is.
        given: A checkpoint was given.
    """
    from torch import nn

    model = loaded.model
    return LoadedFacts(
        identity=weights.identity,
        path="" if weights.path is None else str(weights.path),
        sha256=loaded.weights,
        parameters=sum(p.numel() for p in model.parameters()) if isinstance(model, nn.Module) else None,
        untrained=loaded.preset.recipe is not None and not given,
        device=str(device),
    )


def report_model(
    spec: ModelSpec, loaded: LoadedModel, facts: LoadedFacts, device: torch.device, unasked: str
) -> ModelReport:
    """Return what is seen of a model without a task.

    Args:
        spec: The model.
        loaded: It in memory.
        facts: From :func:`loaded_facts`.
        device: Where it is.
        unasked: Why its known answers cannot be expected; empty if they can.

    Raises:
        PluginError: Its known answers cannot be read.
    """
    who, preset = model_name(spec), loaded.preset
    suspicions: list[str] = []
    with running_in_training_mode(loaded.model) as training:
        outputs = [_output(loaded.model, preset, view, device, who) for view in preset.offered()]
    suspicions += [f"{output.representation}: {output.problem}" for output in outputs if output.problem]
    if training:
        suspicions.append(f"in training mode: {', '.join(training)}: let the model's eval() reach it")
    answers: Sequence[AnsweredQuestion] = ()
    if not unasked and spec.golden is None:
        unasked = "the model declares none"
    if not unasked:
        answers = _answers(spec, preset, loaded.model, device, who)
        suspicions += [f"known answer {answer.name!r}: {answer.problem}" for answer in answers if answer.problem]
    return ModelReport(
        loaded=facts,
        outputs=tuple(outputs),
        answers=tuple(answers),
        unasked=unasked,
        suspicions=tuple(suspicions),
    )


def _output(model: object, preset: Preset, view: Representation, device: torch.device, who: str) -> GeneratedOutput:
    name = str(view)
    if preset.looks_up(view):
        return GeneratedOutput(representation=name, looked_up=True)
    try:
        with in_one_line(who):
            batch = generate(preset, view, GENERATED, seed=0)
            output, flops = counted_call(model, view, batch, device, who)
    except GairbenchError as error:
        return GeneratedOutput(representation=name, problem=str(error))
    shape = tuple(output.shape[1:])
    axes = {"tokens": 4 + (len(view.layers) > 1)}.get(view.form, 2)
    problem = ""
    if output.ndim != axes or len(output) != GENERATED:
        problem = f"shape {tuple(output.shape)} for {GENERATED} samples, wanted {axes} axes, samples first"
    elif not bool(output.isfinite().all()):
        problem = "values are not finite"
    elif len(output) > 1 and bool((output == output[:1]).all()):
        problem = "the embedding is constant: different generated samples have one and the same"
    return GeneratedOutput(
        representation=name,
        shape=shape,
        dtype=str(output.dtype).removeprefix("torch."),
        flops=flops // GENERATED,
        problem=problem,
    )


def _answers(
    spec: ModelSpec, preset: Preset, model: object, device: torch.device, who: str
) -> Sequence[AnsweredQuestion]:
    import torch

    assert spec.golden is not None  # noqa: S101  (asked of models that declare some)

    def encode(view: Representation, batch: Batch) -> Tensor:
        with in_one_line(who), Isolated(who), torch.inference_mode():
            return compute(model, view, batch.to(device)).cpu()

    with in_one_line(f"the known answers of {who}"):
        known = list(resolve(spec.golden)(spec.name, preset.name))
    return [
        AnsweredQuestion(name=answer.name, problem=known_answer_problem(spec.name, preset, answer, encode))
        for answer in known
    ]
