"""The console shows the ledger and its subjects as of a past instant."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.models import LedgerEntry
from billing.use_cases.past.position_at import position_at
from promos.models import Campaign
from tests.console import client_of, create_user, place_orders
from tests.factories import give_credit

pytestmark = pytest.mark.django_db
PAST = reverse("admin:billing_ledgerentry_past")


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(AUDITOR))


def test_lots_of_credit_that_never_expires_are_the_newest_grants() -> None:
    order = place_orders(1)[0]
    for _ in range(2):
        give_credit(order.customer, 3_000)
    last = LedgerEntry.objects.filter(account_id=order.customer_id).latest("version")
    found = position_at(order.customer, at=last.created_at, with_lots=True)
    assert (found.balance_minor, found.held_minor, found.available_minor) == (7_000, 500, 6_500)
    assert [(lot.brought_minor, lot.left_minor) for lot in found.lots] == [
        (10_000, 1_000),
        (3_000, 3_000),
        (3_000, 3_000),
    ]


def test_the_page_shows_the_ledger_a_customer_a_voucher_and_a_campaign(client: Client) -> None:
    order = place_orders(1)[0]
    spent = LedgerEntry.objects.get(kind="spend")
    at = spent.created_at.isoformat()
    assert "Trial balance" not in client.get(PAST).content.decode()
    shown = {
        "customer": (order.customer.email, "Balance, as known then"),
        "code": (order.promo_code, "Left with customers"),
        "campaign": (str(Campaign.objects.get()), "Left with customers"),
        "at": (at, "Trial balance"),
    }
    for name, (value, expected) in shown.items():
        page = client.get(PAST, {"at": at, name: value}).content.decode()
        assert expected in page
        assert "1.000" in page
    local = spent.created_at.strftime("%Y-%m-%d %H:%M:%S.%f")
    assert client.get(PAST, {"at": local}).status_code == 200


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"at": "yesterday"}, "Write the instant as 2026-12-31 23:59:59."),
        ({"at": "0001-01-02 00:00"}, "Write an instant of this century."),
        ({"customer": "nobody"}, "There is no such customer."),
        ({"code": "NO-SUCH"}, "There is no live voucher with this code."),
        ({"batch": "NO-SUCH"}, "There is no batch with this id."),
        ({"code": "A", "batch": "B"}, "only one of them"),
    ],
)
def test_a_bad_question_is_answered_with_a_sentence(client: Client, sent: dict[str, str], sentence: str) -> None:
    page = client.get(PAST, sent)
    assert page.status_code == 200
    assert sentence in page.content.decode()


def test_only_readers_of_the_ledger_see_it(client: Client) -> None:
    assert client_of(create_user(SOVEREIGN_ADMIN)).get(PAST).status_code == 403
