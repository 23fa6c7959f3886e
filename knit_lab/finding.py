"""Where the Knit server is that a notebook means.

The first that says so decides:

1. the profile that is named: a name of the profile store, or the path of a `knitprofile`
2. `KNIT_PROFILE_FILE`: a Jupyter server with Knit in it names its own profile to its kernels and terminals so
3. the profile of the current directory, as for the `knit` command
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from knit_server.client import profiles
from knit_server.client.profiles import Profile
from knit_server.domain.errors import NotFound

VARIABLE = "KNIT_PROFILE_FILE"


def found(profile: str | os.PathLike[str] | None, *, environ: Mapping[str, str], cwd: Path | None = None) -> Profile:
    """Return the profile to use. Raises `NotFound` or `InvalidInput`, which say how to get one."""
    if profile is not None and _is_file(profile):
        return profiles.read_profile_file(Path(profile))[0]
    if profile is None and (named := environ.get(VARIABLE)):
        if Path(named).is_file():
            return profiles.read_profile_file(Path(named))[0]
        raise NotFound(
            f"the Knit server of this Jupyter is not there: no file {named}",
            advice="Is its extension on, and has it started? See its log: jupyter server extension list",
        )
    return profiles.load(profiles.select(name=None if profile is None else str(profile), cwd=cwd))


def _is_file(profile: str | os.PathLike[str]) -> bool:
    return not isinstance(profile, str) or os.sep in profile or Path(profile).is_file()
