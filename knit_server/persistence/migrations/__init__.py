"""Schema migrations, run by Alembic and configured in code: no ini file, so that they work from a wheel.

A migration is a numbered module in `versions`. The first creates all tables from `tables.metadata` as they were.
"""

from __future__ import annotations

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, select
from sqlalchemy.engine import Engine

from knit_server.domain.errors import Conflict

_LOCATION = "knit_server.persistence:migrations"

_LOCK = 0x6B6E6975
"""Key of PostgreSQL's advisory lock that lets one process at a time migrate."""


def head() -> str:
    """Return the revision this Knit works with."""
    found = _scripts().get_current_head()
    assert found is not None
    return found


def upgrade(engine: Engine) -> None:
    """Bring the schema to `head`, in one transaction. Raises `Conflict` if a newer Knit has been here."""
    scripts = _scripts()
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
        present = MigrationContext.configure(connection).get_current_revision()
        if present == scripts.get_current_head():
            return
        if present is not None and present not in {script.revision for script in scripts.walk_revisions()}:
            raise Conflict(
                f"the database was written by a newer Knit (schema {present})",
                advice="Install that version or a newer one; this one would not understand it.",
            )
        with EnvironmentContext(
            _config(), scripts, fn=lambda revision, _: scripts._upgrade_revs("head", revision)
        ) as env:
            env.configure(connection=connection, transactional_ddl=False)
            env.run_migrations()
        connection.commit()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", _LOCATION)
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())
