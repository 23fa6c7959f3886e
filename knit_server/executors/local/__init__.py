"""The local executor: programs run as sandboxed processes of this machine, in images without a container engine.

A program sees the Plan's paths, its image and the system's own programs; never a home directory, never Knit's home.
What cannot be enforced here is said (`describe`), never pretended. No unknown image is ever run as something else.
"""

from knit_server.executors.local.executor import LimitsChoice, LocalExecutor, SandboxChoice
from knit_server.executors.local.images import LocalImageStore

__all__ = ["LimitsChoice", "LocalExecutor", "LocalImageStore", "SandboxChoice"]
