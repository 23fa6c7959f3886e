"""Requests as Knitfab's own command sends them, to a server that asks for no token."""

from __future__ import annotations

import http.client
import io
import json
import tarfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from server import PATIENCE, Answer


class Knitfab:
    """Sends what Knitfab's command sends, and nothing more: no token, its own User-Agent."""

    def __init__(self, api_root: str) -> None:
        self.root = urlsplit(api_root)

    def send(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request."""
        connection = http.client.HTTPConnection(self.root.hostname or "", self.root.port, timeout=PATIENCE)
        sent = {"User-Agent": "Go-http-client/1.1", "Accept-Encoding": "gzip", **(headers or {})}
        try:
            connection.request(method, self.root.path + path, body=body, headers=sent)
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()

    def json(self, method: str, path: str, body: object = None) -> Any:
        """A request with JSON, and the JSON of a success."""
        content = None if body is None else json.dumps(body).encode()
        answer = self.send(method, path, content, {} if body is None else {"Content-Type": "application/json"})
        assert answer.status == 200, answer
        return answer.json

    def push(self, archive: bytes, checksum: str, path: str = "/data") -> Answer:
        """A push: chunked, announcing the trailer that ends it."""
        connection = http.client.HTTPConnection(self.root.hostname or "", self.root.port, timeout=PATIENCE)
        try:
            connection.putrequest("POST", self.root.path + path, skip_accept_encoding=True)
            for name, value in (
                ("User-Agent", "Go-http-client/1.1"), ("Transfer-Encoding", "chunked"), ("Accept-Encoding", "gzip"),
                ("Content-Type", "application/tar+gzip"), ("Trailer", "X-Checksum-Md5"),
            ):  # fmt: skip
                connection.putheader(name, value)
            connection.endheaders()
            for at in range(0, len(archive), 100):
                part = archive[at : at + 100]
                connection.send(b"%x\r\n%b\r\n" % (len(part), part))
            connection.send(f"0\r\nX-Checksum-Md5: {checksum}\r\n\r\n".encode())
            response = connection.getresponse()
            return Answer(response.status, dict(response.headers), response.read())
        finally:
            connection.close()


def archive(**files: str) -> bytes:
    """A tar.gz of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()
