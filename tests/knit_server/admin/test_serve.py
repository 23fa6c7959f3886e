"""`knit serve` as a process: what it says, what it leaves out, how it starts, stops and refuses."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import httpx
import pytest

from knit_server.service.home import Home

DEADLINE = 30.0


class Process:
    """A `knit serve` on its way; `ready` waits for its last line."""

    def __init__(self, home: Path, *options: str, environ: dict[str, str] | None = None, port: str = "0") -> None:
        self.home = home
        self.lines: list[str] = []
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "knit_cli.main", "serve", "--home", str(home), "--port", port, *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **(environ or {})},
        )  # fmt: skip

    def ready(self) -> Process:
        """Wait for the last line of the start-up."""
        err: IO[str] = self.popen.stderr  # type: ignore[assignment]
        while not self.lines or not self.lines[-1].startswith("next: "):
            line = err.readline()
            assert line, f"it ended: {self.lines}"
            self.lines.append(line)
        return self

    @property
    def profile(self) -> dict[str, Any]:
        """What it has handed out."""
        profile: dict[str, Any] = json.loads((self.home / "handout" / "knitprofile").read_text())
        return profile

    def client(self, **options: Any) -> httpx.Client:
        """A client with the profile's token."""
        headers = {"Authorization": f"token {self.profile['token']}"}
        return httpx.Client(base_url=self.profile["apiRoot"], headers=headers, trust_env=False, **options)

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str, str]:
        """Stop it and return its exit code and what it has said since."""
        self.popen.send_signal(number)
        return self.end()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end."""
        out, err = self.popen.communicate(timeout=DEADLINE)
        return self.popen.returncode, out, err


@pytest.fixture
def start() -> Iterator[Callable[..., Process]]:
    begun: list[Process] = []

    def make(home: Path, *options: str, **more: Any) -> Process:
        begun.append(Process(home, *options, **more))
        return begun[-1]

    yield make
    for process in begun:
        if process.popen.poll() is None:
            process.popen.kill()
        process.popen.communicate()


class TestLife:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_start_answer_stop(self, start: Callable[..., Process], tmp_path: Path, number: int) -> None:
        """It says two lines, answers, and stops at once with exit code 0; stdout stays empty."""
        process = start(tmp_path / "home").ready()
        home, root = tmp_path / "home", process.profile["apiRoot"].removesuffix("/knit/api")
        first, last = process.lines[-2:]
        assert first.startswith(f"Knit is ready: {root} (home {home}, executor local, sandbox ")
        assert last == f"next: knit init {home}/handout/knitprofile\n"
        assert stat.S_IMODE((home / "handout" / "knitprofile").stat().st_mode) == 0o600
        assert json.loads((home / "server.json").read_text()) == {"url": root + "/", "pid": process.popen.pid}
        with process.client() as client:
            assert client.get("/health").json()["status"] == "ok"
        begun = time.monotonic()
        assert process.stop(number) == (0, "", "")
        assert time.monotonic() - begun < 2
        assert not (home / "handout" / "knitprofile").exists()
        assert not (home / "server.json").exists()

    def test_token_stays(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """The token is the same after a restart, also after a kill, and a stale profile is gone until it answers."""
        first = start(tmp_path / "home").ready()
        token = first.profile["token"]
        first.popen.kill()
        first.end()
        assert first.profile["token"] == token
        second = start(tmp_path / "home").ready()
        assert second.profile["token"] == token
        with second.client() as client:
            assert client.get("/health").status_code == 200

    def test_rotated_token(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """With --rotate-token the token is new, the old one gets a 403 that says so, and the new one stays."""
        first = start(tmp_path / "home").ready()
        old = first.profile["token"]
        first.popen.send_signal(signal.SIGTERM)
        first.end()
        second = start(tmp_path / "home", "--rotate-token").ready()
        assert any(line.startswith("note: the token is new") for line in second.lines)
        assert not any(second.profile["token"] in line for line in second.lines)
        assert second.profile["token"] != old
        with second.client() as client:
            assert client.get("/health").status_code == 200
            refused = client.get("/health", headers={"Authorization": f"token {old}"})
        assert refused.status_code == 403
        assert "knit init KNIT_PROFILE_FILE" in refused.json()["advice"]
        assert Home(tmp_path / "home").token() == second.profile["token"]

    def test_open_streams_do_not_hold_it_up(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """Listeners and stalled uploads end with the server."""
        process = start(tmp_path / "home").ready()
        with process.client() as client, client.stream("GET", "/events") as events:
            assert events.status_code == 200
            host, port = process.profile["apiRoot"].split("/")[2].split(":")
            with socket.create_connection((host, int(port))) as upload:
                head = f"Host: {host}\r\nAuthorization: token {process.profile['token']}\r\nContent-Length: 1000000"
                upload.sendall(f"POST /knit/api/data HTTP/1.1\r\n{head}\r\n\r\nbegun".encode())
                begun = time.monotonic()
                assert process.stop()[:2] == (0, "")
                assert time.monotonic() - begun < 2

    def test_needs_no_home_directory(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """With an empty, read-only HOME it works, and writes nothing outside its own home."""
        bare = tmp_path / "bare"
        bare.mkdir()
        names = ("HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR")
        process = start(tmp_path / "home", environ={name: str(bare / "missing") for name in names}).ready()
        with process.client() as client:
            assert client.get("/health").status_code == 200
        assert process.stop()[0] == 0
        assert list(bare.iterdir()) == []

    def test_user_settings_are_not_read(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """Neither Jupyter's configuration files nor its environment open the API or add to it."""
        config = tmp_path / "config"
        config.mkdir()
        (config / "jupyter_server_config.py").write_text("raise SystemExit('read')")
        (config / "jupyter_config.json").write_text('{"IdentityProvider": {"token": ""}}')
        environ = {"JUPYTER_CONFIG_DIR": str(config), "JUPYTER_TOKEN": "other", "JUPYTER_PREFER_ENV_PATH": "0"}
        process = start(tmp_path / "home", environ=environ).ready()
        with process.client() as client:
            assert client.get("/health").status_code == 200
            assert client.get("/health", headers={"Authorization": "token other"}).status_code == 403
            assert client.get("/health", headers={"Authorization": ""}).status_code == 403
            assert not client.cookies


class TestNothingElse:
    def test_nothing_of_jupyter_answers(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """No contents, kernels, files, terminals, pages: 403 without the token, 404 with it, as JSON."""
        process = start(tmp_path / "home").ready()
        root = process.profile["apiRoot"].removesuffix("/knit/api")
        paths = [
            "/", "/api", "/api/status", "/api/contents", "/api/kernels", "/api/sessions", "/api/terminals", "/files/x",
            "/api/shutdown", "/api/kernelspecs", "/api/config/x", "/api/events/subscribe", "/login", "/logout", "/lab",
            "/tree", "/static/x.js", "/metrics", "/nbconvert/html/x", "/view/x", "/robots.txt", "/favicon.ico",
        ]  # fmt: skip
        with process.client() as client:
            for method, path in itertools.product(["GET", "POST", "PUT", "DELETE"], paths):
                assert httpx.request(method, root + path, trust_env=False).status_code == 403, path
                answer = client.request(method, root + path)
                assert answer.status_code == 404, path
                assert answer.json()["reason"]

    def test_routes(self, tmp_path: Path) -> None:
        """The routes of the web application are those of the endpoint table, and one that says 404."""
        code = (
            "import json, logging, sys; from pathlib import Path;"
            "from knit_server.engine import Settings; from knit_server.extension import headless;"
            f"home = Path({str(tmp_path)!r});"
            "app = headless.build(Settings(home=home), token='t', folder=home, host='127.0.0.1', port=0, certfile='',"
            " keyfile='', log_level=40, on_ready=print).web_app;"
            "walk = lambda rules: [p for r in rules for p in ("
            " walk(r.target.rules) if hasattr(r.target, 'rules') else [r.matcher.regex.pattern])];"
            "print(json.dumps(walk(app.default_router.rules)))"
        )
        done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
        patterns = json.loads(done.stdout)
        from knit_server.handlers.routes import routes

        assert sorted(pattern.removesuffix("$") for pattern in patterns) == sorted(pattern for pattern, _ in routes())


class TestRefusals:
    def test_home_is_held(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A second server on a held home exits 1 and names pid and URL; the first is not disturbed."""
        first = start(tmp_path / "home").ready()
        code, out, err = start(tmp_path / "home").end()
        assert (code, out) == (1, "")
        assert f"process {first.popen.pid}" in err
        assert first.profile["apiRoot"].removesuffix("/knit/api") in err
        with first.client() as client:
            assert client.get("/health").status_code == 200

    def test_port_is_taken(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A taken port is told with what to do."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            code, out, err = start(tmp_path / "home", port=str(port)).end()
        assert (code, out) == (1, "")
        assert err == f"port {port} of 127.0.0.1 is taken\nChoose another with --port N; --port 0 takes a free one.\n"

    def test_damaged_database(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A damaged database is told in words, and no profile points to a server that is not there."""
        start(tmp_path / "home").ready().stop()
        for path in (tmp_path / "home").glob("knit.db*"):
            path.write_bytes(b"this is no database " * 1000)
        code, out, err = start(tmp_path / "home").end()
        assert (code, out) == (1, "")
        assert "the database is damaged" in err
        assert "Traceback" not in err
        assert not (tmp_path / "home" / "handout" / "knitprofile").exists()

    def test_home_is_a_file(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A home that cannot be one is named."""
        (tmp_path / "file").write_text("")
        code, _, err = start(tmp_path / "file").end()
        assert code == 1
        assert str(tmp_path / "file") in err

    def test_bad_database_url(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A database that cannot be reached is an error in words."""
        code, _, err = start(tmp_path / "home", "--database-url", "nonsense").end()
        assert code == 1
        assert err.startswith("Knit cannot start")
        assert "Traceback" not in err

    def test_unknown_option(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A wrong command line is exit code 2."""
        assert start(tmp_path / "home", "--colour", "red").end()[0] == 2

    def test_unknown_host(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A host that is not this machine is named."""
        code, _, err = start(tmp_path / "home", "--host", "no.such.host.invalid").end()
        assert code == 1
        assert err.startswith("no.such.host.invalid is no address of this machine\n")

    def test_key_without_certificate(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A key alone is a wrong command line."""
        assert start(tmp_path / "home", "--keyfile", "key.pem").end()[0] == 2

    def test_bad_certificate(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """A certificate that is none is told."""
        (tmp_path / "cert.pem").write_text("no certificate")
        for name in ("cert.pem", "missing.pem"):
            code, _, err = start(tmp_path / "home", "--certfile", str(tmp_path / name)).end()
            assert code == 1
            assert f"{name} cannot be used" in err


class TestConfiguration:
    def run(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Give a command that ends by itself."""
        return subprocess.run(
            [sys.executable, "-m", "knit_cli.main", "serve", *words], capture_output=True, text=True, check=False,
            env={**os.environ, **environ}, timeout=DEADLINE,
        )  # fmt: skip

    def test_shown_saved_served(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """What is shown starts nothing; saved as the home's knit.toml it is served, and then shown as it is."""
        home = tmp_path / "home"
        given = ("--home", str(home), "--max-memory", "1Gi")
        environ = {"KNIT_LIMITS_LEASE": "45s", "KNIT_MAX_CPU": "0.5", "KNIT_PORT": "0"}
        first = self.run(*given, "--show-config", **environ)
        assert (first.returncode, first.stderr) == (0, "")
        assert not home.exists()
        home.mkdir()
        (home / "knit.toml").write_text(first.stdout)
        again = self.run("--home", str(home), "--show-config")
        values = [[line.split("  # ")[0] for line in text.splitlines()[2:]] for text in (first.stdout, again.stdout)]
        assert values[0] == values[1]
        assert 'lease = "45s"                                 # the file\n' in again.stdout
        process = start(home).ready()
        with process.client() as client:
            capacity = client.get("/health").json()["capacity"]
        assert (capacity["cpu"], capacity["memory"]) == (0.5, 1 << 30)

    def test_wrong_values(self, tmp_path: Path) -> None:
        """A wrong flag is a wrong command line; a wrong variable or file an error; nothing has been started by then."""
        home = tmp_path / "home"
        done = self.run("--home", str(home), "--max-memory", "lots")
        assert done.returncode == 2
        assert """'--max-memory': 'lots' is not allowed. Write bytes, such as "20Gi\"""" in done.stderr
        done = self.run("--home", str(home), KNIT_PORT="http")
        told = "KNIT_PORT: 'http' is not allowed\nWrite a whole number from 0 to 65535.\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
        (tmp_path / "a.toml").write_text("[limits]\nleese = '1m'\n")
        done = self.run("--home", str(home), "--config", str(tmp_path / "a.toml"))
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(
            f"{tmp_path / 'a.toml'}: there is no setting limits.leese\nDid you mean limits.lease?"
        )
        assert not home.exists()

    def test_flags_can_be_switched_off(self, tmp_path: Path) -> None:
        """What the file or a variable switches on, --no-... switches off."""
        done = self.run("--no-overcommit", "--show-config", KNIT_OVERCOMMIT="yes")
        assert "overcommit = false                            # --overcommit\n" in done.stdout


class TestHttps:
    def test_self_signed(self, start: Callable[..., Process], tmp_path: Path) -> None:
        """With a certificate of its own it serves HTTPS, and the profile says which certificate to trust."""
        cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
            capture_output=True, check=False,
        )  # fmt: skip
        if made.returncode:
            pytest.skip("openssl is missing")
        process = start(tmp_path / "home", "--certfile", str(cert), "--keyfile", str(key)).ready()
        assert process.profile["apiRoot"].startswith("https://127.0.0.1:")
        import base64

        trust = ssl.create_default_context(cadata=base64.b64decode(process.profile["cert"]["ca"]).decode())
        with process.client(verify=trust) as client:
            assert client.get("/health").status_code == 200
        assert process.stop()[0] == 0
