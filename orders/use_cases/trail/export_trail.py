"""Writes the signed file with everything that this Sovereign keeps of one customer."""

import hashlib
import json
from collections.abc import Iterable
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from billing.errors import NoLedgerSigningSecret
from billing.models import Account, AuditEntry, Customer, LedgerEntry, Organization, Subscription
from billing.use_cases.ledger.post_entry import MOVED_OUT
from billing.use_cases.proof.signing import as_text, signing_key
from orders.errors import MoveNotFound
from orders.models import Order
from orders.use_cases.customers.plan_merge import find_customer
from orders.use_cases.trail.move_credit_out import moves_of
from promos.models import Redemption

STATEMENT, SIGNATURE = "statement.json", "signature.txt"
# The rows of each file. What only opens a page elsewhere is left out.
_OF_CUSTOMERS = {
    "customers": "to_jsonb(t) FROM billing_customer t WHERE t.id = ANY(%(customers)s)",
    "holds": "to_jsonb(t) FROM billing_hold t WHERE t.account_id = ANY(%(customers)s)",
    "lots": "to_jsonb(t) FROM billing_lot t WHERE t.account_id = ANY(%(customers)s)",
    "organizations": "to_jsonb(t) FROM billing_organization t WHERE t.customer_id = ANY(%(customers)s)",
    "members": "to_jsonb(t) FROM billing_organizationmember t WHERE t.organization_id = ANY(%(organizations)s)",
    "subscriptions": "to_jsonb(t) FROM billing_subscription t WHERE t.customer_id = ANY(%(customers)s)",
    "invoices": "to_jsonb(t) FROM billing_invoice t WHERE t.customer_id = ANY(%(customers)s)",
    "redemptions": "to_jsonb(t) || jsonb_build_object('code', p.code) FROM promos_redemption t"
    " LEFT JOIN promos_promocode p ON p.id = t.promo_code_id WHERE t.customer_id = ANY(%(customers)s)",
    "orders": "to_jsonb(t) FROM orders_order t WHERE t.customer_id = ANY(%(customers)s)",
    "order_lines": "to_jsonb(t) FROM orders_orderline t WHERE t.order_id = ANY(%(orders)s)",
    "payments": "to_jsonb(t) - 'session_url' FROM orders_payment t WHERE t.order_id = ANY(%(orders)s)",
    "refunds": "to_jsonb(t) FROM orders_refund t WHERE t.payment_id = ANY(%(orders)s)",
    "card_entries": "to_jsonb(t) FROM orders_cardentry t WHERE t.order_id = ANY(%(orders)s)",
    "documents": "to_jsonb(t) FROM orders_document t WHERE t.order_id = ANY(%(orders)s)",
}
_ENTRIES = """
SELECT billing_entry_text(lag(e.hash) OVER (PARTITION BY e.account_id ORDER BY e.version), e)
  FROM billing_ledgerentry e WHERE e.account_id = ANY(%(customers)s) ORDER BY e.account_id, e.version
"""
# As in an evidence pack, because the same checker reads it.
_LOT_MOVES = """
SELECT format('%%s %%s %%s %%s', e.account_id, e.version, m.lot_id, m.amount_minor)
  FROM billing_ledgerentry e JOIN billing_lotmove m ON m.entry_id = e.id
 WHERE e.account_id = ANY(%(customers)s) AND e.lots_hash IS NOT NULL ORDER BY e.account_id, e.version, m.lot_id
"""
_AUDIT = """
SELECT to_jsonb(e) || jsonb_build_object('number', l.number, 'hash', encode(l.hash, 'hex'))
  FROM billing_auditentry e LEFT JOIN billing_auditlink l ON l.entry_id = e.id
 WHERE e.id = ANY(%(audit)s) ORDER BY l.number
"""
_CREDIT = """
SELECT class, expiry, sum(rest_minor)::bigint FROM billing_lots_at(%s, %s, %s) WHERE rest_minor > 0
 GROUP BY class, expiry ORDER BY class, expiry
"""


def export_trail(file: IO[bytes], *, user_id: str, move_id: str) -> None:
    """Writes the file of a move, as often as it is asked for. It is signed, and of one instant.

    Raises: CustomerNotFound, MoveNotFound, NoLedgerSigningSecret. Transaction: owns, one snapshot.
    """
    key = signing_key()
    if not key:
        raise NoLedgerSigningSecret
    with transaction.atomic(), ZipFile(file, "w", ZIP_DEFLATED) as pack:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            cursor.execute("SET LOCAL statement_timeout = 0")
        customer = find_customer(user_id=user_id)
        move = next((each for each in moves_of(customer) if each.changes["move"][1] == move_id), None)
        if move is None:
            raise MoveNotFound
        keys = _keys_of(customer)
        statements = {"entries.jsonl": _ENTRIES, "lot_moves.txt": _LOT_MOVES, "audit.jsonl": _AUDIT}
        statements |= {f"{name}.jsonl": f"SELECT {rows} ORDER BY 1" for name, rows in _OF_CUSTOMERS.items()}
        digests = {name: _write_rows(pack, name, statements[name], keys) for name in sorted(statements)}
        statement = json.dumps(
            {
                "move": move_id,
                "from": settings.SOVEREIGN_DOMAIN,
                "user_id": customer.user_id,
                "to": move.changes["to"][1],
                "to_user_id": move.changes["to_user_id"][1],
                "moved_at": move.created_at.isoformat(),
                "currency": Account.objects.get(pk=customer.pk).currency,
                "credit": _moved_credit(customer, move_id),
                "newest_entries": _newest_entries(keys["customers"]),
                "files": digests,
                "public_key": as_text(key.public_key()),
            },
            indent=1,
        )
        pack.writestr(STATEMENT, statement)
        pack.writestr(SIGNATURE, key.sign(statement.encode()).hex())


def _keys_of(customer: Customer) -> dict[str, list[Any]]:
    """Returns the keys of all that belongs to the customer and to those who were merged into it."""
    own = Customer.objects.filter(Q(pk=customer.pk) | Q(merged_into=customer.pk))
    customers = list(own.order_by("pk").values_list("pk", flat=True))
    found: dict[str, list[Any]] = {"customers": customers}
    for name, model in (
        ("organizations", Organization),
        ("orders", Order),
        ("redemptions", Redemption),
        ("subscriptions", Subscription),
    ):
        found[name] = list(model._default_manager.filter(customer__in=customers).values_list("pk", flat=True))
    concerned = Q(actor_id__in=list(own.values_list("user_id", flat=True)))
    for name, keys in found.items():
        concerned |= Q(object_type=name.removesuffix("s"), object_id__in=[str(each) for each in keys])
    return found | {"audit": list(AuditEntry.objects.filter(concerned).values_list("pk", flat=True))}


def _write_rows(pack: ZipFile, name: str, statement: str, keys: dict[str, list[Any]]) -> str:
    """Writes a row a line; returns the SHA-256 of the file."""
    digest = hashlib.sha256()
    with connection.chunked_cursor() as cursor, pack.open(name, "w", force_zip64=True) as file:
        cursor.execute(statement, keys)
        rows: Iterable[tuple[Any]] = cursor
        for (row,) in rows:
            line = f"{row if isinstance(row, str) else json.dumps(row)}\n".encode()
            digest.update(line)
            file.write(line)
    return digest.hexdigest()


def _moved_credit(customer: Customer, move_id: str) -> list[dict[str, Any]]:
    """Returns what the move took out, by class and expiry: the credit before its entry."""
    entry = LedgerEntry.objects.filter(account=customer.pk, reason=f"{MOVED_OUT}{move_id}").first()
    if entry is None:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_CREDIT, [customer.pk, entry.version - 1, entry.created_at])
        return [
            {"class": name, "expires_at": expiry and expiry.isoformat(), "amount_minor": amount_minor}
            for name, expiry, amount_minor in cursor.fetchall()
        ]


def _newest_entries(customers: list[int]) -> list[list[Any]]:
    newest = LedgerEntry.objects.filter(account__in=customers).order_by("account", "-version").distinct("account")
    return [[each.account_id, each.version, bytes(each.hash or b"").hex()] for each in newest]
