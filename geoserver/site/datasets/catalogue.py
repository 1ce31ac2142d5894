"""The list of all datasets: found by words, grouped by theme or in the order of their last updates."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geoserver.catalog.languages import in_language
from geoserver.catalog.licences import find_licence
from geoserver.formats import offered

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.site.phrases import Phrases

__all__ = ["Asked", "Catalogue", "Group", "build_catalogue", "describe_size", "shorten_text"]

_FORMATS = 6  # that are named of a dataset: the first are those for most people
_SUMMARY = 180  # characters of a description in the list
_LONGEST = 200  # characters that are searched for
_KINDS = ("points", "lines", "polygons")

type Order = Literal["theme", "updated"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What of the list a reader wants to see; `theme` is one in the layers' first language."""

    text: str = ""
    theme: str = ""
    order: Order = "theme"

    @classmethod
    def read(cls, text: str, theme: str, order: str) -> Asked:
        """From the parameters of an address, whatever stands in them."""
        return cls(" ".join(text[:_LONGEST].split()), theme, "updated" if order == "updated" else "theme")


@dataclass(frozen=True, slots=True)
class Item:
    """One dataset in the list."""

    layer: Layer
    summary: str
    size: str
    updated: str
    moment: datetime
    licence: str
    formats: tuple[str, ...]
    access: str


@dataclass(frozen=True, slots=True)
class Group:
    """A theme with what is shown of it; `count` is how many there are of it in all."""

    key: str
    title: str
    language: str
    count: int
    items: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What is shown: `themes` are all there are, `groups` what was found; one without a title is no theme."""

    asked: Asked
    total: int
    found: int
    themes: tuple[Group, ...]
    groups: tuple[Group, ...]


def build_catalogue(layers: Sequence[tuple[Layer, LayerStatus]], asked: Asked, phrases: Phrases) -> Catalogue:
    """Of the layers that a reader may see, in their display order."""
    told = [(plain, in_language(plain, (phrases.language,)), status) for plain, status in layers]
    words = _plain(asked.text).split()
    found = [
        (spoken, status)
        for plain, spoken, status in told
        if (not asked.theme or spoken.theme_key == asked.theme) and _has_words(words, plain, spoken)
    ]
    themes: dict[str, Group] = {}
    for _, spoken, _ in told:
        known = themes.get(spoken.theme_key)
        count = known.count + 1 if known else 1
        themes[spoken.theme_key] = Group(spoken.theme_key, spoken.theme, spoken.theme_language, count)
    if asked.order == "updated":
        newest = sorted(found, key=lambda pair: pair[1].changed_at, reverse=True)
        groups = [Group("", "", "", len(newest), tuple(_build_item(*pair, phrases) for pair in newest))]
    else:
        by_theme: dict[str, list[Item]] = {}
        for layer, status in found:
            by_theme.setdefault(layer.theme_key, []).append(_build_item(layer, status, phrases))
        groups = [
            Group(key, themes[key].title, themes[key].language, themes[key].count, tuple(items))
            for key, items in by_theme.items()
        ]
    return Catalogue(
        asked, len(told), len(found), tuple(themes.values()), tuple(group for group in groups if group.items)
    )


def describe_size(layer: Layer, status: LayerStatus, phrases: Phrases) -> str:
    """How much there is of it: rows; of tiles without rows, that they are that."""
    return phrases.rows(layer, status.rows) if layer.has_rows else phrases["tiles_only"]


def describe_shapes(layer: Layer, phrases: Phrases) -> str:
    """Points, lines or areas; nothing for tiles."""
    if not layer.has_rows:
        return ""
    return phrases[layer.geometry if layer.geometry in _KINDS else "shapes"]


def shorten_text(text: str, most: int) -> str:
    """The first words of a text, up to so many characters."""
    text = " ".join(text[: 4 * most].split())
    if len(text) <= most:
        return text
    cut = text[: most + 1].rpartition(" ")[0]
    return (cut if len(cut) > most // 2 else text[:most]).rstrip(",;:. ") + "…"


def _build_item(layer: Layer, status: LayerStatus, phrases: Phrases) -> Item:
    services = ("GeoJSON", "MVT") if layer.has_rows else ("MVT",)
    files = [file.id.partition(".")[0].upper() for file in offered(layer, status)[:_FORMATS]]
    return Item(
        layer,
        shorten_text(layer.description, _SUMMARY),
        describe_size(layer, status, phrases),
        phrases.say("updated_on", date=phrases.day(status.changed_at.date())),
        status.changed_at,
        find_licence(layer.license).title,
        tuple(files or services),
        getattr(phrases.own, layer.access, ""),
    )


def _has_words(words: Iterable[str], plain: Layer, spoken: Layer) -> bool:
    """Whether all of them stand in what a layer says, in the reader's language or in its first one."""
    if not words:
        return True
    texts = [plain.id]
    for layer in (spoken, plain) if spoken is not plain else (plain,):
        texts += [layer.title, layer.description, layer.theme, *layer.keywords]
        texts += [item.title for item in layer.fields.values()]
    text = _plain("\n".join(texts))
    return all(word in text for word in words)


def _plain(text: str) -> str:
    """Without capitals and accents: who types "agua" finds "Água"."""
    parted = unicodedata.normalize("NFD", text)
    return "".join(letter for letter in parted if not unicodedata.combining(letter)).lower()
