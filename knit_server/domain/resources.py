"""Amounts of cpu, memory and other resources, in the notation of Kubernetes quantities (`500m`, `1Gi`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from knit_server.domain.errors import InvalidInput

DEFAULTS: Mapping[str, str] = {"cpu": "1", "memory": "1Gi"}
"""What a Plan gets that names no amount (docs/rules.md, "Plans")."""

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIXES = {name: Decimal(10) ** n for name, n in _DECIMAL.items()}
_SUFFIXES |= {name: Decimal(2) ** n for name, n in _BINARY.items()}
_NUMBER = r"[+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})"
_QUANTITY = re.compile(rf"({_NUMBER})(?:([eE][+-]?[0-9]{{1,3}})|([numkMGTPE]|[KMGTPE]i)?)")
_MOST = _SUFFIXES["Ei"]  # more is a slip of the keyboard
_NAME = re.compile(
    r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]{0,251}[A-Za-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)


def parse(text: str) -> Decimal:
    """Read a quantity: cores for cpu, bytes for memory. Raises `InvalidInput`."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise InvalidInput(f"not a quantity: {text[:60]!r}", advice="Write a number and a unit, like 0.5, 500m or 2Gi.")
    number, exponent, suffix = match.groups()
    value = Decimal(number + exponent) if exponent else Decimal(number) * _SUFFIXES[suffix or ""]
    if not 0 <= value <= _MOST:
        raise InvalidInput(f"the quantity {text[:60]!r} is out of range", advice="Write an amount from 0 to 1Ei.")
    return value


def check(resources: Mapping[str, str]) -> dict[str, str]:
    """Return `resources` sorted by name, with the defaults filled in. Raises `InvalidInput`."""
    return dict(sorted({**DEFAULTS, **checked(resources)}.items()))


def checked(resources: Mapping[str, str]) -> dict[str, str]:
    """Return `resources` sorted by name, and nothing else. Raises `InvalidInput`."""
    for name, quantity in resources.items():
        if not _NAME.fullmatch(name):
            raise InvalidInput(f"not a resource name: {name!r}", advice="Write a name like cpu or nvidia.com/gpu.")
        try:
            parse(quantity)
        except InvalidInput as err:
            raise InvalidInput(f"resources.{name}: {err.reason}", advice=err.advice) from err
    return dict(sorted(resources.items()))
