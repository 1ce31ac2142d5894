"""What a layer file's words must keep to: text to read, labels of declared fields, nouns in pairs, named languages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geoserver.catalog.labels import list_fields
from geoserver.catalog.languages import TAG
from geoserver.catalog.names import near
from geoserver.errors import CatalogError, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from geoserver.model import Field, FieldWords, Layer, Parameter, Words

__all__ = ["check_words", "find_fault"]

_SHORT = 200  # characters of a title, a noun, a unit, a label
_LONG = 10_000  # of what is told on request
_TEMPLATE = 500  # of a feature's title
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
# Marks that turn the writing of all that follows them, in the words around them too; an isolate ends by itself.
_TURNING = re.compile("[\u202a-\u202e]")
_ISOLATE, _END = re.compile("[\u2066-\u2068]"), "\u2069"


def check_words(path: Path, layer: Layer) -> None:
    """Raises CatalogError for the first fault."""
    for key, expected in _find_faults(layer):
        raise CatalogError(str(path), key, expected)


def _find_faults(layer: Layer) -> Iterator[tuple[str, str]]:
    for key, text, most in _list_texts(layer):
        if fault := find_fault(text, most):
            yield key, fault
    yield from _faults_of_label("label", layer.label, layer)
    yield from _faults_of_nouns("", layer.noun, layer.nouns)
    if layer.languages and not layer.language:
        yield "language", 'the language of the plain words, such as "en", because there are [languages]'
    seen = {layer.language.lower(): layer.language}
    for tag, words in layer.languages.items():
        if not TAG.fullmatch(tag):
            yield f"languages.{tag}", "a language tag such as fr or pt-BR"
        if tag.lower() in seen:
            yield f"languages.{tag}", f"another language than {seen[tag.lower()]}, which is said already"
        seen[tag.lower()] = tag
        yield from _faults_of_words(f"languages.{tag}.", words, layer)


def _list_texts(layer: Layer) -> Iterator[tuple[str, str, int]]:
    """Every text that people read, with its key and how long it may be."""
    yield "theme", layer.theme, _SHORT
    yield "attribution", layer.attribution, _LONG
    yield from ((f"keywords.{at}", word, _SHORT) for at, word in enumerate(layer.keywords))
    yield from _texts_of("", layer)
    for tag, words in layer.languages.items():
        yield f"languages.{tag}.theme", words.theme, _SHORT
        yield from ((f"languages.{tag}.legend.{key}", text, _SHORT) for key, text in words.legend.items())
        yield from _texts_of(f"languages.{tag}.", words)


def _texts_of(where: str, said: Layer | Words) -> Iterator[tuple[str, str, int]]:
    yield f"{where}title", said.title, _SHORT
    yield f"{where}description", said.description, _LONG
    yield f"{where}noun", said.noun, _SHORT
    yield f"{where}nouns", said.nouns, _SHORT
    yield f"{where}label", said.label, _TEMPLATE
    tables: dict[str, Mapping[str, Field | FieldWords | Parameter]] = {
        "fields": {**said.fields},
        "parameters": {**said.parameters},
    }
    for table, items in tables.items():
        for name, item in items.items():
            inside = "readings." if getattr(item, "latest", False) else ""
            key = f"{where}{inside}{table}.{name}"
            yield f"{key}.title", item.title, _SHORT
            yield f"{key}.description", item.description, _LONG
            yield f"{key}.unit", item.unit, _SHORT
            for value, text in getattr(item, "labels", {}).items():
                yield f"{key}.labels.{shorten(value, 40)}", text, _SHORT
            limits = getattr(item, "limits", ())
            titles = limits.values() if isinstance(limits, dict) else (limit.title for limit in limits)
            yield from ((f"{key}.limits", title, _SHORT) for title in titles)


def find_fault(text: str, most: int) -> str:
    """What a text should be and is not; empty where nothing is wrong with it."""
    if text and not text.strip():
        return "a text that can be seen; got nothing but blanks"
    if len(text) > most:
        return f"at most {most:,} characters; got {len(text):,}"
    if found := _UNSEEN.search(text):
        return f"a text without control characters; got U+{ord(found[0]):04X} at character {found.start() + 1}"
    if found := _TURNING.search(text):
        return (
            "a text without marks that turn the words around it; got"
            f" U+{ord(found[0]):04X} at character {found.start() + 1}"
        )
    if len(_ISOLATE.findall(text)) > text.count(_END):
        return "an end (U+2069) for each mark that isolates a part of the text (U+2066 to U+2068)"
    return ""


def _faults_of_words(where: str, words: Words, layer: Layer) -> Iterator[tuple[str, str]]:
    yield from _faults_of_label(f"{where}label", words.label, layer)
    yield from _faults_of_nouns(where, words.noun, words.nouns)
    for table, said, declared in (
        ("fields", words.fields, layer.fields),
        ("parameters", words.parameters, layer.parameters),
    ):
        for name in said.keys() - declared.keys():
            yield f"{where}{table}.{name}", f"the name of one under [{table}]{near(name, list(declared))}"
    for name, item in words.fields.items():
        titles = [limit.title for limit in layer.fields[name].limits]
        for title in sorted(item.limits.keys() - set(titles)):
            yield (
                f"{where}fields.{name}.limits",
                f"titles of its own limits; got {title!r}{near(title, titles)}",
            )
        labels = layer.fields[name].labels
        if labels and (strange := sorted(item.labels.keys() - labels.keys())):
            one = strange[0]
            yield (
                f"{where}fields.{name}.labels",
                f"values that have a label of the field itself; got {one!r}" + near(one, list(labels)),
            )


def _faults_of_nouns(where: str, noun: str, nouns: str) -> Iterator[tuple[str, str]]:
    if bool(noun) != bool(nouns):
        missing = "nouns" if noun else "noun"
        yield f"{where}{missing}", 'what one row is and what many are: noun = "tree" and nouns = "trees"'


def _faults_of_label(key: str, label: str, layer: Layer) -> Iterator[tuple[str, str]]:
    names = list_fields(label)
    if label and not names:
        yield key, f'a field, or fields in braces: "{{category}}, {{reported_at}}"; got {shorten(label, 100)!r}'
    for name in names:
        if name not in layer.fields:
            yield key, f"a declared field; got {name!r}{near(name, list(layer.fields))}"
        elif layer.fields[name].restricted:
            yield key, f"fields that are not restricted, for everybody reads the titles of features; {name!r} is"
