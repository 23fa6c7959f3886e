"""The effective configuration: for each setting the value that counts, and where it was found.

What is given to the process itself (a flag of `knit serve`, a trait of the extension) goes before the environment, that
before the file, that before the default (docs/configuration.md, "Precedence").
"""

from __future__ import annotations

import contextlib
import enum
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knit_server.config import toml
from knit_server.config.kinds import FilePath, Proxies, Urls
from knit_server.config.secrets import is_masked, masked
from knit_server.config.table import BY_KEY, LOOPBACK, SETTINGS, Setting
from knit_server.domain.errors import InvalidInput, KnitError
from knit_server.service.home import locate

_LINKS = ("tcp://", "udp://", "sctp://")


class Source(enum.IntEnum):
    """Where values come from; the lower goes before the higher."""

    GIVEN = 1
    ENVIRONMENT = 2
    FILE = 3
    DEFAULT = 4


@dataclass(frozen=True)
class Origin:
    """Where a value was found: `where` is the flag, the trait, the variable or the file."""

    source: Source
    where: str = "default"


class Mismatch(InvalidInput):
    """A setting does not go together with another one; `source` says where it was found."""

    def __init__(self, reason: str, source: Source) -> None:
        super().__init__(reason)
        self.source = source


@dataclass(frozen=True)
class Configuration:
    """Every setting with its value and its origin. `file` is the one that was read."""

    values: Mapping[str, Any]
    origins: Mapping[str, Origin]
    file: Path | None

    def __getitem__(self, key: str) -> Any:
        return self.values[key]

    def error(self, key: str, reason: str, advice: str) -> InvalidInput:
        """Make the error that says where the value of `key` was found and what is wrong with it."""
        return _error(BY_KEY[key], self.origins[key], reason, advice)

    def mismatch(self, key: str, other: str, reason: str) -> Mismatch:
        """Make the error that says that the value of `key` does not go together with that of `other`."""
        origin = self.origins[key]
        told = BY_KEY[other].flag if origin.source is Source.GIVEN else other
        return Mismatch(f"{_place(BY_KEY[key], origin)} {reason.format(told)}", origin.source)


def by_flag(setting: Setting) -> str:
    """Name a setting as `knit serve` does."""
    return setting.flag


def by_trait(setting: Setting) -> str:
    """Name a setting as Jupyter does."""
    return setting.trait


def resolve(
    given: Mapping[str, Any], environ: Mapping[str, str], *, file: str | None = None,
    name: Callable[[Setting], str] = by_flag,
) -> Configuration:  # fmt: skip
    """Find the value of every setting. Raises `KnitError` that says where a bad one stands and what is allowed.

    `given` has what was given to the process itself, by key; None is nothing. `file` is the file that was named there.
    With `name=by_trait` the settings of `knit serve` alone are left at their defaults: they are Jupyter's matter.
    """
    inside = name is by_trait
    found = dict(_from_environment(environ, inside)) | dict(_from_process(given, name))
    path = toml.named(file, environ)
    is_own = path is None
    if path is None:
        path = (found["home"][0] if "home" in found else locate(None, {})) / toml.NAME
    read = dict(_from_file(path, inside)) if not is_own or _is_there(path) else None
    if is_own and read and "home" in read and read["home"][0] != path.parent:
        raise _error(
            BY_KEY["home"], read["home"][1], f"{read['home'][0]} is not the folder that this file is in",
            "Leave it out; a file that lies elsewhere may name a home: --config FILE or KNIT_CONFIG.",
        )  # fmt: skip
    found = (read or {}) | found
    settled = {each.key: found.get(each.key) or (_default(each), Origin(Source.DEFAULT)) for each in SETTINGS}
    result = Configuration(
        values={key: value for key, (value, _) in settled.items()},
        origins={key: origin for key, (_, origin) in settled.items()},
        file=None if read is None else path,
    )
    _check(result)
    return result


_Found = tuple[str, tuple[Any, Origin]]


def _default(setting: Setting) -> Any:
    return locate(None, {}) if setting.key == "home" else setting.default


def _from_process(given: Mapping[str, Any], name: Callable[[Setting], str]) -> Iterator[_Found]:
    for key, value in given.items():
        if key not in BY_KEY:  # in a trait that holds a section
            raise toml.unknown(key, "KnitExtension")
        setting = BY_KEY[key]
        if value is None or (key == "home" and not value):
            continue
        origin = Origin(Source.GIVEN, name(setting))
        reader = setting.kind.parse if isinstance(value, str) else setting.kind.read
        yield key, (_settled(setting, reader, value, origin, Path.cwd), origin)


def _from_environment(environ: Mapping[str, str], inside: bool) -> Iterator[_Found]:
    for setting in SETTINGS:
        text = environ.get(setting.variable, "")
        if not text or (inside and not setting.in_jupyter):
            continue
        if setting.key == "port" and text.startswith(_LINKS):  # Kubernetes sets KNIT_PORT for a service named knit
            continue
        origin = Origin(Source.ENVIRONMENT, setting.variable)
        yield setting.key, (_settled(setting, setting.kind.parse, text, origin, Path.cwd), origin)


def _from_file(path: Path, inside: bool) -> Iterator[_Found]:
    for key, value in toml.load(path).items():
        setting, origin = BY_KEY[key], Origin(Source.FILE, str(path))
        read = _settled(setting, setting.kind.read, value, origin, lambda: path.parent)
        if not (inside and not setting.in_jupyter) and not (key == "home" and value == ""):
            yield key, (read, origin)


def _settled(
    setting: Setting, reader: Callable[[Any], Any], value: Any, origin: Origin, folder: Callable[[], Path]
) -> Any:
    """Read a value; paths become absolute."""
    try:
        read = reader(value)
    except ValueError as err:
        shown = masked(str(value)) if setting.secret else str(value)
        told = repr(shown[:80]) if isinstance(value, str) else shown[:80]
        raise _error(setting, origin, f"{told} is not allowed", f"Write {setting.kind.allowed}.") from err
    if isinstance(setting.kind, FilePath) and read:
        absolute = os.path.abspath(folder() / read)
        return Path(absolute) if setting.key == "home" else absolute
    return read


def _error(setting: Setting, origin: Origin, reason: str, advice: str) -> InvalidInput:
    return InvalidInput(f"{_place(setting, origin)}: {reason}", advice=advice)


def _place(setting: Setting, origin: Origin) -> str:
    return f"{origin.where}: {setting.key}" if origin.source is Source.FILE else origin.where


def _is_there(path: Path) -> bool:
    try:
        return os.path.lexists(path)
    except ValueError:
        return False


# --- what values must be to each other --------------------------------------------------------------------------------


def _check(found: Configuration) -> None:
    for setting in SETTINGS:
        if setting.secret and any(is_masked(text) for text in _texts(setting, found[setting.key])):
            raise found.error(
                setting.key, "the secret in it is masked",
                f"Write it in, or set {setting.variable}, which goes before the file.",
            )  # fmt: skip
    if found["keyfile"] and not found["certfile"]:
        raise found.mismatch("keyfile", "certfile", "needs {}")
    if found["anonymous_loopback"] and found["host"] not in LOOPBACK:
        raise found.mismatch("anonymous_loopback", "host", f"needs a {{}} of the loopback: {', '.join(LOOPBACK)}")
    _check_urls(found)


def _check_urls(found: Configuration) -> None:
    """Ask those who will use them. They are loaded only where there is something to check."""
    for key in ("hooks.before", "hooks.after"):
        if found[key]:
            from knit_server.hooks import settings

            with _told(found, key, found[key]):
                settings.checked(settings.HookSettings(**{BY_KEY[key].name: found[key]}))
    if apis := found["extra_apis"]:
        from knit_server.hooks import extra

        with _told(found, "extra_apis", ()):
            extra.checked((extra.ExtraApi(path, target) for path, target in apis), name="entry")


@contextlib.contextmanager
def _told(found: Configuration, key: str, urls: Iterable[str]) -> Iterator[None]:
    """Tell what is wrong with a value together with its place, and without its secrets."""
    try:
        yield
    except KnitError as err:
        reason = err.reason.removeprefix(f"{key}: ")
        for url in urls:
            reason = reason.replace(repr(url), repr(masked(url)))
        raise found.error(key, reason, err.advice or f"Write {BY_KEY[key].kind.allowed}.") from None


def _texts(setting: Setting, value: Any) -> Iterator[str]:
    if isinstance(setting.kind, Urls):
        yield from value
    elif isinstance(setting.kind, Proxies):
        yield from (target for _, target in value)
    else:
        yield value
