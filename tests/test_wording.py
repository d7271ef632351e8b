"""Plain English: the words that messages, docstrings, comments and pages do without."""

from __future__ import annotations

import io
import re
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FOLDERS = ("gairbench", "models", "tasks", "leaderboard", "examples")
MODULES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))

ARCHAIC = re.compile(
    r"\b(?:[Tt]old|[Tt]ells?|[Mm]ends?|[Mm]ended|[Ss]trangers?|[Oo]vertaken)\b"
    r"|(?<![Tt]here )\b(?:is|are) (?:none\b|no (?!longer))"
)
"""In their place: report or error, fix, third-party, superseded, is not a."""


def found(text: str) -> list[str]:
    """Return what of a text is archaic, with its line number."""
    return [f"{text.count(chr(10), 0, match.start()) + 1}: {match[0]}" for match in ARCHAIC.finditer(text)]


def prose(path: Path) -> str:
    """Return a module with everything blanked but its strings and comments, at their lines."""
    lines: list[str] = []
    with path.open("rb") as file:
        for token in tokenize.tokenize(io.BytesIO(file.read()).readline):
            if token.type in {tokenize.STRING, tokenize.COMMENT} or token.type == getattr(
                tokenize, "FSTRING_MIDDLE", -1
            ):
                lines += [""] * (token.start[0] - len(lines))
                first, *rest = token.string.split("\n")
                lines[-1] += f" {first}"
                lines += rest
    return "\n".join(lines)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_pages_use_plain_words(page: Path) -> None:
    assert found(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_use_plain_words(module: Path) -> None:
    assert found(prose(module)) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_lines_of_prose_end_before_column_120(page: Path) -> None:
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
    # A row of a table cannot be broken.
    assert [number for number, line in lines if len(line) > 120 and not line.startswith("|")] == []


@pytest.mark.parametrize("text", ["x is no number", "the names tell", "Mend it", "they are none", "a stranger's code"])
def test_archaic_words_are_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize(
    "text", ["there is no file", "or there are none", "it is no longer read", "recommend", "is not a number"]
)
def test_plain_words_are_not(text: str) -> None:
    assert found(text) == []
