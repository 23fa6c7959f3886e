"""How paths are replaced where no sandbox shows them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.executors.local.substitution import Replacer

PLACES = {"/pfs/raw": Path("/h/1"), "/pfs/raw/deep": Path("/h/2"), "/pfs/out": Path("/h/3"), "/app": Path("/h/pfs/raw")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/pfs/raw", "/h/1"),
        ("/pfs/raw/", "/h/1/"),
        ("/pfs/raw/x/y", "/h/1/x/y"),
        ("/pfs/raw/deep/x", "/h/2/x"),
        ("/pfs/raw/deeper", "/h/1/deeper"),
        ("/pfs/raw2", "/pfs/raw2"),
        ("/pfs/raw.txt", "/pfs/raw.txt"),
        ("/pfs/raw-2", "/pfs/raw-2"),
        ("/pfs", "/pfs"),
        ("x/pfs/raw", "x/pfs/raw"),
        ("../pfs/raw", "../pfs/raw"),
        ("$X/pfs/raw", "$X/pfs/raw"),
        ("${X}/pfs/raw", "${X}/pfs/raw"),
        ("--in=/pfs/raw", "--in=/h/1"),
        ("-I/pfs/raw", "-I/h/1"),
        ("a-I/pfs/raw", "a-I/pfs/raw"),
        ("@/pfs/raw/f", "@/h/1/f"),
        ("a:/pfs/raw:b:/pfs/out/c", "a:/h/1:b:/h/3/c"),
        ("file:///pfs/raw/x", "file:///h/1/x"),
        ("cat '/pfs/raw/*' > \"/pfs/out\"; ls /app", "cat '/h/1/*' > \"/h/3\"; ls /h/pfs/raw"),
        ("/pfs/raw,/pfs/out", "/h/1,/h/3"),
        ("(/pfs/raw)", "(/h/1)"),
    ],
)
def test_replace(text: str, expected: str) -> None:
    """Whole paths are replaced, once, wherever they stand; parts of other paths are not."""
    assert Replacer(PLACES)(text) == expected


@given(st.text())
def test_other_text_stays(text: str) -> None:
    """Text without a known path is not touched."""
    if not any(path in text for path in PLACES):
        assert Replacer(PLACES)(text) == text


@given(st.sampled_from(sorted(PLACES)), st.from_regex(r"(/[a-z0-9._-]+){0,3}", fullmatch=True))
def test_below_a_path(path: str, rest: str) -> None:
    """What lies below a path moves with it, below the longest path that fits."""
    longest = max((known for known in PLACES if (path + rest + "/").startswith(known + "/")), key=len)
    assert Replacer(PLACES)(path + rest) == f"{PLACES[longest]}{(path + rest).removeprefix(longest)}"


def test_nothing_to_replace() -> None:
    """Without places, every text stays."""
    assert Replacer({})("/pfs/raw") == "/pfs/raw"
