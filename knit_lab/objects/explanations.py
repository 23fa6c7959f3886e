"""Why something did what it did, or did not: the server's answer, as text and as HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from knit_lab.display import html as markup
from knit_lab.display import reasons
from knit_lab.display.shown import Shown
from knit_server.wire import shapes
from knit_server.wire import why as words

if TYPE_CHECKING:
    from knit_lab.session import Session


class Explanation(Shown):
    """What `knit why` says, to read and to work with (`answer`)."""

    def __init__(self, session: Session, answer: shapes.Why) -> None:
        self._session = session
        self.answer = answer

    @property
    def codes(self) -> list[str]:
        """The codes of what holds now, outermost first (docs/rules.md, "Why")."""
        return [point["code"] for point in self.answer["now"]]

    def as_text(self) -> str:
        """Return the words of `knit why`, with what a terminal would act on replaced."""
        return markup.printable(words.text(self.answer)).rstrip("\n")

    def as_html(self) -> str:
        """Return the same as a page shows it."""
        return reasons.html(self.answer)
