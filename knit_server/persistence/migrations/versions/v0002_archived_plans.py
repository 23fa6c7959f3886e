"""Plans can be archived."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Note when a Plan was archived; nothing is so far."""
    op.add_column("plan", sa.Column("archived_at", sa.BigInteger(), nullable=True))
