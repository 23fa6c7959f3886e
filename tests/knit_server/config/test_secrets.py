"""Secrets in URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.config.secrets import is_masked, masked


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("", ""),
        ("postgresql://knit:pw@db/knit", "postgresql://knit:***@db/knit"),
        ("postgresql://knit:p@w/x@db:5432/knit", "postgresql://knit:***@db:5432/knit"),
        ("postgresql://knit@db/knit", "postgresql://knit@db/knit"),
        ("postgresql://db/knit?user=me&password=pw&x=1", "postgresql://db/knit?user=me&password=***&x=1"),
        ("sqlite:////home/a:b@c/knit.db", "sqlite:////home/a:b@c/knit.db"),
        ("/data/a:b@c", "/data/a:b@c"),
        ("https://me:pw@host/hook?a=b", "https://***@host/hook?a=b"),
        ("https://token@host/hook", "https://***@host/hook"),
        ("http://host:80/a@b", "http://host:80/a@b"),
        ("http://host/hook?access_token=abc", "http://host/hook?access_token=***"),
        ("s3://bucket/folder", "s3://bucket/folder"),
    ],
)
def test_masked(url: str, safe: str) -> None:
    """The secret goes and everything else stays; what is masked is known as such."""
    assert masked(url) == safe
    assert is_masked(safe) == (safe != url)
    assert masked(safe) == safe


@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=6), st.sampled_from(["postgresql", "mysql"]))
def test_no_password_is_left(password: str, scheme: str) -> None:
    """Whatever a password holds, nothing of it is shown."""
    secret = f"<{password}>".replace(" ", "+")
    assert secret not in masked(f"{scheme}://user:{secret}@host/name")
