"""Numbered notes below a table."""

from __future__ import annotations

from collections.abc import Iterable

from gairbench_leaderboard.markdown import escape


class Notes:
    """Numbered reasons and caveats below one table; equal ones share a number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def announce(self, notes_of_cells: Iterable[Iterable[str]]) -> None:
        """Give notes their numbers in the order of reading, though tables are built column by column."""
        for notes in notes_of_cells:
            for note in notes:
                self.number(note)

    def number(self, note: str) -> str:
        """Return the mark of a note, as ``"[1]"``."""
        return f"[{self._numbers.setdefault(note, len(self._numbers) + 1)}]"

    def lines(self) -> list[str]:
        """Return the notes as one list; nothing where there are none."""
        if not self._numbers:
            return []
        # Written as [1] and not as a Markdown footnote: those all end up at the foot of the page.
        return ["\n".join(f"- [{number}] {escape(note)}" for note, number in self._numbers.items())]
