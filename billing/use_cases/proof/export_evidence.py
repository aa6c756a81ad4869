import json
from collections.abc import Iterable
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from django.db import connection, transaction

from billing.actor import Actor
from billing.database.replica import reading_from_replica
from billing.models import LedgerHead, SealedAccount
from billing.use_cases.proof.audit.app_chains import list_app_chains
from billing.use_cases.record_audit import record_audit

CHECKER = Path(__file__).parent / "check_evidence.py"
_STATEMENTS = {
    "entries.jsonl": "export_evidence.sql",
    "lot_moves.txt": "export_lot_moves.sql",
    "audit_entries.jsonl": "audit/export_audit.sql",
}
_README = """The evidence of one ledger: all entries of credit, of card money and of the audit trail, all signed
heads, and their checker.

    python3 check_evidence.py PACK.zip --head NUMBER:HASH --public-key KEY

entries.jsonl     an entry a line, exactly as its hash covers it: the hash of its account's entry before, account,
                  version, id, kind, amount, balance after, reason, note, order, redemption, reversed entry, actor,
                  role, channel, address, microseconds since 1970; then, where the entry has one: class of the
                  credit, its expiry, the lot that it names, hash of what it took from each lot
card_entries.jsonl
                  an entry of card money a line: the hash of the entry before, number, id, kind, amount, currency,
                  total of its object and kind, order, Stripe's id, microseconds since 1970
lot_moves.txt     what entries took from lots (negative) or gave back, where their hash covers it: account, version of
                  the entry, lot (the id of the entry that brought it), amount
audit_entries.jsonl
                  an entry of the audit trail a line: the hash of the entry before, number, id, action, type and id of
                  the object, changes, reason, actor, role, e-mail address, channel, network address, microseconds
                  since 1970, request. What the erasure of a customer left of an entry has another hash; the entry
                  customer.erased names that
heads.jsonl       a head a line: its statement and the signature of the statement (Ed25519)
accounts.txt      what each head covers: head, account, version of its newest entry, hash of that entry
check_evidence.py the checker; read it, it is short
"""


def hand_out_evidence(file: IO[bytes], *, by: Actor, reason: str) -> None:
    """Writes an evidence pack for a member of staff, and records that in the audit trail first."""
    record_audit(action="ledger.evidence_exported", object_type="ledger", object_id="all", by=by, reason=reason)
    with reading_from_replica():
        export_evidence(file)


def export_evidence(file: IO[bytes]) -> None:
    """Writes an evidence pack: a zip of entries, heads and their checker, all of one instant.

    Transaction: owns, one snapshot. Memory stays the same however long the ledger is.
    """
    with transaction.atomic(), ZipFile(file, "w", ZIP_DEFLATED) as pack:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        pack.writestr("README.txt", _README)
        pack.write(CHECKER, CHECKER.name)
        _write_lines(pack, "heads.jsonl", _heads())
        _write_lines(pack, "accounts.txt", _accounts())
        for name, statement in _STATEMENTS.items():
            _write_texts(pack, name, (Path(__file__).parent / statement).read_text(encoding="utf-8"))
        for chain in list_app_chains():
            _write_texts(pack, f"{chain.name}_entries.jsonl", chain.read_statement("export"))


def _heads() -> Iterable[str]:
    for head in LedgerHead.objects.order_by("number").iterator():
        yield json.dumps({"statement": head.statement, "signature": bytes(head.signature).hex()})


def _accounts() -> Iterable[str]:
    for each in SealedAccount.objects.order_by("head_id", "account_id").iterator():
        yield f"{each.head_id} {each.account_id} {each.version} {bytes(each.hash).hex()}"


def _write_texts(pack: ZipFile, name: str, statement: str) -> None:
    with connection.chunked_cursor() as cursor:
        cursor.execute(statement)
        _write_lines(pack, name, (text for (text,) in cursor))


def _write_lines(pack: ZipFile, name: str, lines: Iterable[str]) -> None:
    with pack.open(name, "w", force_zip64=True) as file:
        for line in lines:
            file.write(f"{line}\n".encode())
