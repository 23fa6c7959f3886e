"""JSON shapes of answers that help people to name, look into and check things; `shapes` gives them to everyone."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class TagUse(TypedDict):
    """A tag as text, and how many Data carry it."""

    tag: str
    count: int


class Check(TypedDict):
    """What was found about a part of the server: `level` is ok, warn or fail; `advice` may be empty."""

    name: str
    level: str
    told: str
    advice: str


class FileEntry(TypedDict):
    """A name in a Data: `kind` is file, dir or symlink; `size` in bytes; `mode` as in 0644; `target` is a symlink's."""

    path: str
    kind: str
    size: int
    mode: str
    mtime: str
    target: NotRequired[str]


class Candidate(TypedDict):
    """Something whose id begins as asked: `kind` is data, plan or run; `about` says what it is, for people."""

    kind: str
    id: str
    about: str
