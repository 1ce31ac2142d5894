"""Pictures that were drawn, and the processes that draw others: one for all who ask the same at the same time."""

from __future__ import annotations

import asyncio
import contextlib

from geoserver.database.tuning import read_cores
from geoserver.drawing import MapOrder, Pool
from geoserver.errors import UnavailableError
from geoserver.kept import Kept, Same

__all__ = ["Key", "Studio"]

_SECONDS = 3_600.0
_BYTES = 48 * 2**20  # of pictures in memory
_STYLES = 4 * 2**20  # bytes of what they are drawn by, as JSON

# A map of nothing, with a letter on it: by then a process has all loaded that it draws with.
_FIRST = MapOrder(
    b'{"version": 8, "sources": {}, "layers": []}',
    {},
    (16, 16),
    ratio=1,
    lon=0,
    lat=0,
    zoom=0,
    over='<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16"><text y="12">a</text></svg>',
    format="webp",
)

type Key = tuple[Same, tuple[object, ...]]  # what it was made of, and all that was asked


class Studio:
    """One per process; `pool` draws, `kept` has what was drawn."""

    def __init__(self, drawing: int | None, workers: int = 1) -> None:
        """`drawing` processes at most; without it half of the cores, shared by so many workers, so that the other half
        is there for tiles.
        """
        self.pool = Pool(drawing or max(1, read_cores() // 2 // workers))
        self.kept: Kept[Key] = Kept(_SECONDS, _BYTES)
        self.styles: Kept[Key] = Kept(_SECONDS, _STYLES)  # it takes longer to make one than to read it
        self._beginning: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Have a process ready before the first picture is asked for; nobody waits for it, and it ends as others do."""
        self._beginning = asyncio.create_task(self._draw_first())

    async def _draw_first(self) -> None:
        with contextlib.suppress(UnavailableError):  # the log has it, and `pool.problem` what concerns all pictures
            await self.pool.draw("maps", _FIRST)

    async def stop(self) -> None:
        """End what draws."""
        if self._beginning is not None:
            self._beginning.cancel()
            await asyncio.gather(self._beginning, return_exceptions=True)
        await self.pool.stop()
        self.kept.clear()
        self.styles.clear()
