"""The codes of every answer to "why": stable, so that programs may rely on them."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from knit_server.domain.matching import Reason


class Code(enum.Enum):
    """What a point of an explanation says. Those that matching gives are the same in receipts (`Reason`)."""

    MATCHED = Reason.MATCHED.value
    FITS = Reason.FITS.value
    LACKS_TAG = Reason.LACKS_TAG.value
    NOT_DONE = Reason.NOT_DONE.value
    NO_PARTNER = Reason.NO_PARTNER.value
    DONE_ALREADY = Reason.DONE_ALREADY.value
    PLAN_INACTIVE = Reason.PLAN_INACTIVE.value
    HELD_LIMIT = Reason.HELD_LIMIT.value
    PLAN_ARCHIVED = "plan-archived"
    NO_PLAN = "no-plan"
    NO_DATA = "no-data"
    CAUSED = "caused"
    MADE_BY = "made-by"
    WAITING_FOR_ROOM = "waiting-for-room"
    HELD_BY_HOOK = "held-by-hook"
    TOO_LARGE = "too-large"
    IMAGE_MISSING = "image-missing"
    RUNNING = "running"
    PUT_OFF = "put-off"
    STORING = "storing"
    UNATTENDED = "unattended"
    DONE = "done"
    EXIT = "exit"
    OOM = "oom"
    ABORTED = "aborted"
    VANISHED = "vanished"
    STUCK = "stuck"
    TIMED_OUT = "timed-out"
    DELETED = "deleted"


MEANINGS: Mapping[Code, str] = {
    Code.MATCHED: "the Data fits the input, and Runs were made of it",
    Code.FITS: "the Data fits the input",
    Code.LACKS_TAG: "the Data lacks tags that the input asks for",
    Code.NOT_DONE: "the Run that makes the Data is not done, so the Data fits nothing yet, or never will",
    Code.NO_PARTNER: "the Data fits the input, but another input of the Plan has no Data",
    Code.DONE_ALREADY: "the combination had its Run, which was deleted; it does not run again by itself",
    Code.PLAN_INACTIVE: "the Plan is switched off; its Runs wait for the switch",
    Code.HELD_LIMIT: "more Runs are owed than one step makes; the rest follows",
    Code.PLAN_ARCHIVED: "the Plan is in the archive; no Data is matched with it",
    Code.NO_PLAN: "no input of any Plan comes near what the Data has",
    Code.NO_DATA: "no Data fits the input",
    Code.CAUSED: "the outside event that the Run goes back to, and how many Runs lie between",
    Code.MADE_BY: "the Run that made a Data that the Run takes",
    Code.WAITING_FOR_ROOM: "the Run waits until cores and memory are free, and for the Runs before it",
    Code.HELD_BY_HOOK: "a lifecycle hook does not let the Run go on; it is asked again",
    Code.TOO_LARGE: "the Plan asks for more than the machine has",
    Code.IMAGE_MISSING: "the Plan's image is not on this server",
    Code.RUNNING: "the program runs or is being started, or an upload comes in",
    Code.PUT_OFF: "an attempt ended badly; the Plan's policy lets another one follow, which is not due yet",
    Code.STORING: "the program has ended; what it left is being stored",
    Code.UNATTENDED: "the server that worked on the Run has not been heard of; the next one takes it over",
    Code.DONE: "the Run is done",
    Code.EXIT: "the program ended with an exit code other than 0",
    Code.OOM: "the program was killed for taking more memory than the Plan allows",
    Code.ABORTED: "a user stopped the Run",
    Code.VANISHED: "the program vanished without an exit code",
    Code.STUCK: "the program could not be started",
    Code.TIMED_OUT: "the program ran longer than the Plan allows",
    Code.DELETED: "the Run was deleted",
}
"""Every code in a sentence; docs/rules.md shows them."""
