"""What `api.aggregate` counted, as a chart shows it: places along an axis, series, and a number for each pair.

`web/src/chart/model.ts` makes the same of it for the page's own chart.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

from babel import Locale
from babel.dates import format_date, format_skeleton, get_day_names, get_month_names
from babel.numbers import format_decimal, format_scientific

from geoserver.api.chart_svg import Drawing, Place, Series
from geoserver.catalog.languages import page_words, read_messages
from geoserver.styling import list_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from geoserver.model import Layer

__all__ = ["build_drawing"]

_OTHERS, _NONE = -1, -2
_MOST_COLOURS = 7
_PAINTS = (
    ("#33608c", "#7fb0dc"),
    ("#c2562d", "#f0936f"),
    ("#2f8a5b", "#79c79a"),
    ("#8a5a9e", "#c79adb"),
    ("#a67c00", "#e0bd55"),
    ("#1f8f9c", "#6ed0d8"),
)
_REST = ("#9aa1a6", "#7c858c")
_PAPER = re.compile(r"#(?:f[0-9a-f]){3}", re.IGNORECASE)
_LONG = 1e15  # from here on a number is written with its power of ten
_STEPS = {"month": "yMMM", "quarter": "yQQQ", "year": "y", "decade": "y", "century": "y", "millennium": "y"}


def build_drawing(
    counted: Mapping[str, Any],
    layer: Layer,
    legend: Sequence[Mapping[str, Any]],
    look: tuple[tuple[int, int], str],
    languages: tuple[str, ...],
) -> Drawing:
    """`counted` is the document of an aggregate, `layer` in the reader's language, and `look` size and theme."""
    words = page_words(languages)
    said, locale = read_messages("charts", words.code), _find_locale(words.code)
    group, *more = counted["groups"]
    stacks = counted["measure"]["of"] in ("count", "sum")
    places = _list_places(group, locale)
    found = {cell[0] for cell in counted["cells"]}
    others = said["others"].format(count=_write(group.get("others", 0), locale)) if group.get("others") else words.other
    if group.get("kind") == "category":
        places += [Place(others, _OTHERS)] if _OTHERS in found else []
        places += [Place(words.missing, _NONE)] if _NONE in found else []
    series, series_of = _list_series(more[0], legend, counted, words.other, stacks=stacks) if more else ([Series()], {})
    row_of = {place.key: at for at, place in enumerate(places)}
    empty = 0.0 if stacks else None
    cells: list[list[float | None]] = [[empty] * len(series) for _ in places]
    outside = 0.0
    for cell in counted["cells"]:
        value, at = cell[-1], row_of.get(cell[0])
        column = series_of.get(cell[1]) if more else 0
        if at is None:
            outside += value if stacks else 0
        elif column is not None:
            cells[at][column] = (cells[at][column] or 0) + value if stacks else value
    if group.get("kind") == "area":
        order = sorted(range(len(places)), key=lambda at: _total(cells[at]), reverse=True)
        places, cells = [places[at] for at in order], [cells[at] for at in order]
    source = [layer.title, layer.attribution]
    if outside:
        without = said["outside_area" if group.get("kind") == "area" else "outside"]
        source.append(f"{without} {_write(outside, locale)}")
    return Drawing(
        size=look[0],
        theme=look[1],
        title=_write_title(counted, layer, said, words.code),
        source=" · ".join(filter(None, source)),
        empty=said["empty"],
        places=places,
        series=series,
        cells=cells,
        along=group.get("kind") in ("time", "number"),
        stacks=stacks,
        write=lambda value: _write(value, locale),
        write_others=lambda count: said["others"].format(count=_write(count, locale)),
    )


def _total(row: Sequence[float | None]) -> float:
    known = [value for value in row if value is not None]
    return sum(known) if known else float("-inf")


def _write(value: float, locale: Locale) -> str:
    if abs(value) >= _LONG:
        return str(format_scientific(value, locale=locale))
    return str(format_decimal(float(f"{value:.4g}") if value % 1 else value, locale=locale))


def _write_title(counted: Mapping[str, Any], layer: Layer, said: Mapping[str, str], language: str) -> str:
    group, *more = counted["groups"]
    measure = counted["measure"]
    noun = layer.nouns or read_messages("pages", language)["rows"]
    what = (
        said["of_count"].format(noun=noun)
        if measure["of"] == "count"
        else said[f"of_{measure['of']}"].format(field=_name(measure))
    )
    key = f"by_{group.get('bucket')}" if group.get("kind") == "time" else f"by_{group.get('kind')}"
    by = said.get(key, said["by"]).format(field=_name(group))
    if more:
        return said["title_two"].format(measure=what, by=by, field=more[0].get("title", ""))
    return said["title"].format(measure=what, by=by)


def _name(of: Mapping[str, Any]) -> str:
    title = str(of.get("title", ""))
    return f"{title} ({of['unit']})" if of.get("unit") else title


def _list_places(group: Mapping[str, Any], locale: Locale) -> list[Place]:
    kind = group.get("kind", "area")
    if kind == "number":
        return [Place(_write(edge, locale), key) for key, edge in enumerate(group["edges"][:-1])]
    if kind != "time":
        return [Place(str(label), key) for key, label in enumerate(group["labels"])]
    parts = group.get("incomplete", ())
    step = str(group.get("bucket"))
    return [Place(_write_moment(value, step, locale), key, value in parts) for key, value in enumerate(group["values"])]


def _write_moment(value: Any, step: str, locale: Locale) -> str:
    if step == "weekday":
        return str(get_day_names("abbreviated", "stand-alone", locale)[int(value) - 1])
    if step == "month-of-year":
        return str(get_month_names("abbreviated", "stand-alone", locale)[int(value)])
    if step == "hour-of-day":
        return f"{int(value):02}:00"
    text = str(value)
    try:
        day = dt.date.fromisoformat(text[:10])
    except ValueError:
        return text
    if step in _STEPS:
        return str(format_skeleton(_STEPS[step], dt.datetime(day.year, day.month, day.day), locale=locale))
    return text[:16].replace("T", " ") if step == "hour" else str(format_date(day, "medium", locale=locale))


def _list_series(
    group: Mapping[str, Any],
    legend: Sequence[Mapping[str, Any]],
    counted: Mapping[str, Any],
    rest: str,
    *,
    stacks: bool,
) -> tuple[list[Series], dict[int, int]]:
    """Values in the colours of the layer's legend, several in one where it says so; else the most frequent."""
    values = [*group["values"]]
    drawn = _read_legend(legend, group)
    if drawn and not stacks and any(len(own) > 1 for own, _ in drawn):
        drawn = None
    listed = drawn or [([value], paint) for value, paint in zip(values, _PAINTS, strict=False)]
    label_of = dict(zip(values, group["labels"], strict=True))
    series = [Series(", ".join(str(label_of[value]) for value in own), *paint) for own, paint in listed]
    place_of = {value: at for at, (own, _) in enumerate(listed) for value in own}
    series_of = {key: place_of[value] for key, value in enumerate(values) if value in place_of}
    left = {cell[1] for cell in counted["cells"]} - series_of.keys()
    # Averages of several cannot be one: what is left over is told where it is one alone, or can be added up.
    if left and (stacks or len(left) == 1):
        series_of |= dict.fromkeys(left, len(series))
        series.append(Series(rest, *_REST))
    return series, series_of


def _read_legend(
    legend: Sequence[Mapping[str, Any]], group: Mapping[str, Any]
) -> list[tuple[list[Any], tuple[str, str]]] | None:
    """If it is about this field and names what is most frequent: else grey would be most of it."""
    values = group["values"]
    listed = [*_list_entries(legend, group)]
    known = [value for own, _ in listed for value in own]
    whole = not group.get("others") and all(value in known for value in values)
    if not 1 < len(listed) <= _MOST_COLOURS - (not whole) or values[0] not in known:
        return None
    # One colour for two entries, told apart by their size or outline on the map, is none for a chart.
    return listed if len({light for _, (light, _) in listed}) == len(listed) else None


def _list_entries(
    legend: Sequence[Mapping[str, Any]], group: Mapping[str, Any]
) -> Iterator[tuple[list[Any], tuple[str, str]]]:
    for entry in legend:
        told = list_values(entry) if entry.get("title") == group["title"] else []
        own = [value for value in told if value in group["values"]]
        if own:
            light, stroke = str(entry.get("color", "")), entry.get("stroke")
            light = str(stroke) if stroke and _PAPER.fullmatch(light) else light
            light = "#b9bec2" if _PAPER.fullmatch(light) else light
            yield own, (light, str(entry.get("dark", {}).get("color", light)))


def _find_locale(language: str) -> Locale:
    return Locale.parse("en_GB" if language == "en" else language)
