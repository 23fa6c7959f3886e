"""From the JSON and the query of a request to values of the domain. Raises `InvalidInput` naming the member.

What a Plan must be is checked by `domain.plans.check`; here is decided only whether the members can be read at all.
Unknown members are ignored, as Knitfab does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from knit_server.domain import editing, images, plans, tags, times
from knit_server.domain.errors import InvalidInput, Unsupported
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.tags import Tag

_T = TypeVar("_T")
_R = TypeVar("_R")


def plan_spec(json: object) -> plans.PlanSpec:
    """Read a Plan as declared; it is not checked yet. Raises `InvalidInput`."""
    members = _object("the Plan", json)
    image = _text("image", members.get("image")) if members.get("image") is not None else ""
    if not image:
        raise InvalidInput("image is missing", advice="Write image: name:tag.")
    log = members.get("log")
    return plans.PlanSpec(
        image=_named("image", images.parse, image),
        entrypoint=tuple(_texts("entrypoint", members.get("entrypoint"))),
        args=tuple(_texts("args", members.get("args"))),
        inputs=tuple(
            plans.Input(path=path, tags=tuple(found)) for path, found in _mounts("inputs", members.get("inputs"))
        ),
        outputs=tuple(
            plans.Output(path=path, tags=tuple(found)) for path, found in _mounts("outputs", members.get("outputs"))
        ),
        log=None if log is None else plans.Output(path=None, tags=tuple(_tags("log.tags", _object("log", log)))),
        on_node=tuple(_on_node(members.get("on_node"))),
        active=_bool("active", members.get("active"), default=True),
        resources=_resources(members.get("resources")),
        annotations=_annotations("annotations", members),
        service_account=_optional_text("service_account", members.get("service_account")),
        retry=None if members.get("retry") is None else _retry(members.get("retry")),
        timeout=None if members.get("timeout") is None else _duration("timeout", members.get("timeout")),
    )


def tag_change(json: object) -> tuple[tuple[Tag, ...], tuple[Tag, ...], tuple[str, ...]]:
    """Read `add`, `remove` and `remove_key` of a tag change; system tags are refused. Raises `InvalidInput`."""
    members = _object("the tag change", json)
    keys = tuple(_texts("remove_key", members.get("remove_key")))
    for key in keys:
        _named("remove_key", _refuse_system_key, key)
    add = _named("add", tags.require_user, _tag_list("add", members.get("add")))
    remove = _named("remove", tags.require_user, _tag_list("remove", members.get("remove")))
    return add, remove, keys


def resource_change(json: object) -> editing.ResourceChange:
    """Read `set` and `unset` of a change of resources. Raises `InvalidInput`."""
    members = _object("the change", json)
    unset = _texts("unset", members.get("unset"))
    return editing.ResourceChange(set=_resources(members.get("set")), unset=tuple(unset))


def annotation_change(json: object) -> editing.AnnotationChange:
    """Read `add`, `remove` and `remove_key` of a change of annotations. Raises `InvalidInput`."""
    members = _object("the change", json)
    return editing.AnnotationChange(
        add=_annotations("add", members), remove=_annotations("remove", members),
        remove_keys=tuple(key.strip() for key in _texts("remove_key", members.get("remove_key"))),
    )  # fmt: skip


def service_account(json: object) -> editing.ServiceAccountChange:
    """Read the service account that a Plan shall have. Raises `InvalidInput`."""
    name = _object("the change", json).get("service_account")
    return editing.ServiceAccountChange(_text("service_account", name))


def retry_change(json: object) -> editing.RetryChange:
    """Read the policy by which the Runs of a Plan shall be tried. Raises `InvalidInput`."""
    return editing.RetryChange(_retry(json))


def timeout_change(json: object) -> editing.TimeoutChange:
    """Read how long an attempt of a Plan's Runs may take. Raises `InvalidInput`."""
    return editing.TimeoutChange(_duration("timeout", _object("the change", json).get("timeout")))


def tags_of_query(texts: Iterable[str]) -> tuple[Tag, ...]:
    """Read the tags to look for, each `key:value`. Raises `InvalidInput`.

    A `knit#transient` that no Data can have is let through: nothing is found, as with Knitfab.
    """
    return tuple(tags.parse_wanted(text) for text in texts)


def user_tags_of_query(texts: Iterable[str]) -> tuple[Tag, ...]:
    """Read the tags that a pushed Data shall get; system tags are refused. Raises `InvalidInput`."""
    return tags.require_user(tags.parse(text) for text in texts)


def tag_of(name: str, value: object) -> Tag:
    """Read `key:value`, or an object with `key` and `value`, which is taken untrimmed. Raises `InvalidInput`."""
    if isinstance(value, dict):
        key, text = (_text(f"{name}.{member}", value.get(member)) for member in ("key", "value"))
        return _named(name, tags.check, Tag(key, text))
    if not isinstance(value, str):
        raise _wrong(name, "a string key:value", value)
    return _named(name, tags.parse, _text(name, value))


def time_window(since: str | None, duration: str | None) -> tuple[int | None, int | None]:
    """Read `since` (RFC 3339) and `duration` (such as `1h30m`) into [since, until), in milliseconds.

    Raises `InvalidInput`, also for a duration without `since`.
    """
    if since is None:
        if duration is not None:
            raise InvalidInput("duration needs since", advice="Give both, or since alone.")
        return None, None
    if " " in since:
        raise InvalidInput(f"since: not a date and time: {since!r}", advice="Write T for the blank, and + as %2B.")
    start = _named("since", times.parse_instant, since)
    return start, None if duration is None else start + _named("duration", times.parse_duration, duration)


def depth(name: str, text: str | None) -> int | None:
    """Read how many steps a graph goes: a number from 0, or `all` (None). Left out means 0. Raises `InvalidInput`."""
    if text is None:
        return 0
    if text == "all":
        return None
    if text.isascii() and text.isdigit() and len(text) < 10:
        return int(text)
    raise InvalidInput(f"{name} is not a depth: {text!r}", advice="Write a number from 0, or all.")


def boolean(name: str, text: str | None) -> bool | None:
    """Read a bool of a query; left out means None. Raises `InvalidInput`."""
    if text is None or not text:
        return None
    found = BOOLS.get(text.lower())
    if found is None:
        raise InvalidInput(f"{name} is not a bool: {text!r}", advice="Write true or false.")
    return found


def count(name: str, text: str | None, default: int) -> int:
    """Read a number from 0 of a query; left out means `default`. Raises `InvalidInput`."""
    if not text:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise InvalidInput(f"{name} is not a number: {text!r}", advice="Write a number from 0.")
    return int(text)


def kinds(texts: Iterable[str]) -> tuple[str, ...]:
    """Read which kinds of ids are asked for. Raises `InvalidInput`."""
    found = tuple(texts)
    for each in found:
        if each not in KINDS:
            raise InvalidInput(f"unknown kind: {each!r}", advice=f"Known are {', '.join(KINDS)}.")
    return found


KINDS = ("data", "plan", "run")
"""What has ids."""

BOOLS = {
    "true": True, "yes": True, "on": True, "1": True, "y": True, "t": True,
    "false": False, "no": False, "off": False, "0": False, "n": False, "f": False,
}  # fmt: skip
"""Words for true and false, in lower case."""


# --- members ----------------------------------------------------------------------------------------------------------


def _named(name: str, read: Callable[[_T], _R], value: _T) -> _R:
    """Read `value`, putting the member's name before what is wrong with it."""
    try:
        return read(value)
    except InvalidInput as err:
        raise InvalidInput(f"{name}: {err.reason}", advice=err.advice, see=err.see) from err


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a bool", int: "a number", float: "a number"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def _wrong(name: str, due: str, value: object) -> InvalidInput:
    return InvalidInput(f"{name} must be {due}, not {_kind(value)}", advice=f"Write {name} as {due}.")


def _object(name: str, value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    return value


def _list(name: str, value: object) -> list[object]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _wrong(name, "a list", value)
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)
    if "\0" in value:
        raise InvalidInput(f"{name} holds a NUL character", advice="Remove it.")
    try:
        value.encode()
    except UnicodeEncodeError as err:
        raise InvalidInput(
            f"{name} is not valid Unicode text", advice="Write it in UTF-8, without half surrogates."
        ) from err
    return value


def _optional_text(name: str, value: object) -> str | None:
    return None if value is None else _text(name, value) or None


def _texts(name: str, value: object) -> list[str]:
    return [_text(f"{name}[{at}]", each) for at, each in enumerate(_list(name, value))]


def _bool(name: str, value: object, *, default: bool) -> bool:
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _wrong(name, "a bool", value)
    return value


def _mounts(name: str, value: object) -> list[tuple[str, list[Tag]]]:
    if isinstance(value, dict):  # the extended plan language; read as a list it would be a wider Plan
        raise Unsupported(
            f"{name} is written as a mapping; this version reads a list",
            advice=f"Write each entry of {name} as an object with path and tags.",
        )
    found = []
    for at, each in enumerate(_list(name, value)):
        where = f"{name}[{at}]"
        members = _object(where, each)
        if members.get("path") is None:
            raise InvalidInput(f"{where}.path is missing", advice="Write the absolute path the program uses.")
        found.append((_text(f"{where}.path", members["path"]), _tags(f"{where}.tags", members)))
    return found


def _tags(name: str, members: Mapping[str, object]) -> list[Tag]:
    return _tag_list(name, members.get("tags"))


def _tag_list(name: str, value: object) -> list[Tag]:
    return [tag_of(f"{name}[{at}]", each) for at, each in enumerate(_list(name, value))]


def _annotations(name: str, members: Mapping[str, object]) -> tuple[plans.Annotation, ...]:
    texts = _texts(name, members.get(name))
    return tuple(_named(f"{name}[{at}]", plans.parse_annotation, text) for at, text in enumerate(texts))


def _on_node(value: object) -> list[plans.OnNode]:
    if value is None:
        return []
    members = _object("on_node", value)
    return [
        plans.parse_wish(mode, text)
        for mode in plans.Preference
        for text in _texts(f"on_node.{mode.value}", members.get(mode.value))
    ]


def _resources(value: object) -> dict[str, str]:
    """Read quantities; a bare number is its own text."""
    found = {}
    for name, quantity in ({} if value is None else _object("resources", value)).items():
        if isinstance(quantity, (int, float)) and not isinstance(quantity, bool):
            found[name] = str(quantity)
        else:
            found[name] = _text(f"resources.{name}", quantity)
    return found


def _retry(value: object) -> RetryPolicy:
    members = _object("retry", value)
    tries = members.get("tries")
    if not isinstance(tries, int) or isinstance(tries, bool):
        raise InvalidInput("retry.tries is missing or no number", advice="Write how often a Run is tried in all.")
    wait = 0 if members.get("wait") is None else _duration("retry.wait", members["wait"])
    if members.get("on") is None:
        return RetryPolicy(tries=tries, wait=wait)
    return RetryPolicy(tries=tries, wait=wait, on=tuple(_texts("retry.on", members["on"])))


def _duration(name: str, value: object) -> int:
    return _named(name, times.parse_duration, _text(name, value))


def _refuse_system_key(key: str) -> str:
    tags.refuse_system_key(key)
    return key
