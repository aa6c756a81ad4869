"""verify_ledger names the first lot or entry that a change past the triggers makes wrong."""

import json
from datetime import timedelta
from uuid import UUID

import pytest
from django.db import connection
from django.utils import timezone

from billing.models import Account, Customer, LedgerEntry, Lot
from billing.use_cases.ledger.hold_credit import hold_credit
from billing.use_cases.ledger.post_entry import grant_credit, spend_credit
from billing.use_cases.ledger.verify_ledger import verify_ledger
from billing.use_cases.proof.verify_chain import verify_chain
from tests.factories import CustomerFactory, actor, give_credit
from tests.rules import corrupt

pytestmark = pytest.mark.django_db(transaction=True)

ORDER, HELD = UUID(int=1), UUID(int=2)


@pytest.fixture
def ada() -> Customer:
    """Ada has 100 for ever and 50 that expires, spends 20 of the latter, and holds 10 of the rest."""
    ada = CustomerFactory.create(user_id="ada")
    give_credit(ada, 100)
    soon = timezone.now() + timedelta(days=3)
    grant_credit(customer_id=ada.pk, amount_minor=50, reason="gift", expires_at=soon, credit_class="sold", by=actor())
    spend_credit(customer_id=ada.pk, amount_minor=20, order_id=ORDER, by=actor())
    hold_credit(customer_id=ada.pk, amount_minor=10, order_id=HELD)
    assert verify_ledger().sound
    return ada


LOT = "(SELECT entry_id FROM billing_lot WHERE version = 2)"
MOVE = "entry_id IS NOT NULL"
TAMPERING = {
    "rest": (f"UPDATE billing_lot SET left_minor = 31 WHERE entry_id = {LOT}", "left 31, its entries leave 30"),
    "held": (f"UPDATE billing_lot SET held_minor = 9 WHERE entry_id = {LOT}", "held 9, its active holds sum to 10"),
    "amount": (
        f"UPDATE billing_lot SET amount_minor = 60, left_minor = 40 WHERE entry_id = {LOT}",
        "of 60, its entry brought 50",
    ),
    "class": (
        f"UPDATE billing_lot SET credit_class = 'promotional' WHERE entry_id = {LOT}",
        "promotional credit, its entry says sold",
    ),
    "age": (f"UPDATE billing_lot SET version = 9 WHERE entry_id = {LOT}", "version 9, its entry has 2"),
    "expiry": (f"UPDATE billing_lot SET expires_at = NULL WHERE entry_id = {LOT}", "expires at , its entry says "),
    "a smaller part": (
        f"UPDATE billing_lotmove SET amount_minor = -19 WHERE {MOVE}",
        "left 30, its entries leave 31",
    ),
    "a part that is gone": (f"DELETE FROM billing_lotmove WHERE {MOVE}", "left 30, its entries leave 50"),
}


@pytest.mark.parametrize(("statement", "wrong"), TAMPERING.values(), ids=TAMPERING)
def test_a_changed_lot_is_named(ada: Customer, statement: str, wrong: str) -> None:
    changed = Lot.objects.get(version=2).pk
    corrupt(statement)
    verdict = verify_ledger()
    assert (verdict.row, verdict.user_id) == (f"lot {changed}", "ada")
    assert verdict.wrong.startswith(wrong)


def test_a_part_and_the_rest_of_its_lot_do_not_hide_from_their_entry(ada: Customer) -> None:
    corrupt(f"UPDATE billing_lotmove SET amount_minor = -19 WHERE {MOVE}")
    corrupt(f"UPDATE billing_lot SET left_minor = 31 WHERE entry_id = {LOT}")
    spend = LedgerEntry.objects.get(kind="spend")
    assert verify_ledger().row == f"ledger entry {spend.pk}"
    assert verify_ledger().wrong == "its lots account for -19 of -20"


def test_a_spend_that_moved_to_another_lot_is_named(ada: Customer) -> None:
    other = LedgerEntry.objects.get(version=1).pk
    corrupt(f"UPDATE billing_lotmove SET lot_id = '{other}' WHERE {MOVE}")
    corrupt("UPDATE billing_lot SET left_minor = 80 WHERE version = 1")
    corrupt("UPDATE billing_lot SET left_minor = 50 WHERE version = 2")
    spend = LedgerEntry.objects.get(kind="spend")
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_entry_text(NULL, e) FROM billing_ledgerentry e WHERE id = %s", [spend.pk])
        assert json.loads(cursor.fetchone()[0])[-4:] == ["", None, None, bytes(spend.lots_hash or b"").hex()]
    assert verify_ledger().row == f"ledger entry {spend.pk}"
    assert verify_ledger().wrong == "its lots are not those that its hash covers"
    assert verify_chain().fault == ""
    corrupt(f"UPDATE billing_ledgerentry SET lots_hash = billing_lots_hash(id) WHERE id = '{spend.pk}'")
    assert verify_ledger().sound
    assert verify_chain().fault == "entry 3 of ada: its hash does not follow from it and from the entry before"


def test_a_removed_lot_is_named_by_its_entry(ada: Customer) -> None:
    gone = LedgerEntry.objects.get(version=1)
    corrupt(f"DELETE FROM billing_lot WHERE entry_id = '{gone.pk}'")
    assert verify_ledger().row == f"account {ada.pk}"
    assert verify_ledger().wrong == "balance 130, its lots sum to 30"


def test_an_account_that_forgets_its_next_expiry_is_named(ada: Customer) -> None:
    corrupt(f"UPDATE billing_account SET next_expiry = NULL WHERE customer_id = {ada.pk}")
    assert verify_ledger().row == f"account {ada.pk}"
    assert Account.objects.get(pk=ada.pk).next_expiry is None
