"""Databases for tests of the server: SQLite and, where its programs are, PostgreSQL."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the helper modules beside this file

from jupyter_process import Jupyter
from postgres_cluster import TEMPLATE, Cluster

from knit_server.persistence import Database

BACKENDS = ("sqlite", pytest.param("postgresql", marks=pytest.mark.postgres))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server; its database `TEMPLATE` has Knit's tables."""
    cluster = Cluster()
    try:
        cluster.start()
        name = cluster.create()
        db = Database(cluster.url(name))
        db.open()
        db.close()
        cluster.rename(name, TEMPLATE)
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture
def postgres_url(postgres: Cluster) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database with Knit's tables. The test needs the marker `postgres`."""
    name = postgres.create(TEMPLATE)
    yield postgres.url(name)
    postgres.drop(name)


@pytest.fixture(params=BACKENDS)
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a fresh database; each test that asks for it runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'knit.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=BACKENDS)
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Like `db_url`, but nobody has made any tables."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'knit.db'}"
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    name = cluster.create()
    yield cluster.url(name)
    cluster.drop(name)


@pytest.fixture
def db(db_url: str) -> Iterator[Database]:
    """A fresh, open database."""
    opened = Database(db_url)
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Jupyter]]:
    """Start Jupyter servers with Knit in them, which are killed at the end of the test if they still run."""
    begun: list[Jupyter] = []

    def make(home: Path, *options: str, **chosen: Any) -> Jupyter:
        begun.append(Jupyter(tmp_path / f"jupyter{len(begun)}", home, *options, **chosen))
        return begun[-1].ready()

    yield make
    for jupyter in begun:
        if jupyter.popen.poll() is None:
            jupyter.popen.kill()
            jupyter.popen.wait()
