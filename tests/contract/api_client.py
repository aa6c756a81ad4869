"""Calls the API over HTTP as its clients do: with a bearer token, a session or no identity."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.test import Client

from tests.billing.api.conftest import bearer
from tests.factories import UserFactory

ROOT = "/api/"
JSON = "application/json"
CSRF_TOKEN = "a" * 32


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of the API; numbers with decimals are Decimal, so that 5 and 5.0 differ."""

    status: int
    body: Any
    headers: Mapping[str, str]
    content: bytes

    @property
    def code(self) -> str:
        return str(self.body["code"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A client of the API; without a role it is anonymous."""

    user_id: str = ""
    role: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False, enforce_csrf_checks=True))

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send the body as JSON; send bytes and text unchanged, and no body for None."""
        raw = body if isinstance(body, (bytes, str)) else b"" if body is None else json.dumps(body)
        return self.send(method, path, raw, content_type=JSON if raw else "", **headers)

    def send(self, method: str, path: str, raw: bytes | str, *, content_type: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.generic(
            method,
            path if path.startswith("/") else ROOT + path,
            raw,
            content_type=content_type,
            headers={**self.headers, **named},
        )
        content = answer.getvalue()  # also of an answer that is streamed
        is_json = answer.headers.get("Content-Type", "").split(";")[0] == JSON
        return Answer(
            status=answer.status_code,
            body=json.loads(content, parse_float=Decimal) if is_json and content else None,
            headers=dict(answer.headers),
            content=content,
        )

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.call("POST", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.call("DELETE", path, **headers)


def by_token(role: str, user_id: str = "", *, email: str = "") -> Caller:
    """Return a caller with a bearer token of this role."""
    identity = user_id or role
    claims = bearer(sub=identity, email=email or f"{identity}@example.org", role=role)
    return Caller(user_id=identity, role=role, headers=claims)


def by_session(role: str, user_id: str = "", *, csrf: bool = True) -> Caller:
    """Return a signed-in user of the pages with this role, who sends the CSRF token if `csrf` is true."""
    user = UserFactory.create(sub=user_id or f"{role}-of-the-pages")
    if role != "customer":
        user.groups.add(Group.objects.get_or_create(name=role)[0])
    caller = Caller(user_id=user.sub, role=role, headers={"X-CSRFToken": CSRF_TOKEN} if csrf else {})
    caller.client.force_login(user)
    caller.client.cookies["csrftoken"] = CSRF_TOKEN
    return caller


def anonymous_caller() -> Caller:
    return Caller()
