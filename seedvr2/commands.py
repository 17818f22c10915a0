"""Command lines that a message tells somebody to run: they run as they stand, from any folder."""

from __future__ import annotations

import json
import shlex
import site
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAME = "seedvr2"
DISTRIBUTION = "seedvr2d"


def command(*words: str) -> str:
    """The command line `seedvr2 WORDS` with the whole path of the program, quoted for a shell.

    A message is read in another shell than that of who wrote it, with another PATH, and by whoever has no virtual
    environment activated. A program that was not installed is started by its interpreter.
    """
    interpreter = Path(sys.executable)
    if not _is_installed():
        return f"PYTHONPATH={shlex.quote(str(ROOT))} {shlex.join([sys.executable, '-m', NAME, *words])}"
    script = interpreter.with_name(NAME)
    if script.is_file():
        return shlex.join([str(script), *words])
    return shlex.join([sys.executable, "-m", NAME, *words])


def _is_installed() -> bool:
    """Whether the interpreter alone finds this very program."""
    if any(Path(folder).resolve() == ROOT for folder in (*site.getsitepackages(), site.getusersitepackages())):
        return True
    try:
        origin = json.loads(Distribution.from_name(DISTRIBUTION).read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        return False
    return bool(origin.get("dir_info", {}).get("editable")) and str(origin.get("url")) == ROOT.as_uri()
