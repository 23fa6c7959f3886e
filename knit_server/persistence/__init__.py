"""Metadata at rest: the only door to SQLAlchemy. Rows come in and go out as values of the domain.

Runs on SQLite (one file, WAL, every commit durable) and on PostgreSQL. Promises are named constraints: one Run per run
key (`uq_run_key`), one Data per output of a Run (`uq_data_producer`), one Plan per identity (`uq_plan_identity`).
Nothing here decides anything: rules are the domain's, use cases are the service's.
"""

from knit_server.persistence.database import Database, Transaction

__all__ = ["Database", "Transaction"]
