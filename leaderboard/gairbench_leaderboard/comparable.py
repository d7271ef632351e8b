"""Decide which results may stand side by side, and which may not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from gairbench.label_budget import LabelBudget
from gairbench.readout import Readout
from gairbench.results import Result

_FILE = "file:"
"""What the weights of a record begin with where they were in a file."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What all results of one ranking have in common, whatever their seeds.

    Args:
        limit: The run's ``--limit``.
        labels: Which part of train's labels the probes learned from.
        split: How the samples were divided.
        readout: Which pooling and layers of the models the probes were fed.
        covered_by: Models of existing embeddings that say which samples took part; empty: all did.
        selection: How the probes chose hyper-parameters.
    """

    limit: int | None
    labels: str = "all"
    split: str = "published"
    readout: str = "default"
    covered_by: str = ""
    selection: str = "cv"

    @classmethod
    def of(cls, result: Result) -> Setting:
        """Return the setting of a result."""
        return cls(
            limit=result.limit,
            labels=result.labels,
            split=result.split,
            readout=result.readout,
            covered_by=result.covered_by,
            selection=result.selection,
        )

    @property
    def whole(self) -> bool:
        """All data and labels were used, in the published splits, with the models' own readouts, selected as usual."""
        return self == Setting(None)


@dataclass(frozen=True, slots=True)
class Stale:
    """A result that newer ones supersede.

    Args:
        result: The record.
        why: In which respect it is older, one line.
    """

    result: Result
    why: str


def by_setting(results: Iterable[Result]) -> dict[Setting, list[Result]]:
    """Group results by labels, selection, readout, split policy, covered samples and limit, whole runs first.

    Returns:
        Full runs first, then those on what products cover, then limited ones; among them the published splits, then
        those of each other split policy; among them the models' own readouts, then others by pooling and layer; among
        them what was chosen by cross-validation, then on val; among them all labels, then parts, the most first.
    """
    groups: dict[Setting, list[Result]] = {}
    for result in results:
        groups.setdefault(Setting.of(result), []).append(result)

    def order(setting: Setting) -> tuple[object, ...]:
        labels = LabelBudget.of(setting.labels)
        part = labels.shots is not None, -labels.percent, -(labels.shots or 0)
        split = setting.split != "published", setting.split
        read = Readout.of(setting.readout)
        ways = *split, read.pooling, read.layers, setting.selection
        samples = setting.limit is not None, -(setting.limit or 0), setting.covered_by
        return *samples, *ways, *part

    return {setting: groups[setting] for setting in sorted(groups, key=order)}


def split_stale(results: Sequence[Result]) -> tuple[list[Result], list[Stale]]:
    """Separate the results that can be compared from those that newer ones supersede.

    Versions of tasks, datasets, probes and metrics count upwards. Data fingerprints, weights and versions of models
    have no order, so the most recently made result says which is current.

    Returns:
        Current results and stale ones, both in the given order. A skip of a cell that has a newer number with published
        weights is in neither: the weights have arrived since.
    """
    superseded: dict[int, str] = {}
    number = _latest((r for r in results if r.status == "ok" and r.checkpoint.startswith(_FILE)), _cell)
    left = [(index, result) for index, result in enumerate(results) if not _filled(result, number.get(_cell(result)))]
    for find in (_older_version, _other_headline, _other_data, _other_subset, _other_model):
        reason = find([result for _, result in left])
        found = {index: why for index, result in left if (why := reason(result))}
        superseded |= found
        left = [(index, result) for index, result in left if index not in found]
    return [result for _, result in left], [Stale(results[index], superseded[index]) for index in sorted(superseded)]


def _cell(result: Result) -> Hashable:
    """Return what is asked for, whatever weights there are."""
    return result.model, result.preset, Setting.of(result), result.seed, result.task, result.probe


def _filled(result: Result, number: Result | None) -> bool:
    waits = result.status == "skipped" and not result.checkpoint.startswith(_FILE)
    return waits and number is not None and number.created > result.created


Reason = Callable[[Result], str]


def _older_version(results: Iterable[Result]) -> Reason:
    newest: dict[tuple[str, str], int] = {}
    for result in results:
        for key, version in _versions(result).items():
            newest[key] = max(version, newest.get(key, version))

    def reason(result: Result) -> str:
        return ", ".join(
            f"{kind} {name} version {version}, now {newest[kind, name]}"
            for (kind, name), version in _versions(result).items()
            if version < newest[kind, name]
        )

    return reason


def _versions(result: Result) -> dict[tuple[str, str], int]:
    return {
        ("task", result.task): result.task_version,
        ("dataset", result.dataset): result.dataset_version,
        ("probe", result.probe): result.probe_version,
        ("split policy", result.split.partition(":")[0]): result.split_version,
        **{("metric", name): value.version for name, value in result.metrics.items()},
    }


def _other_headline(results: Iterable[Result]) -> Reason:
    current = _latest((r for r in results if r.headline and r.status == "ok"), lambda r: r.task)

    def reason(result: Result) -> str:
        now = current.get(result.task)
        if now is None or not result.headline or result.status != "ok":
            return ""
        if (result.probe, result.metric) == (now.probe, now.metric):
            return ""
        return f"ranked by {result.probe} {result.metric}, now by {now.probe} {now.metric}"

    return reason


def _other_data(results: Iterable[Result]) -> Reason:
    current = _latest((r for r in results if r.status == "ok"), lambda r: r.dataset)

    def reason(result: Result) -> str:
        if result.status != "ok" or result.dataset_fingerprint == current[result.dataset].dataset_fingerprint:
            return ""
        now = current[result.dataset].dataset_fingerprint[:12]
        return f"dataset {result.dataset} had fingerprint {result.dataset_fingerprint[:12]}, now {now}"

    return reason


def _other_subset(results: Iterable[Result]) -> Reason:
    current = _latest((r for r in results if r.subset), _subset)

    def reason(result: Result) -> str:
        if not result.subset or result.subset == current[_subset(result)].subset:
            return ""
        now = current[_subset(result)].subset[:12]
        return f"{result.covered_by} covered samples {result.subset[:12]} of {result.dataset}, now {now}"

    return reason


def _subset(result: Result) -> Hashable:
    return result.covered_by, result.task, result.limit


def _other_model(results: Iterable[Result]) -> Reason:
    ok = [r for r in results if r.status == "ok"]
    code = _latest(ok, lambda r: r.model)
    weights = _latest(ok, _weighed)

    def reason(result: Result) -> str:
        if result.status != "ok":
            return ""
        if result.model_version != code[result.model].model_version:
            return f"model {result.model} version {result.model_version}, now {code[result.model].model_version}"
        now = weights[_weighed(result)]
        if (result.weights, result.checkpoint) != (now.weights, now.checkpoint):
            return f"model {result.model} had weights {_weights(result)}, now {_weights(now)}"
        return ""

    return reason


def _weighed(result: Result) -> Hashable:
    """Return what has one set of weights at a time: a model in a setting, and with each checkpoint of a user."""
    return result.model, (replace(result, checkpoint="") if result.published_weights else result).variant


def _weights(result: Result) -> str:
    return f"{result.weights[:12] or 'none'} ({result.checkpoint[:24] or 'init'})"


def _latest(results: Iterable[Result], key: Callable[[Result], Hashable]) -> dict[Hashable, Result]:
    latest: dict[Hashable, Result] = {}
    for result in results:
        rival = latest.get(key(result))
        if rival is None or (result.created, result.key) > (rival.created, rival.key):
            latest[key(result)] = result
    return latest
