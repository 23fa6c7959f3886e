"""Results as tables."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """One table of results; `notes` say how to read it."""

    title: str
    columns: tuple[str, ...]
    notes: str = ""
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row; floats get three digits that count."""
        self.rows.append(tuple(f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells))

    def markdown(self) -> str:
        """Return the table for a document."""
        lines = [f"## {self.title}", "", *([self.notes, ""] if self.notes else [])]
        lines += [f"| {' | '.join(self.columns)} |", f"|{'---|' * len(self.columns)}"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows]
        return "\n".join([*lines, ""])

    def text(self) -> str:
        """Return the table for a terminal."""
        return "\n".join([self.title, *("  " + "  |  ".join(row) for row in (self.columns, *self.rows))])
