"""Lists of the console begin with the newest, also where the key is a text of Stripe's."""

from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest
from django.contrib import admin
from django.db import models
from django.test import RequestFactory
from django.urls import reverse
from djstripe.models import Charge

from billing.actor import AUDITOR
from billing.admin.console.base import ReadOnlyAdmin
from billing.models import LedgerHead, ProcessorSettings
from orders.models import Order, StripeEvent
from promos.models import Card
from tests.console import Browser, client_of, create_user, place_orders

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 1, tzinfo=UTC)
# Keys that count up: a sequence, or a UUID of version 7. A one-to-one key is another model's.
COUNTED_KEYS = (models.AutoField, models.BigAutoField, models.UUIDField, models.OneToOneField)


@pytest.fixture
def client(db: None) -> Browser:
    return client_of(create_user(AUDITOR))


def pages(client: Browser, name: str) -> list[list[str]]:
    """Follow the links to older rows; return the ids of each page."""
    address, found = reverse(f"admin:{name}_changelist"), []
    start = address
    while start:
        cl = client.get(start).context["cl"]
        found.append([row.id for row in cl.result_list])
        start = address + cl.older if cl.older else ""
    return found


def test_the_newest_event_of_stripe_is_first_on_the_first_page(client: Browser) -> None:
    """Stripe's ids are random, so the newest event may have the smallest key."""
    for number in range(120):
        # Several events arrive at the same moment.
        StripeEvent.objects.create(
            id=f"evt_{(number * 77) % 120:03}",
            type="invoice.paid",
            payload={},
            occurred_at=NOW,
            received_at=NOW + timedelta(seconds=number // 3),
        )
    found = pages(client, "orders_stripeevent")
    expected = StripeEvent.objects.order_by("-received_at", "-id").values_list("id", flat=True)
    assert [len(page) for page in found] == [50, 50, 20]
    assert list(chain.from_iterable(found)) == list(expected)


def test_mirrored_objects_are_listed_by_their_time_at_stripe_and_those_without_one_last(client: Browser) -> None:
    for number in range(60):
        Charge.objects.create(
            id=f"ch_{number}",
            created=NOW - timedelta(days=number % 7) if number % 10 else None,
            livemode=False,
            amount=0,
            stripe_data={"id": f"ch_{number}"},
        )
    found = list(chain.from_iterable(pages(client, "djstripe_charge")))
    expected = sorted(
        Charge.objects.all(),
        key=lambda charge: (charge.created is not None, charge.created or NOW, charge.pk),
        reverse=True,
    )
    assert found == [charge.id for charge in expected]


@pytest.mark.parametrize("place", ["x", "~", "~x", "2026-11-01~evt", "2026-11-01T00:00:00+00:00~", "99999-~1"])
def test_an_invalid_place_shows_a_page(client: Browser, place: str) -> None:
    for name in ("orders_stripeevent", "djstripe_charge", "orders_order"):
        assert client.get(reverse(f"admin:{name}_changelist"), {"p": place}).status_code == 200


def test_every_list_of_records_is_ordered_by_time() -> None:
    request = RequestFactory().get("/")
    for model, page in admin.site._registry.items():
        if not isinstance(page, ReadOnlyAdmin):
            # Catalog and staff are listed by name, vouchers by time; the keys of Stripe are a single page.
            assert model is ProcessorSettings or page.get_ordering(request) or model._meta.ordering, model.__name__
            continue
        key = model._meta.pk
        mirrored = model.__module__.startswith("djstripe")
        # Serial numbers of cards ascend as their batches are drafted, and each signed head has the next number.
        counted = isinstance(key, COUNTED_KEYS) or model in (Card, LedgerHead)
        assert page.time_field or (counted and not mirrored), model.__name__
        if page.time_field:
            assert isinstance(model._meta.get_field(page.time_field), models.DateTimeField)


def test_an_order_at_one_in_the_morning_belongs_to_that_day_in_muscat(client: Browser, settings: Any) -> None:
    settings.SOVEREIGN_TIME_ZONE = "Asia/Muscat"
    (order,) = place_orders(1)
    Order.objects.filter(pk=order.pk).update(created_at=datetime(2026, 11, 1, 21, 0, tzinfo=UTC))
    address = reverse("admin:orders_order_changelist")
    page = client.get(address).content.decode()
    assert "2026-11-02 01:00:00" in page
    assert "times in Asia/Muscat" in page
    for day, number in (("2026-11-01", 0), ("2026-11-02", 1), ("2026-11-03", 0)):
        found = client.get(address, {"created_at_from": day, "created_at_to": day}).context["cl"].result_list
        assert len(found) == number, day
    assert "2026-11-02 01:00:00" in client.get(reverse("admin:orders_order_change", args=[order.pk])).content.decode()
