"""Who signs in by OpenID Connect, asked of a real provider; and what is believed of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest
from openid_provider import CLIENT, SECRET, Provider, run_provider
from pydantic import ValidationError

from geoserver.errors import GeoserverError, UnauthorizedError, UnavailableError
from geoserver.settings import Settings
from geoserver.site.openid import Begun, OpenID, Person

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLBACK = "http://127.0.0.1:1/signin/callback"
ADA = {"name": "Ada", "groups": ["planners", "staff"], "realm_access": {"roles": ["north"]}}


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[Provider]:
    with run_provider() as provider:
        provider.people["ada"] = ADA
        provider.callbacks.add(CALLBACK)
        yield provider


@pytest.fixture
def provider(shared_provider: Provider) -> Iterator[Provider]:
    shared_provider.faults.clear()
    shared_provider.asked.clear()
    yield shared_provider
    shared_provider.faults.clear()


def openid_for(provider: Provider, **more: object) -> OpenID:
    given = {"oidc_issuer": provider.url, "oidc_client_id": CLIENT, "oidc_client_secret": SECRET} | more
    return OpenID(Settings(database_url=None, **given))  # type: ignore[arg-type]


def come_back(provider: Provider, url: str) -> dict[str, str]:
    """What the provider sends a browser back with, which was sent to it."""
    return dict(parse_qsl(urlsplit(provider.approve(url, "ada")).query))


def sign_in(provider: Provider, openid: OpenID) -> Person:
    async def walk() -> Person:
        url, begun = await openid.begin(CALLBACK)
        return await openid.finish(CALLBACK, begun, come_back(provider, url))

    return asyncio.run(walk())


def test_a_person_is_who_the_provider_says(provider: Provider) -> None:
    assert sign_in(provider, openid_for(provider)) == Person("id-of-ada", "Ada", ("planners", "staff"))


def test_groups_may_be_inside_another_claim(provider: Provider) -> None:
    openid = openid_for(provider, oidc_groups_claim="realm_access.roles")
    assert sign_in(provider, openid).groups == ("north",)


def test_groups_that_are_not_in_the_token_are_asked_for(provider: Provider) -> None:
    provider.faults.add("groups apart")
    assert sign_in(provider, openid_for(provider)).groups == ("planners", "staff")


def test_groups_of_another_person_are_not_believed(provider: Provider) -> None:
    provider.faults |= {"groups apart", "other person"}
    assert sign_in(provider, openid_for(provider)) == Person("id-of-ada", "id-of-ada", ())


def test_who_has_no_groups_signs_in_without(provider: Provider) -> None:
    assert sign_in(provider, openid_for(provider, oidc_groups_claim="teams")).groups == ()


def test_the_provider_is_asked_with_a_challenge_a_state_and_a_nonce(provider: Provider) -> None:
    openid = openid_for(provider)
    url, begun = asyncio.run(openid.begin(CALLBACK))
    asked = dict(parse_qsl(urlsplit(url).query))
    assert asked["code_challenge_method"] == "S256"
    assert (asked["state"], asked["nonce"]) == (begun.state, begun.nonce)
    assert begun.verifier not in url
    assert min(len(begun.state), len(begun.nonce), len(begun.verifier)) >= 20
    assert asyncio.run(openid.begin(CALLBACK))[1] != begun


@pytest.mark.parametrize("fault", ["other nonce", "other key", "no signature", "other client", "too late"])
def test_a_token_that_is_not_for_this_sign_in_is_not_believed(provider: Provider, fault: str) -> None:
    provider.faults.add(fault)
    with pytest.raises(UnauthorizedError):
        sign_in(provider, openid_for(provider))


def test_a_code_is_worth_nothing_in_another_browser(provider: Provider) -> None:
    async def walk() -> None:
        openid = openid_for(provider)
        url, begun = await openid.begin(CALLBACK)
        other = (await openid.begin(CALLBACK))[1]
        given = come_back(provider, url)
        with pytest.raises(UnauthorizedError, match="this browser"):
            await openid.finish(CALLBACK, other, given)
        stolen = Begun(begun.state, begun.nonce, other.verifier)  # who saw the address knows the state
        with pytest.raises(UnauthorizedError, match="did not confirm"):
            await openid.finish(CALLBACK, stolen, given)

    asyncio.run(walk())


def test_a_code_is_worth_something_once(provider: Provider) -> None:
    async def walk() -> None:
        openid = openid_for(provider)
        url, begun = await openid.begin(CALLBACK)
        given = come_back(provider, url)
        await openid.finish(CALLBACK, begun, given)
        with pytest.raises(UnauthorizedError):
            await openid.finish(CALLBACK, begun, given)

    asyncio.run(walk())


@pytest.mark.parametrize(
    "given", [{"error": "access_denied"}, {}, {"code": "x", "iss": "https://other.example"}, {"code": "made-up"}]
)
def test_an_answer_without_a_good_code_signs_nobody_in(provider: Provider, given: dict[str, str]) -> None:
    async def walk() -> None:
        openid = openid_for(provider)
        _, begun = await openid.begin(CALLBACK)
        with pytest.raises(UnauthorizedError):
            await openid.finish(CALLBACK, begun, {"state": begun.state} | given)

    asyncio.run(walk())


@pytest.mark.parametrize("fault", ["other issuer", "no answer"])
def test_a_provider_that_does_not_answer_properly_is_told_apart(provider: Provider, fault: str) -> None:
    provider.faults.add(fault)
    with pytest.raises(UnavailableError):
        sign_in(provider, openid_for(provider))


def test_a_provider_that_is_away_is_told_apart(provider: Provider) -> None:
    with pytest.raises(UnavailableError):
        asyncio.run(openid_for(provider, oidc_issuer="http://127.0.0.1:9").begin(CALLBACK))


def test_a_wrong_secret_is_our_fault_and_signs_nobody_in(provider: Provider) -> None:
    with pytest.raises(GeoserverError):
        sign_in(provider, openid_for(provider, oidc_client_secret="wrong"))


@pytest.mark.parametrize(
    "given",
    [
        {"oidc_issuer": "http://login.example.org", "oidc_client_id": "x"},
        {"oidc_issuer": "login.example.org", "oidc_client_id": "x"},
        {"oidc_issuer": "https://login.example.org"},
        {"oidc_issuer": "https://login.example.org", "oidc_client_id": "x", "oidc_scopes": "profile"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"expected|needs"):
        Settings(database_url=None, **given)  # type: ignore[arg-type]
