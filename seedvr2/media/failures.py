"""Errors of PyAV, Pillow and the file system as sentences that a person can act on."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import av
from PIL import Image, UnidentifiedImageError

from seedvr2.errors import MediaError

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
    zlib.error,
)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what goes wrong while reading the file called `name` into a `MediaError`."""
    try:
        yield
    except DECODING_ERRORS as error:
        raise MediaError(_why_unreadable(name, error)) from error


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn what goes wrong while writing the file called `name` into a `MediaError`."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(_why_unwritable(name, error)) from error


def _why_unreadable(name: str, error: Exception) -> str:
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return too_large(name)
    code = getattr(error, "errno", None)
    if code == errno.ENOENT:
        return f"There is no file {name}."
    if code == errno.EISDIR:
        return f"{name} is a folder; give a picture or a video."
    if code in (errno.EACCES, errno.EPERM):
        return f"{name} may not be read; give the service read permission for it."
    if code == errno.EIO:
        return f"{name} cannot be read to its end: it is damaged or its disk is; copy or download it again."
    if isinstance(error, av.error.DecoderNotFoundError):
        return f"{name} uses a codec that cannot be decoded here; convert it to H.264 first."
    if isinstance(error, OSError) and "truncated" in str(error):
        return f"{name} is cut off before its end; copy or download it again."
    return f"{name} is not a picture or video that can be decoded; check that it is whole and undamaged."


def _why_unwritable(name: str, error: Exception) -> str:
    code = getattr(error, "errno", None)
    if code in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full: {name} could not be written; free some space and try again."
    if code == errno.EFBIG:
        return f"{name} has become larger than its disk allows; write it to another disk."
    if code in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name} may not be written; give the service write permission for its folder."
    if code == errno.ENOENT:
        return f"{name} cannot be written because its folder does not exist; create the folder."
    if code == errno.ENAMETOOLONG:
        return f"The name {name[:40]}… is too long for this disk; choose a shorter one."
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return f"{name} could not be written ({reason}); try another output_format."


def too_large(name: str) -> str:
    """The sentence for pictures beyond the limit."""
    return f"{name} has more pixels than are accepted (16384 x 16384); scale it down first."
