"""What is written on a picture: its title, the legend of its layers, and whose data it is."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import mercantile
from babel import Locale
from babel.numbers import format_decimal

from geoserver import styling
from geoserver.catalog.labels import show_value
from geoserver.catalog.languages import in_language, page_words, read_messages, words_for
from geoserver.catalog.licences import find_licence
from geoserver.drawing.overlay import Overlay, Section, build_overlay
from geoserver.filtering import list_chosen
from geoserver.grid import MERCATOR_HALF

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geoserver.access import View
    from geoserver.api.pictures.asking import Picture
    from geoserver.api.pictures.shown import Drawn, Scene, Shown
    from geoserver.filtering import Node
    from geoserver.mapstates import Camera
    from geoserver.model import Field, Layer

__all__ = ["build_words"]

_NAMED = 3  # values of one choice that are named


def build_words(view: View, drawn: Drawn, scene: Scene, picture: Picture) -> str:
    """The SVG that is laid over the map."""
    order = {layer.id: place for place, (layer, _) in enumerate(drawn.loaded)}
    shown = sorted(scene.shown, key=lambda one: order.get(one.part.layer.id, 0))
    return build_overlay(
        Overlay(
            size=picture.size,
            theme=picture.theme,
            title=picture.title,
            sections=[_build_section(view, one, scene, picture) for one in shown] if picture.legend else [],
            credit=_build_credit(shown, scene.style, picture) if picture.attribution else "",
            marker=_project(picture.marker, scene.camera, picture.size) if picture.marker else None,
        )
    )


def _build_section(view: View, one: Shown, scene: Scene, picture: Picture) -> Section:
    """Counts of squares where the layer is seen in squares at this zoom, else its own classes."""
    layer, zoom = in_language(one.part.layer, picture.languages), scene.camera.zoom
    words = words_for(layer, picture.languages)
    chosen = _name_chosen(layer, one.part.where.tree)
    count = [_write_count(layer, one.count, picture)] if one.count is not None else []
    title = f"{layer.title}: {', '.join(chosen + count)}" if chosen or count else layer.title
    counted = styling.list_counts(scene.style, layer.id, zoom, words) if zoom < one.part.features_from else []
    if counted:
        return Section(title, counted)
    chosen_of = {item.title: list_chosen(one.part.where.tree, item.name) for item in _list_choices(layer)}
    entries = styling.narrow_legend(styling.build_legend(view.catalog, layer, words), chosen_of)
    dark = picture.theme == "dark"
    return Section(title, [entry | entry.get("dark", {}) if dark else entry for entry in entries])


def _name_chosen(layer: Layer, tree: Node | None) -> list[str]:
    """What a filter leaves of choices, where it is few, such as "Burglary": else a legend would tell of other rows."""
    found: list[str] = []
    for item in _list_choices(layer):
        chosen = list_chosen(tree, item.name) or frozenset()
        if 0 < len(chosen) <= _NAMED:
            found += [show_value(item, value) for value in sorted(chosen, key=str)]
    return found


def _list_choices(layer: Layer) -> list[Field]:
    return [item for item in layer.fields.values() if item.filter == "choice"]


def _write_count(layer: Layer, count: int, picture: Picture) -> str:
    """ "6,501 reports", as the page says it."""
    language = page_words(picture.languages).code
    locale, words = Locale.parse(language), read_messages("pages", language)
    one = locale.plural_form(count) == "one"
    noun = (layer.noun or words["row"]) if one else (layer.nouns or words["rows"])
    return f"{format_decimal(count, locale=locale)} {noun}"


def _build_credit(shown: Sequence[Shown], style: Mapping[str, Any], picture: Picture) -> str:
    """Whose data it is and under which licence, of each layer and of the basemap; what is the same is said once."""
    parts: dict[str, None] = {}
    for one in shown:
        layer = in_language(one.part.layer, picture.languages)
        told = [layer.attribution, find_licence(layer.license).title if layer.license else ""]
        parts[", ".join(filter(None, told))] = None
    said = set(parts)
    for name in ("base", "world"):
        credit = html.unescape(str(style["sources"].get(name, {}).get("attribution", "")))
        if not any(credit in other for other in said):
            parts[credit] = None
    return " · ".join(filter(None, parts))


def _project(place: tuple[float, float], camera: Camera, size: tuple[int, int]) -> tuple[float, float]:
    """Where a place is on the picture, in CSS pixels."""
    pixel = 2 * MERCATOR_HALF / 512 / 2**camera.zoom
    x, y = mercantile.xy(*place)
    left, top = mercantile.xy(camera.lon, camera.lat)
    across = (x - left + MERCATOR_HALF) % (2 * MERCATOR_HALF) - MERCATOR_HALF
    return size[0] / 2 + across / pixel, size[1] / 2 + (top - y) / pixel
