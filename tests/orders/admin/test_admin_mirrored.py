"""Objects mirrored from Stripe in the console: auditors and superadmins read them, and no user writes them."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.utils import quote
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from djstripe import models as mirrored

from billing.actor import AUDITOR, SOVEREIGN_ADMIN, SUPERADMIN
from billing.models import Customer
from orders.models import StripeEvent
from orders.stripe.mirror import mirror_event
from tests.console import client_of, create_user
from tests.factories import CustomerFactory
from tests.orders.stripe.stripe_object_server import (
    StripeObjectServer,
    dispute_of,
    event,
    paid_order_objects,
    refund_of,
)
from tests.snapshot import nothing_changes

KINDS = {
    "charge": "ch_A",
    "customer": "cus_A",
    "dispute": "dp_A",
    "event": "evt_0002",
    "invoice": "in_A",
    "paymentintent": "pi_A",
    "refund": "re_A1",
    "session": "cs_test_A",
    "subscription": "sub_A",
}
# The session, the user, the permissions of the user and of the groups, and the rows.
LIST_QUERIES = 5

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def mirrored_order() -> Iterator[None]:
    """One paid order, partly refunded, then disputed, of our customer ada."""
    ada = CustomerFactory.create(user_id="ada", email="ada@example.org")
    Customer.objects.filter(pk=ada.pk).update(stripe_customer_id="cus_A")
    server = StripeObjectServer()
    server.put(*paid_order_objects())
    server.put(refund_of(server.get("ch_A"), amount=1_000), dispute_of(server.get("ch_A")))
    server.start()
    try:
        for number, (type_, identity) in enumerate(
            [("checkout.session.completed", "cs_test_A"), ("charge.dispute.created", "dp_A")], start=1
        ):
            payload = event(type_, server.get(identity), number=number)
            mirror_event(payload, secret_key="sk_test_x", api_base=server.url)
        yield
    finally:
        server.stop()


def list_of(kind: str) -> str:
    return reverse(f"admin:djstripe_{kind}_changelist")


def page_of(kind: str, identity: str = "") -> str:
    return reverse(f"admin:djstripe_{kind}_change", args=[quote(identity or KINDS[kind])])


@pytest.mark.parametrize("role", [AUDITOR, SUPERADMIN])
def test_auditors_and_superadmins_read_every_kind(role: str) -> None:
    client = client_of(create_user(role))
    for kind, identity in KINDS.items():
        assert identity in client.get(list_of(kind)).content.decode()
        answer = client.get(page_of(kind))
        assert answer.status_code == HTTPStatus.OK
        assert identity in answer.content.decode()


def test_other_staff_may_not_read_them() -> None:
    client = client_of(create_user(SOVEREIGN_ADMIN))
    for kind in KINDS:
        assert client.get(list_of(kind)).status_code == HTTPStatus.FORBIDDEN
        assert client.get(page_of(kind)).status_code == HTTPStatus.FORBIDDEN


def test_even_a_superuser_cannot_change_them() -> None:
    client = client_of(create_user("superuser"))
    actions = ("delete_selected", "_resync_instances", "_sync_all_instances", "_cancel")
    with nothing_changes():
        for kind in KINDS:
            key = getattr(mirrored, _model(kind)).objects.values_list("pk", flat=True).first()
            delete = reverse(f"admin:djstripe_{kind}_delete", args=[key])
            answers = [
                client.post(page_of(kind), {}),
                client.get(reverse(f"admin:djstripe_{kind}_add")),
                client.post(delete, {"post": "yes"}),
                *(client.post(list_of(kind), {"action": name, "_selected_action": [key]}) for name in actions),
            ]
            assert {answer.status_code for answer in answers} == {HTTPStatus.FORBIDDEN}, kind


def _model(kind: str) -> str:
    return {"paymentintent": "PaymentIntent"}.get(kind, kind.title())


def test_no_other_page_of_dj_stripe_exists() -> None:
    shown = {model._meta.model_name for model in admin.site._registry if model._meta.app_label == "djstripe"}
    assert shown == set(KINDS)


def test_a_list_costs_the_same_at_one_row_and_at_many(django_assert_num_queries: Any) -> None:
    client = client_of(create_user(AUDITOR))
    for kind, identity in KINDS.items():
        with django_assert_num_queries(LIST_QUERIES):
            client.get(list_of(kind))
        row = getattr(mirrored, _model(kind)).objects.first()
        for number in range(20):
            row.pk, row.id = None, f"{identity}_{number}"
            row.save(force_insert=True)
        with django_assert_num_queries(LIST_QUERIES):
            client.get(list_of(kind))


def test_amounts_of_three_decimals_are_exact() -> None:
    client = client_of(create_user(AUDITOR))
    charge = client.get(page_of("charge")).content.decode()
    assert "9.500 OMR" in charge
    assert "1.000 OMR" in charge
    assert "95.00" not in client.get(list_of("charge")).content.decode() + charge
    assert "12.000 OMR" in client.get(page_of("subscription")).content.decode()


def test_pages_lead_to_one_another_and_to_our_customer() -> None:
    client = client_of(create_user(AUDITOR))
    page = client.get(page_of("charge")).content.decode()
    ada = Customer.objects.get(user_id="ada")
    for url in (
        page_of("customer"),
        page_of("paymentintent"),
        reverse("admin:billing_customer_change", args=[ada.pk]),
    ):
        assert f'href="{url}"' in page


def test_a_page_that_takes_money_is_shown_to_who_may_move_it_and_not_to_auditors() -> None:
    invoice = mirrored.Invoice.objects.get(id="in_A")
    invoice.stripe_data |= {"status": "open", "hosted_invoice_url": "https://pay.example/i/1"}
    invoice.save()
    payload = StripeEvent.objects.create(
        id="evt_A",
        type="invoice.payment_failed",
        payload={"data": {"object": {"hosted_invoice_url": "https://pay.example/i/1", "client_secret": "pi_secret"}}},
        occurred_at=timezone.now(),
    )
    for role, found in ((SUPERADMIN, True), (AUDITOR, False)):
        client = client_of(create_user(role))
        for address in (page_of("invoice"), reverse("admin:orders_stripeevent_change", args=[payload.pk])):
            page = client.get(address).content.decode()
            assert ("https://pay.example/i/1" in page) is found
            assert "pi_secret" not in page


def test_what_lets_others_pay_in_a_customers_name_is_not_shown() -> None:
    client = client_of(create_user(SUPERADMIN))
    payment = mirrored.PaymentIntent.objects.get()
    secret = payment.stripe_data["client_secret"]
    mirrored.Event.objects.update(data={"object": payment.stripe_data}, stripe_data=payment.stripe_data)
    for kind in ("paymentintent", "event"):
        assert secret not in client.get(page_of(kind)).content.decode()


def test_a_search_finds_by_what_it_says() -> None:
    client: Client = client_of(create_user(AUDITOR))
    searches = [
        ("charge", "ch_A", 1),
        ("charge", "ch_B", 0),
        ("customer", "a@example.org", 1),
        ("event", "evt_0001", 1),
    ]
    for kind, term, number in searches:
        listed = client.get(list_of(kind), {"q": term})
        assert listed.context["cl"].result_count == number, (kind, term)


def test_an_unknown_object_is_404() -> None:
    client = client_of(create_user(AUDITOR))
    for identity in ("ch_unknown", "99999999999999999999", "0", "x" * 300):
        assert client.get(page_of("charge", identity)).status_code == HTTPStatus.NOT_FOUND


def test_a_list_is_narrowed_to_a_state() -> None:
    client = client_of(create_user(AUDITOR))
    for state, number in (("succeeded", 1), ("failed", 0), ("nonsense", 1)):
        assert client.get(list_of("charge"), {"state": state}).context["cl"].result_count == number
