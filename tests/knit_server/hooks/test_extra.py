"""Extra APIs have a path of their own and a server that answers; what is wrong is named."""

from __future__ import annotations

import pytest

from knit_server.domain.errors import InvalidInput
from knit_server.hooks.extra import ExtraApi, checked

TARGET = "http://localhost:8000/v1"


@pytest.mark.parametrize("path", ["/a", "/a/b", "/apis", "/api-of-ours", "/x/api", "/~u/v1.2", "/a:b@c"])
def test_paths(path: str) -> None:
    """Absolute clean paths beside Knit's own are taken."""
    assert checked([ExtraApi(path, TARGET)]) == (ExtraApi(path, TARGET),)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "not absolute"), ("a", "not absolute"), ("/", "covers everything"), ("/a/", "not clean"),
        ("//a", "not clean"), ("/a//b", "not clean"), ("/a/./b", "not clean"), ("/a/..", "not clean"),
        ("/a b", "characters"), ("/%61", "characters"), ("/a?b", "characters"), ("/é", "characters"),
        ("/a\n", "characters"), ("/api", "Knit's own"), ("/api/data", "Knit's own"), ("/API/x", "Knit's own"),
    ],
)  # fmt: skip
def test_scenario_83_paths_that_are_refused(path: str, reason: str) -> None:
    """What is not absolute and clean, or is `/api` or lies below it, is refused by its name (scenario 83)."""
    with pytest.raises(InvalidInput, match=r"^extra_apis\[1\]\.path: ") as told:
        checked([ExtraApi("/fine", TARGET), ExtraApi(path, TARGET)])
    assert reason in told.value.reason
    assert told.value.advice


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("", "does not begin"), ("/v1", "does not begin"), ("localhost:8000", "does not begin"),
        ("ftp://h/", "does not begin"), ("http:///v1", "no host"), ("http://h/#f", "fragment"), ("http://h/?", "query"),
        ("http://h/?a=b", "query"), ("http://h:x/", "no URL"), ("http://h /", "characters"),
    ],
)  # fmt: skip
def test_targets_that_are_refused(target: str, reason: str) -> None:
    """What is no absolute URL with a host, or has a query or fragment, is refused."""
    with pytest.raises(InvalidInput, match=r"^server\.extra\[0\]\.proxy_to: ") as told:
        checked([ExtraApi("/a", target)], name="server.extra")
    assert reason in told.value.reason
    assert told.value.advice


def test_passwords_are_not_told() -> None:
    """A URL with a password is refused without saying it."""
    with pytest.raises(InvalidInput) as told:
        checked([ExtraApi("/a", "http://me:s3cret@host/")])
    assert "s3cret" not in str(told.value)


def test_twice() -> None:
    """One path has one server; paths may lie in each other."""
    inside = [ExtraApi("/a", TARGET), ExtraApi("/a/b", TARGET)]
    assert checked(inside) == tuple(inside)
    with pytest.raises(InvalidInput, match=r"extra_apis\[2\]\.path: '/a' is that of extra_apis\[0\] too"):
        checked([*inside, ExtraApi("/a", "http://elsewhere/")])
