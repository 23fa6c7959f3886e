"""The configuration of a container image: what it is made for, and what it runs."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from knit_server.content.archives.stream import AGAIN
from knit_server.domain.errors import InvalidInput

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Config:
    """What an image's configuration says. `platform` is os/architecture[/variant]; `workdir` is absolute and clean.

    `diff_ids` are the digests of its layers, uncompressed, in their order.
    """

    platform: str
    env: Mapping[str, str]
    entrypoint: tuple[str, ...]
    cmd: tuple[str, ...]
    workdir: str
    user: str
    volumes: tuple[str, ...]
    diff_ids: tuple[str, ...]


def read_config(data: bytes) -> Config:
    """Read the JSON of a configuration. Raises `InvalidInput`."""
    members = document(data, "the configuration of the image")
    if not isinstance(members, dict):
        raise _wrong("is no object")
    inner = _object("config", members.get("config"))
    rootfs = _object("rootfs", members.get("rootfs"))
    diff_ids = _texts("rootfs.diff_ids", rootfs.get("diff_ids"))
    if not all(_DIGEST.fullmatch(each) for each in diff_ids):
        raise _wrong("has diff_ids that are no SHA-256 digests")
    return Config(
        platform=platform_of(members),
        env=_env(_texts("Env", inner.get("Env"))),
        entrypoint=_texts("Entrypoint", inner.get("Entrypoint")),
        cmd=_texts("Cmd", inner.get("Cmd")),
        workdir="/" + posixpath.normpath("/" + _text("WorkingDir", inner.get("WorkingDir"))).lstrip("/"),
        user=_text("User", inner.get("User")),
        volumes=tuple(_text("Volumes", name) for name in _object("Volumes", inner.get("Volumes"))),
        diff_ids=diff_ids,
    )


def platform_of(members: Mapping[str, Any]) -> str:
    """Write os, architecture and variant of a configuration or descriptor as one word, "" where it says nothing."""
    parts = [members.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if isinstance(part, str) and part)


def document(data: bytes, name: str) -> Any:
    """Parse JSON. Raises `InvalidInput`; `name` says what it is."""
    try:
        return json.loads(data)
    except ValueError as err:
        raise InvalidInput(f"{name} is no JSON: {err}", advice=AGAIN) from err
    except RecursionError as err:
        raise InvalidInput(f"{name} is no JSON that could be read: it is nested too deeply", advice=AGAIN) from err


def _env(lines: tuple[str, ...]) -> dict[str, str]:
    env = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if not name or not equals:
            raise _wrong(f"has {line[:80]!r} in Env, which is not NAME=value")
        env[name] = value
    return env


def _object(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(f"has a {name} that is no object")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise _wrong(f"has a {name} that is no list")
    return tuple(_text(name, each) for each in value)


def _text(name: str, value: object) -> str:
    text = "" if value is None else value
    if not isinstance(text, str) or "\0" in text or not _is_unicode(text):
        raise _wrong(f"has a {name} with something that is no text")
    return text


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half surrogates
        return False
    return True


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(f"the configuration of the image {what}", advice=AGAIN)
