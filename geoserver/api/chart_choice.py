"""Which chart an address asks for, and which one stands where it says nothing: the choices of the page's own chart.

`web/src/chart/spec.ts` makes the same ones in the browser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoserver.api.grouping import parse_groups, parse_measure
from geoserver.database.axes import Areas, Category
from geoserver.database.summaries import read_ranges
from geoserver.errors import BadParameterError
from geoserver.fieldtypes import FIELD_TYPES
from geoserver.filtering import build

if TYPE_CHECKING:
    from geoserver.access import View
    from geoserver.api.grouping import Asking
    from geoserver.database.aggregates import Measure
    from geoserver.database.axes import Group
    from geoserver.database.status import LayerStatus
    from geoserver.model import Field, Layer

__all__ = ["choose_chart", "name_parameter", "parse_chart"]

_FEW_DAYS = 3 * 86_400  # seconds that a layer's time has to span for its course to tell something
_EXPECTED = (
    "FIELD, FIELD:STEP for a time, FIELD:BINS for a number or in:LAYER; a time or a number may be split by a field of"
    " values, as in reported_at:month,category; and ~avg:FIELD (sum, min, max, median) measures instead of counting"
)


async def parse_chart(asking: Asking, layer: Layer, text: str) -> tuple[list[Group], Measure]:
    """Groups and measure, as the page writes them; raises BadParameterError that names `chart`."""
    grouped, tilde, measured = text.partition("~")
    try:
        groups = await parse_groups(asking, layer, grouped)
        measure = parse_measure(layer, measured if tilde else None)
    except BadParameterError as error:
        raise name_parameter(error, text) from error
    if not groups or (len(groups) > 1 and not _can_split(*groups)):
        raise BadParameterError("chart", text, _EXPECTED)
    return groups, measure


def name_parameter(error: BadParameterError, text: str) -> BadParameterError:
    """The same of a parameter that the page's address has."""
    return BadParameterError("chart", text, error.expected) if error.parameter in ("group", "measure") else error


def _can_split(group: Group, by: Group) -> bool:
    return isinstance(by, Category) and not isinstance(group, Category | Areas)


async def choose_chart(view: View, layer: Layer, status: LayerStatus) -> str:
    """The layer's course, if it has one; else its values, else how large it is, else where. Empty where it has no
    field, and no areas to be counted by are there.
    """
    time, values, number = (_find_first(layer, kind) for kind in ("time", "category", "number"))
    told = any(_kind_of(item) == "category" and item.filter == "choice" for item in layer.listed_fields)
    course = time is not None and await _has_course(view, layer, status, time)
    order = [time if course else None, values if told else None, number, values, time]
    first = next((item for item in order if item is not None), None)
    if first is not None:
        return f"{first.name}:auto" if first is time else first.name
    areas = [one.id for one, known in await view.layers() if _is_area(one, known) and one.id != layer.id]
    return f"in:{areas[0]}" if areas else ""


def _kind_of(item: Field) -> str:
    kind = FIELD_TYPES[item.type].kind
    return "category" if kind != "time" and (kind in ("text", "boolean") or item.filter == "choice") else kind


def _find_first(layer: Layer, kind: str) -> Field | None:
    """The layer's own time, then fields that a map can be filtered by."""

    def rank(item: Field) -> int:
        return int(item.name != layer.time) + 2 * int(item.filter in ("none", "search"))

    return min((item for item in layer.listed_fields if _kind_of(item) == kind), key=rank, default=None)


async def _has_course(view: View, layer: Layer, status: LayerStatus, item: Field) -> bool:
    if item.filter != "range":  # the page does not know its ends
        return True
    extent = (await read_ranges(view.services.database, layer, status, [item], build(layer, status)))[item.name]
    return extent is None or extent.high - extent.low >= _FEW_DAYS


def _is_area(layer: Layer, status: LayerStatus) -> bool:
    return layer.geometry == "polygons" and layer.has_rows and bool(status.rows)
