"""Frozen maps: what a map shows at one moment, kept as files that need no server. Knows nothing of HTTP."""

from geoserver.freezing.making import make
from geoserver.freezing.order import Frozen, Order, Shown, Sight
from geoserver.freezing.store import Making, Store
from geoserver.freezing.tiles import read_tiles

__all__ = ["Frozen", "Making", "Order", "Shown", "Sight", "Store", "make", "read_tiles"]
