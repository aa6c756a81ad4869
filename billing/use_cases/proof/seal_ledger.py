import json
from datetime import UTC
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from billing.errors import NoLedgerSigningSecret
from billing.models import LedgerHead

from .audit.app_chains import list_app_chains
from .signing import as_text, signing_key

_SEAL = (Path(__file__).parent / "seal_ledger.sql").read_text(encoding="utf-8")
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('heads of the ledger', 0))"
_AUDIT = "SELECT entries, encode(hash, 'hex') FROM billing_auditchain"
_ROOT = "SELECT encode(billing_head_root(%s), 'hex')"


def seal_ledger() -> LedgerHead:
    """Signs a new head, which covers every account that changed since the head before, and the audit trail.

    Transaction: owns. Heads are made one after the other. Entries that are written meanwhile belong to the next head.

    Raises: NoLedgerSigningSecret.
    """
    key = signing_key()
    if key is None:
        raise NoLedgerSigningSecret
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute(_LOCK)
        before = LedgerHead.objects.order_by("-number").first()
        number = before.number + 1 if before else 1
        # The audit entries of the caller's own transaction join the chain now, not at its end.
        cursor.execute("SELECT billing_chain_audit_now()")
        # While no account is covered, PostgreSQL would read the growing table anew for each of millions of accounts.
        cursor.execute("SET LOCAL enable_nestloop = off")
        cursor.execute(_SEAL, {"number": number})
        changed, accounts, entries, balance_minor, at = cursor.fetchone()
        cursor.execute(_AUDIT)
        audit_entries, audit_hash = cursor.fetchone() or (0, "")
        cursor.execute(_ROOT, [number])
        statement = {
            "number": number,
            "at": at.astimezone(UTC).isoformat(),
            "currency": settings.SOVEREIGN_CURRENCY,
            "accounts": accounts,
            "entries": int(entries),
            "balance_minor": int(balance_minor),
            "changed": changed,
            "root": cursor.fetchone()[0],
            "audit_entries": audit_entries,
            "audit_hash": audit_hash,
            **_ends_of_app_chains(),
            "previous": before.hash if before else "",
            "public_key": as_text(key.public_key()),
        }
        signed = json.dumps(statement, separators=(",", ":"))
        return LedgerHead.objects.create(number=number, statement=signed, signature=key.sign(signed.encode()))


def _ends_of_app_chains() -> dict[str, int | str]:
    ends: dict[str, int | str] = {}
    for chain in list_app_chains():
        ends[f"{chain.name}_entries"], ends[f"{chain.name}_hash"] = chain.find_end()
    return ends
