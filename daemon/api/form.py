"""Receives a multipart form while it arrives: the file goes straight to its place on disk, once.

Waitress would spool the body to a temporary file and bottle would copy it from there. This way a 4 GB upload costs as
much memory as a 4 MB one, and no disk but its own.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from daemon.api.room import Room
from daemon.api.surroundings import of_surroundings
from daemon.errors import RequestError
from daemon.store.files import clean_name, sync_folder

log = logging.getLogger(__name__)
FILE_FIELD = "file"
MAX_FIELDS = 64
MAX_FIELD_BYTES = 8 * 1024
# Of one line; a name with all its folders may be long, and is cut later.
MAX_HEADER_BYTES = 16 * 1024
HIDDEN = "."
# Others write to the same disk: after so many bytes it is asked again whether there is room.
ASK_AGAIN_BYTES = 8 << 20


@dataclass(slots=True)
class Upload:
    """A received file, in a hidden folder of its own until `claim` gives it to a task.

    `claimed`: somebody has it, so that it does not go away with its form.
    """

    folder: Path
    filename: str
    size: int = 0
    claimed: bool = False

    @property
    def id(self) -> str:
        """By which it can be named: 16 hexadecimal digits that nobody guesses."""
        return self.folder.name.removeprefix(HIDDEN)

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.folder / self.filename

    @property
    def final_path(self) -> Path:
        """Where it will be once it is claimed."""
        return self.folder.with_name(self.id) / self.filename

    def sync(self) -> None:
        """Make its content durable, so that a record of it may be."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        sync_folder(self.folder)

    def claim(self) -> None:
        """Keep it, in a folder that is not hidden."""
        self.folder = self.folder.rename(self.final_path.parent)
        sync_folder(self.folder.parent)
        self.claimed = True

    def discard(self) -> None:
        """Leave nothing behind. Needs no descriptor, since there may be none left."""
        try:
            self.path.unlink(missing_ok=True)
            self.folder.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            # It is hidden, so nobody takes it for an upload; the next start clears it.
            log.warning("the rest of a refused upload in %s cannot be removed: %s", self.folder.name, error.strerror)


@dataclass(slots=True)
class _Part:
    headers: dict[str, bytes] = field(default_factory=dict)
    name: str = ""
    data: bytearray = field(default_factory=bytearray)
    is_file: bool = False


class FormReceiver:
    """Takes the body in pieces (`append`). Used by one thread at a time; waits for the disk.

    `error` is set at the first thing that is wrong, when its file is gone; what comes after it is dropped.

    Args:
        expected: bytes of the whole body, 0 where the client does not say.
    """

    def __init__(self, boundary: bytes, folder: Path, max_bytes: int, room: Room, expected: int = 0) -> None:
        self.fields: dict[str, str] = {}
        self.upload: Upload | None = None
        self.error: RequestError | None = None
        self._folder = folder
        self._max_bytes = max_bytes
        self._room = room
        self._expected = expected
        self._asked_at = 0
        self._file: BinaryIO | None = None
        self._part = _Part()
        self._header_name = self._header_value = b""
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_text,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
            max_header_size=MAX_HEADER_BYTES,
        )

    def append(self, data: bytes) -> None:
        """Take the next piece of the body."""
        if self.error is not None:
            return
        try:
            self._parser.write(data)
        except RequestError as error:
            self.fail(error)
        except FormParserError:
            self.fail(RequestError(400, "The body is not a valid multipart form."))
        except (OSError, MemoryError) as error:
            log.error("an upload cannot be stored: %s", error)
            self.fail(of_surroundings(error) or RequestError(500, "The server cannot store the file."))

    def finish(self) -> None:
        """The body is complete: answers nothing, raises RequestError if the form is not."""
        if self.error is None and not self._ended:
            self.fail(RequestError(400, "The multipart form ends in the middle."))
        self._close_file()
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        """The request is over, in whatever way: drop a file that nobody claimed."""
        self._close_file()
        if self.upload is not None and not self.upload.claimed:
            self.upload.discard()

    def fail(self, error: RequestError) -> None:
        """Give it up, and the file with it."""
        self.close()
        # The last, for another thread answers the client as soon as it sees this.
        self.error = error

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    # -- callbacks of the parser --------------------------------------------------------------------------

    def _part_begin(self) -> None:
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _header_text(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _header_end(self) -> None:
        self._part.headers[self._header_name.decode("latin-1").lower()] = self._header_value
        self._header_name = self._header_value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", b""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._part.name:
            raise RequestError(400, "A part of the form has no name.")
        if self._part.name in self.fields or (self._part.name == FILE_FIELD and self.upload):
            raise RequestError(400, f"The field {self._part.name[:80]!r} is there twice.")
        if len(self.fields) >= MAX_FIELDS:
            raise RequestError(400, f"A form has at most {MAX_FIELDS} fields.")
        if b"filename" in options:
            self._begin_file(options[b"filename"].decode("utf-8", "replace"))

    def _begin_file(self, filename: str) -> None:
        if self._part.name != FILE_FIELD:
            raise RequestError(400, f"The file goes into the field {FILE_FIELD!r}, not {self._part.name[:80]!r}.")
        if not filename:
            raise RequestError(400, "No file was chosen.")
        self._room.check(self._expected)
        folder = self._folder / (HIDDEN + secrets.token_hex(8))
        folder.mkdir()
        self.upload = Upload(folder, clean_name(filename))
        self._file = self.upload.path.open("wb", buffering=0)
        self._part.is_file = True

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._part.is_file:
            if len(self._part.data) + end - start > MAX_FIELD_BYTES:
                raise RequestError(400, f"The field {self._part.name[:80]!r} is too long.")
            self._part.data += data[start:end]
            return
        assert self.upload is not None and self._file is not None
        self.upload.size += end - start
        if self.upload.size > self._max_bytes:
            raise too_large(self._max_bytes)
        if self.upload.size - self._asked_at >= ASK_AGAIN_BYTES:
            self._asked_at = self.upload.size
            self._room.check(0)
        piece = memoryview(data)[start:end]
        while piece:
            piece = piece[self._file.write(piece) :]

    def _part_end(self) -> None:
        if self._part.is_file:
            self._close_file()
        elif self._part.name == FILE_FIELD:
            raise RequestError(400, "The field 'file' must hold a file, with a file name.")
        else:
            self.fields[self._part.name] = self._part.data.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True


def too_large(max_bytes: int) -> RequestError:
    """The refusal of an upload over the limit."""
    return RequestError(413, f"The file is too large: this server takes up to {max_bytes >> 20} MiB.")
