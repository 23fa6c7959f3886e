"""Errors across HTTP, there and back."""

from __future__ import annotations

import json

import pytest

from knit_server.domain import errors as domain
from knit_server.wire import errors


@pytest.mark.parametrize(
    ("err", "code"),
    [
        (domain.InvalidInput("x"), 400),
        (domain.Unsupported("x"), 400),
        (domain.NotFound("x"), 404),
        (domain.Conflict("x"), 409),
        (domain.EquivalentPlan("p"), 409),
        (domain.Unavailable("x"), 503),
        (domain.OutOfSpace("x"), 507),
        (domain.Damaged("x"), 500),
        (domain.KnitError("x"), 500),
        (ZeroDivisionError("secret"), 500),
    ],
)
def test_status(err: Exception, code: int) -> None:
    """Each error has one status; what is no KnitError is 500."""
    assert errors.status(err) == code


def test_body() -> None:
    """The message joins reason and advice; missing parts are left out; a defect leaks nothing."""
    assert errors.body(domain.NotFound("no x", advice="look", see="doc")) == {
        "message": "no x\nlook", "reason": "no x", "advice": "look", "see": "doc",
    }  # fmt: skip
    assert list(errors.body(domain.NotFound("no x"))) == ["message", "reason"]
    assert "secret" not in json.dumps(errors.body(ZeroDivisionError("secret")))


@pytest.mark.parametrize("kind", [domain.InvalidInput, domain.NotFound, domain.Conflict, domain.Unavailable,
                                  domain.OutOfSpace])  # fmt: skip
def test_round_trip(kind: type[domain.KnitError]) -> None:
    """An error comes out of a response as it went in, and knows its status."""
    sent = kind("reason", advice="advice", see="see")
    came = errors.from_response(errors.status(sent), json.dumps(errors.body(sent)).encode())
    assert (type(came), came.reason, came.advice, came.see) == (kind, "reason", "advice", "see")
    assert errors.code_of(came) == errors.status(sent)
    assert errors.code_of(sent) is None


@pytest.mark.parametrize(
    ("code", "content", "told"),
    [
        (404, {"message": "Not Found"}, "Not Found"),
        (409, {"message": {"reason": "r", "advice": "a"}}, "r\na"),
        (409, b'{"reason": "r"}', "r"),
        (400, b"plain text\n", "plain text"),
        (400, b'["odd"]', '[\n    "odd"\n]'),
        (400, b"{broken", "{broken"),
        (502, b"<html>gateway</html>", "502 Bad Gateway\nA proxy stands"),
        (599, b"", "599 (unknown status)"),
        (401, b"", "401 Unauthorized\nThe server asks for a token"),
        (403, {"message": "Forbidden"}, "Forbidden\nRun `knit init` again"),
        (403, {"reason": "its token is wrong", "advice": "Send a header."}, "its token is wrong\nRun `knit init`"),
        (403, {"reason": "no such name", "advice": "Ask at localhost."}, "no such name\nAsk at localhost."),
        (301, b"", "the server redirects\nPut the final address"),
    ],
)
def test_foreign_bodies(code: int, content: object, told: str) -> None:
    """Bodies of other servers and proxies are shown as well as they can be."""
    assert str(errors.from_response(code, content)).startswith(told)
