"""Files that were sent for a plan or a preview and wait for their task, which then names them instead of sending them.

Each is still in the hidden folder that it arrived in, so that a start removes what a crash left.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from daemon.api.form import Upload
from daemon.errors import RequestError
from daemon.store.files import free_bytes
from seedvr2.options import Parameter

log = logging.getLogger(__name__)
FIELD = "upload_id"
KEPT_S = 1800.0
_FOR = f"{KEPT_S / 60:.0f} minutes"
KEEP = Parameter("keep", bool, False, f"Keep the file for {_FOR}, so that it need not be sent once more for its task")
MOST = 8
GONE = "This upload is not kept any more; send the file again."


class KeptUploads:
    """Uploads by id, each for a while. Thread-safe.

    Args:
        folder: where uploads are. min_free_bytes: what has to stay free of its disk.
        kept_s: how long each is kept after it was last used. most: how many; the one that was used first goes first.
    """

    def __init__(self, folder: Path, min_free_bytes: int, *, kept_s: float = KEPT_S, most: int = MOST) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._kept_s = kept_s
        self._most = most
        self._lock = threading.Lock()
        self._closed = False
        # With when each was used, by the clock that nobody sets; the last is the newest.
        self._kept: dict[str, tuple[Upload, float]] = {}

    @property
    def total(self) -> int:
        """Bytes that would be free if room was wanted."""
        with self._lock:
            return sum(upload.size for upload, _ in self._kept.values())

    def keep(self, upload: Upload) -> str | None:
        """Keep a file beyond its request; its id, or None where the disk has no room for as much once more."""
        try:
            if free_bytes(self._folder) < upload.size + self._min_free_bytes:
                return None
        except OSError:
            return None
        return self._put(upload)

    @contextlib.contextmanager
    def taken(self, upload_id: str) -> Iterator[Upload]:
        """The file of that id, for nobody else meanwhile; it is kept on unless a task claims it.

        Raises:
            RequestError: there is none (404).
        """
        with self._lock:
            upload, _ = self._kept.pop(upload_id, (None, 0.0))
        if upload is None:
            raise RequestError(404, GONE, detail={"field": FIELD})
        upload.claimed = False
        try:
            yield upload
        finally:
            if not upload.claimed:
                self._put(upload)

    def give_way(self, wanted: int) -> bool:
        """Remove files until so many bytes are free, those that were used first; answers whether any was removed."""
        gone = []
        with self._lock:
            for upload_id, (upload, _) in list(self._kept.items()):
                if wanted <= 0:
                    break
                del self._kept[upload_id]
                gone.append(upload)
                wanted -= upload.size
        _discard(gone)
        return bool(gone)

    def close(self) -> None:
        """Remove all, and keep none from now on."""
        with self._lock:
            self._closed = True
            gone = [upload for upload, _ in self._kept.values()]
            self._kept.clear()
        _discard(gone)

    def _put(self, upload: Upload) -> str | None:
        upload_id = upload.id
        with self._lock:
            if self._closed:
                gone = [upload]
            else:
                upload.claimed = True
                self._kept[upload_id] = (upload, time.monotonic())
                oldest = list(self._kept)[: -self._most]
                gone = [self._kept.pop(each)[0] for each in oldest]
        _discard(gone)
        timer = threading.Timer(self._kept_s + 1, self._tidy)
        timer.daemon = True
        timer.start()
        return upload_id if upload.claimed else None

    def _tidy(self) -> None:
        too_old = time.monotonic() - self._kept_s
        with self._lock:
            old = [upload_id for upload_id, (_, used) in self._kept.items() if used <= too_old]
            gone = [self._kept.pop(upload_id)[0] for upload_id in old]
        _discard(gone)


def _discard(uploads: list[Upload]) -> None:
    for upload in uploads:
        log.info("removing an upload that no task has taken")
        upload.discard()
