"""Which language a reader is answered in, a layer in that language, and the few words of the server's own."""
# ruff: noqa: RUF001 - apostrophes as they are printed

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from geoserver import assets
from geoserver.errors import BadParameterError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from geoserver.model import Field, Layer, Parameter, Words

__all__ = [
    "ENGLISH",
    "TAG",
    "ServerWords",
    "choose_languages",
    "in_language",
    "page_language",
    "page_languages",
    "page_words",
    "pick_language",
    "read_first",
    "read_messages",
    "read_phrases",
    "read_table",
    "read_words",
    "words_for",
]

TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}")  # of BCP 47, without what nobody uses
_MOST = 20  # languages that a header may prefer


@dataclass(frozen=True, slots=True)
class ServerWords:
    """What the server itself says: in a legend, of a map without a `city.toml`, and to those who sign in."""

    other: str
    missing: str
    span: str  # from one number to another
    yes: str
    no: str
    point: str  # before decimals
    code: str = "en"
    map_title: str = "City map"
    map_tagline: str = "The city’s open data on one map"
    map_description: str = "A map of the city’s open data: switch layers on, filter them, share what you see."
    imprint: str = "Imprint"
    contact: str = "Contact"
    terms: str = "Terms of use"
    privacy: str = "Privacy"
    accessibility: str = "Accessibility"
    signin: str = "Sign in"
    signin_lead: str = "For those who were given access to more of this map."
    signin_with: str = "Sign in with {}"
    signin_key: str = "Your key"
    signin_hint: str = "It begins with gsk_; whoever runs this map gave it to you."
    signin_wrong: str = "This key is not known here: it is wrong, revoked or expired."
    signin_many: str = "Too many attempts. Please wait a few minutes."
    signin_failed: str = "Signing in did not work. Please try again."
    signin_foreign: str = "This form must be sent from this page itself. Please try again."
    signin_away: str = "Nobody can sign in at the moment. Please try again in a few minutes."
    signed_in: str = "Signed in as {}"
    signout: str = "Sign out"
    to_map: str = "To the map"
    restricted: str = "Restricted"
    draft: str = "Draft"


ENGLISH = ServerWords("Other", "No data", "{} to {}", "Yes", "No", ".")
_TABLE = r"^export const {} = \{{(.*?)^\}}[^\n]*;$"
_FIRST = r"export default \{(.*?)// Said by parts that come later"
_LINE = re.compile(r'^\s*"?([\w-]+)"?:\s+("(?:[^"\\]|\\.)*"),$', re.MULTILINE)


@functools.cache
def read_words(folder: Path | None = None) -> Mapping[str, ServerWords]:
    """By language what the server says, from the page's files of messages: one for each language that both speak."""
    files = sorted((folder or assets.root("messages")).glob("*.ts"))
    found = {path.stem: _parse_words(read_table(path, "server")) for path in files}
    # What a file lacks is said in English.
    return {"en": ENGLISH} | {code: replace(ENGLISH, **said, code=code) for code, said in found.items()}


def read_table(path: Path, name: str) -> dict[str, str]:
    """The lines of a table in a file of messages; none where there is no such table."""
    table = re.search(_TABLE.format(name), path.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return {key: json.loads(value) for key, value in _LINE.findall(table[1] if table else "")}


def _parse_words(found: Mapping[str, str]) -> dict[str, str]:
    return {item.name: found[item.name] for item in fields(ENGLISH) if item.name in found}


@functools.cache
def read_messages(table: str, language: str) -> Mapping[str, str]:
    """A table of messages in a language, from the same files; what one lacks is said in English."""
    folder = assets.root("messages")
    own = folder / f"{language}.ts"
    return {**read_table(folder / "en.ts", table), **(read_table(own, table) if own.is_file() else {})}


@functools.cache
def read_first(language: str) -> Mapping[str, str]:
    """What the page itself says at once in a language, from the same files."""
    folder = assets.root("messages")
    own = folder / f"{language}.ts"
    table = re.search(_FIRST, (own if own.is_file() else folder / "en.ts").read_text(encoding="utf-8"), re.DOTALL)
    return {key: json.loads(value) for key, value in _LINE.findall(table[1] if table else "")}


def read_phrases(language: str) -> Mapping[str, str]:
    """What the pages of datasets say in a language."""
    return read_messages("pages", language)


def page_languages() -> tuple[str, ...]:
    """Those that the page is written in (web/src/messages), English first."""
    return tuple(read_words())


def parse_language(text: str) -> tuple[str, ...]:
    """The language of a parameter `lang`; raises BadParameterError."""
    if not TAG.fullmatch(text):
        raise BadParameterError("lang", text, "a language tag such as fr or pt-BR")
    return (text,)


def parse_accepted(header: str) -> tuple[str, ...]:
    """The languages of an Accept-Language header (RFC 9110, 12.5.4), the most wanted first, without what is none."""
    found: list[tuple[float, str]] = []
    for part in header.split(",")[:_MOST]:
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        weight = re.fullmatch(r"0(\.\d{0,3})?|1(\.0{0,3})?", value.strip()) if parameter.strip() else None
        if not TAG.fullmatch(tag.strip()) or (parameter.strip() and (name.strip().lower() != "q" or weight is None)):
            continue
        found.append((float(value) if weight else 1.0, tag.strip()))
    return tuple(tag for weight, tag in sorted(found, key=lambda item: -item[0]) if weight)


def choose_languages(lang: str | None, accepted: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The languages that a reader wants, by the parameter or else by the header, and what tells caches by which.

    The address of an answer with a parameter says all that it depends on. Raises BadParameterError.
    """
    if lang is not None:
        return parse_language(lang), {}
    return parse_accepted(",".join(accepted)), {"Vary": "Accept-Language"}


def pick_language(preferred: Collection[str], offered: Collection[str]) -> str:
    """The offered language that a reader likes best, "fr" for who asks for fr-CA and the other way; empty for none."""
    by_name = {tag.lower(): tag for tag in offered}
    for tag in preferred:
        parts = tag.lower().split("-")
        for length in range(len(parts), 0, -1):
            if found := by_name.get("-".join(parts[:length])):
                return found
        if found := next((other for name, other in by_name.items() if name.split("-")[0] == parts[0]), ""):
            return found
    return ""


def page_language(lang: str | None, accepted: Sequence[str], offered: Sequence[str] = ()) -> str:
    """The language that the page speaks, by the parameter or else by the header; the first one where it has none."""
    preferred = [lang] if lang else parse_accepted(",".join(accepted))
    offered = offered or page_languages()
    return pick_language(preferred, offered) or offered[0]


def words_for(layer: Layer, preferred: Collection[str]) -> ServerWords:
    """The server's words for a layer's legend: in the reader's language, else in the layer's, else in English."""
    known = read_words()
    return known.get(pick_language((*preferred, *([layer.spoken] if layer.spoken else [])), known), ENGLISH)


def page_words(preferred: Collection[str]) -> ServerWords:
    """The server's words for the page around a layer: in the reader's language, else in English."""
    known = read_words()
    return known.get(pick_language(preferred, known), ENGLISH)


def in_language(layer: Layer, preferred: Collection[str]) -> Layer:
    """The layer with its words in the language that the reader likes best of those it has.

    What is not translated is said as in the first language, but for nouns, which stand inside a reader's sentence:
    where they are not in a language that is wanted there are none.
    """
    picked = pick_language(preferred, [layer.language, *layer.languages] if layer.language else [])
    words = layer.languages.get(picked)
    if words is None:
        foreign = preferred and layer.language and not picked
        return replace(layer, noun="", nouns="") if foreign else layer
    translated = {name: _translate(item, words, picked) for name, item in layer.fields.items()}
    readings = layer.readings
    return replace(
        layer,
        title=words.title,
        description=words.description or layer.description,
        theme=words.theme or layer.theme,
        noun=words.noun,
        nouns=words.nouns,
        label=words.label or layer.label,
        spoken=picked,
        description_language=picked if words.description else layer.description_language,
        theme_language=picked if words.theme else layer.theme_language,
        legend_words=words.legend,
        fields=translated,
        readings=readings
        and replace(readings, fields={name: _translate(item, words, picked) for name, item in readings.fields.items()}),
        parameters=_translate_parameters(layer.parameters, words),
    )


def _translate(item: Field, words: Words, language: str) -> Field:
    said = words.fields.get(item.name)
    if said is None:
        return item
    return replace(
        item,
        title=said.title or item.title,
        description=said.description or item.description,
        unit=said.unit or item.unit,
        labels={**item.labels, **said.labels},
        limits=tuple(
            replace(limit, title=said.limits[limit.title], language=language) if limit.title in said.limits else limit
            for limit in item.limits
        ),
        language=language if said.title else item.language,
        description_language=language if said.description else item.description_language,
        labels_language=language if said.labels else item.labels_language,
        untranslated_labels=tuple(value for value in item.labels if value not in said.labels) if said.labels else (),
    )


def _translate_parameters(parameters: Mapping[str, Parameter], words: Words) -> dict[str, Parameter]:
    translated = {}
    for name, item in parameters.items():
        said = words.parameters.get(name)
        translated[name] = (
            replace(
                item,
                title=said.title or item.title,
                description=said.description or item.description,
                unit=said.unit or item.unit,
            )
            if said
            else item
        )
    return translated
