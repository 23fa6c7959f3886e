"""Schema migrations, run by Alembic and configured in code: no ini file, so that they work from a wheel.

A migration is a numbered module in `versions`. The first creates all tables from `tables.metadata` as they were.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from knit_server.domain.errors import Conflict

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

HEAD = "0005"
"""The revision this Knit works with: the newest of `versions` (a test compares them)."""

_LOCATION = "knit_server.persistence:migrations"

_LOCK = 0x6B6E6975
"""Key of PostgreSQL's advisory lock that lets one process at a time migrate."""


def upgrade(engine: Engine) -> None:
    """Bring the schema to `HEAD`, in one transaction. Raises `Conflict` if a newer Knit has been here.

    Alembic is loaded only where there is something to do: importing it takes longer than opening the database.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
        present = revision(connection)
        if present != HEAD:
            _migrate(connection, present)
            connection.commit()


def revision(connection: Connection) -> str | None:
    """Return the revision of the database's schema, None for an empty database."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return found


def scripts() -> ScriptDirectory:
    """Return the migrations as Alembic sees them."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory.from_config(_config())


def _migrate(connection: Connection, present: str | None) -> None:
    from alembic.runtime.environment import EnvironmentContext

    known = scripts()
    if present is not None and present not in {script.revision for script in known.walk_revisions()}:
        raise Conflict(
            f"the database was written by a newer Knit (schema {present})",
            advice="Install that version or a newer one; this one would not understand it.",
        )
    with EnvironmentContext(_config(), known, fn=lambda old, _: known._upgrade_revs("head", old)) as env:
        env.configure(connection=connection, transactional_ddl=False)
        env.run_migrations()


def _config() -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", _LOCATION)
    return config
