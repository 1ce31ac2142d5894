"""What of a layer file rows and tiles follow from, as it is kept beside what was loaded by it, and where two differ."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geoserver.model import Field, Layer

__all__ = ["build_declaration", "list_changes"]

_PLAIN = ("source", "source_layer", "crs", "key", "kind", "time", "facet", "features_from", "swap_axes")


def build_declaration(layer: Layer) -> dict[str, Any]:
    """Everything that takes effect by a load, as JSON holds it; titles, labels and the like take effect at once.

    {"source": ..., "fields": {name: {"type", "column", "latest", ...}}, "readings": {...} or None, ...}
    """
    readings = layer.readings
    own = {name: item for name, item in layer.fields.items() if not item.latest}
    return {
        **{key: getattr(layer, key) for key in _PLAIN},
        "csv": _spoken(asdict(layer.csv)),
        "fields": _build_fields(own),
        "readings": readings
        and {
            "source": readings.source,
            "key": readings.key,
            "time": readings.time,
            "csv": _spoken(asdict(readings.csv)),
            "fields": _build_fields(readings.fields),
        },
    }


def list_changes(loaded: Mapping[str, Any], layer: Layer) -> dict[str, str]:
    """Keys of the layer file that say otherwise than when it was loaded, each with what was loaded.

    A field that is no longer declared is no change: it is hidden at once, and nothing is missing.
    """
    return dict(_compare(loaded, build_declaration(layer), ""))


def _compare(loaded: Mapping[str, Any], now: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    for key, value in now.items():
        if key not in loaded:
            if where.endswith("fields."):
                yield where + key, "it is not loaded"
            continue  # a key that an older version did not keep
        before = loaded[key]
        if isinstance(value, dict) and isinstance(before, dict):
            yield from _compare(before, value, f"{where}{key}.")
        elif value != before and not isinstance(before, dict):  # readings that are declared no more are hidden
            yield where + key, "it is not loaded" if isinstance(value, dict) else f"it was loaded as {_show(before)}"


def _show(value: Any) -> str:
    return "not set" if value in ("", None) else repr(value)


def _build_fields(fields: Mapping[str, Field]) -> dict[str, Any]:
    return {
        name: {"type": item.type, "column": item.source_column}
        | (
            {"unit": item.time_unit or ""} if FIELD_TYPES[item.type].kind == "time" else {}
        )  # says what a number means as a time
        for name, item in fields.items()
    }


def _spoken(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}
