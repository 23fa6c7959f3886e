"""Amounts of resources."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knit_server.domain import resources
from knit_server.domain.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", "1"), ("0.5", "0.5"), ("500m", "0.5"), ("1Gi", "1073741824"), ("1G", "1000000000"),
     ("2e3", "2000"), ("1E", "1e18"), ("1E2", "100"), (".5Ki", "512"), ("1.", "1"), ("+1", "1"),
     ("0", "0"), ("0e30", "0"),
     ("1n", "1e-9"), ("1u", "1e-6"), ("1k", "1000"), ("1Ei", str(2**60)), ("3Ti", str(3 * 2**40)), ("1Mi", "1048576")],
)  # fmt: skip
def test_quantities(text: str, value: str) -> None:
    """Kubernetes' notation: decimal and binary suffixes, or an exponent."""
    assert resources.parse(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    ["", "Gi", "1 Gi", "1gi", "1K", "1e", "-1", "2Ei", "1e99", "1e999999999999999999", "1e-99999999999999999999", "NaN",
     "Infinity", "0x10", "1_000", "٣", "1Gi\n", "1,5", "9" * 100_000],
    ids=lambda text: ascii(text[:25]),
)  # fmt: skip
def test_hostile_quantities_are_refused(text: str) -> None:
    """Negative, endless and misspelt amounts are refused with a short message."""
    with pytest.raises(InvalidInput) as caught:
        resources.parse(text)
    assert len(str(caught.value)) < 300


@given(st.text(alphabet="0123456789.eE+-numkMGi٣ "))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but a value from zero to an exbibyte, or an error for people, comes back."""
    with contextlib.suppress(InvalidInput):
        assert 0 <= resources.parse(text) <= 2**60


def test_defaults() -> None:
    """One cpu and one gibibyte are filled in, explicit amounts stay, names are sorted (scenario 20)."""
    assert resources.check({}) == {"cpu": "1", "memory": "1Gi"}
    given_resources = {"nvidia.com/gpu": "1", "cpu": "500m"}
    assert list(resources.check(given_resources).items()) == [
        ("cpu", "500m"),
        ("memory", "1Gi"),
        ("nvidia.com/gpu", "1"),
    ]
    assert resources.DEFAULTS == {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    "wrong", [{"c p u": "1"}, {"": "1"}, {"cpu/": "1"}, {"-x": "1"}, {"cpu": "much"}, {"cpu\n": "1"}]
)
def test_wrong_resources(wrong: dict[str, str]) -> None:
    """A bad name is refused; a bad amount is refused naming the resource."""
    with pytest.raises(InvalidInput, match=r"not a resource name|resources\.cpu"):
        resources.check(wrong)
