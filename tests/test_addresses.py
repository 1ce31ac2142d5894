"""Where clients see us, without a web library; compared with what Starlette makes of the same request."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request

from geoserver.addresses import ROOT, path_of, site_of


@pytest.mark.parametrize("root", ["", "/", "/maps", "/maps/", "/a%20b/c"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("host", "server"),
    [
        ("maps.example.org", ("127.0.0.1", 8000)),
        ("maps.example.org:8443", ("127.0.0.1", 8000)),
        ("[::1]:8000", ("::1", 8000)),
        (None, ("127.0.0.1", 8000)),
        (None, ("127.0.0.1", 80)),
        (None, ("::1", 443)),
    ],
)
def test_the_address_of_the_site_is_that_which_the_client_used(
    root: str, scheme: str, host: str | None, server: tuple[str, int]
) -> None:
    headers = [(b"accept", b"*/*"), *([(b"host", host.encode())] if host else [])]
    scope: dict[str, Any] = {"type": "http", "scheme": scheme, "server": server, "path": "/ogc", "headers": headers}
    request = Request(scope | {ROOT: root, "query_string": b"f=json"})
    assert site_of(request) == str(request.base_url).rstrip("/")
    assert path_of(request) == (request.base_url.path.rstrip("/") or "/")
