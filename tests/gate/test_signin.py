"""Signing in and out: with a key on a page without scripts, by OpenID Connect, and what a cookie may do."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from fastapi.testclient import TestClient
from gatehouse import House, basic, bearer, build_app
from openid_provider import CLIENT, SECRET, Provider, run_provider
from pydantic import SecretStr

from geoserver import assets
from geoserver.catalog.languages import ENGLISH, read_table
from geoserver.database.keys import list_audit
from geoserver.gate import COOKIE
from geoserver.model import Grant
from geoserver.site.attempts import Attempts
from geoserver.site.signin import _check_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = "http://127.0.0.1"
OWN = {"Origin": HERE}
CALLBACK = f"{HERE}/signin/callback"


class _Page(HTMLParser):
    """Addresses that a page loads, leads to or sends to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [(tag, value or "") for name, value in attrs if name in ("href", "src", "action", "onclick")]


@pytest.fixture
def browser(asked: TestClient) -> Iterator[TestClient]:
    """A browser with no cookies, whose attempts are not those of another test."""
    asked.cookies.clear()
    asked.app.state.attempts.__init__()  # type: ignore[attr-defined]
    yield asked
    asked.cookies.clear()


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with run_provider() as running:
        running.people["ada"] = {"name": "Ada <b>", "groups": ["planners"]}
        running.callbacks.add(CALLBACK)
        yield running


@pytest.fixture(scope="module")
def openid_asked(house: House, provider: Provider) -> Iterator[TestClient]:
    (house.workspace / "access.toml").write_text('[groups.planners]\nlayers = ["wells"]\n', encoding="utf-8")
    given = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT, "oidc_client_secret": SecretStr(SECRET)}
    app = build_app(house, **given)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def openid_browser(openid_asked: TestClient, provider: Provider) -> Iterator[TestClient]:
    openid_asked.cookies.clear()
    openid_asked.app.state.attempts.__init__()  # type: ignore[attr-defined]
    provider.faults.clear()
    yield openid_asked
    openid_asked.cookies.clear()
    provider.faults.clear()


def send_key(browser: TestClient, key: str, query: str = "", **more: Any) -> Any:
    more = {"headers": OWN, "follow_redirects": False} | more
    return browser.post(f"/signin{query}", data={"key": key}, **more)


def who(browser: TestClient) -> tuple[str, str]:
    told = browser.get("/who").json()
    return told["kind"], told["name"]


def test_the_page_needs_no_script_and_nothing_from_elsewhere(browser: TestClient) -> None:
    answer = browser.get("/signin")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert all(address.startswith(f"{HERE}/") for _, address in _Page(answer.text).found)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    (sheet,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    assert policy["style-src"] == f"'sha256-{base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()}'"
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"


def test_the_page_speaks_the_readers_language_and_keeps_the_theme_of_the_map(browser: TestClient) -> None:
    assert 'lang="fr"' in browser.get("/signin", headers={"Accept-Language": "fr"}).text
    page = browser.get("/signin", headers={"Referer": f"{HERE}/?layers=wells&base=dark&lang=de"}).text
    assert "Anmelden" in page
    assert 'data-theme="dark"' in page
    assert f'action="{HERE}/signin?back=%2F%3Flayers%3Dwells%26base%3Ddark%26lang%3Dde&amp;lang=de"' in page


def test_a_key_signs_in_and_the_way_out_ends_the_session_everywhere(browser: TestClient, house: House) -> None:
    _, key = house.key()
    answer = send_key(browser, f" {key}\n", "?back=/%3Flayers=wells")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}/?layers=wells")
    assert who(browser) == ("key", "test")
    page = browser.get("/signin").text
    assert "Signed in as test" in page
    assert key not in page + str(answer.headers)
    copied = browser.cookies[COOKIE]
    assert browser.post("/signout", headers=OWN, follow_redirects=False).status_code == 303
    assert COOKIE not in browser.cookies
    assert who(browser) == ("nobody", "")
    browser.cookies[COOKIE] = copied
    assert who(browser) == ("nobody", "")


def test_no_script_reads_the_cookie_and_no_foreign_page_sends_it(browser: TestClient, house: House) -> None:
    _, key = house.key()
    cookie = send_key(browser, key).headers["set-cookie"]
    assert re.search("; HttpOnly", cookie)
    assert re.search("; SameSite=lax", cookie)
    assert re.search(r"; Path=/(;|$)", cookie)
    assert "Secure" not in cookie
    assert "Domain" not in cookie


def test_behind_https_and_a_path_the_cookie_keeps_to_them(house: House) -> None:
    _, key = house.key()
    app = build_app(house, public_url="https://maps.example.org/city")
    with TestClient(app, base_url="http://maps.example.org") as browser:
        answer = send_key(browser, key, headers={"Origin": "https://maps.example.org"})
        assert answer.headers["location"] == "https://maps.example.org/city/"
        assert "; Path=/city;" in answer.headers["set-cookie"]
        assert "; Secure" in answer.headers["set-cookie"]
        assert send_key(browser, key, headers={"Origin": "http://maps.example.org"}).status_code == 403


def test_ten_wrong_keys_do_not_lock_out_a_house(browser: TestClient, house: House) -> None:
    _, key = house.key()
    for number in range(15):
        send_key(browser, "x" if number % 2 else "gsk_" + "x" * 43)
    assert send_key(browser, key).status_code == 303


@pytest.mark.parametrize("key", ["", "x", "gsk_", "gsk_" + "x" * 43, "gsk_" + "x" * 100_000, "<script>", "\0"])
def test_a_wrong_key_is_told_on_the_page_and_not_repeated(browser: TestClient, key: str) -> None:
    answer = send_key(browser, key)
    assert answer.status_code == 403
    assert 'role="alert"' in answer.text
    assert "not known here" in answer.text
    assert COOKIE not in browser.cookies
    assert "www-authenticate" not in answer.headers
    assert len(key) < 5 or key not in answer.text


@pytest.mark.parametrize(
    "origin",
    [None, "null", "https://evil.example", "http://127.0.0.1:81", "https://127.0.0.1", "http://127.0.0.1.evil"],
)
def test_a_form_from_a_foreign_page_signs_nobody_in(browser: TestClient, house: House, origin: str | None) -> None:
    _, key = house.key()
    answer = send_key(browser, key, headers={"Origin": origin} if origin else {})
    assert answer.status_code == 403
    assert COOKIE not in browser.cookies


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://127.0.0.1:81"])
def test_a_cookie_writes_from_our_own_pages_only(browser: TestClient, house: House, origin: str | None) -> None:
    _, key = house.key()
    send_key(browser, key)
    foreign = {"Origin": origin} if origin else {}
    answer = browser.post("/who", headers=foreign)
    assert (answer.status_code, answer.json()["title"]) == (403, "Not allowed")
    assert browser.post("/signout", headers=foreign).status_code == 403
    assert who(browser)[0] == "key"
    assert browser.post("/who", headers=OWN).json()["by_cookie"] is True
    assert browser.get("/who", headers=foreign).status_code == 200


def test_a_key_in_the_header_writes_from_anywhere(browser: TestClient, house: House) -> None:
    _, key = house.key()
    answer = browser.post("/who", headers=bearer(key) | {"Origin": "https://elsewhere.example"})
    assert answer.json()["by_cookie"] is False


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": HERE, "Sec-Fetch-Site": "same-origin"}, 200),
        ({}, 200),
    ],
)
def test_a_password_that_a_browser_keeps_writes_from_our_own_pages_only(
    browser: TestClient, house: House, told: dict[str, str], status: int
) -> None:
    _, key = house.key()
    for scheme in ("Basic", "bASIC"):
        header = {"Authorization": basic(key)["Authorization"].replace("Basic", scheme)}
        assert browser.post("/who", headers=header | told).status_code == status
        assert browser.get("/who", headers=header | told).status_code == 200
    assert browser.post("/who", headers=bearer(key) | told).status_code == 200


def test_who_came_to_the_map_with_a_key_in_the_address_finds_none_on_the_page(
    browser: TestClient, house: House
) -> None:
    _, key = house.key()
    for address in (f"/?layers=wells&key={key}", f"/?key={key}", f"/?k%65y=gsk%5f{key[4:]}", f"/?q=%2567sk_{key[4:]}"):
        answer = browser.get("/signin", headers={"Referer": HERE + address})
        assert answer.status_code == 200
        assert key[4:] not in answer.text
        (action,) = [value for tag, value in _Page(answer.text).found if tag == "form"]
        assert ("layers" in action) is ("layers" in address)
        sent = browser.post(action, data={"key": key}, headers=OWN, follow_redirects=False)
        assert sent.status_code == 303
        assert key[4:] not in str(sent.headers)
        browser.cookies.clear()


def test_the_map_is_at_an_address_without_a_key(browser: TestClient, house: House) -> None:
    _, key = house.key()
    for query, left in ((f"?layers=wells&key={key}&lang=fr", "?layers=wells&lang=fr"), (f"?key={key}", "")):
        answer = browser.get(f"/{query}", follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}/{left}")
        assert answer.headers["cache-control"] == "private, no-store"
    assert browser.get("/", headers=bearer(key), follow_redirects=False).status_code != 303


def test_who_has_asked_too_often_can_still_sign_out(browser: TestClient, house: House) -> None:
    _, key = house.key(quota=2)
    send_key(browser, key)
    assert [browser.get("/who").status_code for _ in range(3)][-1] == 429
    assert "Signed in as test" in browser.get("/signout").text
    assert browser.post("/signout", headers=OWN, follow_redirects=False).status_code == 303
    assert who(browser)[0] == "nobody"


def test_a_session_is_new_at_each_sign_in_and_the_one_before_ends(browser: TestClient, house: House) -> None:
    _, key = house.key()
    planted = "gss_" + "p" * 43
    browser.cookies[COOKIE] = planted
    first = send_key(browser, key).cookies[COOKIE]
    assert first != planted
    browser.cookies.clear()
    browser.cookies[COOKIE] = first
    second = send_key(browser, key).cookies[COOKIE]
    assert second != first
    for token, kind in ((planted, "nobody"), (first, "nobody"), (second, "key")):
        browser.cookies.clear()
        browser.cookies[COOKIE] = token
        assert who(browser)[0] == kind


def test_a_session_ends_with_its_key(browser: TestClient, house: House) -> None:
    stored, key = house.key(expires=(datetime.now(UTC) + timedelta(hours=1)).isoformat())
    answer = send_key(browser, key)
    seconds = int(re.search(r"Max-Age=(\d+)", answer.headers["set-cookie"])[1])  # type: ignore[index]
    assert 3_000 < seconds <= 3_600
    house.do("UPDATE geoserver.keys SET revoked_at = now() WHERE id = %s", [stored.id])
    wait_until(lambda: who(browser)[0] == "nobody")
    assert browser.get("/who").status_code == 200


def test_many_attempts_are_slowed_down_and_good_ones_are_not(browser: TestClient, house: House) -> None:
    _, key = house.key()
    for _ in range(15):
        assert send_key(browser, key).status_code == 303
    answers = [send_key(browser, "gsk_" + "x" * 43) for _ in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[:8] == [403] * 8
    assert statuses[-1] == 429
    assert 0 < int(answers[-1].headers["retry-after"]) <= 30
    assert send_key(browser, key).status_code == 303  # whoever shares the address with who tries wrong ones


def list_deeds(house: House) -> list[tuple[str, str, str]]:
    """Who signed in and out, from what the audit lists."""
    with psycopg.connect(house.database_url) as connection:
        entries = list_audit(connection, 1_000)
    return [(entry["action"], entry["subject"], entry["name"]) for entry in entries if "sign" in entry["action"]]


def test_the_audit_tells_who_signed_in_and_out_and_who_tried_too_often(browser: TestClient, house: House) -> None:
    stored, key = house.key()
    before = len(list_deeds(house))
    send_key(browser, key)
    send_key(browser, key)  # anew, in the same browser
    browser.post("/signout", headers=OWN)
    browser.post("/signout", headers=OWN)  # nobody is signed in any more
    subject = f"key:{stored.id}"
    signed_in = ("sign in", subject, "test")
    assert list_deeds(house)[before:] == [signed_in, signed_in, ("sign out", subject, "test")]
    browser.app.state.attempts = Attempts()  # type: ignore[attr-defined]
    wrong = "gsk_" + "x" * 43
    statuses = [send_key(browser, wrong).status_code for _ in range(14)]
    assert statuses == [403] * 10 + [429] * 4
    told = list_deeds(house)[before + 3 :]
    assert [(action, name) for action, _, name in told] == [("sign-in refused", "")]  # once, and wrong keys not at all
    assert told[0][1].startswith("client:")
    assert wrong not in str(house.do("SELECT details::text FROM geoserver.audit"))


def test_an_operator_hears_of_a_client_again_after_it_could_try_once_more_and_of_many_seldom() -> None:
    attempts = Attempts()
    clients = [f"10.0.0.{number}" for number in range(30)]
    assert sum(attempts.is_news(client) for client in clients) == 10
    assert not attempts.is_news(clients[0])
    attempts = Attempts()
    assert attempts.is_news("10.0.0.1")
    assert not attempts.is_news("10.0.0.1")
    attempts.begin("10.0.0.1")
    assert attempts.is_news("10.0.0.1")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/?layers=a,b&filter.a=x = 'y'", "/?layers=a,b&filter.a=x%20=%20'y'"),
        ("/layers/wells", "/layers/wells"),
        ("/?q=%2F%2Fevil", "/?q=%2F%2Fevil"),
        *((odd, "/") for odd in ("", "//evil.example", "https://evil.example", "evil", "javascript:alert(1)")),
        *((odd, "/") for odd in ("/../other", "/%2e%2e/other", "/a/..%2f..", "/\r\nSet-Cookie: a=b", "/" + "x" * 3000)),
        *((odd, "/") for odd in ("/signin", "/signout?x", "\\\\evil", "///evil")),
    ],
)
def test_nobody_is_sent_elsewhere_after_signing_in(given: str, expected: str) -> None:
    assert _check_back(given) == expected


def test_after_signing_in_one_is_on_this_host(browser: TestClient, house: House) -> None:
    _, key = house.key()
    for back in ("//evil.example", "https://evil.example/", "/%5cevil.example", "/%09/evil.example", "@evil.example"):
        where = send_key(browser, key, f"?back={back}").headers["location"]
        assert urlsplit(where).netloc == "127.0.0.1", where
        answer = browser.get("/signin", headers={"Referer": back})
        assert "evil" not in answer.text
    assert "evil" not in browser.get("/signin", headers={"Referer": f"{HERE}.evil.example/x"}).text


def test_without_a_provider_there_is_none(browser: TestClient) -> None:
    for address in ("/signin/openid", "/signin/callback?code=x&state=y"):
        answer = browser.get(address, follow_redirects=False)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert "/signin/openid" not in browser.get("/signin").text


@pytest.mark.slow
def test_a_session_cannot_be_made_while_the_database_is_away(house: House) -> None:
    app = build_app(House(house.workspace, "postgresql://127.0.0.1:1/nothing"))
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as browser:
        answer = send_key(browser, "gsk_" + "x" * 43)
        assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
        assert "at the moment" in answer.text


def go_to_provider(browser: TestClient, query: str = "") -> str:
    answer = browser.get(f"/signin/openid{query}", follow_redirects=False)
    assert answer.status_code == 303, answer.text
    assert re.search(
        "geoserver_signin=.*; HttpOnly; Max-Age=600; Path=/signin; SameSite=lax", answer.headers["set-cookie"]
    )
    return str(answer.headers["location"])


def come_back(browser: TestClient, where: str) -> Any:
    return browser.get(where, follow_redirects=False)


def test_a_person_signs_in_by_openid_connect_and_has_the_grants_of_their_groups(
    openid_browser: TestClient, provider: Provider
) -> None:
    assert "/signin/openid" in openid_browser.get("/signin").text
    url = go_to_provider(openid_browser, "?back=/%3Flayers=wells")
    assert url.startswith(f"{provider.url}/authorize?")
    assert dict(parse_qsl(urlsplit(url).query))["redirect_uri"] == CALLBACK
    answer = come_back(openid_browser, provider.approve(url, "ada"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"{HERE}/?layers=wells")
    assert who(openid_browser) == ("person", "Ada <b>")
    assert "Signed in as Ada &lt;b&gt;" in openid_browser.get("/signin").text
    with psycopg.connect(openid_browser.app.state.services.database.url) as connection:  # type: ignore[attr-defined]
        (entry,) = list_audit(connection, 1)
    assert (entry["action"], entry["subject"], entry["name"]) == ("sign in", "person:id-of-ada", "Ada <b>")
    assert entry["details"]["groups"] == ["planners"]
    assert "geoserver_signin" not in openid_browser.cookies
    (subject,) = openid_browser.app.state.services.live.current.grants_of(["planners"])  # type: ignore[attr-defined]
    assert subject == Grant(frozenset({"wells"}))


@pytest.mark.parametrize(
    "fault", ["other nonce", "other key", "no signature", "other client", "for another by us", "too late"]
)
def test_what_the_provider_did_not_say_signs_nobody_in(
    openid_browser: TestClient, provider: Provider, fault: str
) -> None:
    provider.faults.add(fault)
    answer = come_back(openid_browser, provider.approve(go_to_provider(openid_browser), "ada"))
    assert answer.status_code == 403
    assert "did not work" in answer.text
    assert COOKIE not in openid_browser.cookies


def test_a_sign_in_that_this_browser_did_not_begin_is_not_ended_in_it(
    openid_browser: TestClient, provider: Provider
) -> None:
    theirs = provider.approve(go_to_provider(openid_browser), "ada")
    openid_browser.cookies.clear()  # another browser
    assert come_back(openid_browser, theirs).status_code == 403
    go_to_provider(openid_browser)  # which is signing in itself
    assert come_back(openid_browser, theirs).status_code == 403
    assert COOKIE not in openid_browser.cookies
    for cookie in ("x", "e30=", "bnVsbA==", "W10="):
        openid_browser.cookies.clear()
        openid_browser.cookies.set("geoserver_signin", cookie)
        assert come_back(openid_browser, theirs).status_code == 403


def test_a_person_has_a_name_that_can_be_written_down(openid_browser: TestClient, provider: Provider) -> None:
    provider.faults.add("long subject")
    answer = come_back(openid_browser, provider.approve(go_to_provider(openid_browser), "ada"))
    assert answer.status_code == 503
    assert COOKIE not in openid_browser.cookies


def test_what_foreign_pages_ask_for_locks_nobody_out(openid_browser: TestClient, provider: Provider) -> None:
    url = go_to_provider(openid_browser)
    kept = dict(openid_browser.cookies)
    openid_browser.cookies.clear()
    for _ in range(15):  # images on a foreign page, which send no cookie
        assert come_back(openid_browser, "/signin/callback?code=x&state=y").status_code == 403
    openid_browser.cookies.update(kept)
    for _ in range(15):  # links on it, which do
        answer = come_back(openid_browser, "/signin/callback?code=x&state=y")
        assert (answer.status_code, "set-cookie" in answer.headers) == (403, False)
    assert come_back(openid_browser, provider.approve(url, "ada")).status_code == 303


def test_codes_that_the_provider_does_not_know_are_attempts(openid_browser: TestClient) -> None:
    def try_code() -> int:
        state = dict(parse_qsl(urlsplit(go_to_provider(openid_browser)).query))["state"]
        return int(come_back(openid_browser, f"/signin/callback?code=x&state={state}").status_code)

    assert 429 in [try_code() for _ in range(12)]


def test_a_refusal_of_the_provider_is_told_on_the_page(openid_browser: TestClient) -> None:
    state = dict(parse_qsl(urlsplit(go_to_provider(openid_browser)).query))["state"]
    answer = come_back(openid_browser, f"/signin/callback?error=access_denied&state={state}")
    assert answer.status_code == 403
    assert "did not work" in answer.text


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.02)


def test_whoever_signed_in_is_told_so_and_the_public_page_stays_the_same(browser: TestClient, house: House) -> None:
    public = browser.get("/", headers={"Accept-Encoding": "identity"})
    nobody = {"kind": "nobody", "name": None, "signed_in": None, "sign_out": None, "freezes": False}
    assert browser.get("/api/me").json() == nobody
    _, key = house.key()
    assert browser.get("/api/me", headers=bearer(key)).json()["name"] == "test"
    assert browser.get("/api/me", headers=bearer(key)).json()["signed_in"] is None
    send_key(browser, key)
    me = browser.get("/api/me?lang=de")
    told = {"kind": "key", "name": "test", "signed_in": "Angemeldet als test", "sign_out": "Abmelden"}
    assert me.json().items() >= told.items()
    assert me.headers["cache-control"] == "private, no-store"
    own = browser.get("/", headers={"Accept-Encoding": "identity"})
    if public.status_code == 200:  # the viewer is built
        assert " data-account>" in own.text
        assert own.headers["cache-control"] == "private, no-store"
        browser.cookies.clear()
        again = browser.get("/", headers={"Accept-Encoding": "identity"})
        assert (again.content, again.headers["cache-control"]) == (public.content, public.headers["cache-control"])


@pytest.mark.parametrize(("link", "shown"), [(None, False), (True, True), (False, False)])
def test_the_map_links_to_the_page_where_that_is_wanted(house: House, link: bool | None, *, shown: bool) -> None:
    with TestClient(build_app(house, signin_link=link), base_url=HERE) as browser:
        links = browser.get("/api/layers?lang=fr&fields=id").json()["city"]["links"]
        expected = [{"rel": "signin", "title": "Se connecter", "href": f"{HERE}/signin"}] if shown else []
        assert [link for link in links if link["rel"] != "datasets"] == expected


def test_whoever_sees_what_not_everybody_sees_is_told_so_in_their_language(browser: TestClient, house: House) -> None:
    _, key = house.key(Grant(frozenset({"wells"}), fields=frozenset({"owner"})))
    layers = browser.get("/api/layers?lang=pt", headers=bearer(key)).json()["layers"]
    told = {layer["id"]: (layer.get("access"), layer.get("access_title")) for layer in layers}
    assert told == {"benches": (None, None), "wells": ("restricted", "Restrita")}
    fields = browser.get("/api/layers/wells?lang=pt", headers=bearer(key)).json()["fields"]
    assert {item["name"]: item.get("access_title") for item in fields} == {"wood": None, "owner": "Restrita"}


def test_every_language_has_all_the_words_of_signing_in() -> None:
    wanted = {item.name for item in fields(ENGLISH)} - {"code"}
    for path in sorted(assets.root("messages").glob("*.ts")):
        said = read_table(path, "server")
        assert wanted - said.keys() == set(), path.name
        for name in ("signin_with", "signed_in"):
            assert said[name].format("Ada").count("Ada") == 1, path.name
