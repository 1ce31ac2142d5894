"""The version by which answers about many rows go, of layers that change all the time (`[live]` with an `age`).

A push a second would have every summary counted anew each second, for every filter that somebody has. So such answers
go by a version that another one follows after `age` at the earliest: caches and ETags keyed by it hold as long, and an
answer is never more than `age` behind. What tells of single rows, of their number and where they lie goes by the
version that there is.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer

__all__ = ["hold"]

_KEPT = 4_096  # layers as who may see a part of them sees them
type _Held = OrderedDict[tuple[str, str], tuple[float, LayerStatus]]  # with until when

_held: WeakKeyDictionary[Database, _Held] = WeakKeyDictionary()
_lock = threading.Lock()


def hold(database: Database, layer: Layer, status: LayerStatus) -> LayerStatus:
    """The state of at most `age` ago; the given one after a load, and of a layer that says no age."""
    if layer.live is None or not layer.live.age or layer.copied_to:
        return status
    key, now = (layer.id, layer.scope), time.monotonic()
    with _lock:
        held = _held.setdefault(database, OrderedDict())
        until, known = held.get(key, (0.0, status))
        if now < min(until, now + layer.live.age) and _are_of_one_load(known, status):
            return known
        held[key] = now + layer.live.age, status
        held.move_to_end(key)
        if len(held) > _KEPT:
            held.popitem(last=False)
        return status


def _are_of_one_load(one: LayerStatus, other: LayerStatus) -> bool:
    return (one.loaded_at, one.plan, one.preparing, one.loaded) == (
        other.loaded_at,
        other.plan,
        other.preparing,
        other.loaded,
    )
