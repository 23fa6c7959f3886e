"""What /data/import/end takes."""

from __future__ import annotations

import httpx


def test_tokens_are_said_to_be_tokens(client: httpx.Client) -> None:
    """A body of another kind is refused, with the kind that is due."""
    answer = client.post("/data/import/end", content=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400
    assert answer.json()["reason"] == "the body is not said to be a token"
    assert answer.json()["advice"] == "Send it as Content-Type: application/jwt."
