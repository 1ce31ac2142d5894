"""In which language each text of a legend is: not all of a layer's words are translated, some are the server's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.catalog.languages import ServerWords
    from geoserver.model import Layer

__all__ = ["mark_languages", "title_language"]


def mark_languages(entries: Iterable[dict[str, Any]], layer: Layer, words: ServerWords) -> list[dict[str, Any]]:
    """Legend entries with `language` and `title_language` where these are not the layer's own.

    A label that nobody translated is one of the style or a stored value, or a number in the server's words.
    """
    known = _languages_of(layer, words)

    def language_of(entry: dict[str, Any]) -> str:
        spoken = {known.get(part) or _language_of_rest(part, entry, layer, words) for part in _parts(entry, known)}
        return spoken.pop() if len(spoken) == 1 else layer.spoken

    marked = []
    for entry in entries:
        title = known.get(entry.get("title", ""), layer.spoken)
        found = {"language": language_of(entry), "title_language": title}
        marked.append(entry | {key: value for key, value in found.items() if value and value != layer.spoken})
    return marked


def title_language(title: str | None, layer: Layer) -> dict[str, str]:
    """`title_language` of a text of the style's, where it is not the layer's own: it may be untranslated."""
    translated = title is None or title in layer.legend_words.values()
    return {} if translated or layer.language == layer.spoken else {"title_language": layer.language}


def _parts(entry: dict[str, Any], known: dict[str, str]) -> list[str]:
    label: str = entry["label"]
    return [label] if label in known else label.split(", ")


def _language_of_rest(text: str, entry: dict[str, Any], layer: Layer, words: ServerWords) -> str:
    values = entry.get("value")
    stored = any(isinstance(value, str) for value in (values if isinstance(values, list) else [values]))
    return layer.language if stored or not any(letter.isdigit() for letter in text) else words.code


def _languages_of(layer: Layer, words: ServerWords) -> dict[str, str]:
    """By text: what the layer file and the server may have put into a legend."""
    known = dict.fromkeys((words.other, words.missing, words.yes, words.no), words.code)
    for item in layer.fields.values():
        known |= {item.title: item.language, f"{item.title}, {item.unit}": item.language}
        for value, label in item.labels.items():
            known[label] = layer.language if value in item.untranslated_labels else item.labels_language
    for plain, said in layer.legend_words.items():
        known |= {plain: layer.language, said: layer.spoken}
    return known | {layer.title: layer.spoken}
