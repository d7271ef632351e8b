"""What an evaluator needs of a model for a task, and how the model can be read out for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from gairbench.errors import InputMismatchError
from gairbench.feeding import Feed, plan_feed, readouts_offered
from gairbench.inputs import Modality
from gairbench.kinds import DENSE
from gairbench.readout import AskedReadout, Readout
from gairbench.representation import Form
from gairbench.spec import EvaluatorSpec, Kind, ModelSpec, Preset, TaskSpec


class _Need(NamedTuple):
    """What is needed of the model for one of a task's inputs."""

    entry: str
    form: Form
    layers: int = 0
    projected: bool = False


def feeds_for(
    model: ModelSpec, preset: Preset, task: TaskSpec, evaluator: EvaluatorSpec, readout: Readout
) -> list[Feed]:
    """Return what the evaluator needs of the model: a vector for each input, or token grids if it needs tokens.

    Of several inputs, those that the model offers in one way only are fed in this way, whatever the readout.

    Args:
        model: The model.
        preset: Its preset.
        task: The task.
        evaluator: The evaluator.
        readout: Which pooling and layers.

    Raises:
        InputMismatchError: The model does not offer it, or the dataset cannot serve it.
    """
    asked = [i.modality for entry in task.inputs for i in task.dataset.inputs_of(entry)]
    if _of_pixels(task, evaluator) and any(modality is not Modality.RS for modality in asked):
        raise InputMismatchError(f"evaluator {evaluator.name!r} needs token grids, which only rs images have", "")
    if not _of_pixels(task, evaluator):
        for modality in asked:
            if modality not in preset.modalities:
                raise InputMismatchError(f"{model.name} has no {modality} encoder", "")
        if task.kind is Kind.RETRIEVAL and not set(asked) <= model.aligned:
            pair = " and ".join(task.inputs)
            raise InputMismatchError(f"{model.name} does not align {pair} in one space", "")
    needs = _needs(preset, task, evaluator)
    fixed = _fixed(preset, task, needs)
    feeds = [
        plan_feed(
            model.name,
            preset,
            task.dataset,
            need.entry,
            form=need.form,
            layers=need.layers,
            projected=need.projected,
            readout=Readout() if need in fixed else readout,
        )
        for need in needs
    ]
    if evaluator.trains and any(feed.looks_up for feed in feeds):
        raise InputMismatchError(f"{model.name} looks its embeddings up, and has nothing to train", "")
    given = any(feed.given & {"lonlat", "bbox"} for feed in feeds)
    if task.kind is Kind.GEOLOCALIZATION and not _of_pixels(task, evaluator) and given:
        raise InputMismatchError(f"{model.name} is given the sample's place, which the task asks for", "")
    return feeds


def readouts_for(
    asked: Iterable[AskedReadout], preset: Preset, task: TaskSpec, evaluator: EvaluatorSpec | None
) -> tuple[Readout, ...]:
    """Return the readouts that a task is evaluated with, each once.

    Args:
        asked: What the run asks for. ``"each"`` is what the model offers of every input that it offers in several ways,
            or its own readout where it offers nothing.
        preset: What the model offers.
        task: The task.
        evaluator: The evaluator; ``None``: there is none of the name that the task uses.
    """
    found: dict[Readout, None] = {}
    for one in asked:
        found |= dict.fromkeys([one] if isinstance(one, Readout) else _each(preset, task, evaluator))
    return tuple(found)


def _each(preset: Preset, task: TaskSpec, evaluator: EvaluatorSpec | None) -> list[Readout]:
    needs = [] if evaluator is None else _needs(preset, task, evaluator)
    fixed = _fixed(preset, task, needs)
    offered = [_offered(preset, task, need) for need in needs if need not in fixed]
    common = [one for one in offered[0] if all(one in others for others in offered)] if offered else []
    return common or [Readout()]


def _of_pixels(task: TaskSpec, evaluator: EvaluatorSpec) -> bool:
    """Return whether token grids are needed; of a model that an evaluator trains, tasks of pixels need them."""
    return evaluator.needs == "tokens" or (evaluator.trains and task.kind in DENSE)


def _needs(preset: Preset, task: TaskSpec, evaluator: EvaluatorSpec) -> list[_Need]:
    if _of_pixels(task, evaluator):
        return [_Need(entry, "tokens", layers=evaluator.layers) for entry in task.inputs]
    projected = task.kind is Kind.RETRIEVAL
    return [_Need(entry, _vector_form(preset, task, entry), projected=projected) for entry in task.inputs]


def _vector_form(preset: Preset, task: TaskSpec, entry: str) -> Form:
    """Return whether a vector is looked up at the sample's point, which must be wanted and offered."""
    overhead = any(i.modality is Modality.RS for i in task.dataset.inputs_of(entry))
    offers = any(offer.form == "query" for offer in preset.offered())
    return "query" if task.localized and overhead and offers else "pooled"


def _fixed(preset: Preset, task: TaskSpec, needs: list[_Need]) -> list[_Need]:
    """Return the inputs that a model offers in one way only, where it offers others in several ways."""
    if len(needs) == 1:
        return []
    alone = [need for need in needs if len(_offered(preset, task, need)) == 1]
    return alone if len(alone) < len(needs) else []


def _offered(preset: Preset, task: TaskSpec, need: _Need) -> list[Readout]:
    return readouts_offered(
        preset, need.entry, task.dataset, form=need.form, layers=need.layers, projected=need.projected
    )
