"""The ids of Knit: lower-case UUID strings of 36 characters, told apart by type."""

from __future__ import annotations

from typing import NewType

KnitId = NewType("KnitId", str)
PlanId = NewType("PlanId", str)
RunId = NewType("RunId", str)
CauseId = NewType("CauseId", str)
