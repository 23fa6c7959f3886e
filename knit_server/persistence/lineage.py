"""What lies one step away in the lineage graph: the facts that `domain.lineage` walks on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from knit_server.domain.ids import KnitId, RunId
from knit_server.domain.lineage import Links
from knit_server.domain.runs import Assignment
from knit_server.persistence import runs, tables
from knit_server.persistence.batches import batched
from knit_server.persistence.database import Transaction


class SqlFacts:
    """`domain.lineage.Facts` within one transaction: one query for each kind of step and frontier."""

    def __init__(self, tx: Transaction) -> None:
        self._tx = tx

    def producers(self, data: Sequence[KnitId]) -> Mapping[KnitId, RunId]:
        """The Run that made each Data."""
        found: dict[KnitId, RunId] = {}
        for some in batched(data):
            query = sa.select(tables.data.c.knit_id, tables.data.c.run_id).where(tables.data.c.knit_id.in_(some))
            found.update({KnitId(row.knit_id): RunId(row.run_id) for row in self._tx.execute(query).all()})
        return found

    def consumers(self, data: Sequence[KnitId]) -> Mapping[KnitId, Sequence[RunId]]:
        """The Runs that took each Data, oldest first, without deleted ones."""
        found: dict[KnitId, list[RunId]] = {}
        for knit_id, _, run_id in runs.consumers(self._tx, data):
            found.setdefault(knit_id, []).append(run_id)
        return found

    def links(self, runs_: Sequence[RunId]) -> Mapping[RunId, Links]:
        """What each Run took and made, by path."""
        taken = runs.inputs_of(self._tx, runs_)
        made: dict[RunId, list[Assignment]] = {}
        for some in batched(runs_):
            query = sa.select(tables.data.c.knit_id, tables.data.c.run_id, tables.data.c.path)
            for row in self._tx.execute(query.where(tables.data.c.run_id.in_(some))).all():
                made.setdefault(RunId(row.run_id), []).append(Assignment(path=row.path, knit_id=KnitId(row.knit_id)))
        for each in made.values():
            each.sort(key=lambda assignment: assignment.path)
        return {
            run: Links(
                run_id=run,
                inputs=taken.get(run, ()),
                outputs=tuple(each for each in made.get(run, ()) if each.path != tables.LOG),
                log=next((each.knit_id for each in made.get(run, ()) if each.path == tables.LOG), None),
            )
            for run in runs_
        }
