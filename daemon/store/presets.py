"""Named sets of parameters: those of `[presets.NAME]` in the configuration, and those that were saved in the page.

The saved ones are in `presets.json` of the state folder. One that cannot be read is left as it is, and nothing is saved
until it can be.
"""

from __future__ import annotations

import json
import logging
import threading
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from daemon.errors import RequestError, StoreError
from daemon.jobs.parameters import check, check_together, suggest
from daemon.store.files import clear_temporary, write_durably
from seedvr2.errors import OptionError

log = logging.getLogger(__name__)
FIELD = "preset"
MOST = 200
LONGEST_NAME = 60


class Presets(Mapping[str, Mapping[str, Any]]):
    """All presets by name; those of the configuration come first. Thread-safe.

    Args:
        configured: those of the configuration, which only an editor changes. file: where saved ones are.
    """

    def __init__(self, configured: Mapping[str, Mapping[str, Any]], file: Path) -> None:
        self._configured = configured
        self._file = file
        self._lock = threading.Lock()
        self._problem = ""
        clear_temporary(file)
        self._saved = self._read()

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        return self._configured[name] if name in self._configured else self._saved[name]

    def __iter__(self) -> Iterator[str]:
        yield from self._configured
        yield from [name for name in sorted(self._saved, key=str.casefold) if name not in self._configured]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    @property
    def problem(self) -> str:
        """Why saved ones are not there, in a sentence; empty if all is well."""
        return self._problem

    def is_saved(self, name: str) -> bool:
        """Whether it was saved in the page, and can be changed there."""
        return name in self._saved and name not in self._configured

    def save(self, name: str, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """Keep `values` as a preset, in place of a saved one of that name; they are answered as they were understood.

        Raises:
            RequestError: the name will not do (400), belongs to the configuration (409), or there are too many.
            OptionError: one of the values will not do. OSError, StoreError: it cannot be kept.
        """
        name = _checked_name(name)
        parsed = check(values)
        check_together(parsed)
        with self._lock:
            self._refuse_configured(name)
            if name not in self._saved and len(self._saved) >= MOST:
                raise RequestError(409, f"There are {MOST} presets already; delete one first.")
            self._write({**self._saved, name: parsed})
        return parsed

    def delete(self, name: str) -> None:
        """Forget a saved preset. Raises RequestError (404, 409), OSError and StoreError."""
        name = normal(name)
        with self._lock:
            self._refuse_configured(name)
            if name not in self._saved:
                raise RequestError(404, missing(name, self))
            self._write({key: value for key, value in self._saved.items() if key != name})

    def layer(self, fields: dict[str, Any]) -> Mapping[str, Any]:
        """The parameters of the preset that `fields` name, which loses that name; none if it names none.

        Raises:
            OptionError: there is no such preset.
        """
        named = fields.pop(FIELD, None)
        if named is None or (isinstance(named, str) and not named.strip()):
            return {}
        name = normal(str(named))
        if name not in self:
            raise OptionError(FIELD, missing(name, self))
        return self[name]

    def _refuse_configured(self, name: str) -> None:
        if name in self._configured:
            raise RequestError(409, f"The preset {name!r} is in the configuration file; change it there.")

    def _write(self, saved: dict[str, Mapping[str, Any]]) -> None:
        if self._problem:
            raise StoreError(self._problem)
        write_durably(self._file, json.dumps(saved, indent=1, ensure_ascii=False).encode())
        self._saved = saved

    def _read(self) -> dict[str, Mapping[str, Any]]:
        try:
            found = json.loads(self._file.read_bytes())
            return {str(name): check(values) for name, values in found.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, AttributeError, OptionError, RecursionError) as error:
            # What is in it is somebody's work; an earlier version, or an editor, may yet make sense of it.
            self._problem = (
                f"The saved presets in {self._file} cannot be read ({error}); mend that file or move it away, then "
                "restart the service."
            )
            log.error("%s", self._problem)
            return {}


def normal(name: str) -> str:
    """A name as presets are kept under it: systems and keyboards spell the same letters differently."""
    return unicodedata.normalize("NFC", name.strip())


def missing(name: str, presets: Mapping[str, Any]) -> str:
    """The sentence about a preset that is not there."""
    hint = suggest(name, presets) if presets else " None has been saved yet."
    return f"There is no preset {name[:80]!r}.{hint}"


def _checked_name(name: str) -> str:
    name = normal(name)
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or "/" in name or name.startswith("."):
        raise RequestError(
            400,
            f"The name of a preset has 1 to {LONGEST_NAME} characters, no slash, and no full stop in front.",
            detail={"field": "name"},
        )
    return name
