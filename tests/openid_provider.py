"""A small OpenID Connect provider, made of Authlib's own parts for providers, on a port of 127.0.0.1.

Its page asks for a name and gives a code for it, as those of real ones do after a password. What it is to do wrong
stands in `faults`, by name.
"""
# ruff: noqa: ARG002 - methods are given what Authlib gives them

from __future__ import annotations

import base64
import contextlib
import html
import json
import secrets
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Error, OAuth2Request
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from authlib.oidc.core.models import AuthorizationCodeMixin
from joserfc.jwk import KeySet, RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CLIENT", "SECRET", "Provider", "run_provider"]

CLIENT, SECRET = "city-map", "a secret, with: signs & blanks"
_SECONDS = 300


class _Request(OAuth2Request):
    def __init__(self, method: str, uri: str, headers: Any, form: dict[str, str]) -> None:
        super().__init__(method, uri, headers=headers)
        self._form = form
        self.payload = BasicOAuth2Payload(dict(parse_qsl(urlsplit(uri).query)) | form)

    @property
    def args(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.uri).query))

    @property
    def form(self) -> dict[str, str]:
        return self._form


class _Relier(ClientMixin):
    """Who may ask: one program, which comes back to one address."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def get_client_id(self) -> str:
        return CLIENT

    def get_default_redirect_uri(self) -> str | None:
        return None

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(name for name in scope.split() if name in ("openid", "profile"))

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri in self._provider.callbacks

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in ("client_secret_basic", "client_secret_post")

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class _Code(AuthorizationCodeMixin):
    code: str
    user: str
    scope: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> str | None:
        return None

    def get_amr(self) -> list[str] | None:
        return None


def _make_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """`people` maps names to claims; `callbacks` are addresses that it may send people back to."""

    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    callbacks: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)
    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)  # parameters of its authorization page, each time
    codes: dict[str, _Code] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    key: RSAKey = field(default_factory=_make_key)

    def describe(self) -> dict[str, Any]:
        return {
            "issuer": "https://elsewhere.example" if "other issuer" in self.faults else self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["none", "HS256", "RS256"],
            "code_challenge_methods_supported": ["S256"],
        }

    def approve(self, uri: str, user: str) -> str:
        """What the page does when somebody has said who they are: the address that the browser is sent back to."""
        request = _Request("POST", uri, {}, {})
        server = _Server(self)
        grant = server.get_consent_grant(request, user)
        status, _, headers = server.create_authorization_response(request, grant_user=user, grant=grant)
        assert status == 302
        return dict(headers)["Location"]


class _Grant(AuthorizationCodeGrant):
    def save_authorization_code(self, code: str, request: OAuth2Request) -> None:
        provider, said = self.server.provider, request.payload.data
        nonce = "another" if "other nonce" in provider.faults else said.get("nonce")
        challenge = said.get("code_challenge"), said.get("code_challenge_method")
        provider.codes[code] = _Code(code, request.user, request.scope, said["redirect_uri"], nonce, *challenge)

    def query_authorization_code(self, code: str, client: ClientMixin) -> _Code | None:
        found: _Code | None = self.server.provider.codes.get(code)
        return found

    def delete_authorization_code(self, authorization_code: _Code) -> None:
        self.server.provider.codes.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code: _Code) -> str:
        return authorization_code.user


class _Identity(OpenIDCode):
    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=True)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: OAuth2Request) -> bool:
        return any(code.nonce == nonce for code in self._provider.codes.values())

    def resolve_client_private_key(self, client: ClientMixin) -> KeySet:
        return KeySet([_make_key() if "other key" in self._provider.faults else self._provider.key])

    def get_client_algorithm(self, client: ClientMixin) -> str:
        return "RS256"

    def get_client_claims(self, client: ClientMixin) -> dict[str, Any]:
        faults = self._provider.faults
        now = int(time.time()) - (7200 if "too late" in faults else 0)
        to = "another-client" if "other client" in faults else CLIENT
        claims = {"iss": self._provider.url, "aud": [to], "iat": now, "exp": now + _SECONDS}
        return claims | {"aud": ["another-client"], "azp": CLIENT} if "for another by us" in faults else claims

    def generate_user_info(self, user: str, scope: str) -> UserInfo:
        claims = {} if "groups apart" in self._provider.faults else self._provider.people[user]
        longer = "x" * 300 if "long subject" in self._provider.faults else ""
        return UserInfo(sub=f"id-of-{user}{longer}", **claims)

    def encode_id_token(self, token: dict[str, Any], request: OAuth2Request) -> str:
        signed: str = super().encode_id_token(token, request)
        if "no signature" not in self._provider.faults:
            return signed
        header = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
        return f"{header}.{signed.split('.')[1]}."


class _Server(AuthorizationServer):
    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.provider = provider
        self.register_token_generator("default", BearerTokenGenerator(lambda **_: secrets.token_urlsafe(32)))
        self.register_grant(_Grant, [_Identity(provider), CodeChallenge(required=True)])

    def query_client(self, client_id: str) -> ClientMixin | None:
        return _Relier(self.provider) if client_id == CLIENT else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        self.provider.tokens[token["access_token"]] = request.user

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        pass

    def create_oauth2_request(self, request: _Request) -> _Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Any:
        return status, json.dumps(body) if isinstance(body, dict) else body, headers


class _Handler(BaseHTTPRequestHandler):
    provider: Provider  # of the subclass that is made for it

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/.well-known/openid-configuration":
            self._answer(self.provider.describe())
        elif path == "/keys":
            self._answer(KeySet([self.provider.key]).as_dict(private=False))
        elif path == "/userinfo":
            self._answer(self._describe_person())
        elif path == "/authorize":
            self._show_page()
        else:
            self._answer({"error": "not found"}, 404)

    def do_POST(self) -> None:
        form = dict(parse_qsl(self.rfile.read(int(self.headers["Content-Length"])).decode()))
        if urlsplit(self.path).path == "/authorize":
            where = self.provider.approve(self.provider.url + self.path, form["user"])
            self._send(302, b"", [("Location", where)])
        elif "no answer" in self.provider.faults:
            self._send(500, b"<h1>Internal error</h1>", [("Content-Type", "text/html")])
        else:
            request = _Request("POST", self.provider.url + self.path, self.headers, form)
            status, body, headers = _Server(self.provider).create_token_response(request)
            self._send(status, body.encode(), headers)

    def _describe_person(self) -> dict[str, Any]:
        user = self.provider.tokens[self.headers["Authorization"].removeprefix("Bearer ")]
        sub = "somebody-else" if "other person" in self.provider.faults else f"id-of-{user}"
        return {"sub": sub, **self.provider.people[user]}

    def _show_page(self) -> None:
        self.provider.asked.append(dict(parse_qsl(urlsplit(self.path).query)))
        try:
            _Server(self.provider).get_consent_grant(_Request("GET", self.provider.url + self.path, self.headers, {}))
        except OAuth2Error as error:
            self._answer({"error": str(error)}, 400)
            return
        buttons = "".join(f'<button name="user" value="{name}">{name}</button>' for name in self.provider.people)
        page = f"""<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">
            <h1>Who are you?</h1><form method="post" action="{html.escape(self.path)}">{buttons}</form></html>"""
        self._send(200, page.encode(), [("Content-Type", "text/html; charset=utf-8")])

    def _answer(self, document: dict[str, Any], status: int = 200) -> None:
        self._send(status, json.dumps(document).encode(), [("Content-Type", "application/json")])

    def _send(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@contextlib.contextmanager
def run_provider() -> Iterator[Provider]:
    provider = Provider()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"provider": provider}))
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
