"""Pictures, drawn in processes of their own by libraries that may end the process that they draw in."""

from __future__ import annotations

from geoserver.drawing.orders import LOCAL, MapOrder
from geoserver.drawing.pool import Pool

__all__ = ["LOCAL", "MapOrder", "Pool"]
