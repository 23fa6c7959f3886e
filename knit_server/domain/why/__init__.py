"""Why: from what is known of a Data, a Plan or a Run to what it means for people, and to the step that helps.

Pure functions over values, like matching itself; whoever calls them has looked everything up in one moment. They never
decide anything: what fits is said by `domain.matching.judge` alone.

Rules: docs/rules.md, "Why".
"""

from __future__ import annotations

from knit_server.domain.why.codes import MEANINGS, Code
from knit_server.domain.why.data import DataFacts, Survey, explain_data, survey
from knit_server.domain.why.plans import PlanFacts, explain_plan
from knit_server.domain.why.points import Explanation, Happened, Kind, Made, Point, Receipt, Room
from knit_server.domain.why.runs import RunFacts, Source, explain_run

__all__ = [
    "MEANINGS",
    "Code",
    "DataFacts",
    "Explanation",
    "Happened",
    "Kind",
    "Made",
    "PlanFacts",
    "Point",
    "Receipt",
    "Room",
    "RunFacts",
    "Source",
    "Survey",
    "explain_data",
    "explain_plan",
    "explain_run",
    "survey",
]
