"""Fetching one published file: resumed, checked against its hash, and put in place whole.

huggingface_hub's own `hf_hub_download` no longer resumes in a later run, so what it is built from is used here:
its address, metadata and transfer functions, with a part file of our own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

# Or the hub's client would ask its server for a list first, and tell it what else runs on this machine. Read on import.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from huggingface_hub import get_hf_file_metadata
from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import WeakFileLock, build_hf_headers  # type: ignore[attr-defined]

from seedvr2.catalogue.hashes import sha256_of
from seedvr2.catalogue.registry import PublishedFile
from seedvr2.errors import DownloadError

# Told the stage ("fetching" or "verifying"), the bytes done and the bytes in all.
Report = Callable[[str, int, int], None]

_HTTP_ERROR = HfHubHTTPError.__bases__[0]  # of whichever HTTP library the hub's client is built on
_NETWORK_ERRORS: tuple[type[BaseException], ...] = (_HTTP_ERROR, OSError)
# Of this machine's own disk: full, too small for the file, read-only, forbidden, or a file where a folder should be.
_LOCAL_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
)
_ATTEMPTS = 5
_HEADERS_TIMEOUT_S = 15
_SPARE_BYTES = 64 << 20


def fetch(entry: PublishedFile, target: Path, *, endpoint: str | None = None, report: Report | None = None) -> None:
    """Fetch `entry` to `target`, which must not exist yet. An interrupted transfer goes on where it stopped.

    Args:
        endpoint: a hub other than the public one or `HF_ENDPOINT`.
        report: called often; what it raises ends the transfer, which can be resumed.

    Raises:
        DownloadError: the file could not be fetched or is not the published one; the message says which file, from
            where, and into which folder to put it by hand.
    """
    report = report or _ignore
    first: DownloadError | None = None
    for url in (entry.url(endpoint), *entry.mirrors):
        try:
            return _fetch_from(url, entry, target, report)
        except DownloadError as error:
            first = first or error
    assert first
    raise first


def _fetch_from(url: str, entry: PublishedFile, target: Path, report: Report) -> None:
    folder = target.parent.absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        size, published = _metadata(url, entry)
        with _part_file(target, published) as part:
            _check_room(entry, part, size)
            _transfer(url, part, size, report)
            _verify(url, entry, part, published, report)
            _put_in_place(part, target)
    except _NETWORK_ERRORS as error:
        if _is_local(error):
            raise DownloadError(
                f"{entry.name} cannot be written to {folder} ({_reason(error)}); make room or name another folder."
            ) from error
        raise DownloadError(
            f"{entry.name} could not be fetched from {url} ({_reason(error)}). Fetch it another way and put it into "
            f"{folder}, or try again later."
        ) from error


def _metadata(url: str, entry: PublishedFile) -> tuple[int | None, str | None]:
    """Size and SHA-256 that the file should have, from the catalogue and from the server."""
    metadata = get_hf_file_metadata(url, timeout=_HEADERS_TIMEOUT_S)
    if url in entry.mirrors:  # what an ETag means elsewhere nobody knows
        return metadata.size or entry.bytes, entry.sha256
    stated = metadata.etag if re.fullmatch("[0-9a-f]{64}", metadata.etag or "") else None
    if entry.sha256 and stated and stated != entry.sha256:
        raise DownloadError(
            f"{url} has changed since this version of seedvr2d was made: its SHA-256 is {stated}, not {entry.sha256}. "
            "Nothing was fetched; a newer version of seedvr2d may know it."
        )
    return metadata.size, entry.sha256 or stated


@contextlib.contextmanager
def _part_file(target: Path, published: str | None) -> Iterator[Path]:
    """The part file of this content, held against other processes."""
    # Named by content, so that a part of an older upload is never continued with a newer one.
    part = target.with_name(f".{target.name}.{(published or 'unknown')[:12]}.part")
    lock = target.with_name(f".{target.name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(WeakFileLock(lock, timeout=0.5))
        except TimeoutError:
            raise DownloadError(f"{target.name} is being fetched by another process; wait for it to end.") from None
        stack.callback(lock.unlink, missing_ok=True)
        yield part


def _check_room(entry: PublishedFile, part: Path, size: int | None) -> None:
    needed = (size or entry.bytes or 0) - (part.stat().st_size if part.exists() else 0)
    free = shutil.disk_usage(part.parent).free
    if needed + _SPARE_BYTES > free:
        raise DownloadError(
            f"{entry.name} needs {needed / 1e9:.1f} GB more, but the disk of {part.parent.absolute()} has "
            f"{free / 1e9:.1f} GB free; make room, or choose a smaller model."
        )


def _transfer(url: str, part: Path, size: int | None, report: Report) -> None:
    for attempt in range(_ATTEMPTS):
        before = part.stat().st_size if part.exists() else 0
        try:
            return _transfer_once(url, part, size, report)
        except _NETWORK_ERRORS as error:
            # A connection that broke is taken up again as long as it brought something.
            final = isinstance(error, HfHubHTTPError) or _is_local(error) or attempt == _ATTEMPTS - 1
            if final or part.stat().st_size == before:
                raise
    return None


def _transfer_once(url: str, part: Path, size: int | None, report: Report) -> None:
    with part.open("ab"):
        pass
    with part.open("r+b") as file:
        if size is not None and part.stat().st_size > size:
            file.truncate(0)
        resume = file.seek(0, 2)
        headers = build_hf_headers()
        # Compressed, a range would count other bytes than those of the file.
        headers["Accept-Encoding"] = "identity"
        http_get(url, file, resume_size=resume, expected_size=size, headers=headers, tqdm_class=_bar(report))


def _verify(url: str, entry: PublishedFile, part: Path, published: str | None, report: Report) -> None:
    found = sha256_of(part, lambda done, total: report("verifying", done, total))
    if published and found != published:
        part.unlink()
        raise DownloadError(
            f"{entry.name} arrived damaged from {url}: its SHA-256 is {found}, not {published}. It was thrown away; "
            "try again."
        )


def _put_in_place(part: Path, target: Path) -> None:
    from seedvr2.checkpoint.atomic import publish

    try:
        publish(part, target)
    except FileExistsError:
        raise DownloadError(f"{target} appeared while it was being fetched and was left alone.") from None


def _is_local(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _LOCAL_ERRORS


def _reason(error: BaseException) -> str:
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set"
    if isinstance(error, HfHubHTTPError):
        return f"the server answered {error.response.status_code}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = re.sub(r"^\[Errno -?\d+\] ", "", str(error).strip().partition("\n")[0])
    return text or type(error).__name__


def _ignore(_stage: str, _done: int, _total: int) -> None:
    pass


def _bar(report: Report) -> Any:
    """What the hub's client takes for a progress bar."""

    class Bar:
        def __init__(self, *, total: int | None = None, initial: int = 0, **_: object) -> None:
            self.done, self.total = initial, total or 0

        def update(self, count: int = 1) -> None:
            self.done += count
            report("fetching", self.done, self.total)

        def __enter__(self) -> Bar:
            return self

        def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
            pass

    return Bar
