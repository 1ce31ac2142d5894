"""What the server says in one language: phrases, and numbers, dates and values as they are written in it."""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_time
from babel.lists import format_list
from babel.numbers import format_decimal, format_percent, format_scientific
from babel.units import format_unit

from geoserver.catalog.languages import ENGLISH, read_messages, read_phrases, read_words
from geoserver.catalog.sentences import say_sentence
from geoserver.fieldtypes import FIELD_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.fieldtypes import Scalar
    from geoserver.model import Field, Layer

__all__ = ["Phrases", "find_phrases"]

_PLAIN = "en_GB"  # day, month, year: for readers of English anywhere
_UNITS = ("B", "kB", "MB", "GB", "TB")
_LENGTHS = {"day": 86_400, "hour": 3_600, "minute": 60, "second": 1}  # in seconds
_KEPT = 4_096  # numbers and dates of a language
_LONG = 1e15  # from here on a number is written with its power of ten


class Phrases:
    """One language; `find_phrases` has them all."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.own = read_words().get(language, ENGLISH)
        self._said = read_phrases(language)
        self._files = read_messages("downloads", language)
        self._locale = _find_locale(language)
        self.number = functools.lru_cache(_KEPT)(self._format_number)
        self.day = functools.lru_cache(_KEPT)(self._format_day)

    def __getitem__(self, key: str) -> str:
        return self._said[key]

    @property
    def title(self) -> str:
        """The language's own name."""
        return str(self._locale.get_language_name(self._locale.language) or self.language)

    def say(self, key: str, **parts: str) -> str:
        """A phrase with its parts filled in."""
        return self._said[key].format_map(parts)

    def sentence(self, text: str, fields: Iterable[Field] = ()) -> tuple[str, str]:
        """What the server says in English, and the language that it is in now; fields go by their titles in it."""
        return say_sentence(text, self.language, tuple((item.name, item.title) for item in fields))

    def file(self, key: str) -> tuple[str, str]:
        """What people call a format, and what it is good for; empty where nobody here knows it."""
        return self._files.get(key, ""), self._files.get(f"{key}_hint", "")

    @property
    def limits_of_files(self) -> str:
        return self._files["limits"]

    def count(self, key: str, number: int, **parts: str) -> str:
        """The phrase `key_one` or `key_many` with a number in it."""
        return self.say(f"{key}_{'one' if self._is_one(number) else 'many'}", count=self.number(number), **parts)

    def rows(self, layer: Layer, number: int) -> str:
        """ "60,000 reports", in the layer's own words where it has some in this language."""
        return self.amount(number, (layer.noun, layer.nouns) if layer.nouns else None)

    def amount(self, number: int, nouns: tuple[str, str] | None) -> str:
        """The same by these words for one and for many; rows without them."""
        names = nouns or (self["row"], self["rows"])
        return f"{self.number(number)} {names[0] if self._is_one(number) else names[1]}"

    def percent(self, part: int, whole: int) -> str:
        return str(format_percent(part / whole, "#,##0%", locale=self._locale) if whole else "")

    def listing(self, texts: Iterable[str]) -> str:
        """ "trees, parks and benches"."""
        return str(format_list(list(texts), locale=self._locale))

    def span(self, first: str, last: str) -> str:
        return first if first == last else f"{first} – {last}"  # noqa: RUF001 - a dash as it is printed

    def length(self, seconds: float) -> str:
        """ "1 hour 30 minutes"."""
        parts = []
        for unit, size in _LENGTHS.items():
            number, seconds = divmod(seconds, size)
            if number:
                parts.append(str(format_unit(int(number), f"duration-{unit}", "long", locale=self._locale)))
        return " ".join(parts)

    def live(self, layer: Layer) -> str:
        """What is to be known of rows that come and go; empty where they do not."""
        live = layer.live
        if live is None or live.expires is None:
            return "" if live is None else self["live_changes"]
        title = layer.fields[live.field].title
        return self.say("live_leaves", time=self.length(live.expires), field=title)

    def bytes(self, size: int) -> str:
        """ "1.2 MB": two digits say enough."""
        value, step = float(size), 0
        while value >= 1_000 and step < len(_UNITS) - 1:  # noqa: PLR2004 - units of a thousand
            value, step = value / 1_000, step + 1
        shown = format_decimal(float(f"{value:.2g}"), locale=self._locale)
        return f"{shown} {_UNITS[step]}"

    def value(self, field: Field, value: Scalar | None) -> str:
        """A value of a field for people: its label, yes or no, a date; a number as it is written here."""
        if value is None:
            return self["no_value"]
        if (label := field.labels.get(str(value))) is not None:
            return label
        kind = FIELD_TYPES[field.type].kind
        if kind == "boolean":
            return self.own.yes if value else self.own.no
        if kind == "number" and isinstance(value, int | float):
            # Without a sign for thousands, which years would look odd with.
            plain = field.type == "integer" and not field.unit and 1_000 <= value < 10_000  # noqa: PLR2004 - four digits
            return str(value) if plain else self.number(value)
        return self.when(str(value)) if kind == "time" else str(value)

    def when(self, text: str) -> str:
        """A day or a time from its ISO 8601 text, which stays where Python knows no such time."""
        try:
            if "T" not in text:
                return self.day(date.fromisoformat(text))
            moment = datetime.fromisoformat(text).astimezone(UTC)
        except (ValueError, OverflowError):
            return text
        return f"{self.day(moment.date())}, {format_time(moment, 'short', tzinfo=UTC, locale=self._locale)}"

    def _is_one(self, number: int) -> bool:
        return str(self._locale.plural_form(number)) == "one"

    def _format_number(self, value: float) -> str:
        if abs(value) >= _LONG:
            return str(format_scientific(value, locale=self._locale))
        exact = isinstance(value, int) or value.is_integer()
        shown = value if exact else float(f"{value:.6g}")
        return str(format_decimal(shown, None if exact else "#,##0.######", locale=self._locale))

    def _format_day(self, day: date) -> str:
        return str(format_date(day, "long", locale=self._locale))


def _find_locale(language: str) -> Locale:
    try:
        return Locale.parse(_PLAIN if language == "en" else language.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        return Locale.parse(_PLAIN)


@functools.cache
def find_phrases(language: str) -> Phrases:
    """Those of a language; it is one that the page is offered in."""
    return Phrases(language)
