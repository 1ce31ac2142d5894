"""pygeoapi with its own PostgreSQL provider over the generated points: `python -m benchmarks.ogc_peer URL PORT`.

The same library, server, event loop and number of threads as ours; only the provider and what is around it differ.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import psycopg
import uvicorn
from pygeoapi.api import API, APIRequest
from pygeoapi.api.itemtypes import get_collection_item, get_collection_items
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request

THREADS = 4  # as our server's by default
FIELDS = ("incident", "category", "reported_at", "district", "amount")


def build_config(database_url: str, url: str) -> dict[str, Any]:
    """pygeoapi's configuration with one collection, `points`."""
    plain = psycopg.conninfo.conninfo_to_dict(database_url)
    provider = {
        "type": "feature",
        "name": "PostgreSQL",
        "data": {
            "host": plain.get("host", "localhost"),
            "port": plain.get("port", 5432),
            "dbname": plain["dbname"],
            "user": plain.get("user", "postgres"),
            "password": plain.get("password"),
            "search_path": ["layers", "public"],
        },
        "options": {"pool_size": THREADS},
        "id_field": "fid",
        "table": "points",
        "geom_field": "geom",
        "properties": list(FIELDS),
        "storage_crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    }
    words = {"title": "peer", "description": "peer", "keywords": [], "terms_of_service": url, "url": url}
    return {
        "server": {
            "url": url,
            "encoding": "utf-8",
            "languages": ["en-US"],
            "limits": {"default_items": 100, "max_items": 10_000},
            "map": {"url": "", "attribution": ""},
        },
        "logging": {"level": "ERROR"},
        "metadata": {
            "identification": words,
            "license": {"name": "", "url": url},
            "provider": {"name": "", "url": url},
            "contact": {"name": "", "url": url},
        },
        "resources": {
            "points": {
                "type": "collection",
                "title": "points",
                "description": "points",
                "keywords": [],
                "links": [],
                "extents": {"spatial": {"bbox": [-180, -90, 180, 90]}},
                "providers": [provider],
            }
        },
    }


def build_app(database_url: str, url: str) -> Starlette:
    """Items and item, each in a thread."""
    api = API(build_config(database_url, url), {})
    limiter: list[anyio.CapacityLimiter] = []

    async def answer(request: Request) -> Response:
        if not limiter:
            limiter.append(anyio.CapacityLimiter(THREADS))
        asked = await APIRequest.from_starlette(request, api.locales)
        fid = request.path_params.get("fid")
        ask = partial(get_collection_items, api, asked, "points")
        if fid:
            ask = partial(get_collection_item, api, asked, "points", fid)
        headers, status, content = await anyio.to_thread.run_sync(ask, limiter=limiter[0])
        return Response(content, status_code=status, headers=headers)

    return Starlette(
        routes=[Route("/ogc/collections/points/items", answer), Route("/ogc/collections/points/items/{fid}", answer)]
    )


if __name__ == "__main__":
    address, port = sys.argv[1], int(sys.argv[2])
    app = build_app(address, f"http://127.0.0.1:{port}/ogc")
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning", access_log=False)
