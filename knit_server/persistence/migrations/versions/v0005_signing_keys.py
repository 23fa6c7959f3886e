"""Tokens of imports are signed with keys that all servers of a database share."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """The first import makes the first key."""
    op.create_table(
        "signing_key",
        sa.Column("key_id", sa.String(36), nullable=False),
        sa.Column("secret", sa.LargeBinary(256), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_signing_key"),
    )
