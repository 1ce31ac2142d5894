"""`[live]` of a layer file: how long rows stay, and how old an answer about many of them may be."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geoserver.catalog.names import near
from geoserver.catalog.toml import Part
from geoserver.errors import CatalogError
from geoserver.model import Live

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geoserver.model import Field

__all__ = ["LiveFile", "build_live", "parse_duration"]

_DAY = 86_400.0  # seconds
_AGE = 2.0  # seconds
_OLDEST = 3_600.0  # seconds that `age` may be at most
_LONGEST = 100 * 366 * _DAY  # and `expires`
_UNITS = {
    1.0: ("s", "sec", "secs", "second", "seconds"),
    60.0: ("min", "mins", "minute", "minutes"),
    3_600.0: ("h", "hr", "hrs", "hour", "hours"),
    _DAY: ("d", "day", "days"),
    604_800.0: ("w", "week", "weeks"),
}
_SECONDS = {name: seconds for seconds, names in _UNITS.items() for name in names}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)", re.ASCII)
_ISO = re.compile(
    r"P(?=.)(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", re.ASCII | re.IGNORECASE
)
_EXPECTED = 'a length of time such as "90 s", "15 min", "2 h", "1 h 30 min", "7 days" or "PT15M"'


class LiveFile(Part):
    expires: str | None = None
    field: str | None = None
    age: str | None = None


def parse_duration(text: str) -> float | None:
    """Seconds of "15 min", "1 h 30 min" or "PT15M"; None for what is none. A month and a year are no fixed length."""
    if found := _ISO.fullmatch(text.strip()):
        units = (604_800.0, _DAY, 3_600.0, 60.0, 1.0)
        return sum(float(number) * unit for number, unit in zip(found.groups(), units, strict=True) if number)
    said = text.strip().lower()
    if not said or _PART.sub("", said).strip(" ,"):
        return None
    parts = _PART.findall(said)
    if any(unit not in _SECONDS for _, unit in parts):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def build_live(path: Path, said: LiveFile | None, fields: Mapping[str, Field], time: str) -> Live | None:
    """What `[live]` says; None without it. Raises CatalogError."""
    if said is None:
        return None
    age = _AGE if said.age is None else _read(path, "live.age", said.age, 0.0, _OLDEST)
    if said.expires is None:
        if said.field is not None:
            raise CatalogError(str(path), "live.field", "`expires` beside it: this field tells since when a row counts")
        return Live(age=age)
    expires = _read(path, "live.expires", said.expires, 1.0, _LONGEST)
    return Live(expires, _find_field(path, said.field, fields, time), age)


def _read(path: Path, key: str, text: str, least: float, most: float) -> float:
    seconds = parse_duration(text)
    if seconds is None:
        raise CatalogError(str(path), key, f"{_EXPECTED}; got {text!r}")
    if not least <= seconds <= most:
        longest = f"{most:g} s" if most < _DAY else f"{most / _DAY:,.0f} days"
        raise CatalogError(str(path), key, f"from {least:g} s to {longest}; got {text!r}")
    return seconds


def _find_field(path: Path, said: str | None, fields: Mapping[str, Field], time: str) -> str:
    name = time if said is None else said
    if said is None and not time:
        expected = "a field of type date or timestamp that tells when a row was true, as this file has no `time`"
        raise CatalogError(str(path), "live.field", expected)
    item = fields.get(name)
    if item is None:
        raise CatalogError(str(path), "live.field", f"a declared field; got {name!r}{near(name, list(fields))}")
    if item.type not in ("date", "timestamp"):
        raise CatalogError(str(path), "live.field", f"a field of type date or timestamp; {name!r} is {item.type}")
    if item.time_unit == "year":
        expected = f"a field that tells the day or the moment; {name!r} tells the year alone"
        raise CatalogError(str(path), "live.field", expected)
    return name
