"""Both OpenAPI documents as contracts: what they promise is what random requests, right and wrong, get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from fastapi.testclient import TestClient


class Server(Protocol):
    """A running server, as the fixture gives it."""

    @property
    def url(self) -> str: ...


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method"
)
# Streams do not end by themselves, a wrong format is a 501 by oEmbed's own standard, and what is frozen or drawn has
# tests of its own: each is described, and none of them is asked at random.
NOT_AT_RANDOM = r"(/changes|/changes\.atom)$|^/(oembed|frozen|static/chart)"
ONE_COLLECTION = r"^/(conformance|collections|openapi)?$|/sewage-sampling(/|$)"


def ask_at_random(folder: Path, url: str, document: str, examples: int, *more: str, phases: str) -> None:
    program = Path(sys.executable).parent / "schemathesis"
    told = subprocess.run(
        [
            *(program, "run", f"{url}{document}", "--checks", CHECKS, "--phases", phases),
            *("--mode", "all", "--max-examples", str(examples), "--generation-deterministic", "--no-color", *more),
        ],
        capture_output=True,
        text=True,
        timeout=1800,
        cwd=folder,
        check=False,
    )
    assert told.returncode == 0, told.stdout[-8_000:]
    assert "Tested: " in told.stdout


@pytest.mark.slow
def test_random_requests_get_what_the_description_of_the_api_promises(server: Server, tmp_path: Path) -> None:
    ask_at_random(
        *(tmp_path, server.url, "/openapi.json", 3, "--exclude-path-regex", NOT_AT_RANDOM),
        phases="examples,coverage,fuzzing",
    )


@pytest.mark.slow
def test_random_requests_get_what_the_description_of_ogc_api_promises(server: Server, tmp_path: Path) -> None:
    ask_at_random(
        tmp_path, server.url, "/ogc/openapi", 3, "--include-path-regex", ONE_COLLECTION, phases="examples,fuzzing"
    )


@pytest.mark.slow
@pytest.mark.parametrize("document", ["/openapi.json", "/ogc/openapi"])
def test_thousands_of_random_requests_get_what_is_promised(server: Server, tmp_path: Path, document: str) -> None:
    left_out = ("--exclude-path-regex", NOT_AT_RANDOM) if document == "/openapi.json" else ()
    ask_at_random(tmp_path, server.url, document, 50, *left_out, phases="examples,coverage,fuzzing")


def test_the_description_says_of_every_error_that_it_is_a_problem(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in str(document)
    for path, item in document["paths"].items():
        for operation in item.values():
            assert "422" not in operation["responses"]
            errors = {status: said for status, said in operation["responses"].items() if status >= "400"}
            if path == "/readyz":
                continue
            for status, said in errors.items():
                assert said["content"].keys() == {"application/problem+json"}, (path, status)
    answers = document["paths"]["/api/layers/{layer_id}/features/{fid}"]["get"]["responses"]
    assert answers["200"]["content"].keys() == {"application/geo+json"}
    assert {"304", "400", "404", "503"} <= answers.keys()


def test_the_description_names_what_maps_are_embedded_frozen_followed_and_printed_by(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    told = {
        "/oembed": {"application/json", "text/xml"},
        "/frozen/{frozen_id}.zip": {"application/zip"},
        "/api/changes": {"text/event-stream"},
        "/api/layers/{layer_id}/changes": {"text/event-stream"},
        "/layers/{layer_id}/changes.atom": {"application/atom+xml"},
        "/static/chart/{layer_id}/{size}.{ending}": {"image/svg+xml", "image/png"},
        "/static/{style}/{place}/{size}.{ending}": {"image/png", "image/webp", "image/jpeg"},
    }
    for path, kinds in told.items():
        assert paths[path]["get"]["responses"]["200"]["content"].keys() == kinds, path
    ordered = paths["/frozen"]["post"]
    assert ordered["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/FreezeWish")
    assert {"202", "400", "401", "403", "429", "503"} == ordered["responses"].keys()
    assert "410" in paths["/frozen/{frozen_id}/status.json"]["get"]["responses"]


def test_every_reference_of_the_description_leads_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    pending, seen = [document["paths"]], set()
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            if reference := node.get("$ref"):
                name = reference.removeprefix("#/components/schemas/")
                if name not in seen:
                    seen.add(name)
                    pending.append(document["components"]["schemas"][name])
            pending += node.values()
    assert seen == document["components"]["schemas"].keys()
