"""The owner of the database changes the past with triggers off, and writes the later hashes again. Each is found."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from billing.models import Account, Customer, LedgerCheck, LedgerEntry, LedgerHead
from billing.use_cases.ledger.post_entry import reverse_entry
from billing.use_cases.proof.daily_proof import prove_ledger
from billing.use_cases.proof.export_evidence import CHECKER, export_evidence
from billing.use_cases.proof.seal_ledger import seal_ledger
from billing.use_cases.proof.verify_chain import PublishedHead, verify_chain
from tests.factories import CustomerFactory, actor, give_credit
from tests.rules import TRIGGERS_OFF
from tests.snapshot import nothing_changes

pytestmark = pytest.mark.django_db(transaction=True)

# Gives the account's entries from a version on the hashes that follow, as a forger would.
REHASH = """
DO $$ DECLARE e billing_ledgerentry; before bytea; BEGIN
  FOR e IN SELECT * FROM billing_ledgerentry WHERE account_id = {account} ORDER BY version LOOP
    before := billing_entry_hash(before, e);
    UPDATE billing_ledgerentry SET hash = before WHERE id = e.id;
  END LOOP;
END $$;
"""

# Writes another number of entries into the statement of head 1.
COUNT = (
    "UPDATE billing_ledgerhead SET statement = replace(statement, '\"entries\":{before}', '\"entries\":{after}')"
    " WHERE number = 1"
)


@pytest.fixture
def ada() -> Customer:
    """Ada has five entries, and Bob, before and after her, has three. A head covers all but the last of each."""
    bob = CustomerFactory.create(user_id="bob")
    ada = CustomerFactory.create(user_id="ada")
    for customer, amounts in ((ada, (10, 20)), (bob, (10, 5))):
        for amount_minor in amounts:
            give_credit(customer, amount_minor)
    first = LedgerEntry.objects.get(account_id=ada.pk, version=1)
    reverse_entry(entry_id=first.id, why="a mistake", by=actor())
    give_credit(ada, 40)
    seal_ledger()
    give_credit(ada, 50)
    give_credit(bob, 7)
    return ada


def forge(*statements: str, rehash: tuple[int, ...] = ()) -> None:
    """Commits statements that the database would refuse, and writes the hashes of these accounts again."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(TRIGGERS_OFF)
        for statement in statements:
            cursor.execute(statement)
        for account in rehash:
            cursor.execute(REHASH.format(account=account))


def evidence(tmp_path: Path, *options: str) -> tuple[int, str]:
    """Exports the evidence and checks it as an auditor does, with Python alone; returns status and output."""
    pack = tmp_path / "evidence.zip"
    with pack.open("wb") as file:
        export_evidence(file)
    done = subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(pack), *options], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def said_of(entries: int, *, card: int = 0) -> str:
    """Returns the output for a sound pack of so many entries, without moves of lots and audit entries."""
    return (
        f"sound: {entries} entries, 0 moves of lots, {card} card entries, 0 audit entries (0 changed by an erasure)"
    )


def test_a_true_ledger_is_sound(ada: Customer, tmp_path: Path) -> None:
    head = LedgerHead.objects.get()
    published = PublishedHead(number=1, hash=head.hash)
    with nothing_changes():
        verdict = verify_chain(published=published)
        assert (verdict.fault, verdict.entries, verdict.accounts, verdict.head) == ("", 8, 2, head)
        status, said = evidence(tmp_path, "--head", f"1:{head.hash}", "--public-key", head.facts["public_key"])
    assert (status, said) == (0, f"{said_of(8)}; 1 heads, the last is 1:{head.hash}")


TAMPERING = {
    "change": "UPDATE billing_ledgerentry SET note = 'rewritten' WHERE account_id = {ada} AND version = 2",
    "time": "UPDATE billing_ledgerentry SET created_at = created_at - interval '1 microsecond'"
    " WHERE account_id = {ada} AND version = 2",
    "actor": "UPDATE billing_ledgerentry SET actor_id = 'mallory' WHERE account_id = {ada} AND version = 2",
    "delete": "DELETE FROM billing_ledgerentry WHERE account_id = {ada} AND version = 2",
    "reorder": "UPDATE billing_ledgerentry SET version = -version WHERE account_id = {ada} AND version IN (2, 4);"
    " UPDATE billing_ledgerentry SET version = 6 + version WHERE account_id = {ada} AND version < 0",
    "insert": "UPDATE billing_ledgerentry SET version = -version WHERE account_id = {ada} AND version >= 2;"
    " UPDATE billing_ledgerentry SET version = 1 - version WHERE account_id = {ada} AND version < 0;"
    " INSERT INTO billing_ledgerentry (account_id, version, kind, amount_minor, balance_after_minor, reason,"
    " actor_id, actor_role, channel) VALUES ({ada}, 2, 'grant', 1, 11, 'gift', 'x', 'x', 'api')",
}


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING)
def test_tampering_breaks_the_chain_at_its_entry(ada: Customer, statement: str, tmp_path: Path) -> None:
    forge(statement.format(ada=ada.pk))
    fault = verify_chain().fault
    assert fault.startswith(f"entry {3 if statement == TAMPERING['delete'] else 2} of ada: ")
    status, said = evidence(tmp_path)
    assert status == 1
    assert f"of account {ada.pk}" in said


@pytest.mark.parametrize("statement", TAMPERING.values(), ids=TAMPERING)
def test_tampering_with_new_hashes_differs_from_the_head(ada: Customer, statement: str, tmp_path: Path) -> None:
    renumber = (
        " UPDATE billing_ledgerentry SET version = -version WHERE account_id = {ada} AND version > 2;"
        " UPDATE billing_ledgerentry SET version = -version - 1 WHERE account_id = {ada} AND version < 0"
        if statement == TAMPERING["delete"]
        else "SELECT 1"
    )
    forge(statement.format(ada=ada.pk), renumber.format(ada=ada.pk), rehash=(ada.pk,))
    assert verify_chain().fault == "head 1 of ada: entry 4 has another hash"
    status, said = evidence(tmp_path)
    assert status == 1
    assert f"of account {ada.pk}" in said


def test_a_truncated_tail_is_missing(ada: Customer, tmp_path: Path) -> None:
    forge(
        f"DELETE FROM billing_ledgerentry WHERE account_id = {ada.pk} AND version > 3",
        f"UPDATE billing_account SET balance_minor = 20, version = 3 WHERE customer_id = {ada.pk}",
    )
    assert verify_chain().fault == "head 1 of ada: entry 4 is missing"
    assert evidence(tmp_path) == (1, f"FAULT: entry 4 of account {ada.pk}, which a head covers, is missing")


def test_swapped_accounts_differ_from_the_head(ada: Customer, tmp_path: Path) -> None:
    bob = Customer.objects.get(user_id="bob")
    swap = (
        f"UPDATE billing_ledgerentry SET account_id = CASE account_id WHEN {ada.pk} THEN {bob.pk} ELSE {ada.pk} END,"
        " version = -version",
        "UPDATE billing_ledgerentry SET version = -version",
    )
    forge(*swap)
    assert verify_chain().fault.startswith("entry 1 of bob: ")
    forge(rehash=(ada.pk, bob.pk))
    assert verify_chain().fault == "head 1 of bob: entry 2 has another hash"
    assert evidence(tmp_path)[0] == 1


def test_a_replaced_account_differs_from_the_head(ada: Customer, tmp_path: Path) -> None:
    forge(
        f"DELETE FROM billing_ledgerentry WHERE account_id = {ada.pk}",
        "INSERT INTO billing_ledgerentry (account_id, version, kind, amount_minor, balance_after_minor, reason,"
        f" actor_id, actor_role, channel) SELECT {ada.pk}, n, 'grant', 22, 22 * n, 'gift', 'x', 'x', 'api'"
        " FROM generate_series(1, 5) AS n",
        rehash=(ada.pk,),
    )
    assert verify_chain().fault == "head 1 of ada: entry 4 has another hash"
    assert evidence(tmp_path)[0] == 1


def test_heads_can_be_neither_forged_nor_removed(ada: Customer, tmp_path: Path) -> None:
    published = PublishedHead(number=2, hash=seal_ledger().hash)
    forge("UPDATE billing_sealedaccount SET version = 3 WHERE head_id = 1 AND version = 4")
    assert verify_chain().fault == "head 1: its accounts are not those that it signed"
    forge("UPDATE billing_sealedaccount SET version = 4 WHERE head_id = 1 AND version = 3")
    assert verify_chain(published=published).fault == ""
    forge(COUNT.format(before=6, after=5))
    assert verify_chain().fault == "head 1 has a wrong signature"
    assert evidence(tmp_path) == (1, "FAULT: head 1 has a wrong signature")
    forge(COUNT.format(before=5, after=6))
    forge("DELETE FROM billing_sealedaccount WHERE head_id = 2", "DELETE FROM billing_ledgerhead WHERE number = 2")
    assert verify_chain().fault == ""  # the entries after head 1 are only chained
    assert verify_chain(published=published).fault == "head 2 was published and is missing"
    assert evidence(tmp_path, "--head", f"2:{published.hash}") == (1, "FAULT: head 2 was published and is missing")
    assert verify_chain(published=PublishedHead(number=1, hash="0" * 64)).fault == "head 1 is not the published one"


def test_a_head_of_another_key_is_not_trusted(ada: Customer, settings: Any, tmp_path: Path) -> None:
    known = LedgerHead.objects.get().facts["public_key"]
    first = settings.LEDGER_SIGNING_SECRET
    settings.LEDGER_SIGNING_SECRET = "another-secret-0123456789-0123456789"
    assert verify_chain().fault == f"head 1 is signed with a key that is not trusted: {known}"
    settings.LEDGER_SIGNING_SECRET_FALLBACKS = [first]
    assert verify_chain().fault == ""
    seal_ledger()
    assert verify_chain().fault == ""
    assert evidence(tmp_path, "--public-key", known)[1].startswith("FAULT: head 2 is signed with another key")


def test_a_head_covers_only_the_accounts_that_changed(ada: Customer) -> None:
    second, third = seal_ledger(), seal_ledger()
    assert (second.facts["changed"], third.facts["changed"]) == (2, 0)
    assert (third.facts["accounts"], third.facts["entries"], third.facts["balance_minor"]) == (2, 8, 132)
    assert third.facts["previous"] == second.hash
    assert verify_chain().fault == ""


def test_a_head_reads_once_what_the_heads_before_cover(ada: Customer) -> None:
    plan: list[str] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if "INSERT INTO billing_sealedaccount" in sql and not sql.startswith("EXPLAIN"):
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN {sql}", params)
                plan.extend(line for (line,) in cursor.fetchall())
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        seal_ledger()
    assert any("Anti Join" in line for line in plan)
    assert [line for line in plan if "Nested Loop" in line] == []


def test_every_column_of_an_entry_is_covered(ada: Customer) -> None:
    columns = [str(field.column) for field in LedgerEntry._meta.fields if field.column != "hash"]
    others = dict.fromkeys(columns, "9") | {
        "address": "192.0.2.99",
        "created_at": "2020-01-01T00:00:00Z",
        "expires_at": "2020-01-01T00:00:00Z",
        "reverses_id": None,
        **dict.fromkeys(("id", "order_id", "redemption_id", "lot_id"), str(UUID(int=9))),
    }
    changed = "jsonb_populate_record(e, jsonb_build_object(%s::text, %s::text))"
    for column, value in others.items():
        with connection.cursor() as cursor:
            cursor.execute(
                f"SELECT billing_entry_text(NULL, e) <> billing_entry_text(NULL, {changed})"
                " FROM billing_ledgerentry AS e WHERE e.reverses_id IS NOT NULL",
                [column, value],
            )
            assert cursor.fetchall() == [(True,)], column


def test_the_command_names_a_fault_and_keeps_it(ada: Customer, capsys: pytest.CaptureFixture[str]) -> None:
    head = LedgerHead.objects.get()
    call_command("verify_ledger", "--head", f"1:{head.hash}")
    assert re.fullmatch(
        r"sound: [^\n]*\nsound: 8 hashes follow; .+; \d+ entries a second in all\n", capsys.readouterr().out
    )
    call_command("prove_ledger")
    second = LedgerHead.objects.get(number=2)
    assert capsys.readouterr().out.startswith(f"sound: 8 hashes follow; head 2:{second.hash}")
    forge(TAMPERING["actor"].format(ada=ada.pk))
    with pytest.raises(CommandError, match="entry 2 of ada"):
        call_command("verify_ledger", "--chain")
    assert [check.fault[:14] for check in LedgerCheck.objects.order_by("pk")] == ["", "", "entry 2 of ada"]
    # A head never covers what is known to be wrong.
    assert prove_ledger().fault.startswith("entry 2 of ada")
    assert LedgerHead.objects.count() == 2


def test_without_a_secret_the_ledger_is_chained_but_not_sealed(ada: Customer, settings: Any) -> None:
    settings.LEDGER_SIGNING_SECRET = ""
    forge("DELETE FROM billing_sealedaccount", "DELETE FROM billing_ledgerhead")
    assert prove_ledger().fault == ""
    assert LedgerHead.objects.count() == 0


def test_ranges_of_accounts_are_checked_side_by_side(ada: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.use_cases.proof.verify_chain.ACCOUNTS_A_STATEMENT", 1)
    assert (verify_chain().fault, verify_chain().entries) == ("", 8)
    forge(TAMPERING["change"].format(ada=ada.pk))
    assert verify_chain().fault.startswith("entry 2 of ada")
    assert Account.objects.count() == 2
