"""By which fields of a layer its rows are found: those to be searched, those that title them, and addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.catalog.labels import list_fields
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from geoserver.model import Field, Layer

__all__ = ["has_addresses", "list_searched"]

_ADDRESS = ("street", "number", "address", "housenumber", "house_number", "addr_street", "addr_housenumber")


def list_searched(layer: Layer) -> tuple[str, ...]:
    """Names of text fields, in the order of the layer file. What can be chosen from a list is not among them."""
    if not layer.has_rows:
        return ()
    templates = [layer.label, *(words.label for words in layer.languages.values())]
    titling = {name for template in templates for name in list_fields(template)}
    return tuple(item.name for item in layer.fields.values() if _is_searched(layer, item, titling))


def has_addresses(layer: Layer) -> bool:
    """Whether its rows are houses: they have a street and a number."""
    return {"number", "street"} <= layer.fields.keys()


def _is_searched(layer: Layer, item: Field, titling: set[str]) -> bool:
    if item.latest or FIELD_TYPES[item.type].kind != "text":
        return False
    if layer.basemap:
        return item.name == "name" or item.name.startswith("name_") or item.name in _ADDRESS
    if item.filter == "choice":
        return False
    return item.filter == "search" or item.name in titling or item.name == "name" or item.name in _ADDRESS
