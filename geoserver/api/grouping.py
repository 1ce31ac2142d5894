"""What the parameters `group` and `measure` of an aggregate mean, for a layer as its reader sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geoserver.catalog.labels import list_fields
from geoserver.catalog.languages import in_language
from geoserver.database.aggregates import MEASURED, Measure
from geoserver.database.axes import RECURRENCES, Areas, Category, Numbers, Recurring, Source, Times
from geoserver.database.buckets import UNITS
from geoserver.database.steady import hold
from geoserver.errors import BadParameterError, NotFoundError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import build

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geoserver.access import View
    from geoserver.database.axes import Group
    from geoserver.model import Field, Layer

__all__ = ["AUTO_BINS", "MOST_BINS", "Asking", "parse_groups", "parse_measure"]

AUTO_BINS, MOST_BINS = 20, 1_000
_MOST_GROUPS = 2
_MOST_COMMAS = 64  # names of fields may hold some; each is another way to read a text
_IN = "in"
_SHAPES = ("POLYGON", "MULTIPOLYGON")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks, in which languages, and how many values of a field they want."""

    view: View
    languages: tuple[str, ...]
    limit: int


async def parse_groups(asking: Asking, layer: Layer, text: str | None) -> list[Group]:
    """At most two groups with a comma between, as a name may hold one too; raises BadParameterError."""
    if text is None:
        return []
    failure: BadParameterError | None = None
    if text.count(",") > _MOST_COMMAS:
        raise BadParameterError("group", text, f"at most {_MOST_GROUPS} groups, with a comma between")
    for parts in _split(text):
        try:
            groups = [await _parse_group(asking, layer, part, at) for at, part in enumerate(parts)]
        except BadParameterError as error:
            failure = failure or error
            continue
        if len(groups) > 1 and parts[0] == parts[1]:
            raise BadParameterError("group", text, "two groups that differ")
        return groups
    raise failure or BadParameterError("group", text, f"at most {_MOST_GROUPS} groups, with a comma between")


def _split(text: str) -> Iterator[list[str]]:
    """The ways to read it, the most likely first."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) <= _MOST_GROUPS:
        yield parts
    for at in range(len(parts)):
        ways = [",".join(parts[:at]), ",".join(parts[at:])]
        if len(parts) > 1 and (at != 1 or len(parts) > _MOST_GROUPS):
            yield [way for way in ways if way]


async def _parse_group(asking: Asking, layer: Layer, text: str, at: int) -> Group:
    if (item := layer.fields.get(text)) is not None:
        return _choose_group(asking, item)
    name, _, how = text.rpartition(":")
    if name == _IN:
        return await _find_areas(asking, how, at)
    if (item := layer.fields.get(name)) is None:
        expected = f"one of the fields {', '.join(layer.fields)}, or in: and a layer of polygons"
        raise BadParameterError("group", text, expected)
    match FIELD_TYPES[item.type].kind:
        case "time":
            return _parse_time(item, text, how)
        case "number":
            return Numbers(item, _parse_bins(text, how))
    raise BadParameterError("group", text, f"{name} without a colon: its values are no times or numbers")


def _choose_group(asking: Asking, item: Field) -> Group:
    """A field by itself: by its values where there are some to choose from, else by its range."""
    kind = FIELD_TYPES[item.type].kind
    if item.filter == "choice" or kind in ("text", "boolean"):
        return Category(item, asking.limit)
    return Times(item, None) if kind == "time" else Numbers(item, AUTO_BINS)


def _parse_time(item: Field, text: str, how: str) -> Group:
    whole_days = FIELD_TYPES[item.type].column == "date"
    units = [unit for unit in UNITS if not (whole_days and unit == "hour")]
    recurring = [unit for unit in RECURRENCES if not (whole_days and unit == "hour-of-day")]
    for unit in units:
        if unit == how:
            return Times(item, unit)
    for recurrence in recurring:
        if recurrence == how:
            return Recurring(item, recurrence)
    if how == "auto":
        return Times(item, None)
    raise BadParameterError("group", text, f"{item.name}: and one of {', '.join(['auto', *units, *recurring])}")


def _parse_bins(text: str, how: str) -> int:
    if how == "auto":
        return AUTO_BINS
    if not (how.isascii() and how.isdigit() and len(how) <= len(str(MOST_BINS)) and 1 <= int(how) <= MOST_BINS):
        raise BadParameterError("group", text, f"auto, or a number of bins from 1 to {MOST_BINS:,}")
    return int(how)


async def _find_areas(asking: Asking, layer_id: str, at: int) -> Areas:
    try:
        found, current = await asking.view.layer(layer_id)
    except NotFoundError as error:
        raise BadParameterError("group", f"in:{layer_id}", f"in: and {error.expected}") from error
    status = hold(asking.view.services.database, found, current)
    is_shaped = found.has_rows and (found.geometry == "polygons" or status.geometry_type in _SHAPES)
    if not is_shaped:
        raise BadParameterError("group", f"in:{layer_id}", "in: and a layer of polygons")
    layer = in_language(found, asking.languages)
    names = tuple(layer.fields[name] for name in list_fields(layer.label) if name in layer.fields)
    return Areas(Source(layer, status, build(found, status, prefix=f"a{at}_")), names)


def parse_measure(layer: Layer, text: str | None) -> Measure:
    """`count`, or what is measured of which number; raises BadParameterError."""
    if text is None or text == "count":
        return Measure()
    of, _, name = text.partition(":")
    numbers = {item.name: item for item in layer.fields.values() if FIELD_TYPES[item.type].kind == "number"}
    for one in MEASURED:
        if one == of and name in numbers:
            return Measure(one, numbers[name])
    fields = ", ".join(numbers) or "(none: this layer has no numbers)"
    expected = f"count, or one of {', '.join(MEASURED)}, a colon and one of the numbers {fields}"
    raise BadParameterError("measure", text, expected)
