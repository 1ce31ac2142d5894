"""Legends of some rows: the entries, and the values in them, of which there are any."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

__all__ = ["list_values", "narrow_legend"]


def list_values(entry: Mapping[str, Any]) -> list[Any]:
    """The values that an entry of a legend stands for; none for one of all others."""
    value = entry.get("value")
    return value if isinstance(value, list) else [] if value is None else [value]


def narrow_legend(
    entries: Sequence[Mapping[str, Any]], left: Mapping[str, Collection[Any] | None]
) -> list[Mapping[str, Any]]:
    """The entries of which there can be rows: `left` has, by the title of their field, the values that there are.

    None, or nothing, where that is not known.
    """
    listed = {value for entry in entries for value in list_values(entry)}
    made: list[Mapping[str, Any]] = []
    for entry in entries:
        found, values = left.get(entry.get("title", "")), list_values(entry)
        if found is None or (not values and set(found) - listed):
            made.append(entry)
        elif kept := [value for value in values if value in found]:
            made.append(_narrow(entry, values, kept))
    return made


def _narrow(entry: Mapping[str, Any], values: Sequence[Any], kept: Sequence[Any]) -> Mapping[str, Any]:
    """An entry for some of its values: the names of the others go, where each value has its own."""
    names = str(entry["label"]).split(", ")
    if len(kept) == len(values) or len(names) != len(values):
        return entry
    label = ", ".join(name for name, value in zip(names, values, strict=True) if value in kept)
    return {**entry, "label": label, "value": list(kept)}
