"""What a Plan editor knows: a Plan to be, as members and as YAML, kept in step. No widgets here."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from knit_lab.session import Session
from knit_server.content.door import translated
from knit_server.domain import images
from knit_server.domain.errors import InvalidInput, KnitError, NotFound
from knit_server.wire import planfile, planschema, planwriting, shapes
from knit_server.wire import template as templates

SOURCE = "plan"
"""What errors in the YAML name as its file, unless it has one."""
NOTHING = {"image": "", "inputs": [{"path": "/in", "tags": []}], "outputs": [{"path": "/out", "tags": []}]}
"""What an empty editor begins with; the check says what is missing."""
_MOUNTS = ("inputs", "outputs")
_EMPTY: tuple[Any, ...] = (None, [], {}, "")


class Editing:
    """A Plan to be. Either side may be written; the other follows, unless the YAML cannot be read."""

    def __init__(self, text: str = "", source: str = SOURCE) -> None:
        """Begin with the plan file `text`; `source` names it in errors."""
        self.source = source
        self.text = ""
        self.spec: dict[str, Any] = {}
        self.error: KnitError | None = None
        """Why the YAML cannot be read; the members are then those of before."""
        self.warnings: list[str] = []
        self.write(text)

    def write(self, text: str) -> bool:
        """Take `text` as the YAML; returns whether it could be read, so that the members follow."""
        self.text = text
        try:
            self.spec, self.warnings = planfile.read(text, self.source)
        except KnitError as err:
            self.error, self.warnings = err, []
            return False
        self.error = None
        return True

    def fill(self, members: Mapping[str, Any]) -> None:
        """Take `members` as the Plan, but for what it has beside them; the YAML is written anew."""
        kept = {name: value for name, value in self.spec.items() if name not in FORM}
        self.spec = kept | {name: value for name, value in members.items() if value not in _EMPTY or name == "log"}
        if self.spec.get("log", ...) is None:
            del self.spec["log"]
        self.text = planwriting.text(self.spec)
        self.error, self.warnings = None, []

    @property
    def beside(self) -> list[str]:
        """Members that are in the YAML alone."""
        return [name for name in self.spec if name not in FORM]


FORM = ("annotations", "image", "entrypoint", "args", "inputs", "outputs", "log", "active", "resources")
"""The members that the form shows; all others are kept as the YAML has them."""


def words(text: str) -> list[str]:
    """Read words as a shell does: blanks part them, quotes keep them. Raises `InvalidInput`."""
    try:
        return shlex.split(text)
    except ValueError as err:
        raise InvalidInput(f"{text!r}: {err}", advice="Close the quotes, or escape them.") from err


def line(texts: Iterable[str]) -> str:
    """Write words as `words` reads them."""
    return shlex.join(texts)


def amounts(text: str) -> dict[str, str]:
    """Read `name=quantity` words. Raises `InvalidInput`."""
    found = {}
    for word in words(text):
        name, sign, amount = word.partition("=")
        if not (sign and name and amount):
            raise InvalidInput(f"not a resource: {word!r}", advice="Write name=amount, such as memory=2Gi cpu=500m.")
        found[name] = amount
    return found


def begun(session: Session, source: Any) -> Editing:
    """Begin with a draft, a registered Plan, a plan file or its text, or nothing. Raises `KnitError`."""
    if source is None:
        return Editing(planwriting.text(NOTHING))
    if isinstance(source, str) and "\n" in source:
        return Editing(source)
    if isinstance(source, str | Path):
        with translated(f"reading {source}"):
            return Editing(Path(source).expanduser().read_text(encoding="utf-8", errors="replace"), str(source))
    if hasattr(source, "yaml"):
        return Editing(source.yaml)
    return Editing(planwriting.text(declared(source.detail)))


def declared(detail: Mapping[str, Any]) -> dict[str, Any]:
    """Return a registered Plan as it would be declared: without its id and without what it is connected with."""
    spec = {key.name: detail[key.name] for key in planschema.PLAN if detail.get(key.name) not in (None, [])}
    for name in _MOUNTS:
        if name in spec:
            spec[name] = [{"path": each["path"], "tags": list(each["tags"])} for each in spec[name]]
    if "log" in spec:
        spec["log"] = {"tags": list(spec["log"]["tags"])}
    return spec


def write(path: str, text: str) -> None:
    """Write the plan file `text` to `path`, over what is there. Raises `KnitError`."""
    with translated(f"writing {path}"):
        Path(path).expanduser().write_text(text, encoding="utf-8")


def template_of(session: Session, image: str) -> str:
    """Write a plan file to start from, for one of the server's images. Raises `NotFound`."""
    name = str(images.parse(image))
    found = next((each for each in session.client.find_images() if name in each["names"]), None)
    if found is None:
        raise NotFound(f"the server has no image {name}", advice="See its images: knit image ls")
    program = templates.Program(
        entrypoint=found["entrypoint"], cmd=found["cmd"], volumes=found.get("volumes", []), workdir=found["workdir"]
    )
    spec, _ = planfile.read(templates.write(templates.of_image(name, program)), name)
    return planwriting.text(spec)  # without its many comments, which the first change of the form would drop


# --- what applying it would do ----------------------------------------------------------------------------------------

SHOWN = 5
"""Fitting Data that are shown of each input."""


class Foreseen:
    """The answer of a dry run, and the newest Data that fit each input."""

    def __init__(self, answer: shapes.DryRun, fitting: Mapping[str, Sequence[shapes.DataDetail]]) -> None:
        self.answer, self.fitting = answer, fitting


def foreseen(session: Session, spec: Mapping[str, Any]) -> Foreseen:
    """Ask what applying `spec` would do now. Raises `KnitError`."""
    answer = session.client.dry_run_plan(spec)
    fitting = {}
    for each in spec.get("inputs") or [] if "runs" in answer else []:
        found = session.client.each_data(each["tags"], transient=False, newest_first=True, limit=SHOWN)
        fitting[each["path"]] = list(found)
    return Foreseen(answer, fitting)
