"""The demo: Pachyderm's beginner tutorial on Knit, from nothing to a page of pictures, in one command.

    python demo.py [--workdir DIR]

It makes sample media, starts a Knit server, and gives one by one the `knit` commands that a person would give. All it
writes is below its own folder, `.knit-demo` unless --workdir says otherwise; nothing of yours is touched.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import demo_folder
import demo_server
import demo_view

HERE = Path(__file__).resolve().parent
#: Names under which the Plans ask for the images that are built from `images/`.
IMAGES = {
    "video_mp4_converter": "lbliii/video_mp4_converter:1.0.14",
    "image_flattener": "lbliii/image_flattener:1.0.0",
    "image_extracter": "975050250135.dkr.ecr.ap-northeast-1.amazonaws.com/image_extracter:1.0",
    "image_tracer": "lbliii/image_tracer:1.0.8",
    "movie_gifer": "lbliii/movie_gifer:1.0.5",
    "content_shuffler": "lbliii/content_shuffler:1.0.0",
    "content_collager": "lbliii/content_collager:1.0.64",
}
#: The plan files in the order of the tutorial; that of `IMAGES` is the same.
PLANS = (
    "video_converter",
    "image_flattener",
    "image_extracter",
    "image_tracer",
    "gif",
    "content_shuffler",
    "content_collager",
)
#: What there is at the end: an upload and a Run of each Plan; the upload, and an output and a log of each other Run.
EXPECTED_RUNS, EXPECTED_DATA = 1 + len(PLANS), 1 + 2 * len(PLANS)
POLL_SECONDS = 0.5
#: Seconds without any change of any Run after which the demo gives up.
PATIENCE_SECONDS = 180.0


class DemoFailed(Exception):
    """The demo cannot go on; the message says why."""


def knit_command() -> list[str]:
    """The `knit` that belongs to this Python: the script beside it, else the module."""
    script = Path(sys.executable).with_name("knit")
    return [str(script)] if script.is_file() else [sys.executable, "-m", "knit_cli.main"]


def say(text: str = "") -> None:
    """Print at once: the commands' own output must not overtake it."""
    print(text, flush=True)


def near(path: Path, start: Path | None = None) -> str:
    """The path as a person would type it in the folder `start`: relative while that does not lead far away."""
    relative = os.path.relpath(path, start)
    return str(path) if relative.startswith("../../../") else relative


class Walk:
    """The commands of the walk, given in the folder `work`, with a profile store of the demo's own."""

    def __init__(self, work: Path) -> None:
        self.work = work

    def knit(self, *words: str, into: str | None = None, lines: int = 12) -> str:
        """Show and run one `knit` command; its stdout, which is shown shortened or saved as the file `into`."""
        shown = ["knit", "--profile-store", "./profile-store", *words]
        say(f"\n$ {shlex.join(shown)}" + (f" > {into}" if into else ""))
        result = subprocess.run([*knit_command(), *shown[1:]], cwd=self.work, stdout=subprocess.PIPE, check=False)
        text = result.stdout.decode(errors="replace")
        if result.returncode != 0:
            say(text)
            raise DemoFailed(f"this command ended with exit code {result.returncode}: {shlex.join(shown)}")
        if into is not None:
            (self.work / into).write_bytes(result.stdout)
        elif text.strip():
            say(demo_view.indent(demo_view.shorten(text, lines=lines)))
        return text

    def ask(self, *words: str) -> Any:
        """Run a `knit` command that prints JSON without showing it; the JSON."""
        command = [*knit_command(), "--profile-store", "./profile-store", *words]
        result = subprocess.run(command, cwd=self.work, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise DemoFailed(f"knit {shlex.join(words)} ended with exit code {result.returncode}: {result.stderr}")
        return json.loads(result.stdout)


def lay_out(work: Path) -> None:
    """Make the folder of the walk: the sample media, the plan files, the images' folders and `knitenv`."""
    work.mkdir()
    shutil.copytree(HERE / "plans", work / "plans")
    shutil.copytree(HERE / "images", work / "images", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(HERE / "knitenv", work / "knitenv")
    say("== Sample media, made by a program")
    script = near(HERE / "make_media.py", work)
    say(f"\n$ python {script} ./raw_videos_and_images/")
    command = [sys.executable, script, "./raw_videos_and_images/"]
    if subprocess.run(command, cwd=work, check=False).returncode != 0:
        raise DemoFailed("the sample media could not be made")


def set_up(walk: Walk) -> None:
    """Point the folder at the server and build the seven images."""
    say("\n== This folder becomes a Knit project")
    walk.knit("init", "../home/handout/knitprofile")
    say("\n$ cat knitenv")
    say(demo_view.indent((walk.work / "knitenv").read_text()))
    say("\n== The images, under the names that the Plans ask for")
    for folder, name in IMAGES.items():
        walk.knit("image", "build", "-t", name, f"./images/{folder}/", lines=2)


def push_and_apply(walk: Walk) -> None:
    """Push the raw Data and apply the seven Plans."""
    say("\n== The raw Data, and the Plans that make something of it")
    walk.knit("data", "push", "-t", "format:mixed", "-t", "type:raw-dataset", "-n", "./raw_videos_and_images/")
    for plan in PLANS:
        walk.knit("plan", "apply", f"./plans/{plan}.plan.yaml", lines=3)


def watch(walk: Walk, alive: Callable[[], bool]) -> None:
    """Show how the Runs make one another, until all are done; DemoFailed at the first failed Run."""
    say("\n== Nobody starts anything: each Run's Data makes the next Runs")
    say("\n$ knit --profile-store ./profile-store run find    (again and again)")
    live, names = demo_view.Live(sys.stdout), ("knit#uploaded", *IMAGES)
    log = walk.work.parent / "server.log"
    changed = time.monotonic()
    while True:
        runs: list[demo_view.Run] = walk.ask("run", "find")
        if live.show(demo_view.tally(runs, names)):
            changed = time.monotonic()
        failed = [run for run in runs if run["status"] in {"failed", "invalidated"}]
        if failed:
            show_failure(walk, failed[0])
        if len(runs) >= EXPECTED_RUNS and all(run["status"] == "done" for run in runs):
            return
        if not alive():
            raise DemoFailed(f"the server ended while Runs were going on; its log says why: {log}")
        if time.monotonic() - changed > PATIENCE_SECONDS:
            states = "\n".join(demo_view.table(live.rows))
            raise DemoFailed(f"nothing has changed for {PATIENCE_SECONDS:.0f} s; see {log}\n{states}")
        time.sleep(POLL_SECONDS)


def show_failure(walk: Walk, run: demo_view.Run) -> None:
    """Show why a Run failed, and fail."""
    name = demo_view.plan_name(run["plan"])
    end = run.get("exit") or {}
    say(f"\nThe Run of {name} failed: exit code {end.get('code', '(none)')} {end.get('message', '')}".rstrip())
    walk.knit("run", "show", "--log", run["runId"], lines=200)
    raise DemoFailed(f"the Run {run['runId']} of {name} failed; its log is above")


def look(walk: Walk) -> list[Path]:
    """Fetch the page and draw the graphs as the tutorial does; the paths worth opening."""
    say("\n== The result")
    plan_id = json.loads(walk.knit("plan", "find", "--image", IMAGES["content_collager"]))[0]["planId"]
    run = json.loads(walk.knit("run", "find", "-p", plan_id, lines=8))[0]
    knit_id = run["outputs"][0]["knitId"]
    walk.knit("data", "pull", "-x", knit_id, "./outputs/content_collager")
    page = walk.work / "outputs" / "content_collager" / knit_id / "index.html"
    if not page.is_file():
        raise DemoFailed(f"the pulled Data has no index.html: {page}")
    say("\n== Where it came from")
    graphs = draw(walk, "plan-graph", "plan", "graph", plan_id) + draw(
        walk, "lineage-graph", "data", "lineage", knit_id
    )
    return [page, *graphs]


def draw(walk: Walk, name: str, noun: str, verb: str, root: str) -> list[Path]:
    """Save a graph as NAME.dot and, where Graphviz is installed, as NAME.svg; else show it as a tree."""
    walk.knit(noun, verb, "-n", "all", root, into=f"{name}.dot")
    if shutil.which("dot") is not None:
        walk.knit(noun, verb, "-n", "all", "--format", "svg", root, into=f"{name}.svg")
        return [walk.work / f"{name}.svg"]
    walk.knit(noun, verb, "-n", "all", "--format", "text", root, lines=100)
    say("(For a picture install Graphviz, for instance: sudo apt-get install graphviz; then dot -T svg NAME.dot)")
    return [walk.work / f"{name}.dot"]


def check_counts(walk: Walk) -> None:
    """Compare what there is with the tutorial's inventory; DemoFailed when it differs."""
    plans = [plan for plan in walk.ask("plan", "find") if "image" in plan]
    runs = [run for run in walk.ask("run", "find") if run["status"] == "done"]
    data = walk.ask("data", "find")
    found = (len(plans), len(runs), len(data))
    if found != (len(PLANS), EXPECTED_RUNS, EXPECTED_DATA):
        raise DemoFailed(
            f"there are {found[0]} Plans, {found[1]} Runs done and {found[2]} Data;"
            f" expected were {len(PLANS)}, {EXPECTED_RUNS} and {EXPECTED_DATA}"
        )
    say(f"\n{found[0]} Plans, {found[1]} Runs done, {found[2]} Data: as it should be.")


def walk_through(folder: Path) -> list[Path]:
    """The whole walk, with a server of its own; the paths worth opening."""
    lay_out(folder / "work")
    say("\n== The server")
    say(f"\n$ knit serve --home {shlex.quote(near(folder / 'home'))} --port 0")
    command = [*knit_command(), "serve", "--home", str(folder / "home"), "--port", "0"]
    walk = Walk(folder / "work")
    with demo_server.Server(command, folder / "server.log") as server:
        set_up(walk)
        push_and_apply(walk)
        watch(walk, server.running)
        paths = look(walk)
        check_counts(walk)
    if server.process.returncode == -signal.SIGKILL:
        raise DemoFailed(f"all is made, but the server did not stop when asked; its log: {folder / 'server.log'}")
    return paths


def say_goodbye(folder: Path, paths: list[Path], seconds: float) -> None:
    """Name what there is to see and how to go on."""
    there, script = shlex.quote(str(folder.resolve())), Path(knit_command()[0])  # terminals start in other folders
    say(f"\nDone in {seconds:.0f} s; the server is stopped. Open these:\n")
    for path in paths:
        say(f"    {path}")
    say(f"\nEverything is kept in {near(folder)} until the next `make demo`. To look around, start the server again:\n")
    if shutil.which("knit") != str(script):
        say(f"    export PATH={shlex.quote(str(script.parent))}:$PATH")
    say(f"    knit serve --home {there}/home --port 0")
    say("\nand, since its address is a new one, in another terminal:\n")
    if shutil.which("knit") != str(script):
        say(f"    export PATH={shlex.quote(str(script.parent))}:$PATH")
    say(f"    cd {there}/work")
    say("    knit --profile-store ./profile-store init ../home/handout/knitprofile")
    say("    knit --profile-store ./profile-store run find")
    say("    knit --profile-store ./profile-store data find -t type:log")


def missing_libraries() -> list[str]:
    """The libraries of the sample media that this Python lacks."""
    return [name for name in ("cv2", "numpy") if importlib.util.find_spec(name) is None]


def stop_as_if_interrupted(signum: int, frame: object) -> None:
    """End in order when the demo is terminated, as on Ctrl-C: the server must not be left behind."""
    raise KeyboardInterrupt


def main() -> int:
    """Run as a command; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = HERE.parents[1] / ".knit-demo"
    parser.add_argument("--workdir", type=Path, default=default, metavar="DIR", help=f"its own folder ({default})")
    folder: Path = parser.parse_args().workdir.absolute()
    if missing := missing_libraries():
        say(f"The sample media need {' and '.join(missing)}: pip install 'knit-platform[demo]'")
        return 1
    signal.signal(signal.SIGTERM, stop_as_if_interrupted)
    start = time.monotonic()
    try:
        with demo_folder.fresh(folder):
            paths = walk_through(folder)
            say_goodbye(folder, paths, time.monotonic() - start)
    except (DemoFailed, demo_folder.Refused, demo_server.ServerFailed) as err:
        say(f"\nThe demo stopped: {err}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; the server is stopped too.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
