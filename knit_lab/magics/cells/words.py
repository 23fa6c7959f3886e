"""The words behind `%%knit plan`: declared like every command of the command line, so help and completion follow."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from knit_cli import frame, hosting, session
from knit_server.domain import tags as domain_tags

_NAME = re.compile(r"[\w.-]+")
_NEXT_TAG = re.compile(r"(?<!\\),(?=[^,:]*:)")


@dataclass(frozen=True, kw_only=True)
class CellWords:
    """What the words ask for. `action` is try, dry-run or apply; `locally` whether the cell runs here first."""

    name: str
    action: str
    locally: bool
    inputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    outputs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    log: Sequence[str] | None = None
    args: Mapping[str, str] = field(default_factory=dict)
    image: str | None = None
    resources: Mapping[str, str] = field(default_factory=dict)
    replace: bool = False
    to: str | None = None


@frame.command(
    "plan",
    help="Make a Plan of the cell.\n"
    "The cell finds inputs.NAME and outputs.NAME, paths of directories, and args.NAME, texts: here and in Runs alike.\n"
    "First it runs here, on the newest Data with the tags of each input; what it writes goes to a temporary place.\n"
    "With --apply its code then becomes a Data, and a Plan is registered that runs it on every Data that fits. The\n"
    "same cell with the same words is the same Plan, however often it is given.\n"
    "Without --image, Runs have the packages of the server's own Python environment: an image of them is made once.",
)
@frame.values(
    "--in", "-i", metavar="NAME=KEY:VALUE,...", help="An input: its name in the cell, and the tags it asks for."
)
@frame.values("--out", "-o", metavar="NAME=KEY:VALUE,...", help="An output: its name, and the tags it gets.")
@frame.values("--arg", metavar="NAME=TEXT", help="An argument: its name in the cell, and its text.")
@frame.value("--log", metavar="KEY:VALUE,...", help="The tags of the log; type:log and cell:NAME by default.")
@frame.switch("--no-log", help="Keep no log.")
@frame.value("--image", metavar="NAME[:TAG]", help="The image to run in; it must have `python` and what is imported.")
@frame.value("--cpu", metavar="CORES", help="The cores of a Run, like 2 or 500m.")
@frame.value("--memory", metavar="BYTES", help="The memory of a Run, like 4Gi.")
@frame.switch("--apply", help="Run it here, then register the Plan.")
@frame.switch("--dry-run", help="Change nothing: say whether it could be applied, and which Runs it would get now.")
@frame.switch("--local", help="Run it here only (the default); with --dry-run, before that.")
@frame.switch("--no-local", help="Do not run it here first.")
@frame.switch("--replace", help="With --apply: switch older Plans of this NAME off, and this one on.")
@frame.value("--to", metavar="VARIABLE", help="Keep what comes under this name in the notebook, like an assignment.")
@frame.argument("name", "NAME", "What you call the Plan.")
def plan(
    name: str, apply: bool, dry_run: bool, local: bool, no_local: bool, replace: bool, no_log: bool, log: str | None,
    image: str | None, to: str | None, cpu: str | None, memory: str | None, arg: tuple[str, ...], out: tuple[str, ...],
    **others: tuple[str, ...],
) -> None:  # fmt: skip
    """Read the words, and hand what they ask for to the host."""
    if not _NAME.fullmatch(name):
        raise frame.usage(f"NAME is made of letters, digits, `-`, `.` and `_`, not {name!r}")
    _one_of({"--apply": apply, "--dry-run": dry_run})
    _one_of({"--local": local, "--no-local": no_local})
    _one_of({"--log": log is not None, "--no-log": no_log})
    if replace and not apply:
        raise frame.usage("--replace goes with --apply")
    if no_local and not (apply or dry_run):
        raise frame.usage("--no-local leaves nothing to do; add --apply or --dry-run")
    wishes = CellWords(
        name=name,
        action="apply" if apply else "dry-run" if dry_run else "try",
        locally=local or not (no_local or dry_run),
        inputs=_mounts("--in", others["in"]),
        outputs=_mounts("--out", out),
        log=None if no_log else _tags("--log", log) if log is not None else ["type:log", f"cell:{name}"],
        args=dict(_named("--arg", word) for word in arg),
        image=image,
        resources={kind: amount for kind, amount in (("cpu", cpu), ("memory", memory)) if amount is not None},
        replace=replace,
        to=None if to is None else _variable("--to", to),
    )
    hosting.given(wishes)


def _one_of(flags: Mapping[str, bool]) -> None:
    given = [name for name, is_given in flags.items() if is_given]
    if len(given) > 1:
        raise frame.usage(f"{' and '.join(given)} exclude each other")


def _mounts(flag: str, words: Iterable[str]) -> dict[str, list[str]]:
    """Read `NAME=TAGS`; a name that is given again adds tags."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, text = _named(flag, word)
        tags = _tags(flag, text)
        if any(tag.startswith(f"{domain_tags.SYSTEM_PREFIX}") for tag in tags) and flag == "--out":
            raise frame.usage(f"{flag}: tags that start with {domain_tags.SYSTEM_PREFIX} are Knit's own")
        found.setdefault(name, []).extend(tags)
    return found


def _named(flag: str, word: str) -> tuple[str, str]:
    name, equals, text = word.partition("=")
    if not equals:
        raise frame.usage(f"{flag} is NAME=..., not {word!r}")
    return _variable(flag, name.strip()), text


def _variable(flag: str, name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
        raise frame.usage(f"{flag}: {name!r} cannot be a name in the cell; use letters, digits and _")
    return name


def _tags(flag: str, text: str) -> list[str]:
    r"""Read tags with commas between them; a comma within a tag is `\,`, or stands where no further tag can begin."""
    parts = [part.replace("\\,", ",") for part in _NEXT_TAG.split(text)]
    return session.tag_texts(flag, parts)
