"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "cause",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("cause_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_cause")),
        sa.UniqueConstraint("cause_id", name=op.f("uq_cause_cause_id")),
    )
    op.create_index(op.f("ix_cause_at"), "cause", ["at"], unique=False)
    op.create_table(
        "content",
        sa.Column("content_id", sa.String(length=80), nullable=False),
        sa.Column("bytes_id", sa.String(length=80), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("content_id", name=op.f("pk_content")),
    )
    op.create_index(op.f("ix_content_bytes_id"), "content", ["bytes_id"], unique=False)
    op.create_index(op.f("ix_content_manifest"), "content", ["manifest"], unique=False)
    op.create_table(
        "event",
        sa.Column("event_id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("subject", sa.String(length=36), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "pack",
        sa.Column("pack_id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("pack_id", name=op.f("pk_pack")),
        sa.UniqueConstraint("name", name=op.f("uq_pack_name")),
    )
    op.create_table(
        "plan",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("identity_hash", sa.String(length=64), nullable=True),
        sa.Column("identity", sa.String(length=64), nullable=True),
        sa.Column("spec", sa.Text(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("resources", sa.Text(), nullable=False),
        sa.Column("annotations", sa.Text(), nullable=False),
        sa.Column("service_account", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_plan")),
        sa.UniqueConstraint("identity", name="uq_plan_identity"),
        sa.UniqueConstraint("name", name=op.f("uq_plan_name")),
        sa.UniqueConstraint("plan_id", name=op.f("uq_plan_plan_id")),
    )
    op.create_index(op.f("ix_plan_identity_hash"), "plan", ["identity_hash"], unique=False)
    op.create_table(
        "tag",
        sa.Column("tag_id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tag_id", name=op.f("pk_tag")),
        sa.UniqueConstraint("digest", name="uq_tag_digest"),
    )
    op.create_table(
        "chunk",
        sa.Column("chunk_id", sa.String(length=80), nullable=False),
        sa.Column("pack_id", SEQUENCE, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("compressed", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.pack_id"], name=op.f("fk_chunk_pack_id")),
        sa.PrimaryKeyConstraint("chunk_id", name=op.f("pk_chunk")),
    )
    op.create_index(op.f("ix_chunk_pack_id"), "chunk", ["pack_id"], unique=False)
    op.create_table(
        "decision",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("cause_id", sa.String(length=36), nullable=False),
        sa.Column("knit_id", sa.String(length=36), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["cause_id"], ["cause.cause_id"], name=op.f("fk_decision_cause_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decision")),
    )
    op.create_index(op.f("ix_decision_cause_id"), "decision", ["cause_id"], unique=False)
    op.create_index(op.f("ix_decision_at"), "decision", ["at"], unique=False)
    op.create_index("ix_decision_data", "decision", ["knit_id", "seq"], unique=False)
    op.create_index("ix_decision_plan", "decision", ["plan_id", "seq"], unique=False)
    op.create_table(
        "plan_input",
        sa.Column("input_id", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("anchor", sa.LargeBinary(length=16), nullable=False),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.plan_id"], name=op.f("fk_plan_input_plan_id")),
        sa.PrimaryKeyConstraint("input_id", name=op.f("pk_plan_input")),
        sa.UniqueConstraint("plan_id", "path", name="uq_plan_input_path"),
    )
    op.create_index(op.f("ix_plan_input_anchor"), "plan_input", ["anchor"], unique=False)
    op.create_table(
        "run",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("plan_id", sa.String(length=36), nullable=False),
        sa.Column("run_key", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("exit_message", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cause_id", sa.String(length=36), nullable=True),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=36), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("executor", sa.Text(), nullable=True),
        sa.Column("image_digest", sa.Text(), nullable=True),
        sa.Column("sandbox", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["cause_id"], ["cause.cause_id"], name=op.f("fk_run_cause_id")),
        sa.ForeignKeyConstraint(["plan_id"], ["plan.plan_id"], name=op.f("fk_run_plan_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_run")),
        sa.UniqueConstraint("run_id", name=op.f("uq_run_run_id")),
        sa.UniqueConstraint("run_key", name="uq_run_key"),
    )
    op.create_index(op.f("ix_run_plan_id"), "run", ["plan_id"], unique=False)
    op.create_index("ix_run_status", "run", ["status", "seq"], unique=False)
    op.create_index(op.f("ix_run_updated_at"), "run", ["updated_at"], unique=False)
    op.create_table(
        "data",
        sa.Column("seq", SEQUENCE, autoincrement=True, nullable=False),
        sa.Column("knit_id", sa.String(length=36), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=True),
        sa.Column("content_id", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["content_id"], ["content.content_id"], name=op.f("fk_data_content_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_data_run_id")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_data")),
        sa.UniqueConstraint("knit_id", name=op.f("uq_data_knit_id")),
        sa.UniqueConstraint("run_id", "path", name="uq_data_producer"),
    )
    op.create_index(op.f("ix_data_content_id"), "data", ["content_id"], unique=False)
    op.create_index(op.f("ix_data_timestamp"), "data", ["timestamp"], unique=False)
    op.create_table(
        "data_tag",
        sa.Column("tag_id", SEQUENCE, nullable=False),
        sa.Column("knit_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["knit_id"], ["data.knit_id"], name=op.f("fk_data_tag_knit_id")),
        sa.ForeignKeyConstraint(["tag_id"], ["tag.tag_id"], name=op.f("fk_data_tag_tag_id")),
        sa.PrimaryKeyConstraint("tag_id", "knit_id", name=op.f("pk_data_tag")),
    )
    op.create_index(op.f("ix_data_tag_knit_id"), "data_tag", ["knit_id"], unique=False)
    op.create_table(
        "nomination",
        sa.Column("input_id", SEQUENCE, nullable=False),
        sa.Column("knit_id", sa.String(length=36), nullable=False),
        sa.Column("pending", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("cause_id", sa.String(length=36), nullable=True),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["cause_id"], ["cause.cause_id"], name=op.f("fk_nomination_cause_id")),
        sa.ForeignKeyConstraint(["input_id"], ["plan_input.input_id"], name=op.f("fk_nomination_input_id")),
        sa.ForeignKeyConstraint(["knit_id"], ["data.knit_id"], name=op.f("fk_nomination_knit_id")),
        sa.PrimaryKeyConstraint("input_id", "knit_id", name=op.f("pk_nomination")),
    )
    op.create_index(op.f("ix_nomination_knit_id"), "nomination", ["knit_id"], unique=False)
    op.create_index(
        "ix_nomination_pending",
        "nomination",
        ["input_id", "knit_id"],
        unique=False,
        sqlite_where=sa.text("pending = 1"),
        postgresql_where=sa.text("pending"),
    )
    op.create_table(
        "run_input",
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("knit_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["knit_id"], ["data.knit_id"], name=op.f("fk_run_input_knit_id")),
        sa.ForeignKeyConstraint(["run_id"], ["run.run_id"], name=op.f("fk_run_input_run_id")),
        sa.PrimaryKeyConstraint("run_id", "path", "knit_id", name=op.f("pk_run_input")),
    )
    op.create_index(op.f("ix_run_input_knit_id"), "run_input", ["knit_id"], unique=False)
