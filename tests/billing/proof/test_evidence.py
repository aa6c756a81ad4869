"""An evidence pack holds audit entries and moves of lots, and its checker finds what was changed of them."""

from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import connection
from django.utils import timezone

from billing.models import AuditEntry, AuditLink, Customer, LedgerHead
from billing.use_cases.ledger.post_entry import grant_credit, reverse_entry, spend_credit
from billing.use_cases.proof.audit.verify_audit import verify_audit_chain
from billing.use_cases.proof.seal_ledger import seal_ledger
from billing.use_cases.proof.verify_chain import verify_chain
from billing.use_cases.record_audit import record_audit
from orders.use_cases.personal.erase_customer import erase_customer
from orders.use_cases.personal.finish_erasure import finish_erasure
from tests.billing.proof.test_audit_tampering import REHASH as REHASH_AUDIT
from tests.billing.proof.test_audit_tampering import TAMPERING as AUDIT_TAMPERING
from tests.billing.proof.test_audit_tampering import record
from tests.billing.proof.test_tampering import evidence, forge
from tests.factories import CustomerFactory, actor

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def trail(db: None) -> None:
    """Five audit entries. A head covers the first four."""
    for number in range(1, 5):
        record(number)
    seal_ledger()
    record(5)


def test_a_true_trail_is_in_the_pack(trail: None, tmp_path: Path) -> None:
    said = "sound: 0 entries, 0 moves of lots, 0 card entries, 5 audit entries (0 changed by an erasure); 1 heads, "
    assert evidence(tmp_path) == (0, f"{said}the last is 1:{LedgerHead.objects.get().hash}")


PACK_FAULTS = {
    "change": (
        "audit entry 3 does not follow from the entry before",
        "audit entry 4 is not the one that head 1 covers",
    ),
    "actor": (
        "audit entry 4 does not follow from the entry before",
        "audit entry 4 is not the one that head 1 covers",
    ),
    "delete": ("audit entry 2 is missing", "audit entry 2 is missing"),
    "delete both": ("audit entry 2 is missing", "audit entry 2 is missing"),
    "reorder": (
        "audit entry 3 does not follow from the entry before",
        "audit entry 4 is not the one that head 1 covers",
    ),
    "truncate": (
        "audit entry 4 is missing, head 1 covers 4 entries",
        "audit entry 4 is missing, head 1 covers 4 entries",
    ),
}


@pytest.mark.parametrize("kind", AUDIT_TAMPERING)
def test_a_changed_trail_is_found_in_the_pack(trail: None, kind: str, tmp_path: Path) -> None:
    plain, rehashed = PACK_FAULTS[kind]
    forge(AUDIT_TAMPERING[kind][0])
    assert evidence(tmp_path) == (1, f"FAULT: {plain}")
    forge(REHASH_AUDIT)
    assert evidence(tmp_path) == (1, f"FAULT: {rehashed}")


def erased_customer(user_id: str) -> Customer:
    """A customer whose address an audit entry named before it was erased."""
    customer: Customer = CustomerFactory.create(user_id=user_id, email=f"{user_id}@example.org")
    record_audit(
        action="customer.called",
        object_type="customer",
        object_id=str(customer.pk),
        by=actor(),
        reason=customer.email,
    )
    erase_customer(customer_id=customer.pk, lose_credit=False, why="asked for it", by=actor())
    finish_erasure(customer_id=customer.pk)
    return customer


def test_an_erasure_is_attested_in_the_pack(trail: None, tmp_path: Path) -> None:
    erased_customer("ada")
    seal_ledger()
    assert AuditEntry.objects.get(action="customer.called").reason == "erased"
    status, said = evidence(tmp_path)
    assert (status, "8 audit entries (1 changed by an erasure)" in said) == (0, True), said
    assert verify_chain().fault == ""


def excuse(number: int, customer_id: int) -> None:
    """Changes an audit entry and appends an erasure that names it, as somebody with the database's password could."""
    forge(f"UPDATE billing_auditentry SET reason = 'harmless' WHERE id = {_entry(number)}")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(billing_audit_hash(p.hash, l.number, e), 'hex') FROM billing_auditlink AS l"
            " JOIN billing_auditentry AS e ON e.id = l.entry_id"
            " JOIN billing_auditlink AS p ON p.number = l.number - 1 WHERE l.number = %s",
            [number],
        )
        [digest] = cursor.fetchone()
    record_audit(
        action="customer.erased",
        object_type="customer",
        object_id=str(customer_id),
        by=actor(),
        changes={"audit_entries": [None, [[number, digest], [None, None]]]},
    )


def _entry(number: int) -> str:
    return f"'{AuditLink.objects.get(number=number).entry_id}'"


def test_an_erasure_of_a_customer_who_is_not_erased_excuses_nothing(trail: None, tmp_path: Path) -> None:
    excuse(2, CustomerFactory.create(user_id="ada").pk)
    fault = "audit entry 2 (order.changed of o2): its hash does not follow from it and from the entry before"
    assert verify_audit_chain()[1] == fault
    assert evidence(tmp_path) == (1, "FAULT: audit entry 3 does not follow from the entry before")


def test_a_second_erasure_of_a_customer_excuses_nothing(trail: None, tmp_path: Path) -> None:
    ada = erased_customer("ada")
    excuse(2, ada.pk)
    fault = "audit entry 2 (order.changed of o2): its hash does not follow from it and from the entry before"
    assert verify_audit_chain()[1] == fault
    assert evidence(tmp_path) == (1, "FAULT: audit entry 3 does not follow from the entry before")


@pytest.fixture
def lots(db: None) -> Customer:
    """Ada spends 15 of credit of 10 that expires tomorrow and of 20 that never does, and gets 15 back."""
    ada: Customer = CustomerFactory.create(user_id="ada")
    for amount_minor, life in ((20, None), (10, timedelta(days=1))):
        expires_at = timezone.now() + life if life else None
        grant_credit(customer_id=ada.pk, amount_minor=amount_minor, reason="gift", expires_at=expires_at, by=actor())
    spent = spend_credit(customer_id=ada.pk, amount_minor=15, order_id=uuid4(), by=actor())
    reverse_entry(entry_id=spent.pk, why="a mistake", by=actor())
    seal_ledger()
    return ada


def test_true_moves_of_lots_are_in_the_pack(lots: Customer, tmp_path: Path) -> None:
    status, said = evidence(tmp_path)
    assert (status, said.partition(", 0 card")[0]) == (0, "sound: 4 entries, 4 moves of lots"), said


MOVE = (
    "UPDATE billing_lotmove SET amount_minor = amount_minor {0} WHERE entry_id = (SELECT id FROM billing_ledgerentry"
    " WHERE version = {1}) AND lot_id = (SELECT id FROM billing_ledgerentry WHERE version = {2})"
)
LOT_TAMPERING = {
    "amount": (MOVE.format("- 1", 3, 2), 3),
    "given back": (MOVE.format("+ 1", 4, 1), 4),
    "another lot": (
        "INSERT INTO billing_lot SELECT id, account_id, version, 9, 9, 0, 'sold' FROM billing_ledgerentry"
        " WHERE version = 4; UPDATE billing_lotmove SET lot_id = (SELECT entry_id FROM billing_lot WHERE version = 4)"
        " WHERE amount_minor = -5",
        3,
    ),
    "delete": ("DELETE FROM billing_lotmove WHERE amount_minor = -5", 3),
    "delete all": ("DELETE FROM billing_lotmove WHERE amount_minor < 0", 3),
}


@pytest.mark.parametrize(("statement", "version"), LOT_TAMPERING.values(), ids=LOT_TAMPERING)
def test_changed_moves_of_lots_are_found_in_the_pack(
    lots: Customer, statement: str, version: int, tmp_path: Path
) -> None:
    forge(statement)
    assert evidence(tmp_path) == (1, f"FAULT: entry {version} of account {lots.pk} moved other lots")


def test_moves_with_new_hashes_differ_from_the_head_or_do_not_add_up(lots: Customer, tmp_path: Path) -> None:
    seal = "UPDATE billing_ledgerentry SET lots_hash = billing_lots_hash(id) WHERE lots_hash IS NOT NULL"
    forge(MOVE.format("- 1", 3, 2), seal, rehash=(lots.pk,))
    assert evidence(tmp_path) == (1, f"FAULT: entry 3 of account {lots.pk}: it moved -16 of lots, its amount is -15")
    forge(MOVE.format("+ 1", 3, 1), seal, rehash=(lots.pk,))
    assert evidence(tmp_path) == (
        1,
        f"FAULT: entry 3 of account {lots.pk} took more from lot {_lot(2)} than it had",
    )
    forge(MOVE.format("+ 2", 3, 2), MOVE.format("- 2", 3, 1), seal, rehash=(lots.pk,))
    assert evidence(tmp_path) == (1, f"FAULT: entry 4 of account {lots.pk} is not the one that a head covers")


def _lot(version: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id::text FROM billing_ledgerentry WHERE version = %s", [version])
        [found] = cursor.fetchone()
    return str(found)
