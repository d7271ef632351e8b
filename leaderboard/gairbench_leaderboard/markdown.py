"""Free text and ready-made strings as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tabulate import tabulate

_MARKUP = re.compile(r"[\\`*\[\]|~]|(?<![^\W_])_|_(?![^\W_])")
"""What Markdown would take for markup; an underscore inside a word is not markup."""


def escape(text: str) -> str:
    """Make free text safe inside a Markdown table cell or list: one line, no markup."""
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split())).replace("<", "&lt;").replace(">", "&gt;")


def joined_texts(texts: Iterable[str]) -> str:
    """Join different texts, sorted, without the empty one."""
    return escape(", ".join(sorted({text for text in texts if text})))


def joined_names(names: Iterable[str]) -> str:
    """Join names in their order."""
    return ", ".join(escape(name) for name in names)


def arrow(higher_is_better: bool) -> str:
    """Return the sign of a metric's direction."""
    return "↑" if higher_is_better else "↓"


def pipe_table(headers: Sequence[str], body: Iterable[Sequence[str]], *, text_columns: int = 1) -> str:
    """Tabulate ready-made strings: the first columns to the left, numbers to the right."""
    align = ["left" if i < text_columns else "right" for i in range(len(headers))]
    return tabulate(
        [list(row) for row in body], headers=headers, tablefmt="pipe", colalign=align, disable_numparse=True
    )


def folded(summary: str, text: str) -> str:
    """Hide text behind a line that opens it."""
    return f"<details><summary>{summary}</summary>\n\n{text}\n\n</details>"
