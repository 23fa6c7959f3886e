"""What a client must be told to trust, of the certificates that a server shows."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path

from knit_server.domain.errors import InvalidInput


def own_authority(certfile: str) -> str | None:
    """Return the Base64 of `certfile` if it holds a self-signed certificate, which no client trusts by itself.

    Otherwise None: the certificate was given by an authority that clients know, or are told of by other means. Raises
    `InvalidInput` if the file cannot be read as PEM.
    """
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        pem = Path(certfile).read_bytes()
        trusted.load_verify_locations(certfile)
    except OSError as err:  # ssl.SSLError is one
        raise _unusable(certfile, err) from err
    self_signed = any(known["subject"] == known["issuer"] for known in trusted.get_ca_certs())
    return base64.b64encode(pem).decode("ascii") if self_signed else None


def server_context(certfile: str, keyfile: str) -> ssl.SSLContext:
    """Return what a server needs to speak TLS. Raises `InvalidInput` if certificate and key cannot be used together."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certfile, keyfile or None, password="")  # no server can be asked for one
    except OSError as err:  # ssl.SSLError is one
        raise _unusable(certfile, err) from err
    return context


def _unusable(certfile: str, err: OSError) -> InvalidInput:
    return InvalidInput(
        f"the certificate {certfile} cannot be used: {err.strerror or err}",
        advice="Give PEM files that fit with --certfile and --keyfile; the key must not be encrypted.",
    )
