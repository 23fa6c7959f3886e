"""HTTP that Knit itself sends: lifecycle hooks, told of each change of a Run's status that the scheduler makes.

One door of outgoing HTTP for the server. It decides nothing about Runs: what a failed hook means is the scheduler's
matter. It never touches the database, never waits without a time-out, and never believes what it is answered.
"""

from knit_server.hooks.lifecycle import LifecycleHooks
from knit_server.hooks.settings import HookSettings, checked

__all__ = ["HookSettings", "LifecycleHooks", "checked"]
