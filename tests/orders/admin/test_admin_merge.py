"""A superadmin merges two customers in the console: sees what moves, confirms it, and it happens once."""

from http import HTTPStatus

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import Account, AuditEntry, Customer, Organization
from tests.console import client_of, create_user, form_token
from tests.factories import CustomerFactory, give_credit
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def eve() -> Customer:
    return CustomerFactory.create(user_id="eve", email="eve@example.org")


def merge_of(customer: Customer) -> str:
    return reverse("admin:billing_customer_merge", args=[customer.pk])


def test_a_merge_is_shown_confirmed_and_done_once(ada: Customer, eve: Customer, acme: Organization) -> None:
    give_credit(ada, 5_000)
    client = client_of(create_user(SUPERADMIN))
    body = {"into": "eve", "reason": "one person"}
    with nothing_changes():
        preview = client.submit(merge_of(ada), body)
    shown = preview.content.decode()
    for text in ("Confirm the merge", "acme", "5.000", "eve@example.org", "ada@example.org", "cannot be undone"):
        assert text in shown, text
    confirmed = {**body, "confirmed": "yes", "form_token": form_token(preview)}
    page = reverse("admin:billing_customer_change", args=[eve.pk])
    for _ in range(2):
        done = client.post(merge_of(ada), confirmed)
        assert (done.status_code, done.headers["Location"]) == (HTTPStatus.FOUND, page)
    assert AuditEntry.objects.filter(action="customer.merged").count() == 2
    assert Account.objects.get(customer=eve).balance_minor == 5_000
    acme.refresh_from_db()
    assert acme.customer == eve
    assert "ada" in client.get(page).content.decode()
    merged = client.get(reverse("admin:billing_customer_change", args=[ada.pk])).content.decode()
    assert "Merged into" in merged and "Adjust credit" not in merged


def test_nothing_is_merged_that_the_page_did_not_show(ada: Customer, eve: Customer) -> None:
    client = client_of(create_user(SUPERADMIN))
    body = {"into": "eve", "reason": "one person"}
    first = client.token_of(merge_of(ada))
    shown = form_token(client.submit(merge_of(ada), {**body, "form_token": first}))
    assert first and shown
    give_credit(ada, 5_000)
    with nothing_changes():
        for sent in (
            {**body, "form_token": shown},
            {**body, "form_token": first},
            {**body, "into": "bob", "form_token": shown},
        ):
            assert client.post(merge_of(ada), {**sent, "confirmed": "yes"}).status_code == HTTPStatus.OK


@pytest.mark.parametrize(("into", "sentence"), [("nobody", "There is no such customer"), ("ada", "into itself")])
def test_a_wrong_customer_is_refused(ada: Customer, into: str, sentence: str) -> None:
    client = client_of(create_user(SUPERADMIN))
    with nothing_changes():
        answer = client.post(merge_of(ada), {"into": into, "reason": "one person"})
    assert sentence in answer.content.decode()


def test_others_may_not_merge(ada: Customer, eve: Customer) -> None:
    for role in (AUDITOR, SOVEREIGN_ADMIN):
        client = client_of(create_user(role))
        with nothing_changes():
            assert client.get(merge_of(ada)).status_code == HTTPStatus.FORBIDDEN
            assert client.post(merge_of(ada), {"into": "eve", "reason": "x"}).status_code == HTTPStatus.FORBIDDEN
