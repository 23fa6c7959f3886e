"""The tables. Instants are milliseconds since 1970; `seq` columns grow and break ties of equal instants."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Sequence = BigInteger().with_variant(Integer, "sqlite")  # SQLite grows INTEGER PRIMARY KEY columns only
Uuid = String(36)


def _seq() -> Column[int]:
    return Column("seq", Sequence, primary_key=True, autoincrement=True)


tag = Table(
    "tag",
    metadata,
    Column("tag_id", Sequence, primary_key=True, autoincrement=True),
    Column("digest", LargeBinary(16), nullable=False),  # tags may be longer than an index entry: see domain.tags.digest
    Column("key", Text, nullable=False),
    Column("value", Text, nullable=False),
    UniqueConstraint("digest", name="uq_tag_digest"),
)

plan = Table(
    "plan",
    metadata,
    _seq(),
    Column("plan_id", Uuid, nullable=False, unique=True),
    Column("name", Text, unique=True),  # built-in Plans only
    Column("identity_hash", String(64), index=True),  # Knitfab's; different Plans may share it
    Column("identity", String(64)),  # SHA-256 of the canonical identity; None for built-in Plans
    Column("spec", Text),  # JSON of the immutable part; None for built-in Plans
    Column("active", Boolean, nullable=False),
    Column("resources", Text, nullable=False),
    Column("annotations", Text, nullable=False),
    Column("service_account", Text),
    Column("created_at", BigInteger, nullable=False),
    Column("archived_at", BigInteger),
    Column("retry", Text),  # JSON of domain.retries.RetryPolicy; None: attempts that end badly are not repeated
    Column("timeout", BigInteger),  # milliseconds that the program of one attempt may run
    UniqueConstraint("identity", name="uq_plan_identity"),
)

plan_input = Table(
    "plan_input",
    metadata,
    Column("input_id", Sequence, primary_key=True, autoincrement=True),
    Column("plan_id", Uuid, ForeignKey("plan.plan_id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("anchor", LargeBinary(16), nullable=False, index=True),  # digest of the input's rarest tag
    UniqueConstraint("plan_id", "path", name="uq_plan_input_path"),
)

cause = Table(
    "cause",
    metadata,
    _seq(),
    Column("cause_id", Uuid, nullable=False, unique=True),
    Column("kind", Text, nullable=False),  # push, import, plan, tag
    Column("subject", Uuid, nullable=False),
    Column("at", BigInteger, nullable=False, index=True),
)

decision = Table(
    "decision",
    metadata,
    _seq(),
    Column("cause_id", Uuid, ForeignKey("cause.cause_id"), nullable=False, index=True),
    Column("knit_id", Uuid, nullable=False),
    Column("plan_id", Uuid, nullable=False),
    Column("path", Text, nullable=False),
    Column("reason", Text, nullable=False),  # domain.matching.Reason
    Column("times", Integer, nullable=False),
    Column("detail", Text),  # JSON: missing tags, or the first Runs made
    Column("at", BigInteger, nullable=False, index=True),
    Index("ix_decision_data", "knit_id", "seq"),  # the newest are asked for
    Index("ix_decision_plan", "plan_id", "seq"),
)

run = Table(
    "run",
    metadata,
    _seq(),
    Column("run_id", Uuid, nullable=False, unique=True),
    Column("plan_id", Uuid, ForeignKey("plan.plan_id"), nullable=False, index=True),
    Column("run_key", String(80), nullable=False),
    Column("status", String(16), nullable=False),
    Column("updated_at", BigInteger, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("exit_code", Integer),
    Column("exit_message", Text),
    Column("attempt", Integer, nullable=False),
    Column("losses", Integer, nullable=False, server_default="0"),  # attempts lost together with a server
    Column("cause_id", Uuid, ForeignKey("cause.cause_id")),
    Column("hops", Integer, nullable=False),
    Column("lease_owner", Uuid),
    Column("lease_until", BigInteger),
    Column("executor", Text),
    Column("image_digest", Text),
    Column("sandbox", Text),
    Column("note", Text),  # why it does not move, for people
    Column("tries", Integer, nullable=False, server_default="0"),  # attempts that ended badly and are repeated
    Column("again_at", BigInteger),  # nobody begins the next attempt before
    UniqueConstraint("run_key", name="uq_run_key"),
    Index("ix_run_status", "status", "seq"),
    Index(
        "ix_run_again",
        "again_at",
        sqlite_where=text("again_at IS NOT NULL"),
        postgresql_where=text("again_at IS NOT NULL"),
    ),
)

run_input = Table(
    "run_input",
    metadata,
    Column("run_id", Uuid, ForeignKey("run.run_id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("knit_id", Uuid, ForeignKey("data.knit_id"), nullable=False, index=True),
    PrimaryKeyConstraint("run_id", "path", "knit_id"),  # several Data may share a path
)

content = Table(
    "content",
    metadata,
    Column("content_id", String(80), primary_key=True),
    Column("bytes_id", String(80), nullable=False, index=True),
    Column("manifest", Text, nullable=False, index=True),
    Column("size", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("condemned_at", BigInteger, index=True),  # since when no Data has it; None while one has
    Column("mapped", Boolean, nullable=False, server_default=false()),  # `content_pack` tells all of its packs
    Index(
        "ix_content_unmapped",
        "content_id",
        sqlite_where=text("mapped = 0"),  # as the query says it: SQLite compares the texts
        postgresql_where=text("NOT mapped"),
    ),
)

pack = Table(
    "pack",
    metadata,
    Column("pack_id", Sequence, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False, unique=True),
)

chunk = Table(
    "chunk",
    metadata,
    Column("chunk_id", String(80), primary_key=True),
    Column("pack_id", Sequence, ForeignKey("pack.pack_id"), nullable=False, index=True),
    Column("offset", BigInteger, nullable=False),
    Column("length", BigInteger, nullable=False),
    Column("compressed", Boolean, nullable=False),
)

content_pack = Table(
    "content_pack",
    metadata,
    Column("content_id", String(80), ForeignKey("content.content_id"), nullable=False),
    Column("pack_id", Sequence, ForeignKey("pack.pack_id"), nullable=False, index=True),
    PrimaryKeyConstraint("content_id", "pack_id"),
)

garbage = Table(
    "garbage",  # what is to be deleted from the store; nothing here is in `pack` or `content`
    metadata,
    Column("kind", String(8), nullable=False),  # pack, manifest
    Column("name", String(80), nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("claimed_at", BigInteger),  # from here on the object may be gone
    Column("deleted_at", BigInteger),  # from here on it is; the row stays for those who stored it again before
    PrimaryKeyConstraint("kind", "name"),
    Index("ix_garbage_since", "deleted_at", "claimed_at", "since"),
)

LOG = ""
"""Stands for the log in `data.path`: a log has no mount path, and NULLs would not be kept unique."""

data = Table(
    "data",
    metadata,
    _seq(),
    Column("knit_id", Uuid, nullable=False, unique=True),
    Column("run_id", Uuid, ForeignKey("run.run_id"), nullable=False),
    Column("path", Text, nullable=False),
    Column("timestamp", BigInteger, index=True),
    Column("content_id", String(80), ForeignKey("content.content_id"), index=True),
    UniqueConstraint("run_id", "path", name="uq_data_producer"),
)

data_tag = Table(
    "data_tag",
    metadata,
    Column("tag_id", Sequence, ForeignKey("tag.tag_id"), nullable=False),
    Column("knit_id", Uuid, ForeignKey("data.knit_id"), nullable=False, index=True),
    PrimaryKeyConstraint("tag_id", "knit_id"),
)

nomination = Table(
    "nomination",
    metadata,
    Column("input_id", Sequence, ForeignKey("plan_input.input_id"), nullable=False),
    Column("knit_id", Uuid, ForeignKey("data.knit_id"), nullable=False, index=True),
    Column("pending", Boolean, nullable=False, server_default=false()),  # its combinations are not all made yet
    Column("cause_id", Uuid, ForeignKey("cause.cause_id")),
    Column("hops", Integer, nullable=False),
    PrimaryKeyConstraint("input_id", "knit_id"),
    Index(
        "ix_nomination_pending",
        "input_id",
        "knit_id",
        sqlite_where=text("pending = 1"),  # as the query says it: SQLite compares the texts
        postgresql_where=text("pending"),
    ),
)

signing_key = Table(  # of the tokens of imports
    "signing_key",
    metadata,
    Column("key_id", Uuid, primary_key=True),
    Column("secret", LargeBinary(256), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("event_id", Sequence, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("kind", String(8), nullable=False),
    Column("subject", Uuid, nullable=False),
    Column("payload", Text, nullable=False),
    sqlite_autoincrement=True,  # ids never come back, also after old events are swept
)
