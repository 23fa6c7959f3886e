"""Fill the generated parts of the docs, or check that they are up to date: `python tests/docs/generate.py [--check]`.

A generated part stands between `<!-- generated: NAME -->` and `<!-- end -->`; docs/openapi.json is generated.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

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


def settings() -> str:
    """The traits of the server extension, with their defaults."""
    from knit_server.extension import KnitExtension

    rows = []
    for name, trait in sorted(KnitExtension.class_own_traits(config=True).items()):
        default = trait.default_value_repr()
        rows.append(f"| `KnitExtension.{name}` | `{default}` | {' '.join(str(trait.help).split())} |")
    return "\n".join(["| setting | default | what |", "|---|---|---|", *rows])


GENERATORS: dict[str, Callable[[], str]] = {"states": states, "endpoints": endpoints, "settings": settings}


def fill(text: str) -> str:
    """Return `text` with every generated part made anew."""
    return BLOCK.sub(lambda match: f"{match[1]}{GENERATORS[match['name']]()}\n{match[3]}", text)


def description() -> str:
    """The API in OpenAPI, which is docs/openapi.json as a whole."""
    from knit_server.wire import openapi

    return json.dumps(openapi.document(), indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write or check all docs; 1 means that something is out of date."""
    stale = []
    for path in [*sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md"]), ROOT / "docs" / "openapi.json"]:
        old = path.read_text(encoding="utf-8") if path.exists() else ""
        new = description() if path.suffix == ".json" else fill(old)
        if new != old:
            stale.append(path.relative_to(ROOT))
            if "--check" not in arguments:
                path.write_text(new, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'out of date; run `make docs`' if '--check' in arguments else 'written'}", file=sys.stderr)
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
