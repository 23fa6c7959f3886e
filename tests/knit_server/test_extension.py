"""Knit inside an ordinary Jupyter server, as a user starts it: beside the rest, and never in its way."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from jupyter_process import DEADLINE, TOKEN, Jupyter

from knit_server.domain.errors import InvalidInput
from knit_server.extension.certificates import own_authority, server_context


class TestInJupyter:
    def test_beside_the_rest(self, start: Callable[..., Jupyter], tmp_path: Path) -> None:
        """The API answers below the base URL with Jupyter's token; the profile leads there; Jupyter is as before."""
        jupyter = start(tmp_path / "home")
        with jupyter.client() as client:
            assert client.get("/knit/api/health").json()["status"] == "ok"
            assert client.get("/knit/api/data/").json() == []
            assert client.get("/api/contents").status_code == 200
            assert httpx.get(jupyter.root + "/knit/api/health", trust_env=False).status_code == 403
        profile = json.loads((tmp_path / "home" / "handout" / "knitprofile").read_text())
        assert profile["token"] == TOKEN
        headers = {"Authorization": f"token {profile['token']}"}
        assert httpx.get(profile["apiRoot"] + "/runs", headers=headers, trust_env=False).json() == []
        jupyter.stop()
        assert not (tmp_path / "home" / "handout" / "knitprofile").exists()
        assert "Traceback" not in jupyter.log.read_text()

    def test_settings(self, start: Callable[..., Jupyter], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Traits go before the environment, that before knit.toml in the home; the port is Jupyter's matter."""
        home = tmp_path / "home"
        home.mkdir()
        (home / "knit.toml").write_text("port = 1\nmax_cpu = 0.25\nmax_memory = '1Gi'\n[limits]\nlosses = 1\n")
        monkeypatch.setenv("KNIT_MAX_CPU", "0.5")
        jupyter = start(home, "--KnitExtension.max_memory=2Gi", "--KnitExtension.limits=lease=30s")
        with jupyter.client() as client:
            capacity = client.get("/knit/api/health").json()["capacity"]
        assert (capacity["cpu"], capacity["memory"]) == (0.5, 2 << 30)

    def test_wrong_settings(self, start: Callable[..., Jupyter], tmp_path: Path) -> None:
        """Jupyter starts nevertheless; the API and the log name the setting."""
        jupyter = start(tmp_path / "home", "--KnitExtension.limits=leese=30s")
        with jupyter.client() as client:
            assert client.get("/api/contents").status_code == 200
            answer = client.get("/knit/api/health")
        assert answer.status_code == 503
        assert "there is no setting limits.leese" in answer.text
        assert "Did you mean limits.lease?" in jupyter.log.read_text()

    def test_two_on_one_home(self, start: Callable[..., Jupyter], tmp_path: Path) -> None:
        """The second server serves the same Data, sees the first's changes, and takes over when the first ends."""
        first, second = start(tmp_path / "home"), start(tmp_path / "home")
        with first.client() as one, second.client() as two:
            with two.stream("GET", "/knit/api/events") as answer:
                blocks = answer.iter_raw()
                next(blocks)
                plan = {"image": "no:image", "inputs": [{"path": "/in", "tags": ["a:b"]}]}
                made = one.post("/knit/api/plans", json=plan).json()
                assert made["planId"] in next(blocks).decode()
            assert two.get(f"/knit/api/plans/{made['planId']}").json() == made
            first.stop()
        profile = tmp_path / "home" / "handout" / "knitprofile"
        import time

        deadline = time.monotonic() + DEADLINE
        while not profile.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert str(second.port) in profile.read_text()
        second.stop()

    def test_knit_cannot_start(self, start: Callable[..., Jupyter], tmp_path: Path) -> None:
        """With a damaged database Jupyter works as ever; only Knit's API says what is wrong."""
        (tmp_path / "home").mkdir()
        (tmp_path / "home" / "knit.db").write_bytes(b"x" * 10_000)
        jupyter = start(tmp_path / "home")
        with jupyter.client() as client:
            answer = client.get("/knit/api/data")
            assert answer.status_code == 503
            assert "the database is damaged" in answer.json()["reason"]
            assert client.get("/api/contents").status_code == 200
        jupyter.stop()
        assert "Knit cannot start" in jupyter.log.read_text()

    def test_impossible_home(self, start: Callable[..., Jupyter], tmp_path: Path) -> None:
        """The same for a home that cannot be one."""
        (tmp_path / "home").write_text("")
        jupyter = start(tmp_path / "home")
        with jupyter.client() as client:
            assert client.get("/knit/api/health").status_code == 503
            assert client.get("/api/status").status_code == 200
        jupyter.stop()


def test_enabled_by_installing() -> None:
    """The file that the wheel puts into Jupyter's configuration names this package, and the package names the app."""
    import knit_server

    enabling = Path(str(knit_server.__file__)).parent / "etc" / "knit_server.json"
    assert json.loads(enabling.read_text()) == {"ServerApp": {"jpserver_extensions": {"knit_server": True}}}
    points = knit_server._jupyter_server_extension_points()
    assert [(point["module"], getattr(point["app"], "__name__", "")) for point in points] == [
        ("knit_server.extension", "KnitExtension")
    ]


def test_importing_the_package_is_cheap() -> None:
    """Jupyter asks only for the extension points: no server library is loaded before."""
    code = "import sys, knit_server; print(*(set(sys.modules) & {'tornado', 'jupyter_server', 'sqlalchemy', 'fsspec'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


class TestCertificates:
    def make(self, *arguments: str | Path) -> None:
        done = subprocess.run(["openssl", *arguments], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("openssl is missing")

    def test_own_and_given(self, tmp_path: Path) -> None:
        """A self-signed certificate goes into the profile; one that an authority signed does not."""
        ca, key = tmp_path / "ca.pem", tmp_path / "ca.key"
        self.make("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=ca", "-keyout", key, "-out", ca)
        found = own_authority(str(ca))
        assert found is not None
        assert base64.b64decode(found) == ca.read_bytes()
        request, leaf, leaf_key = tmp_path / "leaf.csr", tmp_path / "leaf.pem", tmp_path / "leaf.key"
        self.make("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=leaf", "-keyout", leaf_key, "-out", request)
        self.make("x509", "-req", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial", "-out", leaf)
        assert own_authority(str(leaf)) is None

    def test_no_certificate(self, tmp_path: Path) -> None:
        """What is no PEM is told."""
        (tmp_path / "x").write_text("x")
        for path in (tmp_path / "x", tmp_path / "missing"):
            with pytest.raises(InvalidInput, match="cannot be used"):
                own_authority(str(path))
            with pytest.raises(InvalidInput, match="cannot be used"):
                server_context(str(path), "")

    def test_key_of_another(self, tmp_path: Path) -> None:
        """A key that does not fit is told before anybody connects."""
        for name in ("a", "b"):
            files = ("-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem")
            self.make("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=x", *files)
        server_context(str(tmp_path / "a.pem"), str(tmp_path / "a.key"))
        with pytest.raises(InvalidInput, match="cannot be used"):
            server_context(str(tmp_path / "a.pem"), str(tmp_path / "b.key"))
