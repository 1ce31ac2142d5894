"""OpenID Connect: who someone is by the word of a provider that the operator trusts (code flow with PKCE).

Authlib writes the requests and proves what comes back: signature, issuer, audience, times, nonce, and the hash of the
access token.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from authlib.integrations.base_client import BaseApp, OAuthError
from authlib.integrations.base_client.sync_app import OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from joserfc.errors import JoseError

from geoserver.errors import UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from geoserver.settings import Settings

__all__ = ["Begun", "OpenID", "Person"]

log = logging.getLogger("geoserver")

_DISCOVERY = "/.well-known/openid-configuration"
_PATIENCE = 10.0  # seconds for one answer of the provider
_FRESH = 3600.0  # seconds for which what the provider says of itself is believed
_AT_ONCE = 4  # sign-ins that may wait for the provider at a time
_LONGEST = 200  # characters of a name
_LONGEST_SUBJECT = 255  # as OpenID Connect has it
_MOST = 1_000  # groups of one person
# Signatures with a key that only the provider has: not "none", nor those by our shared secret.
_SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in on its way; the browser that began it keeps this, and nobody else can end it."""

    state: str
    nonce: str
    verifier: str


@dataclass(frozen=True, slots=True)
class Person:
    """Who signed in; `subject` is theirs for ever, `name` is for people to read."""

    subject: str
    name: str
    groups: tuple[str, ...]


class _Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # Authlib is untyped
    client_cls = OAuth2Session


class OpenID:
    """One provider; one object per process."""

    def __init__(self, settings: Settings) -> None:
        """`settings.oidc_issuer` is set."""
        self._settings = settings
        self._issuer = str(settings.oidc_issuer)
        self._client: tuple[float, Any] = (0.0, None)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        logging.getLogger("authlib").setLevel(logging.WARNING)  # it would tell what only the browser may know

    @property
    def title(self) -> str:
        """What the provider is called on the page."""
        return self._settings.oidc_title or str(urlsplit(self._issuer).hostname)

    async def begin(self, callback: str) -> tuple[str, Begun]:
        """The provider's address to send the browser to, and what the browser is to keep until it is back.

        Raises UnavailableError.
        """

        def ask() -> tuple[str, Begun]:
            made = self._known().create_authorization_url(callback)
            return made["url"], Begun(made["state"], made["nonce"], made["code_verifier"])

        return await self._ask(ask)

    def read_code(self, begun: Begun, given: Mapping[str, str]) -> str:
        """What the browser came back with for this sign-in, out of its query; raises UnauthorizedError."""
        if not hmac.compare_digest(given.get("state", "").encode(), begun.state.encode()):
            raise UnauthorizedError("This is not the sign-in that this browser began.")
        if given.get("iss", self._issuer).rstrip("/") != self._issuer.rstrip("/"):  # RFC 9207
            raise UnauthorizedError("Another provider answered than was asked.")
        if "code" not in given:
            raise UnauthorizedError(f"The provider refused: {given.get('error', 'it sent no code')[:_LONGEST]}")
        return given["code"]

    async def finish(self, callback: str, begun: Begun, given: Mapping[str, str]) -> Person:
        """Who it is that came back with these query parameters; raises UnauthorizedError and UnavailableError."""
        code = self.read_code(begun, given)
        return await self._ask(lambda: self._read_person(callback, begun, code))

    async def _ask[T](self, question: Callable[[], T]) -> T:
        """Ask the provider in a thread, with its faults in our words."""
        async with self._turns:
            try:
                return await asyncio.to_thread(question)
            except (OAuthError, JoseError) as error:
                log.warning("Sign-in by %s refused: %s", self._issuer, error)
                raise UnauthorizedError("The provider did not confirm the sign-in.") from error
            except (requests.RequestException, RuntimeError, KeyError, TypeError, ValueError) as error:
                log.warning("Sign-in by %s failed: %s: %s", self._issuer, type(error).__name__, error)
                raise UnavailableError("The provider of sign-ins gives no proper answer at the moment.") from error

    def _known(self) -> Any:
        """The client with what the provider says of itself, not older than an hour."""
        read, client = self._client
        if client is not None and time.monotonic() - read < _FRESH:
            return client
        settings = self._settings
        secret = settings.oidc_client_secret.get_secret_value() if settings.oidc_client_secret else None
        client = _Client(
            framework=None,
            client_id=settings.oidc_client_id,
            client_secret=secret,
            server_metadata_url=self._issuer.rstrip("/") + _DISCOVERY,
            client_kwargs={
                "scope": settings.oidc_scopes,
                "code_challenge_method": "S256",
                "default_timeout": _PATIENCE,
                **({} if secret else {"token_endpoint_auth_method": "none"}),
            },
        )
        said = client.load_server_metadata()
        if str(said.get("issuer", "")).rstrip("/") != self._issuer.rstrip("/"):
            raise ValueError(f"it calls itself {said.get('issuer')!r}")
        offered = said.get("id_token_signing_alg_values_supported") or ["RS256"]
        said["id_token_signing_alg_values_supported"] = [name for name in offered if name in _SIGNATURES] or ["RS256"]
        self._client = (time.monotonic(), client)
        return client

    def _read_person(self, callback: str, begun: Begun, code: str) -> Person:
        client = self._known()
        token = client.fetch_access_token(callback, code=code, code_verifier=begun.verifier)
        if not token.get("id_token"):
            raise ValueError("it sent no ID token")
        expected = {
            "iss": {"essential": True, "value": client.server_metadata["issuer"]},
            "aud": {"essential": True, "value": client.client_id},
            "sub": {"essential": True},
        }
        claims = dict(client.parse_id_token(token, nonce=begun.nonce, claims_options=expected))
        if self._find_groups(claims) is None and client.server_metadata.get("userinfo_endpoint"):
            more = dict(client.userinfo(token=token))
            if more.get("sub") == claims["sub"]:  # else it is about somebody else
                claims = more | claims
        if not str(claims["sub"]).isprintable() or len(str(claims["sub"])) > _LONGEST_SUBJECT:
            raise ValueError("it calls somebody what cannot be written down")
        names = (claims.get(key) for key in ("name", "preferred_username", "email", "sub"))
        name = next(str(found) for found in names if found)
        printable = "".join(letter for letter in name if letter.isprintable())
        return Person(str(claims["sub"]), printable[:_LONGEST], self._find_groups(claims) or ())

    def _find_groups(self, claims: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The groups in the claim, which may be inside others (`realm_access.roles`); None where it is not there."""
        path = self._settings.oidc_groups_claim
        found: Any = claims.get(path)
        if found is None:
            found = claims
            for part in path.split("."):
                found = found.get(part) if isinstance(found, dict) else None
        if found is None:
            return None
        given = found if isinstance(found, list) else [found]
        return tuple(group for group in given if isinstance(group, str) and group.isprintable())[:_MOST]
