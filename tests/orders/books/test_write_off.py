"""An amount that is owed after a lost dispute is written off once, and the books and the journal say so."""

from datetime import timedelta
from typing import Any

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.actor import APPROVER, AUDITOR, FINANCE
from billing.errors import ReasonRequired
from billing.models import AuditEntry
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proposals.decide import approve_proposal
from config.parts.approvals import approval_limits
from orders.errors import NothingOwed
from orders.models import CardEntry, Order
from orders.use_cases.books.journal import current_postings, journal_lines
from orders.use_cases.books.month import month_of
from orders.use_cases.books.roll_forward import roll_forward
from orders.use_cases.books.write_off import left_owed, write_off, write_off_or_propose
from tests.console import client_of, create_user, place_orders, shown_messages
from tests.factories import actor
from tests.snapshot import nothing_changes, only_changes

pytestmark = pytest.mark.django_db

WHY = "the customer is bankrupt"


@pytest.fixture
def owed(db: None) -> CardEntry:
    (order,) = place_orders(1)
    entry: dict[str, Any] = {"currency": "OMR", "order": order, "stripe_object_id": "du_1"}
    CardEntry.objects.create(kind="dispute", amount_minor=-9_000, **entry)
    return CardEntry.objects.create(kind="owed", amount_minor=9_000, **entry)


def receivable() -> dict[str, int]:
    now = timezone.now()
    books = roll_forward(start=now - timedelta(days=1), finish=now + timedelta(days=1))
    (book,) = [each for each in books if each.name == "receivable"]
    return book.as_json()


def test_an_owed_amount_is_written_off_once(owed: CardEntry) -> None:
    with only_changes("orders_cardentry", "billing_auditentry"):
        written = write_off(entry_id=owed.pk, why=WHY, by=actor(FINANCE))
    assert (written.kind, written.amount_minor, left_owed(owed)) == ("written_off", -9_000, 0)
    assert receivable() == {"opening": 0, "owed": 9_000, "written_off": -9_000, "closing": 0}
    lines = [
        (line.account, line.debit_minor, line.credit_minor)
        for line in journal_lines(month_of(written.created_at), postings=current_postings())
        if line.event == "dispute.written_off"
    ]
    assert lines == [("5800", 9_000, 0), ("1220", 0, 9_000)]
    assert AuditEntry.objects.get(action="order.owed_written_off").reason == WHY
    assert verify_ledger().sound
    with nothing_changes():
        for entry_id in (owed.pk, written.pk):
            with pytest.raises(NothingOwed):
                write_off(entry_id=entry_id, why=WHY, by=actor(FINANCE))
        with pytest.raises(ReasonRequired):
            write_off(entry_id=owed.pk, why=" ", by=actor(FINANCE))


def test_a_write_off_above_the_limit_waits_for_an_approver(owed: CardEntry, settings: Any) -> None:
    settings.APPROVAL_LIMITS = approval_limits(["write_off=5000"])
    outcome = write_off_or_propose(entry_id=owed.pk, why=WHY, by=actor(FINANCE, user_id="fay"))
    assert outcome.proposal is not None
    assert outcome.proposal.changes == [["Owed after a lost dispute", "9.000 OMR", "0.000 OMR"]]
    assert left_owed(owed) == 9_000
    assert approve_proposal(proposal_id=outcome.proposal.pk, by=actor(APPROVER, user_id="amal")).status == "approved"
    assert left_owed(owed) == 0


def test_finance_writes_off_in_the_console_and_an_auditor_does_not(owed: CardEntry) -> None:
    address = reverse("admin:orders_cardentry_writeoff", args=[owed.pk])
    assert client_of(create_user(AUDITOR)).get(address).status_code == 403
    finance = client_of(create_user(FINANCE))
    assert "Write off" in finance.get(reverse("admin:orders_cardentry_change", args=[owed.pk])).content.decode()
    assert shown_messages(finance.submit(address, {"reason": WHY})) == ["9.000 OMR are written off."]
    assert Order.objects.get().status == "completed"
    page = finance.get(reverse("admin:orders_cardentry_change", args=[owed.pk])).content.decode()
    assert address not in page
