"""/images and /health over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from knit_server import __version__
from knit_server.domain.errors import OutOfSpace, Unsupported

TarGz = Callable[..., bytes]


@pytest.fixture
def client(fake_knit: Any) -> Iterator[httpx.Client]:
    with fake_knit.client() as client:
        yield client


def lines(answer: httpx.Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


class TestImages:
    def test_build_list_tag_remove(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """The life of an image; the build tells how it goes, line by line."""
        answer = client.post("/images", params={"name": "lab/x:1"}, content=tar_gz(Dockerfile="FROM python:3"))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/x-ndjson"
        told = lines(answer)
        assert told[0] == {"progress": "building lab/x:1 from Dockerfile"}
        assert told[-1]["image"]["names"] == ["lab/x:1"]
        assert client.put("/images/", params={"name": "lab/x:1"}, json={"name": "lab/y:1"}).json()["names"] == [
            "lab/y:1"
        ]
        assert client.delete("/images", params={"name": "lab/x:1"}).status_code == 204
        assert [image["names"] for image in client.get("/images").json()] == [["lab/y:1"]]

    def test_arguments(
        self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Dockerfile and build arguments reach the store; the context has the files that were sent."""
        seen: dict[str, Any] = {}
        original = fake_knit.executor.images.build

        def build(context: Any, name: str, **options: Any) -> Any:
            seen.update(options, files=sorted(path.name for path in context.iterdir()))
            return original(context, name, **options)

        monkeypatch.setattr(fake_knit.executor.images, "build", build)
        query = {"name": "x", "dockerfile": "other", "arg": ["A=1", "B=x=y"]}
        assert client.post("/images", params=query, content=tar_gz(other="", f="")).status_code == 200
        assert (seen["dockerfile"], seen["build_args"], seen["files"]) == (
            "other",
            {"A": "1", "B": "x=y"},
            ["f", "other"],
        )

    def test_refusals(self, client: httpx.Client, tar_gz: TarGz) -> None:
        """Missing names and arguments without a value are 400; unknown images 404; no archive 400."""
        body = tar_gz(Dockerfile="")
        for answer, told in (
            (client.post("/images", content=body), "name is missing"),
            (client.post("/images", params={"name": "x", "arg": "A"}, content=body), "not a build argument: 'A'"),
            (client.post("/images", params={"name": "x"}, content=b"no archive"), "this is no sound gzip stream: "),
            (client.delete("/images"), "name is missing"),
            (client.put("/images", params={"name": "x"}, json={"name": ""}), "name must be a string"),
        ):
            assert answer.status_code == 400
            assert answer.json()["reason"].startswith(told)
        assert client.put("/images", params={"name": "no:such"}, json={"name": "y"}).status_code == 404
        assert client.delete("/images", params={"name": "no:such"}).status_code == 404

    @pytest.mark.parametrize("silent", [True, False])
    def test_failed_build(
        self, fake_knit: Any, client: httpx.Client, tar_gz: TarGz, monkeypatch: pytest.MonkeyPatch, silent: bool
    ) -> None:
        """A build that fails before its first line has the error's status; later the last line has the error."""

        def build(context: Any, name: str, *, progress: Callable[[str], None], **options: Any) -> Any:
            if not silent:
                progress("step 1")
            raise (
                Unsupported("line 1: USER", advice="Leave it out.")
                if silent
                else OutOfSpace("full", advice="Make room.")
            )

        monkeypatch.setattr(fake_knit.executor.images, "build", build)
        answer = client.post("/images", params={"name": "x"}, content=tar_gz(Dockerfile=""))
        if silent:
            assert answer.status_code == 400
            assert answer.json()["advice"] == "Leave it out."
        else:
            assert answer.status_code == 200
            assert lines(answer) == [
                {"progress": "step 1"},
                {"error": {"message": "full\nMake room.", "reason": "full", "advice": "Make room."}},
            ]

    def test_load(self, client: httpx.Client) -> None:
        """An archive is taken under names, whatever it is called; its loading is told line by line."""
        for media in ("application/x-tar", "application/octet-stream"):
            query = {"name": ["lab/x:1", "lab/y:1"]}
            answer = client.post("/images/load", params=query, content=b"x" * 5000, headers={"Content-Type": media})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
            told = lines(answer)
            assert told[0] == {"progress": "received 5000 bytes"}
            assert [image["names"] for image in told[-1]["images"]] == [["lab/x:1"], ["lab/y:1"]]
        assert client.post("/images/load", content=b"", headers={"Content-Type": "text/html"}).status_code == 415


class TestHealth:
    def test_health(self, client: httpx.Client) -> None:
        """Version, executor and Runs by status are told."""
        told = client.get("/health").json()
        assert told["status"] == "ok"
        assert told["version"] == __version__
        assert told["executor"]["name"] == "fake"
