"""Frozen maps: what a map shows at one moment, kept as files that need no server. Knows nothing of HTTP."""

from geoserver.freezing.making import make
from geoserver.freezing.order import Order, Shown
from geoserver.freezing.store import Making, Store

__all__ = ["Making", "Order", "Shown", "Store", "make"]
