"""Bytes that are made once for all who ask the same within a short time."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from geoserver.turns import Shared

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Hashable

__all__ = ["Kept", "Made", "Same"]

_WEIGHT = 500  # bytes that an entry takes beside its own, roughly: addresses stand in its key


class Made(NamedTuple):
    """What was made, and whether it may be given to those who come later."""

    body: bytes
    keep: bool = True


class Same:
    """Objects as a part of a key: it is the same key for the very same ones, which it holds."""

    def __init__(self, of: tuple[object, ...]) -> None:
        self._of = of

    def __hash__(self) -> int:
        return hash(tuple(map(id, self._of)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and [*map(id, self._of)] == [*map(id, other._of)]


class Kept[K: Hashable]:
    """`seconds` is how long an entry is given out, `most` how many bytes there may be; the oldest use goes first."""

    def __init__(self, seconds: float, most: int) -> None:
        self._seconds = seconds
        self._most = most
        self._entries: OrderedDict[K, tuple[float, bytes]] = OrderedDict()
        self._shared: Shared[K, Made] = Shared()
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def get(self, key: K, make: Callable[[], Coroutine[None, None, Made]]) -> Made:
        """What there is under this key, made now if there is nothing; raises what the making raises."""
        if (entry := self._entries.get(key)) is not None:
            if asyncio.get_running_loop().time() < entry[0]:
                self._entries.move_to_end(key)
                return Made(entry[1])
            self._drop(key)
        return await self._shared.get(key, lambda: self._make(key, make))

    def clear(self) -> None:
        """What there is and what is being made is nothing for those who come from now on."""
        self.drop(lambda _: True)

    def drop(self, fits: Callable[[K], bool]) -> None:
        """The same for the keys of which that is true."""
        for key in [key for key in self._entries if fits(key)]:
            self._drop(key)
        self._shared.part(fits)

    async def _make(self, key: K, make: Callable[[], Coroutine[None, None, Made]]) -> Made:
        made = await make()
        body, keep = made
        # What was begun before it was dropped is given to those who waited for it, and not kept.
        if keep and self._shared.is_current(key) and len(body) + _WEIGHT <= self._most:
            self._entries[key] = asyncio.get_running_loop().time() + self._seconds, body
            self.size += len(body) + _WEIGHT
            while self.size > self._most:
                self._drop(next(iter(self._entries)))
        return made

    def _drop(self, key: K) -> None:
        self.size -= len(self._entries.pop(key)[1]) + _WEIGHT
