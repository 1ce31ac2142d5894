"""Maps that are frozen: from the question until the last file is in its place, all tiles of the basemap included."""

from __future__ import annotations

import json
import time
import urllib.request
from typing import TYPE_CHECKING, Any

from benchmarks.city import POINTS
from benchmarks.frame import Row

if TYPE_CHECKING:
    from benchmarks.frame import Context

__all__ = ["run"]

_PAUSE = 0.05  # seconds between two questions how far it is
_ANYONE = {"GEOSERVER_FREEZE": "anyone", "GEOSERVER_FROZEN_ROWS": "20000000", "GEOSERVER_FROZEN_MAP_MB": "2000"}


def run(context: Context) -> list[Row]:
    """The sample city's crime with its basemap, then all points."""
    with context.serve_samples(environment=_ANYONE) as server:
        rows = [_measure(server.url, "crime", "60,000 rows with a basemap", 10.0)]
    context.load(POINTS)
    with context.serve_workspace(context.folder, context.database_url, _ANYONE) as server:
        rows.append(_measure(server.url, POINTS, f"{context.rows:,} rows", 180.0))
    return rows


def _measure(url: str, layer: str, name: str, most: float) -> Row:
    started = time.perf_counter()
    told = _ask(f"{url}/frozen", {"link": f"?layers={layer}", "title": str(started)})
    while told["state"] not in ("done", "failed"):
        time.sleep(_PAUSE)
        told = _ask(f"{url}/frozen/{told['id']}/status.json")
    if told["state"] == "failed":
        raise RuntimeError(told["error"])
    seconds = time.perf_counter() - started
    size = sum(file["size"] for file in _ask(f"{url}/frozen/{told['id']}/manifest.json")["files"].values())
    return Row("freeze", f"{name}, {size / 1e6:.1f} MB", seconds, "s", at_most=most)


def _ask(url: str, body: dict[str, Any] | None = None) -> Any:
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)
