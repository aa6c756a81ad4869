"""An OpenID Connect provider of the tests' own: discovery, keys, tokens and user information, over HTTP."""

import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from billing import oidc

CLIENT_ID, CLIENT_SECRET = "qasima", "the-client-secret-of-the-tests"
ORIGIN = "https://shop.example.om"
REDIRECT = f"{ORIGIN}/callback"


class OidcProvider:
    """Signs a person in under a code: `person` are the claims that the next ID token has beside its own."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.codes: dict[str, dict[str, Any]] = {}
        self.userinfo: dict[str, Any] = {}
        self.status = 200
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = urlsplit(self.path).path
                answers = {
                    "/.well-known/openid-configuration": provider.configuration,
                    "/keys": provider.keys,
                    "/userinfo": provider.person,
                }
                self.answer(provider.status, answers[path]())

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = {name: one for name, (one,) in parse_qs(self.rfile.read(length).decode()).items()}
                self.answer(*provider.token(form))

            def answer(self, status: int, body: dict[str, Any]) -> None:
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def configuration(self) -> dict[str, Any]:
        places = {"authorization_endpoint": "login", "token_endpoint": "token", "jwks_uri": "keys"}
        places["userinfo_endpoint"] = "userinfo"
        return {"issuer": self.issuer, **{name: f"{self.issuer}/{path}" for name, path in places.items()}}

    def keys(self) -> dict[str, Any]:
        key = RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**key, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def person(self) -> dict[str, Any]:
        return self.userinfo

    def grant(self, url: str, *, code: str = "code", **person: Any) -> str:
        """Sign a person in at the page with this URL, and return the code that the browser brings back."""
        query = {name: one for name, (one,) in parse_qs(urlsplit(url).query).items()}
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "ada-at-the-provider",
            "iat": now,
            "exp": now + 60,
            "nonce": query["nonce"],
            "email": "Ada@Example.org",
            "email_verified": True,
            **person,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        self.codes[code] = {
            "redirect_uri": query["redirect_uri"],
            "id_token": jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": "one"}),
        }
        return code

    def token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        granted = self.codes.pop(form.get("code", ""), None)
        is_right = (form["client_id"], form["client_secret"]) == (CLIENT_ID, CLIENT_SECRET)
        if not granted or not is_right or form["redirect_uri"] != granted["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        return self.status, {"id_token": granted["id_token"], "access_token": "at", "token_type": "Bearer"}

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def provider(settings: Any) -> Iterator[OidcProvider]:
    """The provider that OIDC_ISSUER names."""
    made = OidcProvider()
    settings.OIDC_ISSUER = made.issuer
    settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET = CLIENT_ID, CLIENT_SECRET
    settings.AUTH_REDIRECT_ORIGINS = [ORIGIN]
    oidc._cached_configuration.cache_clear()
    oidc._keys.cache_clear()
    try:
        yield made
    finally:
        made.stop()
        oidc._cached_configuration.cache_clear()
        oidc._keys.cache_clear()
