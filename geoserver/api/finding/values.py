"""Values of one choice field in memory, to be found among thousands by their text, its beginning, or a part of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Any

from geoserver.api.finding.asked import NO_FIT, fit
from geoserver.folding import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geoserver.api.finding.asked import Asked
    from geoserver.model import Field, Layer

__all__ = ["MOST_VALUES", "Choices", "Hit", "Values", "fold_values", "gather_values"]

type Choices = Mapping[str, Sequence[Mapping[str, Any]]]  # by field: value and count, the most frequent first

MOST_VALUES = 20_000  # of a field
_MOST_RANKED = 400  # of those in which a word stands somewhere; that are or begin so are among them in any case
_FORGIVEN = 100  # the most frequent ones, of which words may be mistyped


@dataclass(frozen=True, slots=True)
class Hit:
    """A value that fits so well (see `Asked.fit`); `number` is its place among those of the field."""

    how: int
    layer: Layer
    field: Field
    number: int
    value: Any
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class Values:
    """Those of one field in one language, the most frequent first.

    `joined` are their folded texts, each between NULs, which no text has; the text at `starts[i]` is one of value
    `owners[i]`.
    """

    layer: Layer
    field: Field
    titles: str  # folded, of field and layer: words of what is looked for may be of these
    rows: Sequence[Mapping[str, Any]]
    joined: str
    starts: Sequence[int]
    owners: Sequence[int]

    def rank(self, asked: Asked) -> list[Hit]:
        """Those with all words, some of which may be in the titles, but not all of them."""
        needed = [word for word in asked.words if word not in self.titles]
        # Where all words may be of the titles, the value has one of them at least.
        sought = [max(needed, key=len)] if needed else list(asked.words)
        phrases = dict.fromkeys((asked.phrase, " ".join(needed) or asked.phrase))
        patterns = [*(f"\0{phrase}\0" for phrase in phrases), *(f"\0{phrase}" for phrase in phrases), *sought]
        found = {at: None for pattern in patterns for at in islice(self._find(pattern, needed), _MOST_RANKED)}
        return self._tell((self._fit(self._text(at), asked), self.owners[at]) for at in found)

    def rank_similar(self, asked: Asked) -> list[Hit]:
        """Frequent ones whose words are nearly the same."""
        few = range(bisect_right(self.owners, _FORGIVEN - 1))
        return self._tell((asked.fit(self._text(at), similar=True), self.owners[at]) for at in few)

    def _find(self, pattern: str, needed: Iterable[str]) -> Iterator[int]:
        """Numbers of texts in which the pattern stands, and all words that are needed."""
        place = self.joined.find(pattern)
        while place >= 0:
            at = bisect_right(self.starts, place + pattern.startswith("\0")) - 1
            text = self._text(at)
            if all(word in text for word in needed):
                yield at
            place = self.joined.find(pattern, self.starts[at] + len(text))

    def _text(self, at: int) -> str:
        end = self.starts[at + 1] - 1 if at + 1 < len(self.starts) else len(self.joined) - 1
        return self.joined[self.starts[at] : end]

    def _fit(self, text: str, asked: Asked) -> int:
        """One more where some of the words are those of field or layer."""
        inside = tuple(word for word in asked.words if word in text)
        return fit(inside, text) + (len(inside) < len(asked.words)) if inside else NO_FIT

    def _tell(self, fits: Iterable[tuple[int, int]]) -> list[Hit]:
        return [
            Hit(how, self.layer, self.field, number, row["value"], _label(self.field, row["value"]), row["count"])
            for how, number in fits
            if how < NO_FIT
            for row in (self.rows[number],)
        ]


def fold_values(choices: Choices) -> dict[str, list[str]]:
    """By field the values as texts, folded."""
    return {name: [fold(_write(row["value"])) for row in rows] for name, rows in choices.items()}


def gather_values(
    layer: Layer, own: Layer, title: str, choices: Choices, folded: Mapping[str, Sequence[str]]
) -> list[Values]:
    """Values of a layer's fields, found by themselves and by their labels in the reader's language and in the layer's.

    `own` is the layer in the reader's language, `title` its title, folded, and `folded` what `fold_values` gives.
    """
    found = []
    for name, rows in choices.items():
        item, plain = own.fields[name], layer.fields[name]
        texts: list[str] = []
        owners: list[int] = []
        for number, (row, text) in enumerate(zip(rows, folded[name], strict=True)):
            if row["value"] is None:
                continue
            stored = _write(row["value"])
            labels = [labels[stored] for labels in (item.labels, plain.labels) if stored in labels]
            own_texts = list(dict.fromkeys([*map(fold, labels), text])) if labels else [text]
            texts += own_texts
            owners += [number] * len(own_texts)
        starts = list(accumulate((len(text) + 1 for text in texts), initial=1))[:-1]
        joined = "\0" + "".join(f"{text}\0" for text in texts)
        found.append(Values(own, item, f"{fold(item.title)}\n{title}", rows, joined, starts, owners))
    return found


def _write(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _label(item: Field, value: Any) -> str:
    stored = _write(value)
    return item.labels.get(stored, stored)
