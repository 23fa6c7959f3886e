"""Errors are what libraries catch and what people read."""

from __future__ import annotations

import errno
import pickle

import pytest

from knit_lab.filesystem import errors
from knit_server.domain.errors import (
    Conflict,
    Damaged,
    EquivalentPlan,
    InvalidInput,
    KnitError,
    NotFound,
    NotUsable,
    OutOfSpace,
    Unavailable,
)
from knit_server.wire.errors import from_response


@pytest.mark.parametrize(
    ("was", "kind", "number"),
    [
        (NotFound("r", advice="a"), FileNotFoundError, errno.ENOENT),
        (Unavailable("r", advice="a"), ConnectionError, errno.ECONNREFUSED),
        (NotUsable("r", advice="a"), OSError, errno.EAGAIN), (Conflict("r", advice="a"), OSError, errno.EAGAIN),
        (Damaged("r", advice="a"), OSError, errno.EIO), (InvalidInput("r", advice="a"), OSError, errno.EINVAL),
        (OutOfSpace("r", advice="a"), OSError, errno.EIO),
        (from_response(403, b'{"reason": "r", "advice": "a"}'), PermissionError, errno.EACCES),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_kinds(was: KnitError, kind: type[OSError], number: int) -> None:
    """Each is an `OSError` of the right kind and number, the `KnitError` it was, and has its words, pickled, too."""
    with pytest.raises(kind) as caught, errors.translated():
        raise was
    for err in (caught.value, pickle.loads(pickle.dumps(caught.value))):
        assert isinstance(err, kind)
        assert isinstance(err, KnitError)
        assert (err.errno, err.reason, err.advice, str(err)) == (number, "r", "a", "r\na")
    assert caught.value.__cause__ is was


def test_translated_once() -> None:
    """What is one already stays as it is."""
    first = errors.read_only("x")
    with pytest.raises(OSError, match="never changes") as caught, errors.translated():
        raise first
    assert caught.value is first


def test_others_pass() -> None:
    """Defects are not dressed up."""
    with pytest.raises(ZeroDivisionError), errors.translated():
        raise ZeroDivisionError


def test_every_error_of_knit_is_known() -> None:
    """Also those with words of their own."""
    assert isinstance(errors.of(EquivalentPlan("x")), OSError)
    assert isinstance(errors.of(KnitError("x")), OSError)
