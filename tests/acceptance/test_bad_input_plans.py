"""Plans that are wrong: the place, the word, the next step; nothing is registered and nothing runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from server import Finished, Server, plan, refused, unstamped

GOOD = """\
image: act:1
args: [copy, /in, /out]
inputs:
  - path: /in
    tags: ["{case}"]
outputs:
  - path: /out
    tags: ["{case}-out"]
"""


def apply(server: Server, here: Path, text: str) -> Finished:
    (here / "the.plan.yaml").write_text(text)
    return server.knit("plan", "apply", "the.plan.yaml", cwd=here)


def registered(server: Server) -> int:
    return len(server.get("/plans"))


WRONG: dict[str, tuple[str, list[str]]] = {
    "no inputs": ("image: act:1\noutputs: []\n", ["the Plan has no inputs", "Add at least one entry"]),
    "empty inputs": ("image: act:1\ninputs: []\n", ["the Plan has no inputs", "Add at least one entry"]),
    "empty file": ("", ["the file is empty", "image"]),
    "no image": ("inputs: [{path: /in, tags: [a:b]}]\n", ["image"]),
    "no tags": ("image: act:1\ninputs: [{path: /in, tags: []}]\n", ["/in", "tag"]),
    "no path": ("image: act:1\ninputs:\n  - tags: [a:b]\n", ["the.plan.yaml:3", "has no path", "absolute path"]),
    "relative path": ("image: act:1\ninputs: [{path: in, tags: [a:b]}]\n", ["in", "absolute"]),
    "path with dots": ("image: act:1\ninputs: [{path: /in/../x, tags: [a:b]}]\n", ["/in/../x"]),
    "overlap": (
        "image: act:1\ninputs: [{path: /in, tags: [a:b]}, {path: /in/deeper, tags: [a:b]}]\n",
        ["/in", "/in/deeper", "overlap"],
    ),
    "same path": (
        "image: act:1\ninputs: [{path: /x, tags: [a:b]}]\noutputs: [{path: /x, tags: []}]\n",
        ["/x", "overlap"],
    ),
    "mapping form": (
        "image: act:1\ninputs:\n  /in:\n    tags: [a:b]\n",
        ["the.plan.yaml:3", "mapping", "- path:"],
    ),
    "not YAML": ("image: act:1\ninputs: [\n  {path: /in\n", ["fail to parse Plan file", "the.plan.yaml:4:1"]),
    "a tab": (
        "image: act:1\ninputs:\n\t- path: /in\n",
        ["fail to parse Plan file", "the.plan.yaml:3:1", "replace the tab"],
    ),
    "duplicate key": (
        "image: act:1\nimage: act:2\n",
        ["fail to parse Plan file", "the.plan.yaml:2", "'image' already defined at line 1"],
    ),
    "not a mapping": ("- image: act:1\n", ["fail to parse Plan file", "the.plan.yaml:1"]),
    "tag without colon": (
        "image: act:1\ninputs: [{path: /in, tags: [ab]}]\n",
        ["inputs[0].tags[0]", "ab", "key:value"],
    ),
    "transient": ("image: act:1\ninputs: [{path: /in, tags: ['knit#transient:failed']}]\n", ["knit#transient"]),
    "reserved output": (
        "image: act:1\ninputs: [{path: /in, tags: [a:b]}]\noutputs: [{path: /o, tags: ['knit#id:1']}]\n",
        ["knit#id"],
    ),
    "bad image": ("image: Act Two\ninputs: [{path: /in, tags: [a:b]}]\n", ["Act Two", "image"]),
    "unexpanded image": ("image: ${REGISTRY}/x:1\ninputs: [{path: /in, tags: [a:b]}]\n", ["${REGISTRY}/x:1", "image"]),
    "bad quantity": (
        "image: act:1\ninputs: [{path: /in, tags: [a:b]}]\nresources: {memory: lots}\n",
        ["lots", "resources.memory", "2Gi"],
    ),
    "bad active": ("image: act:1\nactive: maybe\n", ["the.plan.yaml:2", "active must be true or false", "maybe"]),
    "args as text": ("image: act:1\nargs: copy /in\n", ["the.plan.yaml:2", "args", "list"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_plan_is_refused(server: Server, here: Path, name: str) -> None:
    """What is wrong is named with its place or its value, and nothing is registered."""
    text, words = WRONG[name]
    before = registered(server)
    refused(apply(server, here, text), *words)
    assert registered(server) == before


def test_plan_files_that_cannot_be_read(server: Server, here: Path) -> None:
    """No file, a folder and bytes that are no text are told apart."""
    refused(server.knit("plan", "apply", "no.yaml", cwd=here), "fail to read Plan file: no.yaml: No such file", "YAML")
    refused(server.knit("plan", "apply", ".", cwd=here), "fail to read Plan file", "directory")
    (here / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    refused(server.knit("plan", "apply", "bytes.yaml", cwd=here), "fail to read Plan file", "not UTF-8 text")


def test_misspelt_keys_are_told_and_do_not_fail(server: Server, here: Path, case: str) -> None:
    """`resouces:` has no effect: a warning names key, file, line and the likely word; the Plan gets the defaults."""
    done = apply(server, here, GOOD.format(case=case) + "resouces:\n  memory: 5Gi\nlogs: {tags: [a:b]}\n")
    assert done.returncode == 0
    assert unstamped(done.stderr) == [
        "[WARN] the.plan.yaml:9: unknown key 'resouces' is ignored; did you mean resources?",
        "[WARN] the.plan.yaml:11: unknown key 'logs' is ignored; did you mean log?",
    ]
    assert '"memory": "1Gi"' in done.stdout
    assert '"log"' not in done.stdout


def test_equivalent_plan_names_the_existing_one(server: Server, here: Path, case: str) -> None:
    """Applying a file again is a conflict that names the Plan there is; resources and order make no difference."""
    text = GOOD.format(case=case)
    assert apply(server, here, text).returncode == 0
    (known,) = server.ask("plan", "find", "-i", case)
    for again in (text, text + "resources: {cpu: 2}\nannotations: [a=b]\n"):
        refused(
            apply(server, here, again), "failed to apply Plan", "409", "equivalent Plan", known["planId"],
            f"knit plan show {known['planId']}",
        )  # fmt: skip
    assert len(server.get(f"/plans?in_tag={case}")) == 1


def test_cycle_is_refused_and_named(server: Server, here: Path, case: str) -> None:
    """A Plan that would feed itself, directly or through another, is a conflict that names the way round."""
    itself = plan("act:1", ["copy", "/in", "/out"], asks=case, gives=case)
    refused(apply(server, here, itself), "409", "plan's tag dependency makes cycle: this Plan -> this Plan", "Give the")
    there = server.apply(plan("act:1", ["copy", "/in", "/out"], asks=case, gives=f"{case}-b"))
    back = plan("act:1", ["copy", "/in", "/out"], asks=f"{case}-b", gives=case)
    refused(apply(server, here, back), "409", "makes cycle", f"this Plan -> {there['planId']} -> this Plan")
    assert server.get(f"/plans?in_tag={case}-b") == []


def test_unknown_plans(server: Server) -> None:
    """Every command that takes a Plan says that there is none of this id."""
    for words in (("show",), ("graph",), ("active", "yes")):
        refused(server.knit("plan", *words, "no-such-plan"), "planId:no-such-plan", "knit plan find")
    refused(server.knit("plan", "active", "maybe", "x"), "usage error: the first word is yes or no", code=2)
    refused(server.knit("plan", "graph", "-n", "0", "x"), "usage error: --numbers must be a positive integer", code=2)
    refused(server.knit("plan", "graph", "-n", "few", "x"), "not a number: 'few'")


def test_unknown_runs(server: Server) -> None:
    """Every command that takes a Run says that there is none of this id."""
    for words in (("show",), ("show", "--log"), ("stop",), ("stop", "--fail")):
        refused(server.knit("run", *words, "no-such-run"), "runId:no-such-run", "knit run find")
    refused(server.knit("run", "find", "-s", "sleeping"), "usage error: --status is one of", "sleeping", code=2)
    refused(server.knit("run", "find", "--duration", "1h"), "usage error: --duration needs --since", code=2)
    refused(server.knit("run", "find", "--since", "yesterday"), "yesterday", "--since")


def test_command_lines_that_are_wrong(server: Server) -> None:
    """What is no command, flag or count of words is a usage error with the help of the command it is about."""
    for words, told in (
        ((), "no subcommands"),
        (("dance",), "unknown subcommand: dance"),
        (("data", "push"), "not enough args"),
        (("plan", "show", "a", "b"), "too much args"),
        (("data", "find", "--tga", "a:b"), "unknown flag: --tga"),
        (("data", "find", "-ta:b"), "write -t a:b"),
        (("data", "find", "-t"), "value required: -t"),
    ):
        refused(server.knit(*words), f"usage error: {told}" if "write" not in told else told, "Usage:", code=2)
