"""Tiles as what they say, whatever the order of their bytes."""

from __future__ import annotations

import json

import mapbox_vector_tile

__all__ = ["said"]


def said(body: bytes) -> dict[str, list[str]]:
    """The features of each layer of a tile, in an order of their own."""
    decoded = mapbox_vector_tile.decode(body) if body else {}
    return {
        name: sorted(json.dumps(item, sort_keys=True) for item in part["features"]) for name, part in decoded.items()
    }
