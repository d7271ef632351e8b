"""What is fed where a task is localized, and where the place itself is asked for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from points import TASKS

from gairbench.errors import InputMismatchError
from gairbench.evaluation.feeds import feeds_for
from gairbench.evaluators import register_evaluators
from gairbench.inputs import ImageInput, LocationInput, Modality
from gairbench.readout import Readout
from gairbench.representation import RS_QUERY
from gairbench.spec import Kind, ModelSpec, Preset

EVALUATORS = {spec.name: spec for spec in register_evaluators()}
RS, SV = (ImageInput(modality=modality, size=8) for modality in (Modality.RS, Modality.SV))
PRESET = Preset(name="default", inputs=(RS, SV, LocationInput()), offers=(RS_QUERY,))
MODEL = ModelSpec(
    name="m", version="1", factory="m:m", presets=(PRESET,), aligned=frozenset({Modality.RS, Modality.SV})
)
ZONE, PAIRS, PLACE = (next(t for t in TASKS if t.name == f"points-{name}") for name in ("zone", "pairs", "place"))


def forms(task: str, **changes: object) -> list[str]:
    spec = replace({"zone": ZONE, "pairs": PAIRS}[task], **changes)  # type: ignore[arg-type]
    probe = EVALUATORS["retrieval" if spec.kind is Kind.RETRIEVAL else "linear"]
    return [feed.representation.form for feed in feeds_for(MODEL, PRESET, spec, probe, Readout())]


def test_overhead_images_are_looked_up_where_the_task_is_localized_and_only_there() -> None:
    assert forms("zone") == ["pooled"]
    assert forms("zone", localized=True) == ["query"]
    assert forms("zone", localized=True, inputs=(Modality.RS, Modality.LOCATION)) == ["query", "pooled"]
    assert forms("pairs") == ["pooled", "pooled"]
    assert forms("pairs", localized=True) == ["query", "pooled"]


@pytest.mark.parametrize("more", [{"needs": frozenset({"lonlat"})}, {"wants": frozenset({"bbox"})}])
def test_models_that_are_given_the_place_are_not_asked_for_it(more: dict[str, frozenset[str]]) -> None:
    probe = EVALUATORS["nearest_place"]
    assert len(feeds_for(MODEL, PRESET, PLACE, probe, Readout())) == 1
    given = replace(PRESET, **more)  # type: ignore[arg-type]
    with pytest.raises(InputMismatchError, match="m is given the sample's place, which the task asks for"):
        feeds_for(MODEL, given, PLACE, probe, Readout())
