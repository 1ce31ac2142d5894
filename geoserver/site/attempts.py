"""So many attempts to sign in as a person makes, and no more: each client has a few, and they come back with time."""

from __future__ import annotations

import math
import time
from collections import OrderedDict

from geoserver.errors import TooManyError

__all__ = ["Attempts", "TooManyAttemptsError"]

_ROOM = 10.0  # failed attempts in a row
_EACH = 30.0  # seconds after which one more is there
_GOOD = 0.1  # of an attempt is what a sign-in that works takes: many may share one address
_KEPT = 10_000  # clients that are remembered
_ALL = ""  # stands for all clients together


class TooManyAttemptsError(TooManyError):
    """A client tries to sign in more often than it may."""


class Attempts:
    """One per process, by the addresses of clients."""

    def __init__(self) -> None:
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # attempts left, and when that was so
        self._told: set[str] = set()  # clients that an operator has heard of

    def begin(self, client: str) -> None:
        """Take one; raises TooManyError where there is none left."""
        now = time.monotonic()
        left, at = self._left.pop(client, (_ROOM, now))
        left = min(_ROOM, left + (now - at) / _EACH)
        self._left[client] = (left - (left >= 1), now)
        if left >= 1:
            self._told.discard(client)
        if len(self._left) > _KEPT:
            self._told.discard(self._left.popitem(last=False)[0])
        if left < 1:
            raise TooManyAttemptsError("Too many attempts to sign in.", math.ceil((1 - left) * _EACH))

    def is_news(self, client: str) -> bool:
        """Whether an operator is to hear that this client was refused: once until it has an attempt again, and of many
        clients no more often than one of them may try.
        """
        if client in self._told:
            return False
        try:
            self.begin(_ALL)
        except TooManyAttemptsError:
            return False
        self._told.add(client)
        return True

    def give_back(self, client: str) -> None:
        """It was a good one."""
        left, at = self._left.get(client, (_ROOM, time.monotonic()))
        self._left[client] = (min(_ROOM, left + 1 - _GOOD), at)
