"""No page of the console sends more queries at fifty rows than at one: not its lists, and not a record's tables."""

from datetime import date, timedelta
from http import HTTPStatus
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from billing.actor import SUPERADMIN
from billing.models import Customer, LedgerEntry
from orders.models import Break, CardEntry, DeadLetter, Order, VatRate, WebhookDelivery, WebhookEndpoint
from orders.use_cases.documents.issue_documents import issue_documents
from orders.use_cases.figures.refresh_figures import refresh_figures
from orders.use_cases.reconciliation.record_break import record_break
from promos.errors import PromoExhausted
from promos.models import Alert, Campaign, PromoCode
from promos.use_cases.change_code import pause_code, resume_code
from promos.use_cases.redeem_code import redeem
from tests.billing.bulk.make_grants import draft as draft_grant
from tests.console import client_of, create_one_of_each, create_user, place_orders, propose_adjustment, refuse_code
from tests.factories import CampaignFactory, CustomerFactory, PromoCodeFactory, actor, give_credit
from tests.promos.cards.make_batch import active, codes_of, redeem_for
from tests.promos.ranges.make_ranges import act, dealer

pytestmark = pytest.mark.django_db

MANY = 49
# They have a test of their own (tests/orders/admin/test_admin_mirrored.py).
MIRRORED = "djstripe"
# A list with numbered pages counts its rows where there is another page.
COUNTED = 1


def queries_of(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(address)
    assert answer.status_code == HTTPStatus.OK, address
    return len(queries)


def lists() -> list[str]:
    names = (model._meta for model in admin.site._registry if model._meta.app_label != MIRRORED)
    return [reverse(f"admin:{each.app_label}_{each.model_name}_changelist") for each in names]


def add_rows(keys: dict[str, Any]) -> None:
    """Add rows to the lists, and to the tables of the records with these keys."""
    campaign, code = Campaign.objects.get(pk=keys["promos_campaign"]), PromoCode.objects.get(for_cards=False)
    customer, batch = Customer.objects.get(pk=keys["billing_customer"]), active("MANY", size=MANY + 1)
    endpoint = WebhookEndpoint.objects.get(pk=keys["orders_webhookendpoint"])
    place_orders(MANY, code=code.code)
    orders = Order.objects.order_by("-pk")
    for number in range(MANY):
        give_credit(customer, 1_000)
        redeem(code=PromoCodeFactory.create(campaign_id=campaign.pk).code, user_id=customer.user_id, by=actor())
        refuse_code(code.code, PromoExhausted(), by=actor(user_id=customer.user_id))
        (pause_code if number % 2 else resume_code)(code=code.code, by=actor())
        act(batch, "allocate", number + 1, dealer=dealer(f"Shop {number}"))
        act(batch, "activate", number + 1)
        propose_adjustment(CustomerFactory.create())
        draft_grant(*(f"user-{each},5" for each in range(MANY)), name=f"grant-{number}")
        record_break(kind=Break.Kind.DISPUTE, object_id=f"d-{number}")
        Alert.objects.create(kind=Alert.Kind.CUSTOMER, subject=f"user-{number}", number=101)
        DeadLetter.objects.create(key=f"k-{number}", topic="sme.tenant.events", body=b"{}", reason="no type")
        VatRate.objects.create(starts_on=date(2000, 1, 1) + timedelta(days=number), basis_points=500)
        CardEntry.objects.create(
            kind="payment", amount_minor=10, currency="OMR", order=orders[number], stripe_object_id=f"cs_{number}"
        )
    for code_of_card in codes_of(batch)[:MANY]:
        redeem_for(CustomerFactory.create(), code_of_card)
    CampaignFactory.create_batch(MANY)
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    assert WebhookDelivery.objects.filter(endpoint=endpoint).count() >= MANY
    assert LedgerEntry.objects.filter(account=customer.pk).count() >= 2 * MANY
    refresh_figures()


def test_no_page_sends_more_queries_at_fifty_rows(db: None) -> None:
    keys = create_one_of_each()
    refresh_figures()
    client = client_of(create_user(SUPERADMIN))
    pages = [reverse(f"admin:{name}_change", args=[key]) for name, key in keys.items()]
    others = [reverse("admin:billing_ledgerentry_totals"), reverse("admin:index")]
    before = {address: queries_of(client, address) for address in (*pages, *lists(), *others)}
    add_rows(keys)
    after = {address: queries_of(client, address) for address in before}
    may_grow = dict.fromkeys(lists(), COUNTED)
    grown = {
        address: (count, after[address])
        for address, count in before.items()
        if after[address] > count + may_grow.get(address, 0)
    }
    assert grown == {}
