"""The owner of the database changes card entries with triggers off. Each is found, also in an evidence pack."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from billing.models import LedgerHead
from billing.use_cases.proof.seal_ledger import seal_ledger
from billing.use_cases.proof.verify_chain import verify_chain
from orders.models import CardChain, CardEntry, CardLink
from tests.billing.proof.test_tampering import evidence, forge, said_of

pytestmark = pytest.mark.django_db(transaction=True)

# Writes all hashes again, as a forger would, and the end of the chain.
REHASH = """
DO $$ DECLARE l record; before bytea; BEGIN
  FOR l IN SELECT k.number, e AS entry FROM orders_cardlink k JOIN orders_cardentry e ON e.id = k.entry_id
           ORDER BY k.number LOOP
    before := orders_card_hash(before, l.number, l.entry);
    UPDATE orders_cardlink SET hash = before WHERE number = l.number;
  END LOOP;
  UPDATE orders_cardchain SET hash = before, entries = (SELECT max(number) FROM orders_cardlink);
END $$;
"""
ENTRY = "(SELECT entry_id FROM orders_cardlink WHERE number = {0})"


def record(number: int) -> None:
    CardEntry.objects.create(kind="fee", amount_minor=-number, currency="OMR", stripe_object_id=f"txn_{number}")


@pytest.fixture
def entries(db: None) -> None:
    """Five entries, two of one transaction. A head covers the first four."""
    for number in (1, 2):
        record(number)
    with transaction.atomic():
        record(3)
        record(4)
        seal_ledger()
    record(5)


def test_true_entries_are_sound_and_covered_by_the_head(entries: None, tmp_path: Path) -> None:
    head = LedgerHead.objects.get()
    digest = bytes(CardLink.objects.get(number=4).hash).hex()
    assert (head.facts["card_entries"], head.facts["card_hash"]) == (4, digest)
    verdict = verify_chain()
    assert (verdict.fault, verdict.other_entries) == ("", {"card": 5})
    assert evidence(tmp_path) == (0, f"{said_of(0, card=5)}; 1 heads, the last is 1:{head.hash}")


WRONG = "its hash does not follow from it and from the entry before"
TAMPERING = {
    "change": (
        f"UPDATE orders_cardentry SET amount_minor = -9, total_minor = -9 WHERE id = {ENTRY.format(2)}",
        f"card entry 2 (fee of txn_2): {WRONG}",
        "card entry 3 does not follow from the entry before",
        "head 1: card entry 4 has another hash",
        "card entry 4 is not the one that head 1 covers",
    ),
    "delete": (
        f"DELETE FROM orders_cardentry WHERE id = {ENTRY.format(2)}; DELETE FROM orders_cardlink WHERE number = 2",
        "card entry 2 is missing",
        "card entry 2 is missing",
        "card entry 2 is missing",
        "card entry 2 is missing",
    ),
    "insert": (
        "INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, stripe_object_id)"
        " VALUES ('fee', -9, -9, 'OMR', 'txn_9'); UPDATE orders_cardlink SET number = -number WHERE number >= 2;"
        " UPDATE orders_cardlink SET number = 1 - number WHERE number < 0; INSERT INTO orders_cardlink"
        " SELECT 2, '1', id FROM orders_cardentry WHERE stripe_object_id = 'txn_9'",
        f"card entry 2 (fee of txn_9): {WRONG}",
        "card entry 3 does not follow from the entry before",
        "head 1: card entry 4 has another hash",
        "card entry 4 is not the one that head 1 covers",
    ),
    "reorder": (
        "UPDATE orders_cardlink SET number = -number WHERE number IN (2, 3);"
        "UPDATE orders_cardlink SET number = 5 + number WHERE number < 0",
        f"card entry 2 (fee of txn_3): {WRONG}",
        "card entry 3 does not follow from the entry before",
        "head 1: card entry 4 has another hash",
        "card entry 4 is not the one that head 1 covers",
    ),
    "swap": (
        "UPDATE orders_cardentry SET stripe_object_id = 'x' WHERE stripe_object_id = 'txn_2';"
        "UPDATE orders_cardentry SET stripe_object_id = 'txn_2' WHERE stripe_object_id = 'txn_3';"
        "UPDATE orders_cardentry SET stripe_object_id = 'txn_3' WHERE stripe_object_id = 'x'",
        f"card entry 2 (fee of txn_3): {WRONG}",
        "card entry 3 does not follow from the entry before",
        "head 1: card entry 4 has another hash",
        "card entry 4 is not the one that head 1 covers",
    ),
    "truncate": (
        f"DELETE FROM orders_cardentry WHERE id IN ({ENTRY.format(4)}, {ENTRY.format(5)});"
        "DELETE FROM orders_cardlink WHERE number >= 4",
        "card entry 4 is missing",
        "card entry 4 is missing, head 1 covers 4 entries",
        "head 1: card entry 4 is missing",
        "card entry 4 is missing, head 1 covers 4 entries",
    ),
}


@pytest.mark.parametrize("case", TAMPERING.values(), ids=TAMPERING)
def test_tampering_is_found_and_located(entries: None, tmp_path: Path, case: tuple[str, ...]) -> None:
    statement, fault, said, rehashed, rehashed_said = case
    forge(statement)
    assert verify_chain().fault == fault
    assert evidence(tmp_path) == (1, f"FAULT: {said}")
    forge(REHASH)
    assert verify_chain().fault == rehashed
    assert evidence(tmp_path) == (1, f"FAULT: {rehashed_said}")


def test_an_entry_outside_the_chain_and_a_forged_end_are_found(entries: None) -> None:
    forge("UPDATE orders_cardchain SET hash = '1'")
    assert verify_chain().fault == "card entry 5 is not the one that the end of the chain names"
    forge(REHASH)
    forge(
        "INSERT INTO orders_cardentry (kind, amount_minor, total_minor, currency, stripe_object_id)"
        " VALUES ('fee', -9, -9, 'OMR', 'txn_9')"
    )
    forged = CardEntry.objects.get(stripe_object_id="txn_9")
    assert verify_chain().fault == f"card entry {forged.pk} (fee of txn_9) is not in the chain"


def test_every_column_is_covered(entries: None) -> None:
    columns: dict[str, Any] = {str(field.column): "9" for field in CardEntry._meta.concrete_fields}
    for name in ("id", "order_id"):
        columns[name] = "01a206fe-653f-7ea1-b44b-2f6c0a418148"
    columns["created_at"] = "2020-01-01T00:00:00Z"
    for column, value in columns.items():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bool_and(orders_card_text(NULL, 1, e) <> orders_card_text(NULL, 1, jsonb_populate_record("
                "e, jsonb_build_object(%s::text, %s::text)))) FROM orders_cardentry AS e",
                [column, value],
            )
            assert cursor.fetchall() == [(True,)], column


def test_entries_of_an_older_release_are_chained_once(entries: None) -> None:
    forge("DELETE FROM orders_cardlink", "DELETE FROM orders_cardchain")
    forge("DELETE FROM billing_sealedaccount", "DELETE FROM billing_ledgerhead")
    for _ in range(2):
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT orders_chain_older_card_entries()")
        assert (verify_chain().fault, CardChain.objects.get().entries) == ("", 5)
