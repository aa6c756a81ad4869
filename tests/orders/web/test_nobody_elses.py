"""On no page does another customer, or staff of any role, see or change what is a customer's."""

from http import HTTPStatus
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.actor import STAFF_ROLES
from billing.models import Customer, Organization
from orders.models import Document, Order
from tests.console import create_user
from tests.customer_pages import NO_PAGES, create_pages
from tests.factories import CustomerFactory, OrganizationFactory, UserFactory
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db

OTHERS = ("customer", *STAFF_ROLES)
# What only Ada and her people may read.
HERS = ("ada@example.org", "staff-1@example.org", "Ada Bakery", "ada-bakery", "Garage", "Cafe", "Branch 1")


def sign_in_other(role: str) -> Client:
    """Returns a browser of another customer, or of a member of staff, who has an organization too."""
    user = UserFactory.create(email="bob@example.org") if role == "customer" else create_user(role)
    customer = CustomerFactory.create(user_id=user.sub, email=user.email)
    OrganizationFactory.create(customer=customer, slug=f"books-{role}", name="Bobs Books")
    client = Client()
    client.force_login(user)
    return client


def addresses_of_hers() -> dict[str, str]:
    """Returns the address of each form and file that takes one of her keys, by its name."""
    ada = Customer.objects.get(email="ada@example.org")
    keys = {
        "account-organization": Organization.objects.get(name="Ada Bakery").pk,
        "account-document": Document.objects.filter(order__customer=ada).latest("pk").pk,
        "shop-give-up": Order.objects.get(customer=ada, status=Order.Status.PENDING).pk,
    }
    return {
        name: reverse(name, args=[key])
        for start, key in keys.items()
        for name in sorted(NO_PAGES)
        if name.startswith(start)
    }


def test_others_see_nothing_of_a_customers() -> None:
    pages = create_pages(rows=1)
    own = "".join(client.get(address).content.decode() for _name, client, address in pages)
    assert [words for words in HERS if words not in own] == []
    seen: dict[tuple[str, str], object] = {}
    for role in OTHERS:
        other = sign_in_other(role)
        for _name, client, address in pages:
            if client is pages.clients["stranger"]:
                continue
            answer: Any = other.get(address)
            text = answer.content.decode()
            found = [words for words in HERS if words in text]
            if found or answer.status_code not in (HTTPStatus.OK, HTTPStatus.FOUND, HTTPStatus.NOT_FOUND):
                seen[role, address] = found or answer.status_code
    assert seen == {}


def test_others_change_nothing_of_a_customers() -> None:
    create_pages(rows=1)
    others = {role: sign_in_other(role) for role in OTHERS}
    forms = addresses_of_hers()
    assert len(forms) >= 10
    slug = Organization.objects.get(name="Ada Bakery").slug
    sent = {"email": "eve@example.org", "role": "viewer", "slug": slug, "at": "now", "vat_number": "OM1100000001"}
    with nothing_changes():
        answers = {
            (role, name): (other.post(address, sent).status_code, other.get(address).status_code)
            for role, other in others.items()
            for name, address in forms.items()
        }
    allowed = {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    assert {key: found for key, found in answers.items() if not set(found) <= allowed} == {}
