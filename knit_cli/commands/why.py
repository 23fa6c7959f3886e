"""`knit why`: why did it run, why did it not, why does it not move?"""

from __future__ import annotations

import click

from knit_cli import frame, hosting, output, session

_FORMS = ("text", "json")


@click.command(
    "why", cls=frame.Command, add_help_option=False,
    help="Explain why a Data, a Plan or a Run did what it did, or did not.\n"
    "Of a Data: the inputs it fits, what came of them, and those it nearly fits. Of a Plan: what fits its inputs.\n"
    "Of a Run: where it comes from, what it waits for, how it ended. The last lines say what to do next.",
)  # fmt: skip
@frame.value("--output", "form", metavar="text|json", default="text", help="How to print the answer.")
@frame.argument("what", "ID", "The Data, Plan or Run.")
@frame.argument("plan_id", "PLAN_ID", "With a Data: explain it with regard to this Plan alone.", default="")
def why(what: str, plan_id: str, form: str) -> None:
    """Print the answer."""
    if form not in _FORMS:
        raise frame.usage(f"--output is one of {', '.join(_FORMS)}, not {form!r}")
    with session.connected() as knit, session.refused(f"{what} cannot be explained"):
        found = knit.why(what, plan_id or None)
    if form == "json":
        output.print_json(found)
        return
    if hosting.given(found):
        return
    from knit_server.wire import why as words

    output.emit(output.shown(words.text(found)))
