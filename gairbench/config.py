"""The settings of a run, from the command line or a YAML file."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path


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
    seed: int | None = None
    limit: int | None = None
    fresh: bool | None = None

    def over(self, other: Settings) -> Settings:
        """Return these settings where they are given, else the other ones."""
        given = {f.name: value for f in fields(self) if (value := getattr(self, f.name)) not in (None, [])}
        return replace(other, **given)
