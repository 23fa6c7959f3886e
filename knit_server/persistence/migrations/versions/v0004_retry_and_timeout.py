"""Plans can say how often their Runs are tried, and how long an attempt may take."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No Plan says so yet, and no Run waits for another attempt."""
    op.add_column("plan", sa.Column("retry", sa.Text(), nullable=True))
    op.add_column("plan", sa.Column("timeout", sa.BigInteger(), nullable=True))
    op.add_column("run", sa.Column("tries", sa.Integer(), server_default="0", nullable=False))
    op.add_column("run", sa.Column("again_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_run_again",
        "run",
        ["again_at"],
        unique=False,
        sqlite_where=sa.text("again_at IS NOT NULL"),
        postgresql_where=sa.text("again_at IS NOT NULL"),
    )
