"""Signing in and out: a page made here, that needs no script and holds nothing from elsewhere."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, parse_qsl, quote, unquote, urlencode, urlsplit

import orjson
from fastapi import APIRouter, Request, Response

from geoserver.access import access_of
from geoserver.catalog.city_words import offered_languages, speak
from geoserver.catalog.languages import page_language, read_words
from geoserver.errors import (
    ForbiddenError,
    GeoserverError,
    NotFoundError,
    TooManyError,
    UnauthorizedError,
    UnavailableError,
)
from geoserver.gate import MisplacedKeyError, has_key, is_from, read_given, take_keys
from geoserver.site.answers import site_of
from geoserver.site.attempts import TooManyAttemptsError
from geoserver.site.openid import Begun
from geoserver.site.rendering import build_policy, dress_sheet, render
from geoserver.site.sessions import begin_session, close_session, cookie_path, is_secure, note_refusal
from geoserver.turns import client_of

if TYPE_CHECKING:
    from geoserver.catalog.languages import ServerWords
    from geoserver.gate import Gate
    from geoserver.services import Services
    from geoserver.site.attempts import Attempts
    from geoserver.site.openid import OpenID

__all__ = ["router"]

router = APIRouter(tags=["site"], include_in_schema=False)

_BEGUN = "geoserver_signin"  # the cookie of a sign-in by OpenID Connect that is on its way
_MINUTES = 10  # for which it holds
_LONGEST = 8_192  # bytes of a form
_LONGEST_BACK = 2_000


@router.get("/signin")
async def show(request: Request) -> Response:
    """The form; for whoever is signed in, who that is and how to sign out."""
    return _render(request)


@router.post("/signin")
async def sign_in(request: Request) -> Response:
    """Sign in with a key."""
    attempts: Attempts = request.app.state.attempts
    gate: Gate = request.app.state.gate
    client = client_of(request.scope)
    try:
        _demand_own_page(request)
        try:
            given = read_given((), [(await _read_form(request)).get("key", "").strip()])
            assert given is not None  # noqa: S101 - for the type checker: there is one, or it raises
            found = await gate.find_key(given)
        except UnauthorizedError:
            attempts.begin(client)  # nobody guesses 256 bits, so the right key is never kept waiting
            raise
        response = _go_back(request)
        await begin_session(request, response, found)
    except GeoserverError as error:
        await _note(request, error, "key")
        return _render(request, error)
    return response


@router.get("/signout")
async def show_way_out(request: Request) -> Response:
    """The page has the button: an address alone signs nobody out."""
    return _render(request)


@router.post("/signout")
async def sign_out(request: Request) -> Response:
    response = _go_back(request)
    try:
        _demand_own_page(request)
        await close_session(request, response)
    except GeoserverError as error:
        return _render(request, error)
    return response


@router.get("/signin/openid")
async def begin_openid(request: Request) -> Response:
    """Off to the provider; what must be the same afterwards stays in the browser."""
    openid = _provider_of(request)
    try:
        url, begun = await openid.begin(_callback(request))
    except GeoserverError as error:
        return _render(request, error, by_key=False)
    response = Response(status_code=303, headers={"Location": url, **_PRIVATE})
    kept = base64.urlsafe_b64encode(orjson.dumps(asdict(begun) | {"back": _read_back(request)}))
    _set_begun(request, response, kept.decode(), _MINUTES * 60)
    return response


@router.get("/signin/callback")
async def finish_openid(request: Request) -> Response:
    """Back from the provider."""
    attempts: Attempts = request.app.state.attempts
    client = client_of(request.scope)
    openid = _provider_of(request)
    try:
        # What this browser did not begin is no attempt of it, and ends none: a foreign page may lead here.
        begun, back = _read_begun(request)
        openid.read_code(begun, request.query_params)
    except GeoserverError as error:
        return _render(request, error, by_key=False)
    try:
        attempts.begin(client)
        person = await openid.finish(_callback(request), begun, request.query_params)
        attempts.give_back(client)
        response = Response(status_code=303, headers={"Location": site_of(request) + _check_back(back), **_PRIVATE})
        await begin_session(request, response, person)
    except GeoserverError as error:
        await _note(request, error, "provider")
        response = _render(request, error, by_key=False)
    _set_begun(request, response, "", 0)
    return response


async def _note(request: Request, error: GeoserverError, how: str) -> None:
    """Have an operator hear of who tries too often; not of each time that they do."""
    attempts: Attempts = request.app.state.attempts
    client = client_of(request.scope)
    if isinstance(error, TooManyAttemptsError) and attempts.is_news(client):
        await note_refusal(request, client, how)


def _demand_own_page(request: Request) -> None:
    if not is_from(site_of(request), request.headers.getlist("origin")):
        raise ForbiddenError("The form must be sent from the page of this server.")


async def _read_form(request: Request) -> dict[str, str]:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST:
            raise UnauthorizedError("A key is shorter.")
    return dict(parse_qsl(body.decode("utf-8", "replace")))


def _provider_of(request: Request) -> OpenID:
    openid: OpenID | None = request.app.state.openid
    if openid is None:
        raise NotFoundError("provider", "openid", "a sign-in by key: no GEOSERVER_OIDC_ISSUER is set")
    return openid


def _callback(request: Request) -> str:
    return f"{site_of(request)}/signin/callback"


def _set_begun(request: Request, response: Response, value: str, seconds: int) -> None:
    path = f"{cookie_path(request).rstrip('/')}/signin"
    response.set_cookie(
        _BEGUN, value, max_age=seconds, path=path, secure=is_secure(request), httponly=True, samesite="lax"
    )


def _read_begun(request: Request) -> tuple[Begun, str]:
    """The sign-in that this browser began, and where it came from; raises UnauthorizedError."""
    try:
        kept = orjson.loads(base64.urlsafe_b64decode(request.cookies.get(_BEGUN, "")))
        parts = [kept[name] for name in ("state", "nonce", "verifier", "back")]
    except (ValueError, KeyError, TypeError):
        raise UnauthorizedError("This browser began no sign-in, or too long ago.") from None
    if not all(isinstance(part, str) and part for part in parts):
        raise UnauthorizedError("This browser began no sign-in.")
    return Begun(*parts[:3]), parts[3]


def _go_back(request: Request) -> Response:
    return Response(status_code=303, headers={"Location": site_of(request) + _read_back(request), **_PRIVATE})


def _read_back(request: Request) -> str:
    """Where on our site somebody came from: as `back` says, else the page with the link; the map for want of both."""
    if given := request.query_params.get("back"):
        return _check_back(given)
    referer = request.headers.get("referer", "")
    inside = referer.removeprefix(f"{site_of(request)}/")
    return _check_back(f"/{inside}") if inside != referer else "/"


def _check_back(given: str) -> str:
    """An address on our site as it follows after our own, "/" for what is none: nobody is sent elsewhere from here."""
    if len(given) > _LONGEST_BACK or not given.isprintable() or not given.startswith("/") or given.startswith("//"):
        return "/"
    given = _without_keys(given)
    path = unquote(urlsplit(given).path)
    if ".." in path.split("/") or path.startswith(("/signin", "/signout")):
        return "/"
    return quote(given, safe="/?&=#:@,;+$!*'()~%-._|[]")


def _without_keys(given: str) -> str:
    """An address of ours without keys: the map is opened with one in the query, and this page is for others to read."""
    path, mark, query = given.partition("?")
    try:
        left = take_keys(query.encode())[0]
    except MisplacedKeyError as error:
        left = error.query
    kept = path + mark + left.decode() if left else path
    return "/" if has_key(kept) else kept


_PRIVATE = {"Cache-Control": "no-store", "Vary": "Cookie"}


def _render(request: Request, error: GeoserverError | None = None, *, by_key: bool = True) -> Response:
    """The page, in the language of the map's page and in its dress, with what went wrong."""
    services: Services = request.app.state.services
    openid: OpenID | None = request.app.state.openid
    city = services.live.current.city
    back = _read_back(request)
    asked = parse_qs(urlsplit(back).query)
    stated = request.query_params.get("lang") or next(iter(asked.get("lang", [])), None)
    language = page_language(stated, request.headers.getlist("accept-language"), offered_languages(city))
    words = read_words()[language]
    access = access_of(request.scope)
    theme = next((base for base in asked.get("base", []) if base in ("light", "dark")), "")
    sheet = dress_sheet("signin.css", city)
    given = {name: value for name, value in (("back", back), ("lang", stated)) if value and value != "/"}
    page = render(
        "signin.html",
        language=language,
        theme=theme,
        words=words,
        city=speak(city, (language,)),
        site=site_of(request),
        sheet=sheet,
        name=access.name if access.by_cookie else "",
        signed_in=words.signed_in.format(access.name),
        fault=_say(error, words, by_key=by_key) if error else "",
        by_key=by_key,
        provider=words.signin_with.format(openid.title) if openid else "",
        query="?" + urlencode(given) if given else "",
        back=back,
    )
    status = error.status if error else 200
    if isinstance(error, UnauthorizedError):
        status = 403  # a 401 would make the browser ask for a name and a password, in a box of its own
    return Response(page, status, _build_headers(sheet, error), "text/html; charset=utf-8")


def _say(error: GeoserverError, words: ServerWords, *, by_key: bool) -> str:
    match error:
        case TooManyError():
            return words.signin_many
        case UnavailableError():
            return words.signin_away
        case ForbiddenError():
            return words.signin_foreign
        case _:
            return words.signin_wrong if by_key else words.signin_failed


def _build_headers(sheet: str, error: GeoserverError | None) -> dict[str, str]:
    headers = {
        "Content-Security-Policy": build_policy(sheet, "none"),
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Vary": "Cookie, Accept-Language",
        "Cache-Control": "no-store",
    }
    if isinstance(error, TooManyError | UnavailableError):
        headers["Retry-After"] = str(error.retry_after)
    return headers
