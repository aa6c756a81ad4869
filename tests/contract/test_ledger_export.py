"""Finance's and auditors' systems export ledger entries, with the conditions of the ledger's page."""

import csv
import io
from typing import Any

import pytest

from billing.models import AuditEntry, Customer, LedgerEntry
from billing.use_cases.ledger.post_entry import adjust_credit
from promos.models import PromoCode
from tests.factories import PromoCodeFactory, actor
from tests.snapshot import nothing_changes, only_changes

from .api_client import Caller
from .conftest import Checkout
from .json_shapes import assert_refused

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "billing/admin/ledger/export"
WHY = {"reason": "month end"}


@pytest.fixture
def entries(checkout: Checkout) -> list[LedgerEntry]:
    """A grant, a spend and an adjustment whose reason a spreadsheet would run."""
    PromoCodeFactory.create(code="TWENTY", credit_minor=20_000)
    checkout(promo_code="TWENTY")
    adjust_credit(customer_id=Customer.objects.get().pk, amount_minor=-500, why="=1+1", by=actor())
    return list(LedgerEntry.objects.order_by("version"))


def rows(caller: Caller, **asked: Any) -> list[dict[str, str]]:
    answer = caller.post(PATH, {**WHY, **asked})
    assert answer.status == 200, answer.content
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def test_all_entries_are_exported_and_the_export_is_recorded(entries: list[LedgerEntry], salim: Caller) -> None:
    with only_changes("billing_auditentry"):
        found = rows(salim)
    assert [row["entry"] for row in found] == [str(entry.pk) for entry in entries]
    assert [row["amount"] for row in found][-1] == "-0.500"
    assert "=1+1" not in found[-1].values()
    record = AuditEntry.objects.get(action="ledger.exported")
    assert (record.object_id, record.reason, record.channel) == ("csv", "month end", "api")


def test_conditions_narrow_the_export(entries: list[LedgerEntry], salim: Caller) -> None:
    grant, spend, adjustment = (str(entry.pk) for entry in entries)
    customer = Customer.objects.get()
    at = entries[2].created_at.isoformat()
    for asked, expected in (
        ({"kind": "adjustment"}, [adjustment]),
        ({"since": at}, [adjustment]),
        ({"until": at}, [grant, spend]),
        ({"customer": customer.user_id, "at_most_minor": 500}, [adjustment]),
        ({"customer": "nobody"}, []),
        ({"at_least_minor": 20_000, "credit_class": "promotional"}, [grant]),
        ({"campaign": PromoCode.objects.get(code="TWENTY").campaign.name.upper()}, [grant]),
    ):
        assert [row["entry"] for row in rows(salim, **asked)] == expected, asked
    record = AuditEntry.objects.filter(action="ledger.exported").earliest("created_at")
    assert record.changes == {"kind": [None, "adjustment"]}


def test_a_bad_export_is_refused(entries: list[LedgerEntry], salim: Caller) -> None:
    with nothing_changes():
        assert_refused(salim.post(PATH, {**WHY, "campaign": "none"}), 404, "campaign_not_found")
        assert_refused(salim.post(PATH, {**WHY, "kind": "gift"}), 400, "invalid_request")
        assert_refused(salim.post(PATH, {"file_format": "csv"}), 400, "invalid_request")
