"""Plans at rest. What never changes of a Plan is kept as JSON; what may be edited has columns."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable

import sqlalchemy as sa

from knit_server.domain import matching
from knit_server.domain.errors import NotFound
from knit_server.domain.ids import PlanId
from knit_server.domain.images import ImageName
from knit_server.domain.plans import (
    Annotation,
    Input,
    OnNode,
    Output,
    Plan,
    PlanSpec,
    Preference,
    canonical,
    identity_hash,
)
from knit_server.domain.retries import RetryPolicy
from knit_server.domain.tags import Tag, Tags, digest
from knit_server.persistence import tables
from knit_server.persistence.batches import batched, possible
from knit_server.persistence.database import Transaction


def insert(tx: Transaction, plan: Plan, now: int, uses: Callable[[Tag], int] = lambda tag: 0) -> None:
    """Keep a new Plan; its inputs are indexed under their rarest tag, as `uses` counts."""
    spec = plan.spec
    tx.execute(
        sa.insert(tables.plan).values(
            plan_id=plan.plan_id,
            name=plan.name,
            identity_hash=identity_hash(spec) if spec else None,
            identity=_identity(spec) if spec else None,
            spec=_spec_text(spec) if spec else None,
            active=plan.active,
            resources=json.dumps(dict(spec.resources) if spec else {}),
            annotations=json.dumps(list(spec.annotations) if spec else []),
            service_account=spec.service_account if spec else None,
            retry=_retry_text(spec.retry) if spec else None,
            timeout=spec.timeout if spec else None,
            created_at=now,
        )
    )
    _index(tx, plan, uses)


def _index(tx: Transaction, plan: Plan, uses: Callable[[Tag], int]) -> None:
    rows = [
        {"plan_id": plan.plan_id, "path": asked.path, "anchor": digest(matching.anchor(asked, uses))}
        for asked in plan.inputs
    ]
    if rows:
        tx.execute(sa.insert(tables.plan_input), rows)


def get(tx: Transaction, plan_id: str) -> Plan:
    """Return a Plan. Raises `NotFound`."""
    found = many(tx, [plan_id])
    if plan_id not in found:
        raise NotFound(f"there is no Plan {plan_id}", advice="List the Plans: knit plan find")
    return found[plan_id]


def many(tx: Transaction, plan_ids: Iterable[str]) -> dict[str, Plan]:
    """Return those of the Plans that exist, by id."""
    found: dict[str, Plan] = {}
    for some in batched(possible(plan_ids)):
        for row in tx.execute(sa.select(tables.plan).where(tables.plan.c.plan_id.in_(some))):
            found[row.plan_id] = _plan(row)
    return found


def lock(tx: Transaction, plan_id: str) -> Plan:
    """Return a Plan that nobody else changes until the transaction ends. Raises `NotFound`."""
    query = sa.select(tables.plan).where(tables.plan.c.plan_id.in_(possible([plan_id]))).with_for_update(key_share=True)
    row = tx.execute(query).first()
    return get(tx, plan_id) if row is None else _plan(row)


def every(tx: Transaction, *, archived: bool = False) -> list[Plan]:
    """Return all Plans, by id; those that are archived only if asked for."""
    query = sa.select(tables.plan).order_by(tables.plan.c.plan_id)
    if not archived:
        query = query.where(tables.plan.c.archived_at.is_(None))
    return [_plan(row) for row in tx.execute(query)]


def named(tx: Transaction, name: str) -> Plan | None:
    """Return the built-in Plan of that name, if it is registered."""
    row = tx.execute(sa.select(tables.plan).where(tables.plan.c.name == name)).first()
    return None if row is None else _plan(row)


def equivalent(tx: Transaction, spec: PlanSpec) -> PlanId | None:
    """Return the id of the Plan with the same identity, archived or not, or None."""
    row = tx.execute(sa.select(tables.plan.c.plan_id).where(tables.plan.c.identity == _identity(spec))).first()
    return None if row is None else PlanId(row.plan_id)


def set_active(tx: Transaction, plan_id: str, active: bool) -> None:
    """Switch a Plan on or off."""
    tx.execute(sa.update(tables.plan).where(tables.plan.c.plan_id == plan_id).values(active=active))


def edit(tx: Transaction, plan_id: str, spec: PlanSpec) -> None:
    """Keep what may be edited of `spec`."""
    values = {
        "resources": json.dumps(dict(spec.resources)),
        "annotations": json.dumps(list(spec.annotations)),
        "service_account": spec.service_account,
        "retry": _retry_text(spec.retry),
        "timeout": spec.timeout,
    }
    tx.execute(sa.update(tables.plan).where(tables.plan.c.plan_id == plan_id).values(values))


def archive(tx: Transaction, plan_id: str, now: int) -> None:
    """Note that a Plan is archived; its inputs leave the index, and nothing is nominated for them any more."""
    mine = sa.select(tables.plan_input.c.input_id).where(tables.plan_input.c.plan_id == plan_id)
    tx.execute(sa.delete(tables.nomination).where(tables.nomination.c.input_id.in_(mine)))
    tx.execute(sa.delete(tables.plan_input).where(tables.plan_input.c.plan_id == plan_id))
    tx.execute(sa.update(tables.plan).where(tables.plan.c.plan_id == plan_id).values(archived_at=now))


def unarchive(tx: Transaction, plan: Plan, uses: Callable[[Tag], int] = lambda tag: 0) -> None:
    """Undo `archive`: its inputs are indexed again. Nominations are for the caller to find."""
    tx.execute(sa.update(tables.plan).where(tables.plan.c.plan_id == plan.plan_id).values(archived_at=None))
    _index(tx, plan, uses)


def _identity(spec: PlanSpec) -> str:
    return hashlib.sha256(canonical(spec).encode()).hexdigest()


# --- JSON of the immutable part ---------------------------------------------------------------------------------------


def _spec_text(spec: PlanSpec) -> str:
    fields = {
        "image": list(spec.image),
        "entrypoint": list(spec.entrypoint),
        "args": list(spec.args),
        "inputs": [[each.path, list(each.tags)] for each in spec.inputs],
        "outputs": [[each.path, list(each.tags)] for each in spec.outputs],
        "log": None if spec.log is None else list(spec.log.tags),
        "on_node": [[wish.mode.value, wish.key, wish.value] for wish in spec.on_node],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def _plan(row: sa.Row[tuple[object, ...]]) -> Plan:
    if row.spec is None:
        return Plan(plan_id=PlanId(row.plan_id), name=row.name)
    fields = json.loads(row.spec)
    spec = PlanSpec(
        image=ImageName(*fields["image"]),
        entrypoint=tuple(fields["entrypoint"]),
        args=tuple(fields["args"]),
        inputs=tuple(Input(path=path, tags=_tags(tags)) for path, tags in fields["inputs"]),
        outputs=tuple(Output(path=path, tags=_tags(tags)) for path, tags in fields["outputs"]),
        log=None if fields["log"] is None else Output(path=None, tags=_tags(fields["log"])),
        on_node=tuple(OnNode(Preference(mode), key, value) for mode, key, value in fields["on_node"]),
        active=bool(row.active),
        resources=json.loads(row.resources),
        annotations=tuple(Annotation(*pair) for pair in json.loads(row.annotations)),
        service_account=row.service_account,
        retry=_retry(row.retry),
        timeout=row.timeout,
    )
    return Plan(plan_id=PlanId(row.plan_id), spec=spec, archived=row.archived_at is not None)


def _retry_text(policy: RetryPolicy | None) -> str | None:
    return None if policy is None else json.dumps({"tries": policy.tries, "wait": policy.wait, "on": policy.on})


def _retry(text: str | None) -> RetryPolicy | None:
    if text is None:
        return None
    fields = json.loads(text)
    return RetryPolicy(tries=fields["tries"], wait=fields["wait"], on=tuple(fields["on"]))


def _tags(pairs: list[list[str]]) -> Tags:
    return tuple(Tag(*pair) for pair in pairs)
