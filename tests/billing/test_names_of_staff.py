"""The console names staff by their e-mail address, and by their user id only where it knows no address."""

from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse

from billing.actor import AUDITOR, SUPERADMIN
from billing.admin.console.people import names_of
from billing.models import LedgerEntry
from tests.console import client_of, create_one_of_each, create_user
from tests.factories import CampaignFactory, CustomerFactory, UserFactory, give_credit

pytestmark = pytest.mark.django_db

# The pages of these records say who made or closed them, by this column.
COLUMNS = {
    "promos_dealer": "created_by",
    "promos_campaign": "drafted_by",
    "orders_webhookendpoint": "created_by",
    "billing_bulkgrant": "drafted_by",
    "orders_closedmonth": "closed_by",
}


def test_the_console_names_staff_by_their_address() -> None:
    keys = create_one_of_each()
    # Nobody drafted the first campaign.
    keys["promos_campaign"] = CampaignFactory.create().pk
    makers = {
        reverse(f"admin:{name}_change", args=[keys[name]]): getattr(_record(name, keys[name]), column)
        for name, column in COLUMNS.items()
    }
    for user_id in {SUPERADMIN, *makers.values()}:
        UserFactory.create(sub=user_id, email=f"{user_id}@staff.example")
    customer = CustomerFactory.create(user_id="zoe")
    give_credit(customer, 5_000)
    entry = LedgerEntry.objects.get(account=customer.pk)
    explain = reverse("admin:billing_ledgerentry_explain")
    others = [
        *(reverse(f"admin:{name}_changelist") for name in ("orders_closedmonth", "billing_ledgerentry")),
        reverse("admin:billing_ledgerentry_change", args=[entry.pk]),
        *(f"{explain}?{each}" for each in ("customer=zoe", f"order={keys['orders_order']}")),
    ]
    client = client_of(create_user(AUDITOR))
    shown = {address: client.get(address).content.decode() for address in (*makers, *others)}
    assert [each for each, user_id in makers.items() if f"{user_id}@staff.example" not in shown[each]] == []
    assert [each for each in others if f"{SUPERADMIN}@staff.example" not in shown[each]] == []


def _record(name: str, key: object) -> Any:
    app, _, model = name.partition("_")
    return apps.get_model(app, model)._default_manager.get(pk=key)


def test_an_unknown_user_and_one_without_an_address_are_named_by_their_id() -> None:
    UserFactory.create(sub="noor", email="noor@staff.example")
    UserFactory.create(sub="sara", email="")
    found = names_of(["noor", "sara", "worker", "noor"])
    assert found == {"noor": "noor@staff.example", "sara": "sara", "worker": "worker"}
