"""Failures below HTTP become errors for people, by a table."""

from __future__ import annotations

import base64
import socket
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import httpx
import pytest

from knit_server.client.api import KnitClient
from knit_server.client.transport import translate
from knit_server.domain.errors import InvalidInput, KnitError, Unavailable

ROOT = "http://h/knit/api"


def caused(err: Exception, cause: BaseException) -> Exception:
    err.__cause__ = cause
    return err


@pytest.mark.parametrize(
    ("err", "kind", "told"),
    [
        (httpx.ConnectError("refused"), Unavailable, "cannot connect to http://h/knit/api: refused"),
        (httpx.ConnectTimeout(""), Unavailable, "no connection in time"),
        (httpx.ConnectTimeout("_ssl.c:989: The handshake operation timed out"), Unavailable, "no TLS connection"),
        (httpx.ReadTimeout(""), Unavailable, "no answer in time"),
        (httpx.WriteTimeout(""), Unavailable, "no progress in time"),
        (httpx.PoolTimeout(""), Unavailable, "no progress in time"),
        (httpx.ProxyError("407"), Unavailable, "the proxy refuses"),
        (httpx.UnsupportedProtocol("ftp"), InvalidInput, "not an http or https URL"),
        (httpx.InvalidURL("x"), InvalidInput, "not a URL"),
        (httpx.RemoteProtocolError("peer"), Unavailable, "cut off or garbled"),
        (httpx.ReadError("reset"), Unavailable, "the connection broke"),
        (httpx.WriteError("pipe"), Unavailable, "the connection broke"),
        (httpx.DecodingError("x"), Unavailable, "talking to http://h/knit/api failed: x"),
        (caused(httpx.ConnectError("x"), socket.gaierror(-2, "Name unknown")), Unavailable, "cannot be found"),
        (caused(httpx.ConnectError("x"), ssl.SSLError(1, "wrong version")), Unavailable, "no TLS connection"),
        (caused(httpx.ConnectError("x"), ssl.SSLCertVerificationError(1, "self-signed")), InvalidInput, "not trusted"),
    ],
)
def test_table(err: Exception, kind: type[KnitError], told: str) -> None:
    """Each failure has a kind, says what failed with which server, and gives advice."""
    found = translate(err, ROOT)
    assert type(found) is kind
    assert told in found.reason
    assert ROOT in found.reason
    assert found.advice


def test_no_such_host() -> None:
    """A host that cannot be found is said to be that."""
    with KnitClient("http://nowhere.invalid/knit/api") as knit, pytest.raises(Unavailable) as caught:
        knit.health()
    assert "cannot be found" in caught.value.reason


def test_garbage_instead_of_http() -> None:
    """A server that speaks something else is told."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                peer.sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with KnitClient(f"http://127.0.0.1:{listener.getsockname()[1]}/api") as knit, pytest.raises(Unavailable):
            knit.health()
        thread.join()


def test_a_proxy_is_not_asked_for_this_machine(monkeypatch, server) -> None:
    """HTTP_PROXY does not stand between this machine and itself."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    server.on("GET /health", {"ok": True})
    with KnitClient(server.url) as knit:
        assert knit.health() == {"ok": True}


def test_a_token_no_header_can_hold(server) -> None:
    """A token with a line break is refused as such."""
    with KnitClient(server.url, token="ä\n") as knit, pytest.raises(KnitError):
        knit.health()


# --- TLS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=knit", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key", "-out", "crt"],
        cwd=folder, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        pytest.skip("openssl cannot make a certificate here")
    (folder / "both").write_bytes((folder / "key").read_bytes() + (folder / "crt").read_bytes())
    return folder


TLS_SERVER = """
import http.server, ssl, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "2"); self.end_headers(); self.wfile.write(b"{}")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain(sys.argv[1])
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@pytest.fixture
def tls(certificate: Path):
    with subprocess.Popen(
        [sys.executable, "-c", TLS_SERVER, str(certificate / "both")], stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield f"https://127.0.0.1:{process.stdout.readline().strip()}/knit/api"
        process.kill()


def test_a_certificate_of_the_profile_is_trusted(tls, certificate) -> None:
    """With cert.ca, exactly that CA is trusted."""
    from knit_server.client.profiles import Profile

    ca = base64.b64encode((certificate / "crt").read_bytes()).decode()
    with KnitClient.from_profile(Profile(api_root=tls, ca=ca)) as knit:
        assert knit.health() == {}


def test_an_unknown_certificate_is_not_trusted(tls) -> None:
    """Without it, the advice names cert.ca."""
    with KnitClient(tls) as knit, pytest.raises(InvalidInput) as caught:
        knit.health()
    assert "is not trusted" in caught.value.reason
    assert "cert.ca" in (caught.value.advice or "")


def test_a_ca_that_is_none() -> None:
    """PEM that holds no certificate is told as such."""
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    with KnitClient("https://127.0.0.1:1/api", ca=pem) as knit, pytest.raises(InvalidInput, match=r"cert\.ca"):
        knit.health()
