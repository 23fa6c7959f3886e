"""A Plan that is not registered yet: drafted from a file or from its members, checked against the server, applied."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knit_lab.display import cards, code
from knit_lab.display.shown import Shown
from knit_lab.objects import asking
from knit_lab.objects.plans import Plan
from knit_server.domain.errors import Conflict, InvalidInput, NotFound
from knit_server.wire import planfile, planschema, planwriting, shapes

if TYPE_CHECKING:
    from knit_lab.session import Session

Mounts = Mapping[str, Iterable[str] | str] | Sequence[Mapping[str, Any]]
"""Paths with tags: `{"/in/raw": ["type:raw"]}`, or as in plan files, `[{"path": ..., "tags": [...]}]`."""

_MOUNTS = ("inputs", "outputs")


class PlanDraft(Shown):
    """A Plan to be. `spec` is what would be sent; `yaml` the same as a plan file."""

    def __init__(self, session: Session, spec: Mapping[str, Any]) -> None:
        self._session = session
        self.spec = dict(spec)

    @classmethod
    def of(
        cls, session: Session, source: str | os.PathLike[str] | Mapping[str, Any] | None = None, /, **members: Any
    ) -> PlanDraft:
        """Draft from a plan file, the text of one, a mapping or nothing, with `members` in place of its own.

        A member that is None is taken away. `log` may be tags, True (a log without tags) or False (none).
        Raises `InvalidInput` with file, line and column, and for unknown `members`. Keys without effect in a plan file
        are warned about.
        """
        _refuse_unknown(members)
        spec = dict(source) if isinstance(source, Mapping) else _read(source)
        spec = {name: value for name, value in (spec | members).items() if value is not None}
        for name in _MOUNTS:
            if name in spec:
                spec[name] = _mounts(spec[name])
        if isinstance(spec.get("log"), bool):
            spec["log"] = {"tags": []} if spec["log"] else None
        elif "log" in spec and not isinstance(spec["log"], Mapping):
            spec["log"] = {"tags": asking.texts(spec["log"])}
        return cls(session, {name: value for name, value in spec.items() if value is not None})

    @property
    def yaml(self) -> str:
        """The plan file."""
        return planwriting.text(self.spec)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the plan file to `path`, over what is there."""
        Path(path).write_text(self.yaml, encoding="utf-8")
        return Path(path)

    def dry_run(self) -> DryRun:
        """Ask what applying it would do now. Nothing is changed."""
        return DryRun(self, self._session.client.dry_run_plan(self.spec))

    def apply(self) -> Plan:
        """Register it; if the same Plan is there already, that is what is returned: a cell may be run again.

        Raises `InvalidInput` for a Plan that breaks a rule, `Conflict` for one that closes a cycle or is archived.
        """
        client = self._session.client
        try:
            return Plan(self._session, client.apply_plan(self.spec))
        except Conflict:
            told = client.dry_run_plan(self.spec)
            if "equivalent" not in told:
                raise
            plan = Plan(self._session, client.show_plan(told["equivalent"]))
            if plan.detail.get("archived"):
                raise
            return plan

    def as_text(self) -> str:
        """Return the plan file."""
        return self.yaml

    def as_html(self) -> str:
        """Return the plan file with coloured words."""
        return code.yaml(self.yaml)


class DryRun(Shown):
    """What applying a draft would do: whether it is valid, a duplicate, part of a cycle, and the Runs it would make."""

    def __init__(self, draft: PlanDraft, answer: shapes.DryRun) -> None:
        self.draft = draft
        self.answer = answer

    @property
    def ok(self) -> bool:
        """Whether it can be applied."""
        return self.answer["applicable"]

    @property
    def run_count(self) -> int:
        """How many Runs it would make at once."""
        foreseen = self.answer.get("runs")
        return foreseen["count"] if foreseen else 0

    def __bool__(self) -> bool:
        return self.ok

    def as_text(self) -> str:
        """Return the verdict, the fitting Data of each input and the number of Runs."""
        return "\n".join(cards.verdict(self.answer))

    def as_html(self) -> str:
        """Return the same as a card."""
        return cards.dry_run(self.answer)


def _read(source: str | os.PathLike[str] | None) -> dict[str, Any]:
    if source is None:
        return {}
    if isinstance(source, str) and "\n" in source:
        text, name = source, "the text"
    else:
        name = os.fspath(source)
        try:
            text = Path(name).read_text(encoding="utf-8")
        except FileNotFoundError as err:
            raise NotFound(f"there is no plan file {name}", advice="Give its path, or its text.") from err
        except (OSError, UnicodeDecodeError) as err:
            raise InvalidInput(
                f"cannot read the plan file {name}: {err}", advice="It must be a text in UTF-8."
            ) from err
    spec, told = planfile.read(text, name)
    for warning in told:
        asking.warn(warning)
    return spec


def _refuse_unknown(members: Iterable[str]) -> None:
    known = planschema.names(planschema.PLAN)
    for name in members:
        if name not in known:
            likely = difflib.get_close_matches(name.lower(), known, n=1)
            advice = f"Did you mean {likely[0]}?" if likely else f"There are {', '.join(known)}."
            raise InvalidInput(f"a Plan has no {name!r}", advice=advice)


def _mounts(value: Mounts) -> list[dict[str, Any]]:
    if isinstance(value, Mapping):
        return [{"path": path, "tags": asking.texts(tags)} for path, tags in value.items()]
    return [dict(each) for each in value]
