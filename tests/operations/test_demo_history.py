"""The demo's history: made by use cases at instants of the past, in books that add up, and written once."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import Max, Min
from django.utils import timezone

from billing.models import AuditEntry, LedgerEntry, Organization
from config.devtools.demo.history import write_history as history
from config.devtools.demo.history.issuers import WELCOME
from orders.models import Document, Order
from orders.use_cases.catalog.seed_catalog import seed_catalog
from promos.models import Campaign, Redemption, RefusedAttempt
from promos.use_cases.verify_redemptions import verify_redemptions

DAYS = 12


@pytest.fixture
def settings_of_demo(settings: Any) -> None:
    """No card processor: a short history is paid by credit."""
    settings.INITIAL_STRIPE_SECRET_KEY = ""


@pytest.mark.django_db(transaction=True)
def test_a_history_is_of_the_past_and_its_books_add_up(settings_of_demo: None) -> None:
    seed_catalog()
    now = timezone.now()
    assert history.write_history(state=None, days=DAYS)
    for model, field in (
        (Order, "created_at"),
        (LedgerEntry, "created_at"),
        (Redemption, "reserved_at"),
        (AuditEntry, "created_at"),
        (Organization, "created_at"),
        (RefusedAttempt, "created_at"),
    ):
        span = model._default_manager.aggregate(first=Min(field), last=Max(field))
        # Customers come every day, and mistype a code by chance.
        latest = now if model is RefusedAttempt else now - timedelta(days=DAYS - 3)
        assert now - timedelta(days=DAYS + 1) < span["first"] < latest, model
        assert span["last"] < now, model
    assert Campaign.objects.get(name=WELCOME).status == Campaign.Status.ACTIVE
    call_command("verify_ledger", "--chain")
    assert verify_redemptions() is None
    first = Document.objects.order_by("supplied_at", "id")[0]
    assert (first.kind, first.basis_points, first.number) == (Document.Kind.INVOICE, history.VAT_BASIS_POINTS, 1)
    assert timedelta() < first.issued_at - first.supplied_at < timedelta(days=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_namespace WHERE nspname = 'qasima_past'")
        assert cursor.fetchone() == (0,)
    placed = Order.objects.count()
    assert not history.write_history(state=None, days=DAYS)
    assert Order.objects.count() == placed
