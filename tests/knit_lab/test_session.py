"""A notebook's way from a push to what a Plan made of it, on a real server."""

from __future__ import annotations

from collections.abc import Callable

from knit_lab.objects.runs import Run
from knit_lab.session import Session


def test_pushed_data_becomes_what_the_plan_makes_of_it(
    session: Session, case: str, ran: Callable[..., Run]
) -> None:  # fmt: skip
    """Push, plan, run, read: the whole way in a handful of words."""
    run = ran({"a.txt": "alpha\n", "below/b.txt": "beta\n"})
    assert run.status == "done"
    made = run.outputs["/out/made"]
    assert session.find(case.replace("case:", "made:"), newest=True) == made
    with made.open("below/b.txt", "r") as file:
        assert file.read() == "BETA\n"
    assert "made a.txt" in run.logs()
