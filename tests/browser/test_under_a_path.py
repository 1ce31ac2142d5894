"""The viewer under a path of another site, behind a real nginx."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from proxies import MISSING, NGINX, find_port, run_nginx

from geoserver.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geoserver.settings import Settings

pytestmark = [pytest.mark.browser, pytest.mark.skipif(NGINX is None, reason=MISSING)]


@pytest.fixture(scope="module")
def origin(serve: Callable[..., Any], city_settings: Settings, city_database: str) -> Iterator[str]:
    """The address of nginx, under whose /maps/ the map is."""
    port = find_port()
    settings = city_settings.model_copy(update={"public_url": f"http://127.0.0.1:{port}/maps"})
    with serve(create_app(settings, city_database), city_database) as server, run_nginx(port, server.url) as origin:
        yield origin


@pytest.mark.slow
def test_the_map_under_a_path_is_drawn_filtered_and_shared(
    open_viewer: Callable[..., Any], origin: str, sql: Callable[[str], Any], differ: Callable[..., int]
) -> None:
    viewer = open_viewer(
        "/maps?layers=trees#13/45.2/-28.6", origin=origin, permissions=["clipboard-read", "clipboard-write"]
    )
    assert viewer.address().startswith("/maps/?")
    everything = viewer.picture()
    viewer.open_filters("trees").get_by_role("checkbox", name=re.compile("^Dead")).check()
    filtered = viewer.settle().picture()
    assert viewer.count("trees") == sql("SELECT count(*) FROM layers.trees WHERE health = 'dead'")
    assert differ(everything, filtered) > 2_000
    viewer.page.get_by_role("button", name="Copy a link to this view").click()
    expect(viewer.page.get_by_text("The link is copied.")).to_be_visible()
    link = viewer.page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{origin}/maps/?")
    again = open_viewer(link.removeprefix(origin), origin=origin)
    assert again.count_text("trees") == viewer.count_text("trees")
    assert differ(filtered, again.picture()) < 1_000
    kinds = {"tiles", "styles", "fonts", "api", "assets"}
    for page in (viewer, again):
        asked = [url.removeprefix(origin) for url in page.requests if url.startswith(origin)]
        assert [path for path in asked if not path.startswith("/maps")] == []
        assert kinds <= {path.split("/")[2] for path in asked if path.count("/") > 1}


@pytest.mark.slow
def test_what_the_panel_links_to_is_under_the_path(open_viewer: Callable[..., Any], origin: str) -> None:
    viewer = open_viewer("/maps/?layers=trees#13/45.2/-28.6", origin=origin)
    for name, path in (("Page of this dataset", "layers/trees"), ("Use this layer in other programs", "ogc/")):
        viewer.card("trees").get_by_text("About this data").click()
        viewer.card("trees").get_by_role("link", name=name).click()
        viewer.page.wait_for_url(f"{origin}/maps/{path}**")
        viewer.page.get_by_role("link", name="Open on the map").click()
        viewer.page.wait_for_url(f"{origin}/maps/?**")
        assert viewer.settle().count("trees") > 0
