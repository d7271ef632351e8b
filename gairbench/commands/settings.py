"""The settings of a run, from the command line or a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path

from gairbench.yamlfile import Section, load_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of ``gairbench run``; ``None`` means not given. The options of the same names explain them."""

    model: list[str] | None = None
    task: list[str] | None = None
    task_file: list[Path] | None = None
    preset: str | None = None
    checkpoint: list[str] | None = None
    data_root: Path | None = None
    results: Path | None = None
    device: str | None = None
    seed: list[int] | None = None
    limit: int | None = None
    fresh: bool | None = None
    download: bool | None = None

    def over(self, other: Settings) -> Settings:
        """Return these settings where they are given, else the other ones."""
        given = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, [])}
        return replace(other, **given)


def load_settings(path: Path) -> Settings:
    """Read settings from a YAML file; its keys are the option names, with ``-`` or ``_``.

    Relative paths are relative to the current folder, as on the command line.

    Raises:
        UsageError: The file, a key or a value is wrong; line and key are named.
    """
    section = load_yaml(path)
    for key in [key for key in section.values if "-" in key]:
        section.values[key.replace("-", "_")] = section.values.pop(key)
        section.lines[key.replace("-", "_")] = section.lines[key]
    section.only(*(f.name for f in fields(Settings)))
    if section.get("limit", int, 1) < 1:
        raise section.error("limit", f"{section.values['limit']} is less than 1", "write 1 or more")

    def folder(key: str) -> Path | None:
        value = section.get(key, str, None)
        return None if value is None else Path(value)

    checkpoint: list[str] | None = None
    if isinstance(section.values.get("checkpoint"), Section):
        named: Section = section.values["checkpoint"]
        checkpoint = [f"{model}={named.get(model, str)}" for model in named.values]
    elif "checkpoint" in section:
        checkpoint = section.texts("checkpoint")
    return Settings(
        model=section.texts("model", []),
        task=section.texts("task", []),
        task_file=[Path(name) for name in section.texts("task_file", [])],
        preset=section.get("preset", str, None),
        checkpoint=checkpoint,
        data_root=folder("data_root"),
        results=folder("results"),
        device=section.get("device", str, None),
        seed=_seeds(section),
        limit=section.get("limit", int, None),
        fresh=section.get("fresh", bool, None),
        download=section.get("download", bool, None),
    )


def _seeds(section: Section) -> list[int] | None:
    """Return one seed or a list of them."""
    listed = isinstance(section.values.get("seed"), list)
    seeds = section.get("seed", list, None) if listed else [section.get("seed", int, None)]
    if seeds in (None, [None]):
        return None
    for seed in seeds:
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise section.error("seed", f"{seed!r} is not a whole number", "write 0, or [0, 1, 2]")
        if seed < 0:
            raise section.error("seed", f"{seed} is less than 0", "write 0 or more")
    return list(dict.fromkeys(seeds))
