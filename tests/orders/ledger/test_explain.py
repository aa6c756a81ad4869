"""A balance is explained down to its vouchers and orders, and an order back to the credit that paid it."""

from uuid import uuid4

import pytest
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.models import AuditEntry, Customer, LedgerEntry
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from orders.models import Order
from orders.use_cases.ledger.allocate_credit import allocate_credit
from orders.use_cases.ledger.explain import explain_balance, explain_order
from tests.console import client_of, create_user, place_orders
from tests.factories import CampaignFactory, PromoCodeFactory, actor, give_credit
from tests.properties.test_lots import DAY, START

pytestmark = pytest.mark.django_db
EXPLAIN = reverse("admin:billing_ledgerentry_explain")


def buy() -> Order:
    """Place an order of 9.000 with a voucher of 10.000 of the campaign Summer."""
    campaign = CampaignFactory.create(name="Summer")
    return place_orders(1, code=PromoCodeFactory.create(credit_minor=10_000, campaign_id=campaign.pk).code)[0]


def test_a_balance_leads_to_its_voucher_campaign_people_and_orders() -> None:
    order = buy()
    explained = explain_balance(order.customer)
    [lot] = explained.lots
    assert (lot.lot.left_minor, explained.position.balance_minor) == (1_000, 1_000)
    origin = lot.origin
    assert (origin.code, origin.campaign, origin.campaign_approved_by) == (order.promo_code, "Summer", "approver")
    assert origin.issued_by
    assert [(use.order_id, use.organization, use.part_minor) for use in lot.uses] == [
        (order.pk, order.organization.name, 9_000)
    ]


def test_an_order_leads_back_to_all_the_credit_that_paid_it() -> None:
    order = buy()
    give_credit(order.customer, 3_000)
    later = uuid4()
    spend_credit(customer_id=order.customer_id, amount_minor=3_000, order_id=later, by=actor())
    parts = allocate_credit(account_id=order.customer_id)
    assert [part.minor for part in parts] == [9_000, 1_000, 2_000]
    explained = explain_order(order.pk)
    assert [(source.part_minor, source.origin.code) for source in explained.sources] == [(9_000, order.promo_code)]
    assert explained.credit_minor == order.credit_applied_minor


def test_an_order_whose_credit_went_back_still_adds_up() -> None:
    order = buy()
    spend = LedgerEntry.objects.get(order_id=order.pk, kind=LedgerEntry.Kind.SPEND)
    reverse_entry(entry_id=spend.pk, why="refunded", by=actor())
    explained = explain_order(order.pk)
    assert (explained.sources, explained.given_back_minor) == ((), 9_000)
    assert explained.credit_minor + explained.due_by_card_minor == explained.total_minor
    page = client_of(create_user(AUDITOR)).get(EXPLAIN, {"order": str(order.pk)}).content.decode()
    assert "Given back" in page


def test_credit_that_expires_and_undone_spends_are_explained_by_their_lots() -> None:
    customer: Customer = buy().customer
    by, day = actor(), START

    def grant(minor: int, life: int) -> LedgerEntry:
        return grant_credit(
            customer_id=customer.pk, amount_minor=minor, reason="gift", by=by, expires_at=day + life * DAY, now=day
        )

    def spend(minor: int) -> LedgerEntry:
        return spend_credit(customer_id=customer.pk, amount_minor=minor, order_id=uuid4(), by=by, now=day)

    late, soon = grant(500, 90), grant(400, 30)
    undone, kept = spend(300), spend(200)
    reverse_entry(entry_id=undone.pk, why="by mistake", by=by, now=day)
    parts = [part for part in allocate_credit(account_id=customer.pk) if part.entry_id in {undone.pk, kept.pk}]
    assert {(part.lot_id, part.minor) for part in parts} == {(soon.pk, 100), (late.pk, 100)}


def test_the_pages_show_the_explanations_to_readers_of_the_ledger() -> None:
    order = buy()
    auditor = client_of(create_user(AUDITOR))
    for query in ({"customer": order.customer.user_id}, {"order": str(order.pk)}):
        page = auditor.get(EXPLAIN, query).content.decode()
        for text in (order.promo_code, "Summer", "9.000"):
            assert text in page
    for query in ({}, {"customer": "nobody"}, {"order": "x"}, {"order": str(uuid4())}):
        assert auditor.get(EXPLAIN, query).status_code == 404
    assert client_of(create_user(SOVEREIGN_ADMIN)).get(EXPLAIN).status_code == 403


def test_a_balance_and_an_order_are_printed() -> None:
    order = buy()
    client = client_of(create_user(AUDITOR))
    for query in (f"customer={order.customer.user_id}", f"order={order.pk}"):
        assert f"?{query}&amp;pdf=1" in client.get(f"{EXPLAIN}?{query}").content.decode()
        answer = client.get(f"{EXPLAIN}?{query}&pdf=1")
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
        assert AuditEntry.objects.latest("created_at", "id").action.endswith(".explanation_exported")
        assert answer.content.startswith(b"%PDF-") and b"/Lang (en)" in answer.content
        arabic = client.get(f"{EXPLAIN}?{query}&pdf=1", headers={"Accept-Language": "ar"})
        assert b"/Lang (ar)" in arabic.content
