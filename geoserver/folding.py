"""Text as it is looked for: without capitals and marks, as `geoserver.fold` in the database has it; and words that are
nearly the same.
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["fold", "is_like", "split_words"]

_MARKS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u0640\u064b-\u065f\u0670]")
_STROKES = str.maketrans("ØøŁłĐđĦħŦŧıŊŋς", "OoLlDdHhTtiNnσ")  # noqa: RUF001
_BETWEEN = re.compile(r"[^\w\u0900-\u0dff]+")  # signs of vowels stand in Indian words
_LEAST = 4  # letters of a word in which a mistake is forgiven
_LONG = 7  # and of one in which two are


def fold(text: str) -> str:
    """Without capitals and marks."""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFD", text)).translate(_STROKES).lower().replace("ß", "ss")


def split_words(folded: str) -> list[str]:
    """Words of a folded text."""
    return [word for word in _BETWEEN.split(folded) if word]


def is_like(typed: str, word: str) -> int:
    """How many mistakes make what was typed of a word or of its beginning: 1 or 2; 0 where these are too many.

    A mistake is a letter too much, missing, another, or two that changed places; few make one in the first letter.
    """
    if typed[:1] != word[:1] and typed[:2] != word[1::-1]:
        return 0
    allowed = 0 if len(typed) < _LEAST else 1 if len(typed) < _LONG else 2
    if not allowed or len(word) < len(typed) - allowed:
        return 0
    found = _count_mistakes(typed, word[: len(typed) + allowed], allowed)
    return found if found <= allowed else 0


def _count_mistakes(typed: str, word: str, most: int) -> int:
    """The least over all beginnings of the word (Damerau and Levenshtein, two rows back)."""
    before: list[int] = []
    row = list(range(len(word) + 1))
    for at, letter in enumerate(typed):
        last, before = before, row
        row = [at + 1]
        for to, other in enumerate(word):
            cost = min(before[to] + (letter != other), before[to + 1] + 1, row[to] + 1)
            if at and to and letter == word[to - 1] and typed[at - 1] == other:
                cost = min(cost, last[to - 1] + 1)
            row.append(cost)
        if min(row) > most:
            return most + 1
    return min(row)
