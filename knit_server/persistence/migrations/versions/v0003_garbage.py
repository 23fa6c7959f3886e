"""Contents that no Data has any more can be collected."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SEQUENCE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Condemn what no Data has. Which packs the others need is read from their manifests later, by the sweeper."""
    op.add_column("content", sa.Column("condemned_at", sa.BigInteger(), nullable=True))
    op.add_column("content", sa.Column("mapped", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.create_index(op.f("ix_content_condemned_at"), "content", ["condemned_at"], unique=False)
    op.create_index(
        "ix_content_unmapped",
        "content",
        ["content_id"],
        unique=False,
        sqlite_where=sa.text("mapped = 0"),
        postgresql_where=sa.text("NOT mapped"),
    )
    op.create_table(
        "content_pack",
        sa.Column("content_id", sa.String(length=80), nullable=False),
        sa.Column("pack_id", SEQUENCE, nullable=False),
        sa.ForeignKeyConstraint(["content_id"], ["content.content_id"], name=op.f("fk_content_pack_content_id")),
        sa.ForeignKeyConstraint(["pack_id"], ["pack.pack_id"], name=op.f("fk_content_pack_pack_id")),
        sa.PrimaryKeyConstraint("content_id", "pack_id", name=op.f("pk_content_pack")),
    )
    op.create_index(op.f("ix_content_pack_pack_id"), "content_pack", ["pack_id"], unique=False)
    op.create_table(
        "garbage",
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("claimed_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "name", name=op.f("pk_garbage")),
    )
    op.create_index("ix_garbage_since", "garbage", ["deleted_at", "claimed_at", "since"], unique=False)
    unused = sa.text(
        "UPDATE content SET condemned_at = :now"
        " WHERE NOT EXISTS (SELECT 1 FROM data WHERE data.content_id = content.content_id)"
    )
    op.execute(unused.bindparams(now=time.time_ns() // 1_000_000))
