"""Evaluating with several poolings and layers of a model, and evaluators that take several layers' token grids."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import generated
import numpy as np
import pytest
import torch
from generated import TASKS, carry_out
from rich.console import Console
from torch import Tensor, nn

from gairbench import EvaluatorSpec, Kind, Modality, ModelSpec, Preset, TaskSpec
from gairbench.batch import Batch
from gairbench.commands import listing
from gairbench.evaluation.plan import EvaluationRequest, make_plan
from gairbench.evaluation.runner import run_plan
from gairbench.evaluator import EvaluatorInput, EvaluatorOutput
from gairbench.label_budget import LabelBudget
from gairbench.plugins import Origin, Registry
from gairbench.progress import Progress
from gairbench.readout import asked_readout
from gairbench.representation import Representation
from gairbench.results import Result, read_results

ZONE, HEIGHT, MASK, PAIRS = (
    next(t for t in TASKS if t.kind is k)
    for k in (Kind.CLASSIFICATION, Kind.REGRESSION, Kind.SEGMENTATION, Kind.RETRIEVAL)
)
BOTH = replace(HEIGHT, name="world-both", inputs=(Modality.RS, Modality.SV))
THEIRS = Origin("theirs", "their-dist", "1.0")


class Deep(nn.Module):
    """Three layers of token grids; the colours are lost after the first."""

    def __init__(self, context: object) -> None:
        super().__init__()

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        images = batch.images[wanted.of[0]].values
        first = torch.nn.functional.avg_pool2d(images, 4)
        edges = first - first.mean((2, 3), keepdim=True)
        layers = (first, edges, edges.square())
        grids = [layers[number] for number in wanted.layers or (2,)]
        if wanted.form == "tokens":
            return torch.stack(grids, dim=1) if len(grids) > 1 else grids[0]
        return grids[0].amax((2, 3)) if wanted.pooling == "max" else grids[0].mean((2, 3))


def pooled(of: str, pooling: str = "", *layers: int) -> Representation:
    return Representation("pooled", (of,), layers=layers, pooling=pooling)


def grids(*layers: int) -> Representation:
    return Representation("tokens", ("rs",), layers=layers)


OFFERS = (
    pooled("rs"), pooled("rs", "max"), pooled("rs", "mean", 0), pooled("rs", "max", 0), pooled("rs", "mean", 1),
    grids(), grids(0), grids(1), grids(0, 1, 2), grids(0, 2),
)  # fmt: skip
DEEP = ModelSpec(
    name="deep",
    version="1",
    factory=Deep,
    presets=(Preset(name="default", inputs=(generated.IMAGE, generated.PHOTO), offers=OFFERS),),
    aligned=frozenset({Modality.RS, Modality.SV}),
    licence="MIT",
    citation="none",
)


@pytest.fixture
def registry(registry: Registry) -> Registry:
    registry.add(THEIRS, models=[DEEP], tasks=[BOTH])
    return registry


@pytest.fixture
def request_(request_: EvaluationRequest) -> EvaluationRequest:
    return replace(request_, models=[DEEP])


def run(request: EvaluationRequest, registry: Registry, *readouts: str, **more: object) -> list[Result]:
    asked = {"readouts": tuple(map(asked_readout, readouts))} if readouts else {}
    request = replace(request, **asked, **more)  # type: ignore[arg-type]
    return carry_out(request, registry)


def by_readout(records: list[Result]) -> dict[str, Result]:
    return {record.readout: record for record in records if record.headline}


def test_a_cell_is_evaluated_with_each_pooling_and_layer(request_: EvaluationRequest, registry: Registry) -> None:
    found = by_readout(run(request_, registry, "default", "max", "mean@0", "max@0"))
    assert {readout: list(record.conversion) for readout, record in found.items()} == {
        "default": ["rs"], "max": ["rs:max"], "mean@0": ["rs:mean@0"], "max@0": ["rs:max@0"],
    }  # fmt: skip
    scores = {readout: record.metrics["accuracy"].value for readout, record in found.items()}
    assert len({record.key for record in found.values()}) == 4
    # The first layer shows the colour, which the zone follows from.
    assert scores["mean@0"] > scores["default"]


def test_progress_names_the_readout(request_: EvaluationRequest, registry: Registry) -> None:
    said = io.StringIO()
    request = replace(request_, readouts=(asked_readout("max@0"),), labels=(LabelBudget.of("50%"),))
    run_plan(make_plan(request, registry), request, registry, Progress(Console(file=said, width=200)))
    assert "deep x world-zone (linear 50% max@0): accuracy " in said.getvalue()


def test_layers_without_a_pooling_take_the_first_that_is_offered(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = by_readout(run(request_, registry, "@0", "mean@0"))
    assert list(found["@0"].conversion) == ["rs:mean@0"]
    assert found["@0"].metrics == found["mean@0"].metrics


def test_what_a_model_does_not_offer_is_a_skip_that_names_what_it_offers(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = by_readout(run(request_, registry, "cls", "mean@7", "default"))
    assert {readout: record.status for readout, record in found.items()} == {
        "cls": "skipped", "mean@7": "skipped", "default": "ok",
    }  # fmt: skip
    assert found["cls"].reason == (
        "deep has no vector of rs read out as cls; it offers default, max, mean@0, max@0, mean@1"
    )


def test_each_is_everything_of_the_form_that_an_evaluator_needs(
    request_: EvaluationRequest, registry: Registry
) -> None:
    records = run(request_, registry, "each", tasks=[ZONE, MASK])
    assert {r.readout for r in records if r.task == ZONE.name} == {"default", "max", "mean@0", "max@0", "mean@1"}
    assert {r.readout for r in records if r.task == MASK.name} == {"default", "@0", "@1"}
    assert {r.status for r in records} == {"ok"}
    plan = make_plan(replace(request_, readouts=("each", asked_readout("max"))), registry)
    assert sorted(c.record.readout for c in plan.cells if c.record.headline) == [
        "default", "max", "max@0", "mean@0", "mean@1"
    ]  # fmt: skip


def test_token_grids_are_read_out_of_a_layer(request_: EvaluationRequest, registry: Registry) -> None:
    found = by_readout(run(request_, registry, "default", "@0", "max", tasks=[MASK]))
    assert {readout: list(found[readout].conversion) for readout in ("default", "@0")} == {
        "default": ["rs:tokens"], "@0": ["rs:tokens@0"],
    }  # fmt: skip
    assert found["default"].metrics != found["@0"].metrics
    assert found["max"].reason == "deep has no token grid of rs read out as max; it offers default, @0, @1"


def test_of_several_inputs_those_that_are_offered_in_one_way_stay_as_they_are(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = by_readout(run(request_, registry, "mean@0", "each", "cls", tasks=[BOTH]))
    assert sorted(found["mean@0"].conversion) == ["rs:mean@0", "sv"]
    assert {r.readout for r in found.values() if r.status == "ok"} == {"default", "max", "mean@0", "max@0", "mean@1"}
    assert "has no vector of rs read out as cls; it offers" in found["cls"].reason
    both = tuple(Representation("pooled", ("sv",), pooling=pooling) for pooling in ("", "max"))
    preset = replace(DEEP.presets[0], offers=(*OFFERS, *both))
    registry.models["deep"] = model = replace(DEEP, presets=(preset,))
    found = by_readout(run(request_, registry, "mean@0", "each", tasks=[BOTH], models=[model]))
    assert found["mean@0"].reason == "deep has no vector of sv read out as mean@0; it offers default, max"
    assert {readout for readout, r in found.items() if r.status == "ok"} == {"default", "max"}


def test_only_what_is_stated_to_be_in_the_shared_space_is_retrieved_by(
    request_: EvaluationRequest, registry: Registry
) -> None:
    found = by_readout(run(request_, registry, "default", "mean@0", "each", tasks=[PAIRS]))
    assert found["default"].status == "ok"
    assert found["mean@0"].reason == "deep has no vector of rs read out as mean@0; it offers default"
    assert found.keys() == {"default", "mean@0"}


def test_readouts_have_records_of_their_own_and_the_default_s_stay_what_they_are(
    request_: EvaluationRequest, registry: Registry
) -> None:
    alone = {(r.task, r.probe): r.key for r in run(request_, registry)}
    plain = replace(DEEP, presets=(replace(DEEP.presets[0], offers=()),))
    # What else a model offers is in no key.
    plan = make_plan(replace(request_, models=[plain]), registry)
    assert {(c.record.task, c.record.probe): c.record.key for c in plan.cells} == alone
    records = run(request_, registry, "default", "max@0")
    assert {(r.task, r.probe): r.key for r in records if r.readout == "default"} == alone
    written = {r.readout: r for r in read_results(request_.results)}
    assert written["max@0"].path(Path()).parts[1] == "default-seed0-readout-max@0"
    both = tuple(map(asked_readout, ("default", "max@0")))
    assert {c.state for c in make_plan(replace(request_, readouts=both), registry).cells} == {"cached"}


# --- evaluators that take several layers ------------------------------------------------------------------------------


def pyramid(data: EvaluatorInput) -> EvaluatorOutput:
    """Segment by one linear layer on the grids of all layers beside each other."""
    assert data.mask_size is not None
    height, width = data.mask_size

    def pixels(grids: np.ndarray) -> np.ndarray:
        samples, layers, dim, rows, columns = grids.shape
        beside = grids.reshape(samples, layers * dim, rows, columns)
        fine = beside.repeat(height // rows, axis=2).repeat(width // columns, axis=3)
        flat = np.moveaxis(fine, 1, -1)
        return np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], axis=-1).reshape(-1, layers * dim + 1)

    wanted = np.eye(data.classes)[data.targets["train"].astype(int).reshape(-1)]
    weights = np.linalg.lstsq(pixels(data.features["train"]), wanted, rcond=None)[0]
    found = (pixels(data.features["test"]) @ weights).argmax(axis=1)
    return EvaluatorOutput(prediction=found.reshape(-1, height, width).astype(np.uint8))


PYRAMID = EvaluatorSpec(
    name="pyramid", version=1, factory=pyramid, kinds=frozenset({Kind.SEGMENTATION}), needs="tokens", layers=3
)
DENSE: TaskSpec = replace(MASK, name="world-pyramid", evaluators=("pyramid", "linear_segmentation"))


def test_an_evaluator_is_given_the_token_grids_of_as_many_layers_as_it_needs(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[EvaluatorInput] = []

    def look(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        return pyramid(data)

    registry.add(THEIRS, evaluators=[replace(PYRAMID, factory=look)], tasks=[DENSE])
    records = {r.probe: r for r in run(request_, registry, tasks=[DENSE])}
    record = records["pyramid"]
    assert record.status == "ok", record.reason
    assert list(record.conversion) == ["rs:tokens@0,1,2"]
    assert record.embedding_dim == 3
    (data,) = seen
    assert {name: array.shape for name, array in data.features.items()} == {
        "train": (90, 3, 3, 4, 4), "val": (30, 3, 3, 4, 4), "test": (40, 3, 3, 4, 4),
    }  # fmt: skip
    # Each layer and width is standardized by itself.
    np.testing.assert_allclose(data.features["train"].mean(axis=(0, 3, 4)), np.zeros((3, 3)), atol=1e-5)
    np.testing.assert_allclose(data.features["train"].std(axis=(0, 3, 4)), np.ones((3, 3)), atol=1e-4)
    # The last layer alone, which linear_segmentation has, shows less.
    assert record.metrics["miou"].value > records["linear_segmentation"].metrics["miou"].value + 0.1
    again = make_plan(replace(request_, tasks=[DENSE]), registry)
    assert {cell.state for cell in again.cells} == {"cached"}


class Short(Deep):
    """It leaves the last layer out of several."""

    def encode(self, batch: Batch, wanted: Representation) -> Tensor:
        output = super().encode(batch, wanted)
        return output[:, :-1] if output.ndim == 5 else output


def test_a_model_that_returns_another_number_of_layers_fails_by_name(
    request_: EvaluationRequest, registry: Registry
) -> None:
    registry.add(THEIRS, evaluators=[PYRAMID], tasks=[DENSE])
    (model,) = request_.models
    request = replace(request_, models=[replace(model, name="short", factory=Short)])
    registry.add(THEIRS, models=request.models)
    records = {r.probe: r for r in run(request, registry, tasks=[DENSE])}
    assert records["pyramid"].status == "failed"
    assert re.search(
        r"Short returned \(\d+, 2, 3, 4, 4\) as rs:tokens@0,1,2 of .* return \(batch, layers, .*\) of 3 layers",
        records["pyramid"].reason,
    )
    assert records["linear_segmentation"].status == "ok"


def test_grids_of_several_inputs_stand_beside_each_other_in_every_layer(
    request_: EvaluationRequest, registry: Registry
) -> None:
    seen: list[EvaluatorInput] = []

    def look(data: EvaluatorInput) -> EvaluatorOutput:
        seen.append(data)
        return pyramid(data)

    twice = replace(DENSE, inputs=(Modality.RS, Modality.RS), evaluators=("pyramid",))
    registry.add(THEIRS, evaluators=[replace(PYRAMID, factory=look)], tasks=[twice])
    (record,) = run(request_, registry, tasks=[twice])
    assert record.status == "ok", record.reason
    assert record.embedding_dim == 6
    (data,) = seen
    assert data.features["test"].shape == (40, 3, 6, 4, 4)
    np.testing.assert_array_equal(data.features["test"][:, :, :3], data.features["test"][:, :, 3:])


def test_a_model_without_so_many_layers_is_a_skip_that_says_so(request_: EvaluationRequest, registry: Registry) -> None:
    registry.add(THEIRS, evaluators=[replace(PYRAMID, layers=4)], tasks=[DENSE])
    records = {r.probe: r for r in run(request_, registry, tasks=[DENSE])}
    assert (records["pyramid"].status, records["pyramid"].reason) == ("skipped", "deep has no token grid of 4 layers")
    assert records["linear_segmentation"].status == "ok"


def test_which_layers_an_evaluator_is_given_can_be_chosen(request_: EvaluationRequest, registry: Registry) -> None:
    registry.add(THEIRS, evaluators=[replace(PYRAMID, layers=2)], tasks=[DENSE])
    offers = (*OFFERS, grids(1, 2))
    model = replace(DEEP, presets=(replace(DEEP.presets[0], offers=offers),))
    records = run(request_, registry, "default", "@1+2", "@0", "each", tasks=[DENSE], models=[model])
    found = {r.readout: r for r in records if r.probe == "pyramid"}
    assert {readout: list(r.conversion) for readout, r in found.items() if r.status == "ok"} == {
        "default": ["rs:tokens@0,2"], "@1+2": ["rs:tokens@1,2"],
    }  # fmt: skip
    assert found["@0"].reason == "deep has no token grid of 2 layers of rs read out as @0; it offers default, @1+2"


def test_the_list_of_evaluators_says_how_many_layers_are_needed(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    registry.add(THEIRS, evaluators=[PYRAMID])
    monkeypatch.setattr(listing, "load_registry", lambda: registry)
    listing.list_evaluators(as_json=True)
    needs = {row["evaluator"]: row["needs"] for row in json.loads(capsys.readouterr().out)}
    assert (needs["pyramid"], needs["linear_segmentation"]) == ("tokens of 3 layers", "tokens")


@pytest.mark.parametrize("wrong", [{"layers": 1}, {"layers": -2}, {"layers": 2, "needs": "features"}])
def test_layers_that_no_plan_could_serve_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"needs='\w+' and layers=-?\d; layers are of tokens, two or more"):
        replace(PYRAMID, **wrong)  # type: ignore[arg-type]


# --- the time that a plan is expected to take -------------------------------------------------------------------------


def test_probes_of_earlier_runs_are_timed_by_readout_and_part_of_the_labels(
    request_: EvaluationRequest, registry: Registry
) -> None:
    run(request_, registry, "default")
    again = make_plan(replace(request_, fresh=True), registry)
    assert again.estimate.endswith("s by the times of earlier runs")
    others: list[dict[str, Any]] = [{"readouts": (asked_readout("max"),)}, {"labels": (LabelBudget.of("50%"),)}]
    for other in others:
        estimate = make_plan(replace(request_, fresh=True, **other), registry).estimate
        assert estimate.endswith("and 2 of 3 jobs that no earlier run has timed")
