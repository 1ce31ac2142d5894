"""The map in pages of AMP, as its own validator sees it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from npm_packages import bring_amp_rules, install

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HERE = Path(__file__).parent / "hosts"
BURGLARIES = "?layers=crime&filter.crime=category IN ('burglary')"


def test_the_snippet_for_amp_is_valid_amp(open_viewer: Callable[..., Any]) -> None:
    folder, rules = install("amphtml-validator@1.0.38"), bring_amp_rules()
    viewer = open_viewer("/" + BURGLARIES.replace(" ", "%20"))
    viewer.expected_faults = ("status of 404",)  # where no pictures are drawn
    viewer.page.get_by_role("button", name="Embed this map").click()
    dialog = viewer.page.get_by_role("dialog", name="Embed this map")
    dialog.get_by_role("textbox", name="Title").fill(""""><b>Ours</b>' & 🔥 سرقات""")
    dialog.get_by_label("For", exact=True).select_option("amp")
    snippet = dialog.get_by_role("textbox", name="Text to paste").input_value()
    assert quote("<b>") in snippet
    page = (HERE / "amp.html").read_text(encoding="utf-8")
    # AMP takes frames from servers with TLS alone.
    whole = page.replace("<!-- map -->", snippet.replace(viewer.origin, "https://city.example"))
    assert validate(folder, rules, whole) == {"status": "PASS", "errors": []}
    broken = validate(folder, rules, re.sub(' layout="responsive"', ' layout="x"', whole))
    assert broken["status"] == "FAIL"  # it is the validator that says so


def validate(folder: Path, rules: Path, page: str) -> dict[str, Any]:
    node = shutil.which("node")
    assert node
    done = subprocess.run(
        [node, HERE / "validate.cjs", folder, rules],
        input=page,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found
