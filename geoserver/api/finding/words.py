"""Layers and the values of their choice fields, by the words that the reader's language and their own have for them.

Values are read once of a version of the rows, the most frequent thousands of each field, and searched in memory.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoserver.api.finding.asked import NO_FIT
from geoserver.api.finding.values import MOST_VALUES, fold_values, gather_values
from geoserver.catalog.languages import in_language
from geoserver.database import summaries
from geoserver.errors import GeoserverError
from geoserver.filtering import build
from geoserver.folding import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geoserver.api.finding.asked import Asked
    from geoserver.api.finding.values import Choices, Hit, Values
    from geoserver.database.pool import Database
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["Lexicon", "find_layers", "find_values"]

log = logging.getLogger("geoserver")

type Seen = tuple[Layer, LayerStatus]

_FEW = 3  # found as they are typed; below it, mistakes are forgiven
_PATIENCE = 0.4  # seconds that an answer waits for values that are not known yet
_AT_ONCE = 2  # layers whose values are read
_KEPT = 4_096  # layers in some language
_NOWHERE = (99, 0)
_LONG = 0.05  # seconds for words that are nearly the same


@dataclass(frozen=True, slots=True)
class _Words:
    """What a layer is found by, in order of weight: (weight, folded text, field)."""

    layer: Layer
    texts: tuple[tuple[int, str, Field | None], ...]

    @property
    def title(self) -> str:
        return self.texts[0][1]


class Lexicon:
    """Knows the words of layers and values; one per process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reading = asyncio.Semaphore(_AT_ONCE)
        self._reads: dict[tuple[object, ...], asyncio.Task[None]] = {}
        self._kept: OrderedDict[tuple[object, ...], tuple[tuple[object, ...], Any]] = OrderedDict()

    async def stop(self) -> None:
        """End what is being read."""
        tasks = list(self._reads.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def words_of(self, layer: Layer, languages: tuple[str, ...]) -> _Words:
        """The layer in the reader's language, and what it is found by."""
        key = ("words", layer.id, layer.scope, languages)
        found: _Words = self._keep(key, (layer,), lambda: _gather_words(layer, in_language(layer, languages)))
        return found

    async def values_of(self, seen: Sequence[Seen], languages: tuple[str, ...]) -> tuple[list[Values], bool]:
        """Values of all these layers, and whether that is all: those that are not known are read, for later."""
        missing = [self._read(*one) for one in seen if self._known(*one) is None]
        if missing:
            await asyncio.wait(missing, timeout=_PATIENCE)
        found: list[Values] = []
        whole = True
        for layer, status in seen:
            choices = self._known(layer, status)
            whole = whole and choices is not None
            if choices:
                found += self._gather_values(layer, choices, languages)
        return found, whole

    def _known(self, layer: Layer, status: LayerStatus) -> Choices | None:
        fields = _choices(layer)
        return summaries.know_choices(self._database, layer, status, fields, MOST_VALUES) if fields else {}

    def _read(self, layer: Layer, status: LayerStatus) -> asyncio.Task[None]:
        key = (layer.id, layer.scope, status.version, status.loaded_at)
        if (task := self._reads.get(key)) is None:
            task = self._reads[key] = asyncio.create_task(self._read_choices(layer, status), name="values to be found")
            task.add_done_callback(lambda _: self._reads.pop(key, None))
        return task

    async def _read_choices(self, layer: Layer, status: LayerStatus) -> None:
        async with self._reading:
            try:
                where = build(layer, status)
                choices = await summaries.read_choices(
                    self._database, layer, status, _choices(layer), where, most=MOST_VALUES
                )
            except GeoserverError as error:
                log.warning("Values of layer %s cannot be found: %s", layer.id, error)
                return
            # Of thousands it takes a while, which holds up nobody here.
            folded = await asyncio.to_thread(fold_values, choices)
            self._keep(("folded", layer.id, layer.scope), (choices,), lambda: folded)

    def _gather_values(self, layer: Layer, choices: Choices, languages: tuple[str, ...]) -> list[Values]:
        words = self.words_of(layer, languages)
        folded = self._keep(("folded", layer.id, layer.scope), (choices,), lambda: fold_values(choices))
        key = ("values", layer.id, layer.scope, languages)
        made_of = (words.layer, choices)
        found: list[Values] = self._keep(
            key, made_of, lambda: gather_values(layer, words.layer, words.title, choices, folded)
        )
        return found

    def _keep(self, key: tuple[object, ...], made_of: tuple[object, ...], make: Callable[[], Any]) -> Any:
        """What was made of the same objects, which are kept with it; what was made of others before is forgotten."""
        known = self._kept.get(key)
        if known is None or any(one is not other for one, other in zip(known[0], made_of, strict=True)):
            known = self._kept[key] = made_of, make()
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return known[1]


def find_layers(lexicon: Lexicon, seen: Sequence[Seen], asked: Asked) -> list[dict[str, Any]]:
    """Layers by title, theme, keywords, names of fields, description; one entry for each."""
    known = [lexicon.words_of(layer, asked.languages) for layer, _ in seen if not layer.basemap]
    ranked = [(_rank_layer(words, asked), words) for words in known]
    if sum(rank < _NOWHERE for (rank, _), _ in ranked) < _FEW:
        ranked = [(_rank_layer(words, asked, similar=True), words) for words in known]
    found = sorted(
        (
            (rank, len(words.title), words.layer.order, words.layer, item)
            for (rank, item), words in ranked
            if rank < _NOWHERE
        ),
        key=lambda one: one[:3],
    )
    return [
        {
            "layer": layer.id,
            "title": layer.title,
            "theme": layer.theme,
            "field": item.name if item else None,
            "field_title": item.title if item else None,
        }
        for _, _, _, layer, item in found[: asked.most]
    ]


def _rank_layer(words: _Words, asked: Asked, *, similar: bool = False) -> tuple[tuple[int, int], Field | None]:
    """By which text a layer is found best: how well, and what it is of; words of several texts are the last resort."""
    found = [((asked.fit(text, similar=similar), weight), item) for weight, text, item in words.texts]
    best = min(found, key=lambda one: (one[0][1] + 2 * one[0][0], one[0][0]) if one[0][0] < NO_FIT else (99, 99))
    if best[0][0] < NO_FIT:
        (how, weight), item = best
        return (weight + 2 * how, how), item
    whole = "\n".join(text for _, text, _ in words.texts)
    return ((20, 0), None) if all(word in whole for word in asked.words) else (_NOWHERE, None)


async def find_values(lexicon: Lexicon, seen: Sequence[Seen], asked: Asked) -> tuple[list[dict[str, Any]], bool]:
    """Values of choice fields; some of the words may be in the names of field and layer. And whether that is all."""
    wanted = [(layer, status) for layer, status in seen if layer.has_rows and not layer.basemap]
    known, whole = await lexicon.values_of(wanted, asked.languages)
    ranked = [hit for values in known for hit in values.rank(asked)]
    if len(ranked) < _FEW:
        until = time.monotonic() + _LONG
        for values in known:
            ranked += values.rank_similar(asked)
            if time.monotonic() > until:
                break
    best: dict[tuple[str, str, int], Hit] = {}
    for hit in sorted(ranked, key=lambda one: (one.how, -one.count)):
        best.setdefault((hit.layer.id, hit.field.name, hit.number), hit)
    return [
        {
            "layer": hit.layer.id,
            "layer_title": hit.layer.title,
            "field": hit.field.name,
            "field_title": hit.field.title,
            "value": hit.value,
            "label": hit.label,
            "count": hit.count,
        }
        for hit in list(best.values())[: asked.most]
    ], whole


def _choices(layer: Layer) -> list[Field]:
    return [item for item in layer.listed_fields if item.filter == "choice"]


def _gather_words(layer: Layer, own: Layer) -> _Words:
    texts: list[tuple[int, str, Field | None]] = [(0, own.title, None), (0, layer.title, None)]
    texts += [(1, word, None) for word in (own.theme, layer.theme, *own.keywords)]
    texts += [(2, said, item) for name, item in own.fields.items() for said in (item.title, layer.fields[name].title)]
    texts += [(3, own.description, None)]
    folded = dict.fromkeys((weight, fold(text), item.name if item else "") for weight, text, item in texts if text)
    return _Words(own, tuple((weight, text, own.fields.get(name)) for weight, text, name in folded))
