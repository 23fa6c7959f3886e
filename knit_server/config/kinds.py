"""The kinds of values that settings have: how each is read from TOML, from plain text, and written.

In TOML a value has a type, and `read` takes no other. In the environment, in a flag and in a trait on Jupyter's command
line it is text, which `parse` understands. `write` gives TOML that `read` reads as the same value.
"""

from __future__ import annotations

import json
import math
import os
import re
from dataclasses import dataclass
from typing import Any, Protocol

from knit_server.domain import resources, times
from knit_server.domain.errors import InvalidInput

ALL = "all"
"""What is written for a bound that is none: TOML has no null."""

_LARGEST = 1 << 62
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1))
_DAYS = re.compile(r"(?:(\d{1,5})d)?(.*)", re.ASCII | re.DOTALL)
_TABLES = re.compile(r"([^=\s]+)=(\S+)")


class Kind(Protocol):
    """One kind of value. `read` and `parse` raise `ValueError` for what is not `allowed`."""

    @property
    def allowed(self) -> str:
        """What may be written, in words."""

    def read(self, value: Any) -> Any:
        """Return the value that stands in TOML as `value`."""

    def parse(self, text: str) -> Any:
        """Return the value that is `text` outside of TOML."""

    def write(self, value: Any) -> str:
        """Return `value` as TOML."""


def quoted(text: str) -> str:
    """Return `text` as a string of TOML; JSON's strings are some of TOML's, but for DEL."""
    readable = text.encode("utf-8", "replace").decode()  # names of files may hold bytes that are no UTF-8
    return json.dumps(readable, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True)
class Text:
    """Any text, such as a URL or a host."""

    what: str = "a text"

    @property
    def allowed(self) -> str:
        """A text."""
        return self.what

    def read(self, value: Any) -> str:
        """Take a text without control characters."""
        if not isinstance(value, str) or any(ord(char) < 32 or char == "\x7f" for char in value):
            raise ValueError
        return value

    def parse(self, text: str) -> str:
        """Take it as it is."""
        return self.read(text)

    def write(self, value: Any) -> str:
        """Quote it."""
        return quoted(value)


@dataclass(frozen=True)
class FilePath(Text):
    """A file or folder, `~` for the user's home. Relative ones are made absolute by whoever knows what they are to."""

    what: str = "a path"

    def read(self, value: Any) -> str:
        """Take a path, with whatever characters it has."""
        if not isinstance(value, str) or "\0" in value:
            raise ValueError
        return os.path.expanduser(value)


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    words: tuple[str, ...]

    @property
    def allowed(self) -> str:
        """The words."""
        return "one of " + ", ".join(self.words) if len(self.words) > 1 else self.words[0]

    def read(self, value: Any) -> str:
        """Take one of them, in any case."""
        if not isinstance(value, str) or value.lower() not in self.words:
            raise ValueError
        return value.lower()

    def parse(self, text: str) -> str:
        """Take one of them."""
        return self.read(text)

    def write(self, value: Any) -> str:
        """Quote it."""
        return quoted(value)


@dataclass(frozen=True)
class YesNo:
    """Something that is so or not."""

    allowed = "true or false"

    def read(self, value: Any) -> bool:
        """Take a truth value."""
        if not isinstance(value, bool):
            raise ValueError
        return value

    def parse(self, text: str) -> bool:
        """Take one of the usual words."""
        if text.lower() not in _WORDS:
            raise ValueError
        return _WORDS[text.lower()]

    def write(self, value: Any) -> str:
        """As TOML has it."""
        return "true" if value else "false"


@dataclass(frozen=True)
class Whole:
    """A whole number."""

    least: int
    most: int

    @property
    def allowed(self) -> str:
        """The range."""
        return f"a whole number from {self.least} to {self.most}"

    def read(self, value: Any) -> int:
        """Take a whole number in the range."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.least <= value <= self.most:
            raise ValueError
        return value

    def parse(self, text: str) -> int:
        """Take its digits."""
        if not re.fullmatch(r"[0-9]{1,20}", text, re.ASCII):
            raise ValueError
        return self.read(int(text))

    def write(self, value: Any) -> str:
        """Its digits."""
        return str(value)


@dataclass(frozen=True)
class Cores:
    """Cores of the machine, or None for all of them."""

    allowed = 'a number of cores above 0, such as 2, 0.5 or "500m", or "all"'

    def read(self, value: Any) -> float | None:
        """Take a number, or a text."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError
        if not (math.isfinite(value) and 0 < value <= _LARGEST):
            raise ValueError
        return float(value)

    def parse(self, text: str) -> float | None:
        """Take a quantity of Kubernetes, or `all`."""
        return None if text.lower() == ALL else self.read(float(_quantity(text)))

    def write(self, value: Any) -> str:
        """A number, or `all`."""
        if value is None:
            return quoted(ALL)
        return str(int(value)) if value == int(value) else repr(float(value))


@dataclass(frozen=True)
class Bytes:
    """An amount of bytes, or None for all there are, where that is `unbounded`."""

    unbounded: bool = False

    @property
    def allowed(self) -> str:
        """The notation."""
        return 'bytes, such as "20Gi", "512M" or 1048576' + (f', or "{ALL}"' if self.unbounded else "")

    def read(self, value: Any) -> int | None:
        """Take a number, or a text."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= _LARGEST:
            raise ValueError
        return value

    def parse(self, text: str) -> int | None:
        """Take a quantity of Kubernetes, or `all`."""
        return None if self.unbounded and text.lower() == ALL else self.read(int(_quantity(text)))

    def write(self, value: Any) -> str:
        """In the largest unit that it is a whole number of."""
        if value is None:
            return quoted(ALL)
        for power, unit in ((40, "Ti"), (30, "Gi"), (20, "Mi"), (10, "Ki")):
            if value % (1 << power) == 0:
                return quoted(f"{value >> power}{unit}")
        return str(value)


@dataclass(frozen=True)
class Duration:
    """A time span, kept in milliseconds. A number without unit is seconds."""

    least: int = 0
    most: int = 100 * 365 * 86_400_000

    @property
    def allowed(self) -> str:
        """The notation and the range."""
        return (
            'a time such as "90s", "1h30m" or "30d", or a number of seconds, '
            f"from {_span(self.least)} to {_span(self.most)}"
        )

    def read(self, value: Any) -> int:
        """Take a number of seconds, or a text."""
        if isinstance(value, str):
            return self.parse(value)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError
        return self._within(round(value * 1000))

    def parse(self, text: str) -> int:
        """Take days, hours, minutes, seconds, milliseconds; digits alone are seconds."""
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,6})?", text, re.ASCII):
            return self._within(round(float(text) * 1000))
        days, rest = _DAYS.fullmatch(text.strip()).groups()  # type: ignore[union-attr] # it matches everything
        if days is None and not rest:
            raise ValueError
        try:
            return self._within(int(days or 0) * 86_400_000 + (times.parse_duration(rest) if rest else 0))
        except InvalidInput as err:
            raise ValueError(err.reason) from err

    def write(self, value: Any) -> str:
        """In the largest unit that it is a whole number of."""
        return quoted(_span(value))

    def _within(self, value: int) -> int:
        if not self.least <= value <= self.most:
            raise ValueError
        return value


@dataclass(frozen=True)
class Urls:
    """A list of URLs, told in order."""

    allowed = 'a list of URLs, such as ["http://localhost:8000/hook"]; outside of TOML, URLs with spaces between them'

    def read(self, value: Any) -> tuple[str, ...]:
        """Take a list of texts."""
        if not isinstance(value, list | tuple) or not all(isinstance(each, str) and each for each in value):
            raise ValueError
        return tuple(value)

    def parse(self, text: str) -> tuple[str, ...]:
        """Take words; a URL has no spaces."""
        return tuple(text.split())

    def write(self, value: Any) -> str:
        """An array."""
        return "[" + ", ".join(quoted(each) for each in value) + "]"


@dataclass(frozen=True)
class Proxies:
    """A list of path prefixes and where they lead: pairs (path, proxy_to)."""

    allowed = (
        'tables [[extra_apis]] with path = "/extra" and proxy_to = "http://localhost:9000/"; outside of TOML, '
        "PATH=URL with spaces between them"
    )

    def read(self, value: Any) -> tuple[tuple[str, str], ...]:
        """Take a list of tables with these two keys."""
        if not isinstance(value, list | tuple):
            raise ValueError
        return tuple(self._pair(each) for each in value)

    def parse(self, text: str) -> tuple[tuple[str, str], ...]:
        """Take words PATH=URL."""
        matches = [_TABLES.fullmatch(word) for word in text.split()]
        if not all(matches):
            raise ValueError
        return tuple((match[1], match[2]) for match in matches if match)

    def write(self, value: Any) -> str:
        """An array of tables in one line."""
        rows = (f"{{ path = {quoted(path)}, proxy_to = {quoted(target)} }}" for path, target in value)
        return "[" + ", ".join(rows) + "]"

    @staticmethod
    def _pair(value: Any) -> tuple[str, str]:
        if not isinstance(value, dict) or set(value) != {"path", "proxy_to"}:
            raise ValueError
        if not all(isinstance(each, str) and each for each in value.values()):
            raise ValueError
        return value["path"], value["proxy_to"]


def _quantity(text: str) -> Any:
    try:
        return resources.parse(text.strip())
    except InvalidInput as err:
        raise ValueError(err.reason) from err


def _span(milliseconds: int) -> str:
    """Write a time span in one unit."""
    for unit, size in _UNITS[:-1]:
        if milliseconds and milliseconds % size == 0:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"
