"""What results look like."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from knit_cli import output
from knit_cli.progress import printable, size


def test_json_is_written_as_knitfab_does() -> None:
    """Four blanks, Unicode as it is, and only <, > and & (and line separators) escaped."""
    assert output.as_json({"a": ["<b>&é\u2028", {}], "c": None}) == (
        '{\n    "a": [\n        "\\u003cb\\u003e\\u0026é\\u2028",\n        {}\n    ],\n    "c": null\n}'
    )


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner)
                    | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_json_survives(value: object) -> None:
    """Whatever is written reads back the same, and no raw <, > or & is left."""
    text = output.as_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&]", text)


def test_log_lines(capsys) -> None:
    """Outside a command, the line is that of knit itself."""
    output.log("hello\udcff")
    assert re.fullmatch(r"\[knit\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d hello\\udcff\n", capsys.readouterr().err)


def test_stderr_cannot_be_steered(capsys) -> None:
    """What a terminal would act on is shown instead; lines stay lines."""
    output.say("a\x1b[31m\n\tb\x9b\r")
    assert capsys.readouterr().err == "a\\x1b[31m\n\tb\\x9b\\r\n"


def test_sizes() -> None:
    """Sizes are written in binary units."""
    assert [size(each) for each in (0, 1023, 1024, 22.12 * 1024**2, 5 * 1024**4)] == [
        "0 B", "1023 B", "1.00 KiB", "22.12 MiB", "5.00 TiB",
    ]  # fmt: skip


def test_names_cannot_steer_the_terminal() -> None:
    """Control characters and rich's markup are replaced; long names are cut at the front."""
    assert printable("a\x1b[31mb") == "a??31mb"
    assert printable("x" * 60) == "…" + "x" * 39
