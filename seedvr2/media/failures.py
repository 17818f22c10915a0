"""Errors of PyAV, Pillow and the file system as sentences that a person can act on.

A file is blamed for its content only: trouble of the disk, of permissions or of memory has errors of its own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from PIL import Image, UnidentifiedImageError

from seedvr2.errors import MachineError, MediaError, OutOfMemoryError, SeedVR2Error
from seedvr2.media.foreign import foreign_kind, foreign_sentence
from seedvr2.trouble import MACHINE_TROUBLE, is_out_of_memory

# What PyAV and Pillow raise on bad files: Pillow's decoders leak errors of the parsers below them.
DECODING_ERRORS = (
    av.FFmpegError,
    UnidentifiedImageError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    KeyError,
    IndexError,
    TypeError,
    OverflowError,
    RuntimeError,  # Pillow's AVIF
    MemoryError,
    zlib.error,
    struct.error,
)
# FFmpeg also says these of files that end too early, or that it does not like for no special reason.
_DOUBTFUL = frozenset({errno.EIO, errno.EPERM, errno.EACCES})
# The folder of what is written: it is missing, or is none.
_NO_FOLDER = frozenset({errno.ENOENT, errno.ENOTDIR})
_SAMPLES, _SAMPLE_BYTES = 16, 4096


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what goes wrong while reading a file into an error of the engine.

    Raises:
        MediaError: the file is to blame. MachineError: its disk, permissions or the system are.
        OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except DECODING_ERRORS as error:
        raise _reading_error(path, error) from error


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn what goes wrong while writing the file called `name` into an error of the engine.

    Raises:
        MediaError: what is written does not go into such a file. MachineError: its disk or folder refuses.
        OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
        raise _writing_error(name, error) from error


def _reading_error(path: Path, error: Exception) -> SeedVR2Error:
    if is_out_of_memory(error):
        return OutOfMemoryError(f"There is not enough memory to read {path.name}; free some and try again.")
    code: int | None = getattr(error, "errno", None)
    if isinstance(error, av.FFmpegError) and code in _DOUBTFUL:
        code = _refusal(path)
    if code is not None and code in MACHINE_TROUBLE:
        return MachineError(_why_refused(path.name, code), code)
    return MediaError(_why_unreadable(path, error))


def _writing_error(name: str, error: Exception) -> SeedVR2Error:
    if is_out_of_memory(error):
        return OutOfMemoryError(f"There is not enough memory to write {name}; free some and try again.")
    code: int | None = getattr(error, "errno", None)
    # FFmpeg's "operation not permitted" is also a mere "no": of an encoder, or of a muxer.
    if isinstance(error, av.FFmpegError) and code == errno.EPERM:
        code = None
    if code is not None and code in MACHINE_TROUBLE | _NO_FOLDER:
        return MachineError(_why_unwritable(name, error), code)
    return MediaError(_why_unwritable(name, error))


def _refusal(path: Path) -> int | None:
    """The error with which the disk refuses a file, asked here and there in it; None if it does not."""
    try:
        with path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            # What memory still holds says nothing of the disk.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            for index in range(_SAMPLES):
                os.pread(file.fileno(), _SAMPLE_BYTES, index * size // _SAMPLES)
    except OSError as error:
        return error.errno
    return None


def _why_refused(name: str, code: int) -> str:
    if code in (errno.EACCES, errno.EPERM):
        return f"{name} may not be read; give the service read permission for it."
    if code in (errno.EMFILE, errno.ENFILE):
        return f"Too many files are open to read {name}; raise the limit of open files (LimitNOFILE=)."
    return f"{name} cannot be read ({os.strerror(code)}); check its disk or network share."


def _why_unreadable(path: Path, error: Exception) -> str:
    name = path.name
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return too_large(name)
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return f"There is no file {name}."
    if code == errno.EISDIR:
        return f"{name} is a folder; give a picture or a video. Of a sequence of pictures, make a video first."
    if isinstance(error, av.error.DecoderNotFoundError):
        return f"{name} uses a codec that cannot be decoded here; convert it to H.264 first."
    if code == errno.EIO or (isinstance(error, OSError) and "truncated" in str(error)):
        return cut_off(name)
    with contextlib.suppress(OSError):
        kind = foreign_kind(path)
        if kind is not None:
            return foreign_sentence(name, kind)
    return f"{name} is not a picture or video that can be decoded; check that it is whole and undamaged."


def _why_unwritable(name: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {name} could not be written; free some space and try again."
    if code == errno.EFBIG:
        return f"{name} has become larger than its disk allows; write it to another disk."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name} may not be written; give the service write permission for its folder."
    if code in _NO_FOLDER:
        return f"{name} cannot be written because its folder does not exist; create the folder."
    if code in (errno.EMFILE, errno.ENFILE):
        return f"Too many files are open to write {name}; raise the limit of open files (LimitNOFILE=)."
    if code == errno.ENAMETOOLONG:
        return f"The name {name[:40]}… is too long for this disk; choose a shorter one."
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if code in MACHINE_TROUBLE:
        return f"{name} could not be written ({reason}); check its disk or network share."
    return f"{name} could not be written ({reason}); try another output_format."


def cut_off(name: str) -> str:
    """The sentence for files whose end is missing."""
    return f"{name} is cut off before its end; copy or download it again."


def too_large(name: str) -> str:
    """The sentence for pictures beyond the limit."""
    return f"{name} has more pixels than are accepted (16384 x 16384); scale it down first."
