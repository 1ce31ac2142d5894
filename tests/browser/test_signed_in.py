"""Signing in and out as people do: with a key and by OpenID Connect, by keyboard and on phones; what the map shows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from openid_provider import CLIENT, SECRET, Provider, run_provider
from playwright.sync_api import expect
from pydantic import SecretStr

from geoserver import assets
from geoserver.app import create_app
from geoserver.database.connecting import connect
from geoserver.gate.making import Wish, make
from geoserver.model import Grant
from geoserver.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

LEVELS = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"], "resultTypes": ["violations"]}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
NARROW = {"viewport": {"width": 320, "height": 640}}
GROUPS = '[groups.planners]\nlayers = ["trees", "districts"]\nmay = ["read", "manage"]\nfields = ["*"]\n'


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with run_provider() as running:
        running.people["ada"] = {"name": "Ada Lovelace", "groups": ["planners"]}
        yield running


@pytest.fixture(scope="module")
def gated(
    tmp_path_factory: pytest.TempPathFactory,
    make_database: Callable[..., str],
    city_template: str,
    provider: Provider,
    serve: Callable[..., Any],
) -> Iterator[Any]:
    """The sample city with trees restricted and districts a draft, and people who sign in by the provider."""
    workspace = tmp_path_factory.mktemp("gated")
    (workspace / "layers").mkdir()
    for name, access in (("trees", "restricted"), ("districts", "draft")):
        text = (assets.root("layers") / f"{name}.toml").read_text(encoding="utf-8")
        text = f'access = "{access}"\n' + text.replace(
            "[fields.girth]", "[fields.girth]\nrestricted = true\nfilter = 'range'"
        )
        (workspace / f"layers/{name}.toml").write_text(text, encoding="utf-8")
    (workspace / "access.toml").write_text(GROUPS, encoding="utf-8")
    settings = Settings(
        workspace=workspace,
        database_url=None,
        samples=True,
        oidc_issuer=provider.url,
        oidc_client_id=CLIENT,
        oidc_client_secret=SecretStr(SECRET),
        oidc_title="City login",
    )
    url = make_database(template=city_template)
    with serve(create_app(settings, url), url) as running:
        provider.callbacks.add(f"{running.url}/signin/callback")
        yield running


@pytest.fixture(scope="module")
def key(gated: Any) -> str:
    with connect(gated.database_url, autocommit=True) as connection:
        return make(connection, Wish("Planning office", (Grant(frozenset({"trees"})),)), "command:test", "test")[1]


def violations(page: Page) -> list[str]:
    found = Axe().run(page, options=LEVELS).response["violations"]
    return [f"{each['id']}: {node['html']} {node['failureSummary']}" for each in found for node in each["nodes"]]


def look(page: Page, path: Path) -> None:
    """axe finds nothing in any light, and nothing is wider than the page; pictures of it are left to be looked at."""
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert violations(page) == [], scheme
        page.screenshot(path=path.with_stem(f"{path.stem}-{scheme}"), animations="disabled")
    page.emulate_media(color_scheme="light", forced_colors="active")
    assert violations(page) == []
    page.screenshot(path=path.with_stem(f"{path.stem}-forced"), animations="disabled")
    page.emulate_media(forced_colors="none")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        ({}, "desk"),
        pytest.param(PHONE, "phone", marks=pytest.mark.slow),
        pytest.param(NARROW, "narrow", marks=pytest.mark.slow),
    ],
)
def test_a_key_opens_the_map_by_keyboard_alone(  # noqa: PLR0917 - fixtures
    open_viewer: Callable[..., Any], gated: Any, key: str, output: Path, shape: dict[str, Any], name: str
) -> None:
    viewer = open_viewer("/?layers=bike-paths", origin=gated.url, **shape)
    page = viewer.page
    page.set_default_timeout(20_000)
    if shape:
        page.get_by_role("button", name="Show the list").click()
    expect(page.get_by_text("Trees")).to_have_count(0)
    viewer.tab_to(page.get_by_role("link", name="Sign in", exact=True))
    viewer.press("Enter")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert viewer.faults == []  # before axe and pictures bring styles of their own
    viewer.expected_faults = ("403", "inline style")
    look(page, output / f"signin-{name}.png")
    viewer.tab_to(page.get_by_label("Your key"))
    page.keyboard.type("gsk_wrong")
    viewer.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not known here")
    look(page, output / f"signin-{name}-wrong.png")
    viewer.tab_to(page.get_by_label("Your key"))
    page.keyboard.type(key)
    viewer.press("Enter")
    viewer.settle()
    assert "layers=bike-paths" in viewer.address()
    expect(page.get_by_text("Signed in as Planning office")).to_be_visible()
    if shape:
        page.get_by_role("button", name="Show the list").click()
    trees = page.locator("label").filter(has_text="Trees")
    expect(trees).to_contain_text("Restricted")
    expect(page.locator(".lock:not(:empty)")).to_have_count(1)
    look(page, output / f"signed-in-{name}.png")
    assert key not in page.content()
    viewer.tab_to(page.get_by_role("button", name="Sign out"), key="Shift+Tab")
    viewer.press("Enter")
    viewer.settle()
    expect(page.get_by_text("Signed in as")).to_have_count(0)
    expect(page.get_by_text("Trees")).to_have_count(0)


@pytest.mark.slow
def test_who_is_signed_in_takes_a_restricted_layer_home_and_nobody_after_them(
    open_viewer: Callable[..., Any], gated: Any, key: str
) -> None:
    viewer = open_viewer(None, origin=gated.url)
    viewer.expected_faults = ("404",)
    page = viewer.page
    page.set_default_timeout(20_000)
    page.goto(f"{gated.url}/signin")
    page.get_by_label("Your key").fill(key)
    page.keyboard.press("Enter")
    expect(page.locator("#map")).to_be_visible()
    viewer.open("/?layers=trees")
    page.locator("article.on .more > details > summary").filter(has_text="Download").click()
    files = page.locator(".download")
    for _ in range(2):  # made, and not out of what is kept
        with page.expect_download() as started:
            files.get_by_role("link", name="CSV table").click()
        lines = Path(started.value.path()).read_text("utf-8-sig").splitlines()
        assert len(lines) - 1 == 40_000
        assert "girth" not in lines[0]
    link = files.get_by_role("link", name="CSV table").get_attribute("href")
    assert link
    assert key not in link
    for address in (link, f"{gated.url}/download/trees.csv"):
        # A link that is opened by itself has the cookie, too; nobody else has it.
        assert page.request.get(address).status == 200
        told = httpx.get(address)
        assert (told.status_code, told.headers.get("etag"), "trees" in told.json()["expected"]) == (404, None, False)
    viewer.page.context.clear_cookies()
    files.get_by_role("link", name="CSV table").click()
    expect(files.get_by_role("alert")).to_be_visible()


@pytest.mark.slow
def test_a_person_signs_in_by_openid_connect_and_reads_it_in_their_language(
    open_viewer: Callable[..., Any], gated: Any, provider: Provider, output: Path
) -> None:
    viewer = open_viewer("/?layers=bike-paths&lang=fr", origin=gated.url)
    viewer.is_own = lambda url: url.startswith((f"{gated.url}/", f"blob:{gated.url}/", f"{provider.url}/"))
    page = viewer.page
    page.set_default_timeout(20_000)
    page.get_by_role("link", name="Se connecter").click()
    page.get_by_role("link", name="Se connecter avec City login").click()
    page.get_by_role("button", name="ada").click()
    viewer.settle()
    expect(page.get_by_text("Connecté en tant que Ada Lovelace")).to_be_visible()
    expect(page.locator("label").filter(has_text="Arbres")).to_contain_text("Accès restreint")
    expect(page.locator(".lock").filter(has_text="Brouillon")).to_have_count(1)
    page.screenshot(path=output / "signed-in-french.png")
    page.get_by_role("combobox", name="Langue").select_option("de")
    expect(page.get_by_text("Angemeldet als Ada Lovelace")).to_be_visible()
    expect(page.get_by_role("button", name="Abmelden")).to_be_visible()
    page.get_by_role("switch", name="Bäume").click()
    viewer.settle()
    assert viewer.count("trees") > 1_000
    viewer.open_filters("trees")
    expect(page.get_by_role("group", name="Umfang")).to_contain_text("Nicht öffentlich")
    page.get_by_role("group", name="Umfang").scroll_into_view_if_needed()
    page.screenshot(path=output / "signed-in-trees.png")
    page.get_by_role("button", name="Abmelden").click()
    viewer.settle()
    expect(page.get_by_text("Angemeldet")).to_have_count(0)
    expect(page.get_by_role("status").filter(has_text="trees")).to_be_visible()  # which the link asks for


def test_the_page_works_without_scripts(gated: Any, key: str, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en-GB")
    page = context.new_page()
    page.goto(f"{gated.url}/signin?back=/api/me")
    page.get_by_label("Your key").fill(key)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.locator("body")).to_contain_text("Planning office")
    context.close()


def test_the_page_is_shown_in_no_frame(gated: Any, browser: Any) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{gated.url}/docs")
    page.evaluate("() => document.body.append(Object.assign(document.createElement('iframe'), {src: '/signin'}))")
    page.wait_for_timeout(500)
    assert "Your key" not in "".join(frame.content() for frame in page.frames[1:])
    context.close()
