"""What a citizen comes for, by touch in few taps, by keyboard alone, and by roles and names alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
MOST = 6  # taps of a task


class Finger:
    """Taps on what can be seen where it is seen, and counts them; scrolling is free."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.taps = 0

    def tap(self, target: Locator) -> None:
        target.scroll_into_view_if_needed()
        box = target.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        hit = target.evaluate(
            "(element, [x, y]) => element.contains(document.elementFromPoint(x, y)?.closest('label, *'))"
            " || element.closest('label')?.contains(document.elementFromPoint(x, y))",
            [x, y],
        )
        assert hit, f"something lies over {target}"
        self.page.touchscreen.tap(x, y)
        self.taps += 1

    def done(self) -> None:
        assert self.taps <= MOST
        self.taps = 0


@pytest.mark.slow
def test_each_task_takes_a_finger_few_taps(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/", **PHONE)
    page, finger = viewer.page, Finger(viewer.page)
    page.evaluate("() => void (navigator.clipboard.writeText = async (text) => void (window.copied = text))")
    chips = page.get_by_role("group", name="Active filters")
    dialog = page.get_by_role("dialog")

    finger.tap(page.get_by_role("tab", name="Layers"))
    card = viewer.card("crime")
    finger.tap(card.locator("summary").first)
    finger.tap(card.get_by_role("checkbox", name=re.compile("^Burglary")))
    viewer.settle()
    head = card.get_by_role("heading", name="Reported", exact=True)
    before = head.evaluate("element => element.offsetTop")
    finger.tap(card.get_by_role("button", name="Spring 2025"))
    expect(chips).to_contain_text("308 reports")
    assert head.evaluate("element => element.offsetTop") == before  # what is pressed stays where it is
    finger.done()

    finger.tap(page.get_by_role("button", name="Copy a link to this view"))
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    finger.done()
    shared = page.evaluate("copied")

    finger.tap(chips.get_by_role("button", name="Undo"))
    expect(chips).to_contain_text("6,501 reports")
    finger.tap(chips.get_by_role("button", name="Undo"))
    expect(chips.get_by_role("button")).to_have_count(0)
    finger.done()

    finger.tap(card.get_by_role("searchbox"))
    page.keyboard.type("no such number")
    loosen = page.get_by_role("button", name=re.compile("^Without"))
    expect(loosen.or_(page.locator(".empty").get_by_role("button"))).to_be_visible()
    finger.tap(page.locator(".empty").get_by_role("button"))
    expect(page.locator(".empty .part")).to_have_count(0)
    finger.done()
    assert page.evaluate("document.scrollingElement.scrollHeight") == PHONE["viewport"]["height"]  # type: ignore[index]

    finger.tap(page.get_by_role("switch", name="Reported crime"))
    finger.tap(page.get_by_role("switch", name="Air quality"))
    finger.tap(page.get_by_role("tab", name="In view"))
    viewer.settle()
    finger.tap(viewer.in_view().filter(has_text="Air quality").first)
    expect(dialog.get_by_text("µg/m³").first).to_be_visible()
    chart = dialog.get_by_role("slider")
    finger.tap(chart)
    told = dialog.locator("strong")
    expect(told).to_be_visible()
    last = chart.get_attribute("aria-valuemax")
    assert chart.get_attribute("aria-valuenow") != last  # what was touched stays told when the finger is gone
    finger.done()

    page.goto(shared)
    viewer.settle()
    expect(chips).to_contain_text("308 reports")
    assert page.url == in_query_and_not(shared)


def in_query_and_not(shared: str) -> str:
    """A link that others are given has its place where servers see it; the page keeps it after the sign."""
    link, _, place = shared.partition("&map=")
    assert place
    return f"{link}#{place}"


@pytest.mark.slow
def test_what_is_selected_on_a_phone_is_seen_above_its_card_and_beside_the_legend(
    open_viewer: Callable[..., Any],
) -> None:
    viewer = open_viewer("/?layers=air-quality,crime,bike-paths", **PHONE)
    page = viewer.page
    page.get_by_role("tab", name="In view").tap()
    viewer.in_view().filter(has_text="Air quality").last.tap()
    expect(page.get_by_role("dialog").get_by_role("slider")).to_be_visible()
    viewer.settle()
    legend, card = page.locator(".legend").bounding_box(), page.locator(".drawer").bounding_box()
    assert legend
    assert card
    assert legend["height"] < 60  # closed, while there is little of the map to be seen
    assert legend["y"] + legend["height"] <= card["y"]


@pytest.mark.slow
def test_each_task_is_done_by_keyboard_alone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/")
    page = viewer.page
    page.evaluate("() => void (navigator.clipboard.writeText = async (text) => void (window.copied = text))")
    chips = page.get_by_role("group", name="Active filters")
    card = viewer.card("crime")
    viewer.tab_to(card.locator("summary").first)
    viewer.press("Enter")
    burglary = card.get_by_role("checkbox", name=re.compile("^Burglary"))
    expect(burglary).to_be_visible()
    viewer.tab_to(burglary)
    viewer.press("Space")
    expect(chips).to_contain_text("6,501 reports")
    spring = card.get_by_role("button", name="Spring 2025")
    viewer.tab_to(spring)
    viewer.press("Enter")
    expect(chips).to_contain_text("308 reports")
    expect(spring).to_be_focused()

    viewer.tab_to(page.get_by_role("button", name="Copy a link to this view"), most=200)
    viewer.press("Enter")
    expect(page.get_by_text("The link is copied.")).to_be_visible()
    assert in_query_and_not(page.evaluate("copied")) == page.url

    undo = chips.get_by_role("button", name="Undo")
    viewer.tab_to(undo)
    viewer.press("Enter", "Enter")
    expect(chips.get_by_role("button")).to_have_count(0)
    expect(chips).to_be_focused()

    search = card.get_by_role("searchbox")
    viewer.tab_to(search, key="Shift+Tab", most=200)
    page.keyboard.type("no such number")
    out = page.locator(".empty").get_by_role("button")
    expect(out).to_be_visible()
    viewer.tab_to(out, most=200)
    viewer.press("Enter")
    expect(page.locator(".empty .part")).to_have_count(0)
    expect(chips).to_be_focused()


@pytest.mark.slow
def test_each_task_is_done_by_roles_and_names_alone(open_viewer: Callable[..., Any]) -> None:
    viewer = open_viewer("/?layers=crime,bike-paths,air-quality")
    page = viewer.page
    tree = page.context.new_cdp_session(page)
    tree.send("Accessibility.enable")

    def press(role: str, name: str) -> None:
        """Press the only one of that role whose name begins like that."""
        nodes = tree.send("Accessibility.getFullAXTree")["nodes"]
        found = [
            node
            for node in nodes
            if not node.get("ignored")
            and node["role"]["value"] == role
            and re.match(name, node.get("name", {}).get("value", ""))
        ]
        assert len(found) == 1, [(node["role"]["value"], node.get("name", {}).get("value")) for node in found]
        target = tree.send("DOM.resolveNode", {"backendNodeId": found[0]["backendDOMNodeId"]})["object"]["objectId"]
        tree.send(
            "Runtime.callFunctionOn", {"objectId": target, "functionDeclaration": "function () { this.click(); }"}
        )
        viewer.settle()

    press("DisclosureTriangle", "Filter . Reported crime$")
    page.get_by_role("checkbox", name=re.compile("^Burglary")).wait_for()
    press("checkbox", r"Burglary 6,501$")
    press("button", "Spring 2025$")
    heard = page.get_by_role("status").filter(has_text=re.compile(r"Reported crime: 308 of [\d,]+ reports"))
    expect(heard).to_have_count(1)
    press("button", "Undo the last change")
    press("tab", "In view$")  # thousands of burglaries, and still some of the sensors among them
    page.locator("#panel-body ul button").first.wait_for()
    names = page.locator("#panel-body ul button").filter(has_text="Air quality")
    press("button", re.escape(names.first.locator(".title").inner_text()) + " Air quality")
    expect(page.get_by_role("dialog").get_by_role("slider")).to_be_visible()
    press("DisclosureTriangle", "As a table$")
    expect(page.get_by_role("dialog").get_by_role("table")).to_be_visible()
    press("button", "Close$")
