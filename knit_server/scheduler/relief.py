"""Relief for a full disk: what a failed program filled it with is given up, so that the Run's end can be written down.

Otherwise one such program would stop all of Knit until somebody finds its folder: neither the database nor the store
could take anything. What a Run made that ended well is never given up; it waits for room.
"""

from __future__ import annotations

import os

from knit_server.content.door import translated
from knit_server.content.restore import remove_tree
from knit_server.content.walk import total_size
from knit_server.service.context import Context
from knit_server.service.lifecycle import Work

LEAST = 1 << 20
"""Bytes that an output or a log must have to be given up: for less, nothing would be gained."""
REMARK = "the disk was full: outputs of over 1 MiB were not kept, and of the log only its first 1 MiB"


def drop_outputs(ctx: Context, work: Work) -> bool:
    """Empty the large outputs of an attempt and cut its log. False if nothing was large. Raises `KnitError`."""
    folder = ctx.folder(work.attempt)
    found = False
    for index, made in enumerate(work.made):
        place = folder.output(index)
        if made.path is not None and place.is_dir() and total_size(place) >= LEAST:
            found = True
            remove_tree(place)
            with translated(f"making the folder of Run {work.run.run_id}"):
                place.mkdir()
    with translated(f"cutting the log of Run {work.run.run_id}"):
        if folder.log_file.is_file() and folder.log_file.stat().st_size > LEAST:
            found = True
            os.truncate(folder.log_file, LEAST)
    return found
