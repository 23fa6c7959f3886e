"""Keys that sign tokens of imports: shared by all servers of a database, never used beyond their time, never told."""

from __future__ import annotations

from dataclasses import dataclass, field

import sqlalchemy as sa

from knit_server.persistence import tables
from knit_server.persistence.database import Transaction

_key = tables.signing_key


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A key: `secret` may be used until `expires_at`, in milliseconds."""

    key_id: str
    secret: bytes = field(repr=False)
    expires_at: int


def lasting(tx: Transaction, until: int) -> SigningKey | None:
    """Return the key that lasts longest, if it lasts beyond `until`."""
    query = sa.select(_key).where(_key.c.expires_at > until).order_by(_key.c.expires_at.desc()).limit(1)
    row = tx.execute(query).first()
    return None if row is None else SigningKey(**row._mapping)


def named(tx: Transaction, key_id: str, now: int) -> SigningKey | None:
    """Return a key by its id, unless its time is over."""
    row = tx.execute(sa.select(_key).where(_key.c.key_id == key_id, _key.c.expires_at > now)).first()
    return None if row is None else SigningKey(**row._mapping)


def insert(tx: Transaction, key: SigningKey, now: int) -> None:
    """Keep a new key, and drop those whose time is over."""
    tx.execute(sa.delete(_key).where(_key.c.expires_at <= now))
    tx.execute(sa.insert(_key).values(key_id=key.key_id, secret=key.secret, expires_at=key.expires_at))
