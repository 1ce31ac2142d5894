"""The documentation says what is true: each address, setting, command and layer key is there; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
from fastapi.routing import APIRoute
from starlette.routing import Route

from geoserver.api import find_routers
from geoserver.catalog.layer_file import LayerFile
from geoserver.cli import app as commands
from geoserver.ogc.routes import router as ogc_router
from geoserver.settings import Settings
from geoserver.site.catalogues import router as catalogue_router
from geoserver.site.datasets.routes import router as datasets_router
from geoserver.site.frozen import router as frozen_router
from geoserver.site.oembed import router as oembed_router
from geoserver.site.routes import router as site_router
from geoserver.site.signin import router as signin_router

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(page: str) -> str:
    return (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_every_address_is_described() -> None:
    text = read("api.md")
    pages = [site_router, frozen_router, datasets_router, catalogue_router, signin_router, oembed_router]
    routes = [route for router in [*find_routers(), ogc_router, *pages] for route in router.routes]
    paths = {re.sub(r":\w+}", "}", route.path) for route in routes if isinstance(route, APIRoute | Route)}
    assert {"/tiles/{layers}/{z}/{x}/{y}.mvt", "/api/layers", "/"} <= paths
    assert sorted(path for path in paths if path not in text) == []


def test_every_setting_is_described() -> None:
    text = read("operate.md")
    names = {
        "DATABASE_URL" if name == "database_url" else f"GEOSERVER_{name.upper()}" for name in Settings.model_fields
    }
    assert sorted(name for name in names if name not in text) == []


def test_every_command_is_described() -> None:
    text = read("operate.md")
    group = typer.main.get_command(commands)
    names = sorted(getattr(group, "commands", {}))
    assert names
    assert [name for name in names if f"geoserver {name}" not in text] == []


def test_every_key_of_a_layer_file_is_described() -> None:
    text = read("add-a-layer.md")
    assert [key for key in LayerFile.model_fields if f"`{key}`" not in text and f"[{key}" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []
