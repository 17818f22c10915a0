"""Tracks of a download that will be joined with others, as yt-dlp names them, and whether that is still going on."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from daemon.inbox.names import ignored, joined_name
from daemon.inbox.scan import Found
from daemon.store.safe_folder import folder_below

# What an interrupted download left does not count for ever.
LONGEST_S = 3600.0


def goes_on(root: Path, found: Found) -> bool:
    """Whether something beside a track shows that it is still being downloaded, or joined: `clip.f251.webm.part`."""
    beginning = joined_name(found.path.name) + "."
    with contextlib.suppress(OSError), folder_below(root, found.folder) as folder:
        for name in folder.names():
            if name.startswith(beginning) and (ignored(name) or name.startswith(f"{beginning}temp.")):
                status = folder.status(name)
                if status is not None and abs(time.time() - status.st_mtime) < LONGEST_S:
                    return True
    return False
