"""Every error meant for people, in one tree.

    KnitError                  something a person can understand and act on
    ├── InvalidInput           the request, file or value itself is wrong
    │   ├── Unsupported        understood, but not offered (yet)
    │   └── Untrusted          a token that Knit did not give, or whose time is over
    ├── NotFound               no such Data, Plan, Run, image or path
    ├── Conflict               right in itself, but not in the present state
    │   ├── EquivalentPlan     the same Plan is registered already
    │   ├── CyclicPlan         the Plan would feed itself
    │   ├── InvalidTransition  the Run's status does not allow this
    │   └── NotUsable          the Data has no content (yet)
    ├── Unavailable            try again later
    ├── OutOfSpace             the disk or the store is full
    └── Damaged                stored bytes are not what was stored

`reason` says what is wrong, `advice` what to do next, `see` where to read on. Anything that is not a `KnitError` is a
defect of Knit: it is logged, and people are told only that it happened.
"""

from __future__ import annotations


class KnitError(Exception):
    """Something went wrong that a person can act on."""

    def __init__(self, reason: str, *, advice: str | None = None, see: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.advice = advice
        self.see = see

    def __str__(self) -> str:
        return self.reason if self.advice is None else f"{self.reason}\n{self.advice}"


class InvalidInput(KnitError):
    """The request, file or value is wrong in itself; repeating it will not help."""


class Unsupported(InvalidInput):
    """The request is understood, but Knit does not offer it."""


class Untrusted(InvalidInput):
    """The request comes with a token that Knit did not give, or whose time is over."""


class NotFound(KnitError):
    """There is no such thing."""


class Conflict(KnitError):
    """The request is right in itself, but the present state does not allow it."""


class EquivalentPlan(Conflict):
    """A Plan with the same identity is registered already; it may be archived."""

    def __init__(self, plan_id: str, *, archived: bool = False) -> None:
        super().__init__(
            f"there is an equivalent Plan already{', archived' if archived else ''}: {plan_id}",
            advice=f"Take it out of the archive: knit plan archive --undo {plan_id}"
            if archived
            else f"Use it as it is (`knit plan show {plan_id}`), or change its image, paths, tags or arguments.",
        )
        self.plan_id = plan_id


class CyclicPlan(Conflict):
    """The Plan's outputs would feed its own inputs, directly or through other Plans."""

    def __init__(self, path: list[str]) -> None:
        super().__init__(
            "plan's tag dependency makes cycle: " + " -> ".join(path),
            advice="Give the output or the input a tag that tells them apart, or pin the input with knit#id.",
        )
        self.path = path


class InvalidTransition(Conflict):
    """The Run's status does not allow this change."""


class NotUsable(Conflict):
    """The Data has no content that could be read: its Run has not finished, or was cut off."""


class Unavailable(KnitError):
    """Not now; the same request may succeed later."""


class OutOfSpace(KnitError):
    """The disk or the store is full."""


class Damaged(KnitError):
    """Stored bytes do not have the hash under which they were stored; they are never handed out as good."""
