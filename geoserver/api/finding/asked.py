"""What somebody looks for, and how well a text fits it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from geoserver.errors import BadParameterError
from geoserver.folding import fold, is_like, split_words

__all__ = ["LONGEST", "MOST_WORDS", "NO_FIT", "SHORTEST", "Asked", "fit", "parse_asked"]

SHORTEST, LONGEST = 2, 1_000  # characters of what is looked for; links are long
MOST_WORDS = 8
_MOST_LETTERS = 100  # of words; beyond it there are coordinates or nothing
_IDEOGRAPHS = 0x2E80  # from here on a sign is a word
NO_FIT = 9
_KM = 111.2  # of a degree


@dataclass(frozen=True, slots=True)
class Asked:
    """The text as it was typed and its words, folded; in which languages; and where the map stands (lon, lat)."""

    text: str
    words: tuple[str, ...]
    languages: tuple[str, ...]
    at: tuple[float, float] | None = None
    most: int = 10

    @property
    def phrase(self) -> str:
        return " ".join(self.words)

    def fit(self, text: str, *, similar: bool = False) -> int:
        """0 for the folded text itself, then such that begin so, those with such words, with such letters (3), with
        words that are nearly the same (4), and `NO_FIT`.
        """
        return fit(self.words, text, similar=similar)

    def distance(self, lon: float, lat: float) -> int:
        """How far it is from where the map stands, in steps that grow; 0 where nobody knows."""
        if self.at is None:
            return 0
        across = (lon - self.at[0] + 180) % 360 - 180
        return int(4 * math.log2(1 + _KM * math.hypot(across * math.cos(math.radians(lat)), lat - self.at[1])))


def fit(words: tuple[str, ...], text: str, *, similar: bool = False) -> int:
    """See `Asked.fit`."""
    phrase = " ".join(words)
    if text == phrase:
        return 0
    if text.startswith(phrase):
        return 1
    if all(word in text for word in words):
        starts = split_words(text)
        return 2 if all(any(start.startswith(word) for start in starts) for word in words) else 3
    if similar:
        starts = split_words(text)
        if all(word in text or any(_may_be(word, start) for start in starts) for word in words):
            return 4
    return NO_FIT


def _may_be(typed: str, word: str) -> bool:
    """Most words have other letters, which is quickly seen."""
    return len(set(typed) - set(word)) <= 2 and bool(is_like(typed, word))  # noqa: PLR2004 - as many as is_like forgives


def parse_asked(
    text: str | None, languages: tuple[str, ...], at: tuple[float, float] | None, most: int, *, numbers: bool
) -> Asked:
    """What is looked for; where it is `numbers`, coordinates of any length are no words. Raises BadParameterError."""
    given = (text or "").strip()
    words = tuple(word for word in fold(given).replace(",", " ").replace(";", " ").split() if word)
    shortest = 1 if given and ord(given[0]) >= _IDEOGRAPHS else SHORTEST
    wordy = len(given) <= _MOST_LETTERS and len(words) <= MOST_WORDS
    if not shortest <= len(given) <= LONGEST or not words or "\0" in given or not (wordy or numbers):
        expected = f"{SHORTEST} to {_MOST_LETTERS} characters, in at most {MOST_WORDS} words, or coordinates"
        raise BadParameterError("q", text or "", expected)
    return Asked(given, words if wordy else (), languages, at, most)
