"""Making a Plan of a cell, step by step: check, try, image, code, Plan. Doing a step again changes nothing.

The Plan runs `python /knit/code/run.py` in an unchanged image; the code is an input pinned to the one Data that holds
it, so that a Run is always explained by code that is still there. Names are found again by the annotation `knit-cell`.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from knit_lab.display import html
from knit_lab.magics.cells import base, checking, reading, runner, trying
from knit_lab.magics.cells.reading import Code
from knit_lab.magics.cells.trying import Bench, Execute, Trial
from knit_lab.magics.cells.words import CellWords
from knit_lab.objects.data import Data
from knit_lab.objects.drafts import DryRun
from knit_lab.objects.plans import Plan
from knit_lab.session import Session
from knit_server.domain.errors import Conflict, InvalidInput, KnitError, NotFound

CODE = "/knit/code"
TAG = html.NAME
"""The key of the tag of pushed code, with the hash of the cell; and of the annotation with a Plan's name."""


class Workshop:
    """Makes Plans of cells for one notebook; `names` are its own, in which `execute` runs source."""

    def __init__(self, names: MutableMapping[str, Any], execute: Execute) -> None:
        self._names = names
        self._bench = Bench(names, execute)

    def make(self, session: Session, words: CellWords, cell: str) -> Plan | DryRun | Trial:
        """Do what the words ask for; raises `KnitError`, and what the cell raises where it is tried."""
        code = reading.read(cell)
        checking.check(code, self._names, with_modules=words.image is None)
        image = words.image or base.name()
        trial = self._tried(session, words, code) if words.locally else None
        if words.action == "try":
            assert trial is not None, "the words are checked"
            return trial
        if trial is not None:
            say("\n".join(trial.lines()))
        if words.action == "dry-run":
            return session.plan(_spec(words, image, find_code(session, code))).dry_run()
        _refused_early(session, words, image, code)
        if words.image is None:
            base.ensure(session.client, image, say)
        else:
            base.tell_missing(session.client, image, say)
        return _applied(session, words, image, code)

    def close(self) -> None:
        """Remove what cells have written here."""
        self._bench.close()

    def _tried(self, session: Session, words: CellWords, code: Code) -> Trial | None:
        try:
            found = trying.taken(session, words)
        except NotFound as err:
            if words.action == "try":
                raise
            say(f"not tried here: {err.reason}")
            return None
        return self._bench.run(words, found, code.source)


def say(text: str) -> None:
    """Tell a step in the cell."""
    print(text, flush=True)


def find_code(session: Session, code: Code) -> Data | None:
    """Return the Data that holds exactly this code; the first, if it was pushed twice at once."""
    for data in session.find(f"{TAG}:{code.hash}", transient=False):
        names = {each["path"] for each in data.files}
        if names == {"run.py", runner.CELL} and data.path(runner.CELL).read_text(encoding="utf-8") == code.source:
            return data
    return None


def _refused_early(session: Session, words: CellWords, image: str, code: Code) -> None:
    """Raise why the Plan cannot be, before the image is made and the code pushed, so that nothing of it stays."""
    pushed = find_code(session, code)
    told = session.plan(_spec(words, image, pushed)).dry_run().answer
    if told["applicable"] or "equivalent" in told:  # whether that one is in the archive, applying says
        return
    kind = Conflict if told["valid"] else InvalidInput
    raise kind(told.get("reason", ""), advice=told.get("advice"))


def _pushed(session: Session, code: Code) -> Data:
    found = find_code(session, code)
    if found is None:
        files = {"run.py": Path(runner.__file__).read_text(encoding="utf-8"), runner.CELL: code.source}
        found = session.push(files, [f"{TAG}:{code.hash}"], progress=False)
        say(f"the code is Data {html.short(found.id)} now")
    return found


def _spec(words: CellWords, image: str, code: Data | None) -> dict[str, Any]:
    """Return the Plan; without `code`, as it will be but for the input of the code."""
    inputs = [{"path": f"/in/{name}", "tags": list(tags)} for name, tags in words.inputs.items()]
    if code is not None:
        inputs.append({"path": CODE, "tags": [f"knit#id:{code.id}"]})
    elif not inputs:
        inputs.append({"path": CODE, "tags": [f"{TAG}:to-be-pushed"]})
    spec: dict[str, Any] = {
        "image": image,
        "entrypoint": ["python", f"{CODE}/run.py"],
        "args": [
            *(word for name in words.inputs for word in ("--in", f"{name}=/in/{name}")),
            *(word for name in words.outputs for word in ("--out", f"{name}=/out/{name}")),
            *(word for name, text in words.args.items() for word in ("--arg", f"{name}={text}")),
        ],
        "inputs": inputs,
        "outputs": [{"path": f"/out/{name}", "tags": list(tags)} for name, tags in words.outputs.items()],
        "annotations": [f"{TAG}={words.name}"],
    }
    if words.log is not None:
        spec["log"] = {"tags": list(words.log)}
    if words.resources:
        spec["resources"] = dict(words.resources)
    return spec


def _applied(session: Session, words: CellWords, image: str, code: Code) -> Plan:
    before = session.plans.find()
    named = [each for each in before if f"{TAG}={words.name}" in each.detail.get("annotations", ())]
    plan = session.plan(_spec(words, image, _pushed(session, code))).apply()
    known = plan in before
    if known:
        _renewed(session, plan, words)
    say(f"{words.name} is Plan {html.short(plan.id)}" + (", as before" if known else ""))
    older = [each for each in named if each.id != plan.id and each.active]
    if words.replace:
        for each in older:
            each.deactivate()
            say(f"the older Plan {html.short(each.id)} of this name is switched off")
        if not plan.active:
            plan.activate()
    elif older:
        ids = ", ".join(html.short(each.id) for each in older)
        say(f"older Plans of this name still run on new Data as well: {ids}; --replace switches them off")
    if not plan.active:
        say("the Plan is switched off: --replace or .activate() switches it on")
    return plan


def _renewed(session: Session, plan: Plan, words: CellWords) -> None:
    """Give a Plan that was there already this name, and what the words ask for now."""
    annotation = f"{TAG}={words.name}"
    try:
        if annotation not in plan.detail.get("annotations", ()):
            plan.detail = session.client.edit_annotations(plan.id, add=[annotation])
        if any(plan.detail.get("resources", {}).get(kind) != amount for kind, amount in words.resources.items()):
            plan.detail = session.client.edit_resources(plan.id, set=words.resources)
    except KnitError as err:
        raise KnitError(f"Plan {plan.id} is there, but could not be changed: {err.reason}", advice=err.advice) from err
