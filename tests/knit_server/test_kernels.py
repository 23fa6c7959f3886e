"""How kernels and terminals of a Jupyter server come to know where its Knit is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from jupyter_process import DEADLINE, TOKEN, Jupyter
from jupyter_server.auth import passwd
from jupyter_server.auth.identity import IdentityProvider
from jupyter_server.serverapp import ServerApp

from knit_server.client import profiles
from knit_server.client.api import KnitClient
from knit_server.domain.errors import KnitError
from knit_server.engine import Address
from knit_server.extension import KnitExtension, kernels
from knit_server.handlers.host import Host

Start = Callable[..., Jupyter]

ADDRESS = Address(url="http://h/", api_root="http://h/knit/api", token="t")


def client_of(path: Path) -> KnitClient:
    """A client as a kernel makes it that finds this file named in its environment."""
    return KnitClient.from_profile(profiles.read_told(path))


class TestInJupyter:
    def test_kernels_inherit_it(self, start: Start, tmp_path: Path) -> None:
        """A kernel's environment names a private profile that leads to this server, prefix and all."""
        jupyter = start(tmp_path / "home")
        with jupyter.client() as client:
            jupyter.told()
            assert client.post("/api/kernels", json={"name": "python3"}).status_code == 201
            kernel = next(
                each for each in psutil.Process(jupyter.popen.pid).children() if "ipykernel" in str(each.cmdline())
            )
            path = Path(kernel.environ()[profiles.VARIABLE])
        assert jupyter.told() == [path]
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert profiles.read_told(path).token == TOKEN
        with client_of(path) as knit:
            assert knit.health()["status"] == "ok"
            assert "/user/me/" in knit.api_root
        jupyter.stop()
        assert jupyter.told(0) == []

    def test_all_addresses(self, start: Start, tmp_path: Path) -> None:
        """A server for all addresses is asked at the loopback by its own kernels."""
        jupyter = start(tmp_path / "home", "--ServerApp.ip=0.0.0.0")
        with client_of(*jupyter.told()) as knit:
            assert knit.api_root == f"http://127.0.0.1:{jupyter.port}/user/me/knit/api"
            knit.health()

    def test_a_certificate_of_its_own(self, start: Start, tmp_path: Path) -> None:
        """With a self-signed certificate, kernels are told to trust it."""
        pem = tmp_path / "own.pem"
        made = subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "2",
             "-addext", "subjectAltName=DNS:localhost", "-keyout", pem, "-out", tmp_path / "c.pem"],
            capture_output=True, check=False,
        )  # fmt: skip
        if made.returncode:
            pytest.skip("openssl is missing")
        pem.write_text(pem.read_text() + (tmp_path / "c.pem").read_text())
        jupyter = start(tmp_path / "home", certificate=pem)
        with client_of(*jupyter.told()) as knit:
            assert knit.api_root.startswith("https://localhost:")
            knit.health()

    def test_where_people_log_in_by_password(self, start: Start, tmp_path: Path) -> None:
        """Without a token of Jupyter's, Knit's own lets programs in at Knit and nowhere else; it is the home's."""
        hashed = passwd("secret")
        jupyter = start(tmp_path / "home", f"--PasswordIdentityProvider.hashed_password={hashed}", token=None)
        own = profiles.read_told(*jupyter.told()).token
        assert own == (tmp_path / "home" / "token").read_text().strip()
        with client_of(*jupyter.told()) as knit:
            knit.health()
        handout = tmp_path / "home" / "handout" / "knitprofile"
        while not handout.exists():  # it comes a moment after the first answers
            assert jupyter.popen.poll() is None
        assert json.loads(handout.read_text())["token"] == own
        headers = {"Authorization": f"Bearer {own}"}
        with jupyter.client() as client:
            assert client.get("/knit/api/health", headers=headers).status_code == 200
            assert client.get("/api/contents", headers=headers).status_code == 403
            assert client.post("/knit/api/plans", json={}, headers=headers).status_code == 400
            for wrong in ("", "token", "token x", f"token {own}x", own):
                assert client.get("/knit/api/health", headers={"Authorization": wrong}).status_code == 403, wrong

    def test_knits_own_token_counts_only_there(self, start: Start, tmp_path: Path) -> None:
        """Where Jupyter has a token, the home's is no second way in."""
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "token").write_text("of-the-home")
        jupyter = start(tmp_path / "home", token=TOKEN)
        with jupyter.client() as client:
            headers = {"Authorization": "token of-the-home"}
            assert client.get("/knit/api/health", headers=headers).status_code == 403

    def test_knit_cannot_start(self, start: Start, tmp_path: Path) -> None:
        """Kernels are told nevertheless, and so why Knit cannot start."""
        (tmp_path / "home").write_text("")
        hashed = passwd("secret")
        jupyter = start(tmp_path / "home", f"--PasswordIdentityProvider.hashed_password={hashed}", token=None)
        with client_of(*jupyter.told()) as knit, pytest.raises(KnitError, match="Knit is not running here"):
            knit.health()

    def test_what_killed_servers_left(self, start: Start, tmp_path: Path) -> None:
        """The profile of a server that was killed goes when the next one starts; that of a living one stays."""
        first = start(tmp_path / "home")
        second = start(tmp_path / "home", runtime=first.runtime)
        left, _ = sorted(first.told(2), key=lambda path: f"-{first.popen.pid}-" not in path.name)
        first.popen.kill()
        first.popen.wait(DEADLINE)
        third = start(tmp_path / "home", runtime=first.runtime)
        first.told_by(third)
        assert not left.exists()
        assert len(first.told(2)) == 2
        for each in (second, third):
            each.stop()
        assert first.told(0) == []


class TestTold:
    def test_the_environment_is_as_before(self, tmp_path: Path) -> None:
        """It is set while it counts; what was there before comes back, and what others set stays."""
        environ = {kernels.VARIABLE: "before"}
        with kernels.Told(tmp_path, ADDRESS, environ) as told:
            assert environ == {kernels.VARIABLE: str(told.path)}
            assert profiles.read_told(told.path).api_root == ADDRESS.api_root
        assert environ == {kernels.VARIABLE: "before"}
        assert list(tmp_path.iterdir()) == []
        with kernels.Told(tmp_path, ADDRESS, environ):
            environ[kernels.VARIABLE] = "of another"
        assert environ == {kernels.VARIABLE: "of another"}
        environ.clear()
        with kernels.Told(tmp_path, ADDRESS, environ):
            pass
        assert environ == {}

    def test_sweeping(self, tmp_path: Path) -> None:
        """Only what nobody holds goes; other files and folders stay, and links are not followed."""
        (tmp_path / "knit-1-a.knitprofile").write_text("x")
        (tmp_path / "knit-2-b.knitprofile").mkdir()
        (tmp_path / "other").write_text("x")
        (tmp_path / "knit-3-c.knitprofile").symlink_to(tmp_path / "other")
        with kernels.Told(tmp_path, ADDRESS, {}) as told:
            kernels.sweep(tmp_path)
            left = {path.name for path in tmp_path.iterdir()}
        assert left == {told.path.name, "knit-2-b.knitprofile", "other", "knit-3-c.knitprofile"}

    def test_no_place_for_it(self, tmp_path: Path) -> None:
        """A folder that is not there is an error, and nothing is told."""
        environ: dict[str, str] = {}
        with pytest.raises(OSError, match="No such file"):
            kernels.Told(tmp_path / "missing", ADDRESS, environ)
        assert environ == {}

    def test_they_cannot_be_told(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Where the folder takes no file, Jupyter goes on, and its log says what to do."""
        extension, server = KnitExtension(), ServerApp()
        extension.host = Host()
        server.identity_provider = IdentityProvider(token="t")
        server.runtime_dir = str(tmp_path / "missing")
        tmp_path.joinpath("missing").rmdir()  # traitlets makes it
        extension._tell_kernels(server)
        assert extension.told is None
        assert "kernels are not told where Knit is, they need `knit init`" in capsys.readouterr().err

    def test_a_socket_of_files(self) -> None:
        """No client of Knit's can reach a server at a Unix socket, so nothing is told."""
        assert kernels.nearby(ServerApp(sock="/tmp/x.sock"), ADDRESS) is None

    def test_its_name_is_the_clients(self) -> None:
        """Both sides mean the same variable."""
        assert kernels.VARIABLE == profiles.VARIABLE
        assert kernels.VARIABLE not in os.environ
