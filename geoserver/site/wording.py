"""What a map shows, in words: which layers, what narrows them, and how many rows that leaves."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import TYPE_CHECKING
from urllib.parse import quote

import orjson

from geoserver.catalog.languages import in_language
from geoserver.errors import BadParameterError
from geoserver.filtering import cql2_text
from geoserver.filtering.syntax import Call, Instant, Literal, Node, Property
from geoserver.site.phrases import find_phrases

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from geoserver.database.status import LayerStatus
    from geoserver.fieldtypes import Scalar
    from geoserver.mapstates import MapState
    from geoserver.model import Field, Layer
    from geoserver.site.phrases import Phrases

__all__ = ["Ask", "Shown", "describe_counts", "describe_filter", "entitle", "list_shown"]

_NAMED = 3  # layers and values that are named before the rest is counted
_SHORT = 300  # characters of a filter that are read at once (see geoserver.questions)
_LONGEST = 160  # characters of a title
_PATIENCE = 0.4  # seconds in which a count must be there

type Shown = tuple[Layer, LayerStatus]
type Ask = Callable[[str], Awaitable[bytes]]


def list_shown(layers: Sequence[Shown], state: MapState) -> list[Shown]:
    """The layers that a map shows, of those that its reader may see; in the order of display."""
    data = [found for found in layers if not found[0].basemap]
    if state.layers is None:
        return [found for found in data if found[0].visible] or data[:1]
    return [found for found in data if found[0].id in state.layers]


def entitle(shown: Sequence[Shown], state: MapState, language: str, otherwise: str) -> str:
    """ "Reported crime: Burglary, 2024"; of many layers what the city's map is called."""
    phrases = find_phrases(language)
    layers = [in_language(layer, (language,)) for layer, _ in shown]
    shared = [*_describe_time(state, phrases), *([phrases["area_chosen"]] if state.area else [])]
    if not layers or len(layers) > _NAMED:
        return _join(otherwise, shared, phrases)
    told = [(layer.title, describe_filter(state.filters.get(layer.id, ""), layer, phrases)) for layer in layers]
    if len(told) == 1:
        return _join(told[0][0], [*told[0][1], *shared], phrases)
    names = [f"{title} ({', '.join(parts)})" if parts else title for title, parts in told]
    return _join(phrases.listing(names), shared, phrases)


def _join(title: str, parts: Sequence[str], phrases: Phrases) -> str:
    text = phrases.say("titled", title=title, parts=", ".join(parts)) if parts else title
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def describe_filter(text: str, layer: Layer, phrases: Phrases) -> list[str]:
    """A layer's own filter, part by part; of one that says more than controls of the page do, that there is one."""
    if not text.strip():
        return []
    try:
        if len(text) > _SHORT:
            return [phrases["filtered"]]
        tree = cql2_text.parse(text)
    except BadParameterError:
        return [phrases["filtered"]]
    clauses = tree.args if isinstance(tree, Call) and tree.op == "and" else (tree,)
    said = [_describe_clause(clause, layer, phrases) for clause in _join_ranges(clauses)]
    return [part for part in said if part] if all(said) else [phrases["filtered"]]


def _join_ranges(clauses: Sequence[Node]) -> list[Node]:
    """Both ends of a range as one clause, where the first of them stands."""
    joined: dict[str, Node] = {}
    for number, clause in enumerate(clauses):
        match clause:
            case Call(">=" | ">", (Property(name), (Literal() | Instant()) as low)):
                joined[f"range {name}"] = _range(joined.get(f"range {name}"), name, low=low)
            case Call("<=" | "<" as op, (Property(name), (Literal() | Instant()) as high)):
                ends = _step_back(high) if op == "<" and isinstance(high, Instant) else high
                joined[f"range {name}"] = _range(joined.get(f"range {name}"), name, high=ends)
            case Call("between", (Property(name), low, high)):
                joined[f"range {name}"] = Call("range", (Property(name), low, high))
            case _:
                joined[str(number)] = clause
    return list(joined.values())


_OPEN = Literal("")


def _range(before: Node | None, name: str, low: Node = _OPEN, high: Node = _OPEN) -> Call:
    if isinstance(before, Call):
        _, lower, upper = before.args
        low, high = (lower if low == _OPEN else low), (upper if high == _OPEN else high)
    return Call("range", (Property(name), low, high))


def _step_back(end: Instant) -> Instant:
    """The last day before the moment that a range ends at."""
    before = (
        end.first - dt.timedelta(microseconds=1) if end.first > dt.datetime.min.replace(tzinfo=dt.UTC) else end.first
    )
    return Instant(before, before)


def _describe_clause(clause: Node, layer: Layer, phrases: Phrases) -> str:
    """Empty for what has no plain words."""
    match clause:
        case Call("range", (Property(name), low, high)) if name in layer.fields:
            return _describe_range(layer.fields[name], layer, low, high, phrases)
        case Call("like", (Call("casei", (Property(name),)), Call("casei", (Literal(str() as text),)))):
            return _describe_text(layer, name, text)
        case Call("=" | "in" | "isNull" | "or"):
            found = _list_values(clause)
            names = {name for name, _ in found or []}
            if not found or len(names) != 1 or (name := names.pop()) not in layer.fields:
                return ""
            return _describe_values(layer.fields[name], [value for _, value in found], phrases)
    return ""


def _describe_text(layer: Layer, name: str, text: str) -> str:
    plain = text.strip("%").replace("\\", "")
    return f"{layer.fields[name].title}: “{plain}”" if name in layer.fields and plain else ""


def _list_values(clause: Node) -> list[tuple[str, Scalar | None]] | None:
    """The values of a choice with the name of its field; None for what is none."""
    match clause:
        case Call("=", (Property(name), Literal(value))):
            return [(name, value)]
        case Call("isNull", (Property(name),)):
            return [(name, None)]
        case Call("in", (Property(name), *values)):
            literals: list[tuple[str, Scalar | None]] = [
                (name, value.value) for value in values if isinstance(value, Literal)
            ]
            return literals if len(literals) == len(values) else None
        case Call("or", parts):
            found = [_list_values(part) for part in parts]
            return [pair for each in found if each for pair in each] if all(found) else None
    return None


def _describe_values(field: Field, values: Sequence[Scalar | None], phrases: Phrases) -> str:
    text = ", ".join(phrases.value(field, value) for value in values[:_NAMED])
    text += f" +{len(values) - _NAMED}" if len(values) > _NAMED else ""
    plain = all(isinstance(value, str) and value for value in values)
    return text if plain else f"{field.title}: {text}"


def _describe_range(field: Field, layer: Layer, low: Node, high: Node, phrases: Phrases) -> str:
    if isinstance(low, Instant) or isinstance(high, Instant):
        first = low.first.date() if isinstance(low, Instant) else None
        last = high.last.date() if isinstance(high, Instant) else None
        text = _describe_days(first, last, phrases)
        return text if field.name == layer.time else f"{field.title}: {text}"
    unit = f" {field.unit}" if field.unit else ""
    ends = [phrases.value(field, end.value) if isinstance(end, Literal) and end != _OPEN else "" for end in (low, high)]
    if all(ends):
        return f"{field.title} {phrases.span(*ends)}{unit}"
    return f"{field.title} {'≥' if ends[0] else '≤'} {ends[0] or ends[1]}{unit}"


def _describe_time(state: MapState, phrases: Phrases) -> list[str]:
    if not state.time:
        return []
    ends = [None if text == ".." else dt.date.fromisoformat(text) for text in state.time.split("/")]
    return [_describe_days(ends[0], ends[1], phrases)]


def _describe_days(first: dt.date | None, last: dt.date | None, phrases: Phrases) -> str:
    if first is None or last is None:
        day = phrases.day(first or last or dt.date.min)
        return phrases.say("since" if first else "until", date=day)
    years = (first.month, first.day) == (1, 1) and (last.month, last.day) == (12, 31)
    return (
        phrases.span(str(first.year), str(last.year)) if years else phrases.span(phrases.day(first), phrases.day(last))
    )


async def describe_counts(shown: Sequence[Shown], state: MapState, language: str, ask: Ask) -> str:
    """ "308 of 60,000 reports"; with the layer's name where there are several, and nothing of one whose count is late.

    `ask` gives the body of our own answer at an address, as the reader gets it; empty where there is none.
    """
    if len(shown) > _NAMED:
        return ""
    phrases = find_phrases(language)
    found = await asyncio.gather(*(_count(layer, status, state, ask) for layer, status in shown))
    said = []
    for (layer, status), count in zip(shown, found, strict=True):
        if count is None:
            continue
        spoken = in_language(layer, (language,))
        rows = phrases.rows(spoken, status.rows)
        text = rows if count == status.rows else phrases.say("some_of", count=phrases.number(count), rows=rows)
        said.append(text if len(shown) == 1 else phrases.say("titled", title=spoken.title, parts=text))
    return "; ".join(said)


async def _count(layer: Layer, status: LayerStatus, state: MapState, ask: Ask) -> int | None:
    """How many rows are left; None where nobody knows in time."""
    if not layer.has_rows:
        return None
    question = state.question(layer)
    if not question:
        return status.rows
    try:
        async with asyncio.timeout(_PATIENCE):
            body = await ask(f"api/layers/{quote(layer.id)}/summary?fields=&filter={quote(question, safe='')}")
    except TimeoutError:
        return None
    count = orjson.loads(body).get("count") if body else None
    return count if isinstance(count, int) else None
