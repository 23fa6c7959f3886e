"""Hooks are absolute URLs and have a time-out; what is wrong is named."""

from __future__ import annotations

import dataclasses

import pytest

from knit_server.domain.errors import InvalidInput
from knit_server.hooks import HookSettings, checked


@pytest.mark.parametrize(
    "url", ["http://localhost", "https://a.example:8443/b/c?d=e", "http://[::1]:80/", "http://u:p@h/"]
)
def test_absolute_urls(url: str) -> None:
    """An absolute URL of HTTP is a hook, before and after."""
    settings = HookSettings(before=(url,), after=(url, url))
    assert checked(settings) is settings


@pytest.mark.parametrize(
    "url",
    ["", "hook", "/hook", "localhost:8000", "ftp://a/b", "http://", "http:///x", "http://a:b/", "http://a:99999/",
     "http://a:0/", "http://[::1/", "http://a b/", "http://a/\n", "http://é/", "http://a/#f", "file:///etc/passwd"],
)  # fmt: skip
@pytest.mark.parametrize("member", ["before", "after"])
def test_what_is_no_url(url: str, member: str) -> None:
    """Anything else is refused, with the name of the setting and advice."""
    settings = dataclasses.replace(HookSettings(), **{member: ("http://fine.example", url)})  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match=rf"lifecycle\.{member}") as raised:
        checked(settings, name="lifecycle")
    assert raised.value.advice


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf"), 3601])
def test_time_outs(timeout: float) -> None:
    """A hook is given some time, but not for ever."""
    with pytest.raises(InvalidInput, match=r"hooks\.timeout: .* is no time that a hook could be given"):
        checked(HookSettings(timeout=timeout))


def test_none() -> None:
    """No hooks are fine."""
    assert checked(HookSettings()).is_empty
    assert not HookSettings(after=("http://a",)).is_empty
