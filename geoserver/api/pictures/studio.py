"""Pictures that were drawn, and the processes that draw others: one for all who ask the same at the same time."""

from __future__ import annotations

from geoserver.database.tuning import read_cores
from geoserver.drawing import Pool
from geoserver.kept import Kept, Same

__all__ = ["Key", "Studio"]

_SECONDS = 3_600.0
_BYTES = 48 * 2**20  # of pictures in memory
_STYLES = 4 * 2**20  # bytes of what they are drawn by, as JSON

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

    async def stop(self) -> None:
        """End what draws."""
        await self.pool.stop()
        self.kept.clear()
        self.styles.clear()
