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
    except (OSError, ssl.SSLError) as err:
        raise InvalidInput(
            f"the certificate {certfile} cannot be read: {err}", advice="Give a file in PEM format."
        ) from err
    self_signed = any(known["subject"] == known["issuer"] for known in trusted.get_ca_certs())
    return base64.b64encode(pem).decode("ascii") if self_signed else None
