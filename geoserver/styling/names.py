"""Names on the basemap in a reader's language, with the local name beside them, where the tiles have both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geoserver.styling.bins import WORLD
from geoserver.styling.build import BASE
from geoserver.styling.ready_made import find_ready_made, list_fields

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.catalog import Catalog
    from geoserver.database.status import LayerStatus

__all__ = ["translate_labels"]

_OWN = "name_{lang}"  # the fields of our own basemap layers
_SMALLER = 0.85  # the local name, in parts of the other's size
_BETWEEN = {"line": " \N{EN DASH} "}  # of labels along a line; others are in two lines


def translate_labels(
    style: dict[str, Any], languages: Sequence[str], catalog: Catalog, statuses: Mapping[str, LayerStatus]
) -> None:
    """Let labels that are the plain name of what the basemap has show it in the first of these languages.

    The local name stands beside it: below it, or behind it along a line. Names that are alike are said once. Countries
    of the world around have their names in each language of the page, and no other.
    """
    if not languages:
        return
    found = find_ready_made(catalog, statuses)
    template = found.schema.names if found else _OWN
    there = list_fields(found.status) if found else {layer.id: layer.tile_fields for layer in catalog.layers.values()}
    wanted = [template.replace("{lang}", tag) for tag in _list_tags(languages[0], template)]
    for item in style["layers"]:
        layout = item.get("layout", {})
        if item.get("source") in WORLD and layout.get("text-field") == ["get", "name"]:
            world = [["get", _OWN.replace("{lang}", tag)] for tag in _list_tags(languages[0], _OWN)]
            item["layout"] = layout | {"text-field": ["coalesce", *world, ["get", "name"]]}
        if item.get("source") != BASE or layout.get("text-field") != ["get", "name"]:
            continue
        if fields := [field for field in wanted if field in there.get(item["source-layer"], ())]:
            between = _BETWEEN.get(layout.get("symbol-placement", "point"), "\n")
            item["layout"] = layout | {"text-field": _say_both(fields, between)}


def _list_tags(language: str, template: str) -> list[str]:
    """The language as it is asked for and without its country, as our fields or OpenStreetMap write it."""
    plain, *subtags = language.split("-")
    whole = "-".join([plain.lower(), *(tag.title() if len(tag) == 4 else tag.upper() for tag in subtags)])  # noqa: PLR2004 - a script
    tags = dict.fromkeys([whole, plain.lower()])
    return [tag.lower().replace("-", "_") if template == _OWN else tag for tag in tags]


def _say_both(fields: list[str], between: str) -> list[Any]:
    """The name in another language and the local one. The local one alone where it holds the other, as "Bruxelles -
    Brussel" does; the other alone where it holds the local one, as "Berlin-Mitte" does, or where there is none."""
    local = ["to-string", ["get", "name"]]
    wanted = ["to-string", ["coalesce", *(["get", field] for field in fields), ["get", "name"]]]
    both = ["format", wanted, {}, between, {}, local, {"font-scale": _SMALLER}]
    alone = ["format", ["case", ["has", "name"], local, wanted], {}]
    longer = ["all", ["has", "name"], ["in", local, wanted]]
    return [
        "case",
        ["any", ["in", wanted, local], ["!", ["has", "name"]]],
        alone,
        longer,
        ["format", wanted, {}],
        both,
    ]
