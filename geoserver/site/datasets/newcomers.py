"""The feed of a filter: rows of one layer that are new under it, each with a link to its place on the map."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geoserver.catalog.labels import title_feature
from geoserver.catalog.languages import in_language
from geoserver.errors import BadParameterError
from geoserver.mapstates import Camera, MapState, parse_state
from geoserver.site.datasets.feeds import Entry, Feed
from geoserver.site.wording import entitle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from geoserver.database.newcomers import Newcomer
    from geoserver.database.status import LayerStatus
    from geoserver.model import Layer
    from geoserver.site.datasets.pages import Dress
    from geoserver.site.phrases import Phrases

__all__ = ["MOST", "Followed", "read_followed"]

MOST = 100  # rows in a feed
_TOLD = 8  # fields of a row
_LONGEST = 300  # characters of a value
_NEAR = 16  # zoom at which a row is shown
_EXPECTED = {
    "time": "start/end as YYYY-MM-DD, with .. for an open end",
    "area": "an area as the page writes it: west,south,east,north, circle:lon,lat,metres, feature:layer/id or corners",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """A layer, and what narrows it."""

    layer: Layer
    status: LayerStatus
    state: MapState

    @property
    def question(self) -> str:
        return self.state.question(self.layer)

    def build_feed(self, newcomers: Sequence[Newcomer], dress: Dress) -> Feed:
        """The feed in the reader's language."""
        phrases, site = dress.phrases, dress.links.site
        spoken = in_language(self.layer, (phrases.language,))
        return Feed(
            self.entitle(phrases),
            dress.city.publisher or dress.city.title,
            self.address(site),
            f"{site}/{self.state.query('layers', 'time', 'area', 'lang')}",
            phrases.language,
            [self._build_entry(one, spoken, dress) for one in newcomers],
            self.status.changed_at,
        )

    def entitle(self, phrases: Phrases) -> str:
        """ "New: Reported crime: Burglary"."""
        spoken = in_language(self.layer, (phrases.language,))
        title = entitle([(self.layer, self.status)], self.state, phrases.language, spoken.title)
        return phrases.say("new_in", title=title)

    def address(self, site: str) -> str:
        """Of the feed."""
        return f"{site}/layers/{self.layer.id}/changes.atom{self._query()}"

    def _query(self) -> str:
        """What is asked, as this address says it, without the layer's name."""
        pairs = self.state.pairs("time", "area", "lang")
        bare = replace(self.state, filters={}, time="", area="", language="", layers=None)
        return bare.query(
            "time", also=[("filter" if name.startswith("filter.") else name, text) for name, text in pairs]
        )

    def _build_entry(self, one: Newcomer, spoken: Layer, dress: Dress) -> Entry:
        phrases, site = dress.phrases, dress.links.site
        name = f"{spoken.noun or spoken.title} {one.fid}"
        at = self.state if one.place is None else replace(self.state, camera=Camera(_NEAR, one.place[1], one.place[0]))
        select = ("select", f"{self.layer.id}/{one.fid}")
        return Entry(
            str(one.fid),
            title_feature(spoken, one.properties) or name,
            "\n".join(_list_values(spoken, one.properties, dress)) or phrases["row"],
            one.at,
            f"{site}/{at.query('layers', 'time', 'area', 'lang', 'map', also=[select])}",
            name=f"{site}/layers/{self.layer.id}/{one.fid}",
            place=one.place,
        )


def _list_values(spoken: Layer, properties: Mapping[str, Any], dress: Dress) -> list[str]:
    told = [item for item in spoken.listed_fields if properties.get(item.name) not in (None, "")][:_TOLD]
    values = [(item, dress.phrases.value(item, properties[item.name])) for item in told]
    return [
        f"{item.title}: {text[:_LONGEST]}{f' {item.unit}' if item.unit and item.type in ('integer', 'number') else ''}"
        for item, text in values
    ]


def read_followed(layer: Layer, status: LayerStatus, pairs: Iterable[tuple[str, str]]) -> Followed:
    """What an address asks for; the filter as `filter`, or as the page names it. Raises BadParameterError."""
    own = [(f"filter.{layer.id}" if name == "filter" else name, text) for name, text in pairs]
    state = parse_state([(name, text) for name, text in own if name not in ("layers", "map", "pin", "base")])
    for name, text in state.passed_over:
        if name in _EXPECTED:
            raise BadParameterError(name, text, _EXPECTED[name])
    filters = {name: text for name, text in state.filters.items() if name == layer.id}
    return Followed(layer, status, replace(state, layers=(layer.id,), filters=filters))
