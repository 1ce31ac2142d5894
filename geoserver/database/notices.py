"""What the database tells when rows changed: the payload of a NOTIFY on `status.CHANNEL`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from geoserver.model import Bounds

__all__ = ["Notice", "parse_notice"]

_MAX_ZOOM = 30
_PARTS = 5  # of a range: zoom, first column, first row, last column, last row


@dataclass(frozen=True, slots=True)
class Notice:
    """Rows of a layer changed. `tiles` are (z, x0, y0, x1, y1), both ends included; None: anything may have changed.

    `steps` says how many versions it tells of, up to this one, and `edited` when rows were edited last.
    """

    layer: str
    version: int
    bounds: Bounds | None = None
    tiles: tuple[tuple[int, int, int, int, int], ...] | None = None
    steps: int = 1
    edited: datetime | None = None


def parse_notice(payload: str) -> Notice | None:
    """The notice in a payload, None where no layer can be made out; ranges that cannot be read are: anything."""
    try:
        document: Any = json.loads(payload)
        layer, version, bounds = document["layer"], int(document["version"]), document.get("bounds")
        box, steps = Bounds(*(float(edge) for edge in bounds)) if bounds else None, int(document.get("steps", 1))
        edited = datetime.fromisoformat(document["edited"]).astimezone(UTC) if document.get("edited") else None
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None  # anybody who may connect may send one
    if not isinstance(layer, str):
        return None
    return Notice(layer, version, box, _parse_tiles(document.get("tiles")), steps, edited)


def _parse_tiles(given: Any) -> tuple[tuple[int, int, int, int, int], ...] | None:
    if not isinstance(given, list):
        return None
    ranges = []
    for item in given:
        if not (isinstance(item, list) and len(item) == _PARTS and all(type(part) is int for part in item)):
            return None
        z, x0, y0, x1, y1 = item
        last = (1 << z) - 1 if 0 <= z <= _MAX_ZOOM else -1
        if not (0 <= x0 <= x1 <= last and 0 <= y0 <= y1 <= last):
            return None
        ranges.append((z, x0, y0, x1, y1))
    return tuple(ranges)
