"""/plans: find, apply, show, switch on and off, change, archive, details."""

from __future__ import annotations

from tornado import web

from knit_server.domain import images
from knit_server.domain.editing import RetryChange, ServiceAccountChange, TimeoutChange
from knit_server.domain.errors import InvalidInput
from knit_server.domain.paging import PlanPosition
from knit_server.domain.views import DryRun
from knit_server.handlers import paging
from knit_server.handlers.base import KnitHandler
from knit_server.service import plan_changes, plans
from knit_server.wire import codecs, planschema, requests


class AllPlans(KnitHandler):
    """/plans"""

    @web.authenticated
    async def get(self) -> None:
        """Find Plans."""
        query = plans.PlanQuery(
            active=requests.boolean("active", self.one("active")),
            image=_image(self.one("image")),
            in_tags=requests.tags_of_query(self.get_query_arguments("in_tag")),
            out_tags=requests.tags_of_query(self.get_query_arguments("out_tag")),
            archived=requests.boolean("archived", self.one("archived")) or False,
        )
        await paging.reply(self, codecs.plan_detail, query, by=PlanPosition, find=plans.find, page=plans.page)

    @web.authenticated
    async def post(self) -> None:
        """Register a Plan, or say what that would do."""
        if not requests.boolean("dry_run", self.one("dry_run")):
            await self.reply(codecs.plan_detail, plans.apply, requests.plan_spec(self.json_body()))
            return
        body = self.json_body()
        try:
            spec = requests.plan_spec(body)
        except InvalidInput as err:
            await self.reply_with(codecs.dry_run, DryRun(refusal=err))
        else:
            await self.reply(codecs.dry_run, plans.dry_run, spec)


class PlanSchema(KnitHandler):
    """/plans/schema"""

    @web.authenticated
    async def get(self) -> None:
        """Give the JSON Schema of plan files."""
        await self.reply_with(dict, planschema.schema())


class OnePlan(KnitHandler):
    """/plans/{planId}"""

    @web.authenticated
    async def get(self, plan_id: str) -> None:
        """Show a Plan."""
        await self.reply(codecs.plan_detail, plans.show, plan_id)


class PlanActive(KnitHandler):
    """/plans/{planId}/active"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Switch on."""
        await self.reply(codecs.plan_detail, plans.set_active, plan_id, active=True)

    @web.authenticated
    async def delete(self, plan_id: str) -> None:
        """Switch off."""
        await self.reply(codecs.plan_detail, plans.set_active, plan_id, active=False)


class PlanResources(KnitHandler):
    """/plans/{planId}/resources"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Change them."""
        await self.reply(codecs.plan_detail, plan_changes.edit, plan_id, requests.resource_change(self.json_body()))


class PlanAnnotations(KnitHandler):
    """/plans/{planId}/annotations"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Change them."""
        await self.reply(codecs.plan_detail, plan_changes.edit, plan_id, requests.annotation_change(self.json_body()))


class PlanServiceAccount(KnitHandler):
    """/plans/{planId}/serviceaccount"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Set it."""
        await self.reply(codecs.plan_detail, plan_changes.edit, plan_id, requests.service_account(self.json_body()))

    @web.authenticated
    async def delete(self, plan_id: str) -> None:
        """Take it away."""
        await self.reply(codecs.plan_detail, plan_changes.edit, plan_id, ServiceAccountChange(None))


class PlanRetry(KnitHandler):
    """/plans/{planId}/retry"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Set the policy."""
        await self.reply(dict, plan_changes.edit_own, plan_id, requests.retry_change(self.json_body()))

    @web.authenticated
    async def delete(self, plan_id: str) -> None:
        """Take it away."""
        await self.reply(dict, plan_changes.edit_own, plan_id, RetryChange(None))


class PlanTimeout(KnitHandler):
    """/plans/{planId}/timeout"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Set it."""
        await self.reply(dict, plan_changes.edit_own, plan_id, requests.timeout_change(self.json_body()))

    @web.authenticated
    async def delete(self, plan_id: str) -> None:
        """Take it away."""
        await self.reply(dict, plan_changes.edit_own, plan_id, TimeoutChange(None))


class PlanArchive(KnitHandler):
    """/plans/{planId}/archive"""

    @web.authenticated
    async def put(self, plan_id: str) -> None:
        """Archive."""
        await self.reply(codecs.plan_detail, plan_changes.archive, plan_id)

    @web.authenticated
    async def delete(self, plan_id: str) -> None:
        """Take out of the archive."""
        await self.reply(codecs.plan_detail, plan_changes.unarchive, plan_id)


class PlanDetails(KnitHandler):
    """/plans/{planId}/details"""

    @web.authenticated
    async def get(self, plan_id: str) -> None:
        """Tell more of a Plan."""
        await self.reply(dict, plans.details, plan_id)


def _image(text: str | None) -> tuple[str, str | None] | None:
    """Read `name[:tag]`; without a tag, or with an empty one, any tag fits."""
    if not text:
        return None
    repository, tag = images.split(text)
    return repository, tag or None
