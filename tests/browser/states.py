"""Random states of the viewer: what one is as an address, as CQL2 and as SQL."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    import random

LAYERS = ("crime", "trees", "bike-paths", "sewage-sampling")
LANGUAGES = ("en", "de", "fr", "es", "pt")
TIMES = {"crime": "reported_at", "trees": "planted", "sewage-sampling": "sampled_at"}  # what a time window acts on
INSTANTS = {"reported_at", "sampled_at"}  # fields with hours, of which a window holds whole days


@dataclass(frozen=True)
class Condition:
    """The same of a layer's rows in both languages."""

    cql2: str
    sql: str


@dataclass(frozen=True)
class State:
    """What is chosen; `home` is the camera that shows the whole city."""

    layers: tuple[str, ...]
    filters: dict[str, Condition]
    window: tuple[str, str] | None
    area: str  # as the address has it
    subject: str
    tab: str
    chart: str
    sort: str
    base: str
    language: str
    home: str
    bar: str = ""
    shapes: tuple[str, str] = field(default=("", ""))  # of the area, in CQL2 and in SQL

    @property
    def address(self) -> str:
        """As the page itself writes it, but for what it encodes."""
        said = [("v", "1"), ("layers", ",".join(self.layers))]
        said += [(f"filter.{name}", condition.cql2) for name, condition in sorted(self.filters.items())]
        said += [("time", "/".join(self.window))] if self.window else []
        said += [
            ("area", self.area), ("tab", self.tab), ("of", self.subject), ("chart", self.chart), ("sort", self.sort),
            ("bar", self.bar), ("base", self.base), ("lang", self.language),
        ]  # fmt: skip
        return "/?" + "&".join(f"{name}={quote(value, safe='/,:;')}" for name, value in said if value) + self.home

    def ask(self, layer: str) -> Condition:
        """Everything that narrows a layer."""
        parts = [self.filters[layer]] if layer in self.filters else []
        if self.window and layer in TIMES:
            parts.append(write_days(TIMES[layer], *self.window))
        if self.area:
            parts.append(Condition(f"S_INTERSECTS(geometry,{self.shapes[0]})", _intersects(self.shapes[1])))
        return Condition(
            " AND ".join(f"({part.cql2})" for part in parts), " AND ".join(f"({part.sql})" for part in parts) or "TRUE"
        )


def _intersects(shape: str) -> str:
    return f"ST_Intersects(ST_Transform(geom, 4326), {shape})"


def _write_circle(text: str) -> str:
    """As many corners as the filter's own has, on a geodesic circle that lies halfway as theirs does."""
    lon, lat, radius = text.split(",")
    reach = f"{radius} * 2 / (1 + cos(pi() / 256))"
    corner = f"ST_Project(ST_MakePoint({lon}, {lat})::geography, {reach}, radians(turn * 360.0 / 256))::geometry"
    ring = f"ST_MakeLine({corner} ORDER BY turn)"
    return f"(SELECT ST_SetSRID(ST_MakePolygon({ring}), 4326) FROM generate_series(0, 256) turn)"


def write_days(name: str, first: str, last: str) -> Condition:
    """Whole days, both included."""
    if name not in INSTANTS:
        return Condition(
            f"{name} >= DATE('{first}') AND {name} <= DATE('{last}')", f"{name} BETWEEN '{first}' AND '{last}'"
        )
    after = datetime.date.fromisoformat(last) + datetime.timedelta(days=1)
    return Condition(
        f"{name} >= TIMESTAMP('{first}T00:00:00Z') AND {name} < TIMESTAMP('{after}T00:00:00Z')",
        f"{name} >= '{first}T00:00:00Z' AND {name} < '{after}T00:00:00Z'",
    )


def draw_clause(item: dict[str, Any], chance: random.Random) -> Condition | None:
    """A condition on a field that suits it; None where it has nothing to choose."""
    name, kind = item["name"], item["type"]
    values = [one["value"] for one in item.get("choices") or [] if isinstance(one["value"], str)]
    if values:
        picked = ",".join(
            "'{}'".format(value.replace("'", "''"))
            for value in chance.sample(values, chance.randint(1, min(3, len(values))))
        )
        return Condition(f"{name} IN ({picked})", f"{name} IN ({picked})")
    if kind in ("date", "timestamp"):
        day = datetime.date(2021, 1, 1) + datetime.timedelta(days=chance.randint(0, 900))
        return write_days(name, str(day), str(day + datetime.timedelta(days=chance.randint(30, 900))))
    if kind in ("integer", "number") and item.get("min") is not None and item["min"] < item["max"]:
        places = 0 if kind == "integer" else 2
        low, high = sorted(round(chance.uniform(item["min"], item["max"]), places) for _ in range(2))
        low, high = (int(low), int(high)) if kind == "integer" else (low, high)
        text = f"{name} >= {low} AND {name} <= {high}"
        return Condition(text, text)
    if kind == "text":
        part = chance.choice("aeiou123")
        return Condition(f"CASEI({name}) LIKE CASEI('%{part}%')", f"{name} ILIKE '%{part}%'")
    return None


def draw_filter(layer: dict[str, Any], chance: random.Random) -> Condition | None:
    """What the controls can show, or now and then what they cannot."""
    found = [draw_clause(item, chance) for item in chance.sample(layer["fields"], min(3, len(layer["fields"])))]
    clauses = [clause for clause in found if clause][: chance.randint(1, 2)]
    if not clauses:
        return None
    join = " OR " if len(clauses) > 1 and chance.random() < 0.25 else " AND "
    return Condition(
        join.join(f"({one.cql2})" if join == " OR " else one.cql2 for one in clauses),
        join.join(f"({one.sql})" for one in clauses),
    )


def draw_area(bounds: list[float], chance: random.Random) -> tuple[str, tuple[str, str]]:
    """A box, polygon, circle or district within the city, as the address has it and as CQL2 and SQL have it."""
    west, south, east, north = bounds
    kind = chance.choice(("box", "polygon", "circle", "feature"))
    if kind == "feature":
        fid = chance.randint(1, 20)
        district = f"(SELECT ST_Transform(geom, 4326) FROM layers.districts WHERE fid = {fid})"
        return f"feature:districts/{fid}", (f"FEATURE('districts',{fid})", district)
    if kind == "circle":
        lon, lat = (round(chance.uniform(low, high), 5) for low, high in ((west, east), (south, north)))
        radius = chance.randint(200, 5000)
        text = f"{lon},{lat},{radius}"
        return f"circle:{text}", (f"CIRCLE({text})", _write_circle(text))
    lons = sorted(round(west + (east - west) * chance.uniform(*part), 5) for part in ((0.1, 0.4), (0.6, 0.9)))
    lats = sorted(round(south + (north - south) * chance.uniform(*part), 5) for part in ((0.1, 0.4), (0.6, 0.9)))
    box = (lons[0], lats[0], lons[1], lats[1])
    if kind == "box":
        text = ",".join(map(str, box))
        return text, (f"BBOX({text})", f"ST_MakeEnvelope({text}, 4326)")
    ring = [(lons[0], lats[0]), (lons[1], lats[0]), (round(sum(lons) / 2, 5), lats[1])]
    shape = "POLYGON((" + ",".join(f"{lon} {lat}" for lon, lat in [*ring, ring[0]]) + "))"
    return ";".join(f"{lon},{lat}" for lon, lat in ring), (shape, f"ST_GeomFromText('{shape}', 4326)")


def draw_state(layers: dict[str, dict[str, Any]], bounds: list[float], home: str, chance: random.Random) -> State:
    on = tuple(chance.sample(LAYERS, chance.choice((1, 1, 2, 3))))
    filters = {name: draw_filter(layers[name], chance) for name in on if chance.random() < 0.7}
    subject = chance.choice(on)
    choices = [item["name"] for item in layers[subject]["fields"] if item.get("choices")]
    day = datetime.date(2021, 1, 1) + datetime.timedelta(days=chance.randint(0, 800))
    window = (str(day), str(day + datetime.timedelta(days=chance.randint(10, 900))))
    area, shapes = draw_area(bounds, chance) if chance.random() < 0.4 else ("", ("", ""))
    tab = chance.choice(("", "chart", "table"))
    return State(
        layers=on,
        filters={name: condition for name, condition in filters.items() if condition},
        window=window if chance.random() < 0.4 else None,
        area=area,
        subject=subject,
        tab=tab,
        chart=chance.choice(choices) if tab == "chart" else "",
        sort=f"-{layers[subject]['fields'][0]['name']}" if tab == "table" and chance.random() < 0.5 else "",
        base=chance.choice(("light", "dark", "")),
        language=chance.choice(LANGUAGES),
        home=home,
        bar="time" if chance.random() < 0.3 else "",
        shapes=shapes,
    )
