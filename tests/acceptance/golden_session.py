"""What is typed in the golden session, part by part; each part goes on where the one before it ended.

A part is a function whose name is that of its golden file. Waiting for Runs is done between the steps, through the API,
so that no step shows anything half way.
"""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import transcript
from server import PATIENCE, Server, command, environment

from knit_cli.help import help_page
from knit_cli.reference import walk
from knit_server import __version__

DOT = bytes.fromhex(  # a PNG of one pixel
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63600000000200015e"
    "f22abc0000000049454e44ae426082"
)
ONCE = 1_767_258_000  # 2026-01-01T09:00:00Z: when all files of the world were changed last

PLANS = {
    "copy": "image: act:1\nargs: [copy, /in, /out]\n"
    "inputs: [{path: /in, tags: [kind:pictures]}]\noutputs: [{path: /out, tags: [kind:copied]}]\n"
    "log: {tags: [kind:log]}\nannotations: [made-by=hand]\n",
    "again": "image: act:1\nargs: [copy, /in, /out]\n"
    "inputs: [{path: /in, tags: [kind:copied]}]\noutputs: [{path: /out, tags: [kind:twice]}]\n",
    "fail": "image: act:1\nargs: [leave, /out, '3']\n"
    "inputs: [{path: /in, tags: [kind:note]}]\noutputs: [{path: /out, tags: [kind:none]}]\nlog: {tags: [kind:log]}\n",
    "forever": "image: act:1\nargs: [forever, /out]\nresouces: {memory: 1Gi}\n"
    "inputs: [{path: /in, tags: [kind:endless]}]\noutputs: [{path: /out, tags: [kind:so-far]}]\n",
    "missing": "image: not/there:1\ninputs: [{path: /in, tags: [kind:note]}]\n"
    "outputs: [{path: /out, tags: [kind:never]}]\n",
    "cycle": "image: act:1\ninputs: [{path: /in, tags: [kind:twice]}]\n"
    "outputs: [{path: /out, tags: [kind:pictures]}]\n",
    "overlap": "image: act:1\ninputs: [{path: /in, tags: [a:b]}]\noutputs: [{path: /in/out, tags: [c:d]}]\n",
    "broken": "image: [\n",
}


class Session:
    """A world of its own, a person who types, and the transcript of the part that is played."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder, "--sandbox", "substitution")
        self.project = self.server.project
        self.normal = transcript.Normal(
            [
                (str(self.server.home), "<server>"), (str(self.server.user_home), "<home>"),
                (str(self.project), "<project>"), (str(folder), "<world>"), (__version__, "<version>"),
            ]
        )  # fmt: skip
        self.normal.figure(r"\(commit: \w+\)", "(commit: <commit>)")
        self.normal.figure(r'(?<="python": ")3\.\d+\.\d+(?=")', "<python>")
        self.normal.figure(r"\bby process \d+", "by process <pid>")
        self.normal.figure(r"(?<=memory limit by )[\w-]+", "<limit>")
        self.normal.figure(r"[\d.]+ \w+ of [\d.]+ \w+ are free", "<free> of <size> are free")
        self._told: list[str] = []
        self._make_world()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.stop()

    def play(self, part: Callable[[Session], None]) -> str:
        """Play a part and return its transcript."""
        self._told = [f"# {' '.join((part.__doc__ or '').split())}\n"]
        part(self)
        return "".join(self._told)

    # --- what parts do ------------------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Write a line of the transcript's own."""
        self._told.append(f"\n# {text}\n")

    def knit(
        self, words: str, *, stdin: str | None = None, unordered: bool = False,
        show: Callable[[str], str] | None = None,
    ) -> str:  # fmt: skip
        """Type `knit` and `words`; returns stdout. `show` says what of stdout stands in the transcript."""
        done = subprocess.run(
            [*command(), *shlex.split(words)], cwd=self.project, capture_output=True, text=True, check=False,
            timeout=PATIENCE, env=environment(self.server.user_home), errors="backslashreplace",
            input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
        )  # fmt: skip
        self.normal.learn(done.stdout)
        out = transcript.stdout((show or str)(done.stdout), self.normal, unordered=unordered)
        typed = f"knit {words}".rstrip() + (" < stdin" if stdin is not None else "")
        self._step(typed, out, self.normal.of(_without_page(done.stderr)), done.returncode)
        return done.stdout

    def ask(self, words: str, **more: Any) -> Any:
        """Type a command that prints JSON; the JSON."""
        return json.loads(self.knit(words, **more))

    def terminal(self, words: str, **within: str) -> None:
        """Type a command at a terminal of 100 columns; what drives the terminal is made visible."""
        ours, theirs = pty.openpty()
        surroundings = environment(self.server.user_home) | {"TERM": "xterm", "COLUMNS": "100", "LINES": "24"} | within
        process = subprocess.Popen(
            [*command(), *shlex.split(words)], cwd=self.project, env=surroundings,
            stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs,
        )  # fmt: skip
        os.close(theirs)
        shown = bytearray()
        try:
            while block := os.read(ours, 1 << 16):
                shown += block
        except OSError:  # EIO: how Linux says that nobody is left at the other side
            pass
        os.close(ours)
        code = process.wait(PATIENCE)
        text = shown.decode().replace("\r\n", "\n").replace("\x1b", "␛")
        given = "".join(f"{name}={value} " for name, value in within.items())
        self._step(f"{given}knit {words} > /dev/tty", self.normal.of(text), "", code)

    def start(self) -> None:
        """Start the server; what it says."""
        self.server.start()
        said = self.server.log.read_text()
        self._step("knit serve --home <server> --port 0 --sandbox substitution", "", self.normal.of(said), 0)

    def apply(self, name: str) -> str:
        """Apply a plan file of the world; the Plan's id."""
        return str(self.ask(f"plan apply plans/{name}.yaml")["planId"])

    def run_of(self, plan_id: str, *statuses: str) -> str:
        """Wait for the one Run of a Plan; its id."""
        run = self.server.run_of(plan_id, *statuses)
        self.normal.learn(f'"runId": "{run["runId"]}"')
        for mount in (*run["inputs"], *run["outputs"], *([run["log"]] if run["log"] else [])):
            self.normal.learn(f'"knitId": "{mount["knitId"]}"')
        return str(run["runId"])

    def _step(self, typed: str, out: str, err: str, code: int) -> None:
        self._told.append("\n" + transcript.step(self.normal.of(typed), out, err, code))

    def _make_world(self) -> None:
        files: dict[str, str | bytes] = {
            "pictures/dot.png": DOT, "pictures/deep/dot.png": DOT, "pictures/deep/list.csv": "name\ndot\n",
            "note.txt": "a note\n", "knitenv": "tag: [project:golden]\nresource: {cpu: 500m, memory: 1Gi}\n",
            "profile.broken": "apiRoot: nowhere\n",
            **{f"plans/{name}.yaml": text for name, text in PLANS.items()},
        }  # fmt: skip
        for name, content in files.items():
            file = self.project / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        shutil.copytree(Path(__file__).parent / "act", self.project / "act", ignore=shutil.ignore_patterns("__pyc*"))
        (self.project / "pictures" / "first.png").symlink_to("dot.png")
        for file in [*self.project.rglob("*"), self.project]:
            if not file.is_symlink():
                file.chmod(0o755 if file.is_dir() else 0o644)
            os.utime(file, (ONCE, ONCE), follow_symlinks=False)


def only(*keys: str) -> Callable[[str], str]:
    """Show of a JSON object a few keys alone, on lines that begin with three dots."""

    def show(text: str) -> str:
        found = json.loads(text) if text.startswith("{") else {}
        return "".join(
            f"... {key}: {json.dumps(found[key]) if key in found else '(not there)'}\n" for key in keys if found
        )

    return show


def _without_page(told: str) -> str:
    """Leave out of a usage error the page of help that it ends with, if it is the right one."""
    error, _, page = told.partition("\n\n")
    if not error.startswith("usage error: "):
        return told
    name = page.partition(" -- ")[0]
    return f"{error}\n(and the page of {name} --help)" if page.rstrip("\n") == PAGES[name] else told


PAGES = {context.command_path: help_page(command, context) for command, context in walk()}
"""The help page of each command."""


# --- the parts --------------------------------------------------------------------------------------------------------


def start(at: Session) -> None:
    """The first minutes: the version, a server, a profile, whether all is well; and the mistakes one makes there."""
    at.knit("version")
    at.knit("license", show=lambda text: "".join(text.splitlines(keepends=True)[:1]))
    at.knit("")
    at.knit("dta find")
    at.knit("data --fnd")
    at.knit("completion tcsh")
    for shell in ("bash", "zsh", "fish"):
        at.knit(f"completion {shell}")
    at.knit("notebooks here there")
    at.note("There is no profile yet.")
    at.knit("data find")
    at.knit("profile ls")
    at.knit("profile ls --output table")
    at.knit("profile show")
    at.knit("doctor")
    at.knit("init nowhere")
    at.knit("init profile.broken")
    at.note("A server, and a profile of it.")
    for words in ("--keyfile key.pem", "--host 0.0.0.0 --anonymous-loopback", "--port many", "--prot 1", "--port"):
        at.knit(f"serve {words}")
    at.knit("serve --config nowhere.toml")
    at.knit("serve --show-config --port 9000", show=lambda text: "".join(text.splitlines(keepends=True)[:6]) + "...\n")
    at.start()
    at.knit(f"serve --home {at.server.home} --port 0")
    at.knit(f"init {at.server.handout}")
    at.knit(f"--profile golden init {at.server.handout}")
    for form in ("json", "table", "wide", "name"):
        at.knit(f"profile ls --output {form}")
    at.knit("profile ls --output xml")
    at.knit("profile show")
    at.knit(f"profile use {at.project}")
    at.knit("profile use unknown")
    at.knit("--profile unknown data find")
    at.knit("doctor")


def images(at: Session) -> None:
    """Images: built, loaded, listed, named and removed."""
    at.knit("image ls")
    at.knit("image ls --output table")
    at.knit("image build act")
    at.knit("image build -t act:1 --file Nowhere act")
    at.knit("image build -t act:1 nowhere")
    at.knit("image build -t act:1 --build-arg alone act")
    at.knit("image build -t act:1 act")
    at.knit("image tag act:1 lab/act:2.0")
    at.knit("image tag act:9 lab/act:2.0")
    at.normal.figure(re.escape(at.ask("image ls")[0]["python"]), "<python>")
    for form in ("table", "wide", "name"):
        at.knit(f"image ls --output {form}")
    at.knit("image rm lab/act:2.0")
    at.knit("image rm lab/act:2.0")
    at.knit("image load note.txt")
    at.knit("image load nowhere.tar")
    at.knit("image load -", stdin="")


def data(at: Session) -> None:
    """Data: pushed, found, tagged, listed and pulled."""
    at.knit("data find")
    at.knit("data find --output table")
    pictures = at.ask("data push -t kind:pictures -n pictures")["knitId"]
    note = at.ask("data push -t kind:note --dereference nowhere.txt note.txt")["knitId"]
    at.knit("data push nowhere.txt")
    at.knit("data push -t knit#id:1 note.txt")
    at.knit("data push -t untagged note.txt")
    at.knit("data push -tkind:note note.txt")
    at.knit("data push --nmae note.txt")
    at.knit("data push")
    for form in ("json", "table", "wide", "name"):
        at.knit(f"data find -t kind:pictures --output {form}")
    at.knit("data find --since 2026-01-01 --duration 30m")
    at.knit("data find --transient yes --limit 1")
    at.knit("data find --transient maybe")
    at.knit("data find --duration 1h")
    at.knit("data find --since yesterday")
    at.knit("data find --since 2026-01-01 --duration 1")
    at.knit("data find --limit 0")
    at.knit("data find -t")
    for form in ("json", "table", "wide", "name"):
        at.knit(f"data ls {pictures} --output {form}")
    at.knit("data ls 00000000")
    at.knit(f"data tag {note} --add more:1 --add more:2 --remove more:2 --remove-key nothing")
    at.knit(f"data tag {note} --remove more:1")
    at.knit(f"data tag {note} --add knit#id:1")
    at.knit(f"data tag {note} --remove-key knit#id")
    at.knit(f"data tag {note} --add untagged")
    at.knit("data tag 00000000 --add a:b")
    at.knit(f"data pull {pictures} pulled")
    at.knit(f"data pull -x {pictures[:8]} pulled")
    at.knit(f"data pull -x {pictures} pulled")
    at.knit(f"data pull {pictures} --file deep/list.csv -")
    at.knit(f"data pull {pictures} --file deep/list.csv pulled/")
    at.knit(f"data pull {pictures} --file nowhere.csv -")
    at.knit(f"data pull -x {pictures} -")
    at.knit(f"data pull -x {pictures} --file deep/list.csv")
    at.knit(f"data pull {pictures} -", show=lambda text: "(an archive)\n" if text else text)
    at.knit("data pull 00000000-0000-0000-0000-000000000000")
    at.knit(f"data pull {pictures} a b")


def plans(at: Session) -> None:
    """Plans: written, tried, applied, found, shown and changed."""
    at.knit("plan template --scratch")
    at.knit("plan template act:1")
    at.knit("plan template act:9")
    at.knit("plan template")
    at.knit("plan template --scratch act:1")
    at.knit("plan template --input note.txt")
    at.knit("plan find")
    at.knit("plan find --output table")
    at.knit("plan apply --dry-run plans/copy.yaml")
    copying = at.apply("copy")
    at.run_of(copying)
    at.knit("plan apply plans/copy.yaml")
    at.knit("plan apply --dry-run plans/copy.yaml")
    for name in ("cycle", "overlap", "broken", "nowhere"):
        if name == "cycle":
            at.run_of(at.apply("again"))
        at.knit(f"plan apply plans/{name}.yaml")
    at.knit("plan apply -", stdin="image: act:1\ninputs: []\n")
    at.knit("plan apply - -", stdin="")
    at.knit("plan apply plans")
    at.knit("plan apply act")
    at.knit("plan apply --dry-run plans/fail.yaml plans/cycle.yaml")
    at.knit("plan apply plans/fail.yaml plans/again.yaml")
    for form in ("table", "wide", "name"):
        at.knit(f"plan find --image act --output {form}", unordered=True)
    at.knit("plan find --in-tag kind:pictures --out-tag kind:copied --active yes")
    at.knit(f"plan active no {copying}", show=only("active"))
    for within in ({}, {"NO_COLOR": "1"}):
        at.terminal("plan find --in-tag kind:pictures --output table", **within)
    at.knit(f"plan active yes {copying}", show=only("active"))
    at.knit("plan find --image act:2")
    at.knit("plan find --image UPPER")
    at.knit("plan find --active maybe")
    at.knit(f"plan show {copying[:8]}")
    at.knit("plan show 00000000")
    at.knit("plan show")
    at.knit("plan show 00000000-0000-0000-0000-000000000000")
    at.knit(f"plan resource {copying} --set cpu=2 --set memory=256Mi")
    for words in ("--unset cpu", "", "--set cpu", "--set cpu=many"):
        at.knit(f"plan resource {copying} {words}".rstrip(), show=only("resources"))
    for words in ("--add by=me --remove made-by=hand", "--remove-key by", "", "--add alone"):
        at.knit(f"plan annotate {copying} {words}".rstrip(), show=only("annotations"))
    for words in ("--set robot", "--unset", "", "--set a --unset"):
        at.knit(f"plan serviceaccount {copying} {words}".rstrip(), show=only("service_account"))
    for words in ("--tries 3 --wait 30s --on exit:2 --on lost", "--unset", "", "--tries few", "--tries 0",
                  "--unset --tries 2"):  # fmt: skip
        at.knit(f"plan retry {copying} {words}".rstrip())
    for words in ("--set 2h", "--unset", "", "--set 1ms"):
        at.knit(f"plan timeout {copying} {words}".rstrip())
    for words in (f"no {copying}", f"yes {copying}", f"maybe {copying}", copying):
        at.knit(f"plan active {words}", show=only("active"))
    at.knit(f"plan archive {copying}", show=only("active", "archived"))
    at.knit("plan find --image act --archived --output table", unordered=True)
    at.knit(f"plan archive --undo {copying}", show=only("active", "archived"))
    for words in ("", "--format text", "--format text -d -n 1", "--format text -o graph.txt", "--format gif", "-n 0",
                  "-n few", "-o nowhere/graph.dot"):  # fmt: skip
        at.knit(f"plan graph {words} {copying}".replace("  ", " "))


def runs(at: Session) -> None:
    """Runs: found, shown, watched, stopped, tried again and deleted."""
    failing = at.server.get("/plans?out_tag=kind%3Anone")[0]["planId"]
    failed = at.run_of(failing)
    for form in ("json", "table", "wide", "name"):
        at.knit(f"run find --planid {failing} --output {form}")
    at.knit("run find --output table")
    at.knit("run find -s done --since 2026-01-01 --duration 1h --output table")
    at.knit("run find -s over")
    at.knit("run find --duration 1h")
    at.knit(f"run show {failed}")
    at.knit(f"run show --log {failed}")
    at.knit(f"run show --log --follow {failed}")
    at.knit("run show 00000000-0000-0000-0000-000000000000")
    at.knit("run show --log 00000000-0000-0000-0000-000000000000")
    at.knit(f"run watch {failed}")
    at.knit("run watch")
    at.knit(f"run watch --planid {failing} {failed}")
    at.knit(f"run stop {failed}")
    at.knit(f"run retry {failed}")
    at.run_of(failing)
    at.knit(f"run rm {failed}")
    at.knit(f"run rm {failed}")
    at.note("A Run that never ends by itself.")
    endless = at.apply("forever")
    at.knit("data push -t kind:endless note.txt")
    for words in ("--fail ", ""):
        run = at.run_of(endless, "running")
        at.knit(f"run retry {run}")
        at.knit(f"run rm {run}")
        at.knit(f"run show --log {run}")
        at.knit(f"run stop {words}{run}")
        at.run_of(endless)
        at.knit(f"run watch {run}")
        if words:
            at.knit(f"run retry {run}")
    at.note("A Run whose image is not there.")
    missing = at.apply("missing")
    lost = at.run_of(missing)
    at.knit(f"run show {lost}")
    at.knit(f"run watch {lost}")
    at.knit("run find -s failed --output table", unordered=True)
    at.note("Runs whose outputs others have taken.")
    copying = at.server.get("/plans?out_tag=kind%3Acopied")[0]["planId"]
    copied = at.run_of(copying)
    for verb in ("retry", "rm"):
        at.knit(f"run {verb} {copied}")
        at.knit(f"run {verb} --yes {copied}")
        at.knit(f"run {verb} --downstream {copied}")
    at.knit(f"run retry --downstream --yes {copied}")
    twice = at.server.get("/plans?out_tag=kind%3Atwice")[0]["planId"]
    at.run_of(copying)
    at.run_of(twice)


def lineage(at: Session) -> None:
    """Where Data come from, and why things happened."""
    pictures = at.server.data("kind:pictures")[0]["knitId"]
    twice = at.server.data("kind:twice")[0]
    at.knit(f"data lineage {twice['knitId']}")
    for words in ("--format text", "--format text -u -n 1", "--format text -d", "--format text -o nowhere/a.txt"):
        at.knit(f"data lineage {words} {pictures}")
    at.knit("data lineage 00000000-0000-0000-0000-000000000000")
    copying = at.server.get("/plans?out_tag=kind%3Acopied")[0]["planId"]
    missing = at.server.get("/plans?out_tag=kind%3Anever")[0]["planId"]
    for words in (pictures, f"{pictures} {missing}", copying, twice["upstream"]["run"]["runId"]):
        at.knit(f"why {words}")
    for plan_id in (missing,):
        at.knit(f"why {at.server.get(f'/runs?plan={plan_id}')[0]['runId']}")
        at.knit(f"why {plan_id}")
    at.knit(f"why {pictures} {copying} --output json")
    at.knit("why 00000000-0000-0000-0000-000000000000")
    at.knit(f"why {pictures} --output xml")


def trouble(at: Session) -> None:
    """Tokens that are wrong, and servers that are gone."""
    store = at.server.user_home / ".knit" / "profile"
    kept = store.read_text()
    store.write_text(kept.replace(at.server.profile["token"], "wrong"))
    at.knit("data find")
    at.knit("doctor")
    store.write_text(kept)
    at.server.stop()
    at.knit("data find")
    at.knit("run watch --env")
    at.knit("doctor")
    store.write_text("- not a mapping\n")
    at.knit("data find")
    store.write_text(kept)
    (at.project / "knitenv").write_text("tag: [no-colon]\n")
    at.knit("data push note.txt")


def pages(at: Session) -> None:
    """Pages of help: of `knit`, of a group, of a command. All others are in docs/cli.md, made in the same way."""
    at.knit("--help")
    at.knit("plan --help")
    at.knit("plan find -h")


PARTS: tuple[Callable[[Session], None], ...] = (start, images, data, plans, runs, lineage, trouble, pages)
