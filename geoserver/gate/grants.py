"""Grants as JSON: parsed with every mistake named, rendered for lists, and compared by who may hand them on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast, get_args

from geoserver.catalog.access_file import LONGEST_ROWS
from geoserver.catalog.names import near
from geoserver.errors import BadParameterError
from geoserver.filtering import cql2_text, parse_rows
from geoserver.gate.credentials import has_key
from geoserver.model import ANY, Grant, May

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geoserver.model import Layer

__all__ = [
    "check_grant",
    "contains",
    "find_idle",
    "fit_rows",
    "parse_count",
    "parse_expiry",
    "parse_grant",
    "parse_label",
    "render_grant",
]

_MAY = get_args(May)
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOST = 10_000  # names in one grant
_LABEL = 200
_MEMBERS = ("layers", "may", "rows", "fields")


def parse_grant(document: Mapping[str, object]) -> Grant:
    """A grant as JSON has it; raises BadParameterError. Whether it fits the layers `check_grant` looks at."""
    for name in document:
        if name not in _MEMBERS:
            raise BadParameterError("grants", name, "members of " + ", ".join(_MEMBERS))
    layers = _names(document.get("layers"), "layers", f"ids of layers, or {ANY} for all of them")
    if not layers:
        raise BadParameterError("layers", "none", f"ids of layers, or {ANY} for all of them")
    may = _names(document.get("may", ["read"]), "may", "some of " + ", ".join(_MAY))
    if not may or any(item not in _MAY for item in may):
        raise BadParameterError("may", ", ".join(may), "some of " + ", ".join(_MAY))
    rows = document.get("rows", "")  # nothing but an empty text, or none, is all rows
    if not isinstance(rows, str) or len(rows) > LONGEST_ROWS or rows.isspace():
        raise BadParameterError("rows", rows, f"a filter in CQL2 text, of at most {LONGEST_ROWS} characters")
    if has_key(rows):
        raise BadParameterError("rows", rows, "a filter without a key in it: lists of keys and the audit show it")
    fields = _names(document.get("fields", ()), "fields", f"names of restricted fields, or {ANY} for all of them")
    return Grant(frozenset(layers), frozenset(cast("list[May]", may)), rows.strip(), frozenset(fields))


def render_grant(grant: Grant) -> dict[str, object]:
    """The same as JSON."""
    return {
        "layers": sorted(grant.layers),
        "may": [item for item in _MAY if item in grant.may],
        "rows": grant.rows,
        "fields": sorted(grant.fields),
    }


def contains(held: Iterable[Grant], wanted: Grant) -> bool:
    """Whether who holds these may hand this one on: one of them manages all that it gives, and gives no less."""
    return any(
        "manage" in grant.may
        and (ANY in grant.layers or wanted.layers <= grant.layers)
        and wanted.may <= grant.may
        and grant.rows in ("", wanted.rows)
        and (ANY in grant.fields or wanted.fields <= grant.fields)
        for grant in held
    )


def check_grant(grant: Grant, layers: Mapping[str, Layer]) -> None:
    """Raises BadParameterError for a layer that is not there, for a field of none of them that is restricted, and for
    a row filter that does not fit one of them. A grant for all layers may fit some of them alone.
    """
    named = [layers[name] for name in sorted(grant.layers) if name in layers]
    for name in sorted(grant.layers - layers.keys() - {ANY}):
        raise BadParameterError("layers", name, f"ids of layers, or {ANY} for all of them{near(name, list(layers))}")
    if grant.rows:
        _check_syntax(grant.rows)
    if ANY in grant.layers:
        return
    restricted = {name for layer in named for name, item in layer.fields.items() if item.restricted}
    for name in sorted(grant.fields - restricted - {ANY}):
        expected = f"restricted fields of these layers, or {ANY}{near(name, sorted(restricted))}"
        raise BadParameterError("fields", name, expected)
    if grant.rows:
        for layer in named:
            fit_rows(layer, grant.rows)


def find_idle(grant: Grant, layers: Mapping[str, Layer]) -> list[str]:
    """Of which layers that it names the grant shows nothing (more), each in a sentence: no fault, but hardly meant."""
    told = []
    for name in sorted(grant.layers & layers.keys()):
        layer = layers[name]
        if layer.access == "draft" and "manage" not in grant.may:
            told.append(f"{name} is a draft: until it is published only who may manage it sees it")
        elif layer.access == "public" and grant.may == {"read"}:
            restricted = {item.name for item in layer.fields.values() if item.restricted}
            if grant.rows and restricted:
                told.append(f"{name} is public, in all its rows: a grant for some rows shows no restricted field of it")
            elif not restricted & (restricted if ANY in grant.fields else grant.fields):
                told.append(f"{name} is public: the grant shows nothing more of it")
    return told


def fit_rows(layer: Layer, rows: str, srid: int = 4326) -> None:
    """Raises BadParameterError for a filter that is none, or none of this layer's rows."""
    try:
        parse_rows(layer, srid, rows)
    except BadParameterError as error:
        raise BadParameterError("rows", error.value, f"for the layer {layer.id} {error.expected}") from None


def _check_syntax(rows: str) -> None:
    try:
        cql2_text.parse(rows)
    except BadParameterError as error:
        raise BadParameterError("rows", error.value, error.expected) from None


def parse_label(text: str) -> str:
    """What a key is called by people; raises BadParameterError."""
    label = text.strip()
    if has_key(label):
        raise BadParameterError("label", text, "what the key is for, and no key")
    if not label or len(label) > _LABEL or not label.isprintable():
        raise BadParameterError("label", text, f"what the key is for, in 1 to {_LABEL} characters that can be printed")
    return label


def parse_expiry(text: str | None, now: datetime) -> datetime | None:
    """The instant from which a key holds no more: that of a time with an offset, or the end of a day (UTC)."""
    if text is None:
        return None
    expected = "a day such as 2030-12-31, or a time such as 2030-12-31T12:00:00Z, in the future"
    try:
        instant = datetime.fromisoformat(text)
        if _DAY.fullmatch(text):
            instant = instant.replace(tzinfo=UTC) + timedelta(days=1)
        if instant.tzinfo is None or instant <= now:
            raise BadParameterError("expires", text, expected)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadParameterError("expires", text, expected) from None


def parse_count(number: int | None, name: str) -> int | None:
    """How many requests a minute or a day; None for any number."""
    if number is not None and not 1 <= number <= 2**31 - 1:
        raise BadParameterError(name, number, "a whole number of requests, from 1")
    return number


def _names(given: object, member: str, expected: str) -> list[str]:
    if not isinstance(given, Sequence) or isinstance(given, str) or len(given) > _MOST:
        raise BadParameterError(member, given, f"a list of {expected}")
    for item in given:
        if not isinstance(item, str) or not item or len(item) > _LABEL or not item.isprintable():
            raise BadParameterError(member, item, expected)
    return list(dict.fromkeys(given))
