"""The demo's own parts: what it prints, its folder, its server process."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from pathlib import Path

import demo
import demo_folder
import demo_server
import demo_view
import pytest

PLAN = {"planId": "p1", "image": "registry.example:5000/a/image_tracer:1.0"}


def run(status: str, **plan: str) -> demo_view.Run:
    return {"runId": "r1", "status": status, "plan": plan or PLAN}


class Terminal(io.StringIO):
    """Text output that calls itself a terminal."""

    def isatty(self) -> bool:
        return True


def test_output_is_shortened() -> None:
    """Long output is cut to its first lines, and says how much is missing."""
    assert demo_view.shorten("a\nb\n", lines=2) == "a\nb"
    assert demo_view.shorten("a\nb\nc\nd\n", lines=2) == "a\nb\n… (2 more lines)"
    assert demo_view.shorten("x" * 30, width=10) == "x" * 9 + "…"


def test_plans_have_short_names() -> None:
    """A Plan is called by its image without registry and version, an upload by its pseudo name."""
    assert demo_view.plan_name(PLAN) == "image_tracer"
    assert demo_view.plan_name({"planId": "p0", "name": "knit#uploaded"}) == "knit#uploaded"


def test_runs_are_counted_by_plan() -> None:
    """Each status falls under a heading, named Plans come first and stay when they have no Run yet."""
    runs = [run("done", planId="u", name="knit#uploaded"), run("ready"), run("completing"), run("failed")]
    rows = demo_view.tally(runs, ["movie_gifer", "image_tracer"])
    assert [row.name for row in rows] == ["movie_gifer", "image_tracer", "knit#uploaded"]
    assert [row.counts for row in rows] == [(0, 0, 0, 0), (1, 1, 0, 1), (0, 0, 1, 0)]


def test_the_table_is_aligned() -> None:
    """All lines have one width, and nothing is shown as a dot."""
    lines = demo_view.table(demo_view.tally([run("running")], ["knit#uploaded"]))
    assert len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["Plan", "waiting", "running", "done", "failed"]
    assert lines[2].split() == ["image_tracer", "·", "1", "·", "·"]


def test_a_pipe_gets_one_line_for_each_change() -> None:
    """Without a terminal nothing is redrawn, and nothing is repeated."""
    out = io.StringIO()
    live = demo_view.Live(out)
    for status in ("running", "running", "done"):
        live.show(demo_view.tally([run(status)], ["knit#uploaded"]))
    assert out.getvalue() == "    image_tracer: 1 running\n    image_tracer: 1 done\n"


def test_a_terminal_gets_the_table_in_place() -> None:
    """On a terminal the second table is drawn over the first."""
    out = Terminal()
    live = demo_view.Live(out)
    assert live.show(demo_view.tally([run("running")], []))
    first = out.getvalue()
    assert live.show(demo_view.tally([run("done")], []))
    assert not live.show(demo_view.tally([run("done")], []))
    assert "\x1b[2A" not in first
    assert out.getvalue().removeprefix(first).startswith("\x1b[2A")


def test_the_folder_is_made_and_emptied(tmp_path: Path) -> None:
    """A second demo starts from nothing, also where a store left read-only folders."""
    folder = tmp_path / "demo"
    with demo_folder.fresh(folder):
        (folder / "home" / "trees").mkdir(parents=True)
        (folder / "home" / "trees" / "kept").write_text("")
        (folder / "home" / "trees").chmod(0o555)
        (folder / "link").symlink_to(tmp_path)
    with demo_folder.fresh(folder):
        assert [path.name for path in folder.iterdir()] == [demo_folder.MARKER]
    assert tmp_path.is_dir()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """A folder with other contents is left alone."""
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(demo_folder.Refused, match="was not made by this demo"), demo_folder.fresh(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_link_is_refused(tmp_path: Path) -> None:
    """A link is never emptied, wherever it leads."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(demo_folder.Refused, match="is no folder"), demo_folder.fresh(tmp_path / "link"):
        pass


def test_two_demos_cannot_share_a_folder(tmp_path: Path) -> None:
    """While one demo holds the folder a second is turned away."""
    with (
        demo_folder.fresh(tmp_path / "demo"),
        pytest.raises(demo_folder.Refused, match="another demo is at work"),
        demo_folder.fresh(tmp_path / "demo"),
    ):
        pass


def test_a_home_with_a_server_is_not_removed(tmp_path: Path) -> None:
    """A living server's home is kept, and the message says how to stop it; a dead one's is removed."""
    folder = tmp_path / "demo"
    with demo_folder.fresh(folder):
        (folder / "home").mkdir()
    words = [sys.executable, "-c", "input('here\\n')", "knit"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"here\n"  # until then /proc may not yet show the words
        (folder / "home" / "server.json").write_text(json.dumps({"pid": server.pid, "url": "http://127.0.0.1:1/"}))
        with pytest.raises(demo_folder.Refused, match=f"kill {server.pid}"), demo_folder.fresh(folder):
            pass
        server.communicate(b"\n")
    with demo_folder.fresh(folder):
        assert not (folder / "home").exists()


def serve(tmp_path: Path, program: str) -> demo_server.Server:
    """A process in the place of `knit serve`."""
    return demo_server.Server([sys.executable, "-u", "-c", program], tmp_path / "server.log")


def test_the_server_is_waited_for_and_stopped(tmp_path: Path) -> None:
    """The block begins at the line that says so, and the process is gone after it; its log is kept."""
    program = (
        "import sys, signal\n"
        "print('Knit is ready', file=sys.stderr)\n"
        "print('next: knit init H/handout/knitprofile', file=sys.stderr)\n"
        "signal.sigwait([signal.SIGTERM])\n"
        "print('bye', file=sys.stderr)\n"
    )
    program = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n" + program
    with serve(tmp_path, program) as server:
        assert server.running()
    assert server.process.returncode == 0
    assert (tmp_path / "server.log").read_text().splitlines()[-2:] == ["next: knit init H/handout/knitprofile", "bye"]


def test_a_server_that_ends_early_is_quoted(tmp_path: Path) -> None:
    """What the server said before it ended is in the error."""
    program = "import sys; sys.exit('port 1 is taken')"
    with pytest.raises(demo_server.ServerFailed, match="port 1 is taken"), serve(tmp_path, program):
        pass


def test_the_server_is_stopped_when_the_walk_fails(tmp_path: Path) -> None:
    """An interruption inside the block does not leave the server behind."""
    program = "import sys, time\nprint('next: knit init x', file=sys.stderr)\ntime.sleep(600)"
    with pytest.raises(KeyboardInterrupt), serve(tmp_path, program) as server:
        raise KeyboardInterrupt
    assert server.process.returncode == -signal.SIGTERM


def test_a_failing_command_stops_the_walk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's exit code is told together with the command as it was shown."""
    monkeypatch.setattr(demo, "knit_command", lambda: [sys.executable, "-c", "import sys; sys.exit(3)"])
    with pytest.raises(demo.DemoFailed, match=r"exit code 3: knit --profile-store \./profile-store plan find"):
        demo.Walk(tmp_path).knit("plan", "find")


def test_output_can_go_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A graph is saved as it came, shown as a redirection."""
    monkeypatch.setattr(demo, "knit_command", lambda: [sys.executable, "-c", "print('digraph G {}')"])
    demo.Walk(tmp_path).knit("plan", "graph", "ID", into="g.dot")
    assert (tmp_path / "g.dot").read_text() == "digraph G {}\n"
    assert capfd.readouterr().out == "\n$ knit --profile-store ./profile-store plan graph ID > g.dot\n"


def test_the_demos_folder_is_laid_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The walk's folder holds all that its commands name."""
    demo.lay_out(tmp_path / "work")
    assert "make_media.py" in capfd.readouterr().out
    assert {p.name for p in (tmp_path / "work").iterdir()} == {"images", "plans", "knitenv", "raw_videos_and_images"}
    assert (tmp_path / "work" / "knitenv").read_bytes() == (demo.HERE / "knitenv").read_bytes()
    built = tmp_path / "work" / "images" / "image_tracer"
    assert {p.name for p in built.iterdir()} == {"Dockerfile", "image_tracer.py"}
