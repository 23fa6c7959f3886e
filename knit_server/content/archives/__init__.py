"""Archives of container images, as `docker save` and OCI tools write them: read as a stream, in bounded memory.

Nothing here trusts an archive, contacts a registry or writes to a disk. Unpacking is the executor's work; reading what
an image is made to run, for a plan file, is the client's.
"""

from knit_server.content.archives.config import Config, read_config
from knit_server.content.archives.layout import DOCUMENT, Found, find, platform, this_machine
from knit_server.content.archives.members import Bounds, Member, members
from knit_server.content.archives.stream import Stream
from knit_server.content.archives.survey import Candidate, survey

__all__ = [
    "DOCUMENT",
    "Bounds",
    "Candidate",
    "Config",
    "Found",
    "Member",
    "Stream",
    "find",
    "members",
    "platform",
    "read_config",
    "survey",
    "this_machine",
]
