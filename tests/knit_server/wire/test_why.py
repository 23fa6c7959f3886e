"""Explanations as JSON, and as the text that `knit why` prints (golden)."""

from __future__ import annotations

from knit_server.domain.ids import KnitId, PlanId, RunId
from knit_server.domain.matching import Reason
from knit_server.domain.runs import Status
from knit_server.domain.tags import Tag
from knit_server.domain.why import Code, Explanation, Kind, Point, Receipt
from knit_server.wire import why

RAW = (Tag("type", "raw"),)
FOUND = Explanation(
    kind=Kind.DATA,
    id="d1",
    standing="usable",
    points=(
        Point(
            code=Code.NO_PARTNER, text='fits "/in" of Plan p1 (lab/x:1): no Run, since "/more" has no Data',
            plan_id=PlanId("p1"), path="/in", runs={Status.INVALIDATED: 2},
            below=(
                Point(
                    code=Code.LACKS_TAG, text="nearest: Data d2 lacks type:raw", knit_id=KnitId("d2"), tags=RAW,
                    step="knit data tag --add type:raw d2",
                ),
            ),
        ),
        Point(code=Code.EXIT, text="its program failed\nbadly", run_id=RunId("r1"), detail={"attempt": 1}),
    ),
    receipts=tuple(
        Receipt(
            at=1_800_000_000_000 + n, event="push", reason=Reason.LACKS_TAG, knit_id="d1", plan_id="p1", path="/in",
            count=1 + n, detail={"missing": ["type:raw"]},
        )
        for n in range(6)
    ),
    steps=("knit data tag --add type:raw d2",),
    log=("one", "two"),
    omitted=3,
)  # fmt: skip

TEXT = """\
Data d1: usable
  no-partner        fits "/in" of Plan p1 (lab/x:1): no Run, since "/more" has no Data
    lacks-tag         nearest: Data d2 lacks type:raw
  exit              its program failed
                    badly
  and 3 more inputs that it fits
the end of its log:
  | one
  | two
decided then:
  2027-01-15T08:00:00+00:00  push: lacks-tag: Data d1 at "/in" of Plan p1; missing type:raw
  2027-01-15T08:00:00.001+00:00  push: lacks-tag (2 times): Data d1 at "/in" of Plan p1; missing type:raw
  2027-01-15T08:00:00.002+00:00  push: lacks-tag (3 times): Data d1 at "/in" of Plan p1; missing type:raw
  2027-01-15T08:00:00.003+00:00  push: lacks-tag (4 times): Data d1 at "/in" of Plan p1; missing type:raw
  2027-01-15T08:00:00.004+00:00  push: lacks-tag (5 times): Data d1 at "/in" of Plan p1; missing type:raw
  and more before; --output json shows them
next:
  knit data tag --add type:raw d2
"""


def test_json() -> None:
    """Members that are empty are left out of points; the rest of the answer is always there."""
    written = why.encode(FOUND)
    assert list(written) == ["kind", "id", "standing", "now", "then", "log", "next", "omitted"]
    assert written["now"] == [
        {
            "code": "no-partner",
            "text": 'fits "/in" of Plan p1 (lab/x:1): no Run, since "/more" has no Data',
            "planId": "p1",
            "path": "/in",
            "runs": {"invalidated": 2},
            "points": [
                {
                    "code": "lacks-tag", "text": "nearest: Data d2 lacks type:raw", "knitId": "d2",
                    "tags": ["type:raw"],
                }
            ],
        },
        {"code": "exit", "text": "its program failed\nbadly", "runId": "r1", "detail": {"attempt": 1}},
    ]  # fmt: skip
    assert written["then"][0] == {
        "at": "2027-01-15T08:00:00+00:00", "event": "push", "code": "lacks-tag", "knitId": "d1", "planId": "p1",
        "path": "/in", "count": 1, "detail": {"missing": ["type:raw"]},
    }  # fmt: skip
    assert (written["log"], written["next"]) == (["one", "two"], ["knit data tag --add type:raw d2"])


def test_text() -> None:
    """The text, word by word; it ends with the next step."""
    assert why.text(why.encode(FOUND)) == TEXT
