"""How an evaluator chooses a hyper-parameter: the rounds in which values are tried, and which of them is taken.

Imported, this module brings neither numpy nor scikit-learn. An evaluator, also one of a plugin, uses it as follows::

    from gairbench.choosing import choose, vector_rounds


    def evaluate(data):
        rounds = vector_rounds(data)
        tried = (1e3, 1e2, 1e1, 1e0)  # the strongest regularization first
        losses, trivial = [], []
        for x, y, held_x, held_y in rounds.each():
            losses.append([mean_loss(held_y, fit(x, y, value)(held_x)) for value in tried])
            trivial.append(mean_loss(held_y, y.mean()))
        choice = choose("alpha", tried, losses, trivial, rounds.folds, loss="squared error", ends=(1e3, 1e0))
        x, y, test = rounds.final()
        return EvaluatorOutput(
            prediction=fit(x, y, choice.value)(test), params=choice.params, caveats=choice.caveats
        )
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from gairbench.errors import DataError
from gairbench.kinds import ONE_CLASS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gairbench.evaluator import EvaluatorInput

FOLDS = 5
"""Folds of cross-validation, fewer where there are fewer groups."""

EQUAL = 1e-4
"""Losses that differ by less than this share of the trivial loss are equal: the stronger regularization is taken."""

WORSE = 1e-2
"""Share of the trivial loss by which a value must be worse than the best for weaker ones to be left untried."""

HOPELESS = 1e-1
"""Share of the trivial loss by which a value must be worse than no features for weaker ones to be left untried."""

SIGNAL = 1e-3
"""Share of the trivial loss by which the best value must be better."""

CONSTANT = 1e-6
"""Standard deviations below are taken for those of a constant, which is not divided: features come with about 1."""

DIGITS = 6
"""Of losses in the record that are tried."""


class Fold(NamedTuple):
    """One round of a choice, as rows of train and val one after the other.

    Args:
        fit: Rows to fit on, ascending.
        held: Rows to measure on, ascending: no row of ``fit``, and under cross-validation of no group of ``fit``.
    """

    fit: NDArray[Any]
    held: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folds:
    """In which rounds values are tried, and what the chosen one is fitted on.

    Args:
        about: What is done, for the record: ``"val"``, or ``"5 folds of 84 groups"``.
        rounds: The rounds.
        final: Rows to fit the chosen value on: those of train, or of train and val.
    """

    about: str
    rounds: tuple[Fold, ...]
    final: NDArray[Any]


class Round(NamedTuple):
    """One round: learn from ``x`` and ``y``, measure on the others. Features are standardized on ``x``."""

    x: NDArray[Any]
    y: NDArray[Any]
    held_x: NDArray[Any]
    held_y: NDArray[Any]


class Final(NamedTuple):
    """What the chosen value is fitted on, and the features of test. Features are standardized on ``x``."""

    x: NDArray[Any]
    y: NDArray[Any]
    test: NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRounds:
    """The rounds of a task with a vector of features a sample.

    Args:
        folds: Which rows.
        x: Features of train, val and test by split.
        y: Targets of train and val, one after the other.
        standardize: Features are standardized in each round; else they stay in their unit.
    """

    folds: Folds
    x: dict[str, NDArray[Any]]
    y: NDArray[Any]
    standardize: bool = True

    def each(self) -> Iterator[Round]:
        """Yield the rounds; each is made when it is asked for."""
        import numpy as np

        both = np.concatenate([self.x["train"], self.x["val"]])
        for fit, held in self.folds.rounds:
            x, held_x = self._scaled(both[fit], both[held])
            yield Round(x, self.y[fit], held_x, self.y[held])

    def final(self) -> Final:
        """Return what the chosen value is fitted on."""
        import numpy as np

        both = np.concatenate([self.x["train"], self.x["val"]])
        x, test = self._scaled(both[self.folds.final], self.x["test"])
        return Final(x, self.y[self.folds.final], test)

    def _scaled(self, fit: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return standardized(fit, other) if self.standardize else (fit, other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What was chosen.

    Args:
        value: The chosen value.
        number: Its place among those that were tried.
        params: For the record: the value by its name, ``selection``, the ``loss`` that is meant, the whole ``curve`` of
            mean losses by value, and ``trivial_loss``.
        caveats: What readers of the number should know.
    """

    value: float
    number: int
    params: dict[str, Any] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


def folds_of(data: EvaluatorInput, folds: int = FOLDS) -> Folds:
    """Return in which rounds an evaluator chooses.

    Where the run asks for cross-validation (``data.protocol.selection`` is ``"cv"``), all labels are used, and train
    and val are of at least two groups: as many rounds as there are folds, each of which is left out once. No group is
    in two folds; classes are spread over the folds as evenly as groups allow (scikit-learn's ``StratifiedGroupKFold``,
    for other targets ``GroupKFold``), whatever the order of the samples. Otherwise there is one round: fit on train,
    measure on val.

    In a task with one class a sample, samples are not measured whose class the round's ``fit`` lacks: no value can
    predict them. A round without any sample to measure is left out.

    Args:
        data: What the evaluator is given.
        folds: How many folds, at most.
    """
    import numpy as np

    n_train, n_val = (len(data.targets[name]) for name in ("train", "val"))
    classes = np.concatenate([data.targets["train"], data.targets["val"]]) if data.kind in ONE_CLASS else None
    groups = _groups(data)
    if groups is None:
        train = np.arange(n_train)
        only = Fold(train, _known(classes, train, np.arange(n_train, n_train + n_val)))
        return Folds(about="val", rounds=(only,), final=train)
    number = len(np.unique(groups))
    rounds = [Fold(fit, _known(classes, fit, held)) for fit, held in _divided(groups, classes, min(folds, number))]
    kept = tuple(fold for fold in rounds if len(fold.held))
    return Folds(about=f"{len(kept)} folds of {number} groups", rounds=kept, final=np.arange(n_train + n_val))


def vector_rounds(data: EvaluatorInput, folds: int = FOLDS, *, standardize: bool = True) -> VectorRounds:
    """Return the rounds of a task with features ``(samples, dim)``; :func:`folds_of` says which.

    Args:
        data: What the evaluator is given.
        folds: How many folds, at most.
        standardize: Whether features are standardized in each round, as those of a model are.
    """
    import numpy as np

    targets = np.concatenate([data.targets["train"], data.targets["val"]])
    return VectorRounds(folds=folds_of(data, folds), x=dict(data.features), y=targets, standardize=standardize)


def standardized(fit: NDArray[Any], other: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return both in units of the deviation of ``fit``, whose mean becomes 0.

    Args:
        fit: ``(samples, dim)``.
        other: ``(samples, dim)``.
    """
    import numpy as np

    mean, std = fit.mean(axis=0), fit.std(axis=0)
    std = np.where(std < CONSTANT, 1.0, std)
    return (fit - mean) / std, (other - mean) / std


def end_of_grid(name: str, value: float, ends: Sequence[float], of: str = "") -> tuple[str, ...]:
    """Return the caveat of a value beyond which others could have been tried; none where nothing is beyond it.

    Args:
        name: Of the hyper-parameter.
        value: The chosen value.
        ends: Values beyond which others could have been tried.
        of: Which of several targets.
    """
    where = f" for {of}" if of else ""
    return (f"chosen at the grid's end{where} ({name} = {value:g})",) if value in ends else ()


def _has_signal(least: float, trivial: float) -> bool:
    return least < trivial - SIGNAL * abs(trivial)


def is_settled(losses: Sequence[Sequence[float]], trivial: Sequence[float]) -> bool:
    """Return whether weaker regularization than what was tried can be left untried, where each value costs much.

    Once a value has predicted better than no features do (:data:`SIGNAL`), it can where the last value is worse than
    the best (:data:`WORSE`), or the last two are not better than those before (:data:`EQUAL`): a loss that rises with
    overfitting goes on rising. Before, the curve may be flat because all values regularize too much: nothing can be
    left untried but what is beyond a value that is much worse than no features (:data:`HOPELESS`).

    Args:
        losses: ``(rounds, values)``, as far as they are known, the value that regularizes most first.
        trivial: ``(rounds,)``.
    """
    import numpy as np

    curve, without = np.mean(losses, axis=0), float(np.mean(trivial))
    scale = abs(without)
    if not _has_signal(float(curve.min()), without):
        return float(curve[-1]) > without + HOPELESS * scale
    worse = float(curve[-1] - curve.min()) > WORSE * scale
    return worse or (len(curve) > 2 and float(curve[:-2].min() - curve[-2:].min()) <= EQUAL * scale)


def choose(
    name: str,
    tried: Sequence[float],
    losses: Sequence[Sequence[float]],
    trivial: Sequence[float],
    folds: Folds,
    *,
    loss: str,
    ends: Sequence[float],
    of: str = "",
) -> Choice:
    """Return the value with the least mean loss; of equals (:data:`EQUAL`) the one that regularizes most.

    Args:
        name: Of the hyper-parameter.
        tried: Values, the one that regularizes most first.
        losses: ``(rounds, values)``: the mean loss over each round's samples.
        trivial: ``(rounds,)``: the loss of what can be predicted without features: the class shares, the mean ...
        folds: The rounds.
        loss: What the loss is, for the record.
        ends: Values beyond which others could have been tried; one that is chosen is a caveat.
        of: Which of several targets, for the caveat.

    Raises:
        DataError: No round has anything to measure.

    Example:
        >>> folds = Folds(about="val", rounds=(), final=())
        >>> choice = choose("k", (5, 1), [[0.25, 0.5]], [0.75], folds, loss="error", ends=(5,))
        >>> choice.value, choice.caveats
        (5, ("chosen at the grid's end (k = 5)",))
    """
    import numpy as np

    # A round without anything to measure, as held-out masks without a known pixel, says nothing.
    measured = [not np.isnan([*own, level]).any() for own, level in zip(losses, trivial, strict=True)]
    if not any(measured):
        raise DataError(
            f"no held-out sample can be measured, so that {name} cannot be chosen",
            "look at the labels of train and val",
        )
    curve, without = np.mean(np.asarray(losses)[measured], axis=0), float(np.mean(np.asarray(trivial)[measured]))
    least = float(curve.min())
    number = int(np.argmax(curve <= least + EQUAL * abs(without)))
    value = tried[number]
    caveats = end_of_grid(name, value, ends, of)
    if not _has_signal(least, without):
        caveats = (f"val has no signal{f' for {of}' if of else ''}: nothing predicts better than no features do",)
    params = {
        name: value,
        "selection": folds.about,
        "loss": loss,
        "curve": {f"{one:g}": _short(mean) for one, mean in zip(tried, curve, strict=True)},
        "trivial_loss": _short(without),
    }
    return Choice(value=value, number=number, params=params, caveats=caveats)


def choose_each(
    name: str,
    tried: Sequence[float],
    losses: NDArray[Any],
    trivial: NDArray[Any],
    folds: Folds,
    *,
    loss: str,
    ends: Sequence[float],
    names: Sequence[str] = (),
) -> list[Choice]:
    """Return the choice of each measurement, as if it were learned alone.

    Args:
        name: As :func:`choose` takes it, and so are the others.
        tried: Values, the one that regularizes most first.
        losses: ``(rounds, values, measurements)``.
        trivial: ``(rounds, measurements)``.
        folds: The rounds.
        loss: What the loss is, for the record.
        ends: Values beyond which others could have been tried.
        names: Of the measurements, for caveats where there are several.
    """
    return [
        choose(
            name,
            tried,
            losses[:, :, one].tolist(),
            trivial[:, one].tolist(),
            folds,
            loss=loss,
            ends=ends,
            of=names[one] if losses.shape[2] > 1 else "",
        )
        for one in range(losses.shape[2])
    ]


def as_columns(y: NDArray[Any]) -> NDArray[Any]:
    """Return one measurement a sample as a column, and several as they are: ``(samples, measurements)``."""
    return y if y.ndim == 2 else y[:, None]


def beside_each_other(choices: Sequence[Choice]) -> dict[str, Any]:
    """Return the params of choices of one hyper-parameter, one for each target: a list where each has its own.

    Example:
        >>> folds = Folds(about="val", rounds=(), final=())
        >>> both = [[0.25, 0.5], [0.5, 0]]
        >>> made = [choose("k", (5, 1), [losses], [0.75], folds, loss="error", ends=()) for losses in both]
        >>> beside_each_other(made)["k"], beside_each_other(made)["curve"]
        ([5, 1], {'5': [0.25, 0.5], '1': [0.5, 0.0]})
    """
    several = [choice.params for choice in choices]
    first = several[0]
    return {
        **{name: [one[name] for one in several] for name in first},
        "selection": first["selection"],
        "loss": first["loss"],
        "curve": {value: [one["curve"][value] for one in several] for value in first["curve"]},
    }


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _groups(data: EvaluatorInput) -> NDArray[Any] | None:
    """Return the groups of train and val where values are chosen by cross-validation."""
    import numpy as np

    parts = [data.groups.get(name) for name in ("train", "val")]
    whole = data.protocol.selection == "cv" and data.protocol.labels == "all"
    if not whole or any(part is None for part in parts):
        return None
    groups = np.concatenate([np.asarray(part).astype(np.str_) for part in parts])
    return groups if len(np.unique(groups)) > 1 else None


def _divided(groups: NDArray[Any], classes: NDArray[Any] | None, folds: int) -> Iterator[Fold]:
    import numpy as np
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    nothing = np.zeros(len(groups))
    most = 0 if classes is None else int(np.unique(classes, return_counts=True)[1].max())
    if most < folds:
        yield from (Fold(fit, held) for fit, held in GroupKFold(folds).split(nothing, groups=groups))
        return
    with warnings.catch_warnings():
        # Classes of fewer samples than folds are in few folds, which is what the rounds allow for.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        found = list(StratifiedGroupKFold(folds).split(nothing, classes, groups))
    yield from (Fold(fit, held) for fit, held in found)


def _known(classes: NDArray[Any] | None, fit: NDArray[Any], held: NDArray[Any]) -> NDArray[Any]:
    """Return the held rows whose class is among those of the others."""
    import numpy as np

    return held if classes is None else held[np.isin(classes[held], classes[fit])]
