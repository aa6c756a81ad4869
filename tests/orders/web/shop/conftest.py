"""A visitor of the shop: chooses, and places the order as the pages' forms do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import User
from tests.factories import AddOnFactory, AppFactory, PlanFactory, UserFactory


@dataclass
class Visitor:
    """A browser without scripts."""

    client: Client

    def get(self, page: str, /, *args: Any, **query: str) -> Any:
        return self.client.get(reverse(page, args=args), query)

    def post(self, page: str, /, *args: Any, **fields: Any) -> Any:
        return self.client.post(reverse(page, args=args), fields)

    def choose(
        self, *, plan: str = "m", apps: tuple[str, ...] = ("wordpress",), addons: tuple[str, ...] = ()
    ) -> None:
        for name, fields in (
            ("shop", {"plan": plan}),
            ("shop-apps", {"app": apps}),
            ("shop-addons", {"addon": addons}),
        ):
            assert self.post(name, **fields).status_code == 302

    def check_out(self, **fields: str) -> Any:
        return self.post("shop-checkout", **{"name": "Ada Bakery", "slug": "ada-bakery", **fields})

    def form(self) -> dict[str, str]:
        """The hidden fields of the review page."""
        page = self.get("shop-review")
        assert page.status_code == 200, page.headers
        return {name: str(page.context[name]) for name in ("attempt", "shown")}

    def place(self, form: dict[str, str] | None = None) -> Any:
        return self.post("shop-review", **(form or self.form()))


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


@pytest.fixture
def catalog(db: None) -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    AddOnFactory.create(slug="backup", price_minor=3_000)
    AddOnFactory.create(slug="waf", price_minor=0, included=True)
    for slug in ("wordpress", "ghost"):
        AppFactory.create(slug=slug)


@pytest.fixture
def visitor(catalog: None, client: Client) -> Visitor:
    return Visitor(client)


@pytest.fixture
def user(catalog: None) -> User:
    user = UserFactory.create(email="ada@example.org")
    user.emailaddress_set.create(email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def buyer(visitor: Visitor, user: User) -> Visitor:
    """A visitor who is signed in."""
    visitor.client.force_login(user)
    return visitor


@pytest.fixture
def client_of(catalog: None) -> Callable[[str], Visitor]:
    """Signs in a new customer in a browser of their own."""

    def sign_in(name: str) -> Visitor:
        other = Client()
        other.force_login(UserFactory.create(email=f"{name}@example.org"))
        return Visitor(other)

    return sign_in
