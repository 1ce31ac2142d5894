"""Addresses of our own pages that others hold: which page it is, what it shows, and the widget of the same."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from geoserver.mapstates import MapState, parse_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

__all__ = ["Linked", "read_link", "write_stated"]

_LONGEST = 8_000  # characters of an address; browsers and servers take no longer ones either
# Parameters of the page that a server has no use for, and a widget has; and those of the widget alone.
_VIEW = {
    "select": re.compile(r"[^/]+/\d{1,16}", re.ASCII),
    "tab": re.compile(r"chart|table"),
    "of": re.compile(r".+"),
    "chart": re.compile(r"[\w:,~-]{1,200}", re.ASCII),
    "sort": re.compile(r"-?\w+(,-?\w+){0,7}", re.ASCII),
    "columns": re.compile(r"\w+(,\w+)*", re.ASCII),
    "bar": re.compile(r"time"),
}
_WIDGET = ("show", "title", "hide", "filters", "gestures", "id")
_TABS = ("chart", "table")
_PORTS = {"http": ":80", "https": ":443"}
_PAGES = (
    ("map", re.compile(r"/?")),
    ("embed", re.compile(r"/embed/?")),
    ("layer", re.compile(r"/layers/([^/]+)/?")),
    ("frozen", re.compile(r"/frozen/([A-Za-z0-9_-]{1,100})(?:/|/index\.html)?")),
)

type Kind = Literal["map", "embed", "layer", "frozen"]


@dataclass(frozen=True, slots=True)
class Linked:
    """A page of ours; `name` is the layer's or the frozen map's, `also` what it says beside the map's state."""

    kind: Kind
    state: MapState
    name: str = ""
    also: tuple[tuple[str, str], ...] = ()

    @property
    def title(self) -> str | None:
        """What the widget is headed with; None where the layers' titles are."""
        return next((text for name, text in self.also if name == "title"), None)

    @property
    def widget(self) -> str:
        """The address of the widget that shows the same, relative to the site."""
        if self.kind == "frozen":
            return f"embed?frozen={quote(self.name)}"
        said = dict(self.also)
        also = list(self.also)
        if self.kind == "map" and said.get("tab") in _TABS:
            also.append(("show", f"map,{said['tab']}"))
        return "embed" + self.state.query(also=also)


def read_link(url: str, site: str) -> Linked | None:
    """What an address says that is under `site`; None for one that is not a page of ours."""
    try:
        parts, own = urlsplit(url.strip()), urlsplit(site)
        at = (parts.scheme.lower(), _host(parts.scheme, parts.netloc))
    except ValueError:
        return None
    if len(url) > _LONGEST or at[0] not in _PORTS or at[1] != _host(own.scheme, own.netloc):
        return None
    if not parts.path.startswith(own.path):
        return None
    path = parts.path[len(own.path) :]
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    for kind, pattern in _PAGES:
        if found := pattern.fullmatch(path):
            return _read(kind, unquote(found[1]) if found.groups() else "", pairs, parts.fragment)  # type: ignore[arg-type]
    return None


def _read(kind: Kind, name: str, pairs: list[tuple[str, str]], fragment: str) -> Linked:
    frozen = dict(pairs).get("frozen", "")
    if kind == "embed" and re.fullmatch(r"[A-Za-z0-9_-]{1,100}", frozen):
        return Linked("frozen", parse_state([]), frozen)
    if kind == "layer":
        spoken = [(key, text) for key, text in pairs if key == "lang"]
        return Linked(kind, parse_state([("layers", name), *spoken]), name)
    if kind == "frozen":
        return Linked(kind, parse_state([]), name)
    return Linked(kind, parse_state(pairs, fragment), also=_list_also(kind, pairs))


def _list_also(kind: Kind, pairs: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Of what is given twice the first holds."""
    said: dict[str, str] = {}
    for name, text in pairs:
        if (name in _VIEW and _VIEW[name].fullmatch(text)) or (kind == "embed" and name in _WIDGET):
            said.setdefault(name, text)
    return tuple(said.items())


def write_stated(state: MapState, shown: Collection[str], pairs: Iterable[tuple[str, str]]) -> tuple[MapState, str]:
    """A map's state as far as it tells of the layers that are `shown`, and the same as a query of the page, of which
    `pairs` are the parameters; empty where nothing is said.
    """
    filters = {name: text for name, text in state.filters.items() if name in shown}
    known = replace(state, layers=tuple(shown) if state.layers is not None else None, filters=filters)
    also = [pair for pair in _list_also("map", pairs) if _tells_of(pair, shown)]
    return known, known.query(also=also) if shown else ""


def _tells_of(pair: tuple[str, str], shown: Collection[str]) -> bool:
    name, text = pair
    return name not in ("select", "of") or text.partition("/")[0] in shown


def _host(scheme: str, netloc: str) -> str:
    return netloc.rpartition("@")[2].lower().removesuffix(_PORTS.get(scheme.lower(), ""))
