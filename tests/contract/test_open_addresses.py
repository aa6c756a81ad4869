"""Compares all addresses that a visitor without an identity reaches with those that are meant to be open."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

pytestmark = pytest.mark.django_db

OPEN = frozenset(
    """
    api/auth/google api/auth/google/callback api/auth/login api/auth/logout api/auth/magic-link api/auth/refresh
    api/auth/verify api/billing/vouchers/redeem-preview api/billing/webhook api/catalog/addons api/catalog/apps
    api/catalog/bundles api/catalog/industries api/catalog/plans api/docs api/domain/check/<str:subdomain>/<str:tld>
    api/schema api/tenant/check-slug/<str:slug> checkout/cancel checkout/success mails redeem shop shop/add-ons
    shop/apps shop/checkout accounts/brand.css accounts/language/ accounts/login/
    accounts/logo.svg accounts/logout/ accounts/provider/ accounts/provider/callback/
    admin/login/ admin/logout/
    """.split()
) | {""}
# What names no record, by the kind of an address's part.
NO_RECORD = {"uuid": "00000000-0000-0000-0000-000000000000", "int": "0"}


def addresses(patterns: Any, prefix: str = "") -> Iterator[str]:
    """Yields every address that the URL configuration has, with the names of its parts."""
    for pattern in patterns:
        address = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, address)
        else:
            yield address


def is_open(client: Client, address: str) -> bool:
    """Tells whether GET or POST reaches more than a refusal or the sign-in."""
    path = "/" + re.sub(r"<(?:(\w+):)?\w+>", lambda part: NO_RECORD.get(part[1], "none"), address)
    for answer in (client.get(path), client.post(path)):
        to_sign_in = answer.status_code == 302 and "/login/" in answer.headers["Location"]
        if not to_sign_in and answer.status_code not in (401, 403, 405):
            return True
    return False


def test_only_these_addresses_are_open_to_everyone(client: Client) -> None:
    """A new address needs a guard, or a line above. `deploy/books/roles.md` says what each role may do."""
    client.raise_request_exception = False
    found = {address for address in addresses(get_resolver().url_patterns) if is_open(client, address)}
    assert found == OPEN
