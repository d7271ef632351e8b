"""What ``gairbench results show``, ``validate`` and ``merge`` do, apart from parsing their options."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabulate import tabulate

from gairbench.commands.options import check_writable
from gairbench.commands.output import show
from gairbench.errors import StorageError, UsageError
from gairbench.plugins import load_registry
from gairbench.results import MetricValue, Result, read_result, read_results, record_files


def show_command(path: Path) -> int:
    """Carry out ``gairbench results show``.

    Returns:
        The exit status, 0.

    Raises:
        UsageError: There are no records in the folder.
        StorageError: There is no such record or folder, or a record is broken.
    """
    if path.is_dir():
        check_has_records(path)
        show(records_table(list(read_results(path))))
    else:
        show(record_text(read_result(path)))
    return 0


def check_has_records(folder: Path) -> None:
    """Refuse a folder without records, as one above or below a results folder.

    Raises:
        UsageError: There are none in it.
        StorageError: There is no such folder.
    """
    if not folder.is_dir():
        raise StorageError(f"no results folder {folder}", "name a folder that 'gairbench run' has written")
    if next(record_files(folder), None) is None:
        raise UsageError(f"there are no records in {folder}", "name one that holds MODEL/VARIANT/TASK/PROBE.json")


def validate_command(folder: Path) -> int:
    """Carry out ``gairbench results validate``.

    Returns:
        The exit status: 0 if nothing is wrong, 1 otherwise.

    Raises:
        UsageError: There are no records in the folder.
        StorageError: There is no such folder, or it cannot be read.
    """
    check_has_records(folder)

    from gairbench.record_folders.validation import validate_folder

    found = validate_folder(folder, load_registry())
    if found.problems:
        show("\n".join(map(str, found.problems)))
    print(
        f"gairbench: {found.records} records, {len(found.problems)} problems;"
        f" the predictions of {found.recomputed} records are here and give their metrics",
        file=sys.stderr,
    )
    return 1 if found.problems else 0


def merge_command(folders: Sequence[Path], out: Path) -> int:
    """Carry out ``gairbench results merge``.

    Returns:
        The exit status, 0.

    Raises:
        UsageError: ``out`` is there already or in one of the folders, one of these has no records, or two records
            contradict each other.
        StorageError: A folder or a record cannot be read, or nothing can be written.
    """
    for folder in folders:
        check_has_records(folder)
        if out.resolve().is_relative_to(folder.resolve()):
            raise UsageError(f"--out {out} is in {folder}, which is merged", "name a folder beside it")
    check_writable("out", out)

    from gairbench.record_folders.merging import merge_folders

    found = merge_folders(folders, out)
    for left_out, kept in found.superseded:
        print(f"gairbench: {kept} supersedes {left_out}", file=sys.stderr)
    show(
        f"{found.records} records in {out}; {found.same} said the same as another,"
        f" {len(found.superseded)} were superseded"
    )
    return 0


def records_table(records: Sequence[Result]) -> str:
    """Return one line a record: what it is of, and its headline metric or why it has none."""
    rows = []
    for record in records:
        value = record.headline_value
        number = record.reason if value is None else f"{record.metric} {_with_interval(value)}"
        groups = record.groups.get("test", "")
        size = record.n.get("test", "")
        rows.append([record.model, record.variant, record.task, record.probe, record.status, size, groups, number])
    counts = Counter(record.status for record in records)
    headers = ["model", "variant", "task", "probe", "status", "n", "groups", "number"]
    summary = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "no records"
    return f"{tabulate(rows, headers=headers, tablefmt='simple', disable_numparse=True)}\n\n{summary}"


def record_text(record: Result) -> str:
    """Return all that a record says, for reading."""
    return "\n".join(f"{name:<16} {value}" for name, value in _lines(record) if value not in {"", "None"})


def _lines(record: Result) -> Iterator[tuple[str, str]]:
    yield "model", f"{record.model} {record.model_version}, preset {record.preset}, of {record.model_origin}"
    for modality, part in record.parts.items():
        yield f"  {modality}", ", ".join(f"{name} {value}" for name, value in part.items())
    yield "checkpoint", record.checkpoint + (" (the published one)" if record.published_weights else "")
    yield "weights", record.weights
    yield "task", f"{record.task} {record.task_version} ({record.kind}), of {record.task_origin}"
    yield "dataset", f"{record.dataset} {record.dataset_version}, fingerprint {record.dataset_fingerprint}"
    yield (
        "evaluator",
        f"{record.probe} {record.probe_version}" + (f", of {record.probe_origin}" * bool(record.probe_origin)),
    )
    settings = {"seed": record.seed, "limit": record.limit, "labels": record.labels, "split": record.split}
    settings |= {"readout": record.readout, "selection": record.selection, "covered by": record.covered_by}
    yield "settings", ", ".join(f"{name} {value}" for name, value in settings.items() if value not in {None, ""})
    yield "status", f"{record.status}: {record.reason}" if record.reason else record.status
    for name, value in record.metrics.items():
        trivial = "" if value.trivial is None else f", trivial {value.trivial:.4g}"
        headline = " (headline)" if name == record.metric else ""
        yield (
            f"  {name}",
            f"{_with_interval(value)} {value.unit}".rstrip() + f", version {value.version}{trivial}{headline}",
        )
    yield "samples", _counts(record.n)
    yield "groups", _counts(record.groups) + (f" of {record.grouping}" if record.grouping else "")
    yield "constant", "it predicts the same for every test sample" if record.constant else ""
    for title, texts in (("dropped", record.dropped), ("notes", record.notes)):
        yield title, "; ".join(f"{name}: {text}" for name, text in texts.items())
    yield "caveats", "; ".join(record.caveats)
    yield "chosen", ", ".join(f"{name} {value}" for name, value in record.probe_params.items())
    yield "device", record.device
    yield "environment", ", ".join(f"{name} {value}" for name, value in sorted(record.environment.items()))
    yield "seconds", _counts(record.seconds)
    yield "key", record.key
    yield "created", record.created
    yield "command", record.command


def _counts(numbers: object) -> str:
    return ", ".join(f"{name} {number}" for name, number in dict(numbers).items())  # type: ignore[call-overload]


def _with_interval(value: MetricValue) -> str:
    return f"{value.value:.4g} [{value.low:.4g}, {value.high:.4g}]"
