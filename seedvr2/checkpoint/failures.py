"""Why a weight file cannot be opened, as a sentence: its own fault, or the machine's."""

from __future__ import annotations

from pathlib import Path

from seedvr2.errors import CheckpointError, OutOfMemoryError, SeedVR2Error
from seedvr2.trouble import is_machine_trouble, is_out_of_memory, refusal


def damaged(path: Path, error: BaseException) -> SeedVR2Error:
    """The error to raise where a library could not read `path`."""
    if is_out_of_memory(error):
        return OutOfMemoryError(f"There is not enough memory to open {path}; free some, or choose a smaller model.")
    if isinstance(error, OSError) and is_machine_trouble(error):
        return refusal(path, error)
    return CheckpointError(f"{path} is damaged, incomplete or too new ({_first_line(error)}). Fetch it again.")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
