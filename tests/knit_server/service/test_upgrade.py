"""Homes that an older Knit made: what they hold stays, and is collected like all else."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from alembic.runtime.environment import EnvironmentContext
from seams import a_clock, a_tar, bytes_stored

from knit_server.persistence import migrations, tables
from knit_server.scheduler import sweep
from knit_server.service import data, runs
from knit_server.service.context import Limits
from knit_server.testing import temp_knit


def migrated(engine: sa.Engine, revision: str) -> sa.MetaData:
    """Make the tables of an older Knit; returns them."""
    scripts = migrations.scripts()
    with engine.begin() as connection:
        with EnvironmentContext(
            migrations._config(), scripts, fn=lambda old, _: scripts._upgrade_revs(revision, old)
        ) as environment:
            environment.configure(connection=connection, transactional_ddl=False)
            environment.run_migrations()
        old = sa.MetaData()
        old.reflect(connection)
    return old


def copied(source: sa.Engine, target: sa.Engine, old: sa.MetaData) -> None:
    """Copy all rows but events (PostgreSQL counts their ids), without what the older Knit did not know."""
    with source.connect() as reading, target.begin() as writing:
        for table in tables.metadata.sorted_tables:
            if table.name not in old.tables or table is tables.event:
                continue
            shared = [column for column in table.c if column.name in old.tables[table.name].c]
            rows = [dict(row._mapping) for row in reading.execute(sa.select(*shared))]
            if rows:
                writing.execute(sa.insert(old.tables[table.name]), rows)


def test_contents_from_before_there_was_garbage(tmp_path: Path, empty_url: str) -> None:
    """After the upgrade of schema 0002 all Data are there; what had been deleted before it is given back.

    (scenario 85)
    """
    home = tmp_path / "home"
    with temp_knit(home) as ctx:
        kept, gone = (
            data.upload(ctx, a_tar(tmp_path / name, {"x": "shared" * 50, name: name})).data.knit_id for name in "kg"
        )
        lost = data.upload(ctx, a_tar(tmp_path / "l", {"x": "alone"})).data.knit_id
        for knit_id in (gone, lost):
            runs.delete(ctx, data.show(ctx, knit_id).producer.run.run_id)
    source, target = sa.create_engine(f"sqlite:///{home / 'knit.db'}"), sa.create_engine(empty_url)
    copied(source, target, migrated(target, "0002"))
    source.dispose()
    target.dispose()
    (home / "knit.db").rename(tmp_path / "knit.db.new")
    with temp_knit(home, url=empty_url, now=a_clock(), limits=Limits(content_grace=0)) as ctx:
        before = bytes_stored(ctx)
        while sweep.collect(ctx):
            pass
        sweep.sweep_store(ctx)
        assert (len(list(ctx.store.packs())), len(list(ctx.store.manifests()))) == (1, 1)
        assert bytes_stored(ctx) < before
        assert b"".join(data.download(ctx, kept).chunks)
        runs.delete(ctx, data.show(ctx, kept).producer.run.run_id)
        while sweep.collect(ctx):
            pass
        assert bytes_stored(ctx) == 0
