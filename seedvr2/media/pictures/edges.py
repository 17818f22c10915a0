"""How large a picture a format can hold."""

from __future__ import annotations

from seedvr2.errors import OptionError


def check_edges(width: int, height: int, what: str, longest: int | None) -> None:
    """Check the size of a result in pixels.

    Args:
        what: the result and its format, as the beginning of a sentence. longest: edge that it can state; None: any.

    Raises:
        OptionError: it is larger.
    """
    if longest is not None and max(width, height) > longest:
        raise OptionError("output_format", f"{what} has at most {longest} pixels a side; choose png.")
