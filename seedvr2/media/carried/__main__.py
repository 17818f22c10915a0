"""`python -m seedvr2.media.carried` prints docs/carried.md."""

from __future__ import annotations

from seedvr2.media.carried.page import page

if __name__ == "__main__":
    print(page(), end="")
