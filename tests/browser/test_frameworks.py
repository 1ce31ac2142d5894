"""`<city-map>` in pages that frameworks make, as their own programs bind, hear and remove it."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from npm_packages import ROOT, install
from playwright.sync_api import expect

if TYPE_CHECKING:
    from newspaper import Host
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HERE = Path(__file__).parent / "hosts"
FRAMEWORKS = {"vue": ("vue@3.5.45",), "react": ("react@19.3.1", "react-dom@19.3.1")}
ONE = {"id": "one", "query": "?layers=crime", "title": "One", "height": 300}
TWO = {"id": "two", "query": "?layers=trees", "title": "Two", "height": 320}
BURGLARIES = "?layers=crime&filter.crime=category IN ('burglary')"
LISTENERS = """
window.told = [];
window.listeners = 0;
for (const [name, by] of [["addEventListener", 1], ["removeEventListener", -1]]) {
  const plain = window[name];
  window[name] = function (kind, ...others) {
    if (kind === "message") window.listeners += by;
    return plain.call(this, kind, ...others);
  };
}
"""


def build_page(framework: str, server: str, *, late: bool) -> str:
    """A page with the framework's program within it; `late`: the script of the element comes after it has made maps."""
    folder = install(*FRAMEWORKS[framework])
    (folder / "page.mjs").write_bytes((HERE / f"{framework}.mjs").read_bytes())
    bundler = ROOT / "web" / "node_modules" / "rolldown" / "bin" / "cli.mjs"
    define = 'process.env.NODE_ENV:"production"'
    node = shutil.which("node")
    assert node
    words = ("page.mjs", "--format", "iife", "--platform", "browser", "--file", "page.js", "--transform.define", define)
    done = subprocess.run([node, bundler, *words], cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    program = (folder / "page.js").read_text(encoding="utf-8").replace("</script", r"<\/script")
    element = "" if late else f"<script src='{server}/element.js'></script>"
    return (
        f"{element}<div id=app></div>"
        f"<script>{LISTENERS};window.server = {json.dumps(server)}</script><script>{program}</script>"
    )


def show(page: Page, *maps: dict[str, Any]) -> int:
    """Give the framework these maps to make; how much was told before."""
    return int(page.evaluate("maps => { const before = told.length; page.maps = maps; return before }", list(maps)))


def wait_for(page: Page, name: str, condition: str = "true", since: int = 0) -> None:
    page.wait_for_function(f"told.slice({since}).some(([name, told]) => name === {json.dumps(name)} && ({condition}))")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("late", [False, True], ids=["script-first", "script-last"])
def test_a_framework_makes_maps_binds_what_they_show_hears_them_and_removes_them(
    host: Host, server: Any, framework: str, late: bool
) -> None:
    page = host.open(build_page(framework, server.url, late=late))
    show(page, ONE, TWO)
    if late:
        expect(page.locator("city-map")).to_have_count(2)
        page.add_script_tag(url=f"{server.url}/element.js")
    for each in ("one", "two"):
        wait_for(page, f"{each} ready")
    expect(page.locator("#one iframe")).to_have_attribute("title", "One")
    expect(page.locator("#two figure")).to_have_css("height", "320px")
    wait_for(page, "one change", "told.counts.crime > 0")
    before = show(page, {**ONE, "query": BURGLARIES, "height": 350}, TWO)
    wait_for(page, "one change", "told.filters.crime", before)
    said = page.evaluate(f"told.slice({before})")
    assert not [told for name, told in said if name == "two change" and told["filters"]]
    expect(page.locator("#one figure")).to_have_css("height", "350px")
    before = show(page, ONE, {**TWO, "query": "?layers=trees&select=trees/5"})
    wait_for(page, "two select", "told && told.layer === 'trees' && told.fid === 5", before)
    wait_for(page, "one change", "!told.filters.crime", before)
    before = page.evaluate("() => { page.turned = true; return told.length }")
    # One of both is taken out and put in again, as the framework likes.
    page.wait_for_function(f"told.slice({before}).some(([name]) => name.endsWith(' ready'))")
    assert page.locator("city-map").first.get_attribute("id") == "two"
    assert page.evaluate("listeners") == 2
    show(page)
    expect(page.locator("city-map")).to_have_count(0)
    assert page.evaluate("listeners") == 0
    wait_for(page, "one ready", since=show(page, ONE))
