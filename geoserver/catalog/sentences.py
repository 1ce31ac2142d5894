"""Sentences that are made in English where they arise, as limits of formats and reasons of loads, in other languages.

The files of messages have them by their English words, with `{name}` where something is put in (web/src/messages).
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from geoserver.catalog.languages import read_messages

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["say_sentence", "say_sentences"]

_PART = re.compile(r"\\\{(\w+)\\\}")  # within a text that is escaped
_SAID = ("why", "kind", "kinds")  # parts that are sentences themselves, and have to be known


def say_sentences(texts: tuple[str, ...], language: str) -> tuple[str, ...]:
    """Each in a language, or in English where it is not known."""
    return tuple(say_sentence(text, language)[0] for text in texts)


@functools.lru_cache(4_096)
def say_sentence(text: str, language: str, titles: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
    """A sentence and the language that it is in: English where nobody has put it into this one.

    `titles` are those of fields by their names, which people know them by.
    """
    if language == "en":
        return text, "en"
    said = _say(text, language, dict(titles))
    return (text, "en") if said is None else (said, language)


def _say(text: str, language: str, titles: Mapping[str, str]) -> str | None:
    """None for what is not known."""
    known = read_messages("sentences", language)
    for key, pattern in _read_patterns():
        if (found := pattern.fullmatch(text)) is None:
            continue
        parts: dict[str, str] = {}
        for name, part in found.groupdict().items():
            said: str | None = part
            if name in _SAID:
                said = _say(part, language, titles)
            elif name == "type":
                said = read_messages("pages", language).get(f"type_{part}")
            elif name == "field":
                said = titles.get(part, part)
            if said is None:
                break
            parts[name] = said
        else:
            return known[key].format_map(parts)
    return None


@functools.cache
def _read_patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    """What finds each, in the order of the file: those that fit much stand at its end."""
    return tuple(
        (key, re.compile(_PART.sub(r"(?P<\1>.+)", re.escape(text)), re.DOTALL))
        for key, text in read_messages("sentences", "en").items()
    )
