"""Pictures that only Graphviz draws."""

from __future__ import annotations

from knit_cli import graphs


def png(source: str) -> bytes:
    """Draw DOT as PNG. Raises `KnitError` if Graphviz is not there or fails."""
    return graphs.picture(source.encode("utf-8", "backslashreplace"), "png")
