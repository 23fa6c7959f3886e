"""The endpoint table is complete in itself."""

from __future__ import annotations

import pytest

from knit_server.wire import endpoints, shapes
from knit_server.wire.endpoints import ENDPOINTS, Endpoint

MEDIA = {endpoints.TAR_GZ, endpoints.TAR, endpoints.LOG, endpoints.LINES, endpoints.EVENTS, endpoints.JWT}


def test_routes_and_names_are_unique() -> None:
    """No name and no route comes twice."""
    assert len({each.name for each in ENDPOINTS}) == len(ENDPOINTS)
    assert len({(each.method, each.path) for each in ENDPOINTS}) == len(ENDPOINTS)


@pytest.mark.parametrize("each", ENDPOINTS, ids=lambda each: each.name)
def test_bodies_are_known(each: Endpoint) -> None:
    """A body is a shape, a list of one, a media type, one `or` another, or nothing; a summary is one sentence."""
    for body in (each.request, *each.response.split(" or ")):
        assert not body or body in MEDIA or hasattr(shapes, body.strip("[]"))
    assert each.summary.endswith(".")
    assert each.path.startswith("/")
    assert not each.path.endswith("/")


def test_url() -> None:
    """Members are percent-encoded, so that an id can name no other path."""
    assert endpoints.endpoint("run_log").url(runId="../a b") == "/runs/..%2Fa%20b/log"
    assert endpoints.endpoint("run_log").members == ("runId",)
