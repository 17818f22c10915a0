"""The finished segments of one job as the beginning of another: a retry of it."""

from __future__ import annotations

from pathlib import Path

# While it is there, a source that is another one by now is taken instead of refused.
RETRIED = "retried"
# The plan that the segments follow.
PLAN = "plan.json"


def hand_over(former: Path, folder: Path) -> None:
    """Let a folder of segments be that of a retry. `folder` must not exist.

    Raises:
        OSError: the disk refuses; then it is where it was.
    """
    (former / RETRIED).touch()
    former.rename(folder)
