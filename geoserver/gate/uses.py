"""How often each key is used: at most so often a minute and a day, whichever worker is asked.

Each worker counts by itself and adds to the sums in the database every second; what others used meanwhile it learns
from these, so that a limit is held to within what comes in a second.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.errors import TooManyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geoserver.database.keys import StoredKey

__all__ = ["Uses"]

_MINUTE = 60.0
_DAY = 86_400
_THIS = "This key"
_MAKER = "The key that this one was made with, and all that was made with it,"


@dataclass(slots=True)
class _Use:
    tokens: float  # requests that may come at once
    at: float  # when that was so
    today: int  # requests of this day, of all workers as far as known
    day: int
    unwritten: int = 0
    written: int | None = None  # the sum in the database when it was last told


class Uses:
    """Counts by id of key. Times are seconds of the system's clock."""

    def __init__(self) -> None:
        self._uses: dict[str, _Use] = {}

    def take_all(self, keys: Sequence[StoredKey], now: float) -> None:
        """Count one request of a key and of those behind it that it was made with; raises TooManyError when it is one
        too many for any of them, and then counts it for none.
        """
        for at, key in enumerate(keys):
            try:
                self.take(key.id, key.rate, key.quota, key.used, now, whose=_MAKER if at else _THIS)
            except TooManyError:
                for taken in keys[:at]:
                    self._give_back(self._uses[taken.id])
                raise

    def take(self, key: str, rate: int | None, quota: int | None, used: int, now: float, *, whose: str = _THIS) -> None:
        """Count one request; raises TooManyError when it is one too many, and then does not count it.

        `used` is how often the key was used today, as it was read from the database.
        """
        day = int(now // _DAY)
        use = self._uses.get(key)
        if use is None:
            use = self._uses[key] = _Use(float(rate or 0), now, used, day)
        if use.day != day:
            use.day, use.today, use.written = day, 0, None
        if quota is not None and use.today >= quota:
            raise TooManyError(f"{whose} may ask {quota:,} times a day (UTC).", _DAY - int(now % _DAY))
        if rate is not None:
            use.tokens = min(rate, use.tokens + max(0.0, now - use.at) * rate / _MINUTE)
            use.at = now
            if use.tokens < 1:
                pause = math.ceil((1 - use.tokens) * _MINUTE / rate)
                raise TooManyError(f"{whose} may ask {rate:,} times a minute.", pause)
            use.tokens -= 1
        use.today += 1
        use.unwritten += 1

    def _give_back(self, use: _Use) -> None:
        use.today -= 1
        use.unwritten -= 1
        use.tokens += 1

    def collect(self) -> dict[str, int]:
        """What is not in the database yet, by key."""
        return {key: use.unwritten for key, use in self._uses.items() if use.unwritten}

    def settle(self, written: dict[str, int], sums: dict[str, int]) -> None:
        """So much was added, and these are the sums now: others' requests count here as well."""
        for key, total in sums.items():
            use, own = self._uses[key], written[key]
            use.unwritten -= own
            if use.written is not None:
                use.tokens -= max(0, total - use.written - own)
            use.written = total
            use.today = total + use.unwritten

    def forget(self, now: float) -> None:
        """Drop what is known of keys that were not used for a day."""
        for key in [key for key, use in self._uses.items() if now - use.at > _DAY and not use.unwritten]:
            del self._uses[key]
