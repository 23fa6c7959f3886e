"""Knit's own token: what programs send to a Jupyter server that has none, since people log in there by other means.

It lets in at Knit's handlers and nowhere else. Whether Knit has one, the extension decides (`extension.kernels`).
"""

from __future__ import annotations

import hmac
import re

from jupyter_server.auth.identity import IdentityProvider, User
from tornado.web import RequestHandler

_HEADER = re.compile(r"(?:token|bearer)\s+(\S+)\s*", re.IGNORECASE)

NAME = "knit"
"""The name of the user that a program is which sends the token, for a Jupyter that decides by names who may do what."""


class OwnToken(IdentityProvider):
    """Stands in for Jupyter's identity provider in requests that bear Knit's own token."""

    async def get_user(self, handler: RequestHandler) -> User:
        """Nobody is told from anybody else."""
        return User(username=NAME)

    def is_token_authenticated(self, handler: RequestHandler) -> bool:
        """No page sends this token by itself, so no further proof is asked for."""
        return True


def sent(handler: RequestHandler, token: str) -> bool:
    """Whether the request bears `token`, in its header `Authorization`. "" lets nobody in."""
    found = _HEADER.fullmatch(handler.request.headers.get("Authorization", "").strip())
    return bool(token and found) and hmac.compare_digest(str(found and found[1]).encode(), token.encode())
