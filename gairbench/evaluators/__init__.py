"""Frozen-feature probes: what sits on top of every model's embeddings, identically.

A probe is one decorated function in a module of this package; nothing lists them by hand.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from gairbench.kinds import HEADLINE
from gairbench.spec import Kind

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeInput:
    """What a probe learns from and predicts on.

    Args:
        features: By split name ``(samples, dim)``, or ``(samples, dim, rows, columns)`` for a token grid, standardized
            on train. For retrieval: ``"query"`` and ``"gallery"``, raw, row i of each belonging together.
        targets: By split name; empty for retrieval.
        classes: Number of classes; 0 where there are none.
        seed: Seed of whatever is random in the probe.
    """

    features: Mapping[str, Array]
    targets: Mapping[str, Array]
    classes: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutput:
    """What a probe found.

    Args:
        prediction: For the test split, as the task's metrics take it.
        params: Chosen hyper-parameters, for the record.
    """

    prediction: Array
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A registered probe.

    Args:
        name: As tasks name it.
        version: Part of every result's key: raised when its predictions change.
        kinds: Kinds of task it can serve.
        default: Kinds it is run for when a task names no probes.
        dense: It takes token grids.
        run: Fits on train, chooses on val, predicts test.
    """

    name: str
    version: int
    kinds: frozenset[Kind]
    default: frozenset[Kind]
    dense: bool
    run: Callable[[ProbeInput], ProbeOutput]


PROBES: dict[str, Probe] = {}


def probe(
    name: str, *, version: int, kinds: set[Kind], default: set[Kind] | None = None, dense: bool = False
) -> Callable[[Callable[[ProbeInput], ProbeOutput]], Callable[[ProbeInput], ProbeOutput]]:
    """Register a function as a probe.

    Args:
        name: Unique name.
        version: Raise it when its predictions change.
        kinds: Kinds of task it can serve.
        default: Kinds it is run for when a task names no probes; ``None``: all of ``kinds``.
        dense: It takes token grids.
    """

    def register(run: Callable[[ProbeInput], ProbeOutput]) -> Callable[[ProbeInput], ProbeOutput]:
        PROBES[name] = Probe(
            name=name,
            version=version,
            kinds=frozenset(kinds),
            default=frozenset(kinds if default is None else default),
            dense=dense,
            run=run,
        )
        return run

    return register


def probes_for(kind: Kind) -> tuple[str, ...]:
    """Return the names of the default probes of a kind, headline first."""
    names = [name for name, probe in PROBES.items() if kind in probe.default]
    return tuple(sorted(names, key=lambda name: (name != HEADLINE[kind], name)))


for _module in pkgutil.iter_modules(__path__, prefix=f"{__name__}."):
    import_module(_module.name)
