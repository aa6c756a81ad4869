"""The owner of the database changes the audit trail with triggers off. Each is found, and its entry is named."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from structlog.contextvars import bound_contextvars

from billing.models import AuditChain, AuditEntry, AuditLink, LedgerHead
from billing.use_cases.proof.audit.verify_audit import verify_audit_chain
from billing.use_cases.proof.seal_ledger import seal_ledger
from billing.use_cases.proof.verify_chain import verify_chain
from billing.use_cases.record_audit import record_audit
from tests.factories import actor
from tests.rules import TRIGGERS_OFF
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

# Writes all hashes again, as a forger would, and the end of the chain.
REHASH = """
DO $$ DECLARE l record; before bytea; BEGIN
  FOR l IN SELECT k.number, e AS entry FROM billing_auditlink k JOIN billing_auditentry e ON e.id = k.entry_id
           ORDER BY k.number LOOP
    before := billing_audit_hash(before, l.number, l.entry);
    UPDATE billing_auditlink SET hash = before WHERE number = l.number;
  END LOOP;
  UPDATE billing_auditchain SET hash = before, entries = (SELECT max(number) FROM billing_auditlink);
END $$;
"""
ENTRY = "(SELECT entry_id FROM billing_auditlink WHERE number = {0})"


def record(number: int) -> None:
    record_audit(action="order.changed", object_type="order", object_id=f"o{number}", by=actor(), reason=str(number))


@pytest.fixture
def trail(db: None) -> None:
    """Five entries, two of one transaction. A head covers the first four."""
    for number in (1, 2):
        record(number)
    with transaction.atomic():
        record(3)
        record(4)
    seal_ledger()
    record(5)


def forge(*statements: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        for statement in statements:
            cursor.execute(statement)


def test_a_true_trail_is_sound_and_covered_by_the_head(trail: None) -> None:
    facts = LedgerHead.objects.get().facts
    assert (facts["audit_entries"], facts["audit_hash"]) == (4, bytes(AuditLink.objects.get(number=4).hash).hex())
    with nothing_changes():
        assert verify_audit_chain() == (5, "")
        assert (verify_chain().fault, verify_chain().audit_entries) == ("", 5)
    in_order = AuditEntry.objects.order_by("link__number").values_list("object_id", flat=True)
    assert list(in_order) == ["o1", "o2", "o3", "o4", "o5"]


def test_an_act_that_is_taken_back_leaves_no_gap(trail: None) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(6)
        raise ZeroDivisionError
    record(7)
    assert verify_audit_chain() == (6, "")


def test_entries_that_are_chained_before_their_transaction_ends_can_be_taken_back(trail: None) -> None:
    chain_now: Any = "SELECT billing_chain_audit_now()"
    with transaction.atomic(), connection.cursor() as cursor:
        record(6)
        cursor.execute(chain_now)
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            record(7)
            cursor.execute(chain_now)
            assert AuditChain.objects.get().entries == 7
            raise ZeroDivisionError
        assert AuditChain.objects.get().entries == 6
        record(8)
    assert verify_audit_chain() == (7, "")


def test_a_transaction_of_many_entries_writes_the_end_of_the_chain_once(trail: None) -> None:
    """Each further version of that row would be read again by each entry that follows."""
    written: Any = "SELECT n_tup_upd FROM pg_stat_xact_user_tables WHERE relname = 'billing_auditchain'"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(written)
        [before] = cursor.fetchone()
        for number in range(6, 106):
            record(number)
        cursor.execute("SELECT billing_chain_audit_now()")
        cursor.execute(written)
        assert cursor.fetchone() == (before + 1,)
    assert verify_audit_chain() == (105, "")


def test_a_head_covers_the_entries_of_its_own_transaction(trail: None) -> None:
    with transaction.atomic():
        record(6)
        assert seal_ledger().facts["audit_entries"] == 6
    assert verify_chain().fault == ""


WRONG = "its hash does not follow from it and from the entry before"
TAMPERING = {
    "change": (
        f"UPDATE billing_auditentry SET reason = 'harmless' WHERE id = {ENTRY.format(2)}",
        f"audit entry 2 (order.changed of o2): {WRONG}",
        "head 1: audit entry 4 has another hash",
    ),
    "actor": (
        f"UPDATE billing_auditentry SET actor_id = 'mallory' WHERE id = {ENTRY.format(3)}",
        f"audit entry 3 (order.changed of o3): {WRONG}",
        "head 1: audit entry 4 has another hash",
    ),
    "delete": (
        f"DELETE FROM billing_auditentry WHERE id = {ENTRY.format(2)}",
        "audit entry 2 is missing",
        "audit entry 2 is missing",
    ),
    "delete both": (
        f"DELETE FROM billing_auditentry WHERE id = {ENTRY.format(2)};DELETE FROM billing_auditlink WHERE number = 2",
        "audit entry 2 is missing",
        "audit entry 2 is missing",
    ),
    "reorder": (
        "UPDATE billing_auditlink SET number = -number WHERE number IN (2, 3);"
        "UPDATE billing_auditlink SET number = 5 + number WHERE number < 0",
        f"audit entry 2 (order.changed of o3): {WRONG}",
        "head 1: audit entry 4 has another hash",
    ),
    "truncate": (
        f"DELETE FROM billing_auditentry WHERE id IN ({ENTRY.format(4)}, {ENTRY.format(5)});"
        "DELETE FROM billing_auditlink WHERE number >= 4",
        "audit entry 4 is missing",
        "head 1: audit entry 4 is missing",
    ),
}


@pytest.mark.parametrize(("statement", "fault", "rehashed"), TAMPERING.values(), ids=TAMPERING)
def test_tampering_is_found_and_located(trail: None, statement: str, fault: str, rehashed: str) -> None:
    forge(statement)
    assert verify_audit_chain()[1] == fault
    assert verify_chain().fault == fault
    forge(REHASH)
    assert verify_audit_chain()[1] == rehashed


def test_an_inserted_entry_is_found(trail: None) -> None:
    forge(
        "INSERT INTO billing_auditentry (action, object_type, object_id, changes, actor_id, actor_role, channel)"
        " VALUES ('code.issued', 'code', 'GIFT', '{}', 'x', 'x', 'api')"
    )
    forged = AuditEntry.objects.get(object_id="GIFT")
    assert verify_audit_chain()[1] == f"audit entry {forged.pk} (code.issued of GIFT) is not in the chain"
    forge(
        "UPDATE billing_auditlink SET number = -number WHERE number >= 2",
        "UPDATE billing_auditlink SET number = 1 - number WHERE number < 0",
        f"INSERT INTO billing_auditlink (number, entry_id, hash) VALUES (2, '{forged.pk}', '1')",
        REHASH,
    )
    assert verify_audit_chain()[1] == "head 1: audit entry 4 has another hash"


def test_the_end_of_the_chain_cannot_be_forged(trail: None) -> None:
    forge("UPDATE billing_auditchain SET hash = '1'")
    assert verify_audit_chain()[1] == "audit entry 5 is not the one that the end of the chain names"
    forge("DELETE FROM billing_auditchain")
    assert verify_audit_chain()[1] == "audit entry 5 is not the one that the end of the chain names"
    with pytest.raises(CommandError, match="end of the chain"):
        call_command("verify_ledger", "--chain")


def test_every_column_is_covered(trail: None) -> None:
    columns = {str(field.column): "9" for field in AuditEntry._meta.concrete_fields}
    columns |= {
        "id": "01a206fe-653f-7ea1-b44b-2f6c0a418148",
        "changes": '{"a": 1}',
        "address": "192.0.2.99",
        "created_at": "2020-01-01T00:00:00Z",
    }
    for column, value in columns.items():
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT bool_and(billing_audit_text(NULL, 1, e) <> billing_audit_text(NULL, 1, jsonb_populate_record("
                "e, jsonb_build_object(%s::text, %s::text)))) FROM billing_auditentry AS e",
                [column, value],
            )
            assert cursor.fetchall() == [(True,)], column


def test_an_entry_names_its_request(trail: None) -> None:
    with bound_contextvars(request_id="req-1"):
        record(6)
    assert AuditEntry.objects.get(object_id="o6").request_id == "req-1"
    assert AuditChain.objects.get().entries == 6


def test_entries_of_an_older_release_are_chained_once(trail: None) -> None:
    forge("DELETE FROM billing_auditlink", "DELETE FROM billing_auditchain", "DELETE FROM billing_sealedaccount")
    forge("DELETE FROM billing_ledgerhead")
    chain: Any = "SELECT billing_chain_older_audit_entries()"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(chain)
    assert verify_audit_chain() == (5, "")
    forge(
        "INSERT INTO billing_auditentry (action, object_type, object_id, changes, actor_id, actor_role, channel)"
        " VALUES ('code.issued', 'code', 'GIFT', '{}', 'x', 'x', 'api')"
    )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(chain)
    assert verify_audit_chain()[1].endswith("(code.issued of GIFT) is not in the chain")
