"""The ledger's list says what entries belong to, narrows and totals them, and exports exactly what it shows."""

import csv
from http import HTTPStatus
from io import StringIO
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from billing.actor import AUDITOR, SOVEREIGN_ADMIN
from billing.models import AuditEntry, LedgerEntry
from billing.use_cases.ledger.post_entry import adjust_credit
from tests.console import client_of, create_user, place_orders
from tests.factories import CampaignFactory, PromoCodeFactory, actor
from tests.orders.ledger.test_spreadsheet import read_sheet
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db
LIST, EXPORT, TOTALS = (reverse(f"admin:billing_ledgerentry_{name}") for name in ("changelist", "export", "totals"))


@pytest.fixture
def client(db: None) -> Client:
    return client_of(create_user(AUDITOR))


def found(client: Client, **sent: str) -> set[Any]:
    return {entry.pk for entry in client.get(LIST, sent).context["cl"].result_list}


def exported(client: Client, file_format: str = "csv", **sent: str) -> Any:
    return client.post(
        f"{EXPORT}?{'&'.join(f'{name}={value}' for name, value in sent.items())}",
        {"file_format": file_format, "reason": "month end"},
    )


def test_the_list_shows_organization_order_code_and_campaign(client: Client) -> None:
    campaign = CampaignFactory.create(name="Summer")
    order = place_orders(1, code=PromoCodeFactory.create(credit_minor=10_000, campaign_id=campaign.pk).code)[0]
    page = client.get(LIST).content.decode()
    for text in (order.organization.name, f"…{str(order.pk)[-8:]}", order.promo_code, "Summer", "+10.000", "-9.000"):
        assert text in page
    assert found(client, campaign="summer") == set(
        LedgerEntry.objects.filter(order_id=order.pk, kind="grant").values_list("pk", flat=True)
    )


def test_filters_narrow_the_list_its_totals_and_its_export_alike(client: Client) -> None:
    first, second = place_orders(2)
    up = adjust_credit(customer_id=second.customer_id, amount_minor=1_250, why="=1+1", by=actor())
    spends = set(LedgerEntry.objects.filter(kind="spend").values_list("pk", flat=True))
    wanted: list[tuple[dict[str, str], set[Any]]] = [
        ({"kind__exact": "spend"}, spends),
        ({"kind__exact": "adjustment"}, {up.pk}),
        ({"credit_class": "sold"}, set()),
        ({"customer": first.customer.email.upper(), "at_least": "10.5"}, set()),
        ({"at_most": "1.25"}, {up.pk}),
        ({"at_least": "9.000", "at_most": "9"}, spends),
        ({"campaign": "no such"}, set()),
        ({"created_at_from": "2099-01-01"}, set()),
    ]
    for sent, keys in wanted:
        assert found(client, **sent) == keys, sent
        rows = list(csv.DictReader(StringIO(exported(client, **sent).getvalue().decode(), newline="")))
        assert {row["entry"] for row in rows} == {str(key) for key in keys}
        totals = client.get(TOTALS, sent).content.decode()
        assert f"<dd>{len(keys)}</dd>" in totals.replace("\n", "").replace(" ", "")


def test_an_export_neutralizes_formulas_and_is_audited(client: Client) -> None:
    order = place_orders(1)[0]
    adjust_credit(customer_id=order.customer_id, amount_minor=-250, why="=HYPERLINK(1)", by=actor())
    with only_changes("billing_auditentry"):
        answer = exported(client)
        text = answer.getvalue().decode()
    assert answer.headers["Content-Disposition"] == 'attachment; filename="ledger.csv"'
    rows = list(csv.DictReader(StringIO(text, newline="")))
    assert [row["amount"] for row in rows] == ["10.000", "-9.000", "-0.250"]
    assert [row["balance_after"] for row in rows] == ["10.000", "1.000", "0.750"]
    assert rows[2]["note"] == "'=HYPERLINK(1)"
    assert (rows[0]["organization"], rows[0]["code"]) == (order.organization.name, order.promo_code)
    sheet = read_sheet(exported(client, "xlsx").getvalue())
    assert [row[6] for row in sheet[1:]] == [(None, row["amount"]) for row in rows]
    audited = AuditEntry.objects.filter(action="ledger.exported").latest("pk")
    assert (audited.object_id, audited.reason) == ("xlsx", "month end")


def test_an_export_needs_a_reason_and_the_permission_to_read_the_ledger(client: Client) -> None:
    place_orders(1)
    other = client_of(create_user(SOVEREIGN_ADMIN))
    with nothing_changes():
        assert "This field is required" in client.post(EXPORT, {"file_format": "csv"}).content.decode()
        for address in (EXPORT, TOTALS):
            assert other.get(address).status_code == HTTPStatus.FORBIDDEN
        assert exported(other).status_code == HTTPStatus.FORBIDDEN
