"""/plans: find, apply, show, switch on and off, details."""

from __future__ import annotations

from tornado import web

from knit_server.domain import images
from knit_server.domain.paging import PlanPosition
from knit_server.handlers import paging
from knit_server.handlers.base import KnitHandler
from knit_server.service import plans
from knit_server.wire import codecs, requests


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
        )
        await paging.reply(self, codecs.plan_detail, query, by=PlanPosition, find=plans.find, page=plans.page)

    @web.authenticated
    async def post(self) -> None:
        """Register a Plan."""
        await self.reply(codecs.plan_detail, plans.apply, requests.plan_spec(self.json_body()))


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
