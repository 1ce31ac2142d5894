"""Tags of OpenStreetMap -> rows of the basemap's layers: which layer a thing belongs to, and with which values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, overload

__all__ = [
    "KEYS",
    "Row",
    "Tags",
    "parse_height",
    "parse_level",
    "read_area",
    "read_house_number",
    "read_line",
    "read_node",
    "read_street",
]


class Tags(Protocol):
    """What a thing says of itself: a dict, or osmium's list, which is quickest when little is asked of it."""

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, default: str, /) -> str: ...
    def __contains__(self, key: object, /) -> bool: ...
    def __getitem__(self, key: str, /) -> str: ...


class Row(NamedTuple):
    """What one thing is on one layer: values in the order of the layer's fields, without those of names."""

    layer: str
    values: tuple[Any, ...]
    width: float = 0.0  # in metres, of lines that are drawn as areas


# What a way must have one of to be of any interest: the rest of a file is never looked at. Streets are looked at apart;
# "area" stands for those among them that may be squares.
KEYS = (
    "area", "building", "natural", "landuse", "leisure", "waterway", "railway", "place", "man_made", "aeroway",
    "amenity", "tourism", "addr:housenumber", "historic", "area:highway",
)  # fmt: skip

_STREETS = {
    "motorway": ("motorway", 1, 22.0), "motorway_link": ("motorway", 3, 8.0),
    "trunk": ("motorway", 2, 18.0), "trunk_link": ("motorway", 3, 8.0),
    "primary": ("primary", 4, 14.0), "primary_link": ("primary", 5, 7.0),
    "secondary": ("secondary", 6, 11.0), "secondary_link": ("secondary", 7, 7.0),
    "tertiary": ("secondary", 8, 9.0), "tertiary_link": ("secondary", 9, 6.0),
    "unclassified": ("residential", 10, 7.0), "residential": ("residential", 10, 7.0),
    "living_street": ("residential", 11, 6.0), "road": ("residential", 11, 6.0),
    "pedestrian": ("residential", 12, 6.0), "busway": ("residential", 12, 6.0),
    "service": ("service", 13, 4.0),
    "track": ("path", 14, 3.0), "cycleway": ("path", 14, 3.0), "bridleway": ("path", 15, 2.0),
    "footway": ("path", 15, 2.0), "path": ("path", 15, 2.0), "steps": ("path", 16, 2.0),
}  # fmt: skip
_BY_THE_WAY = 13  # from this rank on it is a path or leads to a house
_MINOR = 10  # from this rank on a street in a tunnel is not drawn as one on the ground
_RAILS = {
    "rail": "rail", "narrow_gauge": "rail", "preserved": "rail", "light_rail": "light_rail", "monorail": "light_rail",
    "funicular": "light_rail", "tram": "tram", "subway": "subway",
}  # fmt: skip
_WATERWAYS = {"river": "river", "canal": "canal", "stream": "stream", "ditch": "ditch", "drain": "ditch"}
_LAND = {
    "residential": "urban", "commercial": "urban", "retail": "urban", "institutional": "urban",
    "industrial": "industrial", "railway": "industrial", "port": "industrial", "harbour": "industrial",
    "quarry": "industrial", "landfill": "industrial", "depot": "industrial", "construction": "industrial",
    "brownfield": "industrial", "military": "industrial",
    "farmland": "farmland", "farmyard": "farmland", "greenhouse_horticulture": "farmland", "salt_pond": "farmland",
    "meadow": "meadow", "orchard": "orchard", "vineyard": "orchard", "plant_nursery": "orchard",
}  # fmt: skip
_PARKS = {
    ("leisure", "park"): "park", ("leisure", "garden"): "garden", ("leisure", "golf_course"): "golf",
    ("leisure", "pitch"): "pitch", ("leisure", "track"): "pitch", ("leisure", "playground"): "playground",
    ("leisure", "dog_park"): "park", ("leisure", "common"): "park", ("leisure", "miniature_golf"): "golf",
    ("leisure", "recreation_ground"): "park", ("leisure", "swimming_area"): "beach",
    ("leisure", "beach_resort"): "beach",
    ("landuse", "forest"): "forest", ("landuse", "cemetery"): "cemetery", ("landuse", "grass"): "grass",
    ("landuse", "recreation_ground"): "park", ("landuse", "village_green"): "park", ("landuse", "allotments"): "garden",
    ("landuse", "flowerbed"): "garden",
    ("natural", "wood"): "forest", ("natural", "scrub"): "scrub", ("natural", "heath"): "scrub",
    ("natural", "grassland"): "grass", ("natural", "fell"): "grass", ("natural", "tundra"): "grass",
    ("natural", "beach"): "beach", ("natural", "sand"): "beach", ("natural", "dune"): "beach",
    ("natural", "wetland"): "wetland", ("natural", "mud"): "wetland", ("natural", "reef"): "wetland",
    ("amenity", "grave_yard"): "cemetery",
}  # fmt: skip
_GREENS = ("grass", "garden", "pitch", "playground")  # small ones: from afar nothing of them is seen
_WATERS = {
    "river": "river", "riverbank": "river", "stream": "river", "canal": "canal", "lock": "canal", "moat": "canal",
    "ditch": "canal", "dock": "dock", "basin": "basin", "reservoir": "lake", "pond": "lake", "lake": "lake",
    "lagoon": "lake", "harbour": "dock",
}  # fmt: skip
_BUILDINGS = {
    **dict.fromkeys(("house", "detached", "semidetached_house", "terrace", "bungalow", "farm", "cabin", "hut",
                     "static_caravan", "houseboat", "ger", "stilt_house"), "house"),
    **dict.fromkeys(("apartments", "residential", "dormitory", "hotel", "block"), "apartments"),
    **dict.fromkeys(("commercial", "retail", "office", "supermarket", "kiosk", "mall", "shop", "bank"), "commercial"),
    **dict.fromkeys(("industrial", "warehouse", "factory", "manufacture", "hangar", "silo", "storage_tank", "barn",
                     "farm_auxiliary", "greenhouse", "shed", "stable"), "industrial"),
    **dict.fromkeys(("church", "cathedral", "chapel", "mosque", "temple", "synagogue", "shrine", "school", "university",
                     "college", "kindergarten", "hospital", "public", "civic", "government", "train_station", "museum",
                     "stadium", "townhall", "library"), "public"),
}  # fmt: skip
_NOT_BUILT = ("no", "proposed", "construction", "demolished", "razed", "entrance")
_PLACES = {  # kind, rank
    "city": ("city", 1), "town": ("town", 2), "borough": ("district", 3), "suburb": ("district", 3),
    "quarter": ("suburb", 4), "neighbourhood": ("suburb", 5), "village": ("village", 3), "hamlet": ("hamlet", 6),
    "isolated_dwelling": ("hamlet", 8), "square": ("square", 6), "island": ("island", 4), "islet": ("island", 7),
    "archipelago": ("island", 3), "sea": ("water", 1), "ocean": ("water", 1),
}  # fmt: skip
_NATURE = {
    "peak": ("peak", 6), "volcano": ("peak", 5), "cape": ("cape", 6), "peninsula": ("cape", 5), "bay": ("water", 3),
    "strait": ("water", 3), "fjord": ("water", 3),
}  # fmt: skip
_LANDMARKS = {
    ("railway", "station"): ("station", 1), ("railway", "halt"): ("station", 3),
    ("amenity", "bus_station"): ("station", 3), ("amenity", "ferry_terminal"): ("harbour", 3),
    ("aeroway", "terminal"): ("station", 2),
    ("amenity", "hospital"): ("hospital", 1), ("amenity", "university"): ("school", 2),
    ("amenity", "college"): ("school", 4), ("amenity", "school"): ("school", 5),
    ("tourism", "museum"): ("museum", 3), ("amenity", "theatre"): ("museum", 4), ("amenity", "library"): ("museum", 5),
    ("amenity", "townhall"): ("public", 2), ("amenity", "courthouse"): ("public", 4),
    ("amenity", "police"): ("public", 5),
    ("amenity", "fire_station"): ("public", 5), ("amenity", "place_of_worship"): ("worship", 4),
    ("historic", "castle"): ("monument", 2), ("historic", "monument"): ("monument", 4),
    ("historic", "fort"): ("monument", 3),
    ("tourism", "zoo"): ("museum", 2), ("leisure", "stadium"): ("public", 2), ("amenity", "marketplace"): ("public", 5),
}  # fmt: skip
_RUNWAYS = {"runway": 45.0, "taxiway": 18.0}  # metres, where the tags do not say it
_PIERS = {"pier": 3.0, "breakwater": 4.0, "groyne": 3.0}
_NUMBER = re.compile(r"\s*(-?\d{1,5}(?:[.,]\d{1,6})?)\s*(m|metres?|meters?|ft|feet|')?\s*(?:(\d{1,2})\")?\s*", re.ASCII)
_FOOT = 0.3048
_TALLEST, _MOST_LEVELS, _WIDEST = 1000.0, 250, 200.0


@lru_cache(1 << 12)
def parse_height(text: str | None, most: float = _TALLEST) -> float | None:
    """Metres of "12", "12.5 m", "40 ft" or 12'6"; None for anything else, and for what nothing on earth is."""
    found = _NUMBER.fullmatch(text) if text else None
    if not found:
        return None
    value = float(found[1].replace(",", "."))
    if found[2] in ("ft", "feet", "'"):
        value = (value + float(found[3] or 0) / 12) * _FOOT
    return round(value, 1) if 0 < value <= most else None


@lru_cache(1 << 12)
def parse_level(text: str | None, most: int = _MOST_LEVELS) -> int | None:
    """A whole number of levels; "3.5" is 3."""
    found = _NUMBER.fullmatch(text) if text else None
    value = int(float(found[1].replace(",", "."))) if found and not found[2] else 0
    return value if 0 < value <= most else None


def read_area(tags: Tags) -> list[Row]:
    """What a closed line or a multipolygon is; empty where it bounds nothing that is drawn."""
    if row := _building(tags):
        return [row, *_read_points(tags)]
    rows = [row for read in _AREAS if (row := read(tags))]
    return rows + list(_read_points(tags))


def read_line(tags: Tags) -> list[Row]:
    """What a line is that is no street."""
    return [row for read in _LINES if (row := read(tags))]


def read_node(tags: Tags) -> Row | None:
    """What a point with a name is."""
    return _find_place(tags) or _find_landmark(tags)


def _land(tags: Tags) -> Row | None:
    found = _LAND.get(tags.get("landuse", ""))
    aeroway = tags.get("aeroway", "")
    if aeroway in ("aerodrome", "heliport"):
        found = "airport"
    elif aeroway in ("runway", "taxiway", "apron"):
        found = "runway"
    elif tags.get("man_made", "") in _PIERS:
        found = "pier"
    elif tags.get("natural") == "glacier":
        found = "glacier"
    return Row("land", (found,)) if found else None


def _plaza(tags: Tags) -> Row | None:
    on_foot = (tags.get("highway") or tags.get("area:highway")) in ("pedestrian", "footway")
    return Row("plazas", ("plaza",)) if on_foot or tags.get("place") == "square" else None


def _water(tags: Tags) -> Row | None:
    natural, landuse, waterway = tags.get("natural"), tags.get("landuse"), tags.get("waterway")
    found = None
    if natural == "water":
        found = _WATERS.get(tags.get("water", ""), "lake")
    elif landuse in ("reservoir", "basin"):
        found = _WATERS[landuse]
    elif waterway in ("riverbank", "dock"):
        found = _WATERS[waterway]
    elif tags.get("leisure") == "swimming_pool":
        found = "basin"
    return Row("water", (found,)) if found else None


def _park(tags: Tags) -> Row | None:
    for key in ("leisure", "landuse", "natural", "amenity"):
        if found := _PARKS.get((key, tags.get(key, ""))):
            return Row("greens", (found,)) if found in _GREENS else Row("parks", (found, None))
    return None


def _building(tags: Tags) -> Row | None:
    kind = tags.get("building")
    if not kind or kind in _NOT_BUILT or tags.get("location") == "underground":
        return None
    height, levels = parse_height(tags.get("height")), parse_level(tags.get("building:levels"))
    if height is None and levels:
        height = round(levels * 3.1 + 1.5, 1)
    year = tags.get("start_date", "")[:4]
    made = int(year) if year.isascii() and year.isdigit() and len(year) == 4 else None  # noqa: PLR2004 - digits
    return Row("buildings", (_BUILDINGS.get(kind, "building"), height, levels, made))


def read_street(tags: Tags, highway: str) -> Row | None:
    """What street a line with that tag is, if it is one."""
    found = _STREETS.get(highway)
    if not found:
        return None
    kind, rank, width = found
    tunnel = tags.get("tunnel", "no") not in ("no", "building_passage") or tags.get("location") == "underground"
    if tunnel and rank >= _MINOR:
        kind = "tunnel"
    bridge = tags.get("bridge", "no") != "no"
    oneway = tags.get("oneway") in ("yes", "1", "true", "-1")
    width = parse_height(tags.get("width"), _WIDEST) or width
    layer = "streets" if rank < _MINOR else "side-streets" if rank < _BY_THE_WAY and not tunnel else "paths"
    return Row(layer, (kind, tags.get("ref"), rank, bridge, tunnel, oneway, width))


def _railway(tags: Tags) -> Row | None:
    kind = _RAILS.get(tags.get("railway", ""))
    if not kind:
        return None
    tunnel = tags.get("tunnel", "no") != "no" or (kind == "subway" and tags.get("location") == "underground")
    side = tags.get("service") in ("yard", "siding", "spur", "crossover")
    bridge = tags.get("bridge", "no") != "no"
    if side and kind == "rail":
        kind = "siding"
    return Row("railways" if kind in ("rail", "light_rail") else "tracks", (kind, bridge, tunnel))


def _waterway(tags: Tags) -> Row | None:
    kind = _WATERWAYS.get(tags.get("waterway", ""))
    hidden = tags.get("tunnel", "no") != "no" or tags.get("location") == "underground"
    return Row("waterways", (kind,)) if kind and not hidden else None


def _strip(tags: Tags) -> Row | None:
    """Runways and piers that are drawn as lines: areas as wide as their tags say."""
    for kind, widths, key in (("runway", _RUNWAYS, "aeroway"), ("pier", _PIERS, "man_made")):
        if width := widths.get(tags.get(key, "")):
            return Row("land", (kind,), parse_height(tags.get("width"), _WIDEST) or width)
    return None


def _read_points(tags: Tags) -> Iterator[Row]:
    if "name" in tags and (found := read_node(tags)):
        yield found
    if row := read_house_number(tags):
        yield row


def read_house_number(tags: Tags) -> Row | None:
    """The number of a house, with its street."""
    if not (number := tags.get("addr:housenumber")):
        return None
    street = tags.get("addr:street") or tags.get("addr:place")
    return Row("house-numbers", (number, street, tags.get("addr:postcode")))


def _find_place(tags: Tags) -> Row | None:
    place, natural = tags.get("place", ""), tags.get("natural", "")
    kind, rank = _PLACES.get(place) or _NATURE.get(natural) or ("", 0)
    exact = place if place in _PLACES else natural
    if tags.get("aeroway") == "aerodrome":
        kind, rank, exact = "airport", 3, "airport"
    if not kind:
        return None
    people = re.sub(r"[ ,.']", "", tags.get("population", ""))
    population = int(people) if people.isascii() and people.isdigit() and len(people) < 10 else None  # noqa: PLR2004 - billions
    if kind == "city" and (population or 0) < 300_000 and tags.get("capital") not in ("yes", "2"):  # noqa: PLR2004 - where large cities begin
        rank = 2
    return Row("places", (kind, exact, rank, population))


def _find_landmark(tags: Tags) -> Row | None:
    for key in ("railway", "amenity", "aeroway", "tourism", "historic", "leisure"):
        if found := _LANDMARKS.get((key, value := tags.get(key, ""))):
            kind, rank = found
            return Row("landmarks", (kind, "subway" if tags.get("station") == "subway" else value, rank))
    return None


_AREAS: tuple[Callable[[Tags], Row | None], ...] = (_land, _plaza, _water, _park)
_LINES: tuple[Callable[[Tags], Row | None], ...] = (_railway, _waterway, _strip)
