"""Numbers of documents have no gap: not while several processes issue them, and not after roll-backs."""

from datetime import date, timedelta
from functools import partial
from random import Random

import pytest
from django.db import transaction
from django.utils import timezone

from billing.models import Organization
from orders.models import Document, VatRate
from orders.use_cases.checkout.place_order import CheckoutRequest, place_order
from orders.use_cases.documents.issue_documents import issue_documents
from tests.concurrency.threads import race
from tests.factories import OrganizationFactory, PlanFactory, acting, give_credit

pytestmark = pytest.mark.django_db(transaction=True)
BUYERS = 24


class _Undone(Exception):
    pass


def _issue(seed: int) -> None:
    """Issues documents while others are paid. Every other round rolls back before it ends."""
    draw = Random(seed)
    for _ in range(6):
        try:
            with transaction.atomic():
                issue_documents()
                if draw.random() < 0.5:
                    raise _Undone
        except _Undone:
            continue


def _buy(organization: Organization) -> None:
    place_order(request=CheckoutRequest(tenant_id=organization.id, plan="m"), by=acting(organization.customer))


def test_documents_that_race_with_checkouts_and_roll_backs_have_no_gap() -> None:
    PlanFactory.create(slug="m", price_minor=9_000)
    VatRate.objects.create(starts_on=date(2021, 4, 16), basis_points=500)
    buyers = OrganizationFactory.create_batch(BUYERS)
    for each in buyers:
        give_credit(each.customer, 9_000)
    race([*(partial(_buy, each) for each in buyers), *(partial(_issue, seed) for seed in range(4))])
    issue_documents(until=timezone.now() + timedelta(milliseconds=1))
    numbers = Document.objects.order_by("number").values_list("number", "series")
    assert [number for number, _ in numbers] == list(range(1, BUYERS + 1))
    assert len({series for _, series in numbers}) == 1
    entries = Document.objects.order_by("number").values_list("ledger_entry_id", flat=True)
    assert list(entries) == sorted(entries)
