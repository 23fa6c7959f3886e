"""Errors across HTTP: which status a `KnitError` has, how its body reads, and the way back."""

from __future__ import annotations

import json
from http import HTTPStatus

from knit_server.domain.errors import (
    Conflict,
    Damaged,
    InvalidInput,
    KnitError,
    NotFound,
    OutOfSpace,
    Unavailable,
    Untrusted,
)
from knit_server.wire import shapes

_STATUS: tuple[tuple[type[KnitError], int], ...] = (
    (Untrusted, 401),
    (InvalidInput, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Unavailable, 503),
    (OutOfSpace, 507),
    (Damaged, 500),
)

_KIND: dict[int, type[KnitError]] = {
    400: InvalidInput,
    401: InvalidInput,
    403: InvalidInput,
    404: NotFound,
    405: InvalidInput,
    408: Unavailable,
    409: Conflict,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
    429: Unavailable,
    502: Unavailable,
    503: Unavailable,
    504: Unavailable,
    507: OutOfSpace,
}

_ADVICE: dict[int, str] = {
    401: "The server asks for a token: run `knit init` again with the server's knitprofile.",
    403: "Run `knit init` again with the server's knitprofile.",
    405: "Is apiRoot in the profile right? It ends in /knit/api.",
    413: "The server, or a proxy before it, takes no bodies of this size.",
    500: "It is noted in the server's log; what happened is told there.",
    502: "A proxy stands before the server and cannot reach it; is it running?",
    503: "Try again later.",
    504: "A proxy stands before the server and got no answer in time; is it running?",
}

_NOTE = "status code = "

INTERNAL = "something went wrong inside Knit"
"""All that people are told of a defect; the rest is in the server's log."""


def status(err: BaseException) -> int:
    """Return the HTTP status for an error; anything that is not a `KnitError` is 500."""
    return next((code for kind, code in _STATUS if isinstance(err, kind)), 500)


def body(err: BaseException) -> shapes.ErrorBody:
    """Write an error; of anything that is not a `KnitError` nothing is told."""
    known = err if isinstance(err, KnitError) else KnitError(INTERNAL, advice="It is noted in the server's log.")
    written: shapes.ErrorBody = {"message": str(known), "reason": known.reason}
    if known.advice is not None:
        written["advice"] = known.advice
    if known.see is not None:
        written["see"] = known.see
    return written


def from_response(code: int, content: bytes | str | object, location: str | None = None) -> KnitError:
    """Turn a failed response back into an error for people.

    `content` is the raw body or the JSON in it: Knit's own shape, `{"message": text}`, `{"message": {"reason": ...}}`
    or anything else, which is shown as it is. `location` is where a redirect points.
    """
    if 300 <= code < 400:
        error: KnitError = InvalidInput(
            f"the server redirects{f' to {location}' if location else ''}",
            advice="Put the final address into apiRoot of the profile; Knit follows no redirects, to send its token "
            "to nobody else.",
        )
        error.add_note(f"{_NOTE}{code}")
        return error
    reason, advice, see = _told(content)
    error = _KIND.get(code, InvalidInput if code < 500 else KnitError)(
        reason or f"{code} {_phrase(code)}", advice=advice or (None if reason else _ADVICE.get(code)), see=see
    )
    if code in (401, 403) and (error.advice is None or "token" in error.reason):  # who holds a profile sends no headers
        error.advice = _ADVICE[code]
    error.add_note(f"{_NOTE}{code}")  # tracebacks show it, and `code_of` reads it back
    return error


def from_body(content: object) -> KnitError:
    """Turn an error body that came inside a stream back into an error; its status is not known."""
    reason, advice, see = _told(content)
    return KnitError(reason, advice=advice, see=see)


def code_of(err: BaseException) -> int | None:
    """Return the HTTP status with which a server answered, None for an error that no server answered."""
    for note in getattr(err, "__notes__", ()):
        if note.startswith(_NOTE) and note[len(_NOTE) :].isdigit():
            return int(note[len(_NOTE) :])
    return None


def _told(content: bytes | str | object) -> tuple[str, str | None, str | None]:
    """Return reason, advice and see."""
    known = _decoded(content)
    if isinstance(known, str):
        return known, None, None
    if isinstance(known, dict):
        inner = known["message"] if isinstance(known.get("message"), dict) else known
        reason = inner.get("reason") or inner.get("message")
        if isinstance(reason, str):
            return reason.strip(), _text(inner.get("advice")), _text(inner.get("see"))
    return json.dumps(known, indent=4, ensure_ascii=False), None, None


def _decoded(content: bytes | str | object) -> object:
    if isinstance(content, bytes):
        content = content.decode("utf-8", "replace")
    if not isinstance(content, str):
        return content
    text = content.strip()
    if not text.startswith(("{", "[", '"')):
        return "" if text.lower().startswith(("<!doctype", "<html")) else text  # a page is nothing to read here
    try:
        return json.loads(text)
    except ValueError:
        return text


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _phrase(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return "(unknown status)"
