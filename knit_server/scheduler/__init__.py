"""Closing the gap between what is wanted and what is: launching Runs, watching them, finishing them, tidying up.

Runs in a thread with an event loop of its own, never on Jupyter's. It wakes by signal; once a minute it looks by
itself, in case a signal was lost. Executors only observe; what an observation means is decided here and in
`service.lifecycle`.
"""

from knit_server.scheduler.supervisor import Scheduler

__all__ = ["Scheduler"]
