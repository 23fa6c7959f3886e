"""What shows itself: the one mixin that turns text, HTML and SVG into a MIME bundle."""

from __future__ import annotations

from collections.abc import Collection


class Shown:
    """Shows itself in a notebook. A subclass writes `as_text`, and `as_html` or `as_svg` if it can do better."""

    def as_text(self) -> str:
        """Return what a terminal shows."""
        raise NotImplementedError

    def as_html(self) -> str | None:
        """Return what a page shows, without any script; None if the text is all there is."""
        return None

    def as_svg(self) -> str | None:
        """Return a picture, None if there is none."""
        return None

    def __repr__(self) -> str:
        return self.as_text()

    def _repr_mimebundle_(
        self, include: Collection[str] | None = None, exclude: Collection[str] | None = None
    ) -> dict[str, str]:
        """Return the forms that are wanted, by MIME type, for IPython."""
        forms = {"text/plain": self.as_text, "text/html": self.as_html, "image/svg+xml": self.as_svg}
        wanted = [kind for kind in forms if (not include or kind in include) and kind not in (exclude or ())]
        made = {kind: forms[kind]() for kind in wanted}
        return {kind: form for kind, form in made.items() if form is not None}
