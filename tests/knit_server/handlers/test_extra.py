"""Extra APIs hand everything on as it is: both ways, at the pace of the slower side, without what lets people in."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jupyter_server.auth.authorizer import Authorizer

sys.path.insert(0, str(Path(__file__).parent))  # for the helper modules beside this file

from elsewhere import METHODS, Elsewhere, Large

from knit_server.handlers.base import KnitHandler
from knit_server.handlers.extra import Extra, routes

TOKEN = "secret-token"
AUTHORIZED = {"Authorization": f"token {TOKEN}"}


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[Elsewhere]:
    opened = Elsewhere()
    yield opened
    opened.close()


@pytest.fixture
def served(elsewhere: Elsewhere, serve: Callable[..., Any]) -> Any:
    """Knit with extra APIs: at the root of the other server, at a folder of it, and inside the former."""
    return serve(*routes([
        ("/tell", elsewhere.url), ("/deep/er", f"{elsewhere.url}/v1/"), ("/tell/inner", f"{elsewhere.url}/inner"),
    ], patience=5.0))  # fmt: skip


@pytest.fixture
def client(served: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{served.root}knit", headers=AUTHORIZED, timeout=20, trust_env=False) as opened:
        yield opened


def raw(served: Any, request: bytes) -> http.client.HTTPResponse:
    """Send the bytes of a request."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as opened:
        opened.sendall(request)
        response = http.client.HTTPResponse(opened, method=request.split()[0].decode())
        response.begin()
        response.told = response.read()  # type: ignore[attr-defined]
        return response


# --- where it goes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "uri"),
    [
        ("/tell", "/"), ("/tell/", "/"), ("/tell/a/b", "/a/b"), ("/tell/a/b/", "/a/b/"), ("/tell//a", "//a"),
        ("/tell?a=1&b=%20&a=2", "/?a=1&b=%20&a=2"), ("/tell/a?", "/a"), ("/tell/a%2Fb%20c", "/a%2Fb%20c"),
        ("/deep/er", "/v1"), ("/deep/er/", "/v1/"), ("/deep/er/a/?q=/x/", "/v1/a/?q=/x/"),
        ("/tell/inner", "/inner"), ("/tell/inner/", "/inner/"), ("/tell/inner/x", "/inner/x"),
        ("/tell/innermost", "/innermost"),
    ],
)  # fmt: skip
def test_scenario_83_where_requests_go(client: httpx.Client, asked: str, uri: str) -> None:
    """Base, sub-path, query and the slash at the end are those of the client; of paths in each other, the longest
    counts (scenario 83)."""
    answer = client.get(asked)
    assert answer.status_code == 200
    assert answer.json()["uri"] == uri


@pytest.mark.parametrize("asked", ["/", "/tells", "/tel", "/deep", "/deep/", "/deep/er2"])
def test_scenario_83_what_is_no_extra_api(served: Any, asked: str) -> None:
    """Anything else is not there (scenario 83)."""
    answer = raw(served, f"GET /knit{asked} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert answer.status == 404


@pytest.mark.parametrize("path", ["/../x", "/a/..", "/%2e%2e/x", "/a/.%2E/b", "/..%2fx", "/..;x/y", "/..%5cx", "/./a"])
def test_nobody_climbs_out(served: Any, path: str) -> None:
    """A path that might lead out of the other server's folder is refused."""
    answer = raw(served, f"GET /knit/deep/er{path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n\r\n".encode())  # fmt: skip  # noqa: E501
    assert answer.status == 400
    assert "`..`" in json.loads(answer.told)["reason"]  # type: ignore[attr-defined]


def test_below_another_base_url(elsewhere: Elsewhere, serve: Callable[..., Any]) -> None:
    """Where Jupyter lies below a base URL, extra APIs lie there too."""
    served = serve(*routes([("/tell", f"{elsewhere.url}/v")]), base_url="/user/a%40b/")
    answer = httpx.get(f"{served.root}knit/tell/x/", headers=AUTHORIZED, trust_env=False)
    assert answer.json()["uri"] == "/v/x/"


# --- what is handed on ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_all_methods(served: Any, method: str) -> None:
    """All nine methods are handed on, each with its body."""
    request = f"{method} /knit/tell/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n"
    with_body = raw(served, f"{request}Content-Length: 4\r\n\r\nbody".encode())
    in_chunks = raw(served, f"{request}Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n".encode())
    if method == "HEAD":
        return
    for answer in (with_body, in_chunks):
        assert answer.status == 200
        told = json.loads(answer.told)  # type: ignore[attr-defined]
        assert (told["method"], told["body"]) == (method, "body")


def test_head(client: httpx.Client) -> None:
    """HEAD tells the length and sends nothing."""
    answer = client.head("/tell/x?header=ETag=abc")
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (200, b"", "abc")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("status", [201, 204, 302, 304, 404, 418, 500, 503, 599])
def test_status_and_headers(client: httpx.Client, status: int) -> None:
    """Status, reason and headers come back as they are, redirects and errors included; nothing is followed."""
    query = f"status={status}&reason=So+it+is&header=X-A=1&header=X-A=2&header=Location=http://x.invalid/%2520"
    answer = client.get(f"/tell/y?{query}&header=Content-Type=text/x")
    assert (answer.status_code, answer.reason_phrase) == (status, "So it is")
    assert answer.headers.get_list("x-a") == ["1", "2"]
    assert answer.headers["location"] == "http://x.invalid/%20"
    if status not in (204, 304):
        assert answer.headers.get_list("content-type") == ["text/x"]
        assert answer.json()["uri"].startswith("/y?")


def test_headers_there(client: httpx.Client) -> None:
    """Headers are handed on, but for those of this connection, and the host is the other server's."""
    sent = {
        "X-Mine": "1", "Connection": "keep-alive, X-Hop", "X-Hop": "1", "Keep-Alive": "5", "TE": "trailers, deflate",
        "Proxy-Authorization": "Basic x", "Upgrade": "websocket", "Accept-Encoding": "gzip", "User-Agent": "me",
        "Content-Type": "a/b",
    }  # fmt: skip
    told = client.post("/tell", headers=sent, content=b"x").json()["headers"]
    got = {name.lower(): value for name, value in told}
    assert {"x-mine": "1", "accept-encoding": "gzip", "user-agent": "me", "content-type": "a/b"}.items() <= got.items()
    assert (got["te"], got["connection"], got["content-length"]) == ("trailers", "close, TE", "1")
    assert got["host"].startswith("127.0.0.1:")
    assert not got.keys() & {"x-hop", "keep-alive", "proxy-authorization", "upgrade"}


def test_what_lets_people_in_stays_here(served: Any, client: httpx.Client) -> None:
    """Neither token nor cookies reach the other server, wherever they stand."""
    sent = {"Cookie": "_xsrf=1; username-x=2", "X-XSRFToken": "1", "Referer": f"http://h/lab?token={TOKEN}"}
    told = client.get(f"/tell?token={TOKEN}&a=1&t%6Fken={TOKEN}&_xsrf=1", headers=sent).json()
    assert told["uri"] == "/?a=1"
    got = {name.lower() for name, _ in told["headers"]}
    assert not got & {"cookie", "authorization", "x-xsrftoken", "referer"}
    assert TOKEN not in json.dumps(told)
    kept = client.get("/tell", headers={"Referer": "http://h/lab?a=b"}).json()["headers"]
    assert ["Referer", "http://h/lab?a=b"] in kept


def test_what_the_other_server_may_not_do(client: httpx.Client) -> None:
    """It sets no cookies of this server, and its pages are not pages of this server."""
    refused = "&".join(f"header={name}=x" for name in ("Set-Cookie", "Clear-Site-Data", "Strict-Transport-Security"))
    answer = client.get(f"/tell?{refused}&header=Content-Security-Policy=default-src+%27self%27")
    assert not answer.headers.keys() & {"clear-site-data", "strict-transport-security"}
    assert "x" not in answer.headers.get_list("set-cookie")  # Jupyter's own may be there
    policies = answer.headers.get_list("content-security-policy")
    assert policies[0] == "default-src 'self'"
    assert policies[1].startswith("sandbox ")
    assert "allow-same-origin" not in policies[1]


def test_trailers_there(served: Any) -> None:
    """A body may end with trailers."""
    answer = raw(
        served,
        f"POST /knit/tell HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\nTransfer-Encoding: chunked\r\n"
        "Trailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n".encode(),
    )
    told = json.loads(answer.told)  # type: ignore[attr-defined]
    assert (told["body"], told["trailers"]) == ("abc", {"X-Sum": "6"})
    assert ["Trailer", "X-Sum"] in told["headers"]


def test_trailers_back(served: Any) -> None:
    """So may an answer."""
    with socket.create_connection(("127.0.0.1", served.port), timeout=20) as opened:
        opened.sendall(
            f"GET /knit/tell/ending HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n"
            "Connection: close\r\n\r\n".encode()
        )
        answer = b"".join(iter(lambda: opened.recv(1 << 16), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Trailer: X-Sum" in head
    assert body.endswith(b"7\r\ncounted\r\n0\r\nX-Sum: 7\r\n\r\n")


def test_old_clients(served: Any) -> None:
    """Who speaks HTTP/1.0 gets an answer that ends with the connection."""
    answer = raw(
        served,
        f"GET /knit/tell/ending HTTP/1.0\r\nAuthorization: token {TOKEN}\r\nConnection: keep-alive\r\n\r\n".encode(),
    )
    assert (answer.status, answer.told) == (200, b"counted")  # type: ignore[attr-defined]


# --- at the pace of the slower side -----------------------------------------------------------------------------------


def test_large_bodies_there(client: httpx.Client) -> None:
    """A body larger than any buffer arrives whole."""
    blocks = (bytes(1 << 20) for _ in range(150))
    assert client.post("/tell", content=blocks).json()["size"] == 150 << 20


def test_large_answers_wait_for_the_client(served: Any, client: httpx.Client) -> None:
    """The other server is held back while the client does not read, and everything comes in the end."""
    with client.stream("GET", "/tell/large?blocks=2000") as answer:
        first = next(parts := answer.iter_raw(1 << 16))
        assert Large.sent < 60 << 20
        assert len(first) + sum(map(len, parts)) == 2000 << 16


def test_parts_come_at_once(elsewhere: Elsewhere, client: httpx.Client) -> None:
    """What the other server has sent is here before it sends the rest."""
    elsewhere.loop.call_soon_threadsafe(elsewhere.released.clear)
    with client.stream("GET", "/tell/slow?begin=1") as answer:
        parts = answer.iter_raw()
        assert next(parts) == b"first"
        elsewhere.release()
        assert b"".join(parts) == b"last"


def test_clients_that_leave(elsewhere: Elsewhere, client: httpx.Client) -> None:
    """When the client goes away, the other server is told."""
    elsewhere.loop.call_soon_threadsafe(elsewhere.released.clear)
    elsewhere.gone.clear()
    with client.stream("GET", "/tell/slow?begin=1") as answer:
        assert next(answer.iter_raw()) == b"first"
    assert elsewhere.gone.wait(20)


def test_answers_before_the_end_of_a_body(client: httpx.Client) -> None:
    """Who does not want the body and says so early is heard.

    Unless its reset overtakes its words in the kernel, which happens on a busy machine: then that is told as a 502.
    """
    answers = [client.post("/tell/refusing", content=(bytes(1 << 16) for _ in range(100))) for _ in range(5)]
    assert {each.status_code for each in answers} <= {413, 502}
    assert {each.content for each in answers if each.status_code == 413} == {b"too much"}


# --- failures ---------------------------------------------------------------------------------------------------------


def told(answer: httpx.Response) -> dict[str, str]:
    body: dict[str, str] = answer.json()
    assert body["message"] == f"{body['reason']}\n{body['advice']}"
    return body


def ask(served: Any, path: str = "/gone", **options: Any) -> httpx.Response:
    method = options.pop("method", "GET")
    return httpx.request(method, f"{served.root}knit{path}", headers=AUTHORIZED, trust_env=False, timeout=20, **options)


@contextlib.contextmanager
def answering(said: bytes) -> Iterator[int]:
    """A server that takes one connection, and says some bytes to whatever comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_once() -> None:
            with contextlib.closing(listening.accept()[0]) as taken:
                taken.recv(1 << 16)
                taken.sendall(said)

        thread = threading.Thread(target=answer_once)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_nobody_listens(serve: Callable[..., Any]) -> None:
    """A refused connection is 502, and says which server; what was to be sent does not matter."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        served = serve(*routes([("/gone", f"http://127.0.0.1:{bound.getsockname()[1]}")]))
        for options in ({}, {"method": "POST", "content": b"x" * 100_000}):
            answer = ask(served, **options)
            assert answer.status_code == 502
            assert "cannot connect to http://127.0.0.1:" in told(answer)["reason"]


def test_no_such_host(serve: Callable[..., Any]) -> None:
    """So is a host that is not found."""
    answer = ask(serve(*routes([("/gone", "http://nowhere.invalid/")])))
    assert answer.status_code == 502
    assert "cannot be found" in told(answer)["reason"]


def test_no_tls(serve: Callable[..., Any]) -> None:
    """So is a server that speaks no TLS where it should."""
    with answering(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        answer = ask(serve(*routes([("/gone", f"https://127.0.0.1:{port}")])))
    assert answer.status_code == 502
    assert "TLS" in told(answer)["reason"]


def test_too_slow(elsewhere: Elsewhere, serve: Callable[..., Any]) -> None:
    """No answer in time is 504."""
    elsewhere.loop.call_soon_threadsafe(elsewhere.released.clear)
    answer = ask(serve(*routes([("/gone", f"{elsewhere.url}/slow")], patience=0.2)))
    assert answer.status_code == 504
    assert "no answer in time from http://127.0.0.1:" in told(answer)["reason"]


def test_broken_off_before_an_answer(elsewhere: Elsewhere, serve: Callable[..., Any]) -> None:
    """A connection that breaks before there is an answer is 502."""
    answer = ask(serve(*routes([("/gone", f"{elsewhere.url}/breaking")])))
    assert answer.status_code == 502
    assert "cut off" in told(answer)["reason"]


def test_broken_off_in_an_answer(elsewhere: Elsewhere, serve: Callable[..., Any]) -> None:
    """An answer that breaks in its middle breaks here too: nobody takes the part for the whole."""
    with pytest.raises(httpx.RemoteProtocolError):
        ask(serve(*routes([("/gone", f"{elsewhere.url}/breaking")])), "/gone?begin=1")


@pytest.mark.parametrize("said", [b"rubbish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", b""])
def test_no_http(serve: Callable[..., Any], said: bytes) -> None:
    """What answers otherwise than in HTTP is 502."""
    with answering(said) as port:
        answer = ask(serve(*routes([("/gone", f"http://127.0.0.1:{port}")])))
    assert answer.status_code == 502


# --- who may ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_nobody_comes_in_without_a_token(served: Any, method: str) -> None:
    """No method is open, OPTIONS included."""
    for sent in ("", "Authorization: token wrong\r\n"):
        answer = raw(served, f"{method} /knit/tell HTTP/1.1\r\nHost: localhost\r\n{sent}\r\n".encode())
        assert answer.status == 403


def test_who_may_only_read(elsewhere: Elsewhere, serve: Callable[..., Any]) -> None:
    """The authorizer is asked, as for Knit itself: those who may only read send nothing that changes."""

    class ReadOnly(Authorizer):
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            return (action, resource) == ("read", "knit")

    served = serve(*routes([("/tell", elsewhere.url)]), authorizer=ReadOnly())
    for method in METHODS:
        answer = raw(served, f"{method} /knit/tell HTTP/1.1\r\nHost: localhost\r\nAuthorization: token {TOKEN}\r\n\r\n".encode())  # fmt: skip  # noqa: E501
        assert answer.status == (200 if method in ("GET", "HEAD", "OPTIONS") else 403)


def test_every_method_is_authenticated() -> None:
    """Each method carries the decorator that Jupyter looks for."""
    for name in METHODS:
        method = getattr(Extra, name.lower())
        assert method is not KnitHandler._unimplemented_method
        assert method.__code__.co_qualname.startswith("authenticated")
