"""The one bounded map: what a process remembers must not grow with what clients send."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


class BoundedMap(OrderedDict[K, V]):
    """A dictionary of at most `size` entries.

    A new one takes the place of the one set or used longest ago. Only `use` and setting count as using an entry;
    reading does not. While `busy` is true of an entry's value, the entry is not dropped, so the map exceeds `size` if
    all of them are busy.
    """

    def __init__(self, size: int, busy: Callable[[V], bool] = lambda _: False) -> None:
        super().__init__()
        self._size = size
        self._busy = busy

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        excess = len(self) - self._size
        if excess > 0:
            idle = (other for other, held in self.items() if other != key and not self._busy(held))
            for other in list(islice(idle, excess)):
                del self[other]

    def use(self, key: K, make: Callable[[], V]) -> V:
        """Return the value of `key`, and count it as used.

        If there is none, it is set to what `make` returns.
        """
        if key in self:
            self.move_to_end(key)
        else:
            self[key] = make()
        return self[key]
