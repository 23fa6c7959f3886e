"""Lists of Data, Plans or Runs that show themselves as a table and become a DataFrame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar, overload

from knit_lab.display import tables
from knit_lab.display.shown import Shown
from knit_server.domain.errors import NotFound

if TYPE_CHECKING:
    from knit_lab.objects import frames

T = TypeVar("T")


class Column(NamedTuple):
    """A column: its title, how its value is read of a row, how that is shown, and what a table shows in its place."""

    title: str
    of: Callable[[Any], object]
    kind: tables.Kind = tables.Kind.TEXT
    shown: Callable[[Any], object] | None = None


class Listing(Shown, Sequence[T], Generic[T]):
    """What was found, oldest first. It stays as it is; ask again for what is new."""

    def __init__(self, items: Iterable[T], columns: Sequence[Column], noun: str) -> None:
        """Hold `items`; `noun` names them in texts: Data, Plans, Runs, files."""
        self._items = tuple(items)
        self._columns = tuple(columns)
        self._noun = noun

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Listing[T]: ...

    def __getitem__(self, at: int | slice) -> T | Listing[T]:
        if isinstance(at, slice):
            return Listing(self._items[at], self._columns, self._noun)
        return self._items[at]

    def __len__(self) -> int:
        return len(self._items)

    @property
    def latest(self) -> T:
        """The last one. Raises `NotFound` if there is none."""
        if not self._items:
            raise NotFound(f"there are no {self._noun} here", advice="Ask with fewer tags, or later.")
        return self._items[-1]

    @property
    def df(self) -> frames.DataFrame:
        """The list as a pandas DataFrame: a row for each, with plain values. Raises `KnitError` without pandas."""
        from knit_lab.objects import frames

        return frames.made(
            [[each.of(item) for each in self._columns] for item in self._items], [each.title for each in self._columns]
        )

    def as_text(self) -> str:
        """Return an aligned table."""
        return tables.text(self._head(), self._rows(), self._noun)

    def as_html(self) -> str:
        """Return an HTML table."""
        return tables.html(self._head(), self._rows(), self._noun)

    def _head(self) -> list[tables.Head]:
        return [tables.Head(each.title, each.kind) for each in self._columns]

    def _rows(self) -> list[list[object]]:
        return [[(each.shown or each.of)(item) for each in self._columns] for item in self._items]
