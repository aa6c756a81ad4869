"""Tokens, and an identity provider that publishes keys."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as django_settings
from django.test import Client
from jwt.algorithms import RSAAlgorithm

from billing.api.access import tokens

Headers = dict[str, str]


def claims(**given: Any) -> dict[str, Any]:
    """Claims of a valid token of customer ada; None takes one away."""
    made = {"sub": "ada", "email": "ada@example.org", "role": "customer", "exp": int(time.time()) + 600} | given
    return {name: value for name, value in made.items() if value is not None}


def bearer(**given: Any) -> Headers:
    """The header of a token that the platform's auth service signed."""
    return authorization(jwt.encode(claims(**given), django_settings.JWT_SECRET, algorithm="HS256"))


def authorization(token: str) -> Headers:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def api() -> Client:
    """A client that sees a failure as a client would: as an answer."""
    return Client(raise_request_exception=False, enforce_csrf_checks=True)


class IdentityProvider:
    """A server that publishes RSA keys, counts its requests, and can be made to fail."""

    def __init__(self) -> None:
        self.keys: dict[str, rsa.RSAPrivateKey] = {}
        self.requests = 0
        self.body: bytes | None = None
        self.status = 200
        self.was_asked, self.may_answer = Event(), Event()
        self.may_answer.set()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.requests += 1
                provider.was_asked.set()
                provider.may_answer.wait()
                body = provider.published() if provider.body is None else provider.body
                self.send_response(provider.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/certs"

    def new_key(self, kid: str) -> rsa.RSAPrivateKey:
        self.keys[kid] = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self.keys[kid]

    def published(self) -> bytes:
        keys = [
            {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig", "alg": "RS256"}
            for kid, key in self.keys.items()
        ]
        return json.dumps({"keys": keys}).encode()

    def token(self, *, kid: str = "first", **given: Any) -> str:
        return jwt.encode(claims(**given), self.keys[kid], algorithm="RS256", headers={"kid": kid})

    def stop(self) -> None:
        self.may_answer.set()
        if self.thread.is_alive():
            self.server.shutdown()
            self.thread.join()
        self.server.server_close()


@pytest.fixture
def identity_provider(settings: Any) -> Iterator[IdentityProvider]:
    """The identity provider that JWT_JWKS_URL names, with one key, `first`."""
    provider = IdentityProvider()
    provider.new_key("first")
    provider.thread.start()
    settings.JWT_JWKS_URL = provider.url
    tokens._identity_provider_keys.cache_clear()
    try:
        yield provider
    finally:
        provider.stop()
        tokens._identity_provider_keys.cache_clear()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets time pass, as the key cache sees it."""
    passed = 0.0
    monotonic = time.monotonic

    def move(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "monotonic", lambda: monotonic() + passed)
    return move
