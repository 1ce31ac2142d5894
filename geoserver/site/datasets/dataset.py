"""The page of one dataset: what of it is told, in which words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from geoserver.database.summaries import show_range

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from geoserver.formats import Subject
    from geoserver.formats.listing import Download
    from geoserver.model import Field
    from geoserver.site.datasets.known import Known
    from geoserver.site.phrases import Phrases

__all__ = [
    "Bar",
    "Chart",
    "FieldRow",
    "FileRow",
    "Load",
    "Note",
    "build_charts",
    "build_fields",
    "build_files",
    "build_loads",
    "build_notes",
    "find_period",
]

_CHARTS = 4  # fields whose values are drawn
_BARS = 8  # values of each
_TELLING = 0.1  # share of the rows that these have to have


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A line in the table of fields."""

    field: Field
    type: str
    range: str
    labels: tuple[tuple[str, str], ...]
    is_latest: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that can be had; `hint` says what it is good for, `limits` what it cannot hold."""

    of: Subject
    title: str
    hint: str
    href: str
    size: str
    limits: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A value and how many rows have it; `share` is its width in per cent of the longest, 0 for what is beyond it."""

    label: str
    count: str
    percent: str
    share: float
    rest: bool = False  # stands for what has no bar of its own


@dataclass(frozen=True, slots=True)
class Chart:
    """The most frequent values of a field."""

    field: Field
    bars: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Note:
    """What was changed in rows that were kept, or why others were not; `field` is None for the geometry."""

    what: str
    language: str
    count: str
    example: str = ""
    field: Field | None = None


@dataclass(frozen=True, slots=True)
class Load:
    """A line in the history."""

    moment: Any
    day: str
    read: str
    rows: str
    rejected: str
    changed: str
    reasons: tuple[Note, ...]
    is_clean: bool


def find_period(known: Known, phrases: Phrases) -> str:
    """From the first day to the last one of the layer's time, as far as it is known."""
    extent = known.ranges.get(known.layer.time)
    if extent is None:
        return ""
    ends = show_range(known.layer.fields[known.layer.time], extent)
    return phrases.span(*(phrases.when(str(ends[end]).partition("T")[0]) for end in ("min", "max")))


def build_fields(known: Known, phrases: Phrases) -> list[FieldRow]:
    return [
        FieldRow(
            item,
            phrases[f"type_{item.type}"],
            _describe_range(item, known, phrases),
            tuple((value, label) for value, label in item.labels.items() if value != label),
            item.latest,
        )
        for item in known.layer.fields.values()
    ]


def _describe_range(item: Field, known: Known, phrases: Phrases) -> str:
    if (extent := known.ranges.get(item.name)) is None:
        return ""
    ends = show_range(item, extent)
    return phrases.span(*(phrases.value(item, ends[end]) for end in ("min", "max")))


def build_files(downloads: Iterable[Download], phrases: Phrases) -> list[FileRow]:
    """The files in the reader's language; a table with its numbers as they are written there, and plain, too."""
    rows: list[FileRow] = []
    for file in downloads:
        size = phrases.say("about_size", size=phrases.bytes(file.bytes)) if file.bytes else ""
        key = file.format.partition(".")[0]
        keys = [key, f"{key}_plain"] if file.of == "features" else [key]
        for each in keys:
            title, hint = phrases.file(each)
            if each == key or title:
                told = (title or file.title, hint) if file.of == "features" else (file.title, "")
                href = f"{file.href}?lang={phrases.language}" if each == key else file.href
                rows.append(FileRow(file.of, *told, href, size, " ".join(file.limits)))
    return rows


def build_charts(known: Known, phrases: Phrases) -> list[Chart]:
    """The values of the fields to choose from, where a few of them say something about the rows."""
    charts: list[Chart] = []
    for name, counts in known.choices.items():
        if len(charts) < _CHARTS and _is_telling(counts, known.status.rows):
            item = known.layer.fields[name]
            charts.append(Chart(item, tuple(_build_bars(item, counts, known.status.rows, phrases))))
    return charts


def _is_telling(counts: Sequence[Mapping[str, Any]], total: int) -> bool:
    """Not of names, which each row has its own, nor of hundreds of values, none of which many rows have."""
    most = sorted((row["count"] for row in counts if row["value"] is not None), reverse=True)[:_BARS]
    return len(counts) > 1 and max(most, default=0) > 1 and sum(most) >= _TELLING * total


def _build_bars(item: Field, counts: Sequence[Mapping[str, Any]], total: int, phrases: Phrases) -> Iterator[Bar]:
    named = [row for row in counts if row["value"] is not None]
    missing = sum(row["count"] for row in counts if row["value"] is None)
    shown = named[:_BARS] if len(named) > _BARS + 1 else named
    others = max(total - missing - sum(row["count"] for row in shown), 0)
    most = max(row["count"] for row in named)

    def build(label: str, count: int, *, rest: bool = False) -> Bar:
        share = round(100 * count / most, 1) if count <= most else 0.0
        return Bar(label, phrases.number(count), phrases.percent(count, total), share, rest)

    yield from (build(phrases.value(item, row["value"]), row["count"]) for row in shown)
    if others:
        yield build(phrases["others"], others, rest=True)
    if missing:
        yield build(phrases["no_value"], missing, rest=True)


def build_notes(known: Known, phrases: Phrases) -> list[Note]:
    """What the last load changed in rows that it kept."""
    fields = known.layer.fields
    return [
        Note(*phrases.sentence(note["what"]), phrases.number(note["count"]), note["example"], fields.get(note["field"]))
        for note in known.notes
    ]


def build_loads(known: Known, phrases: Phrases) -> list[Load]:
    fields = known.layer.fields.values()
    return [_build_load(load, fields, phrases) for load in known.loads]


def _build_load(load: Mapping[str, Any], fields: Iterable[Field], phrases: Phrases) -> Load:
    read, rows, rejected, changed = (phrases.number(load[name]) for name in ("read", "rows", "rejected", "changed"))
    reasons = tuple(
        Note(*phrases.sentence(reason, fields), phrases.number(count)) for reason, count in load["reasons"].items()
    )
    clean = not load["rejected"] and not load["changed"]
    return Load(load["at"], phrases.day(load["at"].date()), read, rows, rejected, changed, reasons, clean)
