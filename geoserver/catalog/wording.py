"""What a layer file's words must keep to: labels of declared fields, nouns in pairs, languages that are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.catalog.labels import list_fields
from geoserver.catalog.languages import TAG
from geoserver.catalog.names import near
from geoserver.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geoserver.model import Layer, Words

__all__ = ["check_words"]


def check_words(path: Path, layer: Layer) -> None:
    """Raises CatalogError for the first fault."""
    for key, expected in _find_faults(layer):
        raise CatalogError(str(path), key, expected)


def _find_faults(layer: Layer) -> Iterator[tuple[str, str]]:
    yield from _faults_of_label("label", layer.label, layer)
    yield from _faults_of_nouns("", layer.noun, layer.nouns)
    if layer.languages and not layer.language:
        yield "language", 'the language of the plain words, such as "en", because there are [languages]'
    seen = {layer.language.lower()}
    for tag, words in layer.languages.items():
        if not TAG.fullmatch(tag):
            yield f"languages.{tag}", "a language tag such as fr or pt-BR"
        if tag.lower() in seen:
            yield f"languages.{tag}", f"another language than {tag}, which is said already"
        seen.add(tag.lower())
        yield from _faults_of_words(f"languages.{tag}.", words, layer)


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
        yield key, f'a field, or fields in braces: "{{category}}, {{reported_at}}"; got {label!r}'
    for name in names:
        if name not in layer.fields:
            yield key, f"a declared field; got {name!r}{near(name, list(layer.fields))}"
