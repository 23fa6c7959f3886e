"""Commands of click alone, such as `knit serve`, are wrong in the words of all others, with their own page of help."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--prot", "1"), "usage error: unknown flag: --prot; did you mean --port?"),
        (("--port",), "usage error: value required: --port"),
        (("--keyfile", "k"), "usage error: --keyfile needs --certfile"),
    ],
)
def test_usage(knit, words, told) -> None:
    """The message, a blank line, and the page of the command itself."""
    result = knit("serve", *words)
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"{told}\n\nknit serve -- ")
