"""The schema: made, left alone, refused, damaged, and made by two at once."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from stored import Keeper

from knit_server.domain.errors import Conflict, Damaged, Unavailable
from knit_server.domain.runs import Assignment
from knit_server.domain.tags import Tag
from knit_server.persistence import Database, data, migrations, plans, runs, tables


def opened(url: str) -> Database:
    db = Database(url)
    db.open()
    return db


def test_migrations_lead_to_the_tables(empty_url: str) -> None:
    """An empty database becomes exactly what `tables` describes: columns, types, defaults, indexes, constraints.

    (scenario 85)
    """
    opened(empty_url).close()
    engine = sa.create_engine(empty_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, tables.metadata) == []
        assert context.get_current_revision() == migrations.HEAD
    engine.dispose()


def test_the_head_is_the_newest_migration() -> None:
    """The revision that is compared at each start, without loading Alembic, is the one Alembic would go to."""
    assert migrations.scripts().get_current_head() == migrations.HEAD


def test_opening_again_changes_nothing(empty_url: str) -> None:
    """A database at the present schema keeps what is in it (scenario 85)."""
    first = opened(empty_url)
    kept = Keeper(first).done(Tag("a", "1"))
    first.close()
    second = opened(empty_url)
    with second.read() as tx:
        assert data.get(tx, kept.knit_id) == kept
    second.close()


def upgraded_to(url: str, revision: str) -> None:
    """Bring an empty database to a schema of the past."""
    engine, known = sa.create_engine(url), migrations.scripts()
    with (
        engine.begin() as connection,
        EnvironmentContext(Config(), known, fn=lambda old, _: known._upgrade_revs(revision, old)) as env,
    ):
        env.configure(connection=connection, transactional_ddl=False)
        env.run_migrations()
    engine.dispose()


def copied(source: str, target: str) -> None:
    """Copy all rows, as far as the target has tables and columns for them."""
    old, new = sa.create_engine(source), sa.create_engine(target)
    there = sa.MetaData()
    there.reflect(new)
    with old.connect() as reading, new.begin() as writing:
        for table in tables.metadata.sorted_tables:
            rows = [dict(row) for row in reading.execute(sa.select(table)).mappings()]
            if table.name in there.tables and rows:
                columns = there.tables[table.name].columns.keys()
                kept = [{name: row[name] for name in columns} for row in rows]
                writing.execute(there.tables[table.name].insert(), kept)
    old.dispose()
    new.dispose()


@pytest.mark.parametrize("past", [script.revision for script in migrations.scripts().walk_revisions()])
def test_scenario_85_from_every_schema_of_the_past(empty_url: str, tmp_path: Path, past: str) -> None:
    """Whatever schema a database has, opening it leads to the present one and keeps what is in it."""
    source = f"sqlite:///{tmp_path / 'source.db'}"
    filled = opened(source)
    keeper = Keeper(filled)
    plan, kept = keeper.plan(), keeper.done(Tag("a", "1"), Tag("b", "2"))
    run = keeper.run(plan, inputs=(Assignment(path="/in", knit_id=kept.knit_id),))
    made = keeper.data(run, tags=(Tag("c", "3"),))
    filled.close()
    upgraded_to(empty_url, past)
    copied(source, empty_url)
    db = opened(empty_url)
    with db.read() as tx:
        assert (data.get(tx, kept.knit_id), data.get(tx, made.knit_id)) == (kept, made)
        assert (plans.get(tx, plan.plan_id), runs.get(tx, run.run_id)) == (plan, run)
        assert runs.inputs_of(tx, [run.run_id])[run.run_id][0].knit_id == kept.knit_id
        context = MigrationContext.configure(tx.connection)
        assert compare_metadata(context, tables.metadata) == []
    db.close()


def test_a_newer_schema_is_refused(db: Database) -> None:
    """What a newer Knit wrote is left alone, with the advice to install that one (scenario 85)."""
    with db.write() as tx:
        tx.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Conflict, match=r"newer Knit \(schema 9999\)\nInstall that version"):
        db.open()
    with db.read() as tx:
        assert tx.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_a_migration_that_fails_leaves_nothing(empty_url: str) -> None:
    """All of a migration or nothing: the next start begins from where the last good one ended (scenario 85)."""
    engine = sa.create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE nomination (x INTEGER)"))
    db = Database(empty_url)
    with pytest.raises(sa.exc.DBAPIError, match="already exists"):
        db.open()
    assert sa.inspect(engine).get_table_names() == ["nomination"]
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE nomination"))
    engine.dispose()
    db.open()
    db.close()


def test_two_processes_at_once(empty_url: str) -> None:
    """Servers that start together on an empty database all find it ready."""
    program = "import sys; from knit_server.persistence import Database; Database(sys.argv[1]).open()"
    command = [sys.executable, "-W", "ignore", "-c", program, empty_url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    for process in started:
        assert process.communicate()[1] == ""
        assert process.returncode == 0
    db = opened(empty_url)
    Keeper(db).done(Tag("a", "1"))
    db.close()


# --- damaged files ----------------------------------------------------------------------------------------------------


def cut(content: bytearray) -> bytearray:
    return content[: len(content) // 2]


def cut_inside_a_page(content: bytearray) -> bytearray:
    return content[: len(content) // 2 + 777]


def no_header(content: bytearray) -> bytearray:
    content[:100] = bytes(100)
    return content


def text(content: bytearray) -> bytearray:
    return bytearray(b"This is not a database, it is a letter.\n" * 200)


def flipped(content: bytearray) -> bytearray:
    chance = random.Random(1)
    for start in range(4096, len(content), 4096):  # the head of each page says where its rows lie
        for _ in range(4):
            content[start + chance.randrange(12)] ^= 0xFF
    return content


@pytest.mark.parametrize("damage", [cut, cut_inside_a_page, no_header, text, flipped])
def test_a_damaged_file_is_told(tmp_path: Path, damage: Callable[[bytearray], bytearray]) -> None:
    """Opening a damaged SQLite file says so, says what to do, and does not write to it."""
    path = tmp_path / "knit.db"
    db = opened(f"sqlite:///{path}")
    keeper = Keeper(db)
    for number in range(20):
        keeper.done(Tag("n", str(number)))
    db.close()
    path.write_bytes(damage(bytearray(path.read_bytes())))
    before = path.read_bytes()
    with pytest.raises(Damaged, match=r"the database is damaged: (?s:.)*\nStop Knit, keep a copy"):
        opened(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """A database that cannot be opened at all is told with its reason."""
    with pytest.raises(Unavailable, match="cannot be opened"):
        opened(f"sqlite:///{tmp_path / 'nowhere' / 'knit.db'}")


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """A PostgreSQL that does not answer is told as such."""
    with pytest.raises(Unavailable, match=r"does not answer(?s:.)*Is its server running"):
        opened(f"postgresql+psycopg://nobody@/knit?host={tmp_path}")
