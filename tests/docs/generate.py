"""Fill the generated parts of the docs, or check that they are up to date: `python tests/docs/generate.py [--check]`.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; docs/openapi.json
and docs/plan.schema.json are generated as a whole.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for the module beside this file

import compatibility
import magics
import notebook_api

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"(<!-- generated: (?P<name>[a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def states() -> str:
    """The statuses of a Run and the changes between them, as a Mermaid diagram."""
    from knit_server.domain.runs import TRANSITIONS, Status

    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    [*] --> {each.value}" for each in (Status.WAITING, Status.DEACTIVATED, Status.RUNNING)]
    lines += [f"    {old.value} --> {new.value}" for old in Status for new in Status if new in TRANSITIONS[old]]
    return "\n".join([*lines, "```"])


def endpoints() -> str:
    """The HTTP API: method, path and query, what goes in, what comes out, what it does."""
    from knit_server.wire.endpoints import ENDPOINTS

    rows = []
    for each in ENDPOINTS:
        query = "?" + "&".join(each.query) if each.query else ""
        request, response = (f"`{shape}`" if shape else "" for shape in (each.request, each.response))
        rows.append(f"| {each.method} | `{each.path}{query}` | {request} | {response} | {each.summary} |")
    return "\n".join(["| method | path | takes | gives | what |", "|---|---|---|---|---|", *rows])


def reasons() -> str:
    """The codes of `knit why`, with what each means."""
    from knit_server.domain.why import MEANINGS

    rows = [f"| `{code.value}` | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| code | meaning |", "|---|---|", *rows])


def configuration() -> str:
    """The table of settings, with their names in each place where they can be set."""
    from knit_server.config import SETTINGS

    rows = []
    for each in SETTINGS:
        names = [f"`{name}`" for name in (each.flag, each.variable, each.trait) if name]
        default = each.unset or f"`{each.shown_default}`"
        rows.append(f"| `{each.key}` | {'<br>'.join(names)} | {default} | {each.help} |")
    return "\n".join(["| key | flag, variable, trait | default | what |", "|---|---|---|---|", *rows])


def configuration_file() -> str:
    """What `knit serve --show-config` prints where nothing is set, but for the home of whoever asks."""
    from knit_server.config import SETTINGS, resolve, shown

    home = next(each for each in SETTINGS if each.key == "home")
    lines = shown(resolve({"home": "/nowhere"}, {})).splitlines()[4:]
    lines = [line.split("  #")[0].rstrip() for line in lines]
    return "\n".join(["```toml", f'home = "{home.default}"', *lines, "```"])


def plan_keys() -> str:
    """The keys of plan files: what they hold and what they are for."""
    from knit_server.wire import planschema

    rows = [f"| `{key.name}` | {key.kind.value} | {key.about} |" for key in planschema.PLAN]
    for name, keys in (("inputs, outputs", planschema.MOUNT), ("log", planschema.LOG), ("on_node", planschema.WISHES)):
        rows += [f"| `{key.name}` in {name} | {key.kind.value} | {key.about} |" for key in keys]
    return "\n".join(["| key | holds | what |", "|---|---|---|", *rows])


GENERATORS: dict[str, Callable[[], str]] = {
    "states": states, "endpoints": endpoints, "plan-keys": plan_keys, "reasons": reasons,
    "configuration": configuration, "configuration-file": configuration_file,
    "compatibility": compatibility.summary, "scenarios": compatibility.scenarios,
    "defects": compatibility.defects, "wishes": compatibility.wishes, "notebook-api": notebook_api.reference,
    "magics-short": magics.short_forms, "magics-cell": magics.cell_page,
}  # fmt: skip


def fill(text: str) -> str:
    """Return `text` with every generated part made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{GENERATORS[match['name']]()}\n{match[3]}", text)


def description() -> str:
    """The API in OpenAPI, which is docs/openapi.json as a whole."""
    from knit_server.wire import openapi

    return json.dumps(openapi.document(), indent=2, ensure_ascii=False) + "\n"


def plan_schema() -> str:
    """The JSON Schema of plan files, which is docs/plan.schema.json as a whole."""
    from knit_server.wire import planschema

    return json.dumps(planschema.schema(), indent=2, ensure_ascii=False) + "\n"


WHOLE: dict[str, Callable[[], str]] = {"openapi.json": description, "plan.schema.json": plan_schema}
"""Files in docs/ that are generated from the first to the last line."""


def main(arguments: list[str]) -> int:
    """Write or check all docs; 1 means that something is out of date, or that what is said does not fit the tests."""
    stale = []
    for path in [*sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]), *(ROOT / "docs" / name for name in WHOLE)]:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = WHOLE[path.name]() if path.name in WHOLE else fill(old)
        if new != old:
            stale.append(path.relative_to(ROOT))
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'out of date; run `make docs`' if '--check' in arguments else 'written'}", file=sys.stderr)
    problems = compatibility.problems()
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if (stale or problems) and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
