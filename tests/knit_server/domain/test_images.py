"""Names of images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import images
from knit_server.domain.errors import InvalidInput
from knit_server.domain.images import ImageName


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [("ubuntu", "ubuntu", "latest"), ("lab/segment:2.1", "lab/segment", "2.1"), ("a/b/c", "a/b/c", "latest"),
     ("localhost:5000/x", "localhost:5000/x", "latest"), ("localhost:5000/x:1", "localhost:5000/x", "1"),
     ("Registry.Example.COM/x:V1_2-a.b", "Registry.Example.COM/x", "V1_2-a.b"), ("HOST:1/x", "HOST:1/x", "latest"),
     ("example.com:5000", "example.com", "5000"), ("a__b-c--d.e:_", "a__b-c--d.e", "_"), ("7/7:7", "7/7", "7")],
)  # fmt: skip
def test_names(text: str, repository: str, tag: str) -> None:
    """A missing tag is `latest`; nothing else is added, and a host's port is no tag."""
    assert images.parse(text) == ImageName(repository, tag)


@pytest.mark.parametrize(
    "text",
    ["", ":", ":1", "x:", "x: ", "X", "Lab/x", "a/B.c/d", "x:1:2", "-x", "x-", "a___b", "a..b", "a//b", "/a", "a/",
     "x y",
     "x\n", "x:a/b", "x:" + "t" * 129, "x:-t", "x:.t", "${REGISTRY}/x:1.0", "x@sha256:0123", "x:1@sha256:01", "\0",
     "ü", "x:ü",
     "host:port/x", "a.b:/x", "r" * 256, "x\ud800"],
    ids=ascii,
)  # fmt: skip
def test_hostile_names_are_refused(text: str) -> None:
    """Capitals outside of a host or tag, digests, variables and broken syntax are refused (scenario 14)."""
    with pytest.raises(InvalidInput):
        images.parse(text)


@given(st.text(alphabet="aZ9.-_/:@ü ", max_size=20))
def test_text_form_is_stable(text: str) -> None:
    """What was read is written so that it is read as the same name."""
    try:
        name = images.parse(text)
    except InvalidInput:
        return
    assert images.parse(str(name)) == name
    assert str(name) in (text, f"{text}:latest")


def test_split_tells_whether_there_is_a_tag() -> None:
    """Searching by image may leave the tag open (scenario 82)."""
    assert images.split("localhost:5000/x") == ("localhost:5000/x", None)
    assert images.split("localhost:5000/x:1") == ("localhost:5000/x", "1")
