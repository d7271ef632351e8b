"""The files that the command line of a record names: text of whoever wrote the record, of which nothing is run."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gairbench.file_models import as_reference
from gairbench.selection import split_names

_OPTIONS = ("--config", "--model", "--task-file", "--data-root", "--checkpoint", "--covered-by")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCommand:
    """What can be taken from the command line of a record, which names files as they were called where it was made.

    Args:
        config: The run config, which may name what the command does not.
        models: Names of models, but those in Python files: such a file is code, which only a user can ask for.
        task_files: YAML files that declare tasks.
        data_root: Folder of datasets that are not embedded.
        checkpoints: Checkpoint files or folders by model name.
        covered_by: Names of models of existing embeddings.
    """

    config: Path | None = None
    models: tuple[str, ...] = ()
    task_files: tuple[Path, ...] = ()
    data_root: Path | None = None
    checkpoints: Mapping[str, Path] = field(default_factory=dict)
    covered_by: tuple[str, ...] = ()


def read_command(command: str) -> RecordedCommand:
    """Return what a record's command line names.

    Args:
        command: The command line, as ``Result.command`` holds it; it may be anything.

    Returns:
        What could be found; nothing where it is not a command line of ``gairbench run``.

    Example:
        >>> read_command("gairbench run --task-file fields.yaml --data-root=/data --seed 1").task_files
        (PosixPath('fields.yaml'),)
    """
    try:
        words = shlex.split(command)
    except ValueError:
        return RecordedCommand()
    if words[:2] != ["gairbench", "run"]:
        return RecordedCommand()
    found: dict[str, list[str]] = {name: [] for name in _OPTIONS}
    for name, value in _given(words[2:]):
        found[name].append(value)
    pairs = [value.partition("=") for value in found["--checkpoint"]]
    configs, roots = found["--config"], found["--data-root"]
    return RecordedCommand(
        config=Path(configs[-1]) if configs else None,
        models=no_code(split_names(found["--model"])),
        task_files=tuple(map(Path, found["--task-file"])),
        data_root=Path(roots[-1]) if roots else None,
        checkpoints={name: Path(path) for name, equals, path in pairs if equals and as_reference(name) is None},
        covered_by=no_code(split_names(found["--covered-by"])),
    )


def no_code(names: list[str]) -> tuple[str, ...]:
    """Return the names of models that are not in Python files, by themselves or as parts of compositions."""
    return tuple(name for name in names if not names_code(name))


def names_code(name: str) -> bool:
    """Whether the name of a model leads to a Python file, which would run where its name is looked up.

    Example:
        >>> names_code("mine.py:Encoder"), names_code("compose(rs=mine.py:Encoder,sv=mae)"), names_code("mine:Encoder")
        (True, True, False)
    """
    return ".py:" in name


def _given(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the options that are looked for, written as ``--name value`` or ``--name=value``."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        name, equals, value = word.partition("=")
        if name in _OPTIONS and (equals or following):
            yield name, value if equals else following
