"""How words are read, what usage errors and help look like, exit codes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

HEAVY = (
    "httpx", "rich", "yaml", "blake3", "zstandard", "isal", "tornado", "sqlalchemy", "fsspec", "jupyter_server",
    "kubernetes", "ipywidgets",
)  # fmt: skip


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_cold_start_loads_nothing_heavy() -> None:
    """Importing the command, and showing help, loads none of the heavy libraries."""
    code = (
        "import sys, contextlib, io\nimport knit_cli.main\n"
        "with contextlib.redirect_stderr(io.StringIO()):\n"
        "    for words in ([], ['data'], ['data', 'push'], ['plan', 'graph'], ['run', 'find'], ['image', 'build']):\n"
        "        knit_cli.main.main([*words, '--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    assert python(code).strip() == "[]"


def test_help_goes_to_stderr(knit) -> None:
    """Help exits 0, on stderr, with its sections in order."""
    result = knit("data", "push", "--help")
    assert (result.code, result.out) == (0, "")
    assert result.err.startswith("knit data push -- ")
    titles = [line for line in result.err.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert titles == ["Usage:", "Description:", "Flags:", "Args:"]


@pytest.mark.parametrize("words", [["-h", "data", "push"], ["data", "-h", "push"], ["data", "push", "x", "-h"]])
def test_help_stands_anywhere(knit, words) -> None:
    """-h may stand anywhere on the line."""
    assert knit(*words).err.startswith("knit data push -- ")


def test_help_lists_subcommands(knit) -> None:
    """Subcommands are listed alphabetically."""
    err = knit("--help").err
    rows = [line.split()[0] for line in err.partition("Subcommands:\n")[2].splitlines()]
    assert rows == sorted(rows)
    assert {"data", "plan", "run", "image", "init", "serve", "version", "license"} <= set(rows)


def test_help_of_an_extension_flag_is_not_stolen_after_dashes(knit) -> None:
    """Behind `--`, nothing is a flag of the root."""
    result = knit("data", "pull", "--", "--help")
    assert result.code == 1
    assert "config file is not found" in result.err


@pytest.mark.parametrize(
    ("words", "told", "command"),
    [
        ([], "no subcommands", "knit"),
        (["data"], "no subcommands", "knit data"),
        (["nope"], "unknown subcommand: nope", "knit"),
        (["data", "nope"], "unknown subcommand: nope", "knit data"),
        (["--nope", "data"], "unknown flag: --nope", "knit"),
        (["plan", "show"], "not enough args: PLAN_ID missing", "knit plan show"),
        (["plan", "active"], "not enough args: yes|no and PLAN_ID missing", "knit plan active"),
        (["plan", "active", "no"], "not enough args: PLAN_ID missing", "knit plan active"),
        (["data", "push", "-n"], "not enough args: SOURCE missing", "knit data push"),
        (["plan", "show", "a", "b"], "too much args", "knit plan show"),
        (["data", "find", "-t"], "value required: -t", "knit data find"),
        (["data", "find", "--tag"], "value required: --tag", "knit data find"),
        (["data", "find", "--colour=red"], "unknown flag: --colour", "knit data find"),
        (["datta"], "unknown subcommand: datta; did you mean data?", "knit"),
        (["run", "fnd"], "unknown subcommand: fnd; did you mean find?", "knit run"),
        (["--version"], "unknown flag: --version; did you mean version?", "knit"),
        (["data", "find", "--tga", "a:b"], "unknown flag: --tga; did you mean --tag?", "knit data find"),
        (["data", "find", "-ta:b"], "unknown flag: -ta:b (write -t a:b", "knit data find"),
        (["data", "push", "-nL", "x"], "unknown flag: -nL (write -n L", "knit data push"),
        (["data", "push", "--name=perhaps", "x"], "--name is true or false, not 'perhaps'", "knit data push"),
        (["data", "find", "--profile"], "value required: --profile", "knit"),
    ],
)
def test_usage_errors(knit, words, told, command) -> None:
    """A wrong command line exits 2: what is wrong, a blank line, the help of the command; stdout stays empty."""
    result = knit(*words)
    assert (result.code, result.out) == (2, "")
    first, blank, page = result.err.split("\n", 2)
    assert first.startswith(f"usage error: {told}")
    assert blank == ""
    assert page.startswith(f"{command} -- ")


def test_flags_and_positionals_mix(ready, server) -> None:
    """Flags may stand before, between and after positionals; `=` works for both kinds."""
    server.on("PUT /data/a", {})
    assert ready("data", "tag", "--add=k:v=w", "a", "--remove-key", "-x").code == 0
    assert server.last.json == {"add": [{"key": "k", "value": "v=w"}], "remove": [], "remove_key": ["-x"]}


def test_a_bare_flag_swallows_nothing(ready, home) -> None:
    """The word after a bare flag is a positional even if it reads like a bool."""
    result = ready("data", "push", "-n", "true")
    assert "true -- skipped" in result.err


def test_a_flag_switched_off(ready, server, home) -> None:
    """`--name=false` switches off what an earlier `-n` switched on; words for bools are taken in any case."""
    (home / "true").write_text("x")
    server.on("POST /data", {"knitId": "k"})
    assert ready("data", "push", "-n", "--name=OFF", "true").code == 0
    assert server.last.query == []


def test_double_dash_ends_flags(ready, server, home) -> None:
    """Behind `--` every word is a positional."""
    (home / "-n").write_text("x")
    server.on("POST /data", {"knitId": "k"})
    assert ready("data", "push", "--", "-n").code == 0


@pytest.mark.parametrize("words", [["--profile", "p", "data", "find"], ["data", "--profile=p", "find"],
                                   ["data", "find", "--profile", "p"]])  # fmt: skip
def test_root_flags_stand_anywhere(ready, words) -> None:
    """The root flags are taken from any place of the line."""
    assert "profile 'p' not found in the profile store" in ready(*words).err


def test_environment_is_not_read(ready, server, monkeypatch) -> None:
    """KNIT_PROFILE and its kin are exported to extensions, never read."""
    for name in ("KNIT_PROFILE", "KNIT_PROFILE_STORE", "KNIT_ENV"):
        monkeypatch.setenv(name, "/nowhere")
    server.on("GET /data", [])
    assert ready("data", "find").code == 0


def test_version(knit) -> None:
    """Version and commit, without a newline; no profile is needed."""
    from knit_server import __version__

    result = knit("version")
    assert result.code == 0
    assert result.out.startswith(f"{__version__} (commit: ")
    assert result.out.endswith(")")


def test_license(knit) -> None:
    """Every library the command needs is named."""
    out = knit("license").out
    assert len(set(out.splitlines())) == len(out.splitlines())
    assert out.startswith("Knit ")
    assert {"click", "httpx"} <= {line.split()[0] for line in out.splitlines()}


def test_serve_is_reached_lazily() -> None:
    """The server's command is in the tree and is imported only when it is called."""
    code = "import sys, knit_cli.main as m; print(m.TREE['serve'].target, 'knit_server.admin' in sys.modules)"
    assert python(code).split() == ["knit_server.admin.serve:serve", "False"]


def test_stdout_that_closes_early(ready, server) -> None:
    """A reader that goes away ends the command quietly."""
    server.on("GET /runs/r/log", chunks=[b"x" * 65536] * 64)
    code = "import sys; from knit_cli.main import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", code, "run", "show", "--log", "r"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.skipif(sys.platform != "linux", reason="needs a locale of Linux")
def test_output_is_utf8_in_any_locale(ready, server) -> None:
    """The C locale changes nothing."""
    server.on("GET /data", [{"tags": ["name:データ"]}])
    code = "import sys; from knit_cli.main import main; sys.exit(main())"
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code, "data", "find"], env=environment, capture_output=True, check=True
    )
    assert "name:データ" in done.stdout.decode()
