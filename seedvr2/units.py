"""Numbers as people read them."""

from __future__ import annotations


def gigabytes(count: int) -> str:
    """Bytes as `1.2 GB` or `340 MB`."""
    count = max(count, 0)
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
