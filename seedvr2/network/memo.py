"""Tensors that are computed once and kept: bounded, and forgotten together where none must be left over."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast
from weakref import WeakSet

Value = TypeVar("Value")

_ALL: WeakSet[Memo] = WeakSet()


class Memo:
    """The values of the last few keys that were asked for."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._kept: OrderedDict[Hashable, object] = OrderedDict()
        _ALL.add(self)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The value of `key`, made where it is not kept."""
        if key not in self._kept:
            self._kept[key] = make()
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return cast(Value, self._kept[key])

    def clear(self) -> None:
        """Forget everything."""
        self._kept.clear()

    def __len__(self) -> int:
        return len(self._kept)


def forget_all() -> None:
    """Clear every memo there is: real tensors must not come in where tensors are dataless, nor those go out."""
    for memo in list(_ALL):
        memo.clear()


def kept() -> int:
    """How many values are kept in all."""
    return sum(len(memo) for memo in list(_ALL))
