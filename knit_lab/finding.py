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


def found(profile: str | os.PathLike[str] | None, *, environ: Mapping[str, str], cwd: Path | None = None) -> Profile:
    """Return the profile to use. Raises `NotFound` or `InvalidInput`, which say how to get one."""
    if profile is not None and _is_file(profile):
        return profiles.read_profile_file(Path(profile))[0]
    if profile is None and (named := environ.get(profiles.VARIABLE)):
        return profiles.read_told(Path(named))
    return profiles.load(profiles.select(name=None if profile is None else str(profile), cwd=cwd, environ=environ))


def _is_file(profile: str | os.PathLike[str]) -> bool:
    return not isinstance(profile, str) or os.sep in profile or Path(profile).is_file()
