"""Tab behind `%knit` and `%%knit`: words of the command line, ids, tags and images (`knit_cli.completion`)."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)

from knit_cli import completion
from knit_cli.frame import Root
from knit_lab.magics import tree
from knit_lab.session import Session
from knit_server.client.api import KnitClient

_LINE = re.compile(r"^\s*(?:[\w.\[\]'\"]+\s*=\s*)?(?P<mark>%%?)knit\s+(?P<words>.*)$", re.DOTALL)

Ask = Callable[[Callable[[KnitClient], completion.Items]], completion.Items]


def matcher(sessions: Callable[[Root], Session]) -> Callable[[CompletionContext], SimpleMatcherResult]:
    """Return the matcher for IPython's completer; it speaks through the session that `sessions` gives."""

    def ask(root: Root, look: Callable[[KnitClient], completion.Items]) -> completion.Items:
        return _in_time(lambda: look(sessions(root).client))

    def complete(context: CompletionContext) -> SimpleMatcherResult:
        found = _LINE.match(context.text_until_cursor)
        if found is None:
            return SimpleMatcherResult(completions=[])
        words = completion.split(found["words"])
        command = tree.CELL if found["mark"] == "%%" else tree.LINE
        items = completion.candidates(words[:-1], words[-1], ask, command)
        plain = [each for each in items if each.type == "plain"]
        return SimpleMatcherResult(
            completions=[SimpleCompletion(each.value, type=each.help or "knit") for each in plain],
            matched_fragment=words[-1],
            suppress=len(plain) == len(items),  # files are IPython's own to complete
            ordered=True,
        )

    marked: Callable[[CompletionContext], SimpleMatcherResult] = context_matcher(identifier="knit")(complete)
    return marked


def _in_time(look: Callable[[], completion.Items]) -> completion.Items:
    """Ask, but wait no longer than a shell would; without an answer there is nothing to offer."""
    found: completion.Items = []

    def work() -> None:
        with contextlib.suppress(Exception):  # nobody is helped by a message in the middle of a line
            found.extend(look())

    thread = threading.Thread(target=work, name="knit-complete", daemon=True)
    thread.start()
    thread.join(completion.PATIENCE)
    return list(found)
