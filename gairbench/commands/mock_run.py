"""What ``gairbench mock-run`` does, apart from parsing its options."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge
from rich.console import Console

from gairbench.commands.interrupts import if_interrupted
from gairbench.commands.options import check_checkpoint, check_device_name, find_model, model_weights
from gairbench.commands.output import holds_unicode, show
from gairbench.plugins import load_registry
from gairbench.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class MockRunRequest:
    """What a user asks for: the options of ``gairbench mock-run``.

    Args:
        model: The model.
        preset: Preset of the model; ``None``: its first.
        checkpoint: File or folder of its weights.
        seed: Seed of untrained weights and evaluators.
        device: As torch names it, or ``"auto"``.
        download: Fetch weights that are not here.
        json: Print JSON.
    """

    model: str
    preset: str | None = None
    checkpoint: Path | None = None
    seed: Annotated[int, Ge(0)] = 0
    device: str = "auto"
    download: bool = False
    json: bool = False


@if_interrupted(lambda: "nothing is kept; run the same command again")
def mock_run_command(request: MockRunRequest) -> int:
    """Carry out ``gairbench mock-run``.

    Returns:
        The exit status: 0 if something passed, nothing failed and nobody asked for the network; 1 otherwise.

    Raises:
        UsageError: What is asked for does not exist.
        CheckpointError: The weights are not here.
    """
    registry = load_registry()
    spec = find_model(request.model, registry, request.preset)
    check_checkpoint(request.checkpoint)
    check_device_name(request.device)
    preset, _ = model_weights(
        spec,
        registry,
        preset=request.preset,
        checkpoint=request.checkpoint,
        seed=request.seed,
        download=request.download,
        untrained=True,
    )

    from gairbench.mock_run.outcomes import mock_outcomes
    from gairbench.mock_run.table import outcome_table
    from gairbench.testing.offline import offline

    with offline() as asked:
        cells = mock_outcomes(
            spec,
            preset,
            registry,
            # A line for each of many cells would hide the table.
            Progress(Console(stderr=True, quiet=True)),
            checkpoint=request.checkpoint,
            seed=request.seed,
            device=request.device,
        )
    if request.json:
        show(json.dumps([asdict(cell) for cell in cells], indent=1, ensure_ascii=not holds_unicode()))
    else:
        show(f"{spec.name} ({preset.name}) on generated data\n\n{outcome_table(cells)}")
    if asked:
        hosts = ", ".join(dict.fromkeys(asked))
        Progress(Console(stderr=True)).say(f"the network was asked for, which was refused: {hosts}")
    outcomes = {cell.outcome for cell in cells}
    return 0 if "pass" in outcomes and "fail" not in outcomes and not asked else 1
